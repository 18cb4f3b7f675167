/*
 * helix-bench: what the kernel below costs a program, in instructions.
 *
 * Under the emulator's counted instructions (tools/run --icount) one tick of the processor's
 * counter is one instruction. The program is static and asks for nothing but Linux system calls, so
 * that the very same file measures Helix and Linux. It prints lines bench: NAME VALUE instructions
 * N where VALUE is the mean of N runs, the measuring loop included. What cannot be measured is said
 * on a line `# NAME: why` and makes the exit status 1.
 */
#ifndef USER_BENCH_BENCH_H
#define USER_BENCH_BENCH_H

#include <stdint.h>
#include <sys/syscall.h>

struct figure {
    const char *name;
    uint32_t runs;
    /* Do it so many times; returns the instructions of all, FAILED if that was not possible. */
    uint64_t (*measure)(uint32_t runs);
};

#define FAILED UINT64_MAX

/* The tables, each ending with a NULL name. */
extern const struct figure call_figures[];
extern const struct figure process_figures[];
extern const struct figure thread_figures[];
extern const struct figure memory_figures[];
extern const struct figure native_figures[];
extern const struct figure event_figures[];
extern const struct figure socket_figures[];

/* This program's own file. */
const char *own_path(void);

/* Marks for the emulator's plug-in, as in tests/bench/bench.h. */
void bench_mark_begin(void);
void bench_mark_end(void);
void bench_mark_take(void);

static inline uint64_t instructions_now(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

static inline uint64_t begin(void)
{
    bench_mark_begin();
    return instructions_now();
}

static inline uint64_t instructions_since(uint64_t start)
{
    uint64_t all = instructions_now() - start;

    bench_mark_end();
    return all;
}

/* --- system calls without a library around them ------------------------------------------------
 */

static inline int64_t call_0(int64_t number)
{
    int64_t result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

static inline int64_t call_1(int64_t number, int64_t a)
{
    int64_t result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a) : "rcx", "r11", "memory");
    return result;
}

static inline int64_t call_2(int64_t number, int64_t a, int64_t b)
{
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int64_t call_3(int64_t number, int64_t a, int64_t b, int64_t c)
{
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

static inline int64_t call_4(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d)
{
    register int64_t fourth __asm__("r10") = d;
    int64_t result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

/* Calls that move one byte between the kernel and here: whether they did. */
static inline int read_byte(int file)
{
    char byte;

    return call_3(SYS_read, file, (int64_t)&byte, 1) == 1;
}

static inline int write_byte(int file)
{
    static const char byte = 'x';

    return call_3(SYS_write, file, (int64_t)&byte, 1) == 1;
}

#endif
