/* The schedule explorer itself: it finds what is wrong, and nothing else. */
#include <kern/read_section.h>
#include <kern/wait_queue.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <tests/explore/explore.h>

#include <cmocka.h>

static _Atomic unsigned counter;
static _Atomic bool flags[2];
static _Atomic unsigned entered;
static struct wait_queue queue;

static void reset(void)
{
    atomic_store_explicit(&counter, 0, memory_order_relaxed);
    atomic_store_explicit(&entered, 0, memory_order_relaxed);
    atomic_store_explicit(&flags[0], false, memory_order_relaxed);
    atomic_store_explicit(&flags[1], false, memory_order_relaxed);
    wait_queue_init(&queue, "explorer");
}

static struct explore_outcome outcome_of(const struct explore_scenario *scenario)
{
    struct explore_outcome outcome;

    explore_quietly(scenario, &outcome);
    return outcome;
}

/* --- what must be found ----------------------------------------------------------------------- */

static void add_in_two_steps(void)
{
    unsigned seen = atomic_load_explicit(&counter, memory_order_relaxed);

    atomic_store_explicit(&counter, seen + 1, memory_order_relaxed);
}

static void counted_two(void)
{
    explore_check(atomic_load_explicit(&counter, memory_order_relaxed) == 2, "an addition is lost");
}

static const struct explore_scenario lost_addition = {
    .name = "lost-addition",
    .start = reset,
    .threads = {add_in_two_steps, add_in_two_steps},
    .finish = counted_two,
    .preemptions = 1,
};

static void a_lost_addition_is_found_with_one_preemption(void **state)
{
    struct explore_outcome outcome = outcome_of(&lost_addition);

    (void)state;
    assert_true(outcome.has_failed);
    assert_string_equal(outcome.why, "an addition is lost");
    assert_int_equal(outcome.preemptions, 1);
}

static void a_failed_schedule_fails_again(void **state)
{
    struct explore_outcome outcome = outcome_of(&lost_addition);
    struct explore_outcome again;

    (void)state;
    explore_again(&lost_addition, outcome.schedule, &again);
    assert_true(again.has_failed);
    assert_string_equal(again.why, outcome.why);
    assert_string_equal(again.schedule, outcome.schedule);
    explore_again(&lost_addition, "", &again);
    assert_false(again.has_failed);
}

static void random_schedules_find_what_the_bound_hides(void **state)
{
    struct explore_scenario scenario = lost_addition;
    struct explore_outcome outcome;

    (void)state;
    scenario.preemptions = 0;
    outcome = outcome_of(&scenario);
    assert_true(outcome.has_failed);
    assert_true(outcome.random != 0 || getenv("HELIX_SOAK") != NULL);
}

/* A waiter that looks, and only then joins the queue. */
static void wait_carelessly(void)
{
    struct waiter waiter;

    if (!atomic_load_explicit(&flags[0], memory_order_acquire)) {
        wait_queue_prepare(&queue, &waiter);
        (void)!wait_queue_wait(&queue, &waiter, THREAD_NO_DEADLINE);
        wait_queue_finish(&queue, &waiter);
    }
}

static void wait_properly(void)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&queue, &waiter);
    while (!atomic_load_explicit(&flags[0], memory_order_acquire) && error == HX_OK) {
        error = wait_queue_wait(&queue, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&queue, &waiter);
}

static void wake(void)
{
    atomic_store_explicit(&flags[0], true, memory_order_release);
    (void)wait_queue_wake_one(&queue);
}

static void a_lost_wake_up_is_a_deadlock(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "lost-wake-up",
        .start = reset,
        .threads = {wait_carelessly, wake},
        .preemptions = 1,
    };
    struct explore_outcome outcome = outcome_of(&scenario);

    (void)state;
    assert_true(outcome.has_failed);
    assert_string_equal(outcome.why, "everybody waits, and nobody can be woken");
}

static void wait_for_ever(void)
{
    while (!atomic_load_explicit(&flags[1], memory_order_relaxed)) {
        hal_cpu_relax();
    }
}

static void who_spins_for_ever_is_found(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "spins", .start = reset, .threads = {wait_for_ever, wake}};
    struct explore_outcome outcome = outcome_of(&scenario);

    (void)state;
    assert_true(outcome.has_failed);
    assert_string_equal(outcome.why, "the schedule does not end");
}

/* --- what must not be ------------------------------------------------------------------------- */

static void a_wait_queue_loses_no_wake_up(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "wait-queue",
        .start = reset,
        .threads = {wait_properly, wait_properly, wake, wake},
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void step(void)
{
    atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
}

/* What lies between two points is a step: each thread has three, and 6! / (3! 3!) is 20. */
static void every_order_is_tried_once(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "orders", .start = reset, .threads = {step, step}, .preemptions = 4};
    struct explore_outcome outcome = outcome_of(&scenario);

    (void)state;
    assert_false(outcome.has_failed);
    assert_int_equal(outcome.schedules, 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_addition_is_found_with_one_preemption),
        cmocka_unit_test(a_failed_schedule_fails_again),
        cmocka_unit_test(random_schedules_find_what_the_bound_hides),
        cmocka_unit_test(a_lost_wake_up_is_a_deadlock),
        cmocka_unit_test(who_spins_for_ever_is_found),
        cmocka_unit_test(a_wait_queue_loses_no_wake_up),
        cmocka_unit_test(every_order_is_tried_once),
    };

    return cmocka_run_group_tests_name("explorer", tests, NULL, NULL);
}
