/* The record that a panic leaves to the next kernel: whatever lies in the memory is never believed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/crc32c.h>
#include <core/panic/record.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/random.h>

#define SIZE        4096U
#define HEADER      sizeof(struct panic_record_header)
#define REPORT      "=== KERNEL PANIC ===\nMessage: the answer is 42\n"
#define EVENTS      "-19.834 us cpu=1 tid=34 exception error=0x2\n"
#define MESSAGES    "     1     0.000000 helix\n     2     0.000001 state\n"
#define WHOLE       (HEADER + sizeof(REPORT) + sizeof(EVENTS) + sizeof(MESSAGES) - 3)
#define SUMMED_FROM offsetof(struct panic_record_header, version)

static _Alignas(8) uint8_t memory[SIZE];

static void fill_with(int byte)
{
    memset(memory, byte, sizeof(memory));
}

static bool is_there(size_t size)
{
    struct panic_record record;

    return panic_record_read(memory, size, &record);
}

static void write_record(size_t size, const char *message, const char *report, const char *events,
                         const char *messages)
{
    struct panic_record_writer writer;

    assert_true(panic_record_begin(&writer, memory, size));
    assert_false(is_there(size));
    text_add(&writer.text, "%s", report);
    panic_record_next(&writer);
    text_add(&writer.text, "%s", events);
    panic_record_next(&writer);
    text_add(&writer.text, "%s", messages);
    assert_false(is_there(size));
    panic_record_seal(&writer, message);
}

static void write_example(void)
{
    fill_with(0xa5);
    write_record(SIZE, "the answer is 42", REPORT, EVENTS, MESSAGES);
}

static void shown_is(const char *expected)
{
    static char buffer[2 * SIZE];
    struct text text = text_into(buffer, sizeof(buffer));
    struct panic_record record;

    assert_true(panic_record_read(memory, SIZE, &record));
    panic_record_show(&record, &text);
    assert_string_equal(buffer, expected);
}

/* SPEC: X7 D4 */
static void what_was_written_is_read(void **state)
{
    struct panic_record record;

    (void)state;
    write_example();
    assert_true(panic_record_read(memory, SIZE, &record));
    assert_string_equal(record.message, "the answer is 42");
    shown_is(REPORT "Flight Recorder:\n" EVENTS "Messages Before:\n" MESSAGES);
}

/* SPEC: X7 */
static void memory_without_a_record_has_none(void **state)
{
    struct panic_record record;

    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        fill_with(byte);
        assert_false(is_there(SIZE));
    }
    assert_false(panic_record_read(NULL, 0, &record));
}

/* SPEC: X7 */
static void every_cut_is_refused(void **state)
{
    (void)state;
    write_example();
    for (size_t size = 0; size < WHOLE; size++) {
        assert_false(is_there(size));
    }
    assert_true(is_there(WHOLE));
}

/* SPEC: X7 */
static void every_flip_of_a_bit_is_refused(void **state)
{
    (void)state;
    write_example();
    for (size_t bit = 0; bit < WHOLE * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_false(is_there(SIZE));
        memory[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(is_there(SIZE));
}

/* SPEC: X7 */
static void what_is_erased_is_gone(void **state)
{
    (void)state;
    write_example();
    panic_record_erase(memory, SIZE);
    assert_false(is_there(SIZE));
}

/* SPEC: X7 */
static void the_record_of_another_version_is_refused(void **state)
{
    struct panic_record_header *header = (struct panic_record_header *)memory;

    (void)state;
    write_example();
    header->version++;
    header->checksum = crc32c(0, memory + SUMMED_FROM, WHOLE - SUMMED_FROM);
    assert_false(is_there(SIZE));
}

/* SPEC: X7 D4 */
static void each_text_gets_its_share_and_the_messages_what_is_left(void **state)
{
    char *text = malloc(SIZE + 1);
    struct panic_record record;

    (void)state;
    memset(text, 'r', SIZE);
    text[SIZE] = '\0';
    for (size_t size = HEADER + 8; size <= SIZE; size++) {
        size_t room = size - HEADER;
        size_t report = 3 * room / 8 - 1;
        size_t events = 2 * room / 8 - 1;

        fill_with(0xa5);
        write_record(size, text, text, text, text);
        assert_true(panic_record_read(memory, size, &record));
        assert_int_equal(record.lengths[PANIC_RECORD_REPORT], report);
        assert_int_equal(record.lengths[PANIC_RECORD_EVENTS], events);
        assert_int_equal(record.lengths[PANIC_RECORD_MESSAGES], room - report - events - 1);
        assert_int_equal(strlen(record.message), PANIC_MESSAGE_MAX - 1);
        assert_true(size == SIZE || memory[size] == 0xa5);
        write_record(size, text, "", "", text);
        assert_true(panic_record_read(memory, size, &record));
        assert_int_equal(record.lengths[PANIC_RECORD_MESSAGES], room - 1);
    }
    free(text);
}

static void memory_too_small_is_not_touched(void **state)
{
    struct panic_record_writer writer;

    (void)state;
    for (size_t size = 0; size < HEADER + 8; size++) {
        fill_with(0xa5);
        assert_false(panic_record_begin(&writer, memory, size));
        for (size_t i = 0; i < SIZE; i++) {
            assert_int_equal(memory[i], 0xa5);
        }
    }
}

static void control_characters_are_not_printed(void **state)
{
    struct panic_record record;

    (void)state;
    fill_with(0);
    write_record(SIZE, "a\033[2Jb\nc", "\033]0;x\007\n\tok\177\n", "e\033\n", "\rm\n");
    assert_true(panic_record_read(memory, SIZE, &record));
    assert_string_equal(record.message, "a?[2Jb?c");
    shown_is("?]0;x?\n\tok?\nFlight Recorder:\ne?\nMessages Before:\n?m\n");
}

/* Lengths and texts at random under a checksum that holds: what is shown lies in the memory. */
static void hostile_bytes_with_a_good_checksum_stay_inside(void **state)
{
    struct panic_record_header *header;
    uint64_t seed = random_start();
    struct panic_record record;
    unsigned believed = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = random_below(1024);
        uint8_t *bytes = malloc(size + 1); /* the sanitizer sees who reads past its end */
        uint64_t length;

        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)random_u64();
        }
        if (size >= HEADER) {
            header = (struct panic_record_header *)bytes;
            header->magic = PANIC_RECORD_MAGIC;
            header->version = PANIC_RECORD_VERSION;
            length = 0;
            for (size_t i = 0; i < PANIC_RECORD_PARTS; i++) {
                header->lengths[i] = (uint32_t)random_any_size() % (random_below(2) ? 256 : ~0U);
                length += header->lengths[i];
            }
            length = length < size - HEADER ? length : size - HEADER;
            header->checksum = crc32c(0, bytes + SUMMED_FROM, HEADER - SUMMED_FROM + length);
        }
        if (panic_record_read(bytes, size, &record)) {
            char shown[4096];
            struct text text = text_into(shown, sizeof(shown));

            believed++;
            panic_record_show(&record, &text);
            assert_true(text.length < size); /* the titles are shorter than the header */
            assert_null(strchr(record.message, '\033'));
            assert_null(memchr(shown, '\033', text.length));
        }
        free(bytes);
    }
    if (believed < 100) {
        fail_msg("seed %llu: %u records were believed", (unsigned long long)seed, believed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(memory_without_a_record_has_none),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(every_flip_of_a_bit_is_refused),
        cmocka_unit_test(what_is_erased_is_gone),
        cmocka_unit_test(the_record_of_another_version_is_refused),
        cmocka_unit_test(each_text_gets_its_share_and_the_messages_what_is_left),
        cmocka_unit_test(memory_too_small_is_not_touched),
        cmocka_unit_test(control_characters_are_not_printed),
        cmocka_unit_test(hostile_bytes_with_a_good_checksum_stay_inside),
    };

    return cmocka_run_group_tests_name("core/panic_record", tests, NULL, NULL);
}
