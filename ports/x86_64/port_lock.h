/*
 * The lock around a device that is reached through an index and a data register.
 *
 * Rules:
 * - Interrupts are off while it is held, and for a few accesses only. Innermost: nothing else is
 *   taken under it. Not from NMI context.
 */
#ifndef PORTS_X86_64_PORT_LOCK_H
#define PORTS_X86_64_PORT_LOCK_H

#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <stdatomic.h>

struct port_lock {
    atomic_flag held;
};

#define PORT_LOCK_INIT                                                                             \
    {                                                                                              \
        ATOMIC_FLAG_INIT                                                                           \
    }

static inline hal_interrupt_state port_lock_acquire(struct port_lock *lock)
{
    hal_interrupt_state state = hal_interrupts_save();

    /* acquire: pairs with the release in port_lock_release */
    while (atomic_flag_test_and_set_explicit(&lock->held, memory_order_acquire)) {
        hal_cpu_relax();
    }
    return state;
}

static inline void port_lock_release(struct port_lock *lock, hal_interrupt_state state)
{
    /* release: pairs with the acquire in port_lock_acquire */
    atomic_flag_clear_explicit(&lock->held, memory_order_release);
    hal_interrupts_restore(state);
}

#endif
