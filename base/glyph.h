/* The console's font, made at build time of Debian's Terminus (tools/font), and which glyph a
 * character is. */
#ifndef BASE_GLYPH_H
#define BASE_GLYPH_H

#include <helix/font.h>
#include <stdint.h>

struct glyph_name {
    uint16_t character;
    uint16_t glyph;
};

struct glyph_table {
    uint32_t count;
    uint32_t missing;               /* the glyph of what the font lacks: a box */
    const struct glyph_name *names; /* in order of characters */
};

extern const struct hx_font console_font;
extern const struct glyph_table console_glyphs;

/* O(log n).  Context: any. */
uint32_t glyph_find(const struct glyph_table *table, uint32_t character);

#endif
