/*
 * A lock in a module's own memory, for what several CPUs do in it at once: linked into the module,
 * the kernel knows nothing of it. It ends with the instance.
 *
 * Rules:
 * - Held for a few instructions; nobody calls the kernel with it. For operations that are called
 * with interrupts off; others may be preempted while they hold it, and keep the rest spinning.
 */
#ifndef HELIX_SPIN_H
#define HELIX_SPIN_H

#include <helix/attributes.h>
#include <stdatomic.h>
#include <stdint.h>

struct hx_spin {
    _Atomic uint32_t is_held;
};

/* The rest of hx_spin_lock: somebody has it. */
HX_UNUSED HX_PRESERVE_REGISTERS static void hx_spin_wait(struct hx_spin *lock)
{
    do {
        while (atomic_load_explicit(&lock->is_held, memory_order_relaxed) != 0) {
            __builtin_ia32_pause();
        }
    } while (atomic_exchange_explicit(&lock->is_held, 1, memory_order_acquire) != 0);
}

static inline void hx_spin_lock(struct hx_spin *lock)
{
    /* Acquire: pairs with hx_spin_unlock. */
    if (HX_UNLIKELY(atomic_exchange_explicit(&lock->is_held, 1, memory_order_acquire) != 0)) {
        hx_spin_wait(lock);
    }
}

static inline void hx_spin_unlock(struct hx_spin *lock)
{
    atomic_store_explicit(&lock->is_held, 0, memory_order_release);
}

#endif
