/* The log and the consoles of the running kernel, seen through a writer of the tests' own. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/debug/console.h>
#include <core/debug/dump.h>
#include <core/debug/log.h>
#include <core/interrupts/exceptions.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <stdatomic.h>
#include <tests/self/crew.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

#define CAPTURE_SIZE   (48U * 1024U)
#define LINES_PER_CREW 50U
#define CREWS          8U

#define NMI_TRIES       3U
#define NMI_PATIENCE_NS (20 * HAL_NS_PER_S)

/* --- writers that remember -------------------------------------------------------------------- */

struct capture {
    size_t length;
    bool overflowed;
    unsigned flushes;
    char text[CAPTURE_SIZE];
};

static struct capture first_capture;
static struct capture second_capture;

static void remember(struct capture *capture, const char *text, size_t length)
{
    if (length >= sizeof capture->text - capture->length) {
        capture->overflowed = true;
        return;
    }
    memcpy(capture->text + capture->length, text, length);
    capture->length += length;
    capture->text[capture->length] = '\0';
}

static void first_string(const char *text, size_t length)
{
    remember(&first_capture, text, length);
}

static void first_byte(char byte)
{
    remember(&first_capture, &byte, 1);
}

static void first_flush(void)
{
    first_capture.flushes++;
}

static void second_string(const char *text, size_t length)
{
    remember(&second_capture, text, length);
}

static void second_byte(char byte)
{
    remember(&second_capture, &byte, 1);
}

static void no_flush(void)
{
}

static void no_level(enum log_level level)
{
    (void)level;
}

static const struct console_writer first_writer = {
    .name = "first",
    .write_byte = first_byte,
    .write_string = first_string,
    .flush = first_flush,
    .set_level = no_level,
};

static const struct console_writer second_writer = {
    .name = "second",
    .write_byte = second_byte,
    .write_string = second_string,
    .flush = no_flush,
    .set_level = no_level,
};

static void begin(void)
{
    console_flush();
    memset(&first_capture, 0, sizeof first_capture);
    memset(&second_capture, 0, sizeof second_capture);
    EXPECT_EQUAL(console_register(&first_writer), HX_OK);
}

static void end(void)
{
    console_flush();
    EXPECT_EQUAL(console_unregister(&first_writer), HX_OK);
    EXPECT(!first_capture.overflowed);
}

static bool shows(const struct capture *capture, const char *pattern)
{
    return string_matches(capture->text, pattern);
}

/* --- writers ---------------------------------------------------------------------------------- */

/* SPEC: D1 D3 */
static void every_writer_gets_every_line_whole_once_and_in_order(void)
{
    begin();
    EXPECT_EQUAL(console_register(&second_writer), HX_OK);
    EXPECT_EQUAL(console_register(&second_writer), HX_EEXIST);
    EXPECT_EQUAL(console_register(&console_null), HX_OK);
    kprintln("debug: one");
    kprintln("debug: two, which is longer than what a writer is given at a time");
    kprintln("debug: three");
    end();
    EXPECT_EQUAL(console_unregister(&second_writer), HX_OK);
    EXPECT_EQUAL(console_unregister(&console_null), HX_OK);
    EXPECT_EQUAL(console_unregister(&console_null), HX_ENOENT);
    EXPECT(shows(&first_capture, "*debug: one\n*debug: two, which is longer than what a writer is "
                                 "given at a time\n*debug: three\n*"));
    EXPECT(string_equal(first_capture.text, second_capture.text));
    EXPECT(!shows(&first_capture, "*debug: one*debug: one*"));
    EXPECT(first_capture.flushes > 0);
}

/* SPEC: D1 */
static void a_writer_that_was_taken_out_gets_nothing_more(void)
{
    begin();
    end();
    size_t length = first_capture.length;

    kprintln("debug: after");
    console_flush();
    EXPECT_EQUAL(first_capture.length, length);
}

/* --- levels ----------------------------------------------------------------------------------- */

/* SPEC: D2 D3 */
static void the_level_decides_what_is_shown_and_the_ring_keeps_all(void)
{
    enum log_level before = log_level();
    uint64_t from = log_lines_next();

    begin();
    log_set_level(LOG_WARN);
    kprintln("level: plain");
    kerror("level: serious");
    kwarn("level: odd");
    kinfo("level: hidden");
    console_flush();
    log_set_level(LOG_INFO);
    kinfo("level: shown");
    end();
    log_set_level(before);
    EXPECT(shows(&first_capture, "*level: plain\n*] error: *level: serious\n*] warn: *level: odd\n*"
                                 "] *level: shown\n*"));
    EXPECT(!shows(&first_capture, "*level: hidden*"));
    EXPECT_EQUAL(log_lines_count(from, "*level: *"), 5);
}

static unsigned evaluations;

HX_UNUSED static unsigned evaluate(void)
{
    return ++evaluations;
}

/* SPEC: D2 */
static void debug_lines_exist_in_debug_builds_alone_and_bear_their_place(void)
{
    uint64_t from = log_lines_next();

    evaluations = 0;
    kdebug("debug line %u", evaluate());
    kinfo("info line");
#ifdef HX_DEBUG
    EXPECT_EQUAL(evaluations, 1);
    EXPECT_EQUAL(log_lines_count(from, "tests/self/core_debug.c:???: debug line 1"), 1);
    EXPECT_EQUAL(log_lines_count(from, "tests/self/core_debug.c:???: info line"), 1);
#else
    EXPECT_EQUAL(evaluations, 0);
    EXPECT_EQUAL(log_lines_count(from, "*debug line*"), 0);
    EXPECT_EQUAL(log_lines_count(from, "info line"), 1);
#endif
}

/* --- from everywhere -------------------------------------------------------------------------- */

static _Atomic uint32_t nmi_lines;  /* that the console has shown */
static _Atomic uint64_t nmi_record; /* number of the line, 0: not written yet */

static void count_nmi_line(const char *text, size_t length)
{
    if (length == CONSOLE_CHUNK && memcmp(text, "debug: out of an", CONSOLE_CHUNK) == 0) {
        atomic_fetch_add_explicit(&nmi_lines, 1, memory_order_release);
    }
}

static enum exception_action say_in_nmi(struct hal_frame *frame, void *argument)
{
    (void)frame;
    (void)argument;
    atomic_store_explicit(&nmi_record, log_write(LOG_PLAIN, "debug: out of an NMI"),
                          memory_order_release);
    return EXCEPTION_RESUME;
}

/* Whether a line has followed that of the NMI, and so may have brought it along. */
static bool has_follower(void)
{
    uint64_t record = atomic_load_explicit(&nmi_record, memory_order_acquire);

    return record != 0 && log_statistics().written > record;
}

static void wait_for_nmi_line(void)
{
    uint64_t deadline;

    thread_sleep(10 * HAL_NS_PER_MS); /* the console falls asleep */
    atomic_store_explicit(&nmi_lines, 0, memory_order_relaxed);
    atomic_store_explicit(&nmi_record, 0, memory_order_relaxed);
    EXPECT_EQUAL(hal_interrupt_send_nmi(hal_cpu_id()), HX_OK);
    deadline = hal_clock_now() + NMI_PATIENCE_NS;
    while (atomic_load_explicit(&nmi_lines, memory_order_acquire) == 0 && !has_follower() &&
           hal_clock_now() < deadline) {
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT(hal_clock_now() < deadline);
}

/* SPEC: D2 */
static void a_line_written_in_an_nmi_is_shown_without_another_following(void)
{
    static const struct console_writer writer = {
        .name = "counting",
        .write_byte = first_byte,
        .write_string = count_nmi_line,
        .flush = no_flush,
        .set_level = no_level,
    };

    console_flush();
    EXPECT_EQUAL(console_register(&writer), HX_OK);
    EXPECT_EQUAL(
        exception_register(EXCEPTION_NMI, "core_debug", EXCEPTION_ORDER_DEBUGGER, say_in_nmi, NULL),
        HX_OK);
    for (unsigned i = 0; i < NMI_TRIES; i++) {
        wait_for_nmi_line();
    }
    EXPECT_EQUAL(exception_unregister(EXCEPTION_NMI, "core_debug"), HX_OK);
    EXPECT_EQUAL(console_unregister(&writer), HX_OK);
}

/* A line in the middle of which another one is written, as an interrupt would. */
static bool has_interrupted;

static void interrupting_string(const char *text, size_t length)
{
    remember(&first_capture, text, length);
    if (!has_interrupted) {
        has_interrupted = true;
        kprintln("debug: the interrupting line, itself longer than one piece");
    }
}

/* SPEC: D2 */
static void a_line_written_in_the_middle_of_another_does_not_tear_it(void)
{
    static const struct console_writer writer = {
        .name = "interrupting",
        .write_byte = first_byte,
        .write_string = interrupting_string,
        .flush = no_flush,
        .set_level = no_level,
    };

    console_flush();
    memset(&first_capture, 0, sizeof first_capture);
    has_interrupted = false;
    EXPECT_EQUAL(console_register(&writer), HX_OK);
    kprintln("debug: the interrupted line, which has more than one piece too");
    console_flush();
    console_flush();
    EXPECT_EQUAL(console_unregister(&writer), HX_OK);
    EXPECT(shows(&first_capture,
                 "*debug: the interrupted line, which has more than one piece too\n*"
                 "debug: the interrupting line, itself longer than one piece\n*"));
    EXPECT(!shows(&first_capture, "*debug: the inter*debug: the inter*debug: the inter*"));
}

static void write_lines(void *argument)
{
    for (uint32_t i = 0; i < LINES_PER_CREW; i++) {
        kprintln("tear %u/%u <the quick brown fox jumps over the lazy dog> %u/%u",
                 *(uint32_t *)argument, i, *(uint32_t *)argument, i);
    }
}

static bool is_whole(const char *line, size_t length)
{
    char wanted[96];

    for (uint32_t writer = 0; writer < CREWS; writer++) {
        for (uint32_t i = 0; i < LINES_PER_CREW; i++) {
            size_t size =
                format_text(wanted, sizeof wanted,
                            "tear %u/%u <the quick brown fox jumps over the lazy dog> %u/%u",
                            writer, i, writer, i);

            if (size == length && memcmp(line, wanted, size) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* Lines of the capture that begin with "tear"; one that is torn fails the test. */
static unsigned count_whole_lines(void)
{
    const char *line = first_capture.text;
    unsigned count = 0;

    for (const char *end; (end = string_find(line, '\n')) != NULL; line = end + 1) {
        if (string_matches(line, "tear *")) {
            if (!is_whole(line, (size_t)(end - line))) {
                selftest_fail(__FILE__, __LINE__, "a torn line, number %u", count);
                return count;
            }
            count++;
        }
    }
    return count;
}

/* SPEC: D2 */
static void lines_of_all_cpus_at_once_stay_whole(void)
{
    static struct crew crew;
    static uint32_t numbers[CREWS];
    bool had_serial = console_unregister(&console_serial) == HX_OK; /* a slow line */

    begin();
    crew_open(&crew);
    for (uint32_t i = 0; i < CREWS; i++) {
        numbers[i] = i;
        crew_start(&crew, write_lines, &numbers[i], 1ULL << crew_cpu(i % cpu_online_count()));
    }
    EXPECT(crew_join(&crew));
    end();
    EXPECT(!had_serial || console_register(&console_serial) == HX_OK);
    EXPECT_EQUAL(count_whole_lines(), CREWS * LINES_PER_CREW);
}

/* --- the ring --------------------------------------------------------------------------------- */

/* SPEC: D4 */
static void the_ring_of_messages_is_read_while_the_kernel_runs(void)
{
    struct log_entry entry;
    uint64_t number = log_write(LOG_DEBUG, "ring: %s", "newest");
    uint64_t newest = log_statistics().written;

    EXPECT(number != 0 && number <= newest);
    EXPECT_EQUAL(log_read(number, true, &entry), LOG_READ_RECORD);
    EXPECT(string_equal(entry.text, "ring: newest"));
    EXPECT_EQUAL(entry.number, number);
    EXPECT_EQUAL(entry.thread, thread_current()->id);
    EXPECT_EQUAL(entry.level, LOG_DEBUG);
    EXPECT_EQUAL(log_read(log_statistics().written + 1, true, &entry), LOG_READ_END);
}

/* SPEC: D4 */
static void a_full_ring_keeps_the_newest_messages(void)
{
    struct log_entry entry;
    uint64_t first = 0;
    uint64_t newest = 0;

    for (unsigned i = 0; i < LOG_RING_RECORDS + 10; i++) {
        newest = log_write(LOG_DEBUG, "ring: %u", i);
        first = i == 0 ? newest : first;
    }
    EXPECT_EQUAL(log_read(first, true, &entry), LOG_READ_RECORD);
    EXPECT(entry.number > first && entry.number < first + 20); /* others may write meanwhile */
    EXPECT_EQUAL(log_read(newest, true, &entry), LOG_READ_RECORD);
    EXPECT(string_equal(entry.text, "ring: 1033"));
}

/* --- the state of everything ------------------------------------------------------------------ */

static void expect_dumped(const struct component *component, void *argument)
{
    char pattern[80];

    (void)argument;
    (void)format_text(pattern, sizeof pattern, "*\n%s %s healthy: * operations, * errors *",
                      component->name, component->version);
    if (!shows(&first_capture, pattern)) {
        selftest_fail(__FILE__, __LINE__, "the dump lacks %s", component->name);
    }
}

/* SPEC: D3 */
static void the_dump_shows_the_state_and_every_component(void)
{
    begin();
    debug_dump_state();
    end();
    EXPECT(shows(&first_capture, "*state Running, phase Running\n*"));
    component_for_each(expect_dumped, NULL);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_debug." #function, .run = function                                           \
    }

const struct selftest core_debug_tests[] = {
    TEST(every_writer_gets_every_line_whole_once_and_in_order),
    TEST(a_writer_that_was_taken_out_gets_nothing_more),
    TEST(the_level_decides_what_is_shown_and_the_ring_keeps_all),
    TEST(debug_lines_exist_in_debug_builds_alone_and_bear_their_place),
    TEST(a_line_written_in_an_nmi_is_shown_without_another_following),
    TEST(a_line_written_in_the_middle_of_another_does_not_tear_it),
    TEST(lines_of_all_cpus_at_once_stay_whole),
    TEST(the_ring_of_messages_is_read_while_the_kernel_runs),
    TEST(a_full_ring_keeps_the_newest_messages),
    TEST(the_dump_shows_the_state_and_every_component),
    {.name = NULL},
};
