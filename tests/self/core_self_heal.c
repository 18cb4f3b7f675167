/* Healing in the running kernel: who dies is replaced, with what there was of its state. */
#include <base/memory.h>
#include <base/string.h>
#include <core/gate/gate.h>
#include <core/orchestrator/failpoint.h>
#include <core/self_heal/heal_event.h>
#include <core/self_heal/healer.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/heal_patient.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_self_heal." #function, .run = function                                       \
    }

/* The fuse of demo_fragile burns down in the next call. */
static void kill_fragile(struct slot *slot)
{
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, DEMO_FRAGILE_FUSE, 1, 0, 0).error, HX_OK);
    EXPECT_EQUAL(gate_call(slot, DEMO_COUNT, 0, 0, 0, 0).error, HX_EDIED);
}

/* --- one death -------------------------------------------------------------------------------- */

static void check_one_death(enum hal_gate_backend backend)
{
    struct slot *slot = patient_begin("demo", backend);
    uint64_t recoveries = patient_info(slot).recoveries;

    for (uint64_t i = 1; i <= 5; i++) {
        EXPECT_EQUAL(patient_count(slot), i);
    }
    patient_wait_for_checkpoint(slot);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT_EQUAL(patient_info(slot).decision.rung, HEAL_RESTART_WITH_STATE);
    EXPECT_EQUAL(patient_count(slot), 6);
    EXPECT_EQUAL(slot_instance(slot)->gate.backend, backend);
    patient_end();
}

/* SPEC: H4 H5 */
static void who_dies_behind_the_open_gate_goes_on_from_its_last_state(void)
{
    check_one_death(HAL_GATE_OPEN);
}

/* SPEC: H4 H5 */
static void who_dies_behind_the_user_gate_goes_on_from_its_last_state(void)
{
    check_one_death(HAL_GATE_USER);
}

/* SPEC: H4 */
static void without_a_state_it_begins_anew(void)
{
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    uint64_t recoveries = patient_info(slot).recoveries;

    patient_set_option("interval", 0);
    healer_set_on(false); /* what was kept goes */
    healer_set_on(true);
    EXPECT_EQUAL(patient_count(slot), 1);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT_EQUAL(patient_info(slot).decision.rung, HEAL_RESTART_CLEAN);
    EXPECT_EQUAL(patient_count(slot), 1);
    patient_end();
}

/* --- the ladder ------------------------------------------------------------------------------- */

/* SPEC: H1 H4 H7 H8 */
static void a_crash_loop_goes_down_the_ladder_to_quarantine(void)
{
    struct slot *slot = patient_begin("demo_fragile", HAL_GATE_OPEN);
    uint64_t quarantines = healer_stats().quarantines;
    uint64_t recoveries = patient_info(slot).recoveries;
    enum heal_rung last = HEAL_REST;
    uint32_t restarts = 0;

    (void)patient_count(slot);
    patient_wait_for_checkpoint(slot);
    while (healer_stats().quarantines == quarantines && restarts < 10) {
        kill_fragile(slot);
        restarts++;
        if (!patient_wait_for(patient_has_recovered, slot, recoveries + restarts) ||
            patient_info(slot).decision.rung == HEAL_QUARANTINE) {
            break;
        }
        EXPECT(patient_info(slot).decision.rung >= last);
        last = patient_info(slot).decision.rung;
        if (restarts == 3) {
            EXPECT_EQUAL(last, HEAL_RESTART_CLEAN);
            kill_fragile(slot);
            break;
        }
    }
    EXPECT_EQUAL(restarts, 3);
    EXPECT(patient_wait_for(patient_has_health, slot, HEAL_FAILED));
    EXPECT_EQUAL(atomic_load_explicit(&slot->status, memory_order_relaxed), SLOT_FAILED);
    EXPECT_EQUAL(healer_stats().quarantines, quarantines + 1);
    EXPECT_EQUAL(gate_call(slot, DEMO_COUNT, 0, 0, 0, 0).error, HX_ENOENT);
    /* Somebody fills it by hand: all is forgotten. */
    module_slot_put(slot, "demo", NULL);
    EXPECT(patient_wait_for(patient_has_health, slot, HEAL_HEALTHY));
    EXPECT_EQUAL(patient_info(slot).ladder.attempts, 0);
    patient_end();
}

/* SPEC: H1 H3 */
static void a_recovery_inside_the_cooldown_waits_unless_it_is_triggered(void)
{
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    uint64_t recoveries = patient_info(slot).recoveries;

    patient_set_option("cooldown", 3600000);
    patient_set_option("cooldown_most", 3600000);
    EXPECT_EQUAL(healer_trigger_recovery(slot), HEAL_ACTION_NONE);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot,
                            recoveries + 1)); /* the first one waits for nothing */
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_health, slot, HEAL_CRASHED));
    thread_sleep(50 * HAL_NS_PER_MS);
    EXPECT_EQUAL(patient_info(slot).recoveries, recoveries + 1);
    EXPECT_EQUAL(gate_call(slot, DEMO_COUNT, 0, 0, 0, 0).error, HX_ENOENT); /* at once (H7) */
    EXPECT_EQUAL(healer_trigger_recovery(slot), HEAL_ACTION_RESTART);
    EXPECT_EQUAL(patient_info(slot).recoveries, recoveries + 2);
    EXPECT(patient_has_health(slot, HEAL_HEALTHY));
    patient_end();
}

/* SPEC: H1 H3 */
static void one_that_says_it_is_not_well_is_replaced(void)
{
    struct slot *slot = patient_begin("demo_fragile", HAL_GATE_OPEN);
    uint64_t recoveries = patient_info(slot).recoveries;

    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, DEMO_FRAGILE_HEALTH, (uint64_t)HX_EAGAIN, 0, 0).error,
                 HX_OK);
    EXPECT(patient_wait_for(patient_has_health, slot, HEAL_DEGRADED));
    thread_sleep(50 * HAL_NS_PER_MS);
    EXPECT_EQUAL(patient_info(slot).recoveries, recoveries);
    EXPECT_EQUAL(gate_call(slot, DEMO_ADD, DEMO_FRAGILE_HEALTH, (uint64_t)HX_EIO, 0, 0).error,
                 HX_OK);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT(patient_wait_for(patient_has_health, slot, HEAL_HEALTHY));
    patient_end();
}

/* --- who heals the healer --------------------------------------------------------------------- */

/* SPEC: H9 */
static void the_healer_and_its_guardian_are_made_again_when_they_end(void)
{
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    struct healer_stats before = healer_stats();
    uint64_t recoveries = patient_info(slot).recoveries;

    EXPECT_EQUAL(failpoint_arm_named("heal:demo,guard:healer"), HX_OK);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT_EQUAL(healer_stats().healers, before.healers + 1);
    /* The guardian ended when it had made another healer, which has made another guardian. */
    for (unsigned i = 0; i < 1000 && healer_stats().guardians == before.guardians; i++) {
        thread_sleep(10 * HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(healer_stats().guardians, before.guardians + 1);
    failpoint_arm(0);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 2));
    patient_end();
}

/* --- groups ----------------------------------------------------------------------------------- */

/* How often something was done in a slot, and what came last. */
static uint64_t changes_of(struct slot *slot, struct modules_change *last)
{
    *last = (struct modules_change){.what = ""};
    return modules_change_at(slot, 0, last) ? last->number : 0;
}

static void expect_restarts(const char *group, bool of_the_other)
{
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    struct slot *other = slot_find("memory");
    uint64_t recoveries = patient_info(slot).recoveries;
    struct modules_change last;
    uint64_t changes = changes_of(other, &last);

    EXPECT_EQUAL(healer_set_group("test", group), HX_OK);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT_EQUAL(patient_info(slot).decision.attempt, 1);
    /* Another turn of the healer's has begun, and so this one has ended. */
    patient_wait_for_checkpoint(slot);
    EXPECT_EQUAL(changes_of(other, &last), changes + of_the_other);
    EXPECT(!of_the_other || (string_equal(last.what, "restart") && last.is_migrated));
    EXPECT_EQUAL(patient_info(other).deaths, 0);
    EXPECT_EQUAL(healer_set_group("test", "none"), HX_OK);
    patient_end();
}

/* SPEC: H7 */
static void with_one_for_all_the_others_of_the_group_are_restarted(void)
{
    expect_restarts("one_for_all:memory,demo", true);
    expect_restarts("one_for_all:demo,memory", true);
}

/* SPEC: H7 */
static void with_rest_for_one_those_after_it_are_restarted(void)
{
    expect_restarts("rest_for_one:demo,memory", true);
    expect_restarts("rest_for_one:memory,demo", false);
}

/* SPEC: H7 */
static void with_one_for_one_nobody_else_is_restarted(void)
{
    expect_restarts("one_for_one:demo,memory", false);
}

/* --- what is told ----------------------------------------------------------------------------- */

static _Atomic uint32_t died_events;
static _Atomic uint32_t recovered_events;
static struct heal_event last_event; /* before the release of the counters */

static enum event_answer hear(void *argument, const struct kernel_event *event)
{
    (void)argument;
    if (event->custom.id == HEAL_EVENT_DIED) {
        atomic_fetch_add_explicit(&died_events, 1, memory_order_release);
    } else if (event->custom.id == HEAL_EVENT_RECOVERED) {
        memcpy(&last_event, event->custom.data, sizeof(last_event));
        atomic_fetch_add_explicit(&recovered_events, 1, memory_order_release);
    }
    return EVENT_CONTINUE;
}

/* SPEC: H6 */
static void a_recovery_is_an_event_with_cause_action_duration_and_attempt(void)
{
    const struct event_subscriber subscriber = {.topics =
                                                    EVENT_TOPIC_SET(EVENT_TOPIC_SUBSYSTEM_HEALTH),
                                                .callback = hear,
                                                .contexts = EVENT_IN_THREAD};
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    event_subscription id = 0;

    atomic_store_explicit(&died_events, 0, memory_order_relaxed);
    atomic_store_explicit(&recovered_events, 0, memory_order_relaxed);
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
    patient_kill(slot);
    EXPECT(crew_sleep_until(&recovered_events, 1));
    EXPECT_EQUAL(atomic_load_explicit(&died_events, memory_order_relaxed), 1);
    EXPECT(string_equal(last_event.name, "demo"));
    EXPECT_EQUAL(last_event.cause, DEATH_EXCEPTION);
    EXPECT(last_event.action == HEAL_RESTART_WITH_STATE || last_event.action == HEAL_RESTART_CLEAN);
    EXPECT_EQUAL(last_event.attempt, 1);
    EXPECT(last_event.duration_us > 0);
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
    patient_end();
}

const struct selftest core_self_heal_tests[] = {
    TEST(who_dies_behind_the_open_gate_goes_on_from_its_last_state),
    {.name = "core_self_heal.who_dies_behind_the_user_gate_goes_on_from_its_last_state",
     .run = who_dies_behind_the_user_gate_goes_on_from_its_last_state,
     .flags = SELFTEST_METAL_ONLY},
    TEST(without_a_state_it_begins_anew),
    TEST(a_crash_loop_goes_down_the_ladder_to_quarantine),
    TEST(a_recovery_inside_the_cooldown_waits_unless_it_is_triggered),
    TEST(one_that_says_it_is_not_well_is_replaced),
    TEST(the_healer_and_its_guardian_are_made_again_when_they_end),
    TEST(with_one_for_all_the_others_of_the_group_are_restarted),
    TEST(with_rest_for_one_those_after_it_are_restarted),
    TEST(with_one_for_one_nobody_else_is_restarted),
    TEST(a_recovery_is_an_event_with_cause_action_duration_and_attempt),
    {.name = NULL},
};
