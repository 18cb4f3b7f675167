/*
 * CPUs as kern sees them: which are online, calling a function on others, flushing their TLBs.
 *
 * Rules:
 * - cpu_online_mask only grows in this release; bit n = CPU n schedules threads.
 */
#ifndef KERN_CPU_H
#define KERN_CPU_H

#include <hal/cpu.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

uint64_t cpu_online_mask(void);
uint32_t cpu_online_count(void);

/* Called on each CPU by its boot thread when it is ready to take messages and threads. */
void cpu_set_online(void);

/*
 * Call function(argument) on every CPU of the mask, the caller's included when in it, in interrupt
 * context there, and wait until all have returned.
 * Context: thread with interrupts on, or boot.  Blocks: spins.
 */
void cpu_call(uint64_t mask, void (*function)(void *argument), void *argument);

/* Flush a range of kernel (or space) translations on all online CPUs and wait.  Context: as cpu_call;
 * with interrupts off it is allowed only while one CPU is online. */
void cpu_tlb_shootdown(uintptr_t address, size_t pages);

/* The message vector's handler.  Context: irq. */
void cpu_call_interrupt(void);

#endif
