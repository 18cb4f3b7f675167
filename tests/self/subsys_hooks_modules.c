/* Hooks that are modules: swapped, dying and missing while calls are made. */
#include <base/string.h>
#include <core/capability/capability.h>
#include <core/gate/gate.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <helix/hook.h>
#include <subsys/hooks/audit.h>
#include <subsys/hooks/hooks.h>
#include <subsys/hooks/metrics.h>
#include <subsys/hooks/policy.h>
#include <subsys/hooks/security.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_hooks_modules." #function, function

#define NUMBER  508U /* nobody's */
#define EPERM   1
#define EACCES  13
#define EINVAL  22
#define CALLERS 4U
#define SWAPS   20U
#define TURN    16U /* calls between two yields */
#define FEW     300U

#define FOR_EVER_NS (100000 * HAL_NS_PER_MS)

static const struct hx_module_version old_version = {.major = 1, .minor = 0};
static const struct swap_options no_trial = {.drain_limit_ns = 500 * HAL_NS_PER_MS};
static const struct swap_options long_trial = {
    .drain_limit_ns = 500 * HAL_NS_PER_MS, .trial_calls = UINT32_MAX, .trial_ns = FOR_EVER_NS};

static struct crew crew;
static _Atomic bool shall_stop;
static _Atomic uint32_t calls_made;
static _Atomic uint32_t wrong;
static uint64_t lost_before; /* records of audit */

static int64_t answer(uint64_t result)
{
    return (int64_t)result;
}

static const struct syscall_entry entry = {
    .name = "test_modules", .handler = SYSCALL_HANDLER(answer), .arguments = 1};

static int64_t call(int64_t result)
{
    const uint64_t arguments[SYSCALL_ARGUMENTS] = {(uint64_t)result};

    return syscall_invoke(NUMBER, arguments);
}

static void call_many(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_EQUAL(call(i % 2 == 0 ? 0 : -EINVAL), i % 2 == 0 ? 0 : -EINVAL);
    }
}

/* A slot with the youngest version of its module, behind a gate, and the hook on. */
static struct slot *begin(const char *hook, const char *name, enum hal_gate_backend backend)
{
    struct slot *slot = slot_find(name);

    if (slot != NULL) {
        modules_set_options(slot, &no_trial);
    }
    if (slot == NULL || modules_reload(SUBJECT_KERNEL, slot, backend) != HX_OK ||
        modules_swap(slot, hook, NULL) != HX_OK) {
        selftest_fail(__FILE__, __LINE__, "the module of the hook cannot be loaded");
        return NULL;
    }
    EXPECT_EQUAL(syscall_register(NUMBER, &entry), HX_OK);
    EXPECT_EQUAL(hooks_set(hook, true), HX_OK);
    lost_before = audit_statistics().lost;
    return slot;
}

static void end(const char *hook, struct slot *slot)
{
    EXPECT_EQUAL(hooks_set(hook, false), HX_OK);
    EXPECT_EQUAL(syscall_unregister(NUMBER), HX_OK);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    EXPECT_EQUAL(modules_swap(slot, hook, NULL), HX_OK);
}

/* --- load ------------------------------------------------------------------------------------- */

static void keep_calling(void *argument)
{
    uint32_t made = 0;

    (void)argument;
    while (!atomic_load_explicit(&shall_stop, memory_order_relaxed)) {
        int64_t wanted = made % 2 == 0 ? 0 : -EINVAL;

        if (call(wanted) != wanted) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        if (++made % TURN == 0) {
            thread_yield();
        }
    }
    atomic_fetch_add_explicit(&calls_made, made, memory_order_relaxed);
}

static void start_load_of(void (*caller)(void *))
{
    atomic_store_explicit(&shall_stop, false, memory_order_relaxed);
    atomic_store_explicit(&calls_made, 0, memory_order_relaxed);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < CALLERS; i++) {
        (void)crew_start(&crew, caller, NULL, 0);
    }
}

static void start_load(void)
{
    start_load_of(keep_calling);
}

/* Answers how many calls were made. */
static uint32_t end_load(void)
{
    atomic_store_explicit(&shall_stop, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    return atomic_load_explicit(&calls_made, memory_order_relaxed);
}

/* From one version of a hook's module to the other and back, while calls are made. */
static void swap_often(struct slot *slot, const char *hook)
{
    for (unsigned i = 0; i < SWAPS; i++) {
        EXPECT_EQUAL(modules_swap(slot, hook, i % 2 == 0 ? &old_version : NULL), HX_OK);
        thread_sleep(HAL_NS_PER_MS / 4);
    }
}

/* --- metrics ---------------------------------------------------------------------------------- */

static struct call_metrics metrics_now(void)
{
    struct call_metrics metrics = {0};

    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_OK);
    return metrics;
}

static void check_metrics_under_load(enum hal_gate_backend backend)
{
    struct slot *slot = begin("metrics", "hook.metrics", backend);
    uint32_t made;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    start_load();
    swap_often(slot, "metrics");
    made = end_load();
    EXPECT_EQUAL(metrics_now().count, made);
    EXPECT(metrics_now().errors >= made / 2 - CALLERS && metrics_now().errors <= made / 2);
    EXPECT_EQUAL(metrics_lost(), 0);
    metrics_reset();
    end("metrics", slot);
}

/* SPEC: Y5 R6 */
static void each_call_is_counted_once_over_swaps_behind_the_open_gate(void)
{
    check_metrics_under_load(HAL_GATE_OPEN);
}

/* SPEC: Y5 R6 */
static void each_call_is_counted_once_over_swaps_behind_the_user_gate(void)
{
    check_metrics_under_load(HAL_GATE_USER);
}

/* SPEC: R5 */
static void what_was_measured_goes_to_a_coarser_version_and_back(void)
{
    struct slot *slot = begin("metrics", "hook.metrics", HAL_GATE_OPEN);
    struct call_metrics before;
    struct call_metrics after;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    call_many(FEW);
    before = metrics_now();
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQUAL(modules_swap(slot, "metrics", i % 2 == 0 ? &old_version : NULL), HX_OK);
        after = metrics_now();
        EXPECT_EQUAL(after.count, before.count);
        EXPECT_EQUAL(after.errors, before.errors);
        EXPECT_EQUAL(after.total_ns, before.total_ns);
        EXPECT_EQUAL(after.min_ns, before.min_ns);
        EXPECT_EQUAL(after.max_ns, before.max_ns);
        /* Two buckets became one, or one two. */
        EXPECT(after.p500_ns >= before.p500_ns / 8 * 6 && after.p500_ns <= before.p500_ns * 10 / 8);
    }
    metrics_reset();
    end("metrics", slot);
}

/* Doom what is in a slot as soon as somebody is inside. */
static void kill(struct slot *slot)
{
    (void)instance_doom(slot_instance(slot), DEATH_ASSERTION, 0, 0, 0);
}

/* SPEC: Y7 R9 */
static void who_dies_on_trial_leaves_no_call_uncounted(void)
{
    struct slot *slot = begin("metrics", "hook.metrics", HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    call_many(FEW);
    modules_set_options(slot, &long_trial);
    EXPECT_EQUAL(modules_swap(slot, "metrics", &old_version), HX_OK);
    call_many(FEW);
    EXPECT_EQUAL(metrics_now().count, 2 * FEW); /* some of them in the one on trial */
    call_many(FEW);
    kill(slot);
    call_many(FEW);
    EXPECT_EQUAL(metrics_now().count, 4 * FEW);
    EXPECT(string_equal(modules_content_of(slot).version, "1.1.0"));
    EXPECT_EQUAL(metrics_lost(), 0);
    metrics_reset();
    end("metrics", slot);
}

/* SPEC: Y7 */
static void with_no_module_calls_go_on_and_are_counted_as_lost(void)
{
    struct slot *slot = begin("metrics", "hook.metrics", HAL_GATE_OPEN);
    struct call_metrics metrics;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    start_load();
    thread_sleep(HAL_NS_PER_MS);
    kill(slot);
    thread_sleep(HAL_NS_PER_MS);
    EXPECT(end_load() > 0);
    call_many(10 * FEW); /* more than there is room for */
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_ENOENT);
    EXPECT(metrics_untold() > 0);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    metrics_reset();
    EXPECT_EQUAL(metrics_untold(), 0);
    call_many(FEW);
    EXPECT_EQUAL(metrics_now().count, FEW);
    metrics_reset();
    end("metrics", slot);
}

/* SPEC: R6 */
static void what_ends_while_the_slot_is_empty_is_told_to_the_next_module(void)
{
    struct slot *slot = begin("metrics", "hook.metrics", HAL_GATE_OPEN);
    struct call_metrics metrics;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    EXPECT_EQUAL(modules_unload(slot), HX_OK);
    call_many(10); /* less than there is room for */
    EXPECT_EQUAL(metrics_read(NUMBER, &metrics), HX_ENOENT);
    EXPECT_EQUAL(modules_swap(slot, "metrics", NULL), HX_OK);
    EXPECT_EQUAL(metrics_now().count, 10);
    EXPECT_EQUAL(metrics_now().errors, 5);
    EXPECT_EQUAL(metrics_lost(), 0);
    metrics_reset();
    end("metrics", slot);
}

/* --- audit ------------------------------------------------------------------------------------ */

/* Read what there is, at most so many records: calls may be made faster than they are read. */
static uint64_t read_some(struct audit_reader *reader, uint32_t limit)
{
    struct audit_record record;
    uint64_t read = 0;

    while (read < limit && audit_read(reader, &record) == HX_OK) {
        EXPECT_EQUAL(record.number, NUMBER);
        read++;
    }
    return read;
}

static uint64_t read_all(struct audit_reader *reader)
{
    return read_some(reader, UINT32_MAX);
}

static void check_audit_under_load(enum hal_gate_backend backend)
{
    struct slot *slot = begin("audit", "hook.audit", backend);
    struct audit_reader reader;
    uint64_t read = 0;
    uint32_t made;

    if (slot == NULL) {
        return;
    }
    audit_open(&reader, false, 0);
    start_load();
    for (unsigned i = 0; i < SWAPS; i++) {
        EXPECT_EQUAL(modules_swap(slot, "audit", i % 2 == 0 ? &old_version : NULL), HX_OK);
        read += read_some(&reader, FEW);
    }
    EXPECT(read > 0);
    made = end_load();
    read += read_all(&reader);
    EXPECT_EQUAL(read + reader.dropped, made);
    EXPECT_EQUAL(audit_statistics().lost, lost_before);
    end("audit", slot);
}

/* SPEC: Y5 R6 */
static void each_call_is_recorded_once_over_swaps_behind_the_open_gate(void)
{
    check_audit_under_load(HAL_GATE_OPEN);
}

/* SPEC: Y5 R6 */
static void each_call_is_recorded_once_over_swaps_behind_the_user_gate(void)
{
    check_audit_under_load(HAL_GATE_USER);
}

/* So many calls with results that count down from -5000; what of them is read must be the newest.
 */
static void call_in_order(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        EXPECT_EQUAL(call(-5000 - (int64_t)i), -5000 - (int64_t)i);
    }
}

static uint64_t read_in_order(struct audit_reader *reader)
{
    struct audit_record record = {0};
    uint64_t read = 0;

    while (audit_read(reader, &record) == HX_OK) {
        EXPECT_EQUAL(record.number, NUMBER);
        EXPECT_EQUAL(record.result, -5000 - (int64_t)(reader->dropped + read));
        read++;
    }
    return read;
}

static void check_what_is_left(struct slot *slot, uint32_t made, uint64_t left)
{
    struct audit_reader reader;

    audit_open(&reader, false, 0);
    call_in_order(made);
    EXPECT(audit_has_record(&reader)); /* all are handed over, that is */
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQUAL(modules_swap(slot, "audit", i % 2 == 0 ? &old_version : NULL), HX_OK);
    }
    EXPECT_EQUAL(read_in_order(&reader), left);
    EXPECT_EQUAL(reader.dropped, made - left);
}

/* On one CPU, so that all records are in one ring. SPEC: R5 */
static void records_go_to_a_version_with_a_smaller_ring_and_back(void)
{
    uint64_t affinity = thread_current()->affinity;
    struct slot *slot = begin("audit", "hook.audit", HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(thread_set_own_affinity(1ULL << crew_cpu(0)), HX_OK);
    check_what_is_left(slot, AUDIT_RING_SIZE / 2, AUDIT_RING_SIZE / 2);
    check_what_is_left(slot, 3 * AUDIT_RING_SIZE / 2, AUDIT_RING_SIZE);
    EXPECT_EQUAL(thread_set_own_affinity(affinity), HX_OK);
    end("audit", slot);
}

/* SPEC: Y5 Y7 */
static void records_that_die_with_their_module_are_counted(void)
{
    struct slot *slot = begin("audit", "hook.audit", HAL_GATE_OPEN);
    struct audit_reader reader;
    uint64_t read;

    if (slot == NULL) {
        return;
    }
    audit_open(&reader, false, 0);
    call_many(FEW);
    EXPECT(audit_has_record(&reader)); /* handed over, that is */
    kill(slot);
    call_many(FEW);
    EXPECT(!audit_has_record(&reader));
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    call_many(FEW);
    read = read_all(&reader);
    EXPECT(read >= FEW && reader.dropped >= 1);
    EXPECT_EQUAL(read + reader.dropped + audit_statistics().lost - lost_before, 3 * FEW);
    end("audit", slot);
}

/* --- security --------------------------------------------------------------------------------- */

static void replace(const char *text)
{
    static char error[POLICY_ERROR_MAX];

    EXPECT_EQUAL(hooks_policy_replace(text, string_length(text), error, sizeof(error)), HX_OK);
}

static void keep_being_refused(void *argument)
{
    uint32_t made = 0;

    (void)argument;
    while (!atomic_load_explicit(&shall_stop, memory_order_relaxed)) {
        if (call(1) != -EACCES) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        if (++made % TURN == 0) {
            thread_yield();
        }
    }
    atomic_fetch_add_explicit(&calls_made, made, memory_order_relaxed);
}

static void check_security_under_load(enum hal_gate_backend backend)
{
    struct slot *slot = begin("security", "hook.security", backend);
    struct security_statistics before = security_statistics();
    struct security_statistics after;
    uint32_t made;

    if (slot == NULL) {
        return;
    }
    replace("call test_modules nobody EACCES\n");
    start_load_of(keep_being_refused);
    swap_often(slot, "security");
    made = end_load();
    after = security_statistics();
    EXPECT(made > 0 && after.refused - before.refused == made);
    EXPECT_EQUAL(after.alone, before.alone);
    replace("");
    end("security", slot);
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

/* Unknown to version 1.0, which leaves them as they are. SPEC: R5 */
static void counts_of_refusals_outlive_a_version_that_does_not_know_them(void)
{
    struct slot *slot = begin("security", "hook.security", HAL_GATE_OPEN);
    uint64_t refused = security_refused_of(SYSCALL_CLASS_NATIVE);

    if (slot == NULL) {
        return;
    }
    replace("class native nobody\n");
    EXPECT_EQUAL(call(1), -(int64_t)EPERM);
    EXPECT_EQUAL(security_refused_of(SYSCALL_CLASS_NATIVE), refused + 1);
    EXPECT_EQUAL(modules_swap(slot, "security", &old_version), HX_OK);
    EXPECT_EQUAL(security_refused_of(SYSCALL_CLASS_NATIVE), 0);
    EXPECT_EQUAL(call(1), -(int64_t)EPERM);
    EXPECT_EQUAL(modules_swap(slot, "security", NULL), HX_OK);
    EXPECT_EQUAL(call(1), -(int64_t)EPERM);
    EXPECT_EQUAL(security_refused_of(SYSCALL_CLASS_NATIVE), refused + 2);
    replace("");
    end("security", slot);
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
    result = call(42);
    act_for(0);
    return result;
}

/* Judging calls nothing of the kernel, where a doomed instance ends: make it do what does. */
static void kill_judge(struct slot *slot)
{
    kill(slot);
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
    struct slot *slot = begin("security", "hook.security", HAL_GATE_OPEN);
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
    end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
    EXPECT_EQUAL(capability_subject_destroy(subject), HX_OK);
    capability_settle();
}

/* A policy that came in the trial is in force after it. SPEC: R9 */
static void a_policy_given_to_one_on_trial_outlives_its_death(void)
{
    struct slot *slot = begin("security", "hook.security", HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    modules_set_options(slot, &long_trial);
    EXPECT_EQUAL(modules_swap(slot, "security", &old_version), HX_OK);
    replace("call test_modules nobody EACCES\n");
    EXPECT_EQUAL(call(1), -(int64_t)EACCES);
    kill_judge(slot);
    EXPECT_EQUAL(call(1), -(int64_t)EACCES);
    EXPECT(string_equal(modules_content_of(slot).version, "1.1.0"));
    replace("");
    end("security", slot);
    EXPECT_EQUAL(hooks_set("security", true), HX_OK);
}

const struct selftest subsys_hooks_modules_tests[] = {
    {TEST(each_call_is_counted_once_over_swaps_behind_the_open_gate), SELFTEST_KEEPS_MEMORY},
    {TEST(each_call_is_counted_once_over_swaps_behind_the_user_gate),
     SELFTEST_KEEPS_MEMORY | SELFTEST_METAL_ONLY},
    {TEST(what_was_measured_goes_to_a_coarser_version_and_back), SELFTEST_KEEPS_MEMORY},
    {TEST(who_dies_on_trial_leaves_no_call_uncounted), SELFTEST_KEEPS_MEMORY},
    {TEST(with_no_module_calls_go_on_and_are_counted_as_lost), SELFTEST_KEEPS_MEMORY},
    {TEST(what_ends_while_the_slot_is_empty_is_told_to_the_next_module), SELFTEST_KEEPS_MEMORY},
    {TEST(each_call_is_recorded_once_over_swaps_behind_the_open_gate), SELFTEST_KEEPS_MEMORY},
    {TEST(each_call_is_recorded_once_over_swaps_behind_the_user_gate),
     SELFTEST_KEEPS_MEMORY | SELFTEST_METAL_ONLY},
    {TEST(records_go_to_a_version_with_a_smaller_ring_and_back), SELFTEST_KEEPS_MEMORY},
    {TEST(records_that_die_with_their_module_are_counted), SELFTEST_KEEPS_MEMORY},
    {TEST(who_is_refused_is_refused_over_swaps_behind_the_open_gate), SELFTEST_KEEPS_MEMORY},
    {TEST(who_is_refused_is_refused_over_swaps_behind_the_user_gate),
     SELFTEST_KEEPS_MEMORY | SELFTEST_METAL_ONLY},
    {TEST(counts_of_refusals_outlive_a_version_that_does_not_know_them), SELFTEST_KEEPS_MEMORY},
    {TEST(with_no_module_only_who_may_load_one_makes_calls_that_are_kept), SELFTEST_KEEPS_MEMORY},
    {TEST(a_policy_given_to_one_on_trial_outlives_its_death), SELFTEST_KEEPS_MEMORY},
    {0},
};
