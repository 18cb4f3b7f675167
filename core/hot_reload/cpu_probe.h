/*
 * Where a CPU is that takes no interrupts: asked by one that cannot be masked.
 *
 * Rules:
 * - One question at a time; the answer is copied out.
 * - An answer that comes too late is thrown away.
 */
#ifndef CORE_HOT_RELOAD_CPU_PROBE_H
#define CORE_HOT_RELOAD_CPU_PROBE_H

#include <core/gate/instance.h>
#include <stdint.h>

/*
 * Where a thread is on that CPU, innermost first; returns how many places. 0: it is not there any
 * more, the CPU does not answer soon, somebody else asks, or the machine has no such interrupt.
 * Context: thread, may block for a few milliseconds.
 */
uint32_t cpu_probe(uint32_t cpu, uint32_t thread, uintptr_t places[INSTANCE_PROBE_DEPTH]);

#endif
