/*
 * The buckets of latencies: powers of two, each parted in eight.
 *
 * Rules:
 * - Below 8 each value has a bucket. From 2^n on there are eight of width 2^(n-3), so what stands
 * for a bucket, its middle, is within 1/16 of each value in it.
 * - 2^LATENCY_BITS and more is in the last bucket.
 */
#ifndef SUBSYS_HOOKS_LATENCY_HISTOGRAM_H
#define SUBSYS_HOOKS_LATENCY_HISTOGRAM_H

#include <helix/attributes.h>
#include <stdint.h>

#define LATENCY_BITS      40U
#define LATENCY_SUB_BITS  3U
#define LATENCY_PER_POWER (1U << LATENCY_SUB_BITS)
#define LATENCY_BUCKETS   (LATENCY_PER_POWER * (LATENCY_BITS - LATENCY_SUB_BITS + 1))

/* Which bucket a value belongs in.  Context: any. */
static inline uint32_t latency_bucket(uint64_t value)
{
    uint32_t shift = 63U - LATENCY_SUB_BITS - (uint32_t)__builtin_clzll(value | LATENCY_PER_POWER);
    uint64_t bucket = shift * LATENCY_PER_POWER + (value >> shift);

    return HX_LIKELY(bucket < LATENCY_BUCKETS) ? (uint32_t)bucket : LATENCY_BUCKETS - 1;
}

/* The least value in a bucket, and how many there are.  Context: any. */
static inline uint64_t latency_floor(uint32_t bucket)
{
    uint32_t power = bucket / LATENCY_PER_POWER;

    return power <= 1 ? bucket
                      : (uint64_t)(LATENCY_PER_POWER + bucket % LATENCY_PER_POWER) << (power - 1);
}

static inline uint64_t latency_width(uint32_t bucket)
{
    uint32_t power = bucket / LATENCY_PER_POWER;

    return power <= 1 ? 1 : 1ULL << (power - 1);
}

/* What stands for a bucket's values.  Context: any. */
static inline uint64_t latency_middle(uint32_t bucket)
{
    return latency_floor(bucket) + latency_width(bucket) / 2;
}

#endif
