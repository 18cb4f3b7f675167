/*
 * Load averages: how many threads of programs ran or wanted to, over the last 1, 5 and 15 minutes.
 *
 * Rules:
 * - A thread of its own looks every five seconds; the averages decay exponentially, in fixed point
 *   with LOAD_SHIFT fractional bits, as getloadavg(3) and sysinfo(2) have them.
 */
#ifndef SUBSYS_PROCESS_LOAD_AVERAGE_H
#define SUBSYS_PROCESS_LOAD_AVERAGE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define LOAD_SHIFT    11U
#define LOAD_AVERAGES 3U

/* Begin to look.  Context: thread, once.  Errors: those of thread_create. */
HX_MUST_USE hx_err load_average_init(void);

/* Context: any. */
void load_average_get(uint32_t averages[LOAD_AVERAGES]);

/* Threads of programs that run or want to, now.  Context: thread. */
uint32_t load_running_threads(void);

/* One average, five seconds after `average`, with so many threads running meanwhile. decay is
 * exp(-5 s / period) in fixed point. */
uint32_t load_average_next(uint32_t average, uint32_t decay, uint32_t running);

#endif
