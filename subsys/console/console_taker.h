/*
 * Who takes what comes in: a thread, by the module in the slot "console"; and core where that does
 * not.
 *
 * Rules:
 * - The device's interrupt is acknowledged by the kernel and wakes the thread. It has the module
 *   take bytes as long as the module takes any, and takes itself what the module has left.
 * - The module has CONSOLE_TAKER_PATIENCE_NS to come back. From then on, until it does, core takes
 *   what comes in the interrupt, as it did before there was a module.
 * - A closed gate is not waited at: core takes what comes during a swap.
 */
#ifndef SUBSYS_CONSOLE_CONSOLE_TAKER_H
#define SUBSYS_CONSOLE_CONSOLE_TAKER_H

#include <hal/clock.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define CONSOLE_TAKER_PATIENCE_NS (20 * HAL_NS_PER_MS) /* shorter than a person notices */

/* The input is there (console_input.h). From now on the module is asked, as soon as there is one;
 * again after an error of the caller's, too.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err console_taker_start(void);

/* Something has come in, or there is room again.  Context: irq, thread. */
void console_taker_request(void);

/* How often core did not wait for the module any longer.  Context: any. */
uint64_t console_taker_lapses(void);

#endif
