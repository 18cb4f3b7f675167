/*
 * Cells of text and the pixels they become. The kernel and the modules that draw for it are built
 * with the same code.
 *
 * Rules:
 * - A cell is a number: a glyph of the font, two of sixteen colours, and whether it is underlined.
 * - Pixels are 32 bits each: 0x00RRGGBB.
 */
#ifndef HELIX_CELL_H
#define HELIX_CELL_H

#include <helix/attributes.h>
#include <helix/font.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of a cell. */
#define HX_CELL_GLYPH       0x0000ffffU
#define HX_CELL_INK_SHIFT   16
#define HX_CELL_PAPER_SHIFT 20
#define HX_CELL_COLOURS     0x00ff0000U
#define HX_CELL_UNDERLINED  0x01000000U
#define HX_CELL_INK(cell)   ((cell) >> HX_CELL_INK_SHIFT & 15U)
#define HX_CELL_PAPER(cell) ((cell) >> HX_CELL_PAPER_SHIFT & 15U)
#define HX_CELL_IN(ink, paper)                                                                     \
    ((uint32_t)(ink) << HX_CELL_INK_SHIFT | (uint32_t)(paper) << HX_CELL_PAPER_SHIFT)
#define HX_CELL_UNDERLINE_ROW 14U

/* The colours in the order of ECMA-48's: black, red, green, yellow, blue, magenta, cyan, white;
 * then the same, bright. */
#define HX_COLOURS                                                                                 \
    {                                                                                              \
        0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa, 0x555555,  \
            0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff                   \
    }

/* What four pixels of a glyph look like in two colours: as two words, for each of the 16. */
struct hx_brush {
    uint64_t ink; /* two pixels of it */
    uint64_t paper;
    uint64_t quads[16][2];
};

static inline void hx_brush_set(struct hx_brush *brush, uint32_t cell)
{
    static const uint32_t colours[16] = HX_COLOURS;
    uint64_t ink = colours[HX_CELL_INK(cell)];
    uint64_t paper = colours[HX_CELL_PAPER(cell)];
    const uint64_t pairs[4] = {paper | paper << 32, paper | ink << 32, ink | paper << 32,
                               ink | ink << 32};

    brush->paper = pairs[0];
    brush->ink = pairs[3];
    for (unsigned i = 0; i < 16; i++) {
        brush->quads[i][0] = pairs[i >> 2];
        brush->quads[i][1] = pairs[i & 3];
    }
}

static inline void hx_row_fill(uint64_t *pixels, uint64_t pair)
{
    pixels[0] = pair;
    pixels[1] = pair;
    pixels[2] = pair;
    pixels[3] = pair;
}

/* Many rows of a glyph are empty. */
static inline void hx_glyph_row_draw(uint8_t bits, const struct hx_brush *brush, char *pixels)
{
    uint64_t *to = (uint64_t *)(void *)pixels;

    if (bits == 0) {
        hx_row_fill(to, brush->paper);
    } else {
        const uint64_t *left = brush->quads[bits >> 4];
        const uint64_t *right = brush->quads[bits & 15];

        to[0] = left[0];
        to[1] = left[1];
        to[2] = right[0];
        to[3] = right[1];
    }
}

/* Four rows at a time: the loop's own instructions are a fifth of one row's. */
static inline void hx_glyph_draw(const uint8_t rows[HX_GLYPH_HEIGHT], const struct hx_brush *brush,
                                 char *pixels, size_t pitch)
{
    for (unsigned y = 0; y < HX_GLYPH_HEIGHT; y += 4, pixels += 4 * pitch) {
        hx_glyph_row_draw(rows[y], brush, pixels);
        hx_glyph_row_draw(rows[y + 1], brush, pixels + pitch);
        hx_glyph_row_draw(rows[y + 2], brush, pixels + 2 * pitch);
        hx_glyph_row_draw(rows[y + 3], brush, pixels + 3 * pitch);
    }
}

/*
 * Draw cells beside each other: HX_GLYPH_HEIGHT rows of pixels, `pitch` bytes from one to the next;
 * all are multiples of eight. A glyph that the font does not have is its last one.
 */
static inline void hx_cells_draw(const struct hx_font *font, const uint32_t *cells, size_t count,
                                 void *pixels, size_t pitch)
{
    uint32_t colours = ~0U;
    struct hx_brush brush;
    char *to = pixels;

    for (size_t i = 0; i < count; i++, to += HX_GLYPH_WIDTH * sizeof(uint32_t)) {
        uint32_t cell = cells[i];
        uint32_t glyph = cell & HX_CELL_GLYPH;

        if ((cell & HX_CELL_COLOURS) != colours) {
            colours = cell & HX_CELL_COLOURS;
            hx_brush_set(&brush, cell);
        }
        hx_glyph_draw(font->rows[glyph < font->count ? glyph : font->count - 1], &brush, to, pitch);
        if (HX_UNLIKELY((cell & HX_CELL_UNDERLINED) != 0)) {
            hx_row_fill((uint64_t *)(void *)(to + HX_CELL_UNDERLINE_ROW * pitch), brush.ink);
        }
    }
}

#endif
