/* Capabilities in every schedule with a few preemptions: revocation against check, reuse, reclaim.
 */
#include <core/capability/capability.h>
#include <kern/read_section.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <tests/explore/explore.h>
#include <tests/explore/history.h>

#include <cmocka.h>

/*
 * The table's seeds are EXPLORE_ENTROPY. So the hash of the first resource is 0 for every subject:
 * all grants on it are in one chain. That of the other one is its bits 16 and up: they are in
 * another.
 */
#define RESOURCE EXPLORE_ENTROPY
#define OTHER    (EXPLORE_ENTROPY ^ 1ULL << 48)
#define RIGHTS   ((uint64_t)PERMISSION_READ | PERMISSION_DELEGATE)

/* --- the specification ------------------------------------------------------------------------ */

enum { KERNEL, ALICE, BOB, CAROL, SUBJECTS };

enum { DELEGATE, REVOKE, END, CHECK, CHECK_HANDLE };

#define GRANTS_MAX 6U
#define NO_ORIGIN  UINT8_MAX

struct grant_state {
    uint8_t to;
    uint8_t origin;
    bool is_revoked;
};

/* Grants in the order in which they were made. */
struct broker_state {
    struct grant_state grants[GRANTS_MAX];
    unsigned count;
};

static bool is_held(const struct broker_state *state, unsigned grant)
{
    while (grant != NO_ORIGIN) {
        if (state->grants[grant].is_revoked) {
            return false;
        }
        grant = state->grants[grant].origin;
    }
    return true;
}

/* The subject's oldest grant that is held, NO_ORIGIN: none. */
static unsigned find_held(const struct broker_state *state, uint64_t subject)
{
    for (unsigned i = 0; i < state->count; i++) {
        if (state->grants[i].to == subject && is_held(state, i)) {
            return i;
        }
    }
    return NO_ORIGIN;
}

/* argument: who gives, and to whom. */
static bool apply_delegate(struct broker_state *state, const struct operation *operation)
{
    uint64_t from = operation->argument / SUBJECTS;
    unsigned origin = from == KERNEL ? NO_ORIGIN : find_held(state, from);

    if (from != KERNEL && origin == NO_ORIGIN) {
        return operation->error == HX_EPERM;
    }
    state->grants[state->count++] = (struct grant_state){
        .to = (uint8_t)(operation->argument % SUBJECTS), .origin = (uint8_t)origin};
    return operation->error == HX_OK;
}

static bool apply_revoke(struct broker_state *state, uint64_t subject, hx_err error)
{
    unsigned revoked = 0;

    for (unsigned i; (i = find_held(state, subject)) != NO_ORIGIN; revoked++) {
        state->grants[i].is_revoked = true;
    }
    return error == (revoked != 0 ? HX_OK : HX_ENOENT);
}

static bool apply(void *broker, const struct operation *operation)
{
    struct broker_state *state = broker;
    uint64_t argument = operation->argument;

    switch (operation->kind) {
    case DELEGATE:
        return apply_delegate(state, operation);
    case REVOKE:
        return apply_revoke(state, argument, operation->error);
    case END:
        (void)apply_revoke(state, argument, HX_OK);
        return operation->error == HX_OK;
    case CHECK:
        return operation->value == (find_held(state, argument) != NO_ORIGIN);
    default:
        return operation->value == is_held(state, (unsigned)argument);
    }
}

static void print(const struct operation *operation)
{
    static const char *const names[] = {"delegate", "revoke", "end", "check", "check handle"};

    printf("%s %lu: %s %lu", names[operation->kind], operation->argument,
           hx_error_name(operation->error), operation->value);
}

static const struct specification grants_and_checks = {
    .state_size = sizeof(struct broker_state), .apply = apply, .print = print};

/* --- what the threads do ---------------------------------------------------------------------- */

static subject_id subjects[SUBJECTS];
static capability_handle handles[GRANTS_MAX]; /* of the grants made at the start */
static unsigned handle_count;

static void delegate(unsigned from, unsigned to)
{
    struct operation *operation = history_call(DELEGATE, from * SUBJECTS + to);
    capability_handle handle = CAPABILITY_NONE;
    hx_err error = capability_delegate(subjects[from], subjects[to], RESOURCE, RIGHTS, &handle);

    history_return(operation, error, 0);
    if (handle_count < GRANTS_MAX) {
        handles[handle_count++] = handle;
    }
}

static void revoke(unsigned subject)
{
    struct operation *operation = history_call(REVOKE, subject);
    hx_err error = capability_revoke(subjects[subject], RESOURCE);

    history_return(operation, error, 0);
}

static void end(unsigned subject)
{
    struct operation *operation = history_call(END, subject);
    hx_err error = capability_subject_destroy(subjects[subject]);

    history_return(operation, error, 0);
}

static void check(unsigned subject)
{
    struct operation *operation = history_call(CHECK, subject);
    bool passes = capability_check(subjects[subject], RESOURCE, PERMISSION_READ);

    history_return(operation, HX_OK, passes ? 1 : 0);
}

/* By the handle of the grant that was made as the nth one. */
static void check_handle(unsigned subject, unsigned grant)
{
    struct operation *operation = history_call(CHECK_HANDLE, grant);
    bool passes =
        capability_check_handle(subjects[subject], handles[grant], RESOURCE, PERMISSION_READ);

    history_return(operation, HX_OK, passes ? 1 : 0);
}

static void start(void)
{
    static const char *const names[SUBJECTS] = {"kernel", "alice", "bob", "carol"};

    history_start();
    handle_count = 0;
    read_section_init();
    explore_join_grace_periods(2);
    explore_check(capability_init() == HX_OK, "the broker starts");
    subjects[KERNEL] = SUBJECT_KERNEL;
    for (unsigned i = ALICE; i < SUBJECTS; i++) {
        explore_check(capability_subject_create(names[i], &subjects[i]) == HX_OK,
                      "a subject can be made");
    }
    delegate(KERNEL, ALICE);
}

static void start_with_heir(void)
{
    start();
    delegate(ALICE, BOB);
}

static void start_with_heirs_heir(void)
{
    start_with_heir();
    delegate(BOB, CAROL);
}

static void finish(void)
{
    for (unsigned i = ALICE; i < SUBJECTS; i++) {
        (void)!capability_subject_destroy(subjects[i]);
    }
    capability_settle();
    capability_fini();
    history_check(&grants_and_checks);
}

/* --- in every schedule ------------------------------------------------------------------------ */

static void revoke_alice_then_check_bob(void)
{
    revoke(ALICE);
    check(BOB);
}

static void check_bob_twice(void)
{
    check(BOB);
    check_handle(BOB, 1);
}

/* SPEC: A3 A6 */
static void no_check_passes_after_the_revocation(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "revoke",
        .start = start_with_heir,
        .threads = {revoke_alice_then_check_bob, check_bob_twice},
        .finish = finish,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void revoke_alice(void)
{
    revoke(ALICE);
}

/* Who has seen the revocation does not see what was derived from it. */
static void check_alice_then_carol(void)
{
    check(ALICE);
    check(CAROL);
}

/* SPEC: A3 A6 */
static void what_is_cut_off_stays_so_while_it_is_reclaimed(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "reclaim",
        .start = start_with_heirs_heir,
        .threads = {revoke_alice, check_alice_then_carol},
        .finish = finish,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void delegate_to_bob_and_check(void)
{
    delegate(ALICE, BOB);
    check(BOB);
}

/* SPEC: A2 A3 */
static void a_delegation_comes_before_the_revocation_or_fails(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "delegate",
        .start = start,
        .threads = {revoke_alice, delegate_to_bob_and_check},
        .finish = finish,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void revoke_and_grant_alice(void)
{
    revoke(ALICE);
    delegate(KERNEL, ALICE);
}

static void check_bob(void)
{
    check(BOB);
}

/* SPEC: A3 */
static void a_new_grant_revives_nothing(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "again",
        .start = start_with_heir,
        .threads = {revoke_and_grant_alice, check_bob},
        .finish = finish,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void replace_bobs_by_carols(void)
{
    revoke(BOB);
    capability_settle();
    delegate(ALICE, CAROL);
}

/* SPEC: A6 */
static void a_record_used_again_is_not_the_old_grant(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "reuse",
        .start = start_with_heir,
        .threads = {replace_bobs_by_carols, check_bob},
        .finish = finish,
        .preemptions = 1,
    };

    (void)state;
    explore(&scenario);
}

static void check_bobs_handle(void)
{
    check_handle(BOB, 1);
}

/* SPEC: A6 */
static void a_record_used_again_is_not_found_by_its_old_handle(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "old-handle",
        .start = start_with_heir,
        .threads = {replace_bobs_by_carols, check_bobs_handle},
        .finish = finish,
        .preemptions = 1,
    };

    (void)state;
    explore(&scenario);
}

static void start_with_carol(void)
{
    start();
    delegate(ALICE, CAROL);
}

/* A record that was Carol's on the resource becomes Bob's on another one. */
static void give_carols_record_to_bob(void)
{
    revoke(CAROL);
    capability_settle();
    explore_check(capability_grant(subjects[BOB], OTHER, RIGHTS, NULL) == HX_OK,
                  "there is room for another grant");
}

/* SPEC: A6 */
static void half_an_old_record_and_half_a_new_one_is_no_grant(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "halves",
        .start = start_with_carol,
        .threads = {give_carols_record_to_bob, check_bob},
        .finish = finish,
        .preemptions = 1,
    };

    (void)state;
    explore(&scenario);
}

static void end_alice(void)
{
    end(ALICE);
    check(BOB);
}

/* SPEC: A3 A6 */
static void what_an_ended_subject_gave_ends_with_it(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "end",
        .start = start_with_heir,
        .threads = {end_alice, check_bob},
        .finish = finish,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_check_passes_after_the_revocation),
        cmocka_unit_test(what_is_cut_off_stays_so_while_it_is_reclaimed),
        cmocka_unit_test(a_delegation_comes_before_the_revocation_or_fails),
        cmocka_unit_test(a_new_grant_revives_nothing),
        cmocka_unit_test(a_record_used_again_is_not_the_old_grant),
        cmocka_unit_test(a_record_used_again_is_not_found_by_its_old_handle),
        cmocka_unit_test(half_an_old_record_and_half_a_new_one_is_no_grant),
        cmocka_unit_test(what_an_ended_subject_gave_ends_with_it),
    };

    return cmocka_run_group_tests_name("capabilities explored", tests, NULL, NULL);
}
