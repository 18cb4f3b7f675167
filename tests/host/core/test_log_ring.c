#include <base/assert.h>
#include <core/debug/log_ring_write.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void assert_failed(const char *sentence, const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s (%s)\n", file, line, sentence, expression);
    abort();
}

/*
 * The ring's own source, with a hook where a word is copied: a reader can be overtaken there at
 * will.
 */
static _Thread_local void (*while_copying)(void);

static void *copy_with_hook(void *to, const void *from, size_t size)
{
    void (*hook)(void) = while_copying;

    while_copying = NULL;
    if (hook != NULL) {
        hook();
    }
    return memcpy(to, from, size);
}

#define memcpy copy_with_hook
/* NOLINTNEXTLINE(bugprone-suspicious-include): its own copy, which calls the hook */
#include <core/debug/log_ring.c>
#undef memcpy

static struct log_ring ring;
static struct log_entry entry;

static int fresh_ring(void **state)
{
    (void)state;
    memset(&ring, 0, sizeof ring);
    return 0;
}

static uint64_t write_text(const char *text)
{
    char words[LOG_TEXT_MAX];
    size_t length = strlen(text);

    memcpy(words, text, length);
    return log_ring_write(&ring, 5, log_origin(2, 3, 4), words, length, false);
}

static void fill_ring(unsigned count)
{
    char text[32];

    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "line %u", i + 1);
        assert_int_equal(write_text(text), i + 1);
    }
}

/* Make the next writer stop in the middle: claim a slot as a writer does, and leave it. */
static struct log_record *leave_half_written(void)
{
    uint64_t number = log_ring_head(&ring) + 1;
    struct log_record *record = &ring.records[number % LOG_RING_RECORDS];

    atomic_store(&record->state, number * 2 + 1);
    atomic_store(&ring.head, number);
    return record;
}

/* SPEC: D2 D4 */
static void what_is_written_is_read_back_whole(void **state)
{
    (void)state;
    assert_int_equal(write_text("hello"), 1);
    assert_int_equal(log_ring_read(&ring, 0, false, &entry), LOG_READ_RECORD);
    assert_int_equal(entry.number, 1);
    assert_int_equal(entry.level, 2);
    assert_int_equal(entry.cpu, 3);
    assert_int_equal(entry.thread, 4);
    assert_int_equal(entry.time_ns, 5);
    assert_string_equal(entry.text, "hello");
    assert_int_equal(log_ring_read(&ring, 2, false, &entry), LOG_READ_END);
}

static void texts_of_every_length_survive(void **state)
{
    char text[LOG_TEXT_MAX + 1];

    (void)state;
    for (size_t length = 0; length <= LOG_TEXT_MAX; length++) {
        memset(text, 'a' + (int)(length % 26), length);
        text[length] = '\0';
        assert_int_equal(write_text(text), length + 1);
        assert_int_equal(log_ring_read(&ring, length + 1, false, &entry), LOG_READ_RECORD);
        assert_int_equal(entry.length, length);
        assert_string_equal(entry.text, text);
    }
}

/* SPEC: D4 */
static void an_overrun_reader_goes_on_at_the_oldest_record_kept(void **state)
{
    (void)state;
    fill_ring(LOG_RING_RECORDS + 10);
    assert_int_equal(log_ring_read(&ring, 1, false, &entry), LOG_READ_RECORD);
    assert_int_equal(entry.number, 11);
    assert_string_equal(entry.text, "line 11");
    assert_int_equal(log_ring_read(&ring, LOG_RING_RECORDS + 10, false, &entry), LOG_READ_RECORD);
    assert_string_equal(entry.text, "line 1034");
}

static void a_reader_waits_at_a_record_that_is_being_written(void **state)
{
    struct log_record *half;

    (void)state;
    fill_ring(1);
    half = leave_half_written();
    write_text("after");
    assert_int_equal(log_ring_read(&ring, 2, false, &entry), LOG_READ_WRITING);
    assert_false(log_ring_is_complete(&ring, 2));
    assert_int_equal(log_ring_read(&ring, 2, true, &entry), LOG_READ_RECORD);
    assert_string_equal(entry.text, "after");
    atomic_store(&half->state, 2 * 2);
    assert_int_equal(log_ring_read(&ring, 2, false, &entry), LOG_READ_RECORD);
    assert_int_equal(entry.number, 2);
    assert_true(log_ring_is_complete(&ring, 2));
}

static void a_writer_that_meets_a_stuck_one_drops_and_counts(void **state)
{
    struct log_record *half;

    (void)state;
    half = leave_half_written();
    for (unsigned i = 1; i < LOG_RING_RECORDS; i++) {
        assert_int_equal(write_text("x"), i + 1);
    }
    assert_int_equal(write_text("dropped"), 0);
    assert_int_equal(atomic_load(&ring.dropped), 1);
    assert_int_equal(log_ring_head(&ring), LOG_RING_RECORDS);
    atomic_store(&half->state, 1 * 2);
    assert_int_equal(write_text("goes on"), LOG_RING_RECORDS + 1);
}

static void in_a_panic_the_stuck_slot_is_taken_over(void **state)
{
    (void)state;
    leave_half_written();
    fill_ring(0);
    for (unsigned i = 1; i < LOG_RING_RECORDS; i++) {
        write_text("x");
    }
    assert_int_equal(log_ring_write(&ring, 0, 0, "last...", 4, true), LOG_RING_RECORDS + 1);
    assert_int_equal(log_ring_read(&ring, LOG_RING_RECORDS + 1, true, &entry), LOG_READ_RECORD);
    assert_string_equal(entry.text, "last");
}

/* The slot is owned and the head not yet moved: what an NMI in between finds. */
static void a_head_left_behind_is_moved_on_by_the_next_writer(void **state)
{
    (void)state;
    atomic_store(&ring.records[1].state, 1 * 2 + 1);
    assert_int_equal(write_text("from the NMI"), 2);
    assert_int_equal(log_ring_head(&ring), 2);
    assert_int_equal(log_ring_read(&ring, 1, false, &entry), LOG_READ_WRITING);
    assert_int_equal(log_ring_read(&ring, 2, false, &entry), LOG_READ_RECORD);
}

static void lap_the_reader(void)
{
    for (unsigned i = 0; i < LOG_RING_RECORDS; i++) {
        write_text("newer newer newer");
    }
}

/* SPEC: D4 */
static void a_record_overwritten_while_it_is_copied_is_not_returned(void **state)
{
    (void)state;
    write_text("older older older");
    while_copying = lap_the_reader;
    assert_int_equal(log_ring_read(&ring, 1, false, &entry), LOG_READ_RECORD);
    assert_int_equal(entry.number, 2);
    assert_string_equal(entry.text, "newer newer newer");
}

/* --- many at once ----------------------------------------------------------------------------- */

#define WRITERS 4U

static unsigned lines_per_writer;
static _Atomic unsigned writers_left;

/* Each text is one letter repeated, with its length in the thread field: a torn one shows. */
static void *write_many(void *argument)
{
    unsigned writer = (unsigned)(uintptr_t)argument;
    char text[LOG_TEXT_MAX];

    for (unsigned i = 0; i < lines_per_writer; i++) {
        uint32_t length = 1 + (i * 7 + writer * 13) % LOG_TEXT_MAX;

        memset(text, 'A' + (int)((i + writer) % 26), length);
        log_ring_write(&ring, i, log_origin(0, (uint8_t)writer, length), text, length, false);
    }
    atomic_fetch_sub(&writers_left, 1);
    return NULL;
}

static void check_whole(const struct log_entry *got)
{
    char letter = (char)('A' + (int)((got->time_ns + got->cpu) % 26));

    assert_int_equal(got->length, got->thread);
    for (unsigned i = 0; i < got->length; i++) {
        assert_int_equal(got->text[i], letter);
    }
}

/* SPEC: D2 D4 */
static void concurrent_writers_never_tear_a_record(void **state)
{
    pthread_t threads[WRITERS];
    uint64_t last_of[WRITERS] = {0};
    uint64_t next = 1;
    uint64_t seen = 0;

    (void)state;
    lines_per_writer = getenv("HELIX_SOAK") != NULL ? 2000000 : 30000;
    atomic_store(&writers_left, WRITERS);
    for (uintptr_t i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, (void *)i), 0);
    }
    while (atomic_load(&writers_left) != 0 || next <= log_ring_head(&ring)) {
        if (log_ring_read(&ring, next, atomic_load(&writers_left) == 0, &entry) !=
            LOG_READ_RECORD) {
            continue;
        }
        assert_true(entry.number >= next);
        check_whole(&entry);
        /* Of one writer, later records carry later times. */
        assert_true(entry.time_ns >= last_of[entry.cpu]);
        last_of[entry.cpu] = entry.time_ns;
        next = entry.number + 1;
        seen++;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(seen > 0);
    assert_int_equal(log_ring_head(&ring) + atomic_load(&ring.dropped),
                     (uint64_t)WRITERS * lines_per_writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_written_is_read_back_whole, fresh_ring),
        cmocka_unit_test_setup(texts_of_every_length_survive, fresh_ring),
        cmocka_unit_test_setup(an_overrun_reader_goes_on_at_the_oldest_record_kept, fresh_ring),
        cmocka_unit_test_setup(a_reader_waits_at_a_record_that_is_being_written, fresh_ring),
        cmocka_unit_test_setup(a_writer_that_meets_a_stuck_one_drops_and_counts, fresh_ring),
        cmocka_unit_test_setup(in_a_panic_the_stuck_slot_is_taken_over, fresh_ring),
        cmocka_unit_test_setup(a_head_left_behind_is_moved_on_by_the_next_writer, fresh_ring),
        cmocka_unit_test_setup(a_record_overwritten_while_it_is_copied_is_not_returned, fresh_ring),
        cmocka_unit_test_setup(concurrent_writers_never_tear_a_record, fresh_ring),
    };

    return cmocka_run_group_tests_name("core/log_ring", tests, NULL, NULL);
}
