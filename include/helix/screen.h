/*
 * The operations of a module that draws the console's text.
 *
 * Rules:
 * - The kernel owns the cells and the display's memory: the module makes pixels of the cells of one
 *   call (helix/cell.h), and the kernel shows them. What the module does not draw the kernel draws
 *   itself, so that one that goes at any moment loses nothing.
 * - The kernel draws one cell of each call as well, a different one each time. Other pixels than
 *   its own, and another answer than how many cells there were, end the instance, and the whole
 *   screen is drawn anew.
 * - draw comes from one thread at a time; number at any time.
 */
#ifndef HELIX_SCREEN_H
#define HELIX_SCREEN_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_SCREEN_CELLS_MAX 256U

/*
 * draw    make pixels of count cells: loans of the cells, 4 bytes each, which may be read, and of
 *         their pixels, which may be written: HX_GLYPH_HEIGHT rows of count * HX_GLYPH_WIDTH * 4
 *         bytes. How many cells it drew
 * number  statistic index (enum hx_screen_number); 0 where it is not kept
 */
#define HX_SCREEN_OPERATION_LIST(X)                                                                \
    X(SCREEN_DRAW, draw, uint64_t, (uint64_t cells, uint64_t count, uint64_t pixels),              \
      HX_OPERATION_READS)                                                                          \
    X(SCREEN_NUMBER, number, uint64_t, (uint64_t index), HX_OPERATION_READS)

enum hx_screen_operation { HX_SCREEN_OPERATION_LIST(HX_OPERATION_ENUM) SCREEN_OPERATION_COUNT };

struct hx_screen_operations {
    HX_SCREEN_OPERATION_LIST(HX_OPERATION_MEMBER)
};

enum hx_screen_number {
    HX_SCREEN_CELLS, /* drawn */
    HX_SCREEN_CALLS,
    HX_SCREEN_NUMBERS,
};

/* What tests/modules/screen_liar does with cells of which one has such a character. */
#define HX_SCREEN_LIE_TRAP   '^' /* dies after half of them */
#define HX_SCREEN_LIE_PIXELS '@' /* draws them wrong */
#define HX_SCREEN_LIE_MORE   '}' /* says that it has drawn one more */

#endif
