/*
 * Threads that a scheduler's module has lost, or always passes over: it was offered them, and never
 * names them.
 *
 * Rules:
 * - Lost: who is told that there is nothing to run looks.
 * - An offer counts as lost when it has been the same one for LOST_THREAD_LOOKS looks in a row of
 * one CPU on which the thread may run, each of which was told that there is nothing. Between two
 * looks lie LOST_THREAD_LOOK_NS, so that a CPU which is about to take the thread, or to enqueue it,
 * has long done so.
 * - Passed over: at its ticks a CPU looks, while others wait. An offer counts as passed over when
 * it has been the same one for LOST_THREAD_LOOKS_BUSY looks, and one more for each thread that
 * there is, as turns may be long and many; and at each of them somebody ran there who is as urgent
 * at most. A policy may let urgent threads run for ever before others, but not one before its
 * equals.
 * - The watchdog's interrupts wake an idle CPU (core/gate/watchdog.h): it looks when nothing else
 *   happens, too.
 */
#ifndef CORE_SCHEDULING_LOST_THREAD_H
#define CORE_SCHEDULING_LOST_THREAD_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stdint.h>

#define LOST_THREAD_LOOK_NS 100000000ULL
#define LOST_THREAD_LOOKS   10U

#define LOST_THREAD_LOOKS_BUSY 30U

/* The CPU, the calling one, was told that there is nothing to run: whether a thread has been lost.
 * Context: any but nmi, interrupts off. */
HX_MUST_USE bool lost_thread_look(uint32_t cpu);

/* A tick of the CPU, the calling one, while others wait, in a thread of that priority word: whether
 * one is passed over.  Context: irq, interrupts off. */
HX_MUST_USE bool passed_over_look(uint32_t cpu, uint16_t priority);

#endif
