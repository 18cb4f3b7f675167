/*
 * Threads that a scheduler's module has lost: it was offered them, and never names them.
 *
 * Rules:
 * - Only who is told that there is nothing to run looks, so a busy machine pays nothing, and a
 * thread that waits behind others is not taken for lost.
 * - An offer counts as lost when it has been the same one for LOST_THREAD_LOOKS looks in a row of
 * one CPU on which the thread may run, each of which was told that there is nothing. Between two
 * looks lie LOST_THREAD_LOOK_NS, so that a CPU which is about to take the thread, or to enqueue it,
 * has long done so.
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

/* The CPU, the calling one, was told that there is nothing to run: whether a thread has been lost.
 * Context: any but nmi, interrupts off. */
HX_MUST_USE bool lost_thread_look(uint32_t cpu);

#endif
