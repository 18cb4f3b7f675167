/* What a keyboard's codes are as bytes of a terminal: modules/scan_codes.h. */
#include <base/string.h>
#include <modules/scan_codes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint32_t modifiers;
static uint64_t layout;

static int make(void **state)
{
    (void)state;
    modifiers = 0;
    layout = HX_KEYBOARD_US;
    return 0;
}

static uint64_t scan(uint32_t code)
{
    return scan_code(&modifiers, code, layout);
}

static void assert_answer(uint64_t answer, const char *bytes)
{
    size_t length = string_length_max(bytes, HX_KEYBOARD_BYTES_MAX + 1);

    assert_int_equal(answer & ~HX_KEYBOARD_KNOWN, 0);
    assert_int_equal(HX_KEYBOARD_COUNT(answer), length);
    for (size_t i = 0; i < length; i++) {
        assert_int_equal((uint8_t)(answer >> i * 8), (uint8_t)bytes[i]);
    }
}

/* A key goes down and up. */
static void assert_key(uint32_t key, const char *bytes)
{
    assert_answer(scan(key), bytes);
    assert_int_equal(scan(key | SCAN_RELEASED), 0);
}

static void assert_extended(uint32_t key, const char *bytes)
{
    assert_int_equal(scan(SCAN_PREFIX), 0);
    assert_answer(scan(key), bytes);
    assert_int_equal(scan(SCAN_PREFIX), 0);
    assert_int_equal(scan(key | SCAN_RELEASED), 0);
}

/* Rows of a keyboard from the key of a code on. */
static const struct {
    uint64_t layout;
    uint32_t first;
    const char *plain;
    const char *shifted;
} rows[] = {
    {HX_KEYBOARD_US, 0x02, "1234567890-=", "!@#$%^&*()_+"},
    {HX_KEYBOARD_US, 0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
    {HX_KEYBOARD_US, 0x1e, "asdfghjkl;'`", "ASDFGHJKL:\"~"},
    {HX_KEYBOARD_US, 0x2b, "\\zxcvbnm,./", "|ZXCVBNM<>?"},
    {HX_KEYBOARD_DE, 0x02, "1234567890", "!\"\xa7$%&/()="},
    {HX_KEYBOARD_DE, 0x0c, "\xdf\xb4", "?`"},
    {HX_KEYBOARD_DE, 0x10, "qwertzuiop\xfc+", "QWERTZUIOP\xdc*"},
    {HX_KEYBOARD_DE, 0x1e, "asdfghjkl\xf6\xe4^", "ASDFGHJKL\xd6\xc4\xb0"},
    {HX_KEYBOARD_DE, 0x2b, "#yxcvbnm,.-", "'YXCVBNM;:_"},
    {HX_KEYBOARD_DE, 0x56, "<", ">"},
};

/* Latin-1 as UTF-8. */
static const char *utf8(char character)
{
    static char bytes[3];
    uint8_t byte = (uint8_t)character;

    bytes[0] = byte < 0x80 ? character : (char)(0xc0 | byte >> 6);
    bytes[1] = byte < 0x80 ? '\0' : (char)(0x80 | (byte & 0x3f));
    return bytes;
}

static void each_key_has_its_character(void **state)
{
    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(rows); i++) {
        layout = rows[i].layout;
        for (uint32_t key = 0; rows[i].plain[key] != '\0'; key++) {
            assert_key(rows[i].first + key, utf8(rows[i].plain[key]));
            assert_int_equal(scan(0x2a), 0);
            assert_key(rows[i].first + key, utf8(rows[i].shifted[key]));
            assert_int_equal(scan(0x2a | SCAN_RELEASED), 0);
            assert_int_equal(scan(0x36), 0);
            assert_key(rows[i].first + key, utf8(rows[i].shifted[key]));
            assert_int_equal(scan(0x36 | SCAN_RELEASED), 0);
        }
    }
}

static void the_right_alt_key_has_the_third_character_of_the_german_layout(void **state)
{
    static const struct {
        uint32_t key;
        const char *bytes;
    } thirds[] = {
        {0x03, "\xc2\xb2"}, {0x04, "\xc2\xb3"}, {0x08, "{"},        {0x09, "["},
        {0x0a, "]"},        {0x0b, "}"},        {0x0c, "\\"},       {0x10, "@"},
        {0x1b, "~"},        {0x56, "|"},        {0x32, "\xc2\xb5"}, {0x12, "\xe2\x82\xac"},
    };

    (void)state;
    layout = HX_KEYBOARD_DE;
    (void)scan(SCAN_PREFIX);
    (void)scan(0x38);
    for (size_t i = 0; i < HX_ARRAY_SIZE(thirds); i++) {
        assert_key(thirds[i].key, thirds[i].bytes);
    }
    (void)scan(SCAN_PREFIX);
    (void)scan(0x38 | SCAN_RELEASED);
    assert_key(0x10, "q");
}

static void control_makes_control_characters(void **state)
{
    (void)state;
    (void)scan(0x1d);
    assert_key(0x2e, "\x03");
    assert_key(0x20, "\x04");
    assert_key(0x1a, "\x1b");
    assert_key(0x1b, "\x1d");
    assert_key(0x06, "\x1d"); /* 5: for who has no bracket */
    (void)scan(0x1d | SCAN_RELEASED);
    assert_key(0x2e, "c");
}

static void control_and_space_is_a_byte_of_zero(void **state)
{
    (void)state;
    (void)scan(0x1d);
    assert_int_equal(scan(0x39), 1ULL << HX_KEYBOARD_COUNT_SHIFT);
}

static void alt_puts_an_escape_before(void **state)
{
    (void)state;
    (void)scan(0x38);
    assert_key(0x30, "\033b");
    assert_key(0x3f, "\033\033[15~");
    (void)scan(0x38 | SCAN_RELEASED);
    assert_key(0x30, "b");
}

static void caps_lock_is_for_letters_and_turns_shift_over(void **state)
{
    (void)state;
    layout = HX_KEYBOARD_DE;
    (void)scan(SCAN_CAPS_LOCK);
    (void)scan(SCAN_CAPS_LOCK); /* it repeats while it is held */
    (void)scan(SCAN_CAPS_LOCK | SCAN_RELEASED);
    assert_key(0x1e, "A");
    assert_key(0x28, "\xc3\x84");
    assert_key(0x02, "1");
    (void)scan(0x2a);
    assert_key(0x1e, "a");
    (void)scan(0x2a | SCAN_RELEASED);
    (void)scan(SCAN_CAPS_LOCK);
    (void)scan(SCAN_CAPS_LOCK | SCAN_RELEASED);
    assert_key(0x1e, "a");
}

static void keys_that_move_are_ansi_sequences(void **state)
{
    static const struct {
        uint32_t key;
        const char *bytes;
    } keys[] = {
        {0x48, "\033[A"},  {0x50, "\033[B"},  {0x4d, "\033[C"},  {0x4b, "\033[D"},
        {0x47, "\033[1~"}, {0x4f, "\033[4~"}, {0x52, "\033[2~"}, {0x53, "\033[3~"},
        {0x49, "\033[5~"}, {0x51, "\033[6~"}, {0x35, "/"},       {0x1c, "\r"},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(keys); i++) {
        assert_extended(keys[i].key, keys[i].bytes);
    }
    (void)scan(0x1d);
    assert_extended(0x4d, "\033[1;5C");
    (void)scan(0x2a);
    assert_extended(0x53, "\033[3;6~");
}

static void function_keys_are_those_of_a_vt220(void **state)
{
    static const char *const sequences[] = {
        "\033OP",   "\033OQ",   "\033OR",   "\033OS",   "\033[15~",
        "\033[17~", "\033[18~", "\033[19~", "\033[20~", "\033[21~",
    };

    (void)state;
    for (uint32_t i = 0; i < HX_ARRAY_SIZE(sequences); i++) {
        assert_key(0x3b + i, sequences[i]);
    }
    assert_key(0x57, "\033[23~");
    assert_key(0x58, "\033[24~");
}

static void the_keypad_has_digits_until_num_lock_is_pressed(void **state)
{
    (void)state;
    assert_key(0x47, "7");
    assert_key(0x53, ".");
    assert_key(0x4a, "-");
    (void)scan(SCAN_NUM_LOCK);
    (void)scan(SCAN_NUM_LOCK | SCAN_RELEASED);
    assert_key(0x47, "\033[1~");
    assert_key(0x4c, "");
    assert_key(0x4e, "+");
}

static void other_keys_are_themselves(void **state)
{
    (void)state;
    assert_key(0x01, "\033");
    assert_key(0x0e, "\x7f");
    assert_key(0x0f, "\t");
    assert_key(0x1c, "\r");
    (void)scan(0x2a);
    assert_key(0x0f, "\033[Z");
}

static void control_alt_delete_asks_for_a_restart(void **state)
{
    (void)state;
    (void)scan(0x1d);
    (void)scan(0x38);
    (void)scan(SCAN_PREFIX);
    assert_int_equal(scan(0x53), HX_KEYBOARD_RESTART);
}

static void a_print_key_holds_no_shift(void **state)
{
    (void)state;
    (void)scan(SCAN_PREFIX);
    (void)scan(0x2a);
    assert_key(0x1e, "a");
}

static void no_code_leads_to_an_answer_that_cannot_be(void **state)
{
    (void)state;
    for (uint32_t held = 0; held <= SCAN_ALL; held++) {
        for (uint64_t code = 0; code < 0x102; code++) {
            for (uint64_t which = 0; which <= HX_KEYBOARD_LAYOUTS; which++) {
                uint32_t now = held;
                uint64_t answer = scan_code(&now, code, which);

                assert_int_equal(answer & ~HX_KEYBOARD_KNOWN, 0);
                assert_true(HX_KEYBOARD_COUNT(answer) <= HX_KEYBOARD_BYTES_MAX);
                assert_int_equal(now & ~(uint32_t)SCAN_ALL, 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_key_has_its_character, make),
        cmocka_unit_test_setup(the_right_alt_key_has_the_third_character_of_the_german_layout,
                               make),
        cmocka_unit_test_setup(control_makes_control_characters, make),
        cmocka_unit_test_setup(control_and_space_is_a_byte_of_zero, make),
        cmocka_unit_test_setup(alt_puts_an_escape_before, make),
        cmocka_unit_test_setup(caps_lock_is_for_letters_and_turns_shift_over, make),
        cmocka_unit_test_setup(keys_that_move_are_ansi_sequences, make),
        cmocka_unit_test_setup(function_keys_are_those_of_a_vt220, make),
        cmocka_unit_test_setup(the_keypad_has_digits_until_num_lock_is_pressed, make),
        cmocka_unit_test_setup(other_keys_are_themselves, make),
        cmocka_unit_test_setup(control_alt_delete_asks_for_a_restart, make),
        cmocka_unit_test_setup(a_print_key_holds_no_shift, make),
        cmocka_unit_test_setup(no_code_leads_to_an_answer_that_cannot_be, make),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
