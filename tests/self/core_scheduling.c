/* The scheduler's slot: exchanged, dying and emptied while threads run, and each of them goes on.
 */
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/gate.h>
#include <core/gate/watchdog.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <helix/scheduler.h>
#include <helix/scheduler_lies.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_scheduling." #function, function

static const struct swap_options no_trial = {.drain_limit_ns = CREW_PATIENCE_NS};

/* --- the load: threads that yield, wake each other, sleep, all or some bound to a CPU ----------
 */

#define WORKERS 16U

struct worker {
    _Atomic uint32_t rounds;
    _Atomic(struct thread *) thread;
    _Atomic bool is_done; /* it wakes its partner no more */
    uint32_t number;
};

static struct crew crew;
static struct worker workers[WORKERS];
static _Atomic bool shall_stop;

static bool goes_on(struct worker *worker)
{
    atomic_fetch_add_explicit(&worker->rounds, 1, memory_order_relaxed);
    return !atomic_load_explicit(&shall_stop, memory_order_relaxed);
}

static void yield_on(void *argument)
{
    while (goes_on(argument)) {
        thread_yield();
    }
}

static void sleep_on(void *argument)
{
    while (goes_on(argument)) {
        thread_sleep(HAL_NS_PER_MS / 4);
    }
}

/* Wakes its partner, and waits until that wakes it. A wake-up that is lost stops both. */
static void rally(void *argument)
{
    struct worker *worker = argument;
    struct worker *partner = &workers[worker->number ^ 1];

    atomic_store_explicit(&worker->thread, thread_current(), memory_order_release);
    while (atomic_load_explicit(&partner->thread, memory_order_acquire) == NULL) {
        thread_yield();
    }
    while (goes_on(worker)) {
        thread_unpark(atomic_load_explicit(&partner->thread, memory_order_relaxed));
        (void)!thread_park(THREAD_NO_DEADLINE);
    }
    thread_unpark(atomic_load_explicit(&partner->thread, memory_order_relaxed));
    atomic_store_explicit(&worker->is_done, true, memory_order_release);
    while (!atomic_load_explicit(&partner->is_done, memory_order_acquire)) {
        thread_yield(); /* which may wake this one until then */
    }
}

static void forget_worker(uint32_t number)
{
    workers[number].number = number;
    atomic_store_explicit(&workers[number].rounds, 0, memory_order_relaxed);
    atomic_store_explicit(&workers[number].thread, NULL, memory_order_relaxed);
    atomic_store_explicit(&workers[number].is_done, false, memory_order_relaxed);
}

/* Two of each kind are neighbours, on the same CPUs. */
static void start_worker(uint32_t number)
{
    static void (*const kinds[])(void *) = {yield_on, rally, sleep_on, rally};
    uint64_t affinity = number < WORKERS / 2 ? 0 : 1ULL << crew_cpu(number % cpu_online_count());

    (void)crew_start(&crew, kinds[number / 2 % HX_ARRAY_SIZE(kinds)], &workers[number], affinity);
}

static void start_load(void)
{
    atomic_store_explicit(&shall_stop, false, memory_order_relaxed);
    crew_open(&crew);
    /* All of them before any starts: a worker looks at its partner. */
    for (uint32_t i = 0; i < WORKERS; i++) {
        forget_worker(i);
    }
    for (uint32_t i = 0; i < WORKERS; i++) {
        start_worker(i);
    }
}

/* Each of them still gets somewhere. */
static void check_progress(void)
{
    for (uint32_t i = 0; i < WORKERS; i++) {
        uint32_t before = atomic_load_explicit(&workers[i].rounds, memory_order_relaxed);

        EXPECT(crew_sleep_until(&workers[i].rounds, before + 2));
    }
}

static void end_load(void)
{
    atomic_store_explicit(&shall_stop, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
}

/* --- the slot --------------------------------------------------------------------------------- */

static bool is_soak(void)
{
    return command_line_has(kernel_command_line(), "soak");
}

/* What swaps alternate between: another kind, another version, both. */
static const struct candidate {
    const char *name;
    struct hx_module_version version;
    const char *version_text;
} candidates[] = {
    {"sched_prio", {.major = 1, .minor = 1}, "1.1.0"},
    {"sched_prio", {.major = 1, .minor = 0}, "1.0.0"},
    {"sched_rr", {.major = 1, .minor = 1}, "1.1.0"},
    {"sched_rr", {.major = 1, .minor = 0}, "1.0.0"},
    {"sched_prio", {.major = 1, .minor = 0}, "1.0.0"},
    {"sched_rr", {.major = 1, .minor = 1}, "1.1.0"},
};

static void put_candidate(struct slot *slot, const struct candidate *candidate)
{
    module_slot_put(slot, candidate->name, &candidate->version);
    EXPECT(string_equal(modules_content_of(slot).version, candidate->version_text));
}

/* As it is after the start. */
static void restore(struct slot *slot)
{
    module_slot_put(slot, "sched_rr", NULL);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
}

static uint64_t number(struct slot *slot, uint64_t index)
{
    struct hal_gate_result result = gate_call(slot, SCHEDULER_NUMBER, index, 0, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

/* --- swaps ------------------------------------------------------------------------------------ */

static void check_swaps(enum hal_gate_backend backend)
{
    struct slot *slot = module_slot_begin("scheduler", "sched_rr", NULL, backend, &no_trial);
    /* Emulated CPUs that are more than the host's make each swap take a third of a second. */
    uint32_t wanted = is_soak() ? 10000 : cpu_online_count() > 2 ? 20 : 100;
    uint64_t picks = 0;

    if (slot == NULL) {
        return;
    }
    start_load();
    for (uint32_t i = 0; i < wanted; i++) {
        put_candidate(slot, &candidates[i % HX_ARRAY_SIZE(candidates)]);
        if (i % 20 == 0) {
            check_progress();
            EXPECT(number(slot, HX_SCHEDULER_PICKS) > picks); /* they came with the state */
            picks = number(slot, HX_SCHEDULER_PICKS);
        }
    }
    check_progress();
    EXPECT_EQUAL(modules_content_of(slot).status, SLOT_ACTIVE);
    end_load();
    restore(slot);
}

/* SPEC: R8 */
static void schedulers_swapped_under_load_lose_no_thread_behind_the_open_gate(void)
{
    check_swaps(HAL_GATE_OPEN);
}

/* SPEC: R8 */
static void schedulers_swapped_under_load_lose_no_thread_behind_the_user_gate(void)
{
    check_swaps(HAL_GATE_USER);
}

static bool spin_until_counted(struct slot *slot, uint64_t index)
{
    uint64_t end = hal_clock_now() + CREW_PATIENCE_NS;

    while (number(slot, index) == 0 && hal_clock_now() < end) {
        hal_cpu_relax(); /* lets interrupts in */
    }
    return number(slot, index) != 0;
}

/*
 * What 1.0 does not count comes back from it, and the sums are those of before, or more: other
 * threads run meanwhile.
 */
static void check_way(struct slot *slot, const struct candidate *way, size_t length)
{
    uint64_t before[HX_SCHEDULER_STATISTICS];

    for (uint64_t i = 0; i < HX_SCHEDULER_STATISTICS; i++) {
        before[i] = number(slot, i);
    }
    for (size_t i = 0; i < length; i++) {
        put_candidate(slot, &way[i]);
    }
    for (uint64_t i = 0; i < HX_SCHEDULER_STATISTICS; i++) {
        EXPECT(number(slot, i) >= before[i]);
    }
}

/* SPEC: R5 R8 */
static void the_statistics_of_a_scheduler_come_back_from_a_version_that_does_not_know_them_all(void)
{
    struct slot *slot =
        module_slot_begin("scheduler", "sched_prio", NULL, HAL_GATE_OPEN, &no_trial);

    if (slot == NULL) {
        return;
    }
    start_load();
    EXPECT(spin_until_counted(slot, HX_SCHEDULER_TURNS)); /* this thread's own turn ends */
    EXPECT(spin_until_counted(slot, HX_SCHEDULER_LONGEST));
    check_way(slot, (const struct candidate[]){candidates[1], candidates[3], candidates[0]}, 3);
    check_way(slot, (const struct candidate[]){candidates[2]}, 1);
    end_load();
    restore(slot);
}

/* SPEC: R8 */
static void a_scheduler_that_leaves_under_load_leaves_its_threads_to_core(void)
{
    struct slot *slot =
        module_slot_begin("scheduler", "sched_prio", NULL, HAL_GATE_OPEN, &no_trial);

    if (slot == NULL) {
        return;
    }
    start_load();
    for (unsigned i = 0; i < 10; i++) {
        check_progress();
        module_slot_empty(slot);
        check_progress();
        module_slot_put(slot, i % 2 == 0 ? "sched_rr" : "sched_prio", NULL);
    }
    check_progress();
    EXPECT(number(slot, HX_SCHEDULER_PICKS) > 0);
    end_load();
    restore(slot);
}

/* --- death ------------------------------------------------------------------------------------ */

/* An unprivileged instance has a few ways in, and the CPUs may be in all of them. */
static void tell_to_lie(struct slot *slot, enum hx_scheduler_lie lie, uint32_t at)
{
    struct hal_gate_result result;

    do {
        result = gate_call(slot, SCHEDULER_NUMBER, HX_LIE_COMMAND(lie, at), 0, 0, 0);
    } while (result.error == HX_EAGAIN);
    /* Its answer may be cut short by the death it was told to die. */
    EXPECT(result.error == HX_OK || result.error == HX_EDIED);
}

static void check_death(struct slot *slot, enum hal_gate_backend backend, enum hx_scheduler_lie lie,
                        uint32_t at)
{
    uint64_t deaths = modules_content_of(slot).deaths;

    module_slot_put(slot, "sched_liar", NULL);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, backend), HX_OK);
    check_progress();
    tell_to_lie(slot, lie, at);
    EXPECT(module_slot_await_death(slot, deaths));
    check_progress();
    EXPECT(!modules_content_of(slot).is_filled);
    module_slot_put(slot, "sched_rr", NULL);
    deaths = modules_content_of(slot).deaths; /* each CPU that was inside counted one */
    check_progress();
    EXPECT_EQUAL(modules_content_of(slot).deaths, deaths);
    EXPECT(number(slot, HX_SCHEDULER_PICKS) > 0);
}

/* A lie that is noticed after seconds is told once. */
static bool can_be_told(enum hx_scheduler_lie lie, uint32_t at)
{
    return ((lie != HX_LIE_STARVE && lie != HX_LIE_PREEMPT) || at == 1) &&
           (lie != HX_LIE_WRONG_CPU || cpu_online_count() > 1) &&
           ((lie != HX_LIE_LOOP && lie != HX_LIE_LOSE) || watchdog_is_running());
}

/* In a short run one of the three for each lie, and the one that takes longest to notice behind one
 * gate. */
static bool is_tried(enum hal_gate_backend backend, enum hx_scheduler_lie lie, uint32_t at)
{
    static const uint32_t in_turn[] = {1, 8, 64};

    if (is_soak() || lie == HX_LIE_PREEMPT) {
        return true;
    }
    return lie == HX_LIE_STARVE ? backend == HAL_GATE_OPEN
                                : at == in_turn[lie % HX_ARRAY_SIZE(in_turn)];
}

static void check_deaths(enum hal_gate_backend backend)
{
    struct slot *slot = module_slot_begin("scheduler", "sched_rr", NULL, backend, &no_trial);

    if (slot == NULL) {
        return;
    }
    start_load();
    for (uint32_t lie = HX_LIE_MADE_UP; lie < HX_LIE_COUNT; lie++) {
        for (uint32_t at = 1; at <= 64; at *= 8) {
            if (can_be_told((enum hx_scheduler_lie)lie, at) &&
                is_tried(backend, (enum hx_scheduler_lie)lie, at)) {
                check_death(slot, backend, (enum hx_scheduler_lie)lie, at);
            }
        }
    }
    end_load();
    restore(slot);
}

/* SPEC: R8 */
static void a_scheduler_that_lies_or_traps_dies_and_every_thread_goes_on_behind_the_open_gate(void)
{
    check_deaths(HAL_GATE_OPEN);
}

/* SPEC: R8 */
static void a_scheduler_that_lies_or_traps_dies_and_every_thread_goes_on_behind_the_user_gate(void)
{
    check_deaths(HAL_GATE_USER);
}

const struct selftest core_scheduling_tests[] = {
    {TEST(schedulers_swapped_under_load_lose_no_thread_behind_the_open_gate), 0},
    {TEST(schedulers_swapped_under_load_lose_no_thread_behind_the_user_gate), SELFTEST_METAL_ONLY},
    {TEST(the_statistics_of_a_scheduler_come_back_from_a_version_that_does_not_know_them_all), 0},
    {TEST(a_scheduler_that_leaves_under_load_leaves_its_threads_to_core), 0},
    {TEST(a_scheduler_that_lies_or_traps_dies_and_every_thread_goes_on_behind_the_open_gate),
     SELFTEST_NEEDS_SCHED_LIAR},
    {TEST(a_scheduler_that_lies_or_traps_dies_and_every_thread_goes_on_behind_the_user_gate),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_SCHED_LIAR},
    {0},
};
