/* Many lines at once: each comparator of the HPET has one, and a handler that takes its time. */
#include <core/debug/log.h>
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <ports/x86_64/watchdog.h>
#include <stdatomic.h>
#include <subsys/processors/processors.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define NAME          "x86_64_lines"
#define SOURCES_MAX   8U
#define PCI_LINES     16U /* and up: no ISA device has them */
#define LINES         32U /* that a comparator can name */
#define PERIOD_MS     5U
#define PERMILLE      1000U
#define TEN_PER_CENT  100U /* of a window */
#define STRETCH       3U   /* windows that are looked at as a whole */
#define WINDOWS_MAX   80U
#define PERMILLE_TIME (PERIOD_MS * HAL_NS_PER_MS / PERMILLE)

struct source {
    uint32_t line;
    uint64_t work_ns; /* of each interrupt */
    uint8_t vector;
};

static struct source sources[SOURCES_MAX]; /* number n is comparator n's */
static uint32_t source_count;
static _Atomic uint64_t spent[HAL_CPU_MAX]; /* ns in these handlers, written by the CPU alone */

static enum interrupt_action work(void *argument, struct hal_frame *frame)
{
    const struct source *source = argument;
    uint64_t start = hal_clock_now();

    (void)frame;
    while (hal_clock_now() - start < source->work_ns) {
        hal_cpu_relax();
    }
    atomic_fetch_add_explicit(&spent[hal_cpu_id()], hal_clock_now() - start, memory_order_relaxed);
    return INTERRUPT_HANDLED;
}

/* --- sources ---------------------------------------------------------------------------------- */

/* Has the comparator signal a line that nobody uses. Returns whether there is one. */
static bool open_source(uint32_t comparator, uint32_t from)
{
    struct source *source = &sources[comparator];

    for (uint32_t line = from; line < LINES && line < hal_line_count(); line++) {
        if (router_cpus(line) == 0 && hpet_signal(comparator, line, PERIOD_MS)) {
            source->line = line;
            source->vector = interrupt_free_vector();
            EXPECT(source->vector != 0);
            EXPECT_EQUAL(interrupt_register(source->vector, NAME, work, source, false), HX_OK);
            return true;
        }
    }
    return false;
}

static void close_sources(void)
{
    for (uint32_t i = 0; i < source_count; i++) {
        hpet_signal_stop(i);
        (void)router_unroute(sources[i].line);
        EXPECT_EQUAL(interrupt_unregister(sources[i].vector, NAME), HX_OK);
    }
    watchdog_start();
}

/* Returns whether there are that many, to be closed, and more than one CPU; skips the test if not.
 */
static bool open_sources(uint32_t least)
{
    uint32_t from = PCI_LINES;

    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return false;
    }
    watchdog_stop(); /* its comparator */
    for (source_count = 0; source_count < SOURCES_MAX && open_source(source_count, from);
         source_count++) {
        from = sources[source_count].line + 1;
    }
    if (source_count < least) {
        selftest_skip("the HPET has too few comparators (-global hpet.timers=8 gives eight)");
        close_sources();
        return false;
    }
    return true;
}

static void route_source(uint32_t index, uint32_t load)
{
    const struct hal_line_mode edge = {.level = false, .active_low = false};
    struct source *source = &sources[index];

    source->work_ns = load * PERMILLE_TIME; /* per mille of its period */
    EXPECT_EQUAL(router_route(source->line, source->vector, edge, ROUTE_LOWEST_PRIORITY, 0), HX_OK);
}

/*
 * Each CPU has its share of the whole in one line or, while there are more lines than CPUs, in two
 * unequal ones: so it can be split evenly.
 */
static void route_sources(uint32_t share)
{
    uint32_t cpus = cpu_online_count();

    for (uint32_t i = 0; i < source_count; i++) {
        uint32_t part = i % cpus + cpus < source_count ? share / 5 + share / 15 * (i % cpus) : 0;

        if (i < 2 * cpus) {
            route_source(i, i < cpus ? share - part : part);
        }
    }
}

/* --- measuring -------------------------------------------------------------------------------- */

/* What was so at some moment. */
struct picture {
    uint64_t time;
    uint64_t spent[HAL_CPU_MAX];
    uint64_t places[SOURCES_MAX]; /* the CPUs of each line */
};

struct range {
    uint32_t least;
    uint32_t most;
};

static void take_picture(struct picture *picture)
{
    picture->time = hal_clock_now();
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        picture->spent[cpu] = atomic_load_explicit(&spent[cpu], memory_order_relaxed);
    }
    for (uint32_t i = 0; i < source_count; i++) {
        picture->places[i] = router_cpus(sources[i].line);
    }
}

/* Of the CPUs that are online. */
static struct range range_of(const uint32_t permille[HAL_CPU_MAX])
{
    struct range range = {.least = UINT32_MAX};

    for (uint32_t n = 0; n < cpu_online_count(); n++) {
        uint32_t value = permille[crew_cpu(n)];

        range.least = value < range.least ? value : range.least;
        range.most = value > range.most ? value : range.most;
    }
    return range;
}

static struct range range_between(const struct picture *before, const struct picture *after)
{
    uint32_t permille[HAL_CPU_MAX];

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        permille[cpu] = (uint32_t)((after->spent[cpu] - before->spent[cpu]) * PERMILLE /
                                   (after->time - before->time));
    }
    return range_of(permille);
}

static bool is_even(struct range range)
{
    return range.most - range.least <= TEN_PER_CENT;
}

static bool has_moved(const struct picture *before)
{
    for (uint32_t i = 0; i < source_count; i++) {
        if (before->places[i] != router_cpus(sources[i].line)) {
            return true;
        }
    }
    return false;
}

/* A stretch of windows, which ends early when a line moves. Returns how many there were. */
struct stretch {
    struct range ours;   /* by the handlers' own clock */
    struct range router; /* by the router's */
};

static uint32_t look(struct stretch *stretch)
{
    static struct picture before;
    static struct picture after;
    uint32_t busy[HAL_CPU_MAX] = {0};
    uint32_t windows = 0;

    take_picture(&before);
    while (windows < STRETCH && !has_moved(&before)) {
        thread_sleep(ROUTER_PERIOD_NS);
        for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
            busy[cpu] += router_busy_permille(cpu) / STRETCH;
        }
        windows++;
    }
    take_picture(&after);
    stretch->ours = range_between(&before, &after);
    stretch->router = range_of(busy);
    return has_moved(&before) ? 0 : windows;
}

/* Windows pass until in a whole stretch of them all CPUs are evenly busy and no line moves. A busy
 * host spoils some. */
static void expect_evenness(const char *when)
{
    uint64_t start = hal_clock_now();
    uint64_t deadline = start + WINDOWS_MAX * ROUTER_PERIOD_NS;
    struct stretch stretch;
    bool is_good = false;

    while (!is_good && hal_clock_now() < deadline) {
        is_good = look(&stretch) == STRETCH && is_even(stretch.ours) && is_even(stretch.router);
    }
    kprintln("# %s: after %llu ms CPUs are in handlers for %u to %u per mille, busy for %u to %u",
             when, (unsigned long long)((hal_clock_now() - start) / HAL_NS_PER_MS),
             stretch.ours.least, stretch.ours.most, stretch.router.least, stretch.router.most);
    EXPECT(is_good);
}

/* --- tests ------------------------------------------------------------------------------------ */

#define SHARE    200U
#define ATTEMPTS 20U

/* SPEC: I4 */
static void lines_of_the_lowest_priority_are_spread_to_ten_per_cent(void)
{
    if (!open_sources(cpu_online_count())) {
        return;
    }
    route_sources(SHARE);
    expect_evenness("all lines");
    close_sources();
}

/* SPEC: I4 K7 */
static void they_are_even_again_when_a_cpu_leaves_and_when_it_returns(void)
{
    uint32_t cpu = hal_cpu_count() - 1;

    if (!open_sources(2 * cpu_online_count())) {
        return;
    }
    route_sources(SHARE);
    EXPECT_EQUAL(processors_offline(cpu), HX_OK);
    for (uint32_t i = 0; i < source_count; i++) {
        EXPECT_EQUAL(router_cpus(sources[i].line) & ~cpu_online_mask(), 0);
    }
    expect_evenness("one is off line");
    EXPECT_EQUAL(processors_online(cpu), HX_OK);
    expect_evenness("it is back");
    close_sources();
}

/* SPEC: I4 */
static void a_line_that_is_all_there_is_stays_where_it_is(void)
{
    struct stretch stretch;
    uint32_t windows = 0;

    if (!open_sources(1)) {
        return;
    }
    route_source(0, SHARE); /* wherever it goes, that CPU is the busier one */
    for (unsigned i = 0; i < ATTEMPTS && windows != STRETCH; i++) {
        windows = look(&stretch);
    }
    EXPECT_EQUAL(windows, STRETCH);
    EXPECT(stretch.ours.most - stretch.ours.least > TEN_PER_CENT);
    close_sources();
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = NAME "." #function, .run = function                                                \
    }

const struct selftest x86_64_lines_tests[] = {
    TEST(lines_of_the_lowest_priority_are_spread_to_ten_per_cent),
    TEST(a_line_that_is_all_there_is_stays_where_it_is),
    TEST(they_are_even_again_when_a_cpu_leaves_and_when_it_returns),
    {.name = NULL},
};
