/*
 * The scheduler's slot as the kernel's scheduling policy: asks the module in it, and queues threads
 * itself, first in first out, wherever the module cannot be asked or trusted.
 *
 * Rules:
 * - Which thread is the module's is decided by the table of threads (kern/thread_table.h), never by
 * what the module says.
 * - Threads in core's queues go first: they are those that came while the gate was closed, or that
 * the module refused.
 */
#ifndef CORE_SCHEDULING_SCHEDULER_SLOT_H
#define CORE_SCHEDULING_SCHEDULER_SLOT_H

#include <core/gate/slot.h>

/*
 * The slot is asked as soon as there is a first instance; until then core's own policy stays.
 * Context: boot, once for each start of the machine.
 */
void scheduler_slot_install(struct slot *slot);

/*
 * Take back all threads that an instance had which is gone: nobody is inside it.  Context: thread.
 */
void scheduler_slot_rescue(void);

/* No other instance comes into the slot until it is let go: a CPU goes off line, and what waits for
 * it is being moved.  Context: thread, may block. */
void scheduler_slot_hold(void);
void scheduler_slot_let_go(void);

#endif
