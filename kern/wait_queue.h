/*
 * Wait queue: threads waiting for a condition that somebody else makes true.
 *
 * Rules:
 * - The waiter's pattern, which loses no wake-up:
 *       struct waiter waiter;
 *       wait_queue_prepare(&queue, &waiter);
 *       while (!condition && error == HX_OK) {
 *           error = wait_queue_wait(&queue, &waiter, deadline);
 *       }
 *       wait_queue_finish(&queue, &waiter);
 *   Looking at the condition may block.
 * - The waker makes the condition true first, then wakes. First come, first woken.
 * - Who does not park listens: the function is called at each wake-up, whoever else is woken.
 */
#ifndef KERN_WAIT_QUEUE_H
#define KERN_WAIT_QUEUE_H

#include <base/list.h>
#include <helix/error.h>
#include <kern/spinlock.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct thread;

struct wait_listener;

struct wait_queue {
    struct spinlock lock;
    struct list waiters;             /* under lock */
    struct wait_listener *listeners; /* under lock; the rest of the list by next */
};

struct wait_listener {
    _Atomic(struct wait_listener *) next; /* written under the queue's lock, read in sections */
    /* In a read section, on whatever thread or interrupt wakes, and with its locks: takes locks
     * from LOCK_RANK_WAIT_QUEUE on alone. */
    void (*heard)(struct wait_listener *listener);
};

struct waiter {
    struct list link; /* under the queue's lock */
    struct thread *thread;
};

#define WAIT_QUEUE_INIT(queue, queue_name)                                                         \
    {                                                                                              \
        .lock = SPINLOCK_INIT(LOCK_RANK_WAIT_QUEUE, queue_name),                                   \
        .waiters = LIST_INIT((queue).waiters)                                                      \
    }

void wait_queue_init(struct wait_queue *queue, const char *name);

/* Join the queue; no waiting yet.  Context: thread. */
void wait_queue_prepare(struct wait_queue *queue, struct waiter *waiter);

/* Park until woken or the absolute deadline; joins again when it was woken. Errors: HX_ETIMEDOUT.
 */
HX_MUST_USE hx_err wait_queue_wait(struct wait_queue *queue, struct waiter *waiter,
                                   uint64_t deadline_ns);

/*
 * The same for a thread of a process that waits on behalf of its program: ends early when the
 * thread has been interrupted (thread_interrupt), at once when it is already.  Errors:
 * HX_ETIMEDOUT, HX_EINTR.
 */
HX_MUST_USE hx_err wait_queue_wait_interruptible(struct wait_queue *queue, struct waiter *waiter,
                                                 uint64_t deadline_ns);
void wait_queue_finish(struct wait_queue *queue, struct waiter *waiter);

/*
 * Park once, interruptibly and without a deadline, and leave the queue: for who joins under the
 * mutex that guards the condition, and does nothing that parks between that and this call.
 * HX_OK: the condition is to be looked at again, whether it was woken or not.  Errors: HX_EINTR it
 * was not woken.
 */
HX_MUST_USE hx_err wait_queue_park(struct wait_queue *queue, struct waiter *waiter);

/*
 * The whole pattern for who waits on behalf of a program: do a step until it answers something else
 * than HX_EAGAIN, and wait between them, interruptibly and without a deadline. Answers what the
 * last step did.  Context: thread, may block.  Errors: also HX_EINTR.
 */
typedef hx_err (*wait_step)(void *argument);
HX_MUST_USE hx_err wait_queue_step(struct wait_queue *queue, wait_step step, void *argument);

/* Whether a wake-up has come since the waiter joined: for who waits on several queues and parks by
 * itself, to ask before each park, as looking at conditions may have used the token up. */
bool wait_queue_was_woken(struct wait_queue *queue, const struct waiter *waiter);

/*
 * Have listener->heard called at each wake-up from now on, until wait_queue_stop_listening. After
 * that it can still be running, or about to: the listener, and what it looks at, stay until a grace
 * period has passed (kern/read_section.h).  Context: thread.
 */
void wait_queue_listen(struct wait_queue *queue, struct wait_listener *listener);
void wait_queue_stop_listening(struct wait_queue *queue, struct wait_listener *listener);

/* Wake the longest waiting (returns how many: 0 or 1), or all.  Context: any but nmi. */
unsigned wait_queue_wake_one(struct wait_queue *queue);
unsigned wait_queue_wake_all(struct wait_queue *queue);

#endif
