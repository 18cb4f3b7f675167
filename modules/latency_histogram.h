/*
 * The buckets of latencies: powers of two, each parted in 2^LATENCY_SUB_BITS.
 *
 * Rules:
 * - Who includes this may define LATENCY_SUB_BITS before; it is 3, eight parts, without.
 * - Values from 2^n on have eight buckets of width 2^(n-3), so what stands for a bucket, its
 * middle, is within 1/16 of each value in it. Below 8 each value has one by itself; some have none.
 * - 2^LATENCY_BITS and more is in the last bucket.
 * - With one sub bit more, what is in bucket n is in 2n or 2n + 1.
 */
#ifndef MODULES_LATENCY_HISTOGRAM_H
#define MODULES_LATENCY_HISTOGRAM_H

#include <helix/attributes.h>
#include <stdint.h>

#ifndef LATENCY_SUB_BITS
#define LATENCY_SUB_BITS 3U
#endif

#define LATENCY_BITS 40U
#define LATENCY_SUBS (1U << LATENCY_SUB_BITS)
/* Value 0 has the first one, and the power n those from (n + 1) * LATENCY_SUBS on. */
#define LATENCY_BUCKETS (LATENCY_SUBS * (LATENCY_BITS + 1))

/* Which bucket a value belongs in.  Context: any. */
static inline uint64_t latency_bucket(uint64_t value)
{
    uint32_t power = 63U ^ (uint32_t)__builtin_clzll(value | 1); /* the highest bit */
    /* Bits that the shift to the left loses are those of values beyond the last bucket. */
    uint64_t bucket = power * (uint64_t)LATENCY_SUBS + (value << LATENCY_SUB_BITS >> power);

    return HX_LIKELY(bucket < LATENCY_BUCKETS) ? bucket : LATENCY_BUCKETS - 1;
}

/* The least value in a bucket.  Context: any. */
static inline uint64_t latency_floor(uint32_t bucket)
{
    uint64_t sub = LATENCY_SUBS + bucket % LATENCY_SUBS;

    return bucket < LATENCY_SUBS ? 0 : sub << (bucket / LATENCY_SUBS - 1) >> LATENCY_SUB_BITS;
}

/* What stands for a bucket's values.  Context: any. */
static inline uint64_t latency_middle(uint32_t bucket)
{
    uint64_t least = latency_floor(bucket);

    return least + (latency_floor(bucket + 1) - least) / 2;
}

#endif
