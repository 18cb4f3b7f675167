/*
 * Priority inheritance with a scheduler that knows priorities: one of low priority has what one of
 * high priority waits for, and one in between would keep the CPU for ever.
 */
#include <base/memory.h>
#include <hal/cpu.h>
#include <kern/inheritance.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_inheritance." #function, function

#define LOW    2
#define LINK   4 /* between the two in a chain, below the hog */
#define MIDDLE 8
#define HIGH   24

#define CHAIN_MAX 6U

/* Mutex n + 1 is had by link n, which waits for mutex n; mutex 0 by the low one. */
static struct {
    struct mutex mutexes[CHAIN_MAX];
    _Atomic uint32_t links_waiting; /* links that are about to wait */
    _Atomic uint32_t is_held;       /* by the low one */
    _Atomic uint32_t may_release;   /* 1: it may, though nobody of high priority waits */
    _Atomic uint32_t low_has_left;
    _Atomic uint32_t low_priority_after;
    _Atomic uint32_t hog_runs;
    _Atomic uint32_t hog_shall_stop;
    _Atomic uint32_t hog_rounds;
    _Atomic uint32_t high_is_done;
    _Atomic uint32_t timed_out;
    _Atomic uint32_t threads;
    struct thread *low;
} scene;

static void set(_Atomic uint32_t *word, uint32_t value)
{
    atomic_store_explicit(word, value, memory_order_release);
}

static uint32_t get(_Atomic uint32_t *word)
{
    return atomic_load_explicit(word, memory_order_acquire);
}

static void leave(void)
{
    atomic_fetch_sub_explicit(&scene.threads, 1, memory_order_release);
}

/* It needs the CPU to get to its end, but asks nobody to give it to it. */
static void be_low(void *argument)
{
    (void)argument;
    mutex_lock(&scene.mutexes[0]);
    set(&scene.is_held, 1);
    while (thread_priority(thread_current()) < HIGH && get(&scene.may_release) == 0) {
        hal_cpu_relax(); /* lets interrupts in */
    }
    mutex_unlock(&scene.mutexes[0]);
    set(&scene.low_priority_after, thread_priority(thread_current()));
    set(&scene.low_has_left, 1);
    leave();
}

static void be_link(void *argument)
{
    uint32_t number = (uint32_t)(uintptr_t)argument;

    mutex_lock(&scene.mutexes[number + 1]);
    atomic_fetch_add_explicit(&scene.links_waiting, 1, memory_order_release);
    mutex_lock(&scene.mutexes[number]);
    mutex_unlock(&scene.mutexes[number]);
    mutex_unlock(&scene.mutexes[number + 1]);
    leave();
}

static void be_hog(void *argument)
{
    (void)argument;
    set(&scene.hog_runs, 1);
    while (get(&scene.hog_shall_stop) == 0) {
        atomic_fetch_add_explicit(&scene.hog_rounds, 1, memory_order_relaxed);
        hal_cpu_relax();
    }
    leave();
}

static void be_high(void *argument)
{
    struct mutex *mutex = argument;

    mutex_lock(mutex);
    mutex_unlock(mutex);
    set(&scene.high_is_done, 1);
    leave();
}

static void be_impatient(void *argument)
{
    struct mutex *mutex = argument;
    hx_err error = mutex_lock_until(mutex, hal_clock_now() + 5 * HAL_NS_PER_MS);

    set(&scene.timed_out, error == HX_ETIMEDOUT);
    leave();
}

/* All on one CPU. */
static struct thread *enter(const char *name, uint8_t priority, void (*entry)(void *argument),
                            void *argument)
{
    const struct thread_options options = {.name = name,
                                           .entry = entry,
                                           .argument = argument,
                                           .priority = priority,
                                           .affinity = 1ULL << crew_cpu(0)};
    struct thread *thread = NULL;

    EXPECT_EQUAL(thread_create(&options, &thread), HX_OK);
    if (thread != NULL) {
        atomic_fetch_add_explicit(&scene.threads, 1, memory_order_relaxed);
        thread_start(thread);
    }
    return thread;
}

static struct slot *begin(void)
{
    static const struct swap_options no_trial = {.drain_limit_ns = CREW_PATIENCE_NS};
    struct slot *slot = slot_find("scheduler");

    modules_set_options(slot, &no_trial);
    EXPECT_EQUAL(modules_swap(slot, "sched_prio", NULL), HX_OK);
    memset(&scene, 0, sizeof(scene));
    for (unsigned i = 0; i < CHAIN_MAX; i++) {
        mutex_init(&scene.mutexes[i], "inheritance test");
    }
    return slot;
}

/* Also when the test has failed: nobody is left. */
static void end(struct slot *slot)
{
    set(&scene.may_release, 1);
    set(&scene.hog_shall_stop, 1);
    for (unsigned i = 0; i < CREW_PATIENCE_NS / HAL_NS_PER_MS && get(&scene.threads) != 0; i++) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(get(&scene.threads), 0);
    EXPECT(!inheritance_is_any());
    EXPECT_EQUAL(modules_swap(slot, "sched_rr", NULL), HX_OK);
}

static void start_low(void)
{
    scene.low = enter("low", LOW, be_low, NULL);
    EXPECT(crew_sleep_until(&scene.is_held, 1));
}

static void start_hog(void)
{
    (void)enter("hog", MIDDLE, be_hog, NULL);
    EXPECT(crew_sleep_until(&scene.hog_runs, 1));
}

static void check_high_gets_through(struct mutex *mutex)
{
    (void)enter("high", HIGH, be_high, mutex);
    EXPECT(crew_sleep_until(&scene.high_is_done, 1));
    EXPECT_EQUAL(get(&scene.hog_shall_stop), 0);
}

/* SPEC: R8 */
static void who_has_what_a_higher_thread_waits_for_runs_before_those_in_between(void)
{
    struct slot *slot = begin();

    start_low();
    start_hog();
    check_high_gets_through(&scene.mutexes[0]);
    end(slot);
}

/* SPEC: R8 */
static void what_was_inherited_is_given_back_at_the_unlock(void)
{
    struct slot *slot = begin();

    start_low();
    check_high_gets_through(&scene.mutexes[0]);
    EXPECT(crew_sleep_until(&scene.low_has_left, 1));
    EXPECT_EQUAL(get(&scene.low_priority_after), LOW);
    end(slot);
}

/* SPEC: R8 */
static void a_priority_is_lent_on_along_a_chain_of_waiters(void)
{
    struct slot *slot = begin();

    start_low();
    set(&scene.links_waiting, 0);
    for (uintptr_t i = 0; i < CHAIN_MAX - 1; i++) {
        (void)enter("link", LINK, be_link, (void *)i);
        EXPECT(crew_sleep_until(&scene.links_waiting, (uint32_t)i + 1));
    }
    start_hog();
    check_high_gets_through(&scene.mutexes[CHAIN_MAX - 1]);
    end(slot);
}

/* SPEC: R8 */
static void who_gives_up_waiting_lends_no_more(void)
{
    struct slot *slot = begin();

    start_low();
    /* It sees that it is lent something, and must not be done with the mutex by that. */
    (void)enter("impatient", HIGH - 1, be_impatient, &scene.mutexes[0]);
    EXPECT(crew_sleep_until(&scene.timed_out, 1));
    for (unsigned i = 0; i < CREW_ATTEMPTS && inheritance_is_any(); i++) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(!inheritance_is_any());
    EXPECT_EQUAL(thread_priority(scene.low), LOW);
    end(slot);
}

/* --- who yields ------------------------------------------------------------------------------- */

#define YIELDS 40U

static _Atomic uint32_t rounds_for_yields;

static void yield_often(void *argument)
{
    uint32_t before = get(&scene.hog_rounds);

    (void)argument;
    for (unsigned i = 0; i < YIELDS; i++) {
        thread_yield();
    }
    set(&rounds_for_yields, get(&scene.hog_rounds) - before);
    set(&scene.high_is_done, 1);
    leave();
}

/* SPEC: R8  Until the next tick the lower one would go round some thousand times, for each yield.
 */
static void who_yields_to_a_lower_one_has_the_cpu_back_at_once(void)
{
    struct slot *slot = begin();
    uint32_t least = UINT32_MAX;

    start_hog();
    for (unsigned i = 0; i < 10 && least > YIELDS * 10; i++) {
        set(&scene.high_is_done, 0);
        (void)enter("yielder", HIGH, yield_often, NULL);
        EXPECT(crew_sleep_until(&scene.high_is_done, 1));
        least = get(&rounds_for_yields) < least ? get(&rounds_for_yields) : least;
    }
    EXPECT(least <= YIELDS * 10);
    end(slot);
}

const struct selftest core_inheritance_tests[] = {
    {TEST(who_has_what_a_higher_thread_waits_for_runs_before_those_in_between), 0},
    {TEST(what_was_inherited_is_given_back_at_the_unlock), 0},
    {TEST(a_priority_is_lent_on_along_a_chain_of_waiters), 0},
    {TEST(who_gives_up_waiting_lends_no_more), 0},
    {TEST(who_yields_to_a_lower_one_has_the_cpu_back_at_once), 0},
    {0},
};
