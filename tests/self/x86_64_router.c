/* Routing policies, proved by where the interval timer's interrupts arrive. */
#include <core/debug/log.h>
#include <core/gate/watchdog.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <ports/x86_64/instructions.h>
#include <stdatomic.h>
#include <subsys/processors/processors.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

/* Channel 0 of the PIT (Intel 8254): the device on every PC that interrupts by itself. */
#define PIT_COMMAND   0x43
#define PIT_CHANNEL_0 0x40
#define PIT_RATE      0x34 /* both bytes, mode 2 */
#define PIT_STOP      0x30 /* mode 0: waits for a count, and is over once */
#define PIT_1_KHZ     1193

#define ENOUGH      5U
#define PATIENCE_NS (20 * HAL_NS_PER_S)
#define WINDOW_NS   (ROUTER_PERIOD_NS + 50 * HAL_NS_PER_MS)
#define LAPS        3U
#define ATTEMPTS    20U

static struct {
    uint8_t vector;
    uint32_t line;
    struct hal_line_mode mode;
} pit;

static enum interrupt_action ignore_tick(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    return INTERRUPT_HANDLED;
}

/* The timer runs from here to close_pit. Returns whether there is a line and a vector for it. */
static bool open_pit(void)
{
    pit.vector = interrupt_free_vector();
    if (pit.vector == 0 || hal_line_of_isa(0, &pit.line, &pit.mode) != HX_OK ||
        router_cpus(pit.line) != 0) {
        selftest_skip("no vector, or the interval timer's line is in use");
        return false;
    }
    watchdog_stop(); /* its line */
    EXPECT_EQUAL(interrupt_register(pit.vector, "router", ignore_tick, NULL, false), HX_OK);
    x86_out8(PIT_COMMAND, PIT_RATE);
    x86_out8(PIT_CHANNEL_0, PIT_1_KHZ & 0xFF);
    x86_out8(PIT_CHANNEL_0, PIT_1_KHZ >> 8);
    return true;
}

static void close_pit(void)
{
    x86_out8(PIT_COMMAND, PIT_STOP);
    EXPECT_EQUAL(router_unroute(pit.line), HX_OK);
    EXPECT_EQUAL(router_unroute(pit.line), HX_ENOENT);
    EXPECT_EQUAL(interrupt_unregister(pit.vector, "router"), HX_OK);
    watchdog_start();
}

static hx_err route(enum route_strategy strategy, uint32_t cpu)
{
    return router_route(pit.line, pit.vector, pit.mode, strategy, cpu);
}

static uint64_t count_on(uint32_t cpu)
{
    return interrupt_statistics(pit.vector, cpu).count;
}

/* The CPUs on which ticks arrive from now on, once each of the wanted ones has had enough. */
static uint64_t arrivals(uint64_t wanted)
{
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;
    uint64_t before[HAL_CPU_MAX];
    uint64_t enough = 0;
    uint64_t seen = 0;

    crew_settle_cpus(); /* some were on their way by the old route */
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        before[cpu] = count_on(cpu);
    }
    while ((enough & wanted) != wanted && hal_clock_now() < deadline) {
        for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
            enough |= count_on(cpu) >= before[cpu] + ENOUGH ? 1ULL << cpu : 0;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        seen |= count_on(cpu) > before[cpu] ? 1ULL << cpu : 0;
    }
    return seen;
}

/* SPEC: I4 */
static void a_fixed_line_arrives_on_its_cpu_alone(void)
{
    if (!open_pit()) {
        return;
    }
    for (uint32_t n = 0; n < cpu_online_count(); n++) {
        uint64_t wanted = 1ULL << crew_cpu(n);

        EXPECT_EQUAL(route(ROUTE_FIXED_CPU, crew_cpu(n)), HX_OK);
        EXPECT_EQUAL(router_cpus(pit.line), wanted);
        EXPECT_EQUAL(arrivals(wanted), wanted);
    }
    EXPECT_EQUAL(route(ROUTE_FIXED_CPU, HAL_CPU_MAX), HX_EINVAL);
    EXPECT_EQUAL(route(ROUTE_FIXED_CPU, hal_cpu_count()), HX_EINVAL);
    close_pit();
}

/* SPEC: I4 */
static void a_broadcast_line_arrives_on_every_cpu(void)
{
    if (!open_pit()) {
        return;
    }
    EXPECT_EQUAL(route(ROUTE_BROADCAST, 0), HX_OK);
    EXPECT_EQUAL(arrivals(cpu_online_mask()), cpu_online_mask());
    close_pit();
}

#define BROADCASTS 20U

/* One interrupt, and the next only when all of a mask have it. Returns whether they have. */
static bool broadcast_once(uint64_t mask)
{
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;
    uint64_t before[HAL_CPU_MAX];
    uint64_t left = mask;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        before[cpu] = count_on(cpu);
    }
    x86_out8(PIT_CHANNEL_0, PIT_1_KHZ & 0xFF);
    x86_out8(PIT_CHANNEL_0, PIT_1_KHZ >> 8);
    while (left != 0 && hal_clock_now() < deadline) {
        for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
            left &= count_on(cpu) > before[cpu] ? ~(1ULL << cpu) : UINT64_MAX;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return left == 0;
}

static void expect_each_to_be_counted_once(uint64_t mask)
{
    uint64_t before[HAL_CPU_MAX];
    bool all_have_it = true;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        before[cpu] = count_on(cpu);
    }
    for (unsigned i = 0; i < BROADCASTS && all_have_it; i++) {
        all_have_it = broadcast_once(mask);
    }
    EXPECT(all_have_it);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        EXPECT_EQUAL(count_on(cpu) - before[cpu], (mask >> cpu & 1) != 0 ? BROADCASTS : 0);
    }
}

/* SPEC: I4 K7 */
static void each_broadcast_arrives_once_on_every_cpu_that_is_online(void)
{
    uint32_t away = hal_cpu_count() - 1;

    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return;
    }
    if (!open_pit()) {
        return;
    }
    x86_out8(PIT_COMMAND, PIT_STOP);
    EXPECT_EQUAL(route(ROUTE_BROADCAST, 0), HX_OK);
    crew_settle_cpus();
    expect_each_to_be_counted_once(cpu_online_mask());
    EXPECT_EQUAL(processors_offline(away), HX_OK);
    expect_each_to_be_counted_once(cpu_online_mask());
    EXPECT_EQUAL(processors_online(away), HX_OK);
    expect_each_to_be_counted_once(cpu_online_mask());
    close_pit();
}

/* SPEC: I4 */
static void round_robin_goes_to_each_cpu_in_turn(void)
{
    uint64_t visited = 0;

    if (!open_pit()) {
        return;
    }
    EXPECT_EQUAL(route(ROUTE_ROUND_ROBIN, 0), HX_OK);
    for (uint32_t n = 0; n < cpu_online_count() * 2 || (visited != cpu_online_mask() && n < 1000);
         n++) {
        uint64_t before = router_cpus(pit.line);

        router_rebalance();
        EXPECT(cpu_online_count() == 1 || router_cpus(pit.line) != before);
        visited |= router_cpus(pit.line);
    }
    EXPECT_EQUAL(visited, cpu_online_mask());
    EXPECT(arrivals(0) <= cpu_online_mask());
    close_pit();
}

static _Atomic bool is_loaded;

static void be_busy(void *argument)
{
    (void)argument;
    while (atomic_load_explicit(&is_loaded, memory_order_relaxed)) {
    }
}

/*
 * All CPUs but one are busy: the line goes there at once, and the ticks arrive there. An emulator
 * whose host stops that CPU in a handler makes it look busy for a while.
 */
static void expect_on_the_idle_one(uint32_t idle)
{
    static struct crew crew;
    uint64_t wanted = 1ULL << idle;
    bool found = false;

    atomic_store_explicit(&is_loaded, true, memory_order_relaxed);
    crew_open(&crew);
    for (uint64_t left = cpu_online_mask() & ~wanted; left != 0; left &= left - 1) {
        crew_start(&crew, be_busy, NULL, left & ~(left - 1));
    }
    thread_sleep(WINDOW_NS);
    for (uint32_t i = 0; i < ATTEMPTS && !found; i++) {
        thread_sleep(WINDOW_NS);
        EXPECT_EQUAL(route(ROUTE_LOWEST_PRIORITY, 0), HX_OK);
        found = router_cpus(pit.line) == wanted && arrivals(wanted) == wanted;
    }
    EXPECT(found);
    atomic_store_explicit(&is_loaded, false, memory_order_relaxed);
    EXPECT(crew_join(&crew));
}

/* SPEC: I4 */
static void lowest_priority_finds_the_cpu_that_is_really_idle(void)
{
    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return;
    }
    if (!open_pit()) {
        return;
    }
    for (uint32_t lap = 0; lap < LAPS; lap++) {
        expect_on_the_idle_one(crew_cpu(cpu_online_count() - 1 - lap % cpu_online_count()));
    }
    close_pit();
}

/* --- evenly ----------------------------------------------------------------------------------- */

#define TURNS    4U
#define PER_TURN 40U /* ticks */
#define PER_CENT 10U

/* A turn of the CPU that has the line: how many arrive there until it has had enough; 0: the turn
 * was cut short, as the router's own period has been over meanwhile. */
static uint64_t take_turn(void)
{
    uint64_t cpus = router_cpus(pit.line);
    uint32_t cpu = (uint32_t)__builtin_ctzll(cpus);
    uint64_t before = count_on(cpu);
    uint64_t deadline = hal_clock_now() + PATIENCE_NS;

    while (count_on(cpu) < before + PER_TURN && hal_clock_now() < deadline &&
           router_cpus(pit.line) == cpus) {
        thread_sleep(HAL_NS_PER_MS);
    }
    return router_cpus(pit.line) == cpus ? count_on(cpu) - before : 0;
}

/* Of whole turns, what the CPU with the most has beyond the one with the least, per cent of it. */
static uint64_t imbalance(void)
{
    uint64_t counts[HAL_CPU_MAX] = {0};
    uint32_t turns[HAL_CPU_MAX] = {0};
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;

    for (uint32_t turn = 0; turn < 10 * TURNS * cpu_online_count(); turn++) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(router_cpus(pit.line));
        uint64_t count = turns[cpu] < TURNS ? take_turn() : 0;

        counts[cpu] += count;
        turns[cpu] += count != 0 ? 1 : 0;
        router_rebalance();
    }
    for (uint32_t n = 0; n < cpu_online_count(); n++) {
        uint64_t count = counts[crew_cpu(n)];

        least = count < least ? count : least;
        most = count > most ? count : most;
    }
    kprintln("# round robin: from %llu to %llu interrupts on a CPU", (unsigned long long)least,
             (unsigned long long)most);
    return least != 0 ? (most - least) * 100 / least : 100;
}

/* SPEC: I4 */
static void round_robin_is_even_to_ten_per_cent(void)
{
    bool is_even = false;

    if (!open_pit()) {
        return;
    }
    EXPECT_EQUAL(route(ROUTE_ROUND_ROBIN, 0), HX_OK);
    for (unsigned i = 0; i < ATTEMPTS && !is_even; i++) {
        is_even = imbalance() <= PER_CENT;
    }
    EXPECT(is_even);
    close_pit();
}

/* --- CPUs that go ----------------------------------------------------------------------------- */

/* SPEC: I4 K7 */
static void a_line_leaves_a_cpu_that_goes_off_line(void)
{
    static const enum route_strategy strategies[] = {ROUTE_FIXED_CPU, ROUTE_ROUND_ROBIN,
                                                     ROUTE_LOWEST_PRIORITY, ROUTE_BROADCAST};
    uint32_t cpu = hal_cpu_count() - 1;

    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return;
    }
    if (!open_pit()) {
        return;
    }
    for (unsigned i = 0; i < HX_ARRAY_SIZE(strategies); i++) {
        uint64_t there;

        EXPECT_EQUAL(route(strategies[i], cpu), HX_OK);
        EXPECT(arrivals(router_cpus(pit.line)) != 0);
        EXPECT_EQUAL(processors_offline(cpu), HX_OK);
        there = count_on(cpu);
        EXPECT_EQUAL(router_cpus(pit.line) >> cpu & 1, 0);
        EXPECT(arrivals(router_cpus(pit.line)) != 0);
        EXPECT_EQUAL(route(ROUTE_FIXED_CPU, cpu), HX_EINVAL);
        router_rebalance();
        EXPECT_EQUAL(router_cpus(pit.line) >> cpu & 1, 0);
        EXPECT_EQUAL(count_on(cpu), there);
        EXPECT_EQUAL(processors_online(cpu), HX_OK);
    }
    EXPECT_EQUAL(arrivals(cpu_online_mask()), cpu_online_mask()); /* broadcast again */
    close_pit();
}

/* SPEC: I4 */
static void a_line_that_is_fixed_to_a_cpu_returns_with_it(void)
{
    uint32_t cpu = hal_cpu_count() - 1;

    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return;
    }
    if (!open_pit()) {
        return;
    }
    EXPECT_EQUAL(route(ROUTE_FIXED_CPU, cpu), HX_OK);
    EXPECT_EQUAL(processors_offline(cpu), HX_OK);
    EXPECT((router_cpus(pit.line) & ~cpu_online_mask()) == 0);
    EXPECT_EQUAL(processors_online(cpu), HX_OK);
    EXPECT_EQUAL(router_cpus(pit.line), 1ULL << cpu);
    EXPECT_EQUAL(arrivals(1ULL << cpu), 1ULL << cpu);
    close_pit();
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "x86_64_router." #function, .run = function                                        \
    }

const struct selftest x86_64_router_tests[] = {
    TEST(a_fixed_line_arrives_on_its_cpu_alone),
    TEST(a_broadcast_line_arrives_on_every_cpu),
    TEST(each_broadcast_arrives_once_on_every_cpu_that_is_online),
    TEST(round_robin_goes_to_each_cpu_in_turn),
    TEST(lowest_priority_finds_the_cpu_that_is_really_idle),
    TEST(round_robin_is_even_to_ten_per_cent),
    TEST(a_line_leaves_a_cpu_that_goes_off_line),
    TEST(a_line_that_is_fixed_to_a_cpu_returns_with_it),
    {.name = NULL},
};
