/* CPUs off line and back with all that core has there, step by step; and suspend. */
#include <core/interrupts/router.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <subsys/power/power.h>
#include <subsys/processors/processors.h>
#include <tests/self/crew.h>
#include <tests/self/suites.h>

#define OFFLINE_STEPS 3U
#define ONLINE_STEPS  2U
#define NAP_NS        (300 * HAL_NS_PER_MS)

static struct crew crew;

static bool has_two_cpus(void)
{
    if (cpu_online_count() < 2) {
        selftest_skip("needs a second CPU");
        return false;
    }
    return true;
}

static void note_place(void *argument)
{
    *(uint32_t *)argument = hal_cpu_id();
}

/* It runs threads that are bound to it. */
static void expect_to_work(uint32_t cpu)
{
    uint32_t place = HAL_CPU_MAX;

    crew_open(&crew);
    crew_start(&crew, note_place, &place, 1ULL << cpu);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(place, cpu);
}

/* SPEC: O9 K7 */
static void each_step_on_the_way_off_line_can_fail_and_is_undone(void)
{
    uint32_t cpu = hal_cpu_count() - 1;

    if (!has_two_cpus()) {
        return;
    }
    for (uint64_t step = 1; step <= OFFLINE_STEPS; step++) {
        failpoint_arm(step);
        EXPECT_EQUAL(processors_offline(cpu), HX_EIO);
        EXPECT((cpu_online_mask() >> cpu & 1) != 0);
        expect_to_work(cpu);
    }
    failpoint_arm(OFFLINE_STEPS + 1);
    EXPECT_EQUAL(processors_offline(cpu), HX_OK);
    EXPECT_EQUAL(failpoint_steps(), OFFLINE_STEPS);
    failpoint_arm(0);
    EXPECT_EQUAL(processors_online(cpu), HX_OK);
}

/* SPEC: O9 K7 */
static void each_step_on_the_way_back_can_fail_and_is_undone(void)
{
    uint32_t cpu = hal_cpu_count() - 1;

    if (!has_two_cpus()) {
        return;
    }
    EXPECT_EQUAL(processors_offline(cpu), HX_OK);
    for (uint64_t step = 1; step <= ONLINE_STEPS; step++) {
        failpoint_arm(step);
        EXPECT_EQUAL(processors_online(cpu), HX_EIO);
        EXPECT((cpu_online_mask() >> cpu & 1) == 0);
    }
    failpoint_arm(ONLINE_STEPS + 1);
    EXPECT_EQUAL(processors_online(cpu), HX_OK);
    EXPECT_EQUAL(failpoint_steps(), ONLINE_STEPS);
    failpoint_arm(0);
    expect_to_work(cpu);
}

/* --- suspend ---------------------------------------------------------------------------------- */

static _Atomic bool is_over;
static _Atomic uint32_t laps;

static void run_laps(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&laps, 1, memory_order_relaxed);
        thread_sleep(HAL_NS_PER_MS);
    }
}

/* SPEC: O7 */
static void a_suspended_machine_wakes_in_time_with_all_its_cpus(void)
{
    static struct subsystem_failure failure;
    uint64_t all = cpu_online_mask();
    uint64_t start = hal_clock_now();
    uint32_t before;

    atomic_store_explicit(&is_over, false, memory_order_relaxed);
    atomic_store_explicit(&laps, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < 4; i++) {
        crew_start(&crew, run_laps, NULL, 0);
    }
    EXPECT(crew_sleep_until(&laps, 20));
    start = hal_clock_now();
    EXPECT_EQUAL(power_suspend(start + NAP_NS, &failure), HX_OK);
    EXPECT(hal_clock_now() - start >= NAP_NS);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    EXPECT_EQUAL(cpu_online_mask(), all);
    before = atomic_load_explicit(&laps, memory_order_relaxed);
    EXPECT(crew_sleep_until(&laps, before + 20));
    atomic_store_explicit(&is_over, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
}

/* SPEC: O7 O9 */
static void a_suspend_that_fails_leaves_all_cpus_online(void)
{
    static struct subsystem_failure failure;
    uint64_t all = cpu_online_mask();
    uint64_t step;
    hx_err error = HX_EIO;

    for (step = 1; error == HX_EIO && step < 1000; step++) {
        failpoint_arm(step);
        error = power_suspend(hal_clock_now() + HAL_NS_PER_MS, &failure);
        failpoint_arm(0);
        if (kernel_state_current() == KERNEL_SUSPENDED) { /* a step of the resume */
            EXPECT_EQUAL(cpu_online_count(), 1);
            EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
        }
        EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
        EXPECT_EQUAL(cpu_online_mask(), all);
    }
    EXPECT_EQUAL(error, HX_OK);
    EXPECT(step > 1);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "subsys_processors." #function, .run = function                                    \
    }

const struct selftest subsys_processors_tests[] = {
    TEST(each_step_on_the_way_off_line_can_fail_and_is_undone),
    TEST(each_step_on_the_way_back_can_fail_and_is_undone),
    TEST(a_suspended_machine_wakes_in_time_with_all_its_cpus),
    TEST(a_suspend_that_fails_leaves_all_cpus_online),
    {.name = NULL},
};
