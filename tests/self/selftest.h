/*
 * Built-in tests: run in the booted kernel (`selftest[=GLOB]`), on every port, printed as KTAP.
 *
 * Rules:
 * - A test is one function, named as a sentence; it appears in the one table, tests/self/table.c.
 * - Tests run one after the other in a kernel thread, may block, and leave nothing behind: the
 * runner compares free frames and heap use before and after and fails a test that leaks.
 * - EXPECT goes on after a failure (the test is counted as failed once); a test that cannot go on
 * returns.
 */
#ifndef TESTS_SELF_SELFTEST_H
#define TESTS_SELF_SELFTEST_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stdint.h>

enum selftest_flag {
    SELFTEST_METAL_ONLY =
        1U << 0, /* needs real hardware behaviour the hosted port does not imitate */
    SELFTEST_KEEPS_MEMORY = 1U << 1, /* first use fills a cache: not compared for leaks */
    SELFTEST_ENDS_KERNEL = 1U << 2,  /* panics: runs only when asked for by its whole name */
    /* Modules of initrd-tests.cpio (tests/modules): without its own, a test fails at once. */
    SELFTEST_NEEDS_DEMO_LOCKS = 1U << 3,
    SELFTEST_NEEDS_ENTROPY_LIAR = 1U << 4,
    SELFTEST_NEEDS_MEMORY_LIAR = 1U << 5,
    SELFTEST_NEEDS_SCHED_LIAR = 1U << 6,
    SELFTEST_NEEDS_AUDIT_LIAR = 1U << 7,
};

struct selftest {
    const char *name;
    void (*run)(void);
    unsigned flags;
};

/*
 * Run the tests whose names match the pattern ("" means all), print KTAP through the console.
 * Returns how many failed.
 */
unsigned selftest_run(const char *pattern);

/* Record a failure of the running test. */
void selftest_fail(const char *file, int line, const char *format, ...) HX_PRINTF(3, 4);

/* End the running test as skipped (it then returns): the reason is printed. */
void selftest_skip(const char *reason);

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            selftest_fail(__FILE__, __LINE__, "expected: %s", #condition);                         \
        }                                                                                          \
    } while (0)

#define EXPECT_EQUAL(actual, wanted)                                                               \
    do {                                                                                           \
        unsigned long long actual_value = (unsigned long long)(actual);                            \
        unsigned long long wanted_value = (unsigned long long)(wanted);                            \
        if (actual_value != wanted_value) {                                                        \
            selftest_fail(__FILE__, __LINE__, "%s is %llu, wanted %llu", #actual, actual_value,    \
                          wanted_value);                                                           \
        }                                                                                          \
    } while (0)

/* The random seed of this run (printed by the runner; `seed=` on the command line sets it). */
uint64_t selftest_seed(void);

#endif
