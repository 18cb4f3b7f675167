#include "machine.h"

#include <core/interrupts/router.h>
#include <core/panic/panic.h>
#include <hal/clock.h>

#define VECTOR (HAL_VECTOR_FIRST + 1)
#define LINE   9U

static const struct hal_line_mode edge = {0};

/* --- handlers --------------------------------------------------------------------------------- */

static _Atomic unsigned calls[4];
static enum interrupt_action answers[4] = {INTERRUPT_HANDLED, INTERRUPT_HANDLED, INTERRUPT_HANDLED,
                                           INTERRUPT_HANDLED};

static enum interrupt_action count_call(void *argument, struct hal_frame *frame)
{
    uintptr_t which = (uintptr_t)argument;

    CHECK(frame != NULL && !hal_interrupts_enabled());
    CHECK(context_is_interrupt() && !context_can_block());
    atomic_fetch_add(&calls[which], 1);
    return answers[which];
}

static hx_err add(uint8_t vector, const char *name, uintptr_t which, bool shared)
{
    return interrupt_register(vector, name, count_call, (void *)which, shared);
}

/* Raise the vector on this CPU and let it in. */
static void raise_here(uint8_t vector)
{
    preempt_disable();
    hal_interrupt_send(hal_cpu_id(), vector);
    hal_cpu_relax();
    preempt_enable();
}

static uint64_t total_count(uint8_t vector)
{
    uint64_t count = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        count += interrupt_statistics(vector, cpu).count;
    }
    return count;
}

static uint64_t total_unhandled(uint8_t vector)
{
    uint64_t count = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        count += interrupt_statistics(vector, cpu).unhandled;
    }
    return count;
}

static void share_vectors(void)
{
    CHECK(interrupt_register(VECTOR, NULL, count_call, NULL, true) == HX_EINVAL);
    CHECK(interrupt_register(VECTOR, "x", NULL, NULL, true) == HX_EINVAL);
    CHECK(add(VECTOR, "first", 0, true) == HX_OK);
    CHECK(add(VECTOR, "first", 1, true) == HX_EEXIST);
    CHECK(add(VECTOR, "alone", 1, false) == HX_EBUSY);
    CHECK(add(VECTOR, "second", 1, true) == HX_OK);
    CHECK(add(VECTOR + 1, "alone", 2, false) == HX_OK);
    CHECK(add(VECTOR + 1, "third", 3, true) == HX_EBUSY);
    raise_here(VECTOR);
    raise_here(VECTOR);
    raise_here(VECTOR + 1);
    CHECK(calls[0] == 2 && calls[1] == 2 && calls[2] == 1 && calls[3] == 0);
    CHECK(interrupt_unregister(VECTOR, "alone") == HX_ENOENT);
    CHECK(interrupt_unregister(VECTOR, "first") == HX_OK);
    raise_here(VECTOR);
    CHECK(calls[0] == 2 && calls[1] == 3);
    CHECK(interrupt_unregister(VECTOR, "second") == HX_OK);
    CHECK(add(VECTOR, "alone", 0, false) == HX_OK);
    CHECK(interrupt_free_vector() == HAL_VECTOR_FIRST);
    CHECK(add(HAL_VECTOR_FIRST, "taken", 3, false) == HX_OK);
    CHECK(interrupt_free_vector() == VECTOR + 2);
}

static void run_share_vectors(void)
{
    machine_run(1, share_vectors);
}

/* SPEC: I1 */
static void all_handlers_of_a_shared_vector_are_called_and_a_private_one_is_alone(void **state)
{
    (void)state;
    passes_in_child(run_share_vectors);
}

static void use_up_pool(void)
{
    static char names[512][16];
    unsigned added = 0;
    hx_err error = HX_OK;

    machine_boot(1);
    while (added < HX_ARRAY_SIZE(names) && error == HX_OK) {
        snprintf(names[added], sizeof names[added], "h%u", added);
        error = add((uint8_t)(HAL_VECTOR_FIRST + added % 8), names[added], 0, true);
        added += error == HX_OK ? 1 : 0;
    }
    CHECK(error == HX_ENOSPC && added >= 256);
    CHECK(interrupt_unregister(HAL_VECTOR_FIRST, "h0") == HX_ECONTEXT);
}

static void the_pool_of_handlers_ends_with_an_error(void **state)
{
    (void)state;
    passes_in_child(use_up_pool);
}

static _Atomic unsigned inside;
static _Atomic unsigned leave;

static enum interrupt_action dwell(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    atomic_store(&inside, 1);
    while (atomic_load(&leave) == 0) {
        hal_cpu_relax();
    }
    atomic_store(&inside, 0);
    return INTERRUPT_HANDLED;
}

static void release_later(void *argument)
{
    (void)argument;
    thread_sleep(20 * HAL_NS_PER_MS);
    atomic_store(&leave, 1);
}

static void unregister_running(void)
{
    const struct thread_options options = {.name = "release",
                                           .entry = release_later,
                                           .affinity = 1U << hal_cpu_id(),
                                           .priority = THREAD_PRIORITY_NORMAL};
    uint32_t other = 1 - hal_cpu_id();
    struct thread *thread;

    preempt_disable(); /* stays on this CPU until the handler runs on the other */
    CHECK(interrupt_register(VECTOR, "dwell", dwell, NULL, false) == HX_OK);
    hal_interrupt_send(other, VECTOR);
    while (atomic_load(&inside) == 0) {
        hal_cpu_relax();
    }
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    preempt_enable();
    CHECK(interrupt_unregister(VECTOR, "dwell") == HX_OK);
    CHECK(atomic_load(&inside) == 0 && atomic_load(&leave) == 1);
    atomic_store(&inside, 0);
    hal_interrupt_send(other, VECTOR);
    thread_sleep(10 * HAL_NS_PER_MS);
    CHECK(atomic_load(&inside) == 0);
}

static void run_unregister_running(void)
{
    machine_run(2, unregister_running);
}

/* SPEC: I1 */
static void unregistering_waits_for_a_running_handler(void **state)
{
    (void)state;
    passes_in_child(run_unregister_running);
}

static _Atomic bool stop_raising;
static _Atomic bool raiser_ended;

static void raise_until_told(void *argument)
{
    (void)argument;
    while (!atomic_load(&stop_raising)) {
        hal_interrupt_send(hal_cpu_id(), VECTOR);
        hal_cpu_relax();
    }
    atomic_store(&raiser_ended, true);
}

static void change_under_load(void)
{
    const struct thread_options options = {
        .name = "raiser", .entry = raise_until_told, .affinity = 2, .priority = 16};
    struct thread *thread;

    answers[0] = INTERRUPT_NOT_HANDLED;
    CHECK(add(VECTOR, "stays", 1, true) == HX_OK);
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    for (unsigned i = 0; i < 300; i++) {
        unsigned before;

        CHECK(add(VECTOR, "comes and goes", 0, true) == HX_OK);
        CHECK(interrupt_unregister(VECTOR, "comes and goes") == HX_OK);
        before = atomic_load(&calls[0]);
        thread_yield();
        CHECK(atomic_load(&calls[0]) == before);
    }
    atomic_store(&stop_raising, true);
    while (!atomic_load(&raiser_ended)) {
        thread_sleep(HAL_NS_PER_MS);
    }
    CHECK(calls[1] != 0 && total_count(VECTOR) == calls[1] && total_unhandled(VECTOR) == 0);
}

static void run_change_under_load(void)
{
    machine_run(2, change_under_load);
}

/* SPEC: I1 */
static void handlers_come_and_go_while_the_vector_fires(void **state)
{
    (void)state;
    passes_in_child(run_change_under_load);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void reschedule(void)
{
    CHECK(add(VECTOR, "test", 0, true) == HX_OK);
    CHECK(add(VECTOR, "other", 1, true) == HX_OK);
    preempt_disable();
    thread_current()->reschedule = false;
    hal_interrupts_disable();
    hal_interrupt_send(hal_cpu_id(), VECTOR);
    hal_interrupts_enable();
    CHECK(calls[0] == 1 && !thread_current()->reschedule);
    answers[0] = INTERRUPT_RESCHEDULE; /* more urgent than the other's "handled" */
    hal_interrupt_send(hal_cpu_id(), VECTOR);
    hal_cpu_relax();
    CHECK(calls[0] == 2 && calls[1] == 2 && thread_current()->reschedule);
    preempt_enable();
    CHECK(!thread_current()->reschedule);
}

static void run_reschedule(void)
{
    machine_run(1, reschedule);
}

/* SPEC: I2 */
static void the_answer_reschedule_makes_the_thread_give_way(void **state)
{
    (void)state;
    passes_in_child(run_reschedule);
}

static void ask_for_panic(void)
{
    CHECK(console_register(&console_serial) == HX_OK);
    panic_set_action(PANIC_EXIT);
    CHECK(add(VECTOR, "test", 0, true) == HX_OK);
    answers[0] = INTERRUPT_PANIC;
    raise_here(VECTOR);
}

static void run_ask_for_panic(void)
{
    machine_run(1, ask_for_panic);
}

/* SPEC: I2 */
static void the_answer_panic_panics(void **state)
{
    (void)state;
    in_child(run_ask_for_panic);
    assert_int_equal(child.status, PANIC_EXIT_STATUS);
    assert_int_equal(printed("Message: a handler of interrupt vector 33 wants a panic"), 1);
}

/* --- statistics and storms -------------------------------------------------------------------- */

static enum interrupt_action take_time(void *argument, struct hal_frame *frame)
{
    uint64_t until = hal_clock_cycles() + *(const uint64_t *)argument;

    (void)frame;
    while (hal_clock_cycles() < until) {
    }
    return INTERRUPT_HANDLED;
}

static void gather_statistics(void)
{
    uint64_t cycles = 2000000;
    uint32_t cpu;
    struct interrupt_statistics numbers;

    CHECK(interrupt_register(VECTOR, "slow", take_time, &cycles, false) == HX_OK);
    preempt_disable();
    cpu = hal_cpu_id();
    raise_here(VECTOR);
    cycles = 1000;
    raise_here(VECTOR);
    raise_here(VECTOR + 1);
    preempt_enable();
    numbers = interrupt_statistics(VECTOR, cpu);
    CHECK(numbers.count == 2 && numbers.unhandled == 0);
    CHECK(numbers.longest >= 2000000 && numbers.total >= numbers.longest + 1000);
    CHECK(interrupt_load(cpu) >= numbers.total);
    CHECK(total_count(VECTOR) == 2);
    numbers = interrupt_statistics(VECTOR + 1, cpu);
    CHECK(numbers.count == 1 && numbers.unhandled == 1);
    CHECK(interrupt_statistics(VECTOR, HAL_CPU_MAX).count == 0);
}

static void run_gather_statistics(void)
{
    machine_run(2, gather_statistics);
}

/* SPEC: I5 I2 */
static void count_unhandled_longest_and_total_are_kept_per_cpu(void **state)
{
    (void)state;
    passes_in_child(run_gather_statistics);
}

/* Until the line is masked, and as often again: on a busy host a window may pass in between. */
static void raise_beyond_the_limit(void)
{
    unsigned raised = 0;

    while (!interrupt_is_masked(VECTOR)) {
        CHECK(raised++ < 1000 * INTERRUPT_STORM_LIMIT);
        hosted_raise_line(LINE);
        hal_cpu_relax();
    }
    CHECK(raised >= INTERRUPT_STORM_LIMIT && total_unhandled(VECTOR) == raised);
    for (unsigned i = 0; i < INTERRUPT_STORM_LIMIT; i++) {
        hosted_raise_line(LINE);
        hal_cpu_relax();
    }
    CHECK(total_unhandled(VECTOR) == raised);
}

static void storm(void)
{
    uint64_t lines;
    uint64_t handled;

    answers[0] = INTERRUPT_NOT_HANDLED;
    CHECK(add(VECTOR, "not mine", 0, true) == HX_OK);
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_FIXED_CPU, 0) == HX_OK);
    lines = log_statistics().written;
    raise_beyond_the_limit();
    CHECK(interrupt_is_masked(VECTOR) && interrupt_storms() == 1);
    CHECK(log_statistics().written == lines + 1);
    CHECK(!interrupt_is_masked(VECTOR + 1));
    answers[0] = INTERRUPT_HANDLED;
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_FIXED_CPU, 0) == HX_OK);
    CHECK(!interrupt_is_masked(VECTOR));
    handled = total_count(VECTOR);
    hosted_raise_line(LINE);
    hal_cpu_relax();
    CHECK(total_count(VECTOR) == handled + 1);
}

static void run_storm(void)
{
    machine_run(1, storm);
}

/* SPEC: I2 */
static void a_storm_nobody_handles_is_masked_and_logged_once(void **state)
{
    (void)state;
    passes_in_child(run_storm);
}

static void trickle(void)
{
    for (unsigned i = 0; i < 2 * INTERRUPT_STORM_LIMIT; i++) {
        raise_here(VECTOR);
        if (i % (INTERRUPT_STORM_LIMIT - 10) == 0) {
            thread_sleep(INTERRUPT_STORM_WINDOW_NS + 5 * HAL_NS_PER_MS);
        }
    }
    CHECK(total_unhandled(VECTOR) == 2 * INTERRUPT_STORM_LIMIT);
    CHECK(!interrupt_is_masked(VECTOR) && interrupt_storms() == 0);
}

static void run_trickle(void)
{
    machine_run(1, trickle);
}

/* SPEC: I2 */
static void unhandled_interrupts_spread_over_time_are_no_storm(void **state)
{
    (void)state;
    passes_in_child(run_trickle);
}

/* --- routing ---------------------------------------------------------------------------------- */

/* Each edge is handled by so many CPUs before the next comes: two that are pending are one. */
static void raise_and_await(unsigned times, unsigned cpus)
{
    for (unsigned i = 0; i < times; i++) {
        uint64_t wanted = total_count(VECTOR) + cpus;

        hosted_raise_line(LINE);
        while (total_count(VECTOR) < wanted) {
            thread_sleep(HAL_NS_PER_MS);
        }
    }
    thread_sleep(5 * HAL_NS_PER_MS); /* for one that nobody should have handled */
}

static uint64_t count_on(uint32_t cpu)
{
    return interrupt_statistics(VECTOR, cpu).count;
}

static void route(void)
{
    CHECK(add(VECTOR, "test", 0, true) == HX_OK);
    CHECK(router_route(1000, VECTOR, edge, ROUTE_FIXED_CPU, 0) == HX_EINVAL);
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_FIXED_CPU, 7) == HX_EINVAL);
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_FIXED_CPU, HAL_CPU_MAX) == HX_EINVAL);
    CHECK(router_unroute(LINE) == HX_ENOENT && router_cpus(LINE) == 0);
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_FIXED_CPU, 1) == HX_OK);
    raise_and_await(5, 1);
    CHECK(count_on(0) == 0 && count_on(1) == 5);
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_BROADCAST, 0) == HX_OK);
    CHECK(router_cpus(LINE) == 7);
    raise_and_await(1, 3);
    CHECK(count_on(0) == 1 && count_on(1) == 6 && count_on(2) == 1);
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_ROUND_ROBIN, 0) == HX_OK);
    for (unsigned i = 0; i < 3; i++) {
        raise_and_await(4, 1);
        router_rebalance();
    }
    CHECK(count_on(0) == 5 && count_on(1) == 10 && count_on(2) == 5);
    CHECK(router_unroute(LINE) == HX_OK);
    raise_and_await(1, 0);
    CHECK(total_count(VECTOR) == 20);
}

static void run_route(void)
{
    machine_run(3, route);
}

/* SPEC: I4 */
static void lines_go_where_the_strategy_says(void **state)
{
    (void)state;
    passes_in_child(run_route);
}

static void work_for_ever(void *argument)
{
    (void)argument;
    for (;;) {
        hal_cpu_relax();
    }
}

/* CPU 0 has a thread that never rests, and the test itself; CPU 1 none. */
static void follow_load(void)
{
    const struct thread_options options = {
        .name = "busy", .entry = work_for_ever, .affinity = 1, .priority = 16};
    struct thread *thread;

    CHECK(add(VECTOR, "test", 0, true) == HX_OK);
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    do { /* a host that takes CPU 1's time away makes it look busy, for a while */
        router_rebalance();
        thread_sleep(150 * HAL_NS_PER_MS);
        router_rebalance();
    } while (router_busy_permille(0) <= router_busy_permille(1));
    CHECK(router_route(LINE, VECTOR, edge, ROUTE_LOWEST_PRIORITY, 0) == HX_OK);
    CHECK(router_cpus(LINE) == 2);
}

static void run_follow_load(void)
{
    machine_run(2, follow_load);
}

/* SPEC: I4 */
static void lowest_priority_is_the_cpu_that_was_least_busy(void **state)
{
    (void)state;
    passes_in_child(run_follow_load);
}

/* --- exceptions ------------------------------------------------------------------------------- */

static char asked[16];

static enum exception_action ask(struct hal_frame *frame, void *argument)
{
    size_t used = strlen(asked);

    CHECK(hal_frame_exception(frame) == HAL_EXCEPTION_BREAKPOINT);
    asked[used] = *(const char *)argument;
    return asked[used] == 'c' ? EXCEPTION_RESUME : EXCEPTION_NOT_MINE;
}

static hx_err add_asker(const char *name, enum exception_order order)
{
    return exception_register(HAL_EXCEPTION_BREAKPOINT, name, order, ask, (void *)(uintptr_t)name);
}

static void ask_in_order(void)
{
    CHECK(add_asker("c", EXCEPTION_ORDER_OWNER) == HX_OK);
    CHECK(add_asker("b", EXCEPTION_ORDER_MEMORY) == HX_OK);
    CHECK(add_asker("a", EXCEPTION_ORDER_DEBUGGER) == HX_OK);
    CHECK(add_asker("d", EXCEPTION_ORDER_OWNER) == HX_OK);
    CHECK(add_asker("d", EXCEPTION_ORDER_FIXUP) == HX_EEXIST);
    CHECK(exception_register(EXCEPTION_KINDS, "x", EXCEPTION_ORDER_OWNER, ask, NULL) == HX_EINVAL);
    CHECK(exception_register(HAL_EXCEPTION_PAGE, NULL, EXCEPTION_ORDER_OWNER, ask, NULL) ==
          HX_EINVAL);
    __asm__ volatile("int3");
    CHECK(strcmp(asked, "abc") == 0);
    CHECK(exception_count(HAL_EXCEPTION_BREAKPOINT) == 1);
    CHECK(exception_unregister(HAL_EXCEPTION_BREAKPOINT, "b") == HX_OK);
    CHECK(exception_unregister(HAL_EXCEPTION_BREAKPOINT, "b") == HX_ENOENT);
    CHECK(exception_unregister(EXCEPTION_KINDS, "b") == HX_ENOENT);
    __asm__ volatile("int3");
    CHECK(strcmp(asked, "abcac") == 0);
    CHECK(exception_count(HAL_EXCEPTION_BREAKPOINT) == 2);
}

static void run_ask_in_order(void)
{
    machine_run(1, ask_in_order);
}

/* SPEC: I3 */
static void handlers_of_an_exception_are_asked_in_order_until_one_takes_it(void **state)
{
    (void)state;
    passes_in_child(run_ask_in_order);
}

static uintptr_t expected_address;

/* Repair what faulted by going on behind it: the instruction is two bytes, movb (%rax), %al. */
static enum exception_action repair(struct hal_frame *frame, void *argument)
{
    (void)argument;
    CHECK(hal_frame_exception(frame) == HAL_EXCEPTION_PAGE);
    CHECK(hal_frame_fault_address(frame) == expected_address);
    CHECK((hal_frame_fault_access(frame) & HAL_FAULT_WRITE) == 0);
    hal_frame_set_pc(frame, hal_frame_pc(frame) + 2);
    return EXCEPTION_RESUME;
}

static void touch_nothing(void)
{
    expected_address = 0x1234;
    CHECK(exception_register(HAL_EXCEPTION_PAGE, "repair", EXCEPTION_ORDER_OWNER, repair, NULL) ==
          HX_OK);
    __asm__ volatile("movb (%%rax), %%al" ::"a"(expected_address));
    CHECK(exception_count(HAL_EXCEPTION_PAGE) == 1);
}

static void run_touch_nothing(void)
{
    machine_run(1, touch_nothing);
}

/* SPEC: I3 */
static void a_page_fault_carries_its_address_and_access(void **state)
{
    (void)state;
    passes_in_child(run_touch_nothing);
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < EXCEPTION_KINDS; kind++) {
        assert_non_null(exception_name(kind));
        assert_true(strlen(exception_name(kind)) > 3);
    }
    assert_string_equal(exception_name(HAL_EXCEPTION_PAGE), "page fault");
    assert_string_equal(exception_name(EXCEPTION_KINDS), "?");
    assert_int_equal(exception_count(EXCEPTION_KINDS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_handlers_of_a_shared_vector_are_called_and_a_private_one_is_alone),
        cmocka_unit_test(the_pool_of_handlers_ends_with_an_error),
        cmocka_unit_test(unregistering_waits_for_a_running_handler),
        cmocka_unit_test(handlers_come_and_go_while_the_vector_fires),
        cmocka_unit_test(the_answer_reschedule_makes_the_thread_give_way),
        cmocka_unit_test(the_answer_panic_panics),
        cmocka_unit_test(count_unhandled_longest_and_total_are_kept_per_cpu),
        cmocka_unit_test(a_storm_nobody_handles_is_masked_and_logged_once),
        cmocka_unit_test(unhandled_interrupts_spread_over_time_are_no_storm),
        cmocka_unit_test(lines_go_where_the_strategy_says),
        cmocka_unit_test(lowest_priority_is_the_cpu_that_was_least_busy),
        cmocka_unit_test(handlers_of_an_exception_are_asked_in_order_until_one_takes_it),
        cmocka_unit_test(a_page_fault_carries_its_address_and_access),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests_name("core/interrupts", tests, NULL, NULL);
}
