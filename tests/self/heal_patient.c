/* A demo slot under the healer's eyes: how tests begin, end, look and wait. */
#include <core/gate/gate.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <kern/thread.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/heal_patient.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>

static const struct swap_options no_trial = {.drain_limit_ns = 200 * HAL_NS_PER_MS};

/* --- beginning and ending --------------------------------------------------------------------- */

void patient_set_option(const char *option, uint64_t value)
{
    EXPECT_EQUAL(healer_set_policy(option, value), HX_OK);
}

static void set_defaults(void)
{
#define SET_DEFAULT(member, option, unit, value, least, most, meaning)                             \
    patient_set_option(option, value);
    HEAL_POLICY_LIST(SET_DEFAULT)
#undef SET_DEFAULT
}

/* Quick looks and no waiting, unless a test says otherwise. */
struct slot *patient_begin(const char *module, enum hal_gate_backend backend)
{
    struct slot *slot = module_slot_begin("demo", module, NULL, backend, &no_trial);

    patient_set_option("check", 5);
    patient_set_option("interval", 5);
    patient_set_option("cooldown", 0);
    healer_set_on(true);
    return slot;
}

void patient_end(void)
{
    healer_set_on(false);
    set_defaults();
    (void)module_slot_begin("demo", "demo", NULL, HAL_GATE_OPEN, &no_trial);
}

struct heal_member_info patient_info(struct slot *slot)
{
    struct heal_member_info info = {.health = HEAL_UNKNOWN};

    EXPECT_EQUAL(healer_member_info(slot, &info), HX_OK);
    return info;
}

/* --- waiting for what is bound to happen ------------------------------------------------------ */

bool patient_wait_for(bool (*has_come)(struct slot *slot, uint64_t number), struct slot *slot,
                      uint64_t number)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    while (!has_come(slot, number)) {
        if (hal_clock_now() > deadline) {
            return false;
        }
        thread_sleep(HAL_NS_PER_MS);
    }
    return true;
}

/* A checkpoint has been taken since there were so many looks at the state. */
static bool is_kept(struct slot *slot, uint64_t looks)
{
    struct heal_member_info info = patient_info(slot);

    return info.checkpoints_taken > 0 &&
           info.checkpoints_taken + info.checkpoints_unchanged > looks;
}

bool patient_has_recovered(struct slot *slot, uint64_t recoveries)
{
    return patient_info(slot).recoveries >= recoveries && slot_instance(slot) != NULL;
}

bool patient_has_health(struct slot *slot, uint64_t health)
{
    return healer_check_health(slot) == (enum heal_health)health;
}

void patient_wait_for_checkpoint(struct slot *slot)
{
    struct heal_member_info info = patient_info(slot);

    /* Two: one may be on its way with what there was before. */
    EXPECT(
        patient_wait_for(is_kept, slot, info.checkpoints_taken + info.checkpoints_unchanged + 1));
}

uint64_t patient_count(struct slot *slot)
{
    struct hal_gate_result result = gate_call(slot, DEMO_COUNT, 0, 0, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

void patient_kill(struct slot *slot)
{
    EXPECT_EQUAL(gate_call(slot, DEMO_ILLEGAL, 0, 0, 0, 0).error, HX_EDIED);
}
