/* Locks of module instances: who holds them, who waits, and what a death does to both. */
#include <core/gate/gate.h>
#include <core/resource/ledger.h>
#include <hal/clock.h>
#include <helix/demo.h>
#include <helix/lock.h>
#include <kern/thread.h>
#include <tests/self/crew.h>
#include <tests/self/heal_patient.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

static struct crew crew;

static const struct swap_options no_trial = {.drain_limit_ns = 200 * HAL_NS_PER_MS};

/* The demo slot with a new instance of demo_locks behind that gate. */
static struct slot *fresh_demo(enum hal_gate_backend backend)
{
    return module_slot_begin("demo", "demo_locks", NULL, backend, &no_trial);
}

/* An instance that has had locks keeps places for them: leave one that has none. */
static void end_demo(void)
{
    (void)module_slot_begin("demo", "demo", NULL, HAL_GATE_OPEN, &no_trial);
}

/* What an operation that comes back answers. */
static uint64_t ask(struct slot *slot, enum demo_operation operation, uint64_t a0, uint64_t a1)
{
    struct hal_gate_result result = gate_call(slot, operation, a0, a1, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

/* --- threads that want a lock ----------------------------------------------------------------- */

#define COUNTERS 3U
#define COUNTS   20U

/* One thread that counts under a lock. */
struct counter {
    struct slot *slot;
    uint64_t lock;
    uint32_t times;
    struct hal_gate_result last;
};

static void count_main(void *argument)
{
    struct counter *counter = argument;

    for (uint32_t i = 0; i < counter->times; i++) {
        counter->last = gate_call(counter->slot, DEMO_LOCK_COUNT, counter->lock, 1000, 0, 0);
    }
}

static bool has_waiter(const struct slot *slot, uint64_t unused)
{
    struct wait_queue *waiters = &slot_instance(slot)->locks.waiters;
    hal_interrupt_state state = spinlock_acquire(&waiters->lock);
    bool has = !list_is_empty(&waiters->waiters);

    (void)unused;
    spinlock_release(&waiters->lock, state);
    return has;
}

/* A thread of the crew's waits for the lock, which somebody holds, when this returns. */
static void start_waiter(struct counter *waiter)
{
    uint64_t deadline = hal_clock_now() + CREW_PATIENCE_NS;

    crew_open(&crew);
    (void)crew_start(&crew, count_main, waiter, 0);
    while (!has_waiter(waiter->slot, 0) && hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(has_waiter(waiter->slot, 0));
}

/* --- excluding each other --------------------------------------------------------------------- */

static void count_from_several_threads(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend);
    uint64_t lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);
    struct counter counters[COUNTERS];

    EXPECT(lock != 0);
    crew_open(&crew);
    for (unsigned i = 0; i < COUNTERS; i++) {
        counters[i] = (struct counter){.slot = slot, .lock = lock, .times = COUNTS};
        (void)crew_start(&crew, count_main, &counters[i], 0);
    }
    EXPECT(crew_join(&crew));
    for (unsigned i = 0; i < COUNTERS; i++) {
        EXPECT_EQUAL(counters[i].last.error, HX_OK);
        EXPECT_EQUAL(counters[i].last.value, HX_OK);
    }
    EXPECT_EQUAL(ask(slot, DEMO_COUNT, 0, 0), COUNTERS * COUNTS + 1);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_DESTROY, lock, 0), HX_OK); /* nobody holds it */
    end_demo();
}

/* SPEC: Q5 */
static void threads_in_an_open_instance_exclude_each_other(void)
{
    count_from_several_threads(HAL_GATE_OPEN);
}

/* SPEC: Q5 */
static void threads_in_a_user_instance_exclude_each_other(void)
{
    count_from_several_threads(HAL_GATE_USER);
}

/* --- what is refused -------------------------------------------------------------------------- */

static struct slot *other_slot; /* whose lock is released by who does not hold it */

static void release_main(void *argument)
{
    uint64_t lock = *(uint64_t *)argument;

    EXPECT_EQUAL(ask(other_slot, DEMO_LOCK_RELEASE, lock, 0), HX_EPERM);
    EXPECT_EQUAL(ask(other_slot, DEMO_LOCK_DESTROY, lock, 0), HX_EBUSY);
}

static void have_another_thread_refused(struct slot *slot, uint64_t lock)
{
    other_slot = slot;
    crew_open(&crew);
    (void)crew_start(&crew, release_main, &lock, 0);
    EXPECT(crew_join(&crew));
}

static void refuse_what_is_wrong(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend);
    uint64_t lock;

    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, 1, 0), HX_EINVAL); /* there is none yet */
    lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, 0, 0), HX_EINVAL);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, HX_LOCKS_MAX + 1, 0), HX_EINVAL);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock + 1, 0), HX_ESTALE);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock | 1ULL << 63, 0), HX_ESTALE);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, HX_LOCK_LIMIT_MAX + 1), HX_ERANGE);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_RELEASE, lock, 0), HX_EPERM);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, HX_LOCK_LIMIT_MAX), HX_OK);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, HX_LOCK_LIMIT_MAX), HX_EDEADLOCK);
    have_another_thread_refused(slot, lock);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_RELEASE, lock, 0), HX_OK);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_DESTROY, lock, 0), HX_OK);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_DESTROY, lock, 0), HX_ESTALE);
    EXPECT(ask(slot, DEMO_LOCK_CREATE, 0, 0) != lock);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, 0), HX_ESTALE);
    end_demo();
}

/* SPEC: Q5 */
static void an_open_instance_is_refused_what_is_no_lock_of_its_own(void)
{
    refuse_what_is_wrong(HAL_GATE_OPEN);
}

/* SPEC: Q5 */
static void a_user_instance_is_refused_what_is_no_lock_of_its_own(void)
{
    refuse_what_is_wrong(HAL_GATE_USER);
}

/* --- whose they are --------------------------------------------------------------------------- */

static uint64_t locks_of(owner_tag owner)
{
    struct ledger ledger;

    ledger_take(owner, &ledger);
    return ledger.resources.amount[RESOURCE_LOCKS];
}

static bool has_nothing(owner_tag owner)
{
    struct ledger ledger;

    ledger_take(owner, &ledger);
    return ledger_is_zero(&ledger);
}

/* SPEC: Q5 */
static void locks_are_their_instances_and_go_with_it(void)
{
    struct slot *slot = fresh_demo(HAL_GATE_OPEN);
    owner_tag owner = slot_instance(slot)->owner;
    uint64_t lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);

    EXPECT_EQUAL(locks_of(owner), 1);
    for (unsigned i = 1; i < HX_LOCKS_MAX; i++) {
        EXPECT(ask(slot, DEMO_LOCK_CREATE, 0, 0) != 0);
    }
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_CREATE, 0, 0), 0); /* no place */
    EXPECT_EQUAL(locks_of(owner), HX_LOCKS_MAX);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_DESTROY, lock, 0), HX_OK);
    EXPECT_EQUAL(locks_of(owner), HX_LOCKS_MAX - 1);
    lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, 0), HX_OK); /* held at its end */
    end_demo();
    EXPECT(has_nothing(owner));
}

/* SPEC: Q1 Q5 */
static void locks_past_a_limit_are_refused(void)
{
    const struct resource_limits one = {.soft = 1, .hard = 1};
    struct slot *slot = fresh_demo(HAL_GATE_OPEN);

    EXPECT_EQUAL(resource_set_limit(slot_instance(slot)->owner, RESOURCE_LOCKS, one), HX_OK);
    EXPECT(ask(slot, DEMO_LOCK_CREATE, 0, 0) != 0);
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_CREATE, 0, 0), 0);
    end_demo();
}

/* --- death ------------------------------------------------------------------------------------ */

/* The limit is an hour: it is the death that ends the wait. */
static void let_the_holder_die(enum hal_gate_backend backend)
{
    struct slot *slot = fresh_demo(backend);
    uint64_t lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);
    struct counter waiter = {.slot = slot, .lock = lock, .times = 1};

    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, HX_LOCK_LIMIT_MAX), HX_OK);
    start_waiter(&waiter);
    EXPECT_EQUAL(gate_call(slot, DEMO_GIVE_UP, 0, 0, 0, 0).error, HX_EDIED);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(waiter.last.error, HX_EDIED);
    EXPECT(!waiter.last.may_have_run);
    EXPECT_EQUAL(ask(fresh_demo(backend), DEMO_COUNT, 0, 0), 1);
    end_demo();
}

/* SPEC: H5 Q5 */
static void when_an_open_instance_dies_who_waits_for_its_lock_hears_of_it(void)
{
    let_the_holder_die(HAL_GATE_OPEN);
}

/* SPEC: H5 Q5 */
static void when_a_user_instance_dies_who_waits_for_its_lock_hears_of_it(void)
{
    let_the_holder_die(HAL_GATE_USER);
}

/* --- kept too long ---------------------------------------------------------------------------- */

#define KEPT_LIMIT_NS (20 * HAL_NS_PER_MS)

static void keep_a_lock(enum hal_gate_backend backend)
{
    struct slot *slot = patient_begin("demo_locks", backend);
    uint64_t lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);
    uint64_t recoveries = patient_info(slot).recoveries;
    struct counter waiter = {.slot = slot, .lock = lock, .times = 1};

    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, KEPT_LIMIT_NS), HX_OK);
    crew_open(&crew);
    (void)crew_start(&crew, count_main, &waiter, 0);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(waiter.last.error, HX_EDIED);
    EXPECT(patient_wait_for(patient_has_recovered, slot, recoveries + 1));
    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, 0), HX_EINVAL); /* it has none */
    patient_end();
}

/* SPEC: H5 */
static void an_open_instance_that_keeps_a_lock_is_ended_and_healed(void)
{
    keep_a_lock(HAL_GATE_OPEN);
}

/* SPEC: H5 */
static void a_user_instance_that_keeps_a_lock_is_ended_and_healed(void)
{
    keep_a_lock(HAL_GATE_USER);
}

/* SPEC: H5 */
static void who_comes_back_to_a_lock_it_kept_ends_the_instance_too(void)
{
    struct slot *slot = fresh_demo(HAL_GATE_OPEN);
    const struct module_instance *instance = slot_instance(slot);
    uint64_t lock = ask(slot, DEMO_LOCK_CREATE, 0, 0);

    EXPECT_EQUAL(ask(slot, DEMO_LOCK_ACQUIRE, lock, KEPT_LIMIT_NS), HX_OK);
    thread_sleep(2 * KEPT_LIMIT_NS);
    EXPECT_EQUAL(gate_call(slot, DEMO_LOCK_ACQUIRE, lock, 0, 0, 0).error, HX_EDIED);
    EXPECT(slot_instance(slot) == NULL);
    EXPECT_EQUAL(instance->death_cause, DEATH_LOCK_KEPT);
    end_demo();
}

#define TEST(function) "core_module_lock." #function, function

const struct selftest core_module_lock_tests[] = {
    {TEST(threads_in_an_open_instance_exclude_each_other), SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(threads_in_a_user_instance_exclude_each_other),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(an_open_instance_is_refused_what_is_no_lock_of_its_own), SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(a_user_instance_is_refused_what_is_no_lock_of_its_own),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(locks_are_their_instances_and_go_with_it), SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(locks_past_a_limit_are_refused), SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(when_an_open_instance_dies_who_waits_for_its_lock_hears_of_it),
     SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(when_a_user_instance_dies_who_waits_for_its_lock_hears_of_it),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(an_open_instance_that_keeps_a_lock_is_ended_and_healed), SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(a_user_instance_that_keeps_a_lock_is_ended_and_healed),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_DEMO_LOCKS},
    {TEST(who_comes_back_to_a_lock_it_kept_ends_the_instance_too), SELFTEST_NEEDS_DEMO_LOCKS},
    {0},
};
