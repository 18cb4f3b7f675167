/* Security as a module: swapped, dying and missing while calls are refused. */
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/fault_injection/fault_injection.h>
#include <core/gate/gate.h>
#include <core/syscall/syscall.h>
#include <helix/hook.h>
#include <subsys/hooks/hooks.h>
#include <subsys/hooks/policy.h>
#include <subsys/hooks/security.h>
#include <subsys/modules/modules.h>
#include <tests/self/hook_load.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_hooks_judge." #function, function

#define EPERM  1
#define EACCES 13

static void replace(const char *text)
{
    static char error[POLICY_ERROR_MAX];

    EXPECT_EQUAL(hooks_policy_replace(text, string_length(text), error, sizeof(error)), HX_OK);
}

static void check_security_under_load(enum hal_gate_backend backend)
{
    struct slot *slot = hook_load_begin("security", "hook.security", backend);
    struct security_statistics before = security_statistics();
    struct security_statistics after;
    uint32_t made;

    if (slot == NULL) {
        return;
    }
    replace("call test_modules nobody EACCES\n");
    hook_load_start(-EACCES);
    hook_load_swap_often(slot, "security");
    made = hook_load_stop();
    after = security_statistics();
    EXPECT(made > 0 && after.refused - before.refused == made);
    EXPECT_EQUAL(after.alone, before.alone);
    replace("");
    hook_load_end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
}

/* SPEC: Y5 R6 */
static void who_is_refused_is_refused_over_swaps_behind_the_open_gate(void)
{
    check_security_under_load(HAL_GATE_OPEN);
}

/* SPEC: Y5 R6 */
static void who_is_refused_is_refused_over_swaps_behind_the_user_gate(void)
{
    check_security_under_load(HAL_GATE_USER);
}

/* Unknown to version 1.0, which leaves them as they are. */
/* SPEC: R5 */
static void counts_of_refusals_outlive_a_version_that_does_not_know_them(void)
{
    struct slot *slot = hook_load_begin("security", "hook.security", HAL_GATE_OPEN);
    uint64_t refused = security_refused_of(SYSCALL_CLASS_NATIVE);

    if (slot == NULL) {
        return;
    }
    replace("class native nobody\n");
    EXPECT_EQUAL(hook_load_call(1), -(int64_t)EPERM);
    EXPECT_EQUAL(security_refused_of(SYSCALL_CLASS_NATIVE), refused + 1);
    EXPECT_EQUAL(modules_swap(slot, "security", &hook_load_old_version), HX_OK);
    EXPECT_EQUAL(security_refused_of(SYSCALL_CLASS_NATIVE), 0);
    EXPECT_EQUAL(hook_load_call(1), -(int64_t)EPERM);
    EXPECT_EQUAL(modules_swap(slot, "security", NULL), HX_OK);
    EXPECT_EQUAL(hook_load_call(1), -(int64_t)EPERM);
    EXPECT_EQUAL(security_refused_of(SYSCALL_CLASS_NATIVE), refused + 2);
    replace("");
    hook_load_end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
}

/* Act for a subject, as a thread of a process does; 0: for the kernel again. */
static void act_for(subject_id subject)
{
    atomic_store_explicit(&thread_current()->subject, subject, memory_order_relaxed);
    thread_current()->process_number = subject != 0;
    thread_current()->thread_number = 1;
}

static int64_t call_for(subject_id subject)
{
    int64_t result;

    act_for(subject);
    result = hook_load_call(42);
    act_for(0);
    return result;
}

/* Judging calls nothing of the kernel, where a doomed instance ends: make it do what does. */
static void kill_judge(struct slot *slot)
{
    hook_load_kill(slot);
    (void)gate_call(slot, HOOK_CONFIGURE, HX_HOOK_POLICY, 0, sizeof(struct hx_hook_policy), 0);
}

static void expect_judged_alone(struct slot *slot, subject_id subject)
{
    uint64_t alone = security_statistics().alone;

    EXPECT_EQUAL(call_for(subject), -(int64_t)EPERM);
    EXPECT_EQUAL(capability_grant(subject, modules_slot_resource(slot), PERMISSION_CONTROL, NULL),
                 HX_OK);
    EXPECT_EQUAL(call_for(subject), 42);
    EXPECT_EQUAL(capability_revoke(subject, modules_slot_resource(slot)), HX_OK);
    EXPECT_EQUAL(security_statistics().alone, alone + 2);
}

/* SPEC: Y5 Y7 */
static void with_no_module_only_who_may_load_one_makes_calls_that_are_kept(void)
{
    struct slot *slot = hook_load_begin("security", "hook.security", HAL_GATE_OPEN);
    subject_id subject = 0;

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(capability_subject_create("hooked alone", &subject), HX_OK);
    replace("call test_modules holders EACCES\n");
    EXPECT_EQUAL(call_for(subject), -(int64_t)EACCES);
    kill_judge(slot);
    expect_judged_alone(slot, subject);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    EXPECT_EQUAL(call_for(subject), -(int64_t)EACCES); /* the new one was told the policy */
    EXPECT_EQUAL(modules_unload(slot), HX_OK);
    expect_judged_alone(slot, subject);
    replace("");
    EXPECT_EQUAL(call_for(subject), 42); /* everyone's: nobody is asked */
    hook_load_end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
    EXPECT_EQUAL(capability_subject_destroy(subject), HX_OK);
    capability_settle();
}

/* A policy that came in the trial is in force after it. */
/* SPEC: R9 */
static void a_policy_given_to_one_on_trial_outlives_its_death(void)
{
    struct slot *slot = hook_load_begin("security", "hook.security", HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    modules_set_options(slot, &hook_load_long_trial);
    EXPECT_EQUAL(modules_swap(slot, "security", &hook_load_old_version), HX_OK);
    replace("call test_modules nobody EACCES\n");
    EXPECT_EQUAL(hook_load_call(1), -(int64_t)EACCES);
    kill_judge(slot);
    EXPECT_EQUAL(hook_load_call(1), -(int64_t)EACCES);
    EXPECT(string_equal(modules_content_of(slot).version, "1.1.0"));
    replace("");
    hook_load_end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
}

#define FAULTS 60U /* of each class; some are in the way of a verdict */

/* Nobody who is refused gets through, whatever is wrong with who judges. Returns whether it was
 * ended for what it said. */
static bool judge_wrongly(struct slot *slot, subject_id subject, enum fault_class class,
                          uint64_t seed)
{
    uint64_t from = log_lines_next();
    int64_t result;

    if (fault_inject(slot, class, seed) != HX_OK) {
        return false;
    }
    result = call_for(subject);
    /* EPERM: there is nobody, or nobody who takes the policy. */
    EXPECT(result == -(int64_t)EACCES || result == -(int64_t)EPERM);
    fault_withdraw();
    if (slot_instance(slot) == NULL) {
        EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, slot->backend), HX_OK);
    }
    return log_lines_count(from, "*module security: answered what cannot be*") > 0;
}

/* SPEC: Y5 */
static void a_verdict_that_is_not_the_policys_is_not_heard(void)
{
    static const enum fault_class classes[] = {FAULT_BRANCH, FAULT_REMOVED, FAULT_RESULT};
    struct slot *slot = hook_load_begin("security", "hook.security", HAL_GATE_USER);
    subject_id subject = 0;
    uint32_t ended = 0;

    if (slot == NULL) {
        return;
    }
    fault_injection_allow();
    EXPECT_EQUAL(capability_subject_create("judged", &subject), HX_OK);
    replace("call test_modules nobody EACCES\n");
    for (uint64_t i = 0; i < FAULTS * HX_ARRAY_SIZE(classes); i++) {
        ended += judge_wrongly(slot, subject, classes[i / FAULTS], i) ? 1 : 0;
    }
    EXPECT(ended > 0);
    replace("");
    hook_load_end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
    EXPECT_EQUAL(capability_subject_destroy(subject), HX_OK);
    capability_settle();
}

const struct selftest subsys_hooks_judge_tests[] = {
    {TEST(who_is_refused_is_refused_over_swaps_behind_the_open_gate), SELFTEST_KEEPS_MEMORY},
    {TEST(who_is_refused_is_refused_over_swaps_behind_the_user_gate),
     SELFTEST_KEEPS_MEMORY | SELFTEST_METAL_ONLY},
    {TEST(counts_of_refusals_outlive_a_version_that_does_not_know_them), SELFTEST_KEEPS_MEMORY},
    {TEST(with_no_module_only_who_may_load_one_makes_calls_that_are_kept), SELFTEST_KEEPS_MEMORY},
    {TEST(a_policy_given_to_one_on_trial_outlives_its_death), SELFTEST_KEEPS_MEMORY},
    {TEST(a_verdict_that_is_not_the_policys_is_not_heard),
     SELFTEST_KEEPS_MEMORY | SELFTEST_METAL_ONLY},
    {0},
};
