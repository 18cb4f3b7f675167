/*
 * Capabilities on a hosted machine with several CPUs, and with many grants.
 */
#include <tests/host/core/capability_machine.h>

#include <core/capability/grant_table.h>
#include <hal/clock.h>

/* --- growth ---------------------------------------------------------------------------------- */

/* Records that a check of this grant looks at. */
static uint32_t chain_length(subject_id id, resource_id resource)
{
    const struct grant_table *table =
        atomic_load_explicit(&grant_table_current, memory_order_acquire);
    uint64_t bucket = grant_table_hash(table, id, resource) & table->mask;
    struct grant *grant = atomic_load_explicit(&table->buckets[bucket], memory_order_acquire);
    uint32_t length = 1;

    while (!grant_is_on(grant, id, resource)) {
        grant = atomic_load_explicit(&grant->next[table->parity], memory_order_acquire);
        length++;
    }
    return length;
}

static void check_chains(subject_id id, uint32_t count)
{
    uint64_t sum = 0;
    uint32_t longest = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = chain_length(id, slot(i));

        CHECK(capability_check(id, slot(i), READ));
        CHECK(!capability_check(id, slot(i), WRITE));
        sum += length;
        longest = length > longest ? length : longest;
    }
    CHECK(sum < (uint64_t)count * 13 / 10);
    CHECK(longest < 16);
}

static void grow_far(void)
{
    uint32_t count = rounds(300000, 1000000);
    subject_id id = subject("owner of much");

    for (uint32_t i = 0; i < count; i++) {
        CHECK(capability_grant(id, slot(i), READ, NULL) == HX_OK);
    }
    capability_settle();
    CHECK(numbers().grants == count && numbers().buckets >= 2ULL * count);
    check_chains(id, count);
    CHECK(!capability_check(id, slot(count), 0));
    CHECK(capability_subject_destroy(id) == HX_OK);
    CHECK(!capability_check(id, slot(7), 0));
    capability_settle();
    CHECK(numbers().grants == 0 && numbers().reclaiming == 0);
    CHECK(numbers().longest <= 64);
}

/* SPEC: A4 A6 */
static void a_check_looks_at_as_many_records_among_a_million_grants(void **state)
{
    (void)state;
    passes_on_one(grow_far);
}

#define HASHED  32768U
#define PATTERN 5U

/* The i-th of a row of subjects and resources as the kernel gives them out. */
static uint64_t hash_of(const struct grant_table *table, uint32_t pattern, uint32_t i)
{
    const subject_id someone = (1ULL << 32) + 5;

    switch (pattern) {
    case 0:
        return grant_table_hash(table, someone, slot(i));
    case 1:
        return grant_table_hash(table, someone, slot((uint64_t)i << 12));
    case 2:
        return grant_table_hash(table, someone, slot((uint64_t)i << 30));
    case 3:
        return grant_table_hash(table, someone + i, slot(0));
    default:
        return grant_table_hash(table, someone + i / 32, slot(i % 32));
    }
}

static uint32_t longest_chain(const struct grant_table *table, uint32_t pattern)
{
    static uint32_t lengths[2 * HASHED];
    uint32_t longest = 0;

    memset(lengths, 0, sizeof lengths);
    for (uint32_t i = 0; i < HASHED; i++) {
        uint32_t length = ++lengths[hash_of(table, pattern, i) & table->mask];

        longest = length > longest ? length : longest;
    }
    return longest;
}

/* SPEC: A4 */
static void no_seed_piles_numbers_in_a_row_into_one_chain(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < rounds(300, 10000); i++) {
        const struct grant_table table = {
            .mask = 2 * HASHED - 1,
            .seeds = {random_u64(), random_u64(), random_u64() | 1ULL << 63}};

        for (uint32_t pattern = 0; pattern < PATTERN; pattern++) {
            /* Thirteen by chance: once in 10^9 tables. */
            assert_in_range(longest_chain(&table, pattern), 1, 12);
        }
    }
}

/* Cycles of revoking a grant from which so many are derived. */
static uint64_t revoke_cycles(subject_id from, subject_id to, uint32_t descendants)
{
    capability_handle root;
    uint64_t cycles;

    CHECK(capability_grant(from, slot(0), READ | DELEGATE, &root) == HX_OK);
    for (uint32_t i = 0; i < descendants; i++) {
        subject_id heir = to;

        if (i % CAPABILITY_SAME_MAX == 0) {
            heir = to = subject("heir");
        }
        CHECK(capability_delegate(from, heir, slot(0), READ, NULL) == HX_OK);
    }
    capability_settle();
    cycles = hal_clock_cycles();
    CHECK(capability_revoke_handle(root) == HX_OK);
    cycles = hal_clock_cycles() - cycles;
    CHECK(!capability_check(to, slot(0), READ));
    capability_settle();
    CHECK(numbers().grants == 0);
    return cycles;
}

static void revoke_large_and_small(void)
{
    subject_id from = subject("root");
    uint64_t least_small = UINT64_MAX;
    uint64_t least_large = UINT64_MAX;

    for (uint32_t i = 0; i < 5; i++) {
        uint64_t small = revoke_cycles(from, subject("heir"), 1);
        uint64_t large = revoke_cycles(from, subject("heir"), 10000);

        least_small = small < least_small ? small : least_small;
        least_large = large < least_large ? large : least_large;
    }
    CHECK(numbers().longest <= 64);
    /* Ten thousand times the grants; caches may cost something. */
    CHECK(least_large < 20 * least_small);
}

/* SPEC: A6 */
static void a_revocation_costs_the_same_whatever_is_derived(void **state)
{
    (void)state;
    passes_on_one(revoke_large_and_small);
}

/* --- races ----------------------------------------------------------------------------------- */

static _Atomic uint32_t done;
static _Atomic bool is_over;

static void start(void (*entry)(void *argument), void *argument)
{
    const struct thread_options options = {.name = "load", .entry = entry, .argument = argument};
    struct thread *thread;

    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
}

static void finish(void)
{
    atomic_fetch_add_explicit(&done, 1, memory_order_release);
}

static void await_done(uint32_t count)
{
    while (atomic_load_explicit(&done, memory_order_acquire) < count) {
        thread_sleep(HAL_NS_PER_MS);
    }
}

/* Asked in loops that otherwise never let another thread run: the port delivers its ticks here. */
static bool is_going_on(void)
{
    hal_cpu_relax();
    return !atomic_load_explicit(&is_over, memory_order_acquire);
}

#define CHAIN      5U
#define ROUND_RING 64U

static subject_id links[CHAIN];
static subject_id side;
static _Atomic uint64_t current_round;
static _Atomic uint64_t
    revoked_round;              /* the witness: revoking all rounds up to this has returned */
static _Atomic uint32_t passes; /* checks that met a round before its end */
static _Atomic uint64_t round_handles[ROUND_RING][CHAIN];

/* Each round has a resource of its own; a chain of delegations on it is made and revoked. */
static void make_and_revoke(void)
{
    for (uint64_t round = 1; round <= rounds(3000, 1000000); round++) {
        for (uint32_t i = 0; i < CHAIN; i++) {
            capability_handle handle;

            CHECK(capability_delegate(i == 0 ? SUBJECT_KERNEL : links[i - 1], links[i], slot(round),
                                      READ | DELEGATE, &handle) == HX_OK);
            atomic_store_explicit(&round_handles[round % ROUND_RING][i], handle,
                                  memory_order_relaxed);
        }
        atomic_store_explicit(&current_round, round, memory_order_release);
        while (atomic_load_explicit(&passes, memory_order_relaxed) == 0) {
            thread_yield(); /* until the race is on */
        }
        if (round % 3 == 0) {
            thread_yield();
        }
        CHECK(capability_revoke(links[0], slot(round)) == HX_OK);
        atomic_store_explicit(&revoked_round, round, memory_order_release);
    }
}

static void watch(void *argument)
{
    (void)argument;
    while (is_going_on()) {
        uint64_t revoked = atomic_load_explicit(&revoked_round, memory_order_acquire);
        uint64_t round = atomic_load_explicit(&current_round, memory_order_acquire);

        for (uint32_t i = 0; i < CHAIN; i++) {
            capability_handle handle =
                atomic_load_explicit(&round_handles[revoked % ROUND_RING][i], memory_order_relaxed);

            CHECK(!capability_check(links[i], slot(revoked), READ));
            /* The ring may hold a later round's already, which this resource does not fit. */
            CHECK(!capability_check_handle(links[i], handle, slot(revoked), READ));
            if (capability_check(links[i], slot(round), READ)) {
                atomic_fetch_add_explicit(&passes, 1, memory_order_relaxed);
            }
        }
        CHECK(revoked == 0 || !capability_check(side, slot(revoked), 0));
    }
    finish();
}

/* Derive from the chain's end while it is being revoked: what comes of it goes with it. */
static void derive(void *argument)
{
    (void)argument;
    while (is_going_on()) {
        uint64_t round = atomic_load_explicit(&current_round, memory_order_acquire);
        bool was_over = atomic_load_explicit(&revoked_round, memory_order_acquire) >= round;
        capability_handle handle;
        hx_err error =
            round == 0 ? HX_EPERM
                       : capability_delegate(links[CHAIN - 1], side, slot(round), READ, &handle);

        CHECK(error == HX_EPERM || error == HX_OK || error == HX_ENOSPC);
        CHECK(!was_over || error == HX_EPERM);
        if (error == HX_OK && atomic_load_explicit(&revoked_round, memory_order_acquire) >= round) {
            CHECK(!capability_check_handle(side, handle, slot(round), 0));
            CHECK(!capability_check(side, slot(round), 0));
        }
    }
    finish();
}

static void race_revocation(void)
{
    for (uint32_t i = 0; i < CHAIN; i++) {
        links[i] = subject("link");
    }
    side = subject("side");
    start(watch, NULL);
    start(watch, NULL);
    start(derive, NULL);
    make_and_revoke();
    atomic_store_explicit(&is_over, true, memory_order_release);
    await_done(3);
    capability_settle();
    CHECK(numbers().grants == 0 && numbers().reclaiming == 0);
}

/* SPEC: A3 A6 */
static void no_check_passes_after_its_revocation_has_returned(void **state)
{
    (void)state;
    passes_on_four(race_revocation);
}

#define STEADY 64U

static subject_id steady;
static capability_handle steady_handles[STEADY];

static void expect_steady(void *argument)
{
    uint64_t which = (uint64_t)(uintptr_t)argument;

    while (is_going_on()) {
        which = (which + 1) % STEADY;
        CHECK(capability_check(steady, slot(which), READ));
        CHECK(capability_check(steady, slot(which), READ | WRITE)); /* of two grants */
        CHECK(!capability_check(steady, slot(which), CONTROL));
        CHECK(capability_check_handle(steady, steady_handles[which], slot(which), READ));
    }
    finish();
}

/* The table grows, and empties, and records are used again, under the checks. */
static void race_growth(void)
{
    steady = subject("steady");
    for (uint32_t i = 0; i < STEADY; i++) {
        CHECK(capability_grant(steady, slot(i), READ, &steady_handles[i]) == HX_OK);
        CHECK(capability_grant(steady, slot(i), WRITE, NULL) == HX_OK);
    }
    for (uintptr_t i = 0; i < 3; i++) {
        start(expect_steady, (void *)(i * 20));
    }
    for (uint32_t round = 0; round < rounds(3, 60); round++) {
        subject_id id = subject("passing");

        for (uint32_t i = 0; i < 4000U << round % 4; i++) {
            CHECK(capability_grant(id, slot(i), READ | CONTROL, NULL) == HX_OK);
        }
        CHECK(capability_subject_destroy(id) == HX_OK);
    }
    atomic_store_explicit(&is_over, true, memory_order_release);
    await_done(3);
}

/* SPEC: A4 */
static void what_is_held_always_passes_while_everything_else_changes(void **state)
{
    (void)state;
    passes_on_four(race_growth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_looks_at_as_many_records_among_a_million_grants),
        cmocka_unit_test(no_seed_piles_numbers_in_a_row_into_one_chain),
        cmocka_unit_test(a_revocation_costs_the_same_whatever_is_derived),
        cmocka_unit_test(no_check_passes_after_its_revocation_has_returned),
        cmocka_unit_test(what_is_held_always_passes_while_everything_else_changes),
    };

    is_soak = getenv("HELIX_SOAK") != NULL;
    print_message("# HELIX_SEED=%llu\n", (unsigned long long)random_start());
    return cmocka_run_group_tests_name("capability load", tests, NULL, NULL);
}
