/* Running the measurements. */
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <kern/frames.h>
#include <tests/bench/bench.h>

static uint64_t cycles_at_running;
static uint64_t memory_at_running;

/* --- marks ------------------------------------------------------------------------------------ */

/* Not to be inlined, merged or left out: each has an address of its own. */
HX_NOINLINE void bench_mark_begin(void)
{
    __asm__ volatile("# begin");
}

HX_NOINLINE void bench_mark_end(void)
{
    __asm__ volatile("# end");
}

HX_NOINLINE void bench_mark_take(void)
{
    __asm__ volatile("# take");
}

/* --- the boot --------------------------------------------------------------------------------- */

/* The image, and everything usable that cannot be allocated any more: metadata, initrd, stacks,
 * heap. */
void bench_note_running(void)
{
    struct hal_image image = hal_kernel_image();
    struct frame_statistics frames;

    cycles_at_running = hal_clock_cycles() - hal_clock_cycles_at_start();
    /* The plug-in has counted since the image's first instruction. */
    bench_mark_end();
    bench_mark_take();
    frames_statistics(&frames);
    memory_at_running = image.text.size + image.rodata.size + image.data.size +
                        boot_configuration_usable(kernel_boot_configuration()) -
                        frames.free * HAL_PAGE_SIZE;
}

uint64_t bench_boot_cycles(void)
{
    return cycles_at_running;
}

uint64_t bench_boot_memory(void)
{
    return memory_at_running;
}

/* --- running ---------------------------------------------------------------------------------- */

static bool is_wanted(const char *name, const char *pattern)
{
    return pattern[0] == '\0' || string_matches(name, pattern);
}

static void run_one(const struct benchmark *benchmark)
{
    uint64_t all;

    /* Once unmeasured: what is allocated or mapped at first use is then there. */
    if (benchmark->measure(1) == BENCH_NOT_HERE) {
        return;
    }
    bench_mark_take(); /* what the plug-in has counted is a section of its own; here too */
    console_flush();
    all = benchmark->measure(benchmark->runs);
    bench_mark_take();
    kprintln("bench: %s %llu %s %u", benchmark->name,
             (unsigned long long)((all + benchmark->runs / 2) / benchmark->runs), benchmark->unit,
             (unsigned)benchmark->runs);
}

static void run_table(const struct benchmark *table, const char *pattern)
{
    for (const struct benchmark *each = table; each->name != NULL; each++) {
        if (is_wanted(each->name, pattern)) {
            run_one(each);
        }
    }
}

void bench_run(const char *pattern)
{
    for (const struct benchmark *const *table = bench_tables; *table != NULL; table++) {
        run_table(*table, pattern);
    }
}
