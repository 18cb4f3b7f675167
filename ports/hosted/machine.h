/*
 * What the port's own files share.
 *
 * Rules:
 * - hosted_cpu() is asked again after anything that can switch fibers: a delivery point, a call
 * into the kernel. What it returned before may by then be another CPU's.
 */
#ifndef PORTS_HOSTED_MACHINE_H
#define PORTS_HOSTED_MACHINE_H

#include <hal/cpu.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <hal/thread.h>
#include <pthread.h>
#include <stdatomic.h>

#define HOSTED_NO_DEADLINE UINT64_MAX

/* Why a CPU should look up: bits of hosted_cpu.attention. */
enum hosted_attention {
    HOSTED_INTERRUPT = 1U << 0, /* pending[] is not empty; looked at only with interrupts on */
    HOSTED_NMI = 1U << 1,
    HOSTED_STOP = 1U << 2,  /* halt for ever (hal_cpu_stop_others) */
    HOSTED_LEAVE = 1U << 3, /* end the pthread (hosted_stop) */
};

#define HOSTED_PENDING_WORDS (HAL_VECTOR_COUNT / 64)

/* Keys: P = only the CPU's own pthread, A = atomic, S = CPU 0 in start and stop,
 *       I = immutable while the CPU runs */
struct hosted_cpu {
    _Atomic uint32_t attention; /* A  futex word */
    _Atomic uint32_t asleep;    /* A  1: waits on attention; pairs with attention, both seq_cst */
    _Atomic uint64_t pending[HOSTED_PENDING_WORDS]; /* A  bit v of the 256: vector v is raised */
    _Atomic uint64_t deadline;                      /* A  ns, HOSTED_NO_DEADLINE: timer off */
    _Atomic bool arrived;     /* A  set by the CPU just before kernel_secondary_main */
    _Atomic bool stopped;     /* A  it has obeyed HOSTED_STOP */
    uint32_t number;          /* I */
    uint32_t spins;           /* P  calls of hal_cpu_relax */
    bool interrupts_on;       /* P */
    bool in_nmi;              /* P */
    bool is_started;          /* S  the pthread exists */
    struct thread *current;   /* P */
    struct hal_thread native; /* P  the pthread's own stack, to go back to at the end */
    void *emergency_stack;    /* I  lowest byte */
    void *signal_stack;       /* I  lowest byte */
    pthread_t thread;         /* S */
} HX_ALIGNED(HX_CACHE_LINE);

#define HOSTED_EMERGENCY_STACK_SIZE (256U * 1024U)
#define HOSTED_SIGNAL_STACK_SIZE    (64U * 1024U)

/* The calling CPU's block, NULL on a pthread that is none.  Never inlined, see the rules. */
struct hosted_cpu *hosted_cpu(void);
struct hosted_cpu *hosted_cpu_at(uint32_t cpu);

/* --- cpu.c: what start.c calls ---------------------------------------------------------------- */

bool hosted_cpus_start(uint32_t count, struct thread *boot);
void hosted_cpus_stop(void);

/* Leave the fiber for ever and end the calling CPU's pthread. */
HX_NORETURN void hosted_cpu_leave(struct hosted_cpu *cpu);

/* --- interrupt.c ------------------------------------------------------------------------------ */

/* Set attention bits of a CPU and wake it when it sleeps.  Any pthread. */
void hosted_attend(struct hosted_cpu *cpu, uint32_t bits);

/* Deliver what is due to the calling CPU. */
void hosted_deliver(void);

/* Sleep until attention differs from `seen`. */
void hosted_sleep(struct hosted_cpu *cpu, uint32_t seen);

/* --- line.c, clock.c, timer.c, memory.c, exception.c, console.c ------------------------------- */

void hosted_lines_start(void);
void hosted_clock_start(void);
bool hosted_timer_start(void);
void hosted_timer_stop(void);
bool hosted_memory_start(uint64_t bytes);
void hosted_memory_stop(void);
void hosted_exceptions_start(void);
void hosted_exceptions_stop(void);
void hosted_console_stop(void);

/* An anonymous private mapping, NULL when the host refuses; for stacks and tables. */
void *hosted_reserve(size_t size);
void hosted_unreserve(void *memory, size_t size);

/* Read the kernel's own memory without ever faulting; false: not all of it is readable. */
bool hosted_peek(uintptr_t address, void *to, size_t size);

/* --- thread.c and switch.S -------------------------------------------------------------------- */

/* Make the calling pthread's own stack a fiber. */
void hosted_fiber_adopt(struct hal_thread *fiber);

/*
 * Save the calling fiber, go on in `to` and give it `token`; returns the token of whoever comes
 * back.
 */
void *hosted_fiber_switch(struct hal_thread *from, struct hal_thread *to, void *token);

/* Where a new fiber starts, r12 = self; goes on in hosted_fiber_main, which calls its entry. */
void hosted_fiber_entry(void);
HX_NORETURN void hosted_fiber_main(struct hal_thread *self);

/* Push callee-saved state, store the stack pointer, take the other one, pop. */
void *hosted_context_switch(void **save, void *load, void *token);

/* How a call into a module came back. */
struct hosted_gate_return {
    uint64_t value;
    uint64_t is_abandoned;
};

/* Store the stack pointer to come back with, and call target(a0, a1, a2, a3). */
struct hosted_gate_return hosted_gate_enter(uint64_t *sp, uintptr_t target, uint64_t a0,
                                            uint64_t a1, uint64_t a2, uint64_t a3);

/* Go on at hosted_gate_abandoned, where hosted_gate_enter returns is_abandoned, with its sp. */
HX_NORETURN void hosted_gate_abandon(uint64_t sp);
void hosted_gate_abandoned(void);

/* For ASan: the bytes in [from, to) are nobody's red zones any more. */
void hosted_unpoison(uintptr_t from, uintptr_t to);

/*
 * For TSan: around each copy from or to a page of a program or a module. They order what they do
 * with their memory by atomics of their own, of which the sanitizer knows nothing; copies of a page
 * are taken to be in the order in which they are made.
 */
void hosted_begin_copy(void *page);
void hosted_end_copy(void *page);

/* Where the signal handler sends the interrupted flow, with the frame's address in rdi. */
void hosted_exception_entry(void);

/* --- the host's futex ------------------------------------------------------------------------- */

/* Wait while *word == expected, until the absolute CLOCK_MONOTONIC time when host_deadline_ns !=
 * MAX. */
void hosted_futex_wait(_Atomic uint32_t *word, uint32_t expected, uint64_t host_deadline_ns);
void hosted_futex_wake(_Atomic uint32_t *word);

/* The host's CLOCK_MONOTONIC at which hal_clock_now() was 0, ns. */
uint64_t hosted_clock_base(void);

#endif
