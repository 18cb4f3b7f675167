/*
 * Spinlocks: fair (ticket), ranked.
 *
 * Rules:
 * - Taken with interrupts off; held for a bounded time; never across a call into a module.
 * - Debug builds check on every acquisition: rank order, no recursion, interrupts off, and on
 *   release that this CPU is the owner. A violation is a failed assertion that names both locks.
 *   Only spinlock_try_acquire_nested may take locks out of order: who never waits cannot deadlock.
 * - Not from NMI context.
 */
#ifndef KERN_SPINLOCK_H
#define KERN_SPINLOCK_H

#include <hal/interrupt.h>
#include <helix/attributes.h>
#include <kern/lock_rank.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct spinlock {
    _Atomic uint32_t next;    /* the ticket to hand out */
    _Atomic uint32_t serving; /* the ticket that holds the lock; equal to next: free */
#ifdef HX_DEBUG
    _Atomic uint32_t owner_plus_1; /* CPU, 0: none */
    enum lock_rank rank;
    const char *name;
#endif
};

#ifdef HX_DEBUG
#define SPINLOCK_INIT(lock_rank, lock_name)                                                        \
    {                                                                                              \
        .rank = (lock_rank), .name = (lock_name)                                                   \
    }
#else
#define SPINLOCK_INIT(lock_rank, lock_name)                                                        \
    {                                                                                              \
        0                                                                                          \
    }
#endif

void spinlock_init(struct spinlock *lock, enum lock_rank rank, const char *name);

/* The slow half of an acquisition: wait for the ticket's turn. */
HX_PRESERVE_REGISTERS void spinlock_wait(struct spinlock *lock, uint32_t ticket);

#ifdef HX_DEBUG
/* The checker. _before answers whether to go on: not when this CPU would wait for itself. */
bool spinlock_check_before(struct spinlock *lock);
void spinlock_check_after(struct spinlock *lock);
void spinlock_check_release(struct spinlock *lock);

/*
 * Report the next violation through handler instead of failing, once; for the checker's own tests.
 * The acquisition then goes on, but for a recursion: that returns without the lock.
 * held is the other lock's name, "" where there is none.
 */
typedef void (*spinlock_violation_handler)(const char *what, const char *lock, const char *held);
void spinlock_set_violation_handler(spinlock_violation_handler handler);
#else
static inline bool spinlock_check_before(struct spinlock *lock)
{
    (void)lock;
    return true;
}

static inline void spinlock_check_after(struct spinlock *lock)
{
    (void)lock;
}

static inline void spinlock_check_release(struct spinlock *lock)
{
    (void)lock;
}
#endif

/* Take and release where the caller has interrupts off already.  Context: any but nmi. */
static inline void spinlock_acquire_nested(struct spinlock *lock)
{
    if (!spinlock_check_before(lock)) {
        return;
    }

    uint32_t ticket = atomic_fetch_add_explicit(&lock->next, 1, memory_order_relaxed);

    /* Pairs with the release store of the holder before. */
    if (HX_UNLIKELY(atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket)) {
        spinlock_wait(lock, ticket);
    }
    spinlock_check_after(lock);
}

static inline void spinlock_release_nested(struct spinlock *lock)
{
    spinlock_check_release(lock);

    /* Only the holder writes `serving`. */
    uint32_t served = atomic_load_explicit(&lock->serving, memory_order_relaxed);

    atomic_store_explicit(&lock->serving, served + 1, memory_order_release);
}

/* Disable interrupts, then take the lock; gives back what release needs.  Context: any but nmi. */
HX_MUST_USE static inline hal_interrupt_state spinlock_acquire(struct spinlock *lock)
{
    hal_interrupt_state state = hal_interrupts_save();

    spinlock_acquire_nested(lock);
    return state;
}

static inline void spinlock_release(struct spinlock *lock, hal_interrupt_state state)
{
    spinlock_release_nested(lock);
    hal_interrupts_restore(state);
}

/* Take it if it is free; never waits. Interrupts must be off.  Context: any but nmi. */
HX_MUST_USE bool spinlock_try_acquire_nested(struct spinlock *lock);

/*
 * For assertions: whether the lock is held; in debug builds, whether this CPU holds it.
 * Context: any.
 */
bool spinlock_is_held(const struct spinlock *lock);

#endif
