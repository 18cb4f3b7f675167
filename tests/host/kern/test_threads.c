/*
 * Threads and locks under more load than a booted test has time for, on a hosted machine; and the
 * failed assertions that a running kernel would not survive. What they do in the ordinary case is
 * tested by tests/self/kern_*.c, on every port.
 */
#include <tests/host/core/machine.h>

#include <core/panic/panic.h>
#include <hal/clock.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <tests/host/random.h>

static bool is_soak;

static uint32_t rounds(uint32_t few, uint32_t many)
{
    return is_soak ? many : few;
}

/* Run on a machine whose panics are printed and end the child. */
static HX_NORETURN void run_on(uint32_t cpus, void (*function)(void))
{
    CHECK(console_register(&console_serial) == HX_OK);
    panic_set_action(PANIC_EXIT);
    machine_run(cpus, function);
}

static struct thread *start(void (*entry)(void *argument), void *argument, uint64_t affinity)
{
    const struct thread_options options = {
        .name = "load", .entry = entry, .argument = argument, .affinity = affinity};
    struct thread *thread;

    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    return thread;
}

static _Atomic uint32_t done;

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

/* --- wake-ups --------------------------------------------------------------------------------- */

#define PRODUCERS 3U

static _Atomic uint32_t produced;
static _Atomic(struct thread *) consumer;

/* The consumer may look at any time; who does not see it look has to wake it. */
static void produce(void *argument)
{
    uint32_t count = rounds(50000, 3000000);
    uint64_t random = (uint64_t)(uintptr_t)argument + random_state;

    for (uint32_t i = 0; i < count; i++) {
        atomic_fetch_add_explicit(&produced, 1, memory_order_relaxed);
        thread_unpark(atomic_load_explicit(&consumer, memory_order_relaxed));
        random = random * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX */
        for (uint64_t pause = random >> 59; pause > 0; pause--) {
            hal_cpu_relax();
        }
    }
    finish();
}

/* Relaxed loads: only the wake-up itself makes the producers' stores visible. */
static void consume(void)
{
    uint32_t total = PRODUCERS * rounds(50000, 3000000);
    uint64_t random = random_state;

    while (atomic_load_explicit(&produced, memory_order_relaxed) < total) {
        random = random * 6364136223846793005ULL + 1442695040888963407ULL;

        bool has_deadline = random >> 62 == 0;
        uint64_t deadline = hal_clock_now() + (has_deadline ? random >> 50 : 20 * HAL_NS_PER_S);
        uint32_t before = atomic_load_explicit(&produced, memory_order_relaxed);

        if (before < total && thread_park(deadline) != HX_OK) {
            CHECK(has_deadline); /* 20 s without a wake-up: it was lost */
        }
    }
}

static void park_under_load(void)
{
    atomic_store_explicit(&consumer, thread_current(), memory_order_relaxed);
    for (uintptr_t i = 0; i < PRODUCERS; i++) {
        start(produce, (void *)i, 0);
    }
    consume();
    await_done(PRODUCERS);
}

static void run_park_on_two(void)
{
    run_on(2, park_under_load);
}

static void run_park_on_four(void)
{
    run_on(4, park_under_load);
}

static void many_wakers_lose_no_wake_up(void **state)
{
    (void)state;
    passes_in_child(run_park_on_two);
    passes_in_child(run_park_on_four);
}

/* --- an idle CPU always notices --------------------------------------------------------------- */

static _Atomic uint32_t turn;

/* Bound to two CPUs, each asleep while the other one works: every turn meets a CPU falling asleep.
 */
static void take_turns(void *argument)
{
    uint32_t me = (uint32_t)(uintptr_t)argument;
    uint32_t count = rounds(50000, 2000000);
    static _Atomic(struct thread *) players[2];

    atomic_store_explicit(&players[me], thread_current(), memory_order_release);
    while (atomic_load_explicit(&players[1 - me], memory_order_acquire) == NULL) {
        thread_yield();
    }
    for (uint32_t mine = me; mine < count; mine += 2) {
        while (atomic_load_explicit(&turn, memory_order_acquire) != mine) {
            CHECK(thread_park(hal_clock_now() + 20 * HAL_NS_PER_S) == HX_OK);
        }
        atomic_store_explicit(&turn, mine + 1, memory_order_release);
        thread_unpark(atomic_load_explicit(&players[1 - me], memory_order_relaxed));
    }
    finish();
    await_done(2); /* neither is freed while the other may still wake it */
}

static void ping_pong(void)
{
    start(take_turns, (void *)0, 1);
    start(take_turns, (void *)1, 2);
    await_done(2);
}

static void run_ping_pong(void)
{
    run_on(2, ping_pong);
}

static void a_cpu_that_falls_asleep_misses_no_thread(void **state)
{
    (void)state;
    passes_in_child(run_ping_pong);
}

/* --- what the kernel does not survive --------------------------------------------------------- */

static void fails_saying(void (*function)(void), const char *sentence)
{
    in_child(function);
    assert_int_equal(child.status, PANIC_EXIT_STATUS);
    if (printed(sentence) == 0) {
        fail_msg("\"%s\" is not in:\n%s", sentence, child.output);
    }
}

static void park_in_read_section(void)
{
    read_enter();
    CHECK(thread_park(0) == HX_ETIMEDOUT);
}

static void synchronize_in_read_section(void)
{
    read_enter();
    read_synchronize();
}

static void lock_twice(void)
{
    static struct mutex mutex;

    mutex_init(&mutex, "test");
    mutex_lock(&mutex);
    mutex_lock(&mutex);
}

static void unlock_unlocked(void)
{
    static struct mutex mutex;

    mutex_init(&mutex, "test");
    mutex_unlock(&mutex);
}

static void start_twice(void)
{
    const struct thread_options options = {.name = "twice", .entry = take_turns};
    struct thread *thread;

    CHECK(thread_create(&options, &thread) == HX_OK);
    preempt_disable();
    thread_start(thread);
    thread_start(thread);
}

#define ON_TWO_CPUS(function)                                                                      \
    static void run_##function(void)                                                               \
    {                                                                                              \
        run_on(2, function);                                                                       \
    }

ON_TWO_CPUS(park_in_read_section)
ON_TWO_CPUS(synchronize_in_read_section)
ON_TWO_CPUS(lock_twice)
ON_TWO_CPUS(unlock_unlocked)
ON_TWO_CPUS(start_twice)

static void misuse_is_a_failed_assertion(void **state)
{
    (void)state;
    fails_saying(run_park_in_read_section, "only a thread that may block parks");
    fails_saying(run_synchronize_in_read_section, "never inside a read section");
    fails_saying(run_lock_twice, "once by a thread");
    fails_saying(run_unlock_unlocked, "unlocked by the thread that locked it");
    fails_saying(run_start_twice, "a thread is started once");
}

#ifdef HX_DEBUG

static void invert(void)
{
    static struct spinlock outer = SPINLOCK_INIT(LOCK_RANK_FRAME, "outer lock");
    static struct spinlock inner = SPINLOCK_INIT(LOCK_RANK_CORE, "inner lock");
    hal_interrupt_state state = spinlock_acquire(&outer);

    spinlock_acquire_nested(&inner);
    spinlock_release_nested(&inner);
    spinlock_release(&outer, state);
}

ON_TWO_CPUS(invert)

/* SPEC: Q5 */
static void an_inverted_order_names_both_locks(void **state)
{
    (void)state;
    fails_saying(run_invert, "outer lock");
    assert_true(printed("inner lock") > 0);
    assert_true(printed("taken out of order") > 0);
}

#else

static void an_inverted_order_names_both_locks(void **state)
{
    (void)state;
    skip(); /* only debug builds check the order */
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_wakers_lose_no_wake_up),
        cmocka_unit_test(a_cpu_that_falls_asleep_misses_no_thread),
        cmocka_unit_test(misuse_is_a_failed_assertion),
        cmocka_unit_test(an_inverted_order_names_both_locks),
    };

    is_soak = getenv("HELIX_SOAK") != NULL;
    printf("# HELIX_SEED=%llu\n", (unsigned long long)random_start());
    return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
