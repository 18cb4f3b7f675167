/* Loops of crashes: what they leave to others, and that they go down the ladder as it stands in its
 * table. */
#include <base/memory.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <core/gate/gate.h>
#include <core/ipc/event_bus.h>
#include <core/self_heal/heal_event.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <helix/demo.h>
#include <helix/scheduler.h>
#include <helix/scheduler_lies.h>
#include <kern/cpu.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/heal_patient.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_self_heal_loop." #function, function

#define NICEST       19
#define MEASURED_NS  (1000 * HAL_NS_PER_MS)
#define LEAST_SHARE  80U /* of a hundred, of what it has without the loop (SPEC H7) */
#define ON_FIRST_CPU 1ULL
#define ATTEMPTS     8U /* a busy host takes more from the one measurement than from the other */

/* --- who works, and who makes the module die -------------------------------------------------- */

static _Atomic bool shall_end;
static _Atomic bool shall_kill;
static _Atomic uint64_t worked_ns; /* CPU time of who works, as it says itself */

static void work(void *argument)
{
    (void)argument;
    thread_set_nice(thread_current(), NICEST);
    while (!atomic_load_explicit(&shall_end, memory_order_relaxed)) {
        atomic_store_explicit(&worked_ns, thread_run_time(thread_current()), memory_order_relaxed);
        hal_cpu_relax(); /* where the hosted port takes interrupts */
    }
}

/* One call, of which the instance dies if it is to. */
static void call_demo(struct slot *slot, bool is_deadly)
{
    (void)gate_call(slot, is_deadly ? DEMO_ILLEGAL : DEMO_NOTHING, 0, 0, 0, 0);
}

/* It dies in the next choice of a thread. */
static void call_scheduler(struct slot *slot, bool is_deadly)
{
    (void)gate_call(slot, SCHEDULER_NUMBER,
                    is_deadly ? HX_LIE_COMMAND(HX_LIE_TRAP, 1) : HX_SCHEDULER_PICKS, 0, 0, 0);
}

struct loop {
    struct slot *slot;
    void (*call)(struct slot *slot, bool is_deadly);
};

/* As soon as there is another one it dies too. */
static void keep_calling(void *argument)
{
    const struct loop *loop = argument;

    while (!atomic_load_explicit(&shall_end, memory_order_relaxed)) {
        loop->call(loop->slot, atomic_load_explicit(&shall_kill, memory_order_relaxed));
        thread_sleep(HAL_NS_PER_MS);
    }
}

static uint64_t measure(bool with_deaths)
{
    uint64_t before;

    atomic_store_explicit(&shall_kill, with_deaths, memory_order_relaxed);
    before = atomic_load_explicit(&worked_ns, memory_order_relaxed);
    thread_sleep(MEASURED_NS);
    return atomic_load_explicit(&worked_ns, memory_order_relaxed) - before;
}

/* A hundred times as quick as by default, and for as long as it is measured. */
static void set_options(void)
{
    patient_set_option("check", 10);
    patient_set_option("interval", 10);
    patient_set_option("cooldown", 20);
    patient_set_option("cooldown_most", 600);
    patient_set_option("window", 600);
    patient_set_option("attempts", 100);
}

static void expect_progress(const char *name, struct loop *loop)
{
    uint64_t deaths = patient_info(loop->slot).deaths;
    enum log_level shown = log_level();
    struct crew crew;
    uint64_t without = 0;
    uint64_t with = 0;

    set_options();
    crew_open(&crew);
    atomic_store_explicit(&shall_end, false, memory_order_relaxed);
    atomic_store_explicit(&shall_kill, false, memory_order_relaxed);
    atomic_store_explicit(&worked_ns, 0, memory_order_relaxed);
    log_set_level(LOG_ERROR); /* printing takes as long as the host likes */
    (void)crew_start(&crew, work, NULL, ON_FIRST_CPU);
    (void)crew_start(&crew, keep_calling, loop, ON_FIRST_CPU);
    for (unsigned i = 0; i < ATTEMPTS && (with == 0 || with * 100 < without * LEAST_SHARE); i++) {
        without = measure(false);
        with = measure(true);
    }
    atomic_store_explicit(&shall_end, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    log_set_level(shown);
    deaths = patient_info(loop->slot).deaths - deaths;
    kprintln("# %s: %llu deaths, and the nicest thread has %llu %% of its progress", name,
             (unsigned long long)deaths, (unsigned long long)(with * 100 / (without + 1)));
    EXPECT(deaths >= 3);
    EXPECT(with * 100 >= without * LEAST_SHARE);
}

/* With several CPUs the two need not share one, and what the host gives each is measured. */
static bool is_alone(void)
{
    return cpu_online_count() == 1;
}

/* SPEC: H7 */
static void a_module_that_dies_in_each_call_leaves_the_nicest_thread_its_progress(void)
{
    struct loop loop = {.slot = patient_begin("demo", HAL_GATE_OPEN), .call = call_demo};

    if (is_alone()) {
        expect_progress("demo", &loop);
    }
    patient_end();
}

/* SPEC: H7 R8 */
static void a_scheduler_that_dies_in_each_choice_leaves_the_nicest_thread_its_progress(void)
{
    static const struct swap_options no_trial = {.drain_limit_ns = SWAP_DRAIN_LIMIT_NS_DEFAULT};
    struct loop loop = {.slot = slot_find("scheduler"), .call = call_scheduler};
    struct swap_options options = modules_options(loop.slot);

    if (!is_alone()) {
        return;
    }
    (void)patient_begin("demo", HAL_GATE_OPEN);
    modules_set_options(loop.slot, &no_trial);
    module_slot_put(loop.slot, "sched_liar", NULL);
    expect_progress("scheduler", &loop);
    (void)healer_trigger_recovery(loop.slot);
    module_slot_put(loop.slot, "sched_rr", NULL);
    modules_set_options(loop.slot, &options);
    patient_end();
}

/* --- down the ladder -------------------------------------------------------------------------- */

#define TRACE_MAX 8U

static struct heal_event trace[TRACE_MAX]; /* before the release of trace_count */
static _Atomic uint32_t trace_count;

static enum event_answer note_death(void *argument, const struct kernel_event *event)
{
    uint32_t count = atomic_load_explicit(&trace_count, memory_order_relaxed);

    (void)argument;
    if (event->custom.id == HEAL_EVENT_DIED && count < TRACE_MAX) {
        memcpy(&trace[count], event->custom.data, sizeof(trace[0]));
        atomic_store_explicit(&trace_count, count + 1, memory_order_release);
    }
    return EVENT_CONTINUE;
}

/* What the table says of a member that has nothing but a factory, and dies of the same each time.
 */
static void expect_the_ladders_trace(void)
{
    const struct heal_policy policy = healer_policy();
    const struct ladder_means means = {.is_essential = false};
    struct ladder ladder = {0};

    for (uint32_t i = 0; i < atomic_load_explicit(&trace_count, memory_order_acquire); i++) {
        struct ladder_decision decision = ladder_died(&ladder, &policy, &means, 1, i);

        EXPECT_EQUAL(trace[i].action, decision.rung);
        EXPECT_EQUAL(trace[i].attempt, decision.attempt);
        if (heal_rung_kind(decision.rung) != HEAL_KIND_LAST) {
            ladder_recovered(&ladder, i);
        }
    }
    EXPECT_EQUAL(ladder.rung, HEAL_QUARANTINE);
}

/* SPEC: H4 H7 */
static void the_trace_of_a_crash_loop_is_the_ladders(void)
{
    const struct event_subscriber subscriber = {.topics =
                                                    EVENT_TOPIC_SET(EVENT_TOPIC_SUBSYSTEM_HEALTH),
                                                .callback = note_death,
                                                .contexts = EVENT_IN_THREAD};
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    event_subscription id = 0;
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    patient_set_option("interval", 0);
    healer_set_on(false); /* what was kept goes */
    healer_set_on(true);
    atomic_store_explicit(&trace_count, 0, memory_order_relaxed);
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
    while (!patient_has_health(slot, HEAL_FAILED) && hal_clock_now() < deadline) {
        call_demo(slot, true);
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
    EXPECT_EQUAL(atomic_load_explicit(&trace_count, memory_order_acquire),
                 healer_policy().attempts + 1);
    expect_the_ladders_trace();
    patient_end();
}

const struct selftest core_self_heal_loop_tests[] = {
    {TEST(a_module_that_dies_in_each_call_leaves_the_nicest_thread_its_progress), 0},
    {TEST(a_scheduler_that_dies_in_each_choice_leaves_the_nicest_thread_its_progress),
     SELFTEST_NEEDS_SCHED_LIAR},
    {TEST(the_trace_of_a_crash_loop_is_the_ladders), 0},
    {0},
};
