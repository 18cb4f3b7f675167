/*
 * CPUs as kern sees them: which are online, calling a function on others, flushing their TLBs.
 *
 * Rules:
 * - cpu_online_mask only grows in this release; bit n = CPU n schedules threads.
 */
#ifndef KERN_CPU_H
#define KERN_CPU_H

#include <hal/cpu.h>
#include <helix/attributes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern _Atomic uint64_t cpu_online_bits; /* read through cpu_online_mask */

/* Context: any. */
static inline uint64_t cpu_online_mask(void)
{
    /* Acquire pairs with cpu_set_online. */
    return atomic_load_explicit(&cpu_online_bits, memory_order_acquire);
}
uint32_t cpu_online_count(void);

/* The first CPU of a mask (not empty) at or after number from, going round. */
static inline uint32_t cpu_next(uint64_t mask, uint32_t from)
{
    uint64_t after = from < 64 ? mask & (UINT64_MAX << from) : 0;

    return (uint32_t)__builtin_ctzll(after != 0 ? after : mask);
}

/*
 * Called on each CPU by its boot thread when it is ready to take messages and threads, before
 * thread_idle. (CPU 0 is online from thread_init_boot on; calling it there again does no harm.)
 */
void cpu_set_online(void);

/* No CPU but the calling one is online.  Called by thread_init_boot. */
void cpu_init(void);

/*
 * Call function(argument) on every online CPU of the mask, the caller's included when in it, with
 * interrupts off there, and wait until all have returned. The function must not call this again.
 * Two CPUs that call each other serve each other while they wait.
 * Context: thread with interrupts on, or boot.  Blocks: spins.
 */
void cpu_call(uint64_t mask, void (*function)(void *argument), void *argument);

/*
 * The same, for no longer than until that absolute time: false if not all have returned by then.
 * They will later: function and argument are good for ever.  Context: as cpu_call.
 */
HX_MUST_USE bool cpu_call_until(uint64_t mask, void (*function)(void *argument), void *argument,
                                uint64_t deadline_ns);

/* Flush a range of kernel (or space) translations on all online CPUs and wait.  Context: as
 * cpu_call; with interrupts off it is allowed only while one CPU is online. */
void cpu_tlb_shootdown(uintptr_t address, size_t pages);

/* The same on the CPUs of a mask alone; nothing for an empty one. */
void cpu_tlb_shootdown_on(uint64_t mask, uintptr_t address, size_t pages);

/* The message vector's handler.  Context: irq. */
void cpu_call_interrupt(void);

#endif
