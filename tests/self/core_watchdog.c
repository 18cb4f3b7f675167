/* Loops with interrupts off: ended, healed, and nothing else taken for one. */
#include <core/gate/gate.h>
#include <core/gate/watchdog.h>
#include <core/self_heal/healer.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <helix/scheduler.h>
#include <helix/scheduler_lies.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define NAME "core_watchdog"

static const struct swap_options no_trial = {.drain_limit_ns = CREW_PATIENCE_NS};

/* A slot with a module that the healer looks after, and brings back at once. */
static struct slot *begin(const char *name, const char *module, enum hal_gate_backend backend)
{
    struct slot *slot = module_slot_begin(name, module, NULL, backend, &no_trial);

    EXPECT(watchdog_is_running());
    EXPECT_EQUAL(healer_set_policy("cooldown", 0), HX_OK);
    healer_set_on(true);
    return slot;
}

static void end(const char *name, const char *module)
{
    healer_set_on(false);
    EXPECT_EQUAL(healer_set_policy("cooldown", 2000), HX_OK);
    (void)module_slot_begin(name, module, NULL, HAL_GATE_OPEN, &no_trial);
}

static uint64_t recoveries_of(struct slot *slot)
{
    struct heal_member_info info = {.recoveries = 0};

    EXPECT_EQUAL(healer_member_info(slot, &info), HX_OK);
    return info.recoveries;
}

/* Threads go on meanwhile: this one sleeps and wakes. */
static bool wait_for_recovery(struct slot *slot, uint64_t recoveries)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    while (recoveries_of(slot) <= recoveries || slot_instance(slot) == NULL) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return true;
}

/* SPEC: H5 */
static void a_module_that_turns_interrupts_off_and_loops_is_brought_back(void)
{
    struct slot *slot = begin("demo", "demo", HAL_GATE_OPEN);
    uint64_t recoveries = recoveries_of(slot);

    EXPECT_EQUAL(gate_call(slot, DEMO_UNINTERRUPTIBLE, 0, 0, 0, 0).error, HX_EDIED);
    EXPECT(hal_interrupts_enabled());
    EXPECT(wait_for_recovery(slot, recoveries));
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, 40, 2, 0, 0).value, 42);
    end("demo", "demo");
}

static void check_scheduler(enum hal_gate_backend backend)
{
    struct slot *slot = begin("scheduler", "sched_liar", backend);
    uint64_t recoveries = recoveries_of(slot);

    (void)gate_call(slot, SCHEDULER_NUMBER, HX_LIE_COMMAND(HX_LIE_LOOP, 1), 0, 0, 0);
    EXPECT(wait_for_recovery(slot, recoveries));
    EXPECT_EQUAL(slot_instance(slot)->gate.backend, backend);
    end("scheduler", "sched_rr");
}

/* SPEC: H5 */
static void a_scheduler_that_loops_is_brought_back_behind_the_open_gate(void)
{
    check_scheduler(HAL_GATE_OPEN);
}

/* SPEC: H5 */
static void a_scheduler_that_loops_is_brought_back_behind_the_user_gate(void)
{
    check_scheduler(HAL_GATE_USER);
}

/*
 * Calls that are short, each of them, but made for seconds without a tick in between, are many
 * calls and no loop.
 */
/* SPEC: H5 */
static void short_calls_one_after_the_other_are_no_loop(void)
{
    struct slot *slot = begin("demo", "demo", HAL_GATE_OPEN);
    uint64_t deadline = hal_clock_now() + 2 * HAL_NS_PER_S;
    hal_interrupt_state state = hal_interrupts_save();
    hx_err error = HX_OK;

    while (error == HX_OK && hal_clock_now() < deadline) {
        error = gate_call(slot, DEMO_DEEP, 8, 0, 0, 0).error;
    }
    hal_interrupts_restore(state);
    EXPECT_EQUAL(error, HX_OK);
    end("demo", "demo");
}

/* Behind a callout the core is at work, and is left to it. */
/* SPEC: H5 */
static void a_callout_is_not_ended_however_long_it_takes(void)
{
    struct slot *slot = begin("demo", "demo", HAL_GATE_OPEN);

    EXPECT_EQUAL(gate_call(slot, DEMO_SLEEP, HAL_NS_PER_S, 0, 0, 0).value, HX_OK);
    end("demo", "demo");
}

#define TEST_FOR(needs, function)                                                                  \
    {                                                                                              \
        .name = NAME "." #function, .run = function, .flags = SELFTEST_METAL_ONLY | (needs)        \
    }

#define TEST(function) TEST_FOR(0, function)

const struct selftest core_watchdog_tests[] = {
    TEST(a_module_that_turns_interrupts_off_and_loops_is_brought_back),
    TEST_FOR(SELFTEST_NEEDS_SCHED_LIAR,
             a_scheduler_that_loops_is_brought_back_behind_the_open_gate),
    TEST_FOR(SELFTEST_NEEDS_SCHED_LIAR,
             a_scheduler_that_loops_is_brought_back_behind_the_user_gate),
    TEST(short_calls_one_after_the_other_are_no_loop),
    TEST(a_callout_is_not_ended_however_long_it_takes),
    {.name = NULL},
};
