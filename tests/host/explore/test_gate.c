/* Calls into modules against draining, in every schedule with a few preemptions. */
#include <core/gate/gate.h>
#include <core/gate/instance.h>
#include <core/gate/slot.h>
#include <kern/read_section.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <tests/explore/explore.h>

#include <cmocka.h>

#define OLD 1U
#define NEW 2U

static struct slot *slot;
static struct module_instance instances[2];
static _Atomic bool is_freed; /* the old one */
static unsigned answers[3];   /* by what the call gave: OLD, NEW, 0 for none */

/* What the modules do: the one that may be freed looks whether it is, twice. */
static void look(void)
{
    explore_check(!atomic_load_explicit(&is_freed, memory_order_relaxed),
                  "a call is never in an instance that is freed");
}

static uint64_t run_old(void)
{
    look();
    look();
    return OLD;
}

static uint64_t run_new(void)
{
    return NEW;
}

static void start(void)
{
    read_section_init();
    explore_join_grace_periods(3);
    if (slot == NULL) {
        explore_check(slot_create("explored", HX_CATEGORY_DEMO, &slot) == HX_OK,
                      "a slot can be made");
        instances[0].gate.operations[0] = (uintptr_t)run_old;
        instances[1].gate.operations[0] = (uintptr_t)run_new;
    }
    atomic_store_explicit(&is_freed, false, memory_order_relaxed);
    answers[0] = answers[OLD] = answers[NEW] = 0;
    (void)slot_empty(slot);
    explore_check(slot_fill(slot, &instances[0]) == HX_OK, "an empty slot can be filled");
    for (unsigned i = 0; i < EXPLORE_THREADS; i++) {
        struct thread *thread = explore_thread_at(i);

        hal_gate_init_thread(&thread->hal, thread->gate_records);
    }
}

static void call(void)
{
    struct hal_gate_result result = gate_call(slot, 0, 0, 0, 0, 0);

    explore_check(result.error == HX_OK || result.error == HX_ENOENT,
                  "a call is answered, or finds the slot empty");
    answers[result.error == HX_OK ? result.value : 0]++;
}

static void call_twice(void)
{
    call();
    call();
}

static void free_old(void)
{
    explore_check(slot_drain(&instances[0], THREAD_NO_DEADLINE) == HX_OK,
                  "a drain without a deadline comes to its end");
    atomic_store_explicit(&is_freed, true, memory_order_relaxed);
}

static void replace(void)
{
    explore_check(slot_empty(slot) == &instances[0], "the slot holds what it was filled with");
    explore_check(slot_fill(slot, &instances[1]) == HX_OK, "an empty slot can be filled");
    free_old();
}

static void every_call_was_answered(void)
{
    explore_check(answers[0] + answers[OLD] + answers[NEW] == 3, "each call returns once");
    explore_check(slot_instance(slot) == &instances[1], "the new instance is in the slot");
}

static void no_call_is_in_an_instance_that_was_drained(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "drain",
        .start = start,
        .threads = {replace, call_twice, call},
        .finish = every_call_was_answered,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

static void drain_soon(void)
{
    (void)slot_empty(slot);
    if (slot_drain(&instances[0], 1000) == HX_OK) {
        atomic_store_explicit(&is_freed, true, memory_order_relaxed);
    }
    explore_check(slot_fill(slot, &instances[1]) == HX_OK, "an empty slot can be filled");
}

static void a_drain_that_times_out_leaves_the_call_alone(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "drain-soon",
        .start = start,
        .threads = {drain_soon, call_twice, call},
        .finish = every_call_was_answered,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* --- a gate that is closed and opened again --------------------------------------------------- */

static void exchange(void)
{
    slot_close(slot);
    free_old();
    slot_open(slot, &instances[1]);
}

static void every_call_had_an_answer(void)
{
    every_call_was_answered();
    explore_check(answers[0] == 0, "a closed gate is not an empty slot");
}

/* SPEC: R6 */
static void a_call_of_a_closed_gate_waits_until_it_is_open(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "exchange",
        .start = start,
        .threads = {exchange, call_twice, call},
        .finish = every_call_had_an_answer,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* As the scheduler is called: it does not wait, and whoever leads the gate elsewhere may be below
 * it. */
static void call_without_waiting(void)
{
    struct hal_gate_result result;

    preempt_disable();
    result = gate_call(slot, 0, 0, 0, 0, 0);
    preempt_enable();
    explore_check(result.error == HX_OK || result.error == HX_EAGAIN,
                  "a call is answered, or finds the gate closed");
    answers[result.error == HX_OK ? result.value : 0]++;
}

/* SPEC: R6 */
static void a_call_that_may_not_wait_comes_back_from_a_closed_gate(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "exchange-without-waiting",
        .start = start,
        .threads = {exchange, call_without_waiting, call_twice},
        .finish = every_call_was_answered,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* The fault: whoever frees without draining is found. */
static void replace_hastily(void)
{
    (void)slot_empty(slot);
    explore_check(slot_fill(slot, &instances[1]) == HX_OK, "an empty slot can be filled");
    atomic_store_explicit(&is_freed, true, memory_order_relaxed);
}

static void who_frees_without_draining_is_found(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "hasty",
        .start = start,
        .threads = {replace_hastily, call},
        .preemptions = 1,
    };
    struct explore_outcome outcome;

    (void)state;
    explore_quietly(&scenario, &outcome);
    assert_true(outcome.has_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_call_is_in_an_instance_that_was_drained),
        cmocka_unit_test(a_drain_that_times_out_leaves_the_call_alone),
        cmocka_unit_test(a_call_of_a_closed_gate_waits_until_it_is_open),
        cmocka_unit_test(a_call_that_may_not_wait_comes_back_from_a_closed_gate),
        cmocka_unit_test(who_frees_without_draining_is_found),
    };

    return cmocka_run_group_tests_name("gate explored", tests, NULL, NULL);
}
