/*
 * CPUs as kern sees them: which are online, taking them off line and back, calling a function on
 * others, flushing their TLBs.
 *
 * Rules:
 * - A CPU that is online runs threads, takes messages and is waited for by grace periods; one that
 *   is off line does none of it. Who reads the mask and acts on it in one go, with preemption or
 *   interrupts off, finds that the CPUs in it still answer.
 * - A CPU that is about to go off line is online, but not open: nothing new is sent there.
 */
#ifndef KERN_CPU_H
#define KERN_CPU_H

#include <hal/cpu.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern _Atomic uint64_t cpu_online_bits; /* read through cpu_online_mask */
extern _Atomic uint64_t cpu_open_bits;   /* read through cpu_open_mask */

/* Context: any. */
static inline uint64_t cpu_online_mask(void)
{
    /* Acquire pairs with cpu_set_online. */
    return atomic_load_explicit(&cpu_online_bits, memory_order_acquire);
}
uint32_t cpu_online_count(void);

static inline bool cpu_is_online(uint32_t cpu)
{
    return (cpu_online_mask() >> cpu & 1) != 0;
}

/* CPUs that threads and interrupts may be sent to; never empty.  Context: any. */
static inline uint64_t cpu_open_mask(void)
{
    /* Relaxed: who changes it waits until all who have read it are done (kern/cpu_hotplug.c). */
    return atomic_load_explicit(&cpu_open_bits, memory_order_relaxed);
}

static inline bool cpu_is_open(uint32_t cpu)
{
    return (cpu_open_mask() >> cpu & 1) != 0;
}

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
 * Take a CPU off line: its threads, timers and caches go to others, and it stops. Threads that may
 * run nowhere else are displaced until it is back (kern/displaced.h). What is core's - external
 * lines, events - is subsys/processors' to see to, before and after.
 * Context: thread, may block; one at a time, the others wait.
 * Errors: HX_ENODEV no such CPU, HX_ENOENT it is off line, HX_EBUSY CPU 0, which machines are
 * started and stopped by; HX_ETIMEDOUT a thread keeps it: it is online as before.
 */
HX_MUST_USE hx_err cpu_offline(uint32_t cpu);

/*
 * Start a CPU, the first time or again.  Context: as cpu_offline.
 * Errors: HX_ENODEV no such CPU, HX_EEXIST it is online, HX_ENOMEM, HX_ETIMEDOUT it did not come.
 */
HX_MUST_USE hx_err cpu_online(uint32_t cpu);

/* How long cpu_offline waits until no thread keeps a CPU; CPU_LEAVE_LIMIT_NS at first. */
#define CPU_LEAVE_LIMIT_NS (10ULL * 1000 * 1000 * 1000)
void cpu_set_leave_limit(uint64_t nanoseconds);

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
