/* What a panic knows and prints, without dying; and, in debug builds, the panic that comes back. */
#include <base/string.h>
#include <core/debug/console.h>
#include <core/debug/symbols.h>
#include <core/panic/panic.h>
#include <hal/cpu.h>
#include <hal/frame.h>
#include <kern/thread.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

/* Too large for a stack. */
static struct panic_context context;
static struct hal_frame frame;

static HX_NOINLINE void describe_here(void)
{
    context = (struct panic_context){
        .message = "a panic that is none",
        .location = {.file = "some/file.c", .line = 12, .column = 0},
    };
    hal_frame_capture(&frame);
    panic_describe(&context, &frame);
}

/* SPEC: X2 */
static void the_context_says_who_where_and_how_one_got_there(void)
{
    describe_here();
    EXPECT(string_equal(context.location.file, "some/file.c"));
    EXPECT_EQUAL(context.location.line, 12);
    EXPECT_EQUAL((uintptr_t)context.cpu_state, (uintptr_t)&frame);
    EXPECT(context.cpu < hal_cpu_count());
    EXPECT_EQUAL(context.thread_id, thread_current()->id);
    EXPECT(string_equal(context.thread_name, thread_current()->name));
    EXPECT_EQUAL(context.kernel_state, KERNEL_RUNNING);
    EXPECT_EQUAL(context.backtrace[0], hal_frame_pc(&frame));
    EXPECT(context.backtrace_depth >= 4);
}

/* SPEC: X2 X3 */
static void the_steps_of_the_backtrace_have_names(void)
{
    struct symbol symbol;

    describe_here();
    EXPECT(symbol_lookup(context.backtrace[0], &symbol) &&
           string_equal(symbol.name, "describe_here"));
    EXPECT(symbol_lookup(context.backtrace[1] - 1, &symbol) &&
           string_equal(symbol.name, "the_steps_of_the_backtrace_have_names"));
}

/* SPEC: X2 */
static void an_exception_is_located_by_its_symbol(void)
{
    describe_here();
    context.location = (struct panic_location){.file = NULL};
    panic_describe(&context, &frame);
    EXPECT(string_matches(context.location.file, "describe_here+0x*"));
}

/* Print the block into the log, not onto the serial line, where it would look like the end. */
static uint64_t print_unseen(void)
{
    bool had_serial = console_unregister(&console_serial) == HX_OK;
    uint64_t from = log_lines_next();

    panic_print(&context, PANIC_HALT);
    console_flush();
    if (had_serial) {
        EXPECT_EQUAL(console_register(&console_serial), HX_OK);
    }
    return from;
}

/* SPEC: X3 X4 */
static void the_block_has_its_lines_in_order(void)
{
    static const char *const lines[] = {
        "=== KERNEL PANIC ===",
        "Message: a panic that is none",
        "Location: some/file.c:12:0",
        "Thread: * (tid=*)",
        "State: Running",
        "Register Dump:",
        "*=0x????????????????*",
        "Stack Trace:",
        "#0 *0x* (0x*)",
        "#1 *0x* (0x*)",
        "#2 *0x* (0x*)",
        "Action: Halt",
        NULL,
    };
    uint64_t from;

    describe_here();
    from = print_unseen();
    EXPECT(log_lines_in_order(from, lines));
    EXPECT_EQUAL(log_lines_find(from, "=== KERNEL PANIC ==="), from);
    EXPECT_EQUAL(log_lines_count(from, "Message: *"), 1);
    EXPECT(log_lines_count(from, "*=0x????????????????*") >= 8);
    EXPECT(log_lines_find(from, "*=0x????????????????*") < log_lines_find(from, "Stack Trace:"));
}

/* SPEC: X3 X4 */
static void the_frames_of_the_block_have_names_and_offsets(void)
{
    static const char *const lines[] = {
        "Stack Trace:",
        "#0 describe_here+0x* (0x*)",
        "#1 the_frames_of_the_block_have_names_and_offsets+0x* (0x*)",
        "#2 selftest_run+0x* (0x*)",
        "Action: Halt",
        NULL,
    };

    describe_here();
    EXPECT(log_lines_in_order(print_unseen(), lines));
}

/* SPEC: X1 */
static void the_words_of_the_panic_option_are_understood(void)
{
    enum panic_action action = PANIC_HALT;

    EXPECT(panic_action_parse("reboot", &action) && action == PANIC_REBOOT);
    EXPECT(panic_action_parse("break", &action) && action == PANIC_DEBUG_BREAK);
    EXPECT(panic_action_parse("halt", &action) && action == PANIC_HALT);
    EXPECT(!panic_action_parse("dance", &action) && action == PANIC_HALT);
    EXPECT(string_equal(panic_action_name(PANIC_DEBUG_BREAK), "DebugBreak"));
#ifdef HX_DEBUG
    EXPECT(panic_action_parse("continue", &action));
#else
    EXPECT(!panic_action_parse("continue", &action));
#endif
}

#ifdef HX_DEBUG
static unsigned decisions;
static enum kernel_state state_at_decision;

static enum panic_action go_on(const struct panic_context *why)
{
    decisions++;
    state_at_decision = kernel_state_current();
    context = *why;
    return PANIC_CONTINUE;
}
#endif

/* SPEC: X1 X2 */
static void a_replaced_handler_decides_and_may_go_on_in_debug_builds(void)
{
#ifdef HX_DEBUG
    static const struct panic_handler handler = {.name = "going on", .handle_panic = go_on};

    decisions = 0;
    panic_set_handler(&handler);
    panic_or_continue(NULL, "number %d", 42);
    panic_set_handler(NULL);
    EXPECT_EQUAL(decisions, 1);
    EXPECT_EQUAL(state_at_decision, KERNEL_RUNNING);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    EXPECT(!panic_is_active() && hal_interrupts_enabled());
    EXPECT(string_equal(context.message, "number 42"));
    EXPECT(string_matches(context.location.file, "*core_panic.c"));
#else
    selftest_skip("only in debug builds does a panic come back");
#endif
}

/* A process has no table of its symbols. */
#define METAL_TEST(function)                                                                       \
    {                                                                                              \
        .name = "core_panic." #function, .run = function, .flags = SELFTEST_METAL_ONLY             \
    }

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_panic." #function, .run = function                                           \
    }

const struct selftest core_panic_tests[] = {
    TEST(the_context_says_who_where_and_how_one_got_there),
    METAL_TEST(the_steps_of_the_backtrace_have_names),
    METAL_TEST(an_exception_is_located_by_its_symbol),
    TEST(the_block_has_its_lines_in_order),
    METAL_TEST(the_frames_of_the_block_have_names_and_offsets),
    TEST(the_words_of_the_panic_option_are_understood),
    TEST(a_replaced_handler_decides_and_may_go_on_in_debug_builds),
    {.name = NULL},
};
