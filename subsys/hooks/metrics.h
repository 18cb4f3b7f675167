/*
 * MetricsHook: how often each call is made, how often it fails, and how long it takes (SPEC Y5).
 *
 * Rules:
 * - Counts are kept for each CPU and number, and summed when they are read. A number has memory on
 * a CPU from its first call there on; where there is none for it, calls are counted as lost.
 * - Latencies are in buckets (latency_histogram.h): a percentile is within 12.5 % of the true one.
 * - Numbers beyond the table are not told apart: they count as lost.
 */
#ifndef SUBSYS_HOOKS_METRICS_H
#define SUBSYS_HOOKS_METRICS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define METRICS_HOOK "metrics"

struct call_metrics {
    uint64_t count;
    uint64_t errors; /* results from -4095 to -1 */
    uint64_t total_ns;
    uint64_t min_ns;
    uint64_t max_ns;
    /* So many of a thousand calls took at most that. */
    uint64_t p500_ns;
    uint64_t p900_ns;
    uint64_t p990_ns;
    uint64_t p999_ns;
};

/* Add the hook, at a place.  Context: thread, may block.  Errors: those of syscall_hook_add. */
HX_MUST_USE hx_err metrics_start(int32_t order);

/*
 * What is known of a number, from the hook's start or the last reset on.
 * Context: thread.  Errors: HX_ENOENT it was not called, HX_ERANGE.
 */
HX_MUST_USE hx_err metrics_read(uint32_t number, struct call_metrics *metrics);

/* Begin anew.  Context: thread, may block. */
void metrics_reset(void);

/* Calls that could not be counted.  Context: any. */
uint64_t metrics_lost(void);

/* Bytes of all tables.  Context: any. */
uint64_t metrics_memory(void);

#endif
