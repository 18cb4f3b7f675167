/*
 * The resource broker under many callers on four CPUs: exact sums, limits that bind, one warning
 * for each crossing, one releaser for each handle, owners that end in the middle.
 */
#include <tests/host/core/resource_machine.h>

#include <hal/clock.h>

#define CPUS    4U
#define WORKERS 3U /* the test's own thread is on the fourth CPU */

static bool is_soak;

static uint32_t rounds(uint32_t few, uint32_t many)
{
    return is_soak ? many : few;
}

/* --- threads ---------------------------------------------------------------------------------- */

static _Atomic uint32_t started;
static _Atomic uint32_t done;
static _Atomic bool is_over;

static void start(void (*entry)(void *argument), void *argument)
{
    const struct thread_options options = {.name = "load", .entry = entry, .argument = argument};
    struct thread *thread;

    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
}

static void start_all(void (*entry)(void *argument))
{
    atomic_store_explicit(&done, 0, memory_order_relaxed);
    atomic_store_explicit(&started, 0, memory_order_relaxed);
    atomic_store_explicit(&is_over, false, memory_order_release);
    for (uintptr_t i = 0; i < WORKERS; i++) {
        start(entry, (void *)i);
    }
}

static void await(_Atomic uint32_t *word, uint32_t count)
{
    while (atomic_load_explicit(word, memory_order_acquire) < count) {
        thread_sleep(HAL_NS_PER_MS / 4);
    }
}

static void count_up(_Atomic uint32_t *word)
{
    atomic_fetch_add_explicit(word, 1, memory_order_acq_rel);
}

/* Asked in loops that otherwise never let another thread run: the port delivers its ticks here. */
static bool is_going_on(void)
{
    hal_cpu_relax();
    return !atomic_load_explicit(&is_over, memory_order_acquire);
}

static void end_all(void)
{
    atomic_store_explicit(&is_over, true, memory_order_release);
    await(&done, WORKERS);
}

/* --- sums ------------------------------------------------------------------------------------- */

#define OWNERS 3U
#define HELD   64U
#define HARD   600U

struct holding {
    resource_handle handle; /* RESOURCE_HANDLE_NONE: nothing */
    unsigned owner;
    enum resource_class class;
    uint64_t amount;
};

static owner_tag owners[OWNERS];
static struct holding holdings[WORKERS][HELD];

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return *state >> 33;
}

static void change(struct holding *holding, uint64_t *random)
{
    hx_err error;

    if (holding->handle != RESOURCE_HANDLE_NONE) {
        CHECK(resource_release(holding->handle, owners[holding->owner]) == HX_OK);
        holding->handle = RESOURCE_HANDLE_NONE;
        return;
    }
    holding->owner = (unsigned)(next_random(random) % OWNERS);
    holding->class = (enum resource_class)(next_random(random) % 2);
    holding->amount = 1 + next_random(random) % 40;
    error = resource_allocate(owners[holding->owner], holding->class, holding->amount,
                              &holding->handle);
    CHECK(error == HX_OK || error == HX_ELIMIT);
}

static uint64_t load_seed;

static void change_at_random(void *argument)
{
    uintptr_t which = (uintptr_t)argument;
    uint64_t random = load_seed + which;

    for (uint32_t i = 0; i < rounds(5000, 500000); i++) {
        change(&holdings[which][next_random(&random) % HELD], &random);
        /* The usage is never above the hard limit, whoever looks and when. */
        CHECK(i % 16 != 0 || used(owners[i % OWNERS], RESOURCE_MEMORY) <= HARD);
    }
    count_up(&done);
}

static uint64_t held_by_threads(unsigned owner, enum resource_class class, uint64_t *handles)
{
    uint64_t amount = 0;

    *handles = 0;
    for (size_t i = 0; i < (size_t)WORKERS * HELD; i++) {
        const struct holding *holding = &holdings[i / HELD][i % HELD];

        if (holding->handle != RESOURCE_HANDLE_NONE && holding->owner == owner &&
            holding->class == class) {
            amount += holding->amount;
            *handles += 1;
        }
    }
    return amount;
}

static void compare_sums(void)
{
    for (unsigned owner = 0; owner < OWNERS; owner++) {
        struct resource_totals totals;

        resource_owner_held(owners[owner], &totals);
        for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
            uint64_t handles;
            uint64_t amount = held_by_threads(owner, (enum resource_class)i, &handles);

            CHECK(totals.amount[i] == amount && totals.handles[i] == handles);
            CHECK(used(owners[owner], (enum resource_class)i) == amount);
        }
    }
}

/* SPEC: Q2 Q3 */
BODY_ON(CPUS, at_every_quiet_moment_the_sum_of_handles_is_the_usage)
{
    struct resource_usage usage;
    uint64_t refused = 0;

    load_seed = random_start();
    fprintf(stderr, "seed %llu\n", (unsigned long long)load_seed);
    for (unsigned owner = 0; owner < OWNERS; owner++) {
        owners[owner] = open_owner("load");
        limit(owners[owner], RESOURCE_MEMORY, owner == 0 ? HARD : HARD / 3, HARD);
        limit(owners[owner], RESOURCE_CPU_TIME, HARD / 4, HARD / 2);
    }
    for (unsigned round = 0; round < 4; round++) {
        start_all(change_at_random);
        await(&done, WORKERS);
        compare_sums();
        load_seed += WORKERS;
    }
    for (unsigned owner = 0; owner < OWNERS; owner++) {
        CHECK(resource_get_usage(owners[owner], RESOURCE_CPU_TIME, &usage) == HX_OK);
        refused += usage.refused;
    }
    CHECK(refused > 0);
}

/* --- one releaser ----------------------------------------------------------------------------- */

#define SHARED 512U

static resource_handle shared[SHARED];
static _Atomic uint32_t winners;

static void release_shared(void *argument)
{
    uint32_t won = 0;

    (void)argument;
    count_up(&started);
    while (atomic_load_explicit(&started, memory_order_acquire) < WORKERS) {
        hal_cpu_relax();
        thread_yield();
    }
    for (uint32_t i = 0; i < SHARED; i++) {
        hx_err error = resource_release(shared[i], owners[0]);

        CHECK(error == HX_OK || error == HX_ESTALE);
        won += error == HX_OK;
    }
    atomic_fetch_add_explicit(&winners, won, memory_order_relaxed);
    count_up(&done);
}

/* SPEC: Q2 Q3 */
BODY_ON(CPUS, of_many_who_release_a_handle_one_succeeds)
{
    owners[0] = open_owner("shared");
    for (uint32_t round = 1; round <= rounds(20, 2000); round++) {
        for (uint32_t i = 0; i < SHARED; i++) {
            shared[i] = take(owners[0], RESOURCE_MEMORY, i + 1);
        }
        start_all(release_shared);
        await(&done, WORKERS);
        CHECK(atomic_load_explicit(&winners, memory_order_relaxed) == round * SHARED);
        CHECK(used(owners[0], RESOURCE_MEMORY) == 0);
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

static _Atomic uint32_t warned;

static void count_warning(const struct resource_warning *warning)
{
    CHECK(warning->used > warning->limits.soft);
    atomic_fetch_add_explicit(&warned, 1, memory_order_relaxed);
}

#define EACH 200U

static resource_handle taken[WORKERS][EACH];

static void take_each(void *argument)
{
    uintptr_t which = (uintptr_t)argument;

    for (uint32_t i = 0; i < EACH; i++) {
        taken[which][i] = take(owners[0], RESOURCE_MEMORY, 1);
    }
    count_up(&done);
}

static void release_each(void *argument)
{
    uintptr_t which = (uintptr_t)argument;

    for (uint32_t i = 0; i < EACH; i++) {
        CHECK(resource_release(taken[which][i], owners[0]) == HX_OK);
    }
    count_up(&done);
}

/* All rise together and fall together: each rise crosses the soft limit once. */
/* SPEC: Q2 */
BODY_ON(CPUS, a_crossing_by_many_warns_once)
{
    owners[0] = open_owner("one");
    resource_set_warning_hook(count_warning);
    limit(owners[0], RESOURCE_MEMORY, WORKERS * EACH / 2, WORKERS * EACH);
    for (uint32_t round = 1; round <= rounds(30, 3000); round++) {
        start_all(take_each);
        await(&done, WORKERS);
        CHECK(atomic_load_explicit(&warned, memory_order_relaxed) == round);
        CHECK(used(owners[0], RESOURCE_MEMORY) == WORKERS * EACH);
        start_all(release_each);
        await(&done, WORKERS);
        CHECK(atomic_load_explicit(&warned, memory_order_relaxed) == round);
        CHECK(used(owners[0], RESOURCE_MEMORY) == 0);
    }
}

static _Atomic uint32_t cycles;

/* Count a round of work; a hosted CPU hears its interrupts where a thread yields. */
static void work_a_cycle(void)
{
    if (atomic_fetch_add_explicit(&cycles, 1, memory_order_relaxed) % 64 == 0) {
        thread_yield();
    }
}

/* Take and release for as long as it goes, holding a few. */
static void hammer(void *argument)
{
    resource_handle mine[8] = {0};
    uint32_t i = 0;

    (void)argument;
    while (is_going_on()) {
        resource_handle *handle = &mine[i++ % HX_ARRAY_SIZE(mine)];

        if (*handle != RESOURCE_HANDLE_NONE) {
            CHECK(resource_release(*handle, owners[0]) == HX_OK);
            *handle = RESOURCE_HANDLE_NONE;
        } else if (resource_allocate(owners[0], RESOURCE_MEMORY, 1, handle) != HX_OK) {
            thread_yield();
        }
        work_a_cycle();
    }
    for (i = 0; i < HX_ARRAY_SIZE(mine); i++) {
        CHECK(mine[i] == RESOURCE_HANDLE_NONE || resource_release(mine[i], owners[0]) == HX_OK);
    }
    count_up(&done);
}

static void let_hammer(void)
{
    uint32_t before = atomic_load_explicit(&cycles, memory_order_relaxed);

    while (atomic_load_explicit(&cycles, memory_order_relaxed) - before < 200) {
        thread_sleep(HAL_NS_PER_MS / 4);
    }
}

/* From here on the usage only falls. */
static void expect_no_rise(void)
{
    uint64_t last = used(owners[0], RESOURCE_MEMORY);
    uint32_t before = atomic_load_explicit(&cycles, memory_order_relaxed);

    while (atomic_load_explicit(&cycles, memory_order_relaxed) - before < 200) {
        uint64_t now = used(owners[0], RESOURCE_MEMORY);

        CHECK(now <= last);
        last = now;
        thread_yield();
    }
}

/* SPEC: Q1 Q2 */
BODY_ON(CPUS, what_begins_after_set_limit_obeys_it)
{
    owners[0] = open_owner("one");
    start_all(hammer);
    for (uint32_t round = 0; round < rounds(30, 2000); round++) {
        let_hammer();
        limit(owners[0], RESOURCE_MEMORY, 0, 0);
        expect_no_rise();
        limit(owners[0], RESOURCE_MEMORY, RESOURCE_UNLIMITED, RESOURCE_UNLIMITED);
    }
    end_all();
    CHECK(used(owners[0], RESOURCE_MEMORY) == 0);
}

/* SPEC: Q1 */
BODY_ON(CPUS, what_begins_after_the_provider_left_is_refused)
{
    owners[0] = open_owner("one");
    start_all(hammer);
    for (uint32_t round = 0; round < rounds(30, 2000); round++) {
        let_hammer();
        CHECK(resource_unregister_provider(RESOURCE_MEMORY, &plain_provider) == HX_OK);
        expect_no_rise();
        CHECK(resource_register_provider(RESOURCE_MEMORY, &plain_provider) == HX_OK);
    }
    end_all();
    CHECK(used(owners[0], RESOURCE_MEMORY) == 0);
}

/* Between two soft limits all the while; each fall of the limit below the usage is a crossing. */
/* SPEC: Q2 */
BODY_ON(CPUS, a_limit_that_moves_under_load_warns_once)
{
    owners[0] = open_owner("one");
    resource_set_warning_hook(count_warning);
    take(owners[0], RESOURCE_MEMORY, 1000);
    start_all(hammer);
    for (uint32_t round = 1; round <= rounds(30, 2000); round++) {
        let_hammer();
        limit(owners[0], RESOURCE_MEMORY, 500, RESOURCE_UNLIMITED);
        let_hammer();
        CHECK(atomic_load_explicit(&warned, memory_order_relaxed) == round);
        limit(owners[0], RESOURCE_MEMORY, 5000, RESOURCE_UNLIMITED);
    }
    end_all();
}

/* --- owners that end -------------------------------------------------------------------------- */

static _Atomic owner_tag current;
static _Atomic uint32_t lost; /* handles that went with their owner */

/*
 * Allocate for whoever is the owner now, until it is gone. A handle that was given is released or
 * went with its owner; one that is taken for gone stays gone.
 */
static void serve_current(void *argument)
{
    resource_handle mine[16];

    (void)argument;
    while (is_going_on()) {
        owner_tag owner = atomic_load_explicit(&current, memory_order_acquire);
        uint32_t count = 0;

        while (count < HX_ARRAY_SIZE(mine) &&
               resource_allocate(owner, (enum resource_class)(count % UNPROVIDED), 1 + count,
                                 &mine[count]) == HX_OK) {
            count++;
        }
        for (uint32_t i = 0; i < count; i++) {
            hx_err error = resource_release(mine[i], owner);

            CHECK(error == HX_OK || error == HX_ESTALE);
            CHECK(resource_release(mine[i], owner) == HX_ESTALE);
            atomic_fetch_add_explicit(&lost, error == HX_ESTALE, memory_order_relaxed);
        }
        work_a_cycle();
        if (count == 0) {
            thread_yield();
        }
    }
    count_up(&done);
}

/* SPEC: Q3 Q5 */
BODY_ON(CPUS, an_owner_that_ends_under_load_leaves_nothing)
{
    uint64_t returned = 0;
    struct ledger ledger;
    uint32_t round = 0;

    atomic_store_explicit(&current, open_owner("short-lived"), memory_order_release);
    start_all(serve_current);
    /* Until the interesting thing has happened often enough too. */
    for (; round < rounds(200, 10000) || returned < 100; round++) {
        owner_tag owner = atomic_load_explicit(&current, memory_order_relaxed);
        struct resource_totals totals;
        owner_tag next = open_owner("short-lived");

        if (round % 4 == 0) {
            let_hammer();
        }
        CHECK(resource_owner_close(owner, &totals) == HX_OK);
        atomic_store_explicit(&current, next, memory_order_release);
        for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
            returned += totals.handles[i];
        }
        ledger_take(owner, &ledger);
        CHECK(ledger_is_zero(&ledger));
    }
    end_all();
    CHECK(atomic_load_explicit(&lost, memory_order_relaxed) == returned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_quiet_moment_the_sum_of_handles_is_the_usage),
        cmocka_unit_test(of_many_who_release_a_handle_one_succeeds),
        cmocka_unit_test(a_crossing_by_many_warns_once),
        cmocka_unit_test(what_begins_after_set_limit_obeys_it),
        cmocka_unit_test(what_begins_after_the_provider_left_is_refused),
        cmocka_unit_test(a_limit_that_moves_under_load_warns_once),
        cmocka_unit_test(an_owner_that_ends_under_load_leaves_nothing),
    };

    is_soak = getenv("HELIX_SOAK") != NULL;
    return cmocka_run_group_tests_name("resource load", tests, NULL, NULL);
}
