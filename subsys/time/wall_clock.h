/*
 * The time of day: the machine's real-time clock at boot, carried on by the monotonic clock.
 */
#ifndef SUBSYS_TIME_WALL_CLOCK_H
#define SUBSYS_TIME_WALL_CLOCK_H

#include <stdint.h>

/* Nanoseconds since 1970-01-01 UTC; 0 plus the time since boot before the time subsystem runs.
 * Context: any. */
uint64_t wall_clock_now(void);

/* What has to be added to hal_clock_now().  Context: any. */
uint64_t wall_clock_offset(void);

/* Set the time of day (settimeofday); the machine's clock is left as it is.  Context: any but
 * nmi. */
void wall_clock_set(uint64_t nanoseconds);

/* Start from the machine's clock.  Called by the time subsystem. */
void wall_clock_init(void);

#endif
