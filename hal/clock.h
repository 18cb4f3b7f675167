/*
 * Time.
 *
 * Rules:
 * - Monotonic time is in nanoseconds since the port's start, equal on all CPUs to within 10 us, and
 *   never goes back on one CPU; a later refinement of the rate changes the slope, never the value.
 * - Each CPU has one deadline timer; it raises HAL_VECTOR_TIMER once, at or after the deadline.
 */
#ifndef HAL_CLOCK_H
#define HAL_CLOCK_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stdint.h>

#define HAL_NS_PER_MS 1000000ULL
#define HAL_NS_PER_S  1000000000ULL

/* Nanoseconds since start.  Context: any. */
uint64_t hal_clock_now(void);

/* The processor's free-running counter, cheap, unit unspecified.  Context: any.  (inline) */
static inline uint64_t hal_clock_cycles(void);

/* What the counter said at the image's first instruction.  Context: any. */
uint64_t hal_clock_cycles_at_start(void);

/* Cycles per second as known now. */
uint64_t hal_clock_cycles_per_second(void);

/*
 * Measure the rate again over the time since the first calibration (at least 50 ms is sensible).
 * Returns the correction in parts per million.  Context: thread.
 */
int64_t hal_clock_refine(void);

/*
 * How a program turns the counter that it reads itself into hal_clock_now():
 * counter * multiplier / 2^32 + offset, modulo 2^64.
 */
struct hal_clock_scale {
    uint64_t multiplier;
    uint64_t offset;
};

/* The scale in force. Returns false where programs cannot read the counter.  Context: any. */
HX_MUST_USE bool hal_clock_scale(struct hal_clock_scale *scale);

/* Seconds since 1970-01-01 UTC from the machine's wall clock, 0 when it has none.  Context: thread.
 */
uint64_t hal_clock_wall(void);

/* Arm this CPU's timer for the absolute time; a past one fires at once.  Context: any, irqs off. */
void hal_timer_arm(uint64_t deadline_ns);

/* Cancel it; an interrupt already on its way may still come.  Context: any, interrupts off. */
void hal_timer_disarm(void);

#include <hal_port.h>

#endif
