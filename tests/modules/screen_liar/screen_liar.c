/* A driver of the screen that lies or dies at what it draws. */
#include <helix/cell.h>
#include <helix/loan.h>
#include <helix/module.h>
#include <helix/screen.h>
#include <stdbool.h>

#define CELL_SIZE (HX_GLYPH_WIDTH * HX_GLYPH_HEIGHT * sizeof(uint32_t))

extern const struct hx_font console_font;

static uint32_t cells[HX_SCREEN_CELLS_MAX];
static uint64_t pixels[HX_SCREEN_CELLS_MAX * CELL_SIZE / sizeof(uint64_t)];

/* The font has ASCII's glyphs at ASCII's places. */
static bool has(uint64_t count, char wanted)
{
    for (uint64_t i = 0; i < count; i++) {
        if ((cells[i] & HX_CELL_GLYPH) == (uint8_t)wanted) {
            return true;
        }
    }
    return false;
}

static uint64_t draw(uint64_t lent_cells, uint64_t count, uint64_t lent_pixels)
{
    bool dies;
    bool scribbles;

    if (count > HX_SCREEN_CELLS_MAX ||
        hx_loan_read(lent_cells, 0, cells, count * sizeof(cells[0])) != HX_OK) {
        return 0;
    }
    dies = has(count, HX_SCREEN_LIE_TRAP);
    scribbles = has(count, HX_SCREEN_LIE_PIXELS);
    hx_cells_draw(&console_font, cells, count, pixels, count * HX_GLYPH_WIDTH * sizeof(uint32_t));
    for (size_t i = 0; scribbles && i < count * CELL_SIZE / sizeof(pixels[0]); i++) {
        pixels[i] = ~pixels[i];
    }
    if (hx_loan_write(lent_pixels, 0, pixels, count * CELL_SIZE / (dies ? 2 : 1)) != HX_OK) {
        return 0;
    }
    if (dies) {
        __builtin_trap();
    }
    return count + (has(count, HX_SCREEN_LIE_MORE) ? 1 : 0);
}

static const struct hx_screen_operations operations = {.draw = draw};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "screen_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_SCREEN,
    .operations_size = sizeof(operations),
    .operations = &operations,
};
