/*
 * The screen's thread, which draws; by the module in the slot "screen" where there is one.
 *
 * Rules:
 * - It draws at once, then not again before SCREEN_PERIOD_NS: what is written meanwhile is drawn in
 *   one go, and rows that have gone by then are not drawn at all.
 * - What the module has not drawn core draws. A module that dies or lies is replaced
 *   (core/self_heal), and the screen is drawn anew.
 */
#ifndef SUBSYS_CONSOLE_SCREEN_DRIVER_H
#define SUBSYS_CONSOLE_SCREEN_DRIVER_H

#include <hal/clock.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCREEN_PERIOD_NS (10 * HAL_NS_PER_MS)

/* There is a screen: from now on the thread draws; again after an error of the caller's, too.
 * Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err screen_driver_start(void);

/* The module as a painter (core/debug/screen.h).  Context: thread, one at a time. */
bool screen_driver_paint(const uint32_t *cells, size_t count, uint32_t *pixels);

#endif
