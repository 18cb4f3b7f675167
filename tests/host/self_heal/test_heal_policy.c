/* The numbers of self-healing: what they are by default, and what they can be set to. */
#include <core/self_heal/heal_policy.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ULL

/* SPEC: H2 */
static void the_defaults_are_those_of_the_requirement(void **unused)
{
    struct heal_policy policy = heal_policy_default();

    (void)unused;
    assert_int_equal(policy.attempts, 3);
    assert_int_equal(policy.check, 1000 * MS);
    assert_int_equal(policy.limit, 5000 * MS);
    assert_int_equal(policy.cooldown, 2000 * MS);
    assert_in_range(policy.checkpoints, 2, HEAL_CHECKPOINTS_MAX);
}

struct option {
    const char *name;
    size_t offset;
    uint64_t unit;
    uint64_t least;
    uint64_t most;
};

static const struct option options[] = {
    {"attempts", offsetof(struct heal_policy, attempts), 1, 0, 100},
    {"check", offsetof(struct heal_policy, check), MS, 1, 3600000},
    {"limit", offsetof(struct heal_policy, limit), MS, 1, 3600000},
    {"cooldown", offsetof(struct heal_policy, cooldown), MS, 0, 3600000},
    {"cooldown_most", offsetof(struct heal_policy, cooldown_most), MS, 0, 86400000},
    {"window", offsetof(struct heal_policy, window), MS, 1, 86400000},
    {"healthy", offsetof(struct heal_policy, healthy), MS, 1, 86400000},
    {"interval", offsetof(struct heal_policy, interval), MS, 0, 86400000},
    {"group_deaths", offsetof(struct heal_policy, group_deaths), 1, 1, 16},
    {"checkpoints", offsetof(struct heal_policy, checkpoints), 1, 0, 8},
};

#define OPTION_COUNT (sizeof(options) / sizeof(options[0]))

static void expect_only(const struct option *option, uint64_t value)
{
    struct heal_policy expected = heal_policy_default();
    struct heal_policy policy = heal_policy_default();

    *(uint64_t *)((char *)&expected + option->offset) = value * option->unit;
    assert_int_equal(heal_policy_set(&policy, option->name, value), HX_OK);
    assert_memory_equal(&policy, &expected, sizeof(policy));
}

/* SPEC: H2 */
static void each_option_sets_its_number_and_no_other(void **unused)
{
    (void)unused;
    assert_int_equal(OPTION_COUNT * sizeof(uint64_t), sizeof(struct heal_policy));
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        expect_only(&options[i], options[i].least);
        expect_only(&options[i], options[i].least + 1);
        expect_only(&options[i], options[i].most);
    }
}

static void expect_refused(const char *name, uint64_t value, hx_err error)
{
    struct heal_policy before = heal_policy_default();
    struct heal_policy policy = before;

    assert_int_equal(heal_policy_set(&policy, name, value), error);
    assert_memory_equal(&policy, &before, sizeof(policy));
}

/* SPEC: H2 */
static void what_is_out_of_range_or_unknown_changes_nothing(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < OPTION_COUNT; i++) {
        expect_refused(options[i].name, options[i].most + 1, HX_ERANGE);
        expect_refused(options[i].name, UINT64_MAX, HX_ERANGE);
        if (options[i].least > 0) {
            expect_refused(options[i].name, options[i].least - 1, HX_ERANGE);
        }
    }
    expect_refused("", 1, HX_ENOENT);
    expect_refused("attempt", 1, HX_ENOENT);
    expect_refused("attemptss", 1, HX_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_requirement),
        cmocka_unit_test(each_option_sets_its_number_and_no_other),
        cmocka_unit_test(what_is_out_of_range_or_unknown_changes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
