/* Whose the console's bytes are, and that none is lost. */
#include "../ipc/pthread_kernel.h"

#include <hal/console.h>
#include <subsys/console/console_input.h>
#include <subsys/console/console_subsystem.h>

/* --- the device ------------------------------------------------------------------------------- */

static char device_bytes[2048];
static size_t device_first, device_end;

int hal_console_read(void)
{
    return device_first < device_end ? (unsigned char)device_bytes[device_first++] : -1;
}

size_t heap_usable_size(const void *pointer)
{
    return pointer != NULL ? 1 : 0;
}

static void press(const char *keys, size_t count)
{
    memcpy(device_bytes + device_end, keys, count);
    device_end += count;
    assert_true(console_input_attend());
}

/* --- readers ---------------------------------------------------------------------------------- */

typedef hx_err (*reader)(char *byte, uint64_t deadline_ns);

static void assert_gets(reader read, const char *expected)
{
    char byte;

    for (; *expected != '\0'; expected++) {
        assert_int_equal(read(&byte, 0), HX_OK);
        assert_int_equal(byte, *expected);
    }
    assert_int_equal(read(&byte, 0), HX_ETIMEDOUT);
}

static int start(void **state)
{
    (void)state;
    device_first = device_end = 0;
    console_let_programs_listen(false);
    return console_input_init() == HX_OK ? 0 : -1;
}

static void bytes_are_the_monitors_until_programs_listen(void **state)
{
    (void)state;
    press("ab", 2);
    assert_gets(console_read_byte, "ab");
    console_let_programs_listen(true);
    press("cd", 2);
    console_let_programs_listen(false);
    press("e", 1);
    assert_gets(console_read_byte, "e");
    assert_gets(console_read_program_byte, "cd");
}

static void the_byte_after_the_escape_is_the_monitors(void **state)
{
    (void)state;
    console_let_programs_listen(true);
    press("a\x1dhb\x1d", 5);
    press("sc", 2);
    assert_gets(console_read_byte, "hs");
    assert_gets(console_read_program_byte, "abc");
}

static void the_escape_is_the_same_while_no_program_listens(void **state)
{
    (void)state;
    press("a\x1dhb\x1d", 5);
    console_let_programs_listen(true);
    press("sc", 2);
    assert_gets(console_read_byte, "ahbs");
    assert_gets(console_read_program_byte, "c");
}

static void what_is_typed_elsewhere_is_as_if_it_had_come_from_the_device(void **state)
{
    (void)state;
    console_let_programs_listen(true);
    press("a", 1);
    assert_int_equal(console_input_type('b'), HX_OK);
    assert_int_equal(console_input_type(CONSOLE_ESCAPE), HX_OK);
    press("h", 1);
    assert_gets(console_read_program_byte, "ab");
    assert_gets(console_read_byte, "h");
}

static void what_is_typed_elsewhere_waits_for_room_and_loses_nothing(void **state)
{
    size_t typed = 0;
    char byte;

    (void)state;
    while (console_input_type((char)('a' + typed % 26)) == HX_OK) {
        typed++;
    }
    assert_int_equal(console_input_type('!'), HX_EAGAIN);
    assert_int_equal(console_read_byte(&byte, 0), HX_OK);
    assert_int_equal(byte, 'a');
    assert_int_equal(console_input_type((char)('a' + typed % 26)), HX_OK);
    for (size_t i = 1; i <= typed; i++) {
        assert_int_equal(console_read_byte(&byte, 0), HX_OK);
        assert_int_equal(byte, (char)('a' + i % 26));
    }
    assert_int_equal(console_read_byte(&byte, 0), HX_ETIMEDOUT);
}

static void the_escape_twice_is_one_for_those_who_listen(void **state)
{
    (void)state;
    press("\x1d\x1dp", 3);
    assert_gets(console_read_byte, "\x1dp");
    console_let_programs_listen(true);
    press("\x1d\x1d\x1d\x1dq", 5);
    assert_gets(console_read_byte, "");
    assert_gets(console_read_program_byte, "\x1d\x1dq");
}

static void what_finds_no_room_waits_in_the_device(void **state)
{
    char byte;

    (void)state;
    console_let_programs_listen(true);
    for (unsigned i = 0; i < 1000; i++) {
        device_bytes[device_end++] = (char)('a' + i % 26);
    }
    assert_true(console_input_attend());
    assert_true(device_end - device_first > 700);
    assert_false(console_input_attend());
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(console_read_program_byte(&byte, 0), HX_OK);
        assert_int_equal(byte, 'a' + i % 26);
    }
    assert_int_equal(console_read_program_byte(&byte, 0), HX_ETIMEDOUT);
}

static void bytes_and_memory_are_counted(void **state)
{
    uint64_t before = console_input_count();

    (void)state;
    press("abc", 3);
    assert_int_equal(console_input_count() - before, 3);
    assert_int_equal(console_input_memory(), 2);
    assert_gets(console_read_byte, "abc");
}

/* --- a driver --------------------------------------------------------------------------------- */

/* Put bytes into the device, and say nothing. */
static void arrive(const char *keys)
{
    size_t count = strlen(keys);

    memcpy(device_bytes + device_end, keys, count);
    device_end += count;
}

static void a_driver_takes_what_it_is_asked_for_and_no_more(void **state)
{
    uint64_t before = console_input_driver_count();
    uint8_t byte = 0;

    (void)state;
    arrive("abc");
    assert_false(console_input_take(&byte));
    console_input_ask(2);
    assert_true(console_input_take(&byte));
    assert_int_equal(byte, 'a');
    assert_true(console_input_take(&byte));
    assert_false(console_input_take(&byte));
    assert_int_equal(console_input_answer(), 2);
    console_input_ask(2);
    assert_int_equal(console_input_answer(), 0);
    assert_false(console_input_take(&byte));
    assert_int_equal(console_input_driver_count() - before, 2);
    assert_gets(console_read_byte, "ab");
    assert_true(console_input_attend());
    assert_gets(console_read_byte, "c");
}

/* SPEC: R6
 * A byte that a driver has read is its reader's, whether the driver answers or not. */
static void what_a_driver_and_core_take_in_turn_arrives_in_order(void **state)
{
    uint8_t byte = 0;

    (void)state;
    arrive("abcdef");
    console_input_ask(16);
    assert_true(console_input_take(&byte));
    assert_true(console_input_take(&byte));
    assert_true(console_input_attend());
    assert_false(console_input_take(&byte));
    arrive("gh");
    assert_true(console_input_take(&byte));
    assert_int_equal(byte, 'g');
    assert_gets(console_read_byte, "abcdefg");
    assert_int_equal(console_input_answer(), 3);
    assert_true(console_input_attend());
    assert_gets(console_read_byte, "h");
}

static void a_driver_takes_nothing_that_there_is_no_room_for(void **state)
{
    uint8_t byte;
    char read;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        arrive("x");
    }
    console_input_ask(1000);
    while (console_input_take(&byte)) {
    }
    assert_int_equal(device_first, console_input_answer());
    assert_true(device_end - device_first > 700);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(console_read_byte(&read, 0), HX_OK);
    }
    assert_int_equal(console_read_byte(&read, 0), HX_ETIMEDOUT);
}

static unsigned requests;

static void count_request(void)
{
    requests++;
}

static void a_reader_that_makes_room_tells_who_asked_for_it(void **state)
{
    char read;

    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        arrive("x");
    }
    assert_true(console_input_attend());
    console_input_set_request(count_request);
    assert_int_equal(console_read_byte(&read, 0), HX_OK);
    assert_int_equal(requests, 1);
    assert_true(console_input_attend());
    console_input_set_request(NULL);
    for (unsigned i = 1; i < 300; i++) {
        assert_int_equal(console_read_byte(&read, 0), HX_OK);
    }
    assert_int_equal(requests, 1);
}

static void after_the_end_readers_get_what_is_left(void **state)
{
    char byte;

    (void)state;
    press("z", 1);
    console_input_fini();
    assert_int_equal(console_read_byte(&byte, 0), HX_OK);
    assert_int_equal(console_read_byte(&byte, 0), HX_ECLOSED);
    assert_int_equal(console_read_program_byte(&byte, 0), HX_ECLOSED);
    assert_int_equal(console_input_type('z'), HX_ECLOSED);
    arrive("y");
    assert_false(console_input_attend());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bytes_are_the_monitors_until_programs_listen, start),
        cmocka_unit_test_setup(the_byte_after_the_escape_is_the_monitors, start),
        cmocka_unit_test_setup(the_escape_is_the_same_while_no_program_listens, start),
        cmocka_unit_test_setup(the_escape_twice_is_one_for_those_who_listen, start),
        cmocka_unit_test_setup(what_is_typed_elsewhere_is_as_if_it_had_come_from_the_device, start),
        cmocka_unit_test_setup(what_is_typed_elsewhere_waits_for_room_and_loses_nothing, start),
        cmocka_unit_test_setup(what_finds_no_room_waits_in_the_device, start),
        cmocka_unit_test_setup(bytes_and_memory_are_counted, start),
        cmocka_unit_test_setup(a_driver_takes_what_it_is_asked_for_and_no_more, start),
        cmocka_unit_test_setup(what_a_driver_and_core_take_in_turn_arrives_in_order, start),
        cmocka_unit_test_setup(a_driver_takes_nothing_that_there_is_no_room_for, start),
        cmocka_unit_test_setup(a_reader_that_makes_room_tells_who_asked_for_it, start),
        cmocka_unit_test_setup(after_the_end_readers_get_what_is_left, start),
    };

    kernel_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
