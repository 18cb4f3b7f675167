/*
 * Read sections and grace periods (RCU: McKenney and Slingwine 1998), non-preemptible readers.
 *
 * Rules:
 * - Readers: read_enter, load a published pointer with memory_order_acquire (or consume), use it,
 *   read_leave. A section nests, never blocks, and costs two increments of the thread's own counter.
 * - Writers: publish the new version with memory_order_release, read_synchronize, then free the old.
 * - A CPU is quiescent when it switches threads, idles, or takes a timer tick with preempt_depth 0.
 * - Interrupt handlers, and any code with preemption or interrupts off, are readers by nature.
 */
#ifndef KERN_READ_SECTION_H
#define KERN_READ_SECTION_H

#include <kern/thread.h>

static inline void read_enter(void)
{
    preempt_disable();
}

static inline void read_leave(void)
{
    preempt_enable();
}

/*
 * Wait until every read section that was open at the call has ended.
 * Context: thread, may block.  Never inside a read section (asserted).
 */
void read_synchronize(void);

/* Report that this CPU holds no reference.  Called by the scheduler and the tick; interrupts off. */
void read_quiescent(void);

#endif
