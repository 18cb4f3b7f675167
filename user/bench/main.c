/* helix-bench [NAME…]: runs all figures, or those named; as process 1 it then switches off. */
#include "bench.h"

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/reboot.h>
#include <termios.h>
#include <unistd.h>

static const struct figure *const tables[] = {call_figures,   process_figures, thread_figures,
                                              memory_figures, native_figures,  event_figures,
                                              socket_figures};

/* Not to be inlined, merged or left out: each has an address of its own. */
__attribute__((noinline)) void bench_mark_begin(void)
{
    __asm__ volatile("# begin");
}

__attribute__((noinline)) void bench_mark_end(void)
{
    __asm__ volatile("# end");
}

__attribute__((noinline)) void bench_mark_take(void)
{
    __asm__ volatile("# take");
}

const char *own_path(void)
{
    return (const char *)getauxval(AT_EXECFN);
}

/* What the plug-in has counted in it becomes a section of its own. */
static uint64_t measure(const struct figure *figure, uint32_t runs)
{
    uint64_t all = figure->measure(runs);

    bench_mark_take();
    return all;
}

/* Whether it could be measured. */
static int run_one(const struct figure *figure)
{
    uint64_t all;

    /* Once unmeasured: what is allocated or mapped at first use is then there. */
    (void)measure(figure, 1);
    all = measure(figure, figure->runs);
    if (all == FAILED) {
        printf("# %s: could not be measured\n", figure->name);
        return 0;
    }
    printf("bench: %s %llu instructions %u\n", figure->name,
           (unsigned long long)((all + figure->runs / 2) / figure->runs), figure->runs);
    return 1;
}

static int is_wanted(const char *name, char **wanted)
{
    for (char **each = wanted; *each != NULL; each++) {
        if (strcmp(name, *each) == 0) {
            return 1;
        }
    }
    return *wanted == NULL;
}

/* How many could not be measured. */
static int run_all(char **wanted)
{
    int failures = 0;

    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
        for (const struct figure *each = tables[i]; each->name != NULL; each++) {
            failures += is_wanted(each->name, wanted) && !run_one(each);
        }
    }
    return failures;
}

int main(int count, char **words)
{
    int failures;

    if (count == 2 && strcmp(words[1], "--leave") == 0) {
        _exit(0);
    }
    /* What was counted up to here is the boot, when this is process 1. */
    bench_mark_end();
    bench_mark_take();
    setvbuf(stdout, NULL, _IOLBF, 0);
    /* The words of process 1 are what a kernel did not understand of its command line. */
    failures = run_all(getpid() == 1 ? words + count : words + 1);
    if (getpid() == 1) {
        tcdrain(STDOUT_FILENO);
        reboot(RB_POWER_OFF);
    }
    return failures != 0;
}
