/* Read sections and grace periods in every schedule with a few preemptions. */
#include <hal/interrupt.h>
#include <kern/read_section.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <tests/explore/explore.h>

#include <cmocka.h>

/* What is published: the writer of a version ends the one before. */
struct version {
    _Atomic bool is_freed;
};

static struct version versions[3];
static _Atomic(struct version *) published;
static unsigned count;

static void start(void)
{
    read_section_init();
    explore_join_grace_periods(3);
    count = 0;
    for (unsigned i = 0; i < HX_ARRAY_SIZE(versions); i++) {
        atomic_store_explicit(&versions[i].is_freed, false, memory_order_relaxed);
    }
    atomic_store_explicit(&published, &versions[0], memory_order_relaxed);
}

static void use(struct version *version)
{
    explore_check(!atomic_load_explicit(&version->is_freed, memory_order_relaxed),
                  "what a section has found is there until its end");
}

static void read_published(void)
{
    struct version *version = atomic_load_explicit(&published, memory_order_acquire);

    use(version);
    use(version);
}

static void read_in_section(void)
{
    read_enter();
    read_published();
    read_leave();
}

static void read_twice(void)
{
    read_in_section();
    read_in_section();
}

static void read_in_nested_sections(void)
{
    read_enter();
    read_in_section();
    read_published();
    read_leave();
}

/* Whoever has interrupts off is a reader as well. */
static void read_without_interrupts(void)
{
    hal_interrupt_state state = hal_interrupts_save();

    read_published();
    hal_interrupts_restore(state);
}

static struct version *publish(void)
{
    return atomic_exchange_explicit(&published, &versions[++count], memory_order_acq_rel);
}

static void free_version(struct version *version)
{
    atomic_store_explicit(&version->is_freed, true, memory_order_relaxed);
}

static void write(void)
{
    struct version *old = publish();

    read_synchronize();
    free_version(old);
}

static void all_is_over(void)
{
    explore_check(read_pending_cpus() == 0, "no grace period is under way");
}

/* --- the readers ------------------------------------------------------------------------------ */

static void a_grace_period_waits_for_each_section(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "sections",
        .start = start,
        .threads = {read_twice, read_in_nested_sections, write},
        .finish = all_is_over,
        .preemptions = 3,
    };

    (void)state;
    explore(&scenario);
}

static void a_grace_period_waits_for_who_has_interrupts_off(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "interrupts-off",
        .start = start,
        .threads = {read_without_interrupts, read_in_section, write},
        .finish = all_is_over,
        .preemptions = 3,
    };

    (void)state;
    explore(&scenario);
}

static void writers_share_grace_periods_and_none_is_too_short(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "two-writers",
        .start = start,
        .threads = {read_twice, write, write},
        .finish = all_is_over,
        .preemptions = 2,
    };

    (void)state;
    explore(&scenario);
}

/* --- readers and writers that break the rules are found ----------------------------------------
 */

static void write_hastily(void)
{
    free_version(publish());
}

static void a_writer_that_does_not_wait_is_found(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "hasty-writer",
        .start = start,
        .threads = {read_in_section, write_hastily},
        .preemptions = 1,
    };
    struct explore_outcome outcome;

    (void)state;
    explore_quietly(&scenario, &outcome);
    assert_true(outcome.has_failed);
}

static void a_reader_outside_of_a_section_is_found(void **state)
{
    static const struct explore_scenario scenario = {
        .name = "careless-reader",
        .start = start,
        .threads = {read_published, write},
        .preemptions = 2,
    };
    struct explore_outcome outcome;

    (void)state;
    explore_quietly(&scenario, &outcome);
    assert_true(outcome.has_failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grace_period_waits_for_each_section),
        cmocka_unit_test(a_grace_period_waits_for_who_has_interrupts_off),
        cmocka_unit_test(writers_share_grace_periods_and_none_is_too_short),
        cmocka_unit_test(a_writer_that_does_not_wait_is_found),
        cmocka_unit_test(a_reader_outside_of_a_section_is_found),
    };

    return cmocka_run_group_tests_name("read sections explored", tests, NULL, NULL);
}
