/* Metrics and audit as modules: swapped, dying and missing while calls are made. */
#include <base/string.h>
#include <core/gate/gate.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <helix/hook.h>
#include <helix/hook_lies.h>
#include <subsys/hooks/audit.h>
#include <subsys/hooks/metrics.h>
#include <subsys/modules/modules.h>
#include <tests/self/crew.h>
#include <tests/self/hook_load.h>
#include <tests/self/module_slot.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_hooks_modules." #function, function

#define KEPT        20U /* calls, fewer than there is room for */
#define CALLERS_MAX 8U  /* in hook_load.c there are not more */

/* --- metrics ---------------------------------------------------------------------------------- */

static struct call_metrics metrics_now(void)
{
    struct call_metrics metrics = {0};

    EXPECT_EQUAL(metrics_read(HOOK_LOAD_NUMBER, &metrics), HX_OK);
    return metrics;
}

static void check_metrics_under_load(enum hal_gate_backend backend)
{
    struct slot *slot = hook_load_begin("metrics", "hook.metrics", backend);
    uint32_t made;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    hook_load_start(0);
    hook_load_swap_often(slot, "metrics");
    made = hook_load_stop();
    EXPECT_EQUAL(metrics_now().count, made);
    EXPECT(metrics_now().errors >= made / 2 - CALLERS_MAX && metrics_now().errors <= made / 2);
    EXPECT_EQUAL(metrics_lost(), 0);
    metrics_reset();
    hook_load_end("metrics", slot);
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
    struct slot *slot = hook_load_begin("metrics", "hook.metrics", HAL_GATE_OPEN);
    struct call_metrics before;
    struct call_metrics after;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    hook_load_call_many(HOOK_LOAD_FEW);
    before = metrics_now();
    for (unsigned i = 0; i < 4; i++) {
        EXPECT_EQUAL(modules_swap(slot, "metrics", i % 2 == 0 ? &hook_load_old_version : NULL),
                     HX_OK);
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
    hook_load_end("metrics", slot);
}

/* SPEC: Y7 R9 */
static void who_dies_on_trial_leaves_no_call_uncounted(void)
{
    struct slot *slot = hook_load_begin("metrics", "hook.metrics", HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    hook_load_call_many(HOOK_LOAD_FEW);
    modules_set_options(slot, &hook_load_long_trial);
    EXPECT_EQUAL(modules_swap(slot, "metrics", &hook_load_old_version), HX_OK);
    hook_load_call_many(HOOK_LOAD_FEW);
    EXPECT_EQUAL(metrics_now().count, 2 * HOOK_LOAD_FEW); /* some of them in the one on trial */
    hook_load_call_many(HOOK_LOAD_FEW);
    hook_load_kill(slot);
    hook_load_call_many(HOOK_LOAD_FEW);
    EXPECT_EQUAL(metrics_now().count, 4 * HOOK_LOAD_FEW);
    EXPECT(string_equal(modules_content_of(slot).version, "1.1.0"));
    EXPECT_EQUAL(metrics_lost(), 0);
    metrics_reset();
    hook_load_end("metrics", slot);
}

/* SPEC: Y7 */
static void with_no_module_calls_go_on_and_are_counted_as_lost(void)
{
    struct slot *slot = hook_load_begin("metrics", "hook.metrics", HAL_GATE_OPEN);
    struct call_metrics metrics;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    hook_load_start(0);
    thread_sleep(HAL_NS_PER_MS);
    hook_load_kill(slot);
    thread_sleep(HAL_NS_PER_MS);
    EXPECT(hook_load_stop() > 0);
    hook_load_call_many(10 * HOOK_LOAD_FEW); /* more than there is room for */
    EXPECT_EQUAL(metrics_read(HOOK_LOAD_NUMBER, &metrics), HX_ENOENT);
    EXPECT(metrics_untold() > 0);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    metrics_reset();
    EXPECT_EQUAL(metrics_untold(), 0);
    hook_load_call_many(HOOK_LOAD_FEW);
    EXPECT_EQUAL(metrics_now().count, HOOK_LOAD_FEW);
    metrics_reset();
    hook_load_end("metrics", slot);
}

/* SPEC: R6 */
static void what_ends_while_the_slot_is_empty_is_told_to_the_next_module(void)
{
    struct slot *slot = hook_load_begin("metrics", "hook.metrics", HAL_GATE_OPEN);
    struct call_metrics metrics;

    if (slot == NULL) {
        return;
    }
    metrics_reset();
    EXPECT_EQUAL(modules_unload(slot), HX_OK);
    hook_load_call_many(10); /* less than there is room for */
    EXPECT_EQUAL(metrics_read(HOOK_LOAD_NUMBER, &metrics), HX_ENOENT);
    EXPECT_EQUAL(modules_swap(slot, "metrics", NULL), HX_OK);
    EXPECT_EQUAL(metrics_now().count, 10);
    EXPECT_EQUAL(metrics_now().errors, 5);
    EXPECT_EQUAL(metrics_lost(), 0);
    metrics_reset();
    hook_load_end("metrics", slot);
}

/* --- audit ------------------------------------------------------------------------------------ */

static uint64_t lost_before; /* records, when a test began */

static struct slot *begin_audit(enum hal_gate_backend backend)
{
    lost_before = audit_statistics().lost;
    return hook_load_begin("audit", "hook.audit", backend);
}

/* Read what there is, at most so many records: calls may be made faster than they are read. */
static uint64_t read_some(struct audit_reader *reader, uint32_t limit)
{
    struct audit_record record;
    uint64_t read = 0;

    while (read < limit && audit_read(reader, &record) == HX_OK) {
        EXPECT_EQUAL(record.number, HOOK_LOAD_NUMBER);
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
    struct slot *slot = begin_audit(backend);
    struct audit_reader reader;
    uint64_t read = 0;
    uint32_t made;

    if (slot == NULL) {
        return;
    }
    audit_open(&reader, false, 0);
    hook_load_start(0);
    for (unsigned i = 0; i < HOOK_LOAD_SWAPS; i++) {
        EXPECT_EQUAL(modules_swap(slot, "audit", i % 2 == 0 ? &hook_load_old_version : NULL),
                     HX_OK);
        thread_sleep(HAL_NS_PER_MS / 4); /* of one processor the callers have theirs then */
        read += read_some(&reader, HOOK_LOAD_FEW);
    }
    EXPECT(read > 0);
    made = hook_load_stop();
    read += read_all(&reader);
    EXPECT_EQUAL(read + reader.dropped, made);
    EXPECT_EQUAL(audit_statistics().lost, lost_before);
    hook_load_end("audit", slot);
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
        EXPECT_EQUAL(hook_load_call(-5000 - (int64_t)i), -5000 - (int64_t)i);
    }
}

static uint64_t read_in_order(struct audit_reader *reader)
{
    struct audit_record record = {0};
    uint64_t read = 0;

    while (audit_read(reader, &record) == HX_OK) {
        EXPECT_EQUAL(record.number, HOOK_LOAD_NUMBER);
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
        EXPECT_EQUAL(modules_swap(slot, "audit", i % 2 == 0 ? &hook_load_old_version : NULL),
                     HX_OK);
    }
    EXPECT_EQUAL(read_in_order(&reader), left);
    EXPECT_EQUAL(reader.dropped, made - left);
}

/* On one CPU, so that all records are in one ring. */
/* SPEC: R5 */
static void records_go_to_a_version_with_a_smaller_ring_and_back(void)
{
    uint64_t affinity = thread_affinity(thread_current());
    struct slot *slot = begin_audit(HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(thread_set_own_affinity(1ULL << crew_cpu(0)), HX_OK);
    check_what_is_left(slot, AUDIT_RING_SIZE / 2, AUDIT_RING_SIZE / 2);
    check_what_is_left(slot, 3 * AUDIT_RING_SIZE / 2, AUDIT_RING_SIZE);
    EXPECT_EQUAL(thread_set_own_affinity(affinity), HX_OK);
    hook_load_end("audit", slot);
}

/* SPEC: Y5 Y7 */
static void records_that_die_with_their_module_are_counted(void)
{
    struct slot *slot = begin_audit(HAL_GATE_OPEN);
    struct audit_reader reader;
    uint64_t read;

    if (slot == NULL) {
        return;
    }
    audit_open(&reader, false, 0);
    hook_load_call_many(HOOK_LOAD_FEW);
    EXPECT(audit_has_record(&reader)); /* handed over, that is */
    hook_load_kill(slot);
    hook_load_call_many(HOOK_LOAD_FEW);
    EXPECT(!audit_has_record(&reader));
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    hook_load_call_many(HOOK_LOAD_FEW);
    read = read_all(&reader);
    EXPECT(read >= HOOK_LOAD_FEW && reader.dropped >= 1);
    EXPECT_EQUAL(read + reader.dropped + audit_statistics().lost - lost_before, 3 * HOOK_LOAD_FEW);
    hook_load_end("audit", slot);
}

/* --- lies ------------------------------------------------------------------------------------- */

/* One that takes nothing leaves to the next what others take with them. */
static void check_lie(struct slot *slot, enum hx_hook_lie lie)
{
    uint64_t deaths = modules_content_of(slot).deaths;
    uint64_t kept = lie == HX_HOOK_LIE_BUSY ? KEPT : 0;
    struct audit_reader reader;
    struct audit_record record;

    module_slot_put(slot, "audit_liar", NULL);
    hook_load_call_many(KEPT); /* which this reader does not want */
    audit_open(&reader, false, 0);
    hook_load_call_many(KEPT);
    EXPECT_EQUAL(gate_call(slot, HOOK_READ, HX_HOOK_LIE_ITEM, lie, 0, 0).error, HX_OK);
    EXPECT_EQUAL(audit_read(&reader, &record), HX_EAGAIN);
    EXPECT(module_slot_await_death(slot, deaths));
    module_slot_put(slot, "audit", NULL);
    EXPECT_EQUAL(read_all(&reader), kept);
    hook_load_call_many(KEPT);
    EXPECT_EQUAL(read_all(&reader), KEPT);
    EXPECT_EQUAL(reader.dropped, KEPT - kept);
}

/* SPEC: H5 Y5 */
static void who_tells_of_records_that_cannot_be_or_takes_none_ends(void)
{
    uint64_t affinity = thread_current()->affinity;
    struct slot *slot = begin_audit(HAL_GATE_OPEN);

    if (slot == NULL) {
        return;
    }
    EXPECT_EQUAL(thread_set_own_affinity(1ULL << crew_cpu(0)), HX_OK); /* all in one ring */
    for (unsigned lie = HX_HOOK_LIE_NONE + 1; lie < HX_HOOK_LIE_COUNT; lie++) {
        check_lie(slot, (enum hx_hook_lie)lie);
    }
    EXPECT_EQUAL(thread_set_own_affinity(affinity), HX_OK);
    hook_load_end("audit", slot);
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
    {TEST(who_tells_of_records_that_cannot_be_or_takes_none_ends),
     SELFTEST_KEEPS_MEMORY | SELFTEST_NEEDS_AUDIT_LIAR},
    {0},
};
