/*
 * Mutex: sleeping lock with an owner, first come first served.
 *
 * Rules:
 * - Locked and unlocked by the same thread, in thread context; not recursive (asserted).
 * - Unlock hands the mutex to the longest waiter, so none starves.
 * - Its owner runs at the priority of its highest waiter, if that is above its own
 * (kern/inheritance.h).
 */
#ifndef KERN_MUTEX_H
#define KERN_MUTEX_H

#include <base/assert.h>
#include <base/list.h>
#include <helix/error.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct thread;

/* In the word, beside the owner: unlocking is to look at the waiters. Set under the lock. */
#define MUTEX_HAS_WAITERS 1UL

struct mutex {
    _Atomic uintptr_t word; /* the owning thread's address, 0: free; MUTEX_HAS_WAITERS */
    struct spinlock lock;   /* guards waiters */
    struct list waiters;
};

static inline void mutex_init(struct mutex *mutex, const char *name)
{
    (void)name; /* debug builds know locks by their names */
    atomic_init(&mutex->word, 0);
    mutex->lock = (struct spinlock)SPINLOCK_INIT(LOCK_RANK_MUTEX, name);
    list_init(&mutex->waiters);
}

/* Context: thread, may block. */
void mutex_lock(struct mutex *mutex);
/* Errors: HX_ETIMEDOUT at the absolute deadline. */
HX_MUST_USE hx_err mutex_lock_until(struct mutex *mutex, uint64_t deadline_ns);
HX_MUST_USE bool mutex_try_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
bool mutex_is_mine(const struct mutex *mutex);

/* --- the same, written out in the caller: for the few hottest paths -----------------------------
 */

/* The rest of them: somebody has it; somebody waits. */
HX_PRESERVE_REGISTERS void mutex_wait(struct mutex *mutex);
HX_PRESERVE_REGISTERS void mutex_hand_over(struct mutex *mutex);

/* Take it if nobody has it. Acquire pairs with the release in mutex_unlock_inline; release with
 * take_or_mark_locked: who waits looks at the owner's priority. */
static HX_ALWAYS_INLINE bool mutex_take(struct mutex *mutex)
{
    uintptr_t nobody = 0;

    return atomic_compare_exchange_strong_explicit(&mutex->word, &nobody,
                                                   (uintptr_t)hal_thread_current(),
                                                   memory_order_acq_rel, memory_order_relaxed);
}

static HX_ALWAYS_INLINE void mutex_lock_inline(struct mutex *mutex)
{
    HX_DEBUG_ASSERT(context_can_block(), "a mutex is locked where blocking is allowed");
    if (HX_UNLIKELY(!mutex_take(mutex))) {
        mutex_wait(mutex);
    }
}

static HX_ALWAYS_INLINE void mutex_unlock_inline(struct mutex *mutex)
{
    uintptr_t self = (uintptr_t)hal_thread_current();

    /* Release pairs with the acquire in mutex_take. */
    if (HX_UNLIKELY(!atomic_compare_exchange_strong_explicit(
            &mutex->word, &self, 0, memory_order_release, memory_order_relaxed))) {
        mutex_hand_over(mutex);
    }
}

#endif
