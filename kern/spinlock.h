/*
 * Spinlocks: fair (ticket), ranked.
 *
 * Rules:
 * - Taken with interrupts off; held for a bounded time; never across a call into a module.
 * - Debug builds check on every acquisition: rank order, no recursion, interrupts off, and on
 *   release that this CPU is the owner. A violation is a failed assertion that names both locks.
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
    _Atomic uint32_t tickets; /* low half: being served; high half: next to hand out */
#ifdef HX_DEBUG
    uint32_t owner_plus_1; /* CPU */
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

/* Disable interrupts, then take the lock; gives back what spinlock_release needs.  Context: any but nmi. */
HX_MUST_USE hal_interrupt_state spinlock_acquire(struct spinlock *lock);
void spinlock_release(struct spinlock *lock, hal_interrupt_state state);

/* The same where the caller has interrupts off already. */
void spinlock_acquire_nested(struct spinlock *lock);
void spinlock_release_nested(struct spinlock *lock);

/* Take it if it is free; never waits. Interrupts must be off. */
HX_MUST_USE bool spinlock_try_acquire_nested(struct spinlock *lock);

bool spinlock_is_held(const struct spinlock *lock);

/* Debug builds: report (instead of failing) the next violation; for the checker's own tests. */
#ifdef HX_DEBUG
typedef void (*spinlock_violation_handler)(const char *what, const char *lock, const char *held);
void spinlock_set_violation_handler(spinlock_violation_handler handler);
#endif

#endif
