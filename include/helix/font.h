/*
 * Bitmap fonts: eight pixels wide, so that each row of a glyph is a byte, the leftmost pixel its
 * highest bit.
 */
#ifndef HELIX_FONT_H
#define HELIX_FONT_H

#include <stdint.h>

#define HX_GLYPH_WIDTH  8U
#define HX_GLYPH_HEIGHT 16U

struct hx_font {
    uint32_t count;
    const uint8_t (*rows)[HX_GLYPH_HEIGHT];
};

#endif
