/*
 * Processors.
 *
 * Rules:
 * - CPUs are numbered 0..hal_cpu_count()-1 without gaps; 0 is the boot CPU.
 * - A number read with preemption enabled may be out of date by the time it is used.
 */
#ifndef HAL_CPU_H
#define HAL_CPU_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define HAL_CPU_MAX 32

/* Number of the calling CPU.  Context: any.  (inline in the port) */
static inline uint32_t hal_cpu_id(void);

/* Whether programs can read that number without the kernel (x86_64: rdtscp).  Context: any. */
bool hal_cpu_id_is_readable(void);

/* CPUs the machine has and this kernel can drive, at least 1; fixed once the port has started. */
uint32_t hal_cpu_count(void);

/*
 * Start CPU cpu (1..count-1), which has never run or has left: it calls kernel_secondary_main() on
 * the stack of `size` bytes that ends at stack_top, with interrupts off and current as its running
 * thread. Returns once the CPU has arrived there.
 * Context: thread or boot, one at a time.  Blocks: spins, at most 10 s (an emulator's host may be
 * busy).  Errors: HX_EINVAL no such CPU, or one that runs; HX_ENOMEM, HX_ETIMEDOUT it did not come.
 */
struct thread;
HX_MUST_USE hx_err hal_cpu_start(uint32_t cpu, void *stack_top, struct thread *current);

/*
 * The calling CPU, not 0, stops until it is started again, its caches written back as far as the
 * machine needs. Nobody sends it anything any more, and its timer is off; what was sent before is
 * forgotten. Interrupts off.  Context: its first thread.
 */
HX_NORETURN void hal_cpu_leave(void);

/* Return once a CPU that is about to leave has done so: then its stack is in no use, and
 * hal_cpu_start may be called for it.  Context: thread.  Blocks: spins. */
void hal_cpu_wait_left(uint32_t cpu);

/* Tell the processor that this is a spin loop.  Context: any.  (inline in the port) */
static inline void hal_cpu_relax(void);

/*
 * Called with interrupts off: enable them and wait for one, as one step, so that an interrupt that
 * arrives after the caller's last check still ends the wait. Returns with interrupts on.
 * Context: thread (the idle thread).
 */
void hal_cpu_idle(void);

/* Stop this CPU for ever, interrupts off.  Context: any. */
HX_NORETURN void hal_cpu_halt(void);

/*
 * Stop every other CPU for ever, wherever it is, interrupts off or not (by NMI where the machine
 * has one). Waits at most a second for their acknowledgement. Returns the number that acknowledged.
 * Context: panic.
 */
uint32_t hal_cpu_stop_others(void);

/*
 * The brand string or a description of the machine's processor, for people.  Context: any.
 */
const char *hal_cpu_name(void);

/*
 * One line naming the protections in force ("nx smep smap umip …"), for the boot log and the tests.
 * Context: any.
 */
const char *hal_cpu_features(void);

/* A 64-bit number that an outsider cannot predict as far as the machine allows.  Context: any. */
uint64_t hal_cpu_entropy(void);

#include <hal_port.h>

#endif
