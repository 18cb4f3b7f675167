/*
 * The watchdog: ends calls into modules that loop with interrupts off (SPEC H5).
 *
 * Rules:
 * - The timer's tick ends a call that takes too long while interrupts are on (core/gate/gate.h).
 *   While they are off no tick comes, and the non-maskable interrupt stands in for those that did
 *   not: it charges them to the call's deadline.
 * - A call dies when its deadline has passed and WATCHDOG_LOOKS in a row have found the CPU in it
 *   with not a tick in between; a machine that stood still for a moment is not taken for a loop.
 * - Only module code is ended; a callout that takes long is not, nor anything else of core's.
 */
#ifndef CORE_GATE_WATCHDOG_H
#define CORE_GATE_WATCHDOG_H

#include <stdbool.h>

#define WATCHDOG_LOOKS 4U

struct hal_frame;

/* Start it if the machine has what it needs, and say so in the log.  Context: thread, one at a
 * time, while it does not run. */
void watchdog_start(void);

/* Nothing is ended any more until it is started again.  Context: thread, one at a time. */
void watchdog_stop(void);

/* Whether non-maskable interrupts are to be expected.  Context: any. */
bool watchdog_is_running(void);

/* A non-maskable interrupt has come, of this origin or another.  Context: nmi. */
void watchdog_look(struct hal_frame *frame);

#endif
