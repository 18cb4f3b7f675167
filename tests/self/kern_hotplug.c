/* CPUs off line and back, and what ran there. */
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <kern/timer.h>
#include <stdatomic.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define CHURN_ROUNDS 200U
#define MS           HAL_NS_PER_MS

static struct crew crew;

static bool has_two_cpus(void)
{
    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return false;
    }
    return true;
}

static bool is_online(uint32_t cpu)
{
    return (cpu_online_mask() >> cpu & 1) != 0;
}

static void note_call(void *argument)
{
    atomic_fetch_or_explicit((_Atomic uint64_t *)argument, 1ULL << hal_cpu_id(),
                             memory_order_relaxed);
}

/* --- off and on ------------------------------------------------------------------------------- */

/* SPEC: K7 */
static void a_cpu_goes_off_line_and_comes_back(void)
{
    uint64_t all = cpu_online_mask();

    if (!has_two_cpus()) {
        return;
    }
    for (uint32_t cpu = 1; cpu < hal_cpu_count(); cpu++) {
        _Atomic uint64_t called = 0;
        uint64_t ticks;
        uint64_t idle;

        EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
        EXPECT_EQUAL(cpu_online_mask(), all & ~(1ULL << cpu));
        EXPECT_EQUAL(cpu_offline(cpu), HX_ENOENT);
        ticks = thread_tick_count(cpu);
        idle = thread_idle_cycles(cpu);
        cpu_call(UINT64_MAX, note_call, &called);
        read_synchronize();
        thread_sleep(20 * MS);
        EXPECT_EQUAL(called, all & ~(1ULL << cpu));
        EXPECT_EQUAL(thread_tick_count(cpu), ticks);
        EXPECT(thread_idle_cycles(cpu) - idle >= hal_clock_cycles_per_second() / 50);
        EXPECT_EQUAL(cpu_online(cpu), HX_OK);
        EXPECT_EQUAL(cpu_online(cpu), HX_EEXIST);
        EXPECT_EQUAL(cpu_online_mask(), all);
        cpu_call(UINT64_MAX, note_call, &called);
        EXPECT_EQUAL(called, all);
    }
}

static void what_cannot_go_or_is_not_there_is_refused(void)
{
    EXPECT_EQUAL(cpu_offline(0), HX_EBUSY);
    EXPECT_EQUAL(cpu_offline(hal_cpu_count()), HX_ENODEV);
    EXPECT_EQUAL(cpu_offline(UINT32_MAX), HX_ENODEV);
    EXPECT_EQUAL(cpu_online(hal_cpu_count()), HX_ENODEV);
    EXPECT_EQUAL(cpu_online(UINT32_MAX), HX_ENODEV);
    EXPECT_EQUAL(cpu_online(0), HX_EEXIST);
}

static void all_but_one_cpu_can_be_off_line(void)
{
    uint64_t all = cpu_online_mask();

    for (uint32_t cpu = hal_cpu_count(); cpu-- > 1;) {
        EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
    }
    EXPECT_EQUAL(cpu_online_mask(), 1);
    thread_sleep(5 * MS);
    read_synchronize();
    for (uint32_t cpu = 1; cpu < hal_cpu_count(); cpu++) {
        EXPECT_EQUAL(cpu_online(cpu), HX_OK);
    }
    EXPECT_EQUAL(cpu_online_mask(), all);
}

/* --- threads ---------------------------------------------------------------------------------- */

static struct {
    _Atomic bool is_over;
    _Atomic uint32_t laps;
    _Atomic uint64_t places; /* where laps were run since it was cleared */
} bound;

static void lap(void)
{
    atomic_fetch_or_explicit(&bound.places, 1ULL << hal_cpu_id(), memory_order_relaxed);
    atomic_fetch_add_explicit(&bound.laps, 1, memory_order_relaxed);
}

static void run_laps(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&bound.is_over, memory_order_relaxed)) {
        lap();
        hal_cpu_relax();
    }
}

static void sleep_laps(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&bound.is_over, memory_order_relaxed)) {
        lap();
        thread_sleep(MS);
    }
}

/* Where the laps are run from now on. */
static uint64_t places(void)
{
    uint32_t laps;

    crew_settle_cpus();
    atomic_store_explicit(&bound.places, 0, memory_order_relaxed);
    laps = atomic_load_explicit(&bound.laps, memory_order_relaxed);
    EXPECT(crew_sleep_until(&bound.laps, laps + 50));
    return atomic_load_explicit(&bound.places, memory_order_relaxed);
}

#define BOUND 3U

/* Whether all have their affinity again before long. */
static bool come_to_be_bound(struct crew_member *const members[BOUND], uint64_t affinity)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;
    uint32_t bound_again = 0;

    while (bound_again < BOUND && hal_clock_now() < deadline) {
        bound_again = 0;
        thread_sleep(MS);
        for (unsigned i = 0; i < BOUND; i++) {
            bound_again += thread_affinity(members[i]->thread) == affinity ? 1 : 0;
        }
    }
    return bound_again == BOUND;
}

static void expect_bound_threads_to_move(void (*work)(void *argument), uint32_t cpu)
{
    struct crew_member *members[BOUND];

    atomic_store_explicit(&bound.is_over, false, memory_order_relaxed);
    atomic_store_explicit(&bound.laps, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < BOUND; i++) {
        members[i] = crew_start(&crew, work, NULL, 1ULL << cpu);
    }
    EXPECT_EQUAL(places(), 1ULL << cpu);
    EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
    EXPECT_EQUAL(places() >> cpu & 1, 0);
    EXPECT_EQUAL(cpu_online(cpu), HX_OK);
    EXPECT(come_to_be_bound(members, 1ULL << cpu));
    EXPECT_EQUAL(places(), 1ULL << cpu);
    atomic_store_explicit(&bound.is_over, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
}

/* SPEC: K7 */
static void threads_of_a_cpu_that_goes_run_elsewhere_and_return(void)
{
    if (has_two_cpus()) {
        expect_bound_threads_to_move(run_laps, hal_cpu_count() - 1);
        expect_bound_threads_to_move(sleep_laps, hal_cpu_count() - 1);
    }
}

static void go_and_come_back(void *argument)
{
    uint32_t cpu = (uint32_t)(uintptr_t)argument;

    EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
    EXPECT(hal_cpu_id() != cpu);
    EXPECT(thread_set_own_affinity(1ULL << cpu) == HX_EINVAL);
    EXPECT_EQUAL(cpu_online(cpu), HX_OK);
    thread_sleep(MS);
    EXPECT_EQUAL(hal_cpu_id(), cpu);
}

static void a_thread_takes_the_cpu_off_line_that_it_is_bound_to(void)
{
    if (!has_two_cpus()) {
        return;
    }
    crew_open(&crew);
    crew_start(&crew, go_and_come_back, (void *)(uintptr_t)(hal_cpu_count() - 1),
               1ULL << (hal_cpu_count() - 1));
    EXPECT(crew_join(&crew));
}

static struct {
    _Atomic uint32_t holds;
    _Atomic uint32_t may_leave;
} keeper;

static void keep_the_cpu(void *argument)
{
    (void)argument;
    preempt_disable();
    atomic_store_explicit(&keeper.holds, 1, memory_order_relaxed);
    (void)crew_spin_until(&keeper.may_leave, 1);
    preempt_enable();
}

static void a_cpu_that_a_thread_keeps_stays_on_line(void)
{
    uint32_t cpu = hal_cpu_count() - 1;
    _Atomic uint64_t called = 0;

    if (!has_two_cpus()) {
        return;
    }
    atomic_store_explicit(&keeper.holds, 0, memory_order_relaxed);
    atomic_store_explicit(&keeper.may_leave, 0, memory_order_relaxed);
    crew_open(&crew);
    crew_start(&crew, keep_the_cpu, NULL, 1ULL << cpu);
    EXPECT(crew_sleep_until(&keeper.holds, 1));
    cpu_set_leave_limit(100 * MS);
    EXPECT_EQUAL(cpu_offline(cpu), HX_ETIMEDOUT);
    EXPECT(is_online(cpu) && cpu_is_open(cpu));
    cpu_call(1ULL << cpu, note_call, &called);
    EXPECT_EQUAL(called, 1ULL << cpu);
    atomic_store_explicit(&keeper.may_leave, 1, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    cpu_set_leave_limit(CPU_LEAVE_LIMIT_NS);
    EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
    EXPECT_EQUAL(cpu_online(cpu), HX_OK);
}

/* --- timers ----------------------------------------------------------------------------------- */

static struct {
    struct timer once;
    struct timer again;
    _Atomic uint32_t once_calls;
    _Atomic uint32_t again_calls;
    _Atomic uint64_t places;
} clockwork;

static void on_once(struct timer *timer)
{
    (void)timer;
    note_call(&clockwork.places);
    atomic_fetch_add_explicit(&clockwork.once_calls, 1, memory_order_relaxed);
}

static void on_again(struct timer *timer)
{
    (void)timer;
    note_call(&clockwork.places);
    atomic_fetch_add_explicit(&clockwork.again_calls, 1, memory_order_relaxed);
}

static void wind_up(void *argument)
{
    (void)argument;
    timer_start(&clockwork.once, hal_clock_now() + 300 * MS, 0);
    timer_start(&clockwork.again, hal_clock_now() + MS, MS);
}

/* SPEC: K7 */
static void timers_of_a_cpu_that_goes_fire_elsewhere(void)
{
    uint32_t cpu = hal_cpu_count() - 1;
    uint32_t calls;

    if (!has_two_cpus()) {
        return;
    }
    timer_init(&clockwork.once, on_once);
    timer_init(&clockwork.again, on_again);
    atomic_store_explicit(&clockwork.once_calls, 0, memory_order_relaxed);
    atomic_store_explicit(&clockwork.again_calls, 0, memory_order_relaxed);
    crew_open(&crew);
    crew_start(&crew, wind_up, NULL, 1ULL << cpu);
    EXPECT(crew_join(&crew));
    EXPECT(crew_sleep_until(&clockwork.again_calls, 5));
    EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
    atomic_store_explicit(&clockwork.places, 0, memory_order_relaxed);
    calls = atomic_load_explicit(&clockwork.again_calls, memory_order_relaxed);
    EXPECT(crew_sleep_until(&clockwork.once_calls, 1));
    EXPECT(crew_sleep_until(&clockwork.again_calls, calls + 20));
    EXPECT_EQUAL(clockwork.places >> cpu & 1, 0);
    EXPECT(timer_cancel(&clockwork.again));
    EXPECT(!timer_cancel(&clockwork.once));
    EXPECT_EQUAL(atomic_load_explicit(&clockwork.once_calls, memory_order_relaxed), 1);
    EXPECT_EQUAL(cpu_online(cpu), HX_OK);
}

/* --- memory ----------------------------------------------------------------------------------- */

#define OBJECTS 64U

/* Leave free objects and frames in the caches of the CPU. */
static void fill_caches(void *argument)
{
    void *objects[OBJECTS];
    uint64_t frames[8];

    (void)argument;
    for (unsigned i = 0; i < OBJECTS; i++) {
        objects[i] = heap_allocate(64, OWNER_CORE);
    }
    for (unsigned i = 0; i < HX_ARRAY_SIZE(frames); i++) {
        EXPECT_EQUAL(frames_allocate(0, OWNER_CORE, &frames[i]), HX_OK);
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        heap_free(objects[i]);
    }
    for (unsigned i = 0; i < HX_ARRAY_SIZE(frames); i++) {
        frames_free(frames[i], 0);
    }
}

static uint64_t cached_frames(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.cached;
}

static void what_a_cpu_had_cached_is_given_back(void)
{
    uint32_t cpu = hal_cpu_count() - 1;
    uint64_t before;

    if (!has_two_cpus()) {
        return;
    }
    EXPECT_EQUAL(thread_set_own_affinity(1), HX_OK);
    crew_open(&crew);
    crew_start(&crew, fill_caches, NULL, 1ULL << cpu);
    EXPECT(crew_join(&crew));
    frames_drain_caches();
    crew_open(&crew);
    crew_start(&crew, fill_caches, NULL, 1ULL << cpu);
    EXPECT(crew_join(&crew));
    before = cached_frames();
    EXPECT(before >= 8);
    EXPECT_EQUAL(cpu_offline(cpu), HX_OK);
    EXPECT(cached_frames() + 8 <= before);
    EXPECT_EQUAL(cpu_online(cpu), HX_OK);
    EXPECT_EQUAL(thread_set_own_affinity(UINT64_MAX), HX_OK);
}

/* --- everything at once ----------------------------------------------------------------------- */

static struct {
    _Atomic bool is_over;
    struct mutex mutex;
    uint64_t sum; /* under mutex */
    _Atomic uint64_t added;
    _Atomic(uint64_t *) published;
    _Atomic uint32_t errors;
} churn;

static bool is_over(void)
{
    return atomic_load_explicit(&churn.is_over, memory_order_relaxed);
}

static void note_error(bool is_error)
{
    atomic_fetch_add_explicit(&churn.errors, is_error ? 1 : 0, memory_order_relaxed);
}

static void add_under_a_mutex(void *argument)
{
    (void)argument;
    while (!is_over()) {
        mutex_lock(&churn.mutex);
        churn.sum++;
        mutex_unlock(&churn.mutex);
        atomic_fetch_add_explicit(&churn.added, 1, memory_order_relaxed);
        hal_cpu_relax(); /* interrupts come in on every port */
    }
}

static void read_what_is_published(void *argument)
{
    (void)argument;
    while (!is_over()) {
        read_enter();
        note_error(*atomic_load_explicit(&churn.published, memory_order_acquire) != 42);
        read_leave();
        hal_cpu_relax();
    }
}

/* One writer: each version is spoilt as soon as nobody reads it any more. */
static void publish_versions(void *argument)
{
    static uint64_t versions[2] = {42, 42};
    unsigned next = 1;

    (void)argument;
    while (!is_over()) {
        uint64_t *old = &versions[1 - next];

        versions[next] = 42;
        atomic_store_explicit(&churn.published, &versions[next], memory_order_release);
        read_synchronize();
        *old = 0;
        next = 1 - next;
    }
}

static void call_everybody(void *argument)
{
    (void)argument;
    while (!is_over()) {
        _Atomic uint64_t called = 0;

        preempt_disable();
        uint64_t online = cpu_online_mask();

        cpu_call(UINT64_MAX, note_call, &called);
        note_error((online & ~called) != 0 && (online & ~called & cpu_open_mask()) != 0);
        preempt_enable();
        thread_sleep(MS / 10);
    }
}

static void wander(void *argument)
{
    uint64_t random = selftest_seed() + (uintptr_t)argument + 1;

    while (!is_over()) {
        uint64_t mask = 1ULL << crew_random(&random) % hal_cpu_count();

        if (thread_set_own_affinity(mask) == HX_OK) {
            thread_sleep(crew_random(&random) % MS);
        }
    }
}

static void sleep_often(void *argument)
{
    (void)argument;
    while (!is_over()) {
        uint64_t start = hal_clock_now();

        thread_sleep(MS / 2);
        note_error(hal_clock_now() - start < MS / 2);
    }
}

static void (*const works[])(void *argument) = {
    add_under_a_mutex,
    add_under_a_mutex,
    read_what_is_published,
    read_what_is_published,
    publish_versions,
    call_everybody,
    wander,
    wander,
    sleep_often,
    sleep_often,
    fill_caches,
};

static void change_some_cpu(uint64_t *random)
{
    uint32_t cpu = 1 + (uint32_t)(crew_random(random) % (hal_cpu_count() - 1));

    EXPECT_EQUAL(is_online(cpu) ? cpu_offline(cpu) : cpu_online(cpu), HX_OK);
}

/* SPEC: K7 */
static void nothing_is_lost_while_cpus_go_and_come(void)
{
    static uint64_t first = 42;
    uint64_t random = selftest_seed() | 1;

    if (!has_two_cpus()) {
        return;
    }
    atomic_store_explicit(&churn.is_over, false, memory_order_relaxed);
    atomic_store_explicit(&churn.errors, 0, memory_order_relaxed);
    atomic_store_explicit(&churn.added, 0, memory_order_relaxed);
    atomic_store_explicit(&churn.published, &first, memory_order_release);
    mutex_init(&churn.mutex, "churn");
    churn.sum = 0;
    crew_open(&crew);
    for (uintptr_t i = 0; i < HX_ARRAY_SIZE(works); i++) {
        crew_start(&crew, works[i], (void *)i, i % 2 == 0 ? 0 : 1ULL << i % hal_cpu_count());
    }
    for (unsigned round = 0; round < CHURN_ROUNDS; round++) {
        change_some_cpu(&random);
    }
    for (uint32_t cpu = 1; cpu < hal_cpu_count(); cpu++) {
        EXPECT(is_online(cpu) || cpu_online(cpu) == HX_OK);
    }
    atomic_store_explicit(&churn.is_over, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(churn.sum, churn.added);
    EXPECT_EQUAL(churn.errors, 0);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "kern_hotplug." #function, .run = function                                         \
    }

const struct selftest kern_hotplug_tests[] = {
    TEST(a_cpu_goes_off_line_and_comes_back),
    TEST(what_cannot_go_or_is_not_there_is_refused),
    TEST(all_but_one_cpu_can_be_off_line),
    TEST(threads_of_a_cpu_that_goes_run_elsewhere_and_return),
    TEST(a_thread_takes_the_cpu_off_line_that_it_is_bound_to),
    TEST(a_cpu_that_a_thread_keeps_stays_on_line),
    TEST(timers_of_a_cpu_that_goes_fire_elsewhere),
    TEST(what_a_cpu_had_cached_is_given_back),
    TEST(nothing_is_lost_while_cpus_go_and_come),
    {.name = NULL},
};
