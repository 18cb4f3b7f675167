#include "machine.h"

#include <core/debug/log.h>
#include <core/debug/symbols.h>
#include <hal/clock.h>
#include <stdatomic.h>

/* --- a writer that records -------------------------------------------------------------------- */

static char recorded[1U << 20];
static size_t recorded_length;
static unsigned recorded_levels[LOG_LEVEL_COUNT];

static void record_string(const char *text, size_t length)
{
    CHECK(length <= CONSOLE_CHUNK);
    CHECK(!hal_interrupts_enabled());
    CHECK(recorded_length + length < sizeof recorded);
    memcpy(recorded + recorded_length, text, length);
    recorded_length += length;
}

static void record_byte(char byte)
{
    record_string(&byte, 1);
}

static void record_flush(void)
{
}

static void record_level(enum log_level level)
{
    recorded_levels[level]++;
}

static const struct console_writer recorder = {
    .name = "recorder",
    .write_byte = record_byte,
    .write_string = record_string,
    .write_bytes = record_string,
    .flush = record_flush,
    .set_level = record_level,
    .works_in_panic = true,
};

static bool was_recorded(const char *text)
{
    return strcmp(recorded, text) == 0;
}

static void forget(void)
{
    memset(recorded, 0, recorded_length);
    recorded_length = 0;
}

/* --- before threads --------------------------------------------------------------------------- */

static void log_at_boot(void)
{
    machine_boot(1);
    kprintln("before any writer");
    CHECK(console_register(&recorder) == HX_OK);
    CHECK(console_register(&recorder) == HX_EEXIST);
    CHECK(console_register(&console_null) == HX_OK);
    CHECK(was_recorded(""));
    kprintln("ok %d - %s", 1, "plain");
    CHECK(was_recorded("ok 1 - plain\n"));
    CHECK(console_unregister(&recorder) == HX_OK);
    CHECK(console_unregister(&recorder) == HX_ENOENT);
    kprintln("nobody hears");
    CHECK(was_recorded("ok 1 - plain\n"));
}

/* SPEC: D1 D3 */
static void before_threads_a_line_is_out_when_the_call_returns(void **state)
{
    (void)state;
    passes_in_child(log_at_boot);
}

static void register_late(void)
{
    machine_boot(1);
    CHECK(console_register(&console_null) == HX_OK);
    log_set_level(LOG_WARN);
    kprintln("this line is longer than a piece");
    kinfo("left out");
    kwarn("shown");
    CHECK(console_register_late(&recorder) == HX_OK);
    CHECK(console_register_late(&recorder) == HX_EEXIST);
    kprintln("the next");
    CHECK(strncmp(recorded, "this line is longer than a piece\n", 33) == 0);
    CHECK(strstr(recorded, "left out") == NULL);
    CHECK(strstr(recorded, "shown\nthe next\n") != NULL);
    CHECK(recorded_levels[LOG_WARN] == 1);
}

/* SPEC: D1 */
static void who_comes_late_gets_the_lines_before_it_once(void **state)
{
    (void)state;
    passes_in_child(register_late);
}

static void log_levels(void)
{
    machine_boot(1);
    CHECK(console_register(&recorder) == HX_OK);
    log_set_level(LOG_WARN);
    kinfo("an info");
    CHECK(was_recorded(""));
    kwarn("a warning");
    CHECK(strstr(recorded, "] warn: ") != NULL && strstr(recorded, "a warning\n") != NULL);
    kerror("an error");
    CHECK(strstr(recorded, "] error: ") != NULL);
    CHECK(strstr(recorded, "an info") == NULL);
    CHECK(recorded_levels[LOG_WARN] == 1 && recorded_levels[LOG_ERROR] == 1);
#ifdef HX_DEBUG
    CHECK(strstr(recorded, "test_console.c:") != NULL);
#else
    CHECK(strstr(recorded, "test_console.c:") == NULL);
#endif
    forget();
    log_set_level(LOG_DEBUG);
    kdebug("a detail %d", 7);
#ifdef HX_DEBUG
    CHECK(strstr(recorded, "] debug: ") != NULL && strstr(recorded, "a detail 7\n") != NULL);
#else
    CHECK(was_recorded(""));
#endif
}

/* SPEC: D2 D3 */
static void levels_filter_and_mark_lines(void **state)
{
    (void)state;
    passes_in_child(log_levels);
}

static void log_too_long(void)
{
    static char text[2 * LOG_TEXT_MAX];

    machine_boot(1);
    CHECK(console_register(&recorder) == HX_OK);
    memset(text, 'x', sizeof text - 1);
    kprintln("%s", text);
    CHECK(recorded_length == LOG_TEXT_MAX + 1);
    CHECK(strcmp(recorded + LOG_TEXT_MAX - 4, "x...\n") == 0);
}

static void a_line_that_is_too_long_is_cut_and_says_so(void **state)
{
    (void)state;
    passes_in_child(log_too_long);
}

static void four_writers(void)
{
    static const struct console_writer more[CONSOLE_WRITER_MAX] = {{.name = "unused"}};

    machine_boot(1);
    log_set_level(LOG_ERROR);
    for (size_t i = 0; i < CONSOLE_WRITER_MAX; i++) {
        CHECK(console_register(&more[i]) == HX_OK);
    }
    CHECK(console_register(&recorder) == HX_ENOSPC);
}

static void writers_past_the_limit_are_refused(void **state)
{
    (void)state;
    passes_in_child(four_writers);
}

static void print_serial(void)
{
    machine_boot(1);
    CHECK(console_register(&console_serial) == HX_OK);
    kprintln("one\ntwo");
    console_flush();
}

/* SPEC: D1 */
static void the_serial_writer_ends_lines_with_carriage_return(void **state)
{
    (void)state;
    passes_in_child(print_serial);
    assert_string_equal(child.output, "one\r\ntwo\r\n");
}

/* --- with the console thread ------------------------------------------------------------------ */

#define LOGGERS 3U
#define LINES   300U

static _Atomic unsigned loggers_left;

static void log_many(void *argument)
{
    for (unsigned i = 0; i < LINES; i++) {
        kprintln("logger %u line %u end", (unsigned)(uintptr_t)argument, i);
        if (i % 50 == 0) {
            console_flush();
        }
    }
    atomic_fetch_sub(&loggers_left, 1);
}

static void check_each_line_once(void)
{
    char line[64];

    for (unsigned logger = 0; logger < LOGGERS; logger++) {
        const char *at = recorded;

        for (unsigned i = 0; i < LINES; i++) {
            snprintf(line, sizeof line, "logger %u line %u end\n", logger, i);
            at = strstr(at, line);
            CHECK(at != NULL && (at == recorded || at[-1] == '\n'));
            CHECK(strstr(at + 1, line) == NULL);
        }
    }
}

static void log_from_threads(void)
{
    loggers_left = LOGGERS;
    CHECK(console_register(&recorder) == HX_OK);
    CHECK(console_start_thread() == HX_OK);
    CHECK(console_start_thread() == HX_ESTATE);
    for (uintptr_t i = 0; i < LOGGERS; i++) {
        const struct thread_options options = {
            .name = "logger", .entry = log_many, .argument = (void *)i, .priority = 16};
        struct thread *thread;

        CHECK(thread_create(&options, &thread) == HX_OK);
        thread_start(thread);
    }
    while (atomic_load(&loggers_left) != 0) {
        thread_sleep(HAL_NS_PER_MS);
    }
    console_flush();
    check_each_line_once();
}

static void run_log_from_threads(void)
{
    machine_run(2, log_from_threads);
}

/* SPEC: D2 */
static void lines_of_many_threads_come_out_once_whole_and_in_order(void **state)
{
    (void)state;
    passes_in_child(run_log_from_threads);
}

/* The child's time limit ends it when that never happens. */
static void await_record(const char *line)
{
    while (!was_recorded(line)) {
        thread_sleep(HAL_NS_PER_MS);
    }
}

/* Long enough asleep for the console thread to have used up any wake-up it was still owed. */
static void await_sleep(void)
{
    do {
        thread_sleep(5 * HAL_NS_PER_MS);
    } while (!atomic_load(&console_asleep));
}

static void log_to_a_sleeping_console(void)
{
    CHECK(console_register(&recorder) == HX_OK);
    CHECK(console_start_thread() == HX_OK);
    await_sleep();
    kprintln("one line");
    await_record("one line\n");
}

static void run_log_to_a_sleeping_console(void)
{
    machine_run(1, log_to_a_sleeping_console);
}

/* SPEC: D2 */
static void a_line_wakes_the_console_thread(void **state)
{
    (void)state;
    passes_in_child(run_log_to_a_sleeping_console);
}

/* --- bytes of programs ------------------------------------------------------------------------ */

static const char program_bytes[] = "<bytes of a program, longer than a piece, without an end>";

static void write_many(void *argument)
{
    (void)argument;
    for (unsigned i = 0; i < LINES; i++) {
        console_write_bytes(program_bytes, sizeof program_bytes - 1);
    }
    atomic_fetch_sub(&loggers_left, 1);
}

static void start_thread(void (*entry)(void *argument), uintptr_t argument)
{
    const struct thread_options options = {
        .name = "writer", .entry = entry, .argument = (void *)argument, .priority = 16};
    struct thread *thread;

    CHECK(thread_create(&options, &thread) == HX_OK);
    thread_start(thread);
}

static unsigned count_whole_program_bytes(void)
{
    unsigned count = 0;
    const char *at = recorded;

    while ((at = strstr(at, program_bytes)) != NULL) {
        count++;
        at += sizeof program_bytes - 1;
    }
    return count;
}

static unsigned count_whole_lines(void)
{
    char line[64];
    unsigned count = 0;

    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof line, "logger 7 line %u end\n", i);
        count += strstr(recorded, line) != NULL ? 1U : 0U;
    }
    return count;
}

static void write_and_log_from_threads(void)
{
    loggers_left = 3;
    CHECK(console_register(&recorder) == HX_OK);
    CHECK(console_register(&console_null) == HX_OK); /* shows no programs' bytes */
    CHECK(console_start_thread() == HX_OK);
    start_thread(write_many, 0);
    start_thread(log_many, 7);
    start_thread(write_many, 0);
    while (atomic_load(&loggers_left) != 0) {
        thread_sleep(HAL_NS_PER_MS);
    }
    console_flush();
    CHECK(count_whole_program_bytes() == 2 * LINES);
    CHECK(count_whole_lines() == LINES);
}

static void run_write_and_log_from_threads(void)
{
    machine_run(2, write_and_log_from_threads);
}

static void bytes_of_programs_and_lines_do_not_cut_into_each_other(void **state)
{
    (void)state;
    passes_in_child(run_write_and_log_from_threads);
}

/* --- without the console thread, on several CPUs -------------------------------------------------
 */

#define ROUNDS 3000U

static _Atomic unsigned arrived;
static _Atomic unsigned logged;

static void wait_for_both(_Atomic unsigned *count, unsigned round)
{
    atomic_fetch_add(count, 1);
    while (atomic_load(count) < 2 * round) {
        hal_cpu_relax();
    }
}

/* Both at once, again and again: whoever could not print relies on the other. */
static void log_in_step(void *argument)
{
    for (unsigned round = 1; round <= ROUNDS; round++) {
        wait_for_both(&arrived, round);
        kprintln("%u", (unsigned)(uintptr_t)argument);
        wait_for_both(&logged, round);
        /* Nobody is in the log now, so everything is out: two lines of a digit each. */
        CHECK(recorded_length == (size_t)4 * round);
    }
}

static void log_at_boot_in_step(void)
{
    const struct thread_options options = {.name = "other",
                                           .entry = log_in_step,
                                           .argument = (void *)2,
                                           .affinity = 1ULL << (1 - hal_cpu_id()),
                                           .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;

    CHECK(console_register(&recorder) == HX_OK);
    CHECK(thread_create(&options, &thread) == HX_OK);
    preempt_disable(); /* stays on its CPU */
    thread_start(thread);
    log_in_step((void *)1);
    preempt_enable();
}

static void run_log_at_boot_in_step(void)
{
    machine_run(2, log_at_boot_in_step);
}

/* SPEC: D2 */
static void a_line_left_to_another_printer_is_not_forgotten(void **state)
{
    (void)state;
    passes_in_child(run_log_at_boot_in_step);
}

/* --- from an NMI --------------------------------------------------------------------------------
 */

static _Atomic bool nmi_logged;

static enum exception_action log_in_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    kprintln("from the NMI");
    atomic_store(&nmi_logged, true);
    return EXCEPTION_RESUME;
}

static void log_from_nmi(void)
{
    CHECK(console_register(&recorder) == HX_OK);
    CHECK(console_start_thread() == HX_OK);
    CHECK(exception_register(EXCEPTION_NMI, "test", EXCEPTION_ORDER_DEBUGGER, log_in_nmi, NULL) ==
          HX_OK);
    await_sleep();
    CHECK(hal_interrupt_send_nmi(hal_cpu_id()) == HX_OK);
    while (!atomic_load(&nmi_logged)) {
        hal_cpu_relax();
    }
    await_record("from the NMI\n");
}

static void run_log_from_nmi(void)
{
    machine_run(1, log_from_nmi);
}

/* SPEC: D2 */
static void a_line_from_an_nmi_is_printed_without_another_one_following(void **state)
{
    (void)state;
    passes_in_child(run_log_from_nmi);
}

/* --- a panic takes over ----------------------------------------------------------------------- */

static unsigned pieces_until_panic;

/* Strikes in the middle of a line, as an exception inside the printer would, and never comes back.
 */
static void strike(const char *text, size_t length)
{
    if (!console_in_panic() && pieces_until_panic-- == 0) {
        console_enter_panic();
        kprintln("the report");
        CHECK(was_recorded("queued line number one, longer than one piece\n"
                           "queued line number two, longer than one piece\n"
                           "queued line number three, longer than one piece\n"
                           "the report\n"));
        _exit(0);
    }
    record_string(text, length);
}

static const struct console_writer striker = {
    .name = "striker",
    .write_byte = record_byte,
    .write_string = strike,
    .flush = record_flush,
    .set_level = record_level,
    .works_in_panic = true,
};

static void panic_in_the_middle(void)
{
    CHECK(console_register(&striker) == HX_OK);
    CHECK(console_start_thread() == HX_OK);
    preempt_disable();
    kprintln("queued line number one, longer than one piece");
    kprintln("queued line number two, longer than one piece");
    kprintln("queued line number three, longer than one piece");
    preempt_enable();
    console_flush();
    CHECK(false); /* the striker has ended the child */
}

static void run_panic_in_the_middle(void)
{
    machine_run(1, panic_in_the_middle);
}

/* SPEC: X6 D2 */
static void a_panic_at_any_piece_of_a_line_loses_and_repeats_nothing(void **state)
{
    (void)state;
    for (pieces_until_panic = 0; pieces_until_panic < 9; pieces_until_panic++) {
        passes_in_child(run_panic_in_the_middle);
    }
}

static void panic_with_queue(void)
{
    CHECK(console_register(&recorder) == HX_OK);
    CHECK(console_start_thread() == HX_OK);
    hal_interrupts_disable();
    for (unsigned i = 0; i < 100; i++) {
        kprintln("queued %u", i);
    }
    console_enter_panic();
    kprintln("the report");
    CHECK(strncmp(recorded, "queued 0\nqueued 1\n", 18) == 0);
    CHECK(strstr(recorded, "queued 99\nthe report\n") != NULL);
    CHECK(strstr(strstr(recorded, "queued 99\n") + 1, "queued 99\n") == NULL);
}

static void run_panic_with_queue(void)
{
    machine_run(1, panic_with_queue);
}

/* SPEC: X6 */
static void what_is_queued_comes_out_before_the_report(void **state)
{
    (void)state;
    passes_in_child(run_panic_with_queue);
}

/* --- symbols ---------------------------------------------------------------------------------- */

static bool find_elsewhere(uintptr_t address, struct symbol *symbol)
{
    *symbol = (struct symbol){.name = "three", .module = "other", .offset = address - 0x9000};
    return address == 0x9002;
}

static void look_symbols_up(void)
{
    static const uint32_t addresses[] = {0x10, 0x20, 0x80};
    static const uint32_t names[] = {0, 4, 8};
    static const struct hal_symbols table = {.base = 0x1000,
                                             .end = 0x1100,
                                             .count = 3,
                                             .addresses = addresses,
                                             .name_offsets = names,
                                             .names = "one\0two\0end"};
    struct symbol symbol;
    char text[32];

    machine_boot(1);
    CHECK(!symbol_lookup(0x1010, &symbol));
    symbols_set_table(&table);
    CHECK(!symbol_lookup(0x100f, &symbol));
    CHECK(!symbol_lookup(0x1100, &symbol));
    CHECK(!symbol_lookup(0, &symbol));
    CHECK(!symbol_lookup(UINTPTR_MAX, &symbol));
    CHECK(symbol_lookup(0x1010, &symbol));
    CHECK(strcmp(symbol.name, "one") == 0);
    CHECK(symbol_lookup(0x107f, &symbol));
    CHECK(strcmp(symbol.name, "two") == 0);
    CHECK(symbol.offset == 0x5f);
    CHECK(symbol.size == 0x60);
    CHECK(symbol_lookup(0x10ff, &symbol));
    CHECK(strcmp(symbol.name, "end") == 0);
    symbol_text(0x1024, text, sizeof text);
    CHECK(strcmp(text, "two+0x4") == 0);
    symbol_text(0x10, text, sizeof text);
    CHECK(strcmp(text, "0x0000000000000010") == 0);
    symbols_set_finder(find_elsewhere);
    symbol_text(0x9002, text, sizeof text);
    CHECK(strcmp(text, "three+0x2 [other]") == 0);
    symbol_text(0x9003, text, sizeof text);
    CHECK(strcmp(text, "0x0000000000009003") == 0);
    symbol_text(0x1024, text, sizeof text);
    CHECK(strcmp(text, "two+0x4") == 0);
    symbols_set_finder(NULL);
}

static void symbols_are_found_by_any_address_inside(void **state)
{
    (void)state;
    passes_in_child(look_symbols_up);
}

static void level_names_are_those_of_the_option(void **state)
{
    enum log_level level = LOG_INFO;

    (void)state;
    assert_true(log_level_parse("error", &level) && level == LOG_ERROR);
    assert_true(log_level_parse("debug", &level) && level == LOG_DEBUG);
    assert_false(log_level_parse("plain", &level) || log_level_parse("", &level));
    assert_int_equal(level, LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_threads_a_line_is_out_when_the_call_returns),
        cmocka_unit_test(who_comes_late_gets_the_lines_before_it_once),
        cmocka_unit_test(levels_filter_and_mark_lines),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_says_so),
        cmocka_unit_test(writers_past_the_limit_are_refused),
        cmocka_unit_test(the_serial_writer_ends_lines_with_carriage_return),
        cmocka_unit_test(lines_of_many_threads_come_out_once_whole_and_in_order),
        cmocka_unit_test(a_line_wakes_the_console_thread),
        cmocka_unit_test(bytes_of_programs_and_lines_do_not_cut_into_each_other),
        cmocka_unit_test(a_line_left_to_another_printer_is_not_forgotten),
        cmocka_unit_test(a_line_from_an_nmi_is_printed_without_another_one_following),
        cmocka_unit_test(a_panic_at_any_piece_of_a_line_loses_and_repeats_nothing),
        cmocka_unit_test(what_is_queued_comes_out_before_the_report),
        cmocka_unit_test(symbols_are_found_by_any_address_inside),
        cmocka_unit_test(level_names_are_those_of_the_option),
    };

    return cmocka_run_group_tests_name("core/console", tests, NULL, NULL);
}
