/* The ladder, rule by rule. test_ladder_model.c compares it with a model. */
#include <core/self_heal/ladder.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MS 1000000ULL

/* A letter for each rung: nothing, with State, Clean, Previous version, Backup, Quarantine, panic.
 */
static const char letters[] = "-SCPBQX";

struct subject {
    struct ladder ladder;
    struct heal_policy policy;
    struct ladder_means means;
    struct ladder_decision decision;
    uint64_t now_ns;
    heal_fingerprint fault;
};

static struct subject subject_with(struct ladder_means means)
{
    return (struct subject){
        .policy = heal_policy_default(), .means = means, .now_ns = 1000 * MS, .fault = 1};
}

static struct subject subject_with_all(void)
{
    return subject_with((struct ladder_means){
        .checkpoints = {9, 7, 4}, .has_previous_version = true, .has_backup = true});
}

static char die_of(struct subject *subject, heal_fingerprint fault)
{
    subject->decision =
        ladder_died(&subject->ladder, &subject->policy, &subject->means, fault, subject->now_ns);
    return letters[subject->decision.rung];
}

/* Of another fault each time. */
static char die(struct subject *subject)
{
    return die_of(subject, subject->fault++);
}

static char give_up(struct subject *subject)
{
    subject->decision =
        ladder_failed(&subject->ladder, &subject->policy, &subject->means, subject->now_ns);
    return letters[subject->decision.rung];
}

/* At the earliest moment. */
static void recover(struct subject *subject)
{
    subject->now_ns = subject->decision.not_before_ns;
    ladder_recovered(&subject->ladder, subject->now_ns);
}

static char recover_and_die(struct subject *subject)
{
    recover(subject);
    return die(subject);
}

/* Seen to be well each second for so long. */
static void live(struct subject *subject, uint64_t seconds)
{
    for (uint64_t i = 0; i <= seconds; i++) {
        ladder_is_well(&subject->ladder, &subject->policy, subject->now_ns + i * 1000 * MS);
    }
    subject->now_ns += seconds * 1000 * MS;
}

static void wait_ms(struct subject *subject, uint64_t ms)
{
    subject->now_ns += ms * MS;
}

/* --- the table -------------------------------------------------------------------------------- */

/* For each combination of means: where failure after failure leads, and death after death. */
struct row {
    bool has_checkpoint;
    bool has_previous;
    bool has_backup;
    bool is_essential;
    const char *failing;
    const char *dying;
};

static const struct row table[] = {
    {0, 0, 0, 0, "CQQ", "CCCQQ"},      {0, 0, 0, 1, "CXX", "CCCXX"},
    {0, 0, 1, 0, "CBQQ", "CCCBQQ"},    {0, 0, 1, 1, "CBXX", "CCCBXX"},
    {0, 1, 0, 0, "CPQQ", "CCCPQQ"},    {0, 1, 0, 1, "CPXX", "CCCPXX"},
    {0, 1, 1, 0, "CPBQQ", "CCCPBQQ"},  {0, 1, 1, 1, "CPBXX", "CCCPBXX"},
    {1, 0, 0, 0, "SCQQ", "SSCQQ"},     {1, 0, 0, 1, "SCXX", "SSCXX"},
    {1, 0, 1, 0, "SCBQQ", "SSCBQQ"},   {1, 0, 1, 1, "SCBXX", "SSCBXX"},
    {1, 1, 0, 0, "SCPQQ", "SSCPQQ"},   {1, 1, 0, 1, "SCPXX", "SSCPXX"},
    {1, 1, 1, 0, "SCPBQQ", "SSCPBQQ"}, {1, 1, 1, 1, "SCPBXX", "SSCPBXX"},
};

static struct ladder_means means_of(const struct row *row)
{
    return (struct ladder_means){.checkpoints = {row->has_checkpoint ? 5 : 0},
                                 .has_previous_version = row->has_previous,
                                 .has_backup = row->has_backup,
                                 .is_essential = row->is_essential};
}

static void expect_trace(struct subject *subject, char (*next)(struct subject *), const char *trace)
{
    char found[32] = {die(subject)};

    for (size_t i = 1; i < strlen(trace); i++) {
        found[i] = next(subject);
    }
    assert_string_equal(found, trace);
}

/* SPEC: H4 */
static void failures_and_deaths_lead_down_the_rungs_that_there_are(void **unused)
{
    (void)unused;
    assert_int_equal(sizeof(table) / sizeof(table[0]), 16);
    for (size_t i = 0; i < 16; i++) {
        struct subject failing = subject_with(means_of(&table[i]));
        struct subject dying = subject_with(means_of(&table[i]));

        expect_trace(&failing, give_up, table[i].failing);
        expect_trace(&dying, recover_and_die, table[i].dying);
    }
}

/* SPEC: H4 */
static void each_rung_has_a_name_and_a_kind(void **unused)
{
    static const char *const names[] = {
        "none",   "restart with state", "restart clean", "previous version",
        "backup", "quarantine",         "panic"};
    static const enum heal_kind kinds[] = {
        HEAL_KIND_NONE,     HEAL_KIND_RESTART, HEAL_KIND_RESTART, HEAL_KIND_FAILOVER,
        HEAL_KIND_FAILOVER, HEAL_KIND_LAST,    HEAL_KIND_LAST};

    (void)unused;
    assert_int_equal(HEAL_RUNG_COUNT, sizeof(names) / sizeof(names[0]));
    for (unsigned i = 0; i < HEAL_RUNG_COUNT; i++) {
        assert_string_equal(heal_rung_name((enum heal_rung)i), names[i]);
        assert_int_equal(heal_rung_kind((enum heal_rung)i), kinds[i]);
    }
}

/* SPEC: H2 */
static void as_many_restarts_are_tried_as_the_policy_says(void **unused)
{
    static const char *const traces[] = {"PBQ", "SPBQ", "SCPBQ", "SSCPBQ", "SSSCPBQ", "SSSSCPBQ"};

    (void)unused;
    for (unsigned attempts = 0; attempts < sizeof(traces) / sizeof(traces[0]); attempts++) {
        struct subject subject = subject_with_all();

        subject.policy.attempts = attempts;
        expect_trace(&subject, recover_and_die, traces[attempts]);
    }
}

/* SPEC: H4 */
static void attempts_are_numbered(void **unused)
{
    static const unsigned expected[] = {1, 2, 3, 1, 1, 1};
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die(&subject);
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(subject.decision.attempt, expected[i]);
        (void)recover_and_die(&subject);
    }
}

/* SPEC: H4 */
static void what_came_too_late_is_not_climbed_back_to(void **unused)
{
    struct subject subject = subject_with((struct ladder_means){0});

    (void)unused;
    assert_int_equal(die(&subject), 'C');
    subject.means.checkpoints[0] = 3;
    assert_int_equal(recover_and_die(&subject), 'C');
    assert_int_equal(subject.decision.checkpoint, 0);
}

/* SPEC: H4 */
static void a_failure_of_nothing_changes_nothing(void **unused)
{
    struct subject subject = subject_with_all();
    struct ladder before = subject.ladder;

    (void)unused;
    assert_int_equal(give_up(&subject), '-');
    assert_memory_equal(&subject.ladder, &before, sizeof(before));
    ladder_recovered(&subject.ladder, subject.now_ns);
    assert_memory_equal(&subject.ladder, &before, sizeof(before));
}

/* SPEC: H2 */
static void a_recovery_has_the_policys_time_from_when_it_may_begin(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die(&subject);
    assert_int_equal(subject.decision.not_before_ns, subject.now_ns);
    assert_int_equal(subject.decision.deadline_ns, subject.now_ns + 5000 * MS);
    (void)recover_and_die(&subject);
    assert_int_equal(subject.decision.deadline_ns, subject.decision.not_before_ns + 5000 * MS);
    subject.now_ns = subject.decision.deadline_ns;
    (void)give_up(&subject);
    assert_int_equal(subject.decision.not_before_ns, subject.now_ns);
    assert_int_equal(subject.decision.deadline_ns, subject.now_ns + 5000 * MS);
}

/* --- cooldown --------------------------------------------------------------------------------- */

static uint64_t delay_ms(const struct subject *subject)
{
    return (subject->decision.not_before_ns - subject->now_ns) / MS;
}

/* SPEC: H3 H7 */
static void the_cooldown_delays_doubles_and_is_bounded(void **unused)
{
    static const uint64_t delays_ms[] = {0,     2000,  4000,  8000,  16000, 32000,
                                         50000, 50000, 50000, 50000, 50000, 50000};
    struct subject subject = subject_with_all();

    (void)unused;
    subject.policy.attempts = 100;
    subject.policy.window = 86400000 * MS;
    subject.policy.cooldown_most = 50000 * MS;
    (void)die(&subject);
    for (unsigned i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
        assert_int_equal(delay_ms(&subject), delays_ms[i]);
        (void)recover_and_die(&subject);
    }
}

/* SPEC: H3 */
static void the_cooldown_runs_from_the_end_of_the_last_recovery(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die(&subject);
    recover(&subject);
    wait_ms(&subject, 1500);
    (void)die(&subject);
    assert_int_equal(delay_ms(&subject), 500);
    recover(&subject);
    wait_ms(&subject, 4000);
    (void)die(&subject);
    assert_int_equal(delay_ms(&subject), 0);
}

/* SPEC: H7 */
static void a_new_instance_that_dies_on_its_way_up_is_cooled_down_too(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die(&subject);
    wait_ms(&subject, 10);
    (void)die(&subject);
    assert_int_equal(delay_ms(&subject), 2000);
    subject.now_ns = subject.decision.not_before_ns;
    (void)die(&subject);
    assert_int_equal(delay_ms(&subject), 4000);
}

/* SPEC: H7 */
static void deaths_slide_out_of_the_window(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    subject.policy.attempts = 100;
    subject.policy.window = 10000 * MS;
    (void)die(&subject);
    recover(&subject);
    wait_ms(&subject, 6000);
    (void)die(&subject);
    wait_ms(&subject, 3000);
    ladder_recovered(&subject.ladder, subject.now_ns);
    wait_ms(&subject, 1000);
    (void)die(&subject); /* the first is exactly as old as the window: three count */
    assert_int_equal(delay_ms(&subject), 4000 - 1000);
    ladder_recovered(&subject.ladder, subject.now_ns);
    wait_ms(&subject, 1);
    (void)die(&subject); /* the first is out: three count again */
    assert_int_equal(delay_ms(&subject), 4000 - 1);
    subject.now_ns = subject.decision.not_before_ns + 20000 * MS;
    ladder_recovered(&subject.ladder, subject.now_ns);
    (void)die(&subject); /* all are out: the cooldown is the first one again */
    assert_int_equal(delay_ms(&subject), 2000);
}

/* SPEC: H7 */
static void what_is_last_is_done_at_once(void **unused)
{
    struct subject subject = subject_with((struct ladder_means){0});

    (void)unused;
    subject.policy.attempts = 1;
    (void)die(&subject);
    assert_int_equal(recover_and_die(&subject), 'Q');
    assert_int_equal(delay_ms(&subject), 0);
}

/* SPEC: H2 H7 */
static void with_the_defaults_a_crash_loop_ends_within_the_window(void **unused)
{
    struct subject subject = subject_with_all();
    uint64_t began_ns = subject.now_ns;

    (void)unused;
    expect_trace(&subject, recover_and_die, "SSCPBQ");
    assert_int_equal(subject.now_ns - began_ns, (2000 + 4000 + 8000 + 16000) * MS);
    assert_true(subject.now_ns - began_ns <= subject.policy.window);
}

/* --- being well ------------------------------------------------------------------------------- */

/* SPEC: H3 */
static void a_long_healthy_time_brings_the_top_back(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die(&subject);
    (void)recover_and_die(&subject);
    assert_int_equal(recover_and_die(&subject), 'C');
    recover(&subject);
    live(&subject, 30);
    assert_int_equal(die(&subject), 'S');
    assert_int_equal(subject.decision.attempt, 1);
}

/* SPEC: H3 */
static void a_healthy_time_that_is_too_short_or_broken_brings_nothing_back(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die(&subject);
    recover(&subject);
    live(&subject, 29);
    assert_int_equal(die(&subject), 'S');
    assert_int_equal(subject.decision.attempt, 2);
    recover(&subject);
    live(&subject, 29);
    ladder_is_unwell(&subject.ladder);
    live(&subject, 29);
    assert_int_equal(die(&subject), 'C');
    assert_int_equal(subject.decision.attempt, 3);
}

/* SPEC: H3 */
static void looks_during_a_recovery_and_the_time_before_it_do_not_count(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    live(&subject, 29);
    (void)die(&subject);
    live(&subject, 40);
    ladder_recovered(&subject.ladder, subject.now_ns);
    live(&subject, 29);
    (void)die(&subject);
    assert_int_equal(subject.decision.attempt, 2);
}

/* SPEC: H3 */
static void a_quarantine_ends_by_hand_only(void **unused)
{
    struct subject subject = subject_with((struct ladder_means){0});

    (void)unused;
    subject.policy.attempts = 0;
    assert_int_equal(die(&subject), 'Q');
    recover(&subject);
    live(&subject, 100);
    assert_int_equal(die(&subject), 'Q');
    ladder_forget(&subject.ladder);
    subject.policy.attempts = 1;
    assert_int_equal(die(&subject), 'C');
    assert_int_equal(delay_ms(&subject), 0);
}

/* --- poisoned states -------------------------------------------------------------------------- */

static void expect_restore(const struct subject *subject, uint64_t checkpoint, uint64_t poisoned)
{
    assert_int_equal(subject->decision.checkpoint, checkpoint);
    assert_int_equal(subject->decision.quarantine, poisoned);
}

/* SPEC: H8 */
static void the_same_fault_after_a_restore_leads_to_older_states_then_to_none(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    subject.policy.attempts = 10;
    assert_int_equal(die_of(&subject, 77), 'S');
    expect_restore(&subject, 9, 0);
    recover(&subject);
    assert_int_equal(die_of(&subject, 77), 'S');
    expect_restore(&subject, 7, 9);
    recover(&subject);
    assert_int_equal(die_of(&subject, 77), 'S');
    expect_restore(&subject, 4, 7);
    recover(&subject);
    assert_int_equal(die_of(&subject, 77), 'C');
    expect_restore(&subject, 0, 4);
    recover(&subject);
    assert_int_equal(die_of(&subject, 77), 'C');
    expect_restore(&subject, 0, 0);
}

/* SPEC: H8 */
static void with_the_default_attempts_a_poisoned_state_ends_in_a_clean_restart(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    assert_int_equal(die_of(&subject, 77), 'S');
    recover(&subject);
    assert_int_equal(die_of(&subject, 77), 'S');
    expect_restore(&subject, 7, 9);
    recover(&subject);
    assert_int_equal(die_of(&subject, 77), 'C');
    expect_restore(&subject, 0, 7);
}

/* SPEC: H8 */
static void what_was_kept_after_the_restore_is_poisoned_with_it(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die_of(&subject, 77);
    recover(&subject);
    memcpy(subject.means.checkpoints, (uint64_t[]){11, 10, 9, 7}, 4 * sizeof(uint64_t));
    assert_int_equal(die_of(&subject, 77), 'S');
    expect_restore(&subject, 7, 9);
}

/* SPEC: H8 */
static void another_fault_or_an_unknown_one_poisons_nothing(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    subject.policy.attempts = 10;
    (void)die_of(&subject, 77);
    recover(&subject);
    (void)die_of(&subject, 78);
    expect_restore(&subject, 9, 0);
    recover(&subject);
    (void)die_of(&subject, 0);
    expect_restore(&subject, 9, 0);
    recover(&subject);
    (void)die_of(&subject, 0);
    expect_restore(&subject, 9, 0);
}

/* SPEC: H8 */
static void a_state_that_kills_who_takes_it_in_is_found_too(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die_of(&subject, 77);
    (void)die_of(&subject, 77);
    expect_restore(&subject, 7, 9);
}

/* SPEC: H8 */
static void after_a_healthy_time_or_a_clean_restart_the_same_fault_poisons_nothing(void **unused)
{
    struct subject subject = subject_with_all();

    (void)unused;
    (void)die_of(&subject, 77);
    recover(&subject);
    live(&subject, 30);
    (void)die_of(&subject, 77);
    expect_restore(&subject, 9, 0);
    assert_int_equal(give_up(&subject), 'C');
    recover(&subject);
    (void)die_of(&subject, 77);
    expect_restore(&subject, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_and_deaths_lead_down_the_rungs_that_there_are),
        cmocka_unit_test(each_rung_has_a_name_and_a_kind),
        cmocka_unit_test(as_many_restarts_are_tried_as_the_policy_says),
        cmocka_unit_test(attempts_are_numbered),
        cmocka_unit_test(what_came_too_late_is_not_climbed_back_to),
        cmocka_unit_test(a_failure_of_nothing_changes_nothing),
        cmocka_unit_test(a_recovery_has_the_policys_time_from_when_it_may_begin),
        cmocka_unit_test(the_cooldown_delays_doubles_and_is_bounded),
        cmocka_unit_test(the_cooldown_runs_from_the_end_of_the_last_recovery),
        cmocka_unit_test(a_new_instance_that_dies_on_its_way_up_is_cooled_down_too),
        cmocka_unit_test(deaths_slide_out_of_the_window),
        cmocka_unit_test(what_is_last_is_done_at_once),
        cmocka_unit_test(with_the_defaults_a_crash_loop_ends_within_the_window),
        cmocka_unit_test(a_long_healthy_time_brings_the_top_back),
        cmocka_unit_test(a_healthy_time_that_is_too_short_or_broken_brings_nothing_back),
        cmocka_unit_test(looks_during_a_recovery_and_the_time_before_it_do_not_count),
        cmocka_unit_test(a_quarantine_ends_by_hand_only),
        cmocka_unit_test(the_same_fault_after_a_restore_leads_to_older_states_then_to_none),
        cmocka_unit_test(with_the_default_attempts_a_poisoned_state_ends_in_a_clean_restart),
        cmocka_unit_test(what_was_kept_after_the_restore_is_poisoned_with_it),
        cmocka_unit_test(another_fault_or_an_unknown_one_poisons_nothing),
        cmocka_unit_test(a_state_that_kills_who_takes_it_in_is_found_too),
        cmocka_unit_test(after_a_healthy_time_or_a_clean_restart_the_same_fault_poisons_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
