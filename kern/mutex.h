/*
 * Mutex: sleeping lock with an owner, first come first served.
 *
 * Rules:
 * - Locked and unlocked by the same thread, in thread context; not recursive (asserted).
 * - Unlock hands the mutex to the longest waiter, so none starves.
 */
#ifndef KERN_MUTEX_H
#define KERN_MUTEX_H

#include <base/list.h>
#include <helix/error.h>
#include <kern/spinlock.h>
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

void mutex_init(struct mutex *mutex, const char *name);

/* Context: thread, may block. */
void mutex_lock(struct mutex *mutex);
/* Errors: HX_ETIMEDOUT at the absolute deadline. */
HX_MUST_USE hx_err mutex_lock_until(struct mutex *mutex, uint64_t deadline_ns);
HX_MUST_USE bool mutex_try_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
bool mutex_is_mine(const struct mutex *mutex);

#endif
