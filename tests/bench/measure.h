/* The stretch that is measured, for the functions of the tables. */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include <hal/clock.h>
#include <stdint.h>
#include <tests/bench/bench.h>

/* The marks stand outside of the two readings of the clock. */
static inline uint64_t begin(void)
{
    bench_mark_begin();
    return hal_clock_cycles();
}

static inline uint64_t cycles_since(uint64_t start)
{
    uint64_t cycles = hal_clock_cycles() - start;

    bench_mark_end();
    return cycles;
}

/* Cycles of an empty loop of so many rounds, with the same shape as those below. */
static inline uint64_t empty_loop(uint32_t runs)
{
    uint64_t start = hal_clock_cycles();

    for (uint32_t i = 0; i < runs; i++) {
        __asm__ volatile("");
    }
    return hal_clock_cycles() - start;
}

static inline uint64_t without_loop(uint64_t cycles, uint32_t runs)
{
    uint64_t loop = empty_loop(runs);

    return cycles > loop ? cycles - loop : 0;
}

/* The same for measurements that read the clock at each run. */
static inline uint64_t without_readings(uint64_t cycles, uint32_t runs)
{
    uint64_t readings = 0;

    for (uint32_t i = 0; i < runs; i++) {
        uint64_t start = hal_clock_cycles();

        readings += hal_clock_cycles() - start;
    }
    return cycles > readings ? cycles - readings : 0;
}

#endif
