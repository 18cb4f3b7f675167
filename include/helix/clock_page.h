/*
 * The page from which programs read the time. The kernel maps it into each process, read-only,
 * beside the code that reads it (user/vdso), and keeps it up to date.
 *
 * Rules:
 * - The sequence is odd while the kernel changes its clocks, and where the counter cannot be read
 * by programs at all. A reader that finds it odd, or changed afterwards, asks the kernel instead:
 * it never waits, and never sees an old rate after the kernel has begun to use a new one.
 * - Times are in nanoseconds, sums modulo 2^64.
 */
#ifndef HELIX_CLOCK_PAGE_H
#define HELIX_CLOCK_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Bits below the point in the multiplier. */
#define HX_CLOCK_FRACTION_BITS 32

/* The processor tells programs the number of the CPU (x86_64: rdtscp). */
#define HX_CLOCK_HAS_CPU_NUMBER 1U

/* Written by the kernel alone. */
struct hx_clock_page {
    _Atomic uint32_t sequence;
    _Atomic uint32_t flags;
    _Atomic uint64_t multiplier;  /* nanoseconds per cycle of the counter */
    _Atomic uint64_t offset;      /* of the monotonic clock */
    _Atomic uint64_t wall_offset; /* of the time of day, from the monotonic clock */
};

/* A counter's value as the monotonic time. */
static inline uint64_t hx_clock_apply(uint64_t cycles, uint64_t multiplier, uint64_t offset)
{
    unsigned __int128 product = (unsigned __int128)cycles * multiplier;

    return (uint64_t)(product >> HX_CLOCK_FRACTION_BITS) + offset;
}

/*
 * Read the monotonic time (is_wall: the time of day) from the counter. Returns false when the
 * kernel has to be asked.
 */
static inline bool hx_clock_read(const struct hx_clock_page *page, uint64_t (*counter)(void),
                                 bool is_wall, uint64_t *ns)
{
    /* acquire: pairs with the release of who made it even; what follows is not read before */
    uint32_t sequence = atomic_load_explicit(&page->sequence, memory_order_acquire);

    *ns = hx_clock_apply(counter(), atomic_load_explicit(&page->multiplier, memory_order_relaxed),
                         atomic_load_explicit(&page->offset, memory_order_relaxed));
    if (is_wall) {
        *ns += atomic_load_explicit(&page->wall_offset, memory_order_relaxed);
    }
    /* acquire: what was read stays before the second look; pairs with the fence of who made it odd
     */
    atomic_thread_fence(memory_order_acquire);
    return (sequence & 1U) == 0 &&
           atomic_load_explicit(&page->sequence, memory_order_relaxed) == sequence;
}

#endif
