/* Running built-in tests and printing KTAP (Linux Documentation/dev-tools/ktap.rst, version 1). */
#include <base/format.h>
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/self_heal/healer.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/modules/module_store.h>
#include <tests/self/runner.h>
#include <tests/self/selftest.h>

/* How long after a test its threads may take to be freed by the reaper. */
#define SETTLE_STEP_NS (2 * HAL_NS_PER_MS)
#define SETTLE_STEPS   5000 /* a busy host may keep its CPU waiting */
#define ON_HOSTED_PORT (hal_user_module_window().size == 0)

static struct {
    bool failed;
    const char *skipped;
    uint64_t seed;
} running;

uint64_t selftest_seed(void)
{
    return running.seed;
}

void selftest_fail(const char *file, int line, const char *format, ...)
{
    char text[160];
    va_list args;

    va_start(args, format);
    (void)format_text_va(text, sizeof(text), format, args);
    va_end(args);
    running.failed = true;
    kprintln("# %s:%d: %s", file, line, text);
}

void selftest_skip(const char *reason)
{
    running.skipped = reason;
}

/* --- leaks ------------------------------------------------------------------------------------ */

struct memory_level {
    uint64_t heap_objects;
    uint32_t threads;
};

static struct memory_level memory_level(void)
{
    struct heap_statistics heap;

    heap_statistics(&heap);
    return (struct memory_level){heap.objects, thread_count()};
}

static bool has_grown(struct memory_level before, struct memory_level now)
{
    return now.heap_objects > before.heap_objects || now.threads > before.threads;
}

static void check_leaks(struct memory_level before)
{
    struct memory_level now = memory_level();

    for (unsigned i = 0; i < SETTLE_STEPS && has_grown(before, now); i++) {
        thread_sleep(SETTLE_STEP_NS);
        now = memory_level();
    }
    if (has_grown(before, now)) {
        selftest_fail(__FILE__, __LINE__, "left behind: %lld heap objects, %lld threads",
                      (long long)(now.heap_objects - before.heap_objects),
                      (long long)now.threads - (long long)before.threads);
    }
}

/* --- modules ---------------------------------------------------------------------------------- */

static const struct {
    unsigned flag;
    const char *module;
} needs[] = {
    {SELFTEST_NEEDS_AUDIT_LIAR, "audit_liar"},     {SELFTEST_NEEDS_DEMO_LOCKS, "demo_locks"},
    {SELFTEST_NEEDS_ENTROPY_LIAR, "entropy_liar"}, {SELFTEST_NEEDS_MEMORY_LIAR, "memory_liar"},
    {SELFTEST_NEEDS_SCHED_LIAR, "sched_liar"},
};

static bool is_module_there(const char *name)
{
    struct module_file file;
    bool is_there = module_store_get(name, NULL, &file) == HX_OK;

    if (is_there) {
        module_store_put(&file);
    }
    return is_there;
}

/* Whether the test has the modules that it needs; if not, it has failed. */
static bool has_modules(const struct selftest *test)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(needs); i++) {
        if ((test->flags & needs[i].flag) != 0 && !is_module_there(needs[i].module)) {
            selftest_fail(__FILE__, __LINE__, "there is no module %s; initrd-tests.cpio has it",
                          needs[i].module);
            return false;
        }
    }
    return true;
}

/* --- running ---------------------------------------------------------------------------------- */

static bool run_one(const struct selftest *test, unsigned number)
{
    struct memory_level before = memory_level();

    running.failed = false;
    running.skipped = NULL;
    if ((test->flags & SELFTEST_METAL_ONLY) != 0 && ON_HOSTED_PORT) {
        running.skipped = "needs hardware that the hosted port does not imitate";
    } else if (has_modules(test)) {
        test->run();
        if ((test->flags & SELFTEST_KEEPS_MEMORY) == 0) {
            check_leaks(before);
        }
    }
    kprintln("%s %u %s%s%s", running.failed ? "not ok" : "ok", number, test->name,
             running.skipped != NULL ? " # SKIP " : "",
             running.skipped != NULL ? running.skipped : "");
    console_flush();
    return !running.failed;
}

static bool is_wanted(const struct selftest *test, const char *pattern)
{
    if ((test->flags & SELFTEST_ENDS_KERNEL) != 0) {
        return string_equal(test->name, pattern);
    }
    return pattern[0] == '\0' || string_matches(test->name, pattern);
}

/* The tests of a suite; none of one that this image does not have. */
static const struct selftest *tests_of(size_t suite)
{
    static const struct selftest none[] = {{.name = NULL}};

    return selftest_suites[suite] != NULL ? selftest_suites[suite] : none;
}

static unsigned count_wanted(const char *pattern)
{
    unsigned count = 0;

    for (size_t i = 0; i < selftest_suite_count; i++) {
        for (const struct selftest *test = tests_of(i); test->name != NULL; test++) {
            count += is_wanted(test, pattern) ? 1U : 0U;
        }
    }
    return count;
}

unsigned selftest_run(const char *pattern)
{
    unsigned number = 0;
    unsigned failed = 0;

    /* What a test leaves in a slot stays there; those of the healer switch it on. */
    healer_set_on(false);
    running.seed = hal_cpu_entropy();
    (void)!command_line_u64(kernel_command_line(), "seed", &running.seed);
    kprintln("KTAP version 1");
    kprintln("# seed %llu", (unsigned long long)running.seed);
    kprintln("1..%u", count_wanted(pattern));
    for (size_t i = 0; i < selftest_suite_count; i++) {
        for (const struct selftest *test = tests_of(i); test->name != NULL; test++) {
            if (is_wanted(test, pattern)) {
                failed += run_one(test, ++number) ? 0U : 1U;
            }
        }
    }
    kprintln("# %u passed, %u failed", number - failed, failed);
    return failed;
}
