/*
 * Included before anything else (-include) in what the schedule explorer runs: each atomic
 * operation, and each acquisition of a spinlock, first passes a point at which another virtual
 * thread may go on. The sources are those of the kernel, unchanged.
 *
 * - The operations themselves are the compiler's. There is one real thread, so what is explored is
 *   sequentially consistent; a compare-exchange never fails without cause.
 * - The lock is the kernel's own. A virtual thread waits for a holder here, without spinning.
 */
#ifndef TESTS_EXPLORE_ATOMICS_H
#define TESTS_EXPLORE_ATOMICS_H

#include <kern/spinlock.h>
#include <stdatomic.h>
#include <tests/explore/point.h>

#ifdef __clang__
#define EXPLORE_LOAD(object, order)            __c11_atomic_load(object, order)
#define EXPLORE_STORE(object, value, order)    __c11_atomic_store(object, value, order)
#define EXPLORE_EXCHANGE(object, value, order) __c11_atomic_exchange(object, value, order)
#define EXPLORE_COMPARE(object, old, new, s, f)                                                    \
    __c11_atomic_compare_exchange_strong(object, old, new, s, f)
#define EXPLORE_FETCH(verb) __c11_atomic_fetch_##verb
#else
#define EXPLORE_LOAD(object, order)            __atomic_load_n(object, order)
#define EXPLORE_STORE(object, value, order)    __atomic_store_n(object, value, order)
#define EXPLORE_EXCHANGE(object, value, order) __atomic_exchange_n(object, value, order)
#define EXPLORE_COMPARE(object, old, new, s, f)                                                    \
    __atomic_compare_exchange_n(object, old, new, 0, s, f)
#define EXPLORE_FETCH(verb) __atomic_fetch_##verb
#endif

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and
#undef atomic_fetch_and_explicit
#undef atomic_fetch_xor
#undef atomic_fetch_xor_explicit

#define atomic_load_explicit(object, order) (EXPLORE_POINT(), EXPLORE_LOAD(object, order))
#define atomic_store_explicit(object, value, order)                                                \
    (EXPLORE_POINT(), EXPLORE_STORE(object, value, order))
#define atomic_exchange_explicit(object, value, order)                                             \
    (EXPLORE_POINT(), EXPLORE_EXCHANGE(object, value, order))
#define atomic_compare_exchange_strong_explicit(object, old, new, success, failure)                \
    (EXPLORE_POINT(), EXPLORE_COMPARE(object, old, new, success, failure))
#define atomic_compare_exchange_weak_explicit atomic_compare_exchange_strong_explicit
#define atomic_fetch_add_explicit(object, value, order)                                            \
    (EXPLORE_POINT(), EXPLORE_FETCH(add)(object, value, order))
#define atomic_fetch_sub_explicit(object, value, order)                                            \
    (EXPLORE_POINT(), EXPLORE_FETCH(sub)(object, value, order))
#define atomic_fetch_or_explicit(object, value, order)                                             \
    (EXPLORE_POINT(), EXPLORE_FETCH(or)(object, value, order))
#define atomic_fetch_and_explicit(object, value, order)                                            \
    (EXPLORE_POINT(), EXPLORE_FETCH(and)(object, value, order))
#define atomic_fetch_xor_explicit(object, value, order)                                            \
    (EXPLORE_POINT(), EXPLORE_FETCH(xor)(object, value, order))

#define atomic_load(object)            atomic_load_explicit(object, memory_order_seq_cst)
#define atomic_store(object, value)    atomic_store_explicit(object, value, memory_order_seq_cst)
#define atomic_exchange(object, value) atomic_exchange_explicit(object, value, memory_order_seq_cst)
#define atomic_compare_exchange_strong(object, old, new)                                           \
    atomic_compare_exchange_strong_explicit(object, old, new, memory_order_seq_cst,                \
                                            memory_order_seq_cst)
#define atomic_compare_exchange_weak atomic_compare_exchange_strong
#define atomic_fetch_add(object, value)                                                            \
    atomic_fetch_add_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_sub(object, value)                                                            \
    atomic_fetch_sub_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_or(object, value) atomic_fetch_or_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_and(object, value)                                                            \
    atomic_fetch_and_explicit(object, value, memory_order_seq_cst)
#define atomic_fetch_xor(object, value)                                                            \
    atomic_fetch_xor_explicit(object, value, memory_order_seq_cst)

static inline void explore_spinlock_acquire_nested(struct spinlock *lock, const char *file,
                                                   int line)
{
    explore_lock_wait(lock, file, line);
    spinlock_acquire_nested(lock);
}

static inline hal_interrupt_state explore_spinlock_acquire(struct spinlock *lock, const char *file,
                                                           int line)
{
    hal_interrupt_state state = hal_interrupts_save();

    explore_spinlock_acquire_nested(lock, file, line);
    return state;
}

#define spinlock_acquire(lock)        explore_spinlock_acquire(lock, __FILE__, __LINE__)
#define spinlock_acquire_nested(lock) explore_spinlock_acquire_nested(lock, __FILE__, __LINE__)

#endif
