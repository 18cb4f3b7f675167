/*
 * The screen: the console's text on the machine's display (SPEC D1), the writer "fb".
 *
 * Rules:
 * - Core owns the cells: whoever writes changes them and says so, and drawing makes pixels of those
 *   that are not on the display as they are. So drawing may lag, stop and begin again at any time,
 *   and nothing is lost.
 * - Drawn is by whoever has written, before the writer's function returns; or, after
 *   screen_set_drawer, by a thread that calls screen_draw; and in a panic by core, at once.
 * - The display's memory is never read. Where it is larger than what is shown a scroll draws the
 *   rows that come in, and shows the memory from there on.
 */
#ifndef CORE_DEBUG_SCREEN_H
#define CORE_DEBUG_SCREEN_H

#include <core/config/boot_configuration.h>
#include <core/debug/console.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Lines in a colour for each level; programs' bytes as a terminal's. It is registered by who has
 * started the screen. */
extern const struct console_writer console_framebuffer;

/*
 * Find the display and make it a screen of text.
 * Context: boot or thread, once.  Errors: those of display_find; HX_ENODEV it is too small.
 */
HX_MUST_USE hx_err screen_start(const struct boot_configuration *config);
bool screen_is_there(void);

/*
 * Makes pixels of cells beside each other, at most as many as a row has: HX_GLYPH_HEIGHT rows, each
 * as long as the cells are, 0x00RRGGBB. False: core does it.  Context: thread, may block.
 */
typedef bool screen_painter(const uint32_t *cells, size_t count, uint32_t *pixels);

/* From now on `wake` is called when there is something to draw (context: any but nmi), and whoever
 * it wakes calls screen_draw. Returns what was called before; NULL: nothing.  Context: boot or
 * thread. */
void (*screen_set_drawer(void (*wake)(void)))(void);

/* Draw what there is; painter NULL: core paints. Returns whether there was something.  Context:
 * thread, one at a time. */
bool screen_draw(screen_painter *painter);

/* Draw all of it anew at the next screen_draw.  Context: as screen_draw. */
void screen_forget(void);

struct screen_statistics {
    uint32_t columns, rows;
    uint64_t cells;   /* drawn */
    uint64_t painted; /* those of them that a painter made */
    uint64_t scrolled;
};
struct screen_statistics screen_statistics(void);

#endif
