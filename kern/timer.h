/*
 * Timers: a function called once at a time, or again and again; and each CPU's tick.
 *
 * Rules:
 * - The function runs in interrupt context on the CPU that started the timer (a timer started again
 *   while its function runs on another CPU stays there; one of a CPU that goes off line goes to
 *   another).
 * - The caller serialises calls of start and cancel for one timer; against the timer's own
 * function, which may start it again or cancel it, they are safe.
 * - A timer's memory may be freed when timer_cancel has returned, or from its own function when it
 *   is one-shot and was not started again.
 * - Each CPU has its own heap of timers under its own lock: start and cancel are O(log n)
 * amortised.
 */
#ifndef KERN_TIMER_H
#define KERN_TIMER_H

#include <base/pairing_heap.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define TIMER_TICK_NS 1000000ULL /* SPEC H2: a tick is 1 ms */

/* Keys: T = the lock of the CPU that cpu_plus_1 names, A = atomic, I = immutable after init */
struct timer {
    struct heap_node node;                 /* T  key = deadline */
    void (*function)(struct timer *timer); /* I */
    uint64_t period_ns;                    /* T  0: one shot */
    bool is_pending;                       /* T  in the heap */
    _Atomic uint32_t cpu_plus_1; /* A  whose heap it is in, or was last; 0: never started; one that
                                    is in it is moved under its lock */
};

/* Prepare a timer, not started. */
void timer_init(struct timer *timer, void (*function)(struct timer *timer));

/*
 * Call the function at the absolute time deadline_ns, and every period_ns after it unless 0 (calls
 * that come too late are left out, not caught up with). Starting a pending timer moves it.
 * Context: any but nmi.
 */
void timer_start(struct timer *timer, uint64_t deadline_ns, uint64_t period_ns);

/*
 * Stop a timer. When it returns, the function is not running (unless called from it) and will not.
 * Returns whether it was pending.
 * Context: thread, or irq for a timer of the same CPU.  Blocks: spins while the function runs on
 * another CPU.
 */
bool timer_cancel(struct timer *timer);

/* Make all CPUs' heaps empty.  Called by thread_init_boot. */
void timer_init_cpus(void);

/* --- called by the scheduler, interrupts off -------------------------------------------------- */

/* Have this CPU tick from now on, unless it does. */
void timer_tick_start(void);

/*
 * Run what is due on this CPU and arm the hardware for the rest. A tick that is due is the last one
 * unless keep_ticking.  Returns whether a tick was due.  Context: irq.
 */
bool timer_run_due(bool keep_ticking);

/* --- called when a CPU leaves (kern/cpu_leave.c) ---------------------------------------------- */

/* No tick of this CPU any more, and no interrupt for its timers.  Interrupts off. */
void timer_stop_cpu(void);

/* Have the timers of a CPU that is gone run on the calling one.  Context: thread. */
void timer_take_from(uint32_t cpu);

#endif
