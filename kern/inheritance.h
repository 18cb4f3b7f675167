/*
 * Priority inheritance: who owns what a thread of higher priority waits for runs at that priority,
 * so that no thread in between keeps both from running.
 *
 * Rules:
 * - A waiter lends its priority to one thread; a thread's priority is the highest of its own and
 * those that are lent to it, by however many mutexes. It falls when a lender ends, not before.
 * - The borrower may wait itself: it is woken, and lends on what it has now. So a chain of any
 * length is walked by its threads, each of which runs at the priority it passes on, and holds one
 * lock at a time; a circle, which is a deadlock anyway, ends when nobody's priority rises.
 * - Whoever lends keeps the borrower from going away: it holds the lock of what it waits for.
 * - The scheduler is told of each change, and at each tick while anybody lends, of those borrowers
 *   that wait to run: it may have been closed, or the thread on its way, the first time.
 */
#ifndef KERN_INHERITANCE_H
#define KERN_INHERITANCE_H

#include <base/list.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;

/* One wait. Keys: L = the lock of this file, W = the waiting thread before it lends */
struct inheritance_lender {
    struct list link;        /* L  among all that lend */
    struct thread *thread;   /* W  who waits */
    struct thread *borrower; /* L  NULL: it does not lend */
    uint8_t priority;        /* L  that it lends */
};

/* Prepare the wait of the calling thread. */
void inheritance_init(struct inheritance_lender *lender, struct thread *thread);

/*
 * The waiter waits for that thread, or goes on doing so: lend it the priority that the waiter has
 * now, if it is above the borrower's own; whoever had it before gives it back. Context: any but
 * nmi.  Locks: that of what is waited for.
 */
void inheritance_lend(struct inheritance_lender *lender, struct thread *borrower);

/* It does not wait any more.  Context, locks: as inheritance_lend. */
void inheritance_end(struct inheritance_lender *lender);

/* Whether anybody lends: of those who lend under a lock that the caller holds, none is overlooked.
 */
extern _Atomic uint32_t inheritance_lenders;

static inline bool inheritance_is_any(void)
{
    return atomic_load_explicit(&inheritance_lenders, memory_order_relaxed) != 0;
}

/* Tell the scheduler again of all who borrow.  Context: irq, interrupts off. */
void inheritance_remind(void);

#endif
