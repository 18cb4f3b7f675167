/*
 * Timers: a function called once at a time, or again and again.
 *
 * Rules:
 * - The function runs in interrupt context on the CPU that started the timer.
 * - A timer may be started again from its own function. Starting a running timer moves it.
 * - Each CPU has its own heap of timers under its own lock: start and cancel are O(log n) amortised.
 */
#ifndef KERN_TIMER_H
#define KERN_TIMER_H

#include <base/pairing_heap.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct timer {
    struct heap_node node; /* key = deadline */
    void (*function)(struct timer *timer);
    uint64_t period_ns; /* 0: one shot */
    _Atomic uint32_t cpu_plus_1; /* which CPU's heap holds it; 0: none */
};

/* Prepare a timer, not started. */
void timer_init(struct timer *timer, void (*function)(struct timer *timer));

/*
 * Call the function at the absolute time deadline_ns, and every period_ns after it unless 0.
 * Context: any but nmi.
 */
void timer_start(struct timer *timer, uint64_t deadline_ns, uint64_t period_ns);

/*
 * Stop a timer. When it returns, the function is not running (unless called from it) and will not.
 * Returns whether it was pending.  Context: thread, or irq for a timer of the same CPU.
 */
bool timer_cancel(struct timer *timer);

/* Run what is due on this CPU and arm the hardware for the rest.  Context: irq. */
void timer_run_due(void);

/* The earliest deadline on this CPU, UINT64_MAX: none.  Context: interrupts off. */
uint64_t timer_next_deadline(void);

void timer_init_cpus(void);

#endif
