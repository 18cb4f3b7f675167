#include "machine.h"

#include <base/assert.h>
#include <core/debug/log.h>
#include <core/ipc/event_bus.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <kern/spinlock.h>
#include <stdatomic.h>

/* The last line of a panic that halts. */
#define HALT "Action: Halt\r\n"

static void with_console(void)
{
    CHECK(console_register(&console_serial) == HX_OK);
    CHECK(console_start_thread() == HX_OK);
    panic_set_action(PANIC_EXIT);
}

/* --- the block -------------------------------------------------------------------------------- */

/* The parts of the block, in order; each begins a line. */
static const char *const block[] = {
    "=== KERNEL PANIC ===\r\n", "Message: ",        "Location: ", "Thread: ", "State: ",
    "Register Dump:\r\n",       "Stack Trace:\r\n", "#0 ",        "Action: ",
};

/* Exactly one block is there, complete and in order. */
static void one_block_was_printed(void)
{
    const char *at = child.output;

    assert_int_equal(printed("=== KERNEL PANIC ==="), 1);
    for (size_t i = 0; i < HX_ARRAY_SIZE(block); i++) {
        at = strstr(at, block[i]);
        if (at == NULL || (at != child.output && at[-1] != '\n')) {
            fail_msg("no line %s at its place in:\n%s", block[i], child.output);
        }
    }
}

static void ends_by_exit(void (*function)(void))
{
    in_child(function);
    if (child.status != PANIC_EXIT_STATUS) {
        fail_msg("ended with %d after printing:\n%s", child.status, child.output);
    }
    assert_non_null(strstr(child.output, "Action: Exit\r\nReport Complete: after "));
    assert_non_null(strstr(child.output, " us\r\npanic: exit\r\n"));
    one_block_was_printed();
}

static void panic_in_thread(void)
{
    with_console();
    kprintln("queued before");
    panic("the answer is %d", 42);
}

static void run_panic_in_thread(void)
{
    machine_run(2, panic_in_thread);
}

/* SPEC: X2 X3 X4 X6 */
static void a_panic_prints_the_block_and_exits(void **state)
{
    (void)state;
    ends_by_exit(run_panic_in_thread);
    assert_int_equal(printed("queued before\r\n"), 1);
    assert_int_equal(printed("Message: the answer is 42\r\n"), 1);
    assert_int_equal(printed("Location: tests/host/core/test_panic.c:"), 1);
    assert_int_equal(printed("Thread: test (tid="), 1);
    assert_int_equal(printed("State: EarlyBoot\r\n"), 1);
    assert_true(printed("=0x") >= 16);
    assert_true(printed("\r\n#1 ") == 1);
    assert_true(strstr(child.output, "queued before") < strstr(child.output, "=== KERNEL"));
}

static void panic_with_location(void)
{
    machine_boot(1);
    CHECK(console_register(&console_serial) == HX_OK);
    panic_set_action(PANIC_EXIT);
    printf("line %d\n", __LINE__ + 2);
    fflush(stdout);
    panic("here");
}

static void the_location_is_file_line_and_column(void **state)
{
    unsigned line = 0;
    char wanted[80];

    (void)state;
    ends_by_exit(panic_with_location);
    assert_int_equal(sscanf(child.output, "line %u", &line), 1);
    snprintf(wanted, sizeof wanted, "Location: tests/host/core/test_panic.c:%u:0\r\n", line);
    assert_non_null(strstr(child.output, wanted));
}

static void fail_assertion(void)
{
    with_console();
    HX_ASSERT(1 + 1 == 3, "sums are what they were");
}

static void run_fail_assertion(void)
{
    machine_run(1, fail_assertion);
}

static void a_failed_assertion_says_its_sentence_and_place(void **state)
{
    (void)state;
    ends_by_exit(run_fail_assertion);
    assert_int_equal(printed("Message: assertion failed: sums are what they were (1 + 1 == 3)\r\n"),
                     1);
    assert_int_equal(printed("Location: tests/host/core/test_panic.c:"), 1);
}

static void take_assertion(const char *sentence, const char *expression, const char *file, int line)
{
    CHECK(strcmp(sentence, "sums are what they were") == 0);
    CHECK(strcmp(expression, "1 + 1 == 3") == 0);
    CHECK(file != NULL && line > 0);
    _exit(0);
}

static void fail_hooked_assertion(void)
{
    with_console();
    panic_set_assert_hook(take_assertion);
    HX_ASSERT(1 + 1 == 3, "sums are what they were");
}

static void run_fail_hooked_assertion(void)
{
    machine_run(1, fail_hooked_assertion);
}

static void an_assertion_is_offered_to_the_hook_first(void **state)
{
    (void)state;
    passes_in_child(run_fail_hooked_assertion);
    assert_int_equal(child.length, 0);
}

/* --- a writer that shows nothing, but for what a test adds ------------------------------ */

static void nothing_byte(char byte)
{
    (void)byte;
}

static void nothing(void)
{
}

static void nothing_level(enum log_level level)
{
    (void)level;
}

/* --- the contexts of SPEC X6 ------------------------------------------------------------------ */

static enum interrupt_action panic_in_handler(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    panic("in an interrupt");
}

static void panic_in_interrupt(void)
{
    with_console();
    CHECK(interrupt_register(HAL_VECTOR_FIRST, "test", panic_in_handler, NULL, false) == HX_OK);
    hal_interrupt_send(hal_cpu_id(), HAL_VECTOR_FIRST);
    hal_cpu_relax();
}

static void run_panic_in_interrupt(void)
{
    machine_run(2, panic_in_interrupt);
}

static enum interrupt_action want_panic(void *argument, struct hal_frame *frame)
{
    (void)argument;
    (void)frame;
    return INTERRUPT_PANIC;
}

static void panic_by_answer(void)
{
    with_console();
    CHECK(interrupt_register(HAL_VECTOR_FIRST, "test", want_panic, NULL, false) == HX_OK);
    hal_interrupt_send(hal_cpu_id(), HAL_VECTOR_FIRST);
    hal_cpu_relax();
}

static void run_panic_by_answer(void)
{
    machine_run(1, panic_by_answer);
}

static enum exception_action panic_in_nmi_handler(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    panic("in an NMI");
}

static void panic_in_nmi(void)
{
    with_console();
    CHECK(exception_register(EXCEPTION_NMI, "test", EXCEPTION_ORDER_DEBUGGER, panic_in_nmi_handler,
                             NULL) == HX_OK);
    CHECK(hal_interrupt_send_nmi(hal_cpu_id()) == HX_OK);
    hal_cpu_relax();
}

static void run_panic_in_nmi(void)
{
    machine_run(1, panic_in_nmi);
}

static void panic_on_secondary_entry(void *argument)
{
    (void)argument;
    CHECK(hal_cpu_id() == 1);
    panic("on a secondary CPU");
}

static void panic_on_secondary(void)
{
    const struct thread_options options = {.name = "secondary",
                                           .entry = panic_on_secondary_entry,
                                           .affinity = 2,
                                           .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;

    with_console();
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    for (;;) {
        kinfo("the boot CPU works on");
        hal_cpu_relax();
    }
}

static void run_panic_on_secondary(void)
{
    machine_run(2, panic_on_secondary);
}

static _Atomic unsigned rounds;

/* While the last line is printed, the other CPU must not move any more. */
static void watch_the_other(const char *text, size_t length)
{
    if (panic_is_active() && length > 6 && memcmp(text, "Action", 6) == 0) {
        unsigned before = atomic_load(&rounds);
        uint64_t until = hal_clock_now() + 20 * HAL_NS_PER_MS;

        while (hal_clock_now() < until) {
        }
        CHECK(before > 0 && atomic_load(&rounds) == before);
    }
}

static const struct console_writer watcher = {
    .name = "watcher",
    .write_byte = nothing_byte,
    .write_string = watch_the_other,
    .flush = nothing,
    .set_level = nothing_level,
    .works_in_panic = true,
};

static void panic_beside_another(void *argument)
{
    (void)argument;
    while (atomic_load(&rounds) == 0) {
        hal_cpu_relax();
    }
    panic("beside another");
}

static void panic_while_another_works(void)
{
    preempt_disable(); /* stays on its CPU */

    const struct thread_options options = {.name = "other",
                                           .entry = panic_beside_another,
                                           .affinity = 1ULL << (1 - hal_cpu_id()),
                                           .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;

    with_console();
    CHECK(console_register(&watcher) == HX_OK);
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    for (;;) {
        atomic_fetch_add(&rounds, 1);
        hal_cpu_relax();
    }
}

static void run_panic_while_another_works(void)
{
    machine_run(2, panic_while_another_works);
}

/* SPEC: X3 */
static void the_other_cpus_stand_still_during_the_report(void **state)
{
    (void)state;
    ends_by_exit(run_panic_while_another_works);
}

static struct spinlock some_lock = SPINLOCK_INIT(LOCK_RANK_HEAP, "heap, say");

static void panic_with_lock_held(void)
{
    hal_interrupt_state interrupts;

    with_console();
    interrupts = spinlock_acquire(&some_lock);
    panic("with a lock held, interrupts %lu", interrupts);
}

static void run_panic_with_lock_held(void)
{
    machine_run(1, panic_with_lock_held);
}

/* The sanitizer would take the exception away. */
__attribute__((no_sanitize("undefined"))) static void divide(void)
{
    volatile int zero = 0;
    volatile int one = 1;

    with_console();
    CHECK(one / zero != 0);
}

static void run_divide(void)
{
    machine_run(2, divide);
}

static void read_null(void)
{
    volatile uintptr_t nowhere = 0x18;

    with_console();
    *(volatile int *)nowhere = 1;
}

static void run_read_null(void)
{
    machine_run(1, read_null);
}

/* A writer that panics while it prints: the printer's lock is held then. */
static void panic_once(const char *text, size_t length)
{
    (void)text;
    (void)length;
    if (!panic_is_active()) {
        panic("while printing");
    }
}

static const struct console_writer panicker = {
    .name = "panicker",
    .write_byte = nothing_byte,
    .write_string = panic_once,
    .flush = nothing,
    .set_level = nothing_level,
    .works_in_panic = true,
};

static void panic_while_printing(void)
{
    with_console();
    console_flush();
    CHECK(console_register(&panicker) == HX_OK);
    kprintln("a line");
    /* The panicking CPU prints the line too: a flush here might return before this CPU stops. */
    thread_sleep(CHILD_SECONDS * HAL_NS_PER_S);
}

static void run_panic_while_printing(void)
{
    machine_run(2, panic_while_printing);
}

/* SPEC: X6 */
static void a_full_report_comes_out_of_every_context(void **state)
{
    static const struct {
        void (*run)(void);
        const char *message;
    } contexts[] = {
        {run_panic_in_interrupt, "Message: in an interrupt\r\n"},
        {run_panic_by_answer, "Message: a handler of interrupt vector "},
        {run_panic_in_nmi, "Message: in an NMI\r\n"},
        {run_panic_on_secondary, "Message: on a secondary CPU\r\n"},
        {run_panic_with_lock_held, "Message: with a lock held"},
        {run_divide, "Message: divide error"},
        {run_read_null, "Message: page fault: write of 0x18, which is not mapped\r\n"},
        {run_panic_while_printing, "Message: while printing\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(contexts); i++) {
        ends_by_exit(contexts[i].run);
        if (printed(contexts[i].message) != 1) {
            fail_msg("no %s in:\n%s", contexts[i].message, child.output);
        }
    }
}

/* --- two at once, one inside the other -------------------------------------------------------- */

static _Atomic unsigned ready;

static void panic_together(void *argument)
{
    atomic_fetch_add(&ready, 1);
    while (atomic_load(&ready) != 2) {
        hal_cpu_relax();
    }
    panic("number %u", (unsigned)(uintptr_t)argument);
}

static void panic_twice(void)
{
    const struct thread_options options = {.name = "other",
                                           .entry = panic_together,
                                           .argument = (void *)2,
                                           .affinity = 1ULL << (1 - hal_cpu_id()),
                                           .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;

    with_console();
    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
    preempt_disable();
    panic_together((void *)1);
}

static void run_panic_twice(void)
{
    machine_run(2, panic_twice);
}

/* SPEC: X6 */
static void two_cpus_at_once_make_one_readable_report(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        ends_by_exit(run_panic_twice);
        assert_int_equal(printed("Message: number 1\r\n") + printed("Message: number 2\r\n"), 1);
    }
}

static enum panic_action panic_again(const struct panic_context *context)
{
    CHECK(strcmp(context->message, "the first") == 0);
    panic("the second");
}

static const struct panic_handler clumsy = {.name = "clumsy", .handle_panic = panic_again};

static void panic_in_panic_handler(void)
{
    with_console();
    panic_set_handler(&clumsy);
    panic("the first");
}

static void run_panic_in_panic_handler(void)
{
    machine_run(2, panic_in_panic_handler);
}

/* SPEC: X1 X6 */
static void a_panic_inside_the_panic_handler_reports_both_and_halts(void **state)
{
    (void)state;
    in_child_until(run_panic_in_panic_handler, HALT);
    assert_int_equal(child.status, CHILD_HALTED);
    one_block_was_printed();
    assert_int_equal(printed("Message: the second (inside the panic: the first)\r\n"), 1);
    assert_int_equal(printed(HALT), 1);
}

static void break_report(const char *text, size_t length)
{
    if (console_in_panic()) {
        panic("the writer is broken, too");
    }
    (void)text;
    (void)length;
}

static void shout(char byte)
{
    CHECK(write(STDOUT_FILENO, &byte, 1) == 1);
}

static const struct console_writer broken = {
    .name = "broken",
    .write_byte = shout,
    .write_string = break_report,
    .flush = nothing,
    .set_level = nothing_level,
    .works_in_panic = true,
};

static void panic_with_broken_writer(void)
{
    CHECK(console_register(&broken) == HX_OK);
    panic("the first");
}

static void run_panic_with_broken_writer(void)
{
    machine_run(1, panic_with_broken_writer);
}

/* SPEC: X1 */
static void when_even_the_report_panics_it_halts_with_last_words(void **state)
{
    (void)state;
    in_child_until(run_panic_with_broken_writer, "halted\n");
    assert_int_equal(child.status, CHILD_HALTED);
    assert_string_equal(child.output, "\npanic: a third one inside the report; halted\n");
}

/* --- handlers and actions --------------------------------------------------------------------- */

static enum panic_action look_and_exit(const struct panic_context *context)
{
    CHECK(strcmp(context->message, "look at me") == 0);
    CHECK(strcmp(context->location.file, "tests/host/core/test_panic.c") == 0);
    CHECK(context->location.line > 0 && context->location.column == 0);
    CHECK(context->cpu_state != NULL);
    CHECK(context->backtrace_depth >= 2);
    CHECK(context->thread_id == thread_current()->id);
    CHECK(strcmp(context->thread_name, "test") == 0);
    CHECK(context->kernel_state == KERNEL_EARLY_BOOT);
    CHECK(kernel_state_current() == KERNEL_EARLY_BOOT);
    CHECK(!hal_interrupts_enabled());
    return PANIC_EXIT;
}

static const struct panic_handler observer = {.name = "observer", .handle_panic = look_and_exit};

static void panic_observed(void)
{
    with_console();
    panic_set_action(PANIC_HALT);
    panic_set_handler(&observer);
    panic("look at me");
}

static void run_panic_observed(void)
{
    machine_run(1, panic_observed);
}

/* SPEC: X1 X2 */
static void a_replaced_handler_sees_the_context_and_decides(void **state)
{
    (void)state;
    ends_by_exit(run_panic_observed);
}

static void panic_and_halt(void)
{
    with_console();
    panic_set_action(PANIC_HALT);
    panic("stop");
}

static void run_panic_and_halt(void)
{
    machine_run(2, panic_and_halt);
}

static void panic_and_break(void)
{
    with_console();
    panic_set_action(PANIC_DEBUG_BREAK);
    panic("break");
}

static void run_panic_and_break(void)
{
    machine_run(1, panic_and_break);
}

static void panic_and_reboot(void)
{
    with_console();
    panic_set_action(PANIC_REBOOT);
    panic("again");
}

static void run_panic_and_reboot(void)
{
    machine_run(1, panic_and_reboot);
}

static void panic_before_consoles(void)
{
    panic_set_action(PANIC_EXIT);
    panic("nobody has opened one");
}

static void run_panic_before_consoles(void)
{
    machine_run(1, panic_before_consoles);
}

/* SPEC: X6 */
static void a_panic_before_there_are_consoles_is_printed_too(void **state)
{
    (void)state;
    ends_by_exit(run_panic_before_consoles);
    assert_int_equal(printed("Message: nobody has opened one\r\n"), 1);
}

/* SPEC: X1 */
static void each_action_does_what_it_says(void **state)
{
    (void)state;
    in_child_until(run_panic_and_halt, HALT);
    assert_int_equal(child.status, CHILD_HALTED);
    one_block_was_printed();
    assert_int_equal(printed(HALT), 1);
    in_child_until(run_panic_and_break, "Action: DebugBreak\r\n");
    assert_int_equal(child.status, CHILD_HALTED);
    one_block_was_printed();
    assert_int_equal(printed("Action: DebugBreak\r\n"), 1);
    in_child(run_panic_and_reboot);
    assert_int_equal(child.status, 0);
    one_block_was_printed();
    assert_int_equal(printed("Action: Reboot\r\n"), 1);
}

static void actions_are_named_as_in_the_option(void **state)
{
    enum panic_action action = PANIC_HALT;

    (void)state;
    assert_true(panic_action_parse("reboot", &action) && action == PANIC_REBOOT);
    assert_true(panic_action_parse("exit", &action) && action == PANIC_EXIT);
    assert_true(panic_action_parse("break", &action) && action == PANIC_DEBUG_BREAK);
    assert_true(panic_action_parse("halt", &action) && action == PANIC_HALT);
    assert_false(panic_action_parse("", &action) || panic_action_parse("Halt", &action));
#ifdef HX_DEBUG
    assert_true(panic_action_parse("continue", &action));
#else
    assert_false(panic_action_parse("continue", &action));
#endif
}

static enum event_answer say_change(void *argument, const struct kernel_event *event)
{
    kprintln("%s: %s -> %s", (const char *)argument,
             kernel_state_name(event->state_changed.old_state),
             kernel_state_name(event->state_changed.new_state));
    return EVENT_CONTINUE;
}

static void subscribe_to_states(const char *name, uint32_t contexts)
{
    const struct event_subscriber subscriber = {.topics = EVENT_TOPIC_SET(EVENT_TOPIC_KERNEL_STATE),
                                                .callback = say_change,
                                                .argument = (void *)(uintptr_t)name,
                                                .contexts = contexts};
    event_subscription id;

    CHECK(event_subscribe(&subscriber, &id) == HX_OK);
}

static void run_in_state_running(void)
{
    static struct subsystem_failure failure;

    machine_boot(1);
    subscribe_to_states("in panic too", EVENT_IN_THREAD | EVENT_IN_PANIC);
    subscribe_to_states("not in panic", EVENT_IN_ANY & ~(uint32_t)EVENT_IN_PANIC);
    subscribe_to_states("in the worker", EVENT_IN_WORKER);
    CHECK(lifecycle_advance(PHASE_EARLY_INIT) == HX_OK);
    CHECK(orchestrator_init_all(NULL, &failure) == HX_OK);
    CHECK(console_register(&console_serial) == HX_OK);
    log_set_level(LOG_INFO);
    panic_set_action(PANIC_EXIT);
    panic("state");
}

/* SPEC: X2 X4 K2 K4 */
static void the_report_shows_the_state_it_happened_in_and_the_state_moves(void **state)
{
    (void)state;
    ends_by_exit(run_in_state_running);
    assert_int_equal(printed("State: Initializing\r\n"), 1);
    assert_int_equal(printed("in panic too: Initializing -> Panic"), 1);
    assert_int_equal(printed("-> Panic"), 1);
}

#ifdef HX_DEBUG
static unsigned asked;

static enum panic_action go_on(const struct panic_context *context)
{
    CHECK(context->message[0] != '\0');
    asked++;
    return PANIC_CONTINUE;
}

static const struct panic_handler optimist = {.name = "optimist", .handle_panic = go_on};

static void panic_and_continue(void)
{
    panic_set_handler(&optimist);
    hal_interrupts_enable();
    panic_or_continue(NULL, "not so bad");
    CHECK(asked == 1 && hal_interrupts_enabled() && !panic_is_active());
    __asm__ volatile("int3");
    CHECK(asked == 2 && kernel_state_current() == KERNEL_EARLY_BOOT);
    CHECK(console_register(&console_serial) == HX_OK);
    panic("no way on from here");
}

static void run_panic_and_continue(void)
{
    machine_run(2, panic_and_continue);
}

/* SPEC: X1 */
static void continue_goes_on_where_the_caller_can_and_halts_elsewhere(void **state)
{
    (void)state;
    in_child_until(run_panic_and_continue, HALT);
    assert_int_equal(child.status, CHILD_HALTED);
    one_block_was_printed();
    assert_int_equal(printed("Message: no way on from here\r\n"), 1);
    assert_int_equal(printed(HALT), 1);
}
#else
static void continue_goes_on_where_the_caller_can_and_halts_elsewhere(void **state)
{
    (void)state;
    skip(); /* only in debug builds does a panic come back */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_panic_prints_the_block_and_exits),
        cmocka_unit_test(the_location_is_file_line_and_column),
        cmocka_unit_test(a_failed_assertion_says_its_sentence_and_place),
        cmocka_unit_test(an_assertion_is_offered_to_the_hook_first),
        cmocka_unit_test(a_full_report_comes_out_of_every_context),
        cmocka_unit_test(the_other_cpus_stand_still_during_the_report),
        cmocka_unit_test(two_cpus_at_once_make_one_readable_report),
        cmocka_unit_test(a_panic_inside_the_panic_handler_reports_both_and_halts),
        cmocka_unit_test(when_even_the_report_panics_it_halts_with_last_words),
        cmocka_unit_test(a_replaced_handler_sees_the_context_and_decides),
        cmocka_unit_test(a_panic_before_there_are_consoles_is_printed_too),
        cmocka_unit_test(each_action_does_what_it_says),
        cmocka_unit_test(actions_are_named_as_in_the_option),
        cmocka_unit_test(the_report_shows_the_state_it_happened_in_and_the_state_moves),
        cmocka_unit_test(continue_goes_on_where_the_caller_can_and_halts_elsewhere),
    };

    return cmocka_run_group_tests_name("core/panic", tests, NULL, NULL);
}
