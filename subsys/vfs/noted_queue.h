/*
 * A wait queue with a note: who waits for a change of what a mutex guards makes the note under it,
 * after it has looked in vain; who changes something takes the note away and wakes all, and those
 * that wait on make a new one. Who finds no note has nobody to wake.
 */
#ifndef SUBSYS_VFS_NOTED_QUEUE_H
#define SUBSYS_VFS_NOTED_QUEUE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdbool.h>
#include <stdint.h>

/* Keys: M = the mutex of who has it */
struct noted_queue {
    struct wait_queue queue;
    bool is_awaited; /* M  somebody may wait for a change, and is to be woken */
};

static inline void noted_queue_init(struct noted_queue *queue, const char *name)
{
    wait_queue_init(&queue->queue, name);
    queue->is_awaited = false;
}

/* With the mutex held, which stays so. */
static inline void noted_queue_wake_locked(struct noted_queue *queue)
{
    if (queue->is_awaited) {
        queue->is_awaited = false;
        wait_queue_wake_all(&queue->queue);
    }
}

/* The rest of noted_queue_unlock: there is a note. */
void noted_queue_unlock_and_wake(struct noted_queue *queue, struct mutex *mutex);

/* Give the mutex up, and wake who waits for what has changed. */
static HX_ALWAYS_INLINE void noted_queue_unlock(struct noted_queue *queue, struct mutex *mutex,
                                                bool has_changed)
{
    if (HX_UNLIKELY(queue->is_awaited) && has_changed) {
        noted_queue_unlock_and_wake(queue, mutex);
    } else {
        mutex_unlock_inline(mutex);
    }
}

/*
 * Wait for a change, with the mutex given up meanwhile.  HX_OK: it is to be looked at again.
 * Context: thread, may block.  Errors: HX_EINTR, HX_ETIMEDOUT.
 */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err noted_queue_await(struct noted_queue *queue,
                                                             struct mutex *mutex,
                                                             uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error;

    wait_queue_prepare(&queue->queue, &waiter);
    queue->is_awaited = true;
    mutex_unlock_inline(mutex);
    if (HX_LIKELY(deadline_ns == THREAD_NO_DEADLINE)) {
        error = wait_queue_park(&queue->queue, &waiter);
    } else {
        error = wait_queue_wait_interruptible(&queue->queue, &waiter, deadline_ns);
        wait_queue_finish(&queue->queue, &waiter);
    }
    mutex_lock_inline(mutex);
    return error;
}

#endif
