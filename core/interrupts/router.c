#include <base/memory.h>
#include <core/interrupts/balance.h>
#include <core/interrupts/dispatcher.h>
#include <core/interrupts/router.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <stdatomic.h>
#include <stdbool.h>

#define PERMILLE 1000U
#define UNKNOWN  UINT32_MAX

struct route {
    uint64_t cpus;    /* where it goes, 0: not routed */
    uint32_t fixed;   /* where it is to go, for ROUTE_FIXED_CPU */
    uint64_t handled; /* cycles in its vector's handlers, by the end of the last window */
    uint32_t load;    /* of them, per mille of a window; UNKNOWN: not measured yet */
    struct hal_line_mode mode;
    enum route_strategy strategy;
    uint8_t vector;
};

/* What a CPU had done by the end of the last window, or when it came back. */
struct measurement {
    uint64_t time;
    uint64_t idle_cycles;
    uint64_t interrupt_cycles; /* in handlers */
};

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "interrupt routes");
/* Under lock, all of them. */
static struct route routes[ROUTER_LINE_MAX];
static struct measurement measured[HAL_CPU_MAX];
static uint32_t other_load[HAL_CPU_MAX]; /* what a CPU does besides lines that can move */
static uint64_t leaving; /* CPUs that lines do not go to, though they may be online */
static uint64_t window_start;
static uint32_t next_in_turn;

static _Atomic uint32_t busy[HAL_CPU_MAX]; /* per mille of the last window */
static struct timer rebalance_timer;

uint32_t router_busy_permille(uint32_t cpu)
{
    return cpu < HAL_CPU_MAX ? atomic_load_explicit(&busy[cpu], memory_order_relaxed) : 0;
}

/* --- choosing --------------------------------------------------------------------------------- */

/* CPU 0 is always among them. */
static uint64_t allowed_locked(void)
{
    return cpu_open_mask() & ~leaving;
}

static uint32_t least_busy_locked(void)
{
    uint32_t least = cpu_next(allowed_locked(), 0);

    for (uint64_t left = allowed_locked(); left != 0; left &= left - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(left);

        if (router_busy_permille(cpu) < router_busy_permille(least)) {
            least = cpu;
        }
    }
    return least;
}

static uint32_t take_turn_locked(void)
{
    uint32_t cpu = cpu_next(allowed_locked(), next_in_turn % HAL_CPU_MAX);

    next_in_turn = cpu + 1;
    return cpu;
}

/* Where a line goes that is routed now; a mask of one or, for broadcast, more CPUs. */
static uint64_t choose_locked(enum route_strategy strategy, uint32_t cpu)
{
    switch (strategy) {
    case ROUTE_FIXED_CPU:
        return 1ULL << ((allowed_locked() >> cpu & 1) != 0 ? cpu : least_busy_locked());
    case ROUTE_ROUND_ROBIN:
        return 1ULL << take_turn_locked();
    case ROUTE_LOWEST_PRIORITY:
        return 1ULL << least_busy_locked();
    case ROUTE_BROADCAST:
        return allowed_locked();
    }
    return 0;
}

static uint64_t handled_cycles(uint8_t vector)
{
    uint64_t cycles = 0;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        cycles += interrupt_statistics(vector, cpu).total;
    }
    return cycles;
}

/* --- routing ---------------------------------------------------------------------------------- */

static hx_err route_locked(uint32_t line, const struct route *wanted)
{
    hx_err error = hal_line_route(line, wanted->vector, wanted->cpus, wanted->mode);

    if (error != HX_OK) {
        return error;
    }
    if (routes[line].cpus != 0) {
        interrupt_bind_line(routes[line].vector, INTERRUPT_NO_LINE);
    }
    routes[line] = *wanted;
    interrupt_bind_line(wanted->vector, line);
    return HX_OK;
}

hx_err router_route(uint32_t line, uint8_t vector, struct hal_line_mode mode,
                    enum route_strategy strategy, uint32_t cpu)
{
    struct route wanted = {.mode = mode,
                           .strategy = strategy,
                           .vector = vector,
                           .fixed = cpu,
                           .handled = handled_cycles(vector),
                           .load = UNKNOWN};
    hal_interrupt_state state;
    hx_err error;

    if (line >= ROUTER_LINE_MAX || (unsigned)strategy > ROUTE_BROADCAST ||
        (strategy == ROUTE_FIXED_CPU && (cpu >= HAL_CPU_MAX || !cpu_is_online(cpu)))) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&lock);
    wanted.cpus = choose_locked(strategy, cpu);
    error = route_locked(line, &wanted);
    if (error == HX_OK) {
        hal_line_unmask(line);
    }
    spinlock_release(&lock, state);
    return error;
}

hx_err router_unroute(uint32_t line)
{
    hal_interrupt_state state;
    hx_err error = HX_ENOENT;

    if (line >= ROUTER_LINE_MAX) {
        return HX_ENOENT;
    }
    state = spinlock_acquire(&lock);
    if (routes[line].cpus != 0) {
        hal_line_mask(line);
        interrupt_bind_line(routes[line].vector, INTERRUPT_NO_LINE);
        routes[line] = (struct route){0};
        error = HX_OK;
    }
    spinlock_release(&lock, state);
    return error;
}

uint64_t router_cpus(uint32_t line)
{
    hal_interrupt_state state;
    uint64_t cpus;

    if (line >= ROUTER_LINE_MAX) {
        return 0;
    }
    state = spinlock_acquire(&lock);
    cpus = routes[line].cpus;
    spinlock_release(&lock, state);
    return cpus;
}

/* --- rebalancing ------------------------------------------------------------------------------ */

static uint64_t cycles_to_ns(uint64_t cycles)
{
    uint64_t per_microsecond = hal_clock_cycles_per_second() / 1000000;

    return per_microsecond != 0 ? cycles * 1000 / per_microsecond : 0;
}

/* The clocks of two CPUs may differ a little, so that what has hardly grown seems to have shrunk.
 */
static uint64_t growth_ns(uint64_t before, uint64_t now)
{
    return now > before ? cycles_to_ns(now - before) : 0;
}

static struct measurement read_counters(uint32_t cpu, uint64_t time)
{
    return (struct measurement){.time = time,
                                .idle_cycles = thread_idle_cycles(cpu),
                                .interrupt_cycles = interrupt_load(cpu)};
}

/* Not by ticks: a CPU that is busy for less than a tick at a time would count as idle. */
static uint32_t busy_between(const struct measurement *before, const struct measurement *now)
{
    uint64_t window_ns = now->time > before->time ? now->time - before->time : 0;
    uint64_t idle_ns = growth_ns(before->idle_cycles, now->idle_cycles);
    uint64_t awake_ns = window_ns + growth_ns(before->interrupt_cycles, now->interrupt_cycles);
    uint64_t busy_ns = awake_ns > idle_ns ? awake_ns - idle_ns : 0;
    uint64_t permille = window_ns != 0 ? busy_ns * PERMILLE / window_ns : 0;

    return permille < PERMILLE ? (uint32_t)permille : PERMILLE;
}

static void measure_locked(uint32_t cpu, uint64_t time)
{
    struct measurement now = read_counters(cpu, time);
    uint32_t permille = cpu_is_online(cpu) ? busy_between(&measured[cpu], &now) : 0;

    measured[cpu] = now;
    atomic_store_explicit(&busy[cpu], permille, memory_order_relaxed);
}

/* A fixed line is where it is to be, or the CPU that it is fixed to is not there. */
static bool is_settled_locked(const struct route *route)
{
    return route->strategy == ROUTE_FIXED_CPU && (route->cpus & ~allowed_locked()) == 0 &&
           (route->cpus == 1ULL << route->fixed || (allowed_locked() >> route->fixed & 1) == 0);
}

/* Where a line should go from now on. Those of the lowest priority move by themselves only from a
 * CPU that leaves: else all of them together (balance_locked). */
static uint64_t reconsider_locked(const struct route *route)
{
    bool is_balanced =
        route->strategy == ROUTE_LOWEST_PRIORITY && (route->cpus & ~allowed_locked()) == 0;

    return is_balanced || is_settled_locked(route) ? route->cpus
                                                   : choose_locked(route->strategy, route->fixed);
}

/* Returns whether the line goes there. */
static bool move_locked(uint32_t line, uint64_t cpus)
{
    struct route *route = &routes[line];

    if (cpus != route->cpus && hal_line_route(line, route->vector, cpus, route->mode) == HX_OK) {
        route->cpus = cpus;
    }
    return cpus == route->cpus;
}

/* Returns whether the line goes where it should. */
static bool reroute_locked(uint32_t line)
{
    return move_locked(line, reconsider_locked(&routes[line]));
}

/* Of windows that differ, as those of a device or under a hypervisor do, the later ones count more.
 */
static uint32_t average(uint32_t before, uint32_t now)
{
    return before == UNKNOWN ? now : (3 * before + now + 2) / 4;
}

/* Returns per mille of the window that the line's handlers took. */
static uint32_t measure_line_locked(struct route *route, uint64_t window_ns)
{
    uint64_t handled = handled_cycles(route->vector);
    uint64_t permille =
        window_ns != 0 ? growth_ns(route->handled, handled) * PERMILLE / window_ns : 0;
    uint32_t load = permille < PERMILLE ? (uint32_t)permille : PERMILLE;

    route->handled = handled;
    route->load = average(route->load, load);
    return load;
}

/*
 * Lines of the lowest priority as they are, and how busy their load and all else make each CPU on
 * the average. Returns how many there are.
 */
static size_t weigh_locked(struct balance_line lines[ROUTER_LINE_MAX], uint32_t loads[HAL_CPU_MAX],
                           uint64_t window_ns)
{
    uint32_t of_lines[HAL_CPU_MAX] = {0}; /* in this window */
    size_t count = 0;

    memset(loads, 0, HAL_CPU_MAX * sizeof(loads[0]));
    for (uint32_t line = 0; line < ROUTER_LINE_MAX; line++) {
        struct route *route = &routes[line];
        uint32_t cpu;

        if (route->cpus != 0 && route->strategy == ROUTE_LOWEST_PRIORITY) {
            cpu = (uint32_t)__builtin_ctzll(route->cpus);
            of_lines[cpu] += measure_line_locked(route, window_ns);
            loads[cpu] += route->load;
            lines[count++] = (struct balance_line){.line = line, .load = route->load, .cpu = cpu};
        }
    }
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        uint32_t all = router_busy_permille(cpu);

        other_load[cpu] = average(other_load[cpu], all > of_lines[cpu] ? all - of_lines[cpu] : 0);
        loads[cpu] += other_load[cpu];
    }
    return count;
}

static void balance_locked(uint64_t window_ns)
{
    static struct balance_line lines[ROUTER_LINE_MAX]; /* too large for a stack */
    uint32_t loads[HAL_CPU_MAX];
    size_t count = weigh_locked(lines, loads, window_ns);

    balance_lines(lines, count, allowed_locked(), loads, ROUTER_MARGIN_PERCENT * PERMILLE / 100);
    for (size_t i = 0; i < count; i++) {
        (void)move_locked(lines[i].line, 1ULL << lines[i].cpu);
    }
}

static void rebalance_locked(uint64_t window_ns)
{
    for (uint32_t line = 0; line < ROUTER_LINE_MAX; line++) {
        if (routes[line].cpus != 0) {
            (void)reroute_locked(line);
        }
    }
    balance_locked(window_ns);
}

void router_rebalance(void)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    uint64_t now = hal_clock_now();

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        measure_locked(cpu, now);
    }
    rebalance_locked(now - window_start);
    window_start = now;
    spinlock_release(&lock, state);
}

/* --- CPUs that go and come -------------------------------------------------------------------- */

/* Lines that go to other CPUs alone, or are fixed there, stay where they are. */
static bool concerns(const struct route *route, uint32_t cpu)
{
    return (route->cpus >> cpu & 1) != 0 || route->strategy == ROUTE_BROADCAST ||
           (route->cpus != 0 && route->strategy == ROUTE_FIXED_CPU && route->fixed == cpu);
}

static bool reroute_all_locked(uint32_t cpu)
{
    bool is_done = true;

    for (uint32_t line = 0; line < ROUTER_LINE_MAX; line++) {
        if (routes[line].cpus != 0 && concerns(&routes[line], cpu)) {
            is_done &= reroute_locked(line);
        }
    }
    return is_done;
}

static void take_interrupts(void *argument)
{
    (void)argument;
}

hx_err router_leave(uint32_t cpu)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    bool is_done;

    leaving |= 1ULL << cpu;
    is_done = reroute_all_locked(cpu);
    spinlock_release(&lock, state);
    if (!is_done) {
        router_return(cpu);
        return HX_EIO;
    }
    /* A message that is sent after the lines went elsewhere comes after what they had sent there.
     */
    cpu_call(1ULL << cpu, take_interrupts, NULL);
    return HX_OK;
}

void router_return(uint32_t cpu)
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    leaving &= ~(1ULL << cpu);
    measured[cpu] = read_counters(cpu, hal_clock_now()); /* it was neither busy nor idle */
    other_load[cpu] = UNKNOWN;
    (void)reroute_all_locked(cpu);
    spinlock_release(&lock, state);
}

static void on_period(struct timer *timer)
{
    (void)timer;
    router_rebalance();
}

void router_start(void)
{
    timer_init(&rebalance_timer, on_period);
    timer_start(&rebalance_timer, hal_clock_now() + ROUTER_PERIOD_NS, ROUTER_PERIOD_NS);
}
