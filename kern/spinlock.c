#include <base/assert.h>
#include <base/format.h>
#include <hal/cpu.h>
#include <kern/recorder.h>
#include <kern/spinlock.h>
#include <stddef.h>

void spinlock_init(struct spinlock *lock, enum lock_rank rank, const char *name)
{
    atomic_init(&lock->next, 0);
    atomic_init(&lock->serving, 0);
#ifdef HX_DEBUG
    atomic_init(&lock->owner_plus_1, 0);
    lock->rank = rank;
    lock->name = name;
#else
    (void)rank;
    (void)name;
#endif
}

HX_PRESERVE_REGISTERS void spinlock_wait(struct spinlock *lock, uint32_t ticket)
{
    recorder_note(RECORDER_CONTENTION, (uintptr_t)lock, false, 0);
    while (atomic_load_explicit(&lock->serving, memory_order_acquire) != ticket) {
        hal_cpu_relax();
    }
}

/* Whether a ticket was free. The halves are 32 bits wide so that `next` cannot come round between.
 */
static bool take_free_ticket(struct spinlock *lock)
{
    uint32_t ticket = atomic_load_explicit(&lock->serving, memory_order_acquire);

    return atomic_compare_exchange_strong_explicit(&lock->next, &ticket, ticket + 1,
                                                   memory_order_relaxed, memory_order_relaxed);
}

#ifndef HX_DEBUG

bool spinlock_try_acquire_nested(struct spinlock *lock)
{
    return take_free_ticket(lock);
}

bool spinlock_is_held(const struct spinlock *lock)
{
    return atomic_load_explicit(&lock->next, memory_order_relaxed) !=
           atomic_load_explicit(&lock->serving, memory_order_relaxed);
}

#else

/* Deeper than there are ranks: locks taken by try are not bound to the order. */
#define HELD_MAX 24U

/* The locks a CPU holds, in the order taken; touched by that CPU alone, with interrupts off. */
struct held_locks {
    uint32_t count;
    const struct spinlock *locks[HELD_MAX];
    char report[160];
} HX_ALIGNED(HX_CACHE_LINE);

static struct held_locks held_by_cpu[HAL_CPU_MAX];
static _Atomic(spinlock_violation_handler) violation_handler;

void spinlock_set_violation_handler(spinlock_violation_handler handler)
{
    atomic_store_explicit(&violation_handler, handler, memory_order_release);
}

static HX_COLD void violation(const char *what, const struct spinlock *lock,
                              const struct spinlock *other)
{
    struct held_locks *held = &held_by_cpu[hal_cpu_id()];
    const char *other_name = other != NULL ? other->name : "";
    spinlock_violation_handler handler =
        atomic_exchange_explicit(&violation_handler, NULL, memory_order_acquire);

    if (handler != NULL) {
        handler(what, lock->name, other_name);
        return;
    }
    format_text(held->report, sizeof(held->report),
                "spinlock \"%s\" (rank %u): %s; the other lock: \"%s\" (rank %u)", lock->name,
                (unsigned)lock->rank, what, other_name, other != NULL ? (unsigned)other->rank : 0U);
    assert_failed(held->report, what, __FILE__, __LINE__);
}

static bool is_mine(const struct spinlock *lock)
{
    return atomic_load_explicit(&lock->owner_plus_1, memory_order_relaxed) == hal_cpu_id() + 1;
}

/* The held lock of greatest rank: the last taken one, unless they were released out of order. */
static const struct spinlock *innermost(const struct held_locks *held)
{
    const struct spinlock *found = NULL;

    for (uint32_t i = 0; i < held->count; i++) {
        if (found == NULL || held->locks[i]->rank >= found->rank) {
            found = held->locks[i];
        }
    }
    return found;
}

bool spinlock_check_before(struct spinlock *lock)
{
    if (hal_interrupts_enabled()) {
        violation("taken with interrupts on", lock, NULL);
        return true;
    }
    if (is_mine(lock)) {
        violation("taken twice by one processor", lock, lock);
        return false;
    }

    const struct spinlock *other = innermost(&held_by_cpu[hal_cpu_id()]);

    if (other != NULL && other->rank >= lock->rank) {
        violation("taken out of order", lock, other);
    }
    return true;
}

void spinlock_check_after(struct spinlock *lock)
{
    struct held_locks *held = &held_by_cpu[hal_cpu_id()];

    HX_ASSERT(held->count < HELD_MAX, "a processor holds no more spinlocks than there are ranks");
    held->locks[held->count++] = lock;
    atomic_store_explicit(&lock->owner_plus_1, hal_cpu_id() + 1, memory_order_relaxed);
}

static void forget(struct held_locks *held, const struct spinlock *lock)
{
    for (uint32_t i = held->count; i-- > 0;) {
        if (held->locks[i] != lock) {
            continue;
        }
        for (uint32_t j = i + 1; j < held->count; j++) {
            held->locks[j - 1] = held->locks[j];
        }
        held->count--;
        return;
    }
}

void spinlock_check_release(struct spinlock *lock)
{
    if (!is_mine(lock)) {
        violation("released by a processor that does not hold it", lock, NULL);
        return;
    }
    atomic_store_explicit(&lock->owner_plus_1, 0, memory_order_relaxed);
    forget(&held_by_cpu[hal_cpu_id()], lock);
}

bool spinlock_try_acquire_nested(struct spinlock *lock)
{
    if (hal_interrupts_enabled()) {
        violation("taken with interrupts on", lock, NULL);
    }
    if (!take_free_ticket(lock)) {
        return false;
    }
    spinlock_check_after(lock);
    return true;
}

bool spinlock_is_held(const struct spinlock *lock)
{
    return is_mine(lock);
}

#endif
