/* Healing that lasts: many restarts, healers that end half way, states that are poison, loops of
 * crashes. */
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/gate.h>
#include <core/orchestrator/failpoint.h>
#include <core/resource/ledger.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/heal_patient.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_self_heal_wear." #function, function

/* --- what the kernel has ---------------------------------------------------------------------- */

/* Without what the heap keeps for later on each CPU, and without checkpoints, of which there may be
 * more or fewer. */
struct level {
    uint64_t frames;
    uint64_t heap_objects;
    uint64_t handles[RESOURCE_CLASS_COUNT];
    uint32_t threads;
};

static struct level level_now(void)
{
    struct heap_statistics heap;
    struct ledger ledger;
    struct level level;

    heap_statistics(&heap);
    ledger_take(OWNER_CORE, &ledger);
    level = (struct level){.frames = ledger.frames - heap.frames,
                           .heap_objects = ledger.heap_objects,
                           .threads = thread_count()};
    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        level.handles[i] = ledger.resources.handles[i];
    }
    return level;
}

static struct level level_without_states(void)
{
    struct level level;

    healer_set_on(false);
    level = level_now();
    healer_set_on(true);
    return level;
}

static bool is_above(const struct level *now, const struct level *before)
{
    bool is_more = now->frames > before->frames || now->heap_objects > before->heap_objects ||
                   now->threads > before->threads;

    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        is_more |= now->handles[i] > before->handles[i];
    }
    return is_more;
}

/* Others come and go at the same time: a leak of each recovery stays, what they have does not. */
static void expect_no_growth(const struct level *before)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS / 6;
    struct level now = level_without_states();

    while (is_above(&now, before) && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
        now = level_without_states();
    }
    EXPECT_EQUAL(now.frames > before->frames ? now.frames : before->frames, before->frames);
    EXPECT_EQUAL(now.heap_objects > before->heap_objects ? now.heap_objects : before->heap_objects,
                 before->heap_objects);
    EXPECT(!is_above(&now, before));
}

/* --- many restarts ---------------------------------------------------------------------------- */

#define RESTARTS      100U
#define RESTARTS_SOAK 10000U

static void hold_a_lock(struct slot *slot)
{
    uint64_t lock = gate_call(slot, DEMO_LOCK_CREATE, 0, 0, 0, 0).value;

    EXPECT_EQUAL(gate_call(slot, DEMO_LOCK_ACQUIRE, lock, 0, 0, 0).value, HX_OK);
}

/* It dies with a lock held, is recovered with its state, and what was tried is forgotten. */
static bool die_once(struct slot *slot, uint32_t i)
{
    uint64_t recoveries = patient_info(slot).recoveries;

    hold_a_lock(slot);
    (void)patient_count(slot);
    EXPECT_EQUAL(healer_take_checkpoint(slot), HX_OK);
    EXPECT_EQUAL(gate_call(slot, i % 2 == 0 ? DEMO_ILLEGAL : DEMO_DIVIDE, 1, 0, 0, 0).error,
                 HX_EDIED);
    if (!patient_wait_for(patient_has_recovered, slot, recoveries + 1)) {
        return false;
    }
    EXPECT_EQUAL(patient_info(slot).decision.rung, HEAL_RESTART_WITH_STATE);
    healer_forget(slot, true);
    return true;
}

static void restart_again_and_again(enum hal_gate_backend backend)
{
    struct slot *slot = patient_begin("demo_locks", backend);
    bool is_soak = command_line_has(kernel_command_line(), "soak");
    uint32_t restarts = is_soak ? RESTARTS_SOAK : RESTARTS;
    bool is_well = true;
    struct level before;

    /* What is there only after the first ones is there then. */
    for (uint32_t i = 0; i < 8 && is_well; i++) {
        is_well = die_once(slot, i);
    }
    before = level_without_states();
    for (uint32_t i = 0; i < restarts && is_well; i++) {
        is_well = die_once(slot, i);
    }
    EXPECT(is_well);
    EXPECT_EQUAL(patient_count(slot), 8 + restarts + 1);
    expect_no_growth(&before);
    patient_end();
}

/* SPEC: H4 Q5 */
static void restarts_behind_the_open_gate_leave_nothing(void)
{
    restart_again_and_again(HAL_GATE_OPEN);
}

/* SPEC: H4 Q5 */
static void restarts_behind_the_user_gate_leave_nothing(void)
{
    restart_again_and_again(HAL_GATE_USER);
}

/* --- healers that end half way ---------------------------------------------------------------- */

static bool is_up_or_given_up(struct slot *slot, uint64_t recoveries)
{
    return patient_has_recovered(slot, recoveries) || patient_has_health(slot, HEAL_FAILED);
}

static const char *const points[] = {"heal-died:demo",
                                     "heal-decided:demo",
                                     "heal:demo",
                                     "heal-acted:demo",
                                     "heal-acted:demo,guard:healer",
                                     "heal-died:demo,guard:healer,heal-decided:demo"};

/* SPEC: H9 */
static void a_healer_that_ends_at_any_point_is_followed_by_one_that_goes_on(void)
{
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    struct level before = {0};

    for (size_t i = 0; i < 2 * HX_ARRAY_SIZE(points); i++) {
        uint64_t healers = healer_stats().healers;
        uint64_t recoveries = patient_info(slot).recoveries;

        (void)patient_count(slot);
        EXPECT_EQUAL(healer_take_checkpoint(slot), HX_OK);
        EXPECT_EQUAL(failpoint_arm_named(points[i % HX_ARRAY_SIZE(points)]), HX_OK);
        patient_kill(slot);
        EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
        failpoint_arm(0);
        EXPECT(healer_stats().healers > healers);
        EXPECT_EQUAL(patient_info(slot).recoveries, recoveries + 1);
        EXPECT_EQUAL(patient_info(slot).ladder.attempts, 1);
        EXPECT_EQUAL(patient_info(slot).decision.rung, HEAL_RESTART_WITH_STATE);
        EXPECT_EQUAL(patient_count(slot), 2 * i + 2);
        healer_forget(slot, true);
        if (i == HX_ARRAY_SIZE(points) - 1) {
            thread_sleep(10 * HAL_NS_PER_MS); /* the ends of the last threads */
            before = level_without_states();
        }
    }
    expect_no_growth(&before);
    patient_end();
}

/* Each numbered step of putting another one in fails in turn, for each rung. */
static void fail_step(struct slot *slot, uint64_t n, bool *was_there)
{
    uint64_t recoveries = patient_info(slot).recoveries;

    (void)patient_count(slot);
    EXPECT_EQUAL(healer_take_checkpoint(slot), HX_OK);
    failpoint_arm(n);
    patient_kill(slot);
    EXPECT(patient_wait_for(is_up_or_given_up, slot, recoveries + 1));
    *was_there = failpoint_steps() >= n;
    failpoint_arm(0);
    /* What failed was the restart with state; the clean one is the next rung. */
    EXPECT_EQUAL(patient_info(slot).decision.rung,
                 *was_there ? HEAL_RESTART_CLEAN : HEAL_RESTART_WITH_STATE);
    EXPECT_EQUAL(patient_info(slot).recoveries, recoveries + 1);
    healer_forget(slot, true);
}

/* SPEC: H4 H9 */
static void a_recovery_that_fails_at_any_step_takes_the_next_rung_and_leaves_nothing(void)
{
    struct slot *slot = patient_begin("demo", HAL_GATE_OPEN);
    struct level before = {0};
    bool was_there = true;
    uint64_t steps = 0;

    patient_set_option("interval", 3600000);
    for (unsigned round = 0; round < 2; round++) {
        was_there = true;
        for (uint64_t n = 1; was_there; n++) {
            fail_step(slot, n, &was_there);
            steps = n - 1;
        }
        if (round == 0) {
            before = level_without_states();
        }
    }
    EXPECT(steps >= 4); /* load, init, import, activate */
    expect_no_growth(&before);
    patient_end();
}

/* --- states that are no good ------------------------------------------------------------------ */

static void count_to(struct slot *slot, uint64_t number)
{
    while (patient_count(slot) < number) {
    }
}

/* SPEC: H8 */
static void a_poisoned_state_is_given_up_within_three_restarts(void)
{
    struct slot *slot = patient_begin("demo_fragile", HAL_GATE_OPEN);
    struct checkpoint_info info = {0};
    uint64_t recoveries = patient_info(slot).recoveries;
    uint32_t restarts = 0;

    patient_set_option("interval", 3600000);
    EXPECT_EQUAL(patient_count(slot), 1);
    EXPECT_EQUAL(healer_take_checkpoint(slot), HX_OK); /* a good one */
    count_to(slot, DEMO_FRAGILE_POISON - 1);
    EXPECT_EQUAL(healer_take_checkpoint(slot), HX_OK); /* in the next call it dies */
    while (gate_call(slot, DEMO_COUNT, 0, 0, 0, 0).error == HX_EDIED && restarts < 10) {
        restarts++;
        EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + restarts));
    }
    EXPECT_EQUAL(restarts, 2);
    EXPECT_EQUAL(patient_count(slot), 3);
    EXPECT(healer_checkpoint_info(slot, 0, &info) && info.is_poisoned);
    EXPECT(healer_checkpoint_info(slot, 1, &info) && !info.is_poisoned);
    patient_end();
}

/* SPEC: H4 */
static void a_state_that_only_a_younger_version_knows_costs_no_attempt(void)
{
    struct slot *slot = patient_begin("demo_fragile", HAL_GATE_OPEN);
    uint64_t failures = healer_stats().failures;
    uint64_t recoveries = patient_info(slot).recoveries;

    patient_wait_for_checkpoint(slot); /* of state 1.1 */
    patient_set_option("interval", 3600000);
    thread_sleep(20 * HAL_NS_PER_MS); /* the one that was due then has been taken */
    module_slot_put(slot, "demo", NULL);
    patient_kill(slot);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT_EQUAL(healer_stats().failures, failures);
    EXPECT_EQUAL(patient_info(slot).decision.rung, HEAL_RESTART_CLEAN);
    EXPECT_EQUAL(patient_info(slot).ladder.attempts, 1);
    patient_end();
}

const struct selftest core_self_heal_wear_tests[] = {
    {TEST(restarts_behind_the_open_gate_leave_nothing), SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(restarts_behind_the_user_gate_leave_nothing),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(a_healer_that_ends_at_any_point_is_followed_by_one_that_goes_on), 0},
    {TEST(a_recovery_that_fails_at_any_step_takes_the_next_rung_and_leaves_nothing), 0},
    {TEST(a_poisoned_state_is_given_up_within_three_restarts), 0},
    {TEST(a_state_that_only_a_younger_version_knows_costs_no_attempt), 0},
    {0},
};
