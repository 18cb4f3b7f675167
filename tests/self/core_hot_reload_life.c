/* The life of an instance, the states of a swap, and that no report says more than was done. */
#include <base/string.h>
#include <core/gate/gate.h>
#include <core/orchestrator/failpoint.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "core_hot_reload_life." #function, function

static const struct swap_options no_trial = {.drain_limit_ns = HAL_NS_PER_S};
static const struct swap_options long_trial = {
    .drain_limit_ns = HAL_NS_PER_S, .trial_calls = UINT32_MAX, .trial_ns = 1000 * HAL_NS_PER_S};

static struct slot *fresh_demo(const struct swap_options *options)
{
    return module_slot_begin("demo", "demo", NULL, HAL_GATE_OPEN, options);
}

static struct modules_change last_change(struct slot *slot)
{
    struct modules_change change = {.what = ""};

    EXPECT(modules_change_at(slot, 0, &change));
    return change;
}

static uint64_t call(struct slot *slot, uint32_t operation, uint64_t a0, uint64_t a1)
{
    struct hal_gate_result result = gate_call(slot, operation, a0, a1, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

/*
 * The module itself refuses to be initialised where an outside effect is possible. Digits: enum
 * demo_life. The state is written twice: for the rehearsal of who would come next, and to leave.
 */
/* SPEC: R1 */
static void an_instance_lives_in_order_and_has_no_effect_before_it_serves(void)
{
    struct slot *slot = fresh_demo(&no_trial);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    EXPECT_EQUAL(call(slot, DEMO_ADD, DEMO_FRAGILE_LIFE, 0), 123);
    EXPECT_EQUAL(failpoint_arm_named("leave:demo"), HX_OK);
    EXPECT_EQUAL(modules_swap(slot, "demo", NULL), HX_EIO);
    failpoint_arm(0);
    EXPECT_EQUAL(call(slot, DEMO_ADD, DEMO_FRAGILE_LIFE, 0), 12364765);
    (void)fresh_demo(&no_trial);
}

/* Each state in which a swap can fail, seen where the step of it failed. */
/* SPEC: R2 */
static void a_swap_goes_through_its_states_and_leads_back_from_each(void)
{
    struct slot *slot = fresh_demo(&no_trial);
    const uint32_t wanted = 1U << SWAP_PREPARING | 1U << SWAP_SAVING_STATE | 1U << SWAP_UNLOADING |
                            1U << SWAP_LOADING | 1U << SWAP_RESTORING_STATE;
    uint32_t seen = 0;
    hx_err error = HX_EIO;

    for (uint64_t n = 1; slot != NULL && error == HX_EIO; n++) {
        failpoint_arm(n);
        error = modules_swap(slot, "demo_fragile", NULL);
        failpoint_arm(0);
        if (error == HX_EIO) {
            struct modules_change change = last_change(slot);

            seen |= 1U << change.failed_in;
            EXPECT(change.state == SWAP_ROLLBACK || change.failed_in == SWAP_PREPARING);
            EXPECT_EQUAL(modules_content_of(slot).status, SLOT_ACTIVE);
        }
    }
    EXPECT_EQUAL(error, HX_OK);
    EXPECT_EQUAL(seen, wanted);
    EXPECT_EQUAL(last_change(slot).state, SWAP_COMPLETED);
    (void)fresh_demo(&no_trial);
}

static void fail_to_swap(struct slot *slot, const char *step)
{
    EXPECT_EQUAL(failpoint_arm_named(step), HX_OK);
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_EIO);
    failpoint_arm(0);
    EXPECT(!last_change(slot).is_migrated);
}

/* SPEC: R11 */
static void what_was_not_migrated_is_not_said_to_be(void)
{
    struct slot *slot = fresh_demo(&long_trial);
    uint64_t number;

    if (slot == NULL) {
        return;
    }
    EXPECT(!last_change(slot).is_migrated); /* it began anew */
    fail_to_swap(slot, "import:demo");
    fail_to_swap(slot, "activate:demo");
    EXPECT_EQUAL(modules_swap(slot, "demo_fragile", NULL), HX_OK);
    EXPECT(last_change(slot).is_migrated);
    number = last_change(slot).number;
    (void)call(slot, DEMO_ADD, DEMO_FRAGILE_FUSE, 1);
    EXPECT_EQUAL(call(slot, DEMO_COUNT, 0, 0), 1); /* it dies, and its state is not used */
    for (unsigned i = 0; i < 5000 && last_change(slot).number == number; i++) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(last_change(slot).state, SWAP_ROLLBACK);
    EXPECT(!last_change(slot).is_migrated);
    EXPECT_EQUAL(modules_swap(slot, "demo", NULL), HX_OK); /* which ends no trial: there is none */
    (void)fresh_demo(&no_trial);
}

const struct selftest core_hot_reload_life_tests[] = {
    {TEST(an_instance_lives_in_order_and_has_no_effect_before_it_serves), 0},
    {TEST(a_swap_goes_through_its_states_and_leads_back_from_each), 0},
    {TEST(what_was_not_migrated_is_not_said_to_be), 0},
    {0},
};
