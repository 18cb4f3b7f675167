/*
 * MetricsHook: how often each call is made, how often it fails, and how long it takes (SPEC Y5).
 *
 * Rules:
 * - The arithmetic is the module's in the slot hook.metrics (modules/call_metrics.h), which gets
 *   number, failure and duration of each call in batches (backlog.h).
 * - Latencies are in buckets (modules/latency_histogram.h): a percentile is within 12.5 % of the
 *   true one, or what the module in use does better.
 * - Numbers beyond the table are not told apart: they count as lost, as do calls for which the
 *   module has no memory, and those that end while there is no module.
 */
#ifndef SUBSYS_HOOKS_METRICS_H
#define SUBSYS_HOOKS_METRICS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

#define METRICS_HOOK "metrics"
#define METRICS_SLOT "hook.metrics"

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

/* Add the hook, at a place.  Context: thread, may block.  Errors: those of syscall_hook_add and
 * backlog_start. */
HX_MUST_USE hx_err metrics_start(int32_t order);

/*
 * What is known of a number, from the hook's start or the last reset on.
 * Context: thread, may block.  Errors: HX_ENOENT it was not called, or there is nobody who knows;
 * HX_ERANGE.
 */
HX_MUST_USE hx_err metrics_read(uint32_t number, struct call_metrics *metrics);

/* Begin anew.  Context: thread, may block. */
void metrics_reset(void);

/* Calls that could not be counted.  Context: thread, may block. */
uint64_t metrics_lost(void);

/* Of these, those that no module was told of.  Context: any. */
uint64_t metrics_untold(void);

/* Bytes of what the module has not been told of yet.  Context: any. */
uint64_t metrics_memory(void);

#endif
