/*
 * Built-in measurements (`bench[=GLOB]`): each calls the shipped code and prints
 *     bench: NAME VALUE UNIT N
 * where VALUE is the mean of N runs. Under the emulator's counted instructions (tools/run --icount)
 * one cycle of hal_clock_cycles() is one instruction, and the figures repeat exactly.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdint.h>

#define BENCH_NOT_HERE UINT64_MAX /* the machine lacks what is measured: nothing is printed */

struct benchmark {
    const char *name;
    const char *unit;
    uint32_t runs;
    /* Measure so many runs; returns the cycles (or bytes) of all of them, or BENCH_NOT_HERE. */
    uint64_t (*measure)(uint32_t runs);
};

/*
 * Marks for the emulator's plug-in (tools/plugins/cost.c), which knows their addresses: it counts
 * the instructions executed from the one to the other, and takes what was counted as one section.
 * They do nothing, and stand outside what is measured.  Context: any.
 */
void bench_mark_begin(void);
void bench_mark_end(void);
void bench_mark_take(void);

/* The tables, each ending with a NULL name; NULL is the last one. */
extern const struct benchmark *const bench_tables[];
extern const struct benchmark block_benchmarks[];
extern const struct benchmark capability_benchmarks[];
extern const struct benchmark channel_benchmarks[];
extern const struct benchmark hot_reload_benchmarks[];
extern const struct benchmark ipc_benchmarks[];
extern const struct benchmark orchestrator_benchmarks[];
extern const struct benchmark resource_benchmarks[];
extern const struct benchmark screen_benchmarks[];
extern const struct benchmark self_heal_benchmarks[];
extern const struct benchmark vm_benchmarks[];

/* Measure what matches the pattern ("" means all).  Context: thread. */
void bench_run(const char *pattern);

/*
 * Note what only the moment of becoming Running can tell: cycles since the image's first
 * instruction, and memory in use.  Context: thread, once.
 */
void bench_note_running(void);
uint64_t bench_boot_cycles(void);
uint64_t bench_boot_memory(void);

#endif
