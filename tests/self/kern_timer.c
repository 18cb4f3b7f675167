/* Timers and the tick. */
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

static struct crew crew;

/* A timer and what its function has seen. */
struct probe {
    struct timer timer;
    _Atomic uint32_t calls;
    _Atomic uint32_t early;   /* calls before the time it was started for */
    _Atomic uint32_t entered; /* calls begun, for slow functions */
    _Atomic uint32_t may_leave;
    uint64_t due;
    uint32_t cpu;
    uint32_t order;
};

static struct probe *probe_of(struct timer *timer)
{
    return HX_CONTAINER_OF(timer, struct probe, timer);
}

static uint32_t calls_of(const struct probe *probe)
{
    return atomic_load_explicit(&probe->calls, memory_order_acquire);
}

static void note(struct timer *timer)
{
    struct probe *probe = probe_of(timer);

    EXPECT(context_is_interrupt() && !hal_interrupts_enabled());
    if (hal_clock_now() < probe->due) {
        atomic_fetch_add_explicit(&probe->early, 1, memory_order_relaxed);
    }
    probe->cpu = hal_cpu_id();
    atomic_fetch_add_explicit(&probe->calls, 1, memory_order_release);
}

static void prepare(struct probe *probe, void (*function)(struct timer *timer))
{
    *probe = (struct probe){.due = 0};
    timer_init(&probe->timer, function);
}

static void start_in(struct probe *probe, uint64_t nanoseconds, uint64_t period)
{
    probe->due = hal_clock_now() + nanoseconds;
    timer_start(&probe->timer, probe->due, period);
}

static void a_one_shot_timer_fires_once_and_not_early(void)
{
    static struct probe probe;

    prepare(&probe, note);
    start_in(&probe, 2 * HAL_NS_PER_MS, 0);
    EXPECT(crew_sleep_until(&probe.calls, 1));
    thread_sleep(10 * HAL_NS_PER_MS);
    EXPECT_EQUAL(calls_of(&probe), 1);
    EXPECT_EQUAL(probe.early, 0);
    EXPECT(!timer_cancel(&probe.timer));
}

static void a_timer_in_the_past_fires_soon(void)
{
    static struct probe probe;

    prepare(&probe, note);
    timer_start(&probe.timer, 0, 0);
    EXPECT(crew_spin_until(&probe.calls, 1));
    EXPECT(!timer_cancel(&probe.timer));
}

static void a_timer_that_was_never_started_can_be_cancelled(void)
{
    static struct probe probe;

    prepare(&probe, note);
    EXPECT(!timer_cancel(&probe.timer));
}

static void a_cancelled_timer_does_not_fire(void)
{
    static struct probe probe;
    bool was_pending = false;

    for (unsigned i = 0; i < CREW_ATTEMPTS && !was_pending; i++) { /* a busy host may be too late */
        prepare(&probe, note);
        start_in(&probe, 5 * HAL_NS_PER_MS, 0);
        was_pending = timer_cancel(&probe.timer);
    }
    EXPECT(was_pending);
    EXPECT(!timer_cancel(&probe.timer));
    thread_sleep(15 * HAL_NS_PER_MS);
    EXPECT_EQUAL(calls_of(&probe), 0);
}

/* Start it, and before it fires for later; again when a busy host was too late for that. */
static void expect_moved_away(struct probe *probe)
{
    uint64_t begun = 0;
    uint32_t calls = 0;

    for (unsigned i = 0; i < CREW_ATTEMPTS && hal_clock_now() >= begun + 5 * HAL_NS_PER_MS; i++) {
        begun = hal_clock_now();
        start_in(probe, 5 * HAL_NS_PER_MS, 0);
        start_in(probe, HAL_NS_PER_S * 600, 0);
        calls = calls_of(probe);
    }
    thread_sleep(15 * HAL_NS_PER_MS);
    EXPECT_EQUAL(calls_of(probe), calls);
    EXPECT(timer_cancel(&probe->timer));
}

static void starting_again_moves_the_timer(void)
{
    static struct probe probe;

    prepare(&probe, note);
    start_in(&probe, HAL_NS_PER_S * 60, 0);
    start_in(&probe, HAL_NS_PER_MS, 0);
    EXPECT(crew_sleep_until(&probe.calls, 1));
    EXPECT_EQUAL(probe.early, 0);
    expect_moved_away(&probe);
}

static void a_periodic_timer_keeps_its_pace_until_cancelled(void)
{
    static struct probe probe;
    uint64_t start = hal_clock_now();

    prepare(&probe, note);
    start_in(&probe, HAL_NS_PER_MS, 2 * HAL_NS_PER_MS);
    EXPECT(crew_sleep_until(&probe.calls, 10));
    EXPECT(timer_cancel(&probe.timer));

    uint32_t calls = calls_of(&probe);

    EXPECT(calls <= (hal_clock_now() - start) / (2 * HAL_NS_PER_MS) + 1);
    thread_sleep(10 * HAL_NS_PER_MS);
    EXPECT_EQUAL(calls_of(&probe), calls);
}

/* A period shorter than the function takes: calls are left out, the rest of the system goes on. */
static void a_period_of_a_nanosecond_does_not_stop_the_cpu(void)
{
    static struct probe probe;

    prepare(&probe, note);
    start_in(&probe, 0, 1);
    EXPECT(crew_spin_until(&probe.calls, 100));
    timer_cancel(&probe.timer);
}

static _Atomic uint32_t next_order;

static void note_order(struct timer *timer)
{
    probe_of(timer)->order = atomic_fetch_add_explicit(&next_order, 1, memory_order_relaxed);
    note(timer);
}

#define ORDER_COUNT 64U
static struct probe ordered[ORDER_COUNT];

/* With interrupts off, so that all are started on one CPU before the first one fires. */
static void start_in_random_order(void)
{
    uint64_t random = selftest_seed() | 1;
    hal_interrupt_state state = hal_interrupts_save();
    uint64_t now = hal_clock_now();

    for (uint32_t i = 0; i < ORDER_COUNT; i++) {
        prepare(&ordered[i], note_order);
        ordered[i].due = now + crew_random(&random) % (8 * HAL_NS_PER_MS);
        timer_start(&ordered[i].timer, ordered[i].due, 0);
    }
    hal_interrupts_restore(state);
}

static void timers_fire_in_the_order_of_their_deadlines(void)
{
    atomic_store_explicit(&next_order, 0, memory_order_relaxed);
    start_in_random_order();
    EXPECT(crew_sleep_until(&next_order, ORDER_COUNT));
    for (uint32_t i = 0; i < ORDER_COUNT; i++) {
        EXPECT_EQUAL(calls_of(&ordered[i]), 1);
        EXPECT_EQUAL(ordered[i].early, 0);
        for (uint32_t j = 0; j < i; j++) {
            if (ordered[i].due != ordered[j].due) {
                EXPECT_EQUAL(ordered[i].order < ordered[j].order, ordered[i].due < ordered[j].due);
            }
        }
    }
}

/* --- from within the function ----------------------------------------------------------------- */

static void note_and_start_again(struct timer *timer)
{
    note(timer);
    timer_start(timer, 0, 0); /* a deadline in the past must not keep this round going for ever */
}

static void a_timer_may_start_itself_again(void)
{
    static struct probe probe;

    prepare(&probe, note_and_start_again);
    start_in(&probe, 0, 0);
    EXPECT(crew_spin_until(&probe.calls, 100));
    timer_cancel(&probe.timer);

    uint32_t calls = calls_of(&probe);

    thread_sleep(2 * HAL_NS_PER_MS);
    EXPECT_EQUAL(calls_of(&probe), calls);
}

static void note_and_cancel(struct timer *timer)
{
    note(timer);
    EXPECT(timer_cancel(timer)); /* periodic, so pending */
}

static void a_periodic_timer_may_cancel_itself(void)
{
    static struct probe probe;

    prepare(&probe, note_and_cancel);
    start_in(&probe, 0, HAL_NS_PER_MS);
    EXPECT(crew_spin_until(&probe.calls, 1));
    thread_sleep(5 * HAL_NS_PER_MS);
    EXPECT_EQUAL(calls_of(&probe), 1);
}

static _Atomic(struct thread *) thread_to_wake;

static void wake_thread(struct timer *timer)
{
    note(timer);
    thread_unpark(atomic_load_explicit(&thread_to_wake, memory_order_relaxed));
}

static void a_timer_may_wake_a_thread(void)
{
    static struct probe probe;

    prepare(&probe, wake_thread);
    atomic_store_explicit(&thread_to_wake, thread_current(), memory_order_relaxed);
    for (unsigned i = 0; i < 50; i++) {
        start_in(&probe, i * 10000, 0);
        EXPECT_EQUAL(thread_park(hal_clock_now() + CREW_PATIENCE_NS), HX_OK);
        timer_cancel(&probe.timer);
    }
}

/* --- cancel against a running function -------------------------------------------------------- */

static void enter_and_wait(struct timer *timer)
{
    struct probe *probe = probe_of(timer);

    atomic_fetch_add_explicit(&probe->entered, 1, memory_order_release);
    crew_spin_until(&probe->may_leave, 1);
    note(timer);
}

static struct probe slow;
static _Atomic uint32_t cancelled;

static void start_slow_timer(void *argument)
{
    (void)argument;
    start_in(&slow, 0, 0);
    EXPECT(crew_spin_until(&slow.entered, 1));
}

static void cancel_slow_timer(void *argument)
{
    (void)argument;
    EXPECT(crew_spin_until(&slow.entered, 1));
    EXPECT(!timer_cancel(&slow.timer));
    EXPECT_EQUAL(calls_of(&slow), 1);
    atomic_store_explicit(&cancelled, 1, memory_order_release);
}

/* On the timer's own CPU nothing runs meanwhile, so the test itself sits on another one. */
static void release_slow_timer(void *argument)
{
    uint64_t end;

    (void)argument;
    EXPECT(crew_spin_until(&slow.entered, 1));
    end = hal_clock_now() + 5 * HAL_NS_PER_MS;
    while (hal_clock_now() < end) {
        hal_cpu_relax();
    }
    EXPECT_EQUAL(atomic_load_explicit(&cancelled, memory_order_acquire), 0);
    atomic_store_explicit(&slow.may_leave, 1, memory_order_release);
}

static void cancel_waits_for_a_function_on_another_cpu(void)
{
    if (cpu_online_count() < 3) {
        selftest_skip("needs three CPUs: the timer's, the canceller's, the observer's");
        return;
    }
    prepare(&slow, enter_and_wait);
    atomic_store_explicit(&cancelled, 0, memory_order_relaxed);
    crew_open(&crew);
    crew_start(&crew, cancel_slow_timer, NULL, 1ULL << crew_cpu(1));
    crew_start(&crew, release_slow_timer, NULL, 1ULL << crew_cpu(2));
    crew_start(&crew, start_slow_timer, NULL, 1ULL << crew_cpu(0));
    crew_join(&crew);
}

/*
 * A heap object whose timer is cancelled from another CPU while its function runs or is about to,
 * and freed at once: poisoned by the debug heap, or reported by a sanitizer, if cancel returns too
 * early.
 */
struct short_lived {
    struct timer timer;
    uint64_t pattern;
};

#define PATTERN 0x7469636b7469636bULL

static _Atomic uint32_t bad_patterns;
static _Atomic uint32_t restarts;

static void check_pattern(struct timer *timer)
{
    volatile struct short_lived *object = HX_CONTAINER_OF(timer, struct short_lived, timer);

    for (unsigned i = 0; i < 50; i++) {
        if (object->pattern != PATTERN) {
            atomic_fetch_add_explicit(&bad_patterns, 1, memory_order_relaxed);
        }
    }
    if (atomic_fetch_add_explicit(&restarts, 1, memory_order_relaxed) % 2 == 0) {
        timer_start(timer, hal_clock_now() + 2000, 0);
    }
}

static void start_and_cancel_elsewhere(void *argument)
{
    uint64_t random = selftest_seed() + (uintptr_t)argument * 2 + 1;

    for (unsigned i = 0; i < 300; i++) {
        struct short_lived *object = heap_allocate_zeroed(sizeof(*object), OWNER_CORE);

        if (object == NULL) {
            selftest_fail(__FILE__, __LINE__, "no memory");
            return;
        }
        object->pattern = PATTERN;
        timer_init(&object->timer, check_pattern);
        timer_start(&object->timer, hal_clock_now() + crew_random(&random) % 20000,
                    i % 3 == 0 ? 5000 : 0);
        if (i % 2 == 0) {
            thread_yield(); /* to another CPU, perhaps */
        }
        for (uint64_t rounds = crew_random(&random) % 200; rounds > 0; rounds--) {
            hal_cpu_relax();
        }
        timer_cancel(&object->timer);
        heap_free(object);
    }
}

static void what_is_cancelled_may_be_freed_at_once(void)
{
    atomic_store_explicit(&bad_patterns, 0, memory_order_relaxed);
    crew_open(&crew);
    for (uintptr_t i = 0; i < 2 * (uintptr_t)cpu_online_count() && i < CREW_MAX; i++) {
        crew_start(&crew, start_and_cancel_elsewhere, (void *)i, 0);
    }
    crew_join(&crew);
    EXPECT_EQUAL(bad_patterns, 0);
}

/* --- the tick --------------------------------------------------------------------------------- */

#define WINDOW_TICKS   5U
#define WINDOWS        20U
#define GOOD_WINDOW_NS (4 * WINDOW_TICKS * TIMER_TICK_NS)

struct tick_watch {
    uint64_t best;    /* shortest window of so many ticks, ns */
    uint64_t elapsed; /* over all windows, ns */
    uint32_t windows;
};

static void spin_for_ticks(uint64_t count)
{
    uint64_t wanted = thread_tick_count(hal_cpu_id()) + count;

    while (thread_tick_count(hal_cpu_id()) < wanted) {
        hal_cpu_relax();
    }
}

static void watch_ticks_while_busy(void *argument)
{
    struct tick_watch *watch = argument;
    uint64_t start;

    spin_for_ticks(1);
    start = hal_clock_now();
    while (watch->windows < WINDOWS ||
           (watch->windows < WINDOWS * CREW_ATTEMPTS && watch->best >= GOOD_WINDOW_NS)) {
        uint64_t window = hal_clock_now();

        spin_for_ticks(WINDOW_TICKS);
        window = hal_clock_now() - window;
        watch->best = window < watch->best ? window : watch->best;
        watch->windows++;
    }
    watch->elapsed = hal_clock_now() - start;
}

/* The best window, because a busy host delays some ticks; never more ticks than milliseconds. */
static void a_busy_cpu_ticks_each_millisecond(void)
{
    static struct tick_watch watch;

    watch = (struct tick_watch){.best = UINT64_MAX};
    crew_open(&crew);
    crew_start(&crew, watch_ticks_while_busy, &watch, 1ULL << crew_cpu(0));
    if (crew_join(&crew)) {
        EXPECT(watch.best < GOOD_WINDOW_NS);
        EXPECT(watch.elapsed + 2 * TIMER_TICK_NS > watch.windows * WINDOW_TICKS * TIMER_TICK_NS);
    }
}

/* Everybody sleeps: in 200 ms each CPU ticks only around the few times it runs something. */
static bool most_ticks_are_left_out(void)
{
    uint64_t ticks[HAL_CPU_MAX];
    uint64_t most = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        ticks[cpu] = thread_tick_count(cpu);
    }
    thread_sleep(200 * HAL_NS_PER_MS);
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        uint64_t count = thread_tick_count(cpu) - ticks[cpu];

        most = count > most ? count : most;
    }
    return most < 50;
}

/* A busy host lets a sleep of 200 ms be much longer. */
static void an_idle_cpu_does_not_tick(void)
{
    bool was_silent = false;

    for (unsigned i = 0; i < 10 && !was_silent; i++) {
        was_silent = most_ticks_are_left_out();
    }
    EXPECT(was_silent);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "kern_timer." #function, .run = function                                           \
    }

const struct selftest kern_timer_tests[] = {
    TEST(a_one_shot_timer_fires_once_and_not_early),
    TEST(a_timer_in_the_past_fires_soon),
    TEST(a_timer_that_was_never_started_can_be_cancelled),
    TEST(a_cancelled_timer_does_not_fire),
    TEST(starting_again_moves_the_timer),
    TEST(a_periodic_timer_keeps_its_pace_until_cancelled),
    TEST(a_period_of_a_nanosecond_does_not_stop_the_cpu),
    TEST(timers_fire_in_the_order_of_their_deadlines),
    TEST(a_timer_may_start_itself_again),
    TEST(a_periodic_timer_may_cancel_itself),
    TEST(a_timer_may_wake_a_thread),
    TEST(cancel_waits_for_a_function_on_another_cpu),
    TEST(what_is_cancelled_may_be_freed_at_once),
    TEST(a_busy_cpu_ticks_each_millisecond),
    TEST(an_idle_cpu_does_not_tick),
    {.name = NULL},
};
