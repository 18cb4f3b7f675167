/* base/format.h against the C library's snprintf. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/format.h>
#include <helix/attributes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <tests/host/random.h>

#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wformat-truncation"
#pragma GCC diagnostic ignored "-Wformat-overflow"
#endif

#define CANARY '\x7e'

static void plain_conversions_read_as_people_expect(void **state)
{
    char text[200];

    (void)state;
    assert_int_equal(format_text(text, sizeof(text), "%d %i %u %x %X %o %c %s %%", -1, 2, 3U, 0xabU,
                                 0xabU, 8U, 'c', "string"),
                     26);
    assert_string_equal(text, "-1 2 3 ab AB 10 c string %");
}

static void a_null_string_and_a_pointer_have_a_fixed_form(void **state)
{
    char text[200];

    (void)state;
    format_text(text, sizeof(text), "%s|%8s|%-8s|%.3s", (char *)NULL, (char *)NULL, (char *)NULL,
                (char *)NULL);
    assert_string_equal(text, "(null)|  (null)|(null)  |(nu");
    format_text(text, sizeof(text), "%p %p", NULL, (void *)0xffffffff80001234ULL);
    assert_string_equal(text, "0x0000000000000000 0xffffffff80001234");
}

static void a_bad_conversion_shows_itself(void **state)
{
    char text[200];

    (void)state;
    assert_int_equal(format_text(text, sizeof(text), "a%qb %", 1), 6);
    assert_string_equal(text, "a%qb %");
    format_text(text, sizeof(text), "%-05.3y!%l");
    assert_string_equal(text, "%-05.3y!%l");
    format_text(text, sizeof(text), "%n%k%u", 7U);
    assert_string_equal(text, "%n%k7");
}

static void a_text_that_is_cut_is_terminated_and_its_whole_length_returned(void **state)
{
    char text[64];

    (void)state;
    for (size_t size = 0; size <= 40; size++) {
        size_t kept = size == 0 ? 0 : size - 1;

        memset(text, CANARY, sizeof(text));
        assert_int_equal(format_text(text, size, "0123456789%s%5d%u!", "abcdefgh", -42, 123456789U),
                         33);
        if (size > 0) {
            assert_int_equal(strlen(text), kept < 33 ? kept : 33);
            assert_memory_equal(text, "0123456789abcdefgh  -42123456789!", kept < 33 ? kept : 33);
        }
        for (size_t i = size; i < sizeof(text); i++) {
            assert_int_equal(text[i], CANARY);
        }
    }
    assert_int_equal(format_text(NULL, 0, "%d", 12345), 5);
}

static void absurd_widths_cost_nothing_and_are_counted(void **state)
{
    char text[8];

    (void)state;
    assert_true(format_text(text, sizeof(text), "%2147483647d", 1) == 2147483647U);
    assert_string_equal(text, "       ");
    assert_true(format_text(text, sizeof(text), "%99999999999d", 1) == 2147483647U);
    assert_true(format_text(text, sizeof(text), "%.*d", INT32_MAX, 1) == 2147483647U);
    assert_string_equal(text, "0000000");
    assert_true(format_text(text, sizeof(text), "%*d", INT32_MIN, 1) == 2147483647U);
    assert_string_equal(text, "1      ");
}

/* Words are read eight bytes at a time, but never from a page behind the text's. */
static void texts_that_end_at_the_end_of_memory_are_not_overrun(void **state)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char text[200];

    (void)state;
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + 4096, 4096, PROT_NONE), 0);
    for (size_t length = 0; length < 40; length++) {
        char *end = pages + 4096 - length - 1;

        memset(end, 'x', length);
        end[length] = '\0';
        assert_int_equal(format_text(text, sizeof(text), end), length);
        assert_string_equal(text, end);
        assert_int_equal(format_text(text, sizeof(text), "%s%.100s", end, end), 2 * length);
    }
    munmap(pages, 8192);
}

static void every_byte_passes_through_literals_and_strings(void **state)
{
    char format[32];
    char text[64];

    (void)state;
    for (unsigned byte = 1; byte < 256; byte++) {
        if (byte == '%') {
            continue;
        }
        for (size_t place = 0; place < 17; place++) {
            memset(format, 'a', 17);
            format[17] = '\0';
            format[place] = (char)byte;
            assert_int_equal(format_text(text, sizeof(text), format), 17);
            assert_string_equal(text, format);
            assert_int_equal(format_text(text, sizeof(text), "%s%%", format), 18);
            assert_memory_equal(text, format, 17);
        }
    }
}

/* --- random formats --------------------------------------------------------------------------- */

struct random_conversion {
    char text[24];
    int width; /* arguments of the stars, if any */
    int precision;
    unsigned stars;
    char letter;
    bool is_64;
    bool by_star_width;
};

static void append(char *text, const char *more)
{
    strcat(text, more);
}

static void random_flags(char *text, char letter)
{
    /* Only what the C standard defines for the letter: the rest is the library's taste. */
    static const char *const flags[] = {"-", "0", "#", "+", " "};

    for (unsigned i = 0; i < 5; i++) {
        bool is_signed = letter == 'd' || letter == 'i';
        bool is_text = letter == 's' || letter == 'c';
        bool fits = i == 0 || (i == 1 && !is_text) ||
                    (i == 2 && (letter == 'x' || letter == 'X' || letter == 'o')) ||
                    (i >= 3 && is_signed);

        if (fits && random_below(4) == 0) {
            append(text, flags[i]);
        }
    }
}

static void random_layout(struct random_conversion *c)
{
    char number[16];

    if (random_below(3) == 0) {
        snprintf(number, sizeof(number), "%u", (unsigned)random_below(30) + 1);
        append(c->text, number);
    } else if (random_below(4) == 0) {
        append(c->text, "*");
        c->by_star_width = true;
        c->width = (int)random_below(60) - 30;
        c->stars++;
    }
    if (c->letter == 'c' || random_below(3) != 0) {
        return;
    }
    append(c->text, ".");
    if (random_below(2) == 0) {
        snprintf(number, sizeof(number), "%u", (unsigned)random_below(30));
        append(c->text, number);
    } else if (random_below(2) == 0) {
        append(c->text, "*");
        c->precision = (int)random_below(40) - 10;
        c->stars++;
    }
}

static struct random_conversion random_conversion_make(void)
{
    static const char letters[] = "diuxXocs";
    static const char *const short_lengths[] = {"", "", "h", "hh"};
    static const char *const long_lengths[] = {"l", "ll", "z", "t", "j"};
    struct random_conversion c = {.text = "%", .letter = letters[random_below(8)]};
    bool is_number = c.letter != 'c' && c.letter != 's';

    if (random_below(3) != 0) {
        random_flags(c.text, c.letter);
        random_layout(&c);
    }
    if (is_number) {
        c.is_64 = random_below(2) == 0;
        append(c.text, c.is_64 ? long_lengths[random_below(5)] : short_lengths[random_below(4)]);
    }
    append(c.text, (char[]){c.letter, '\0'});
    return c;
}

typedef int (*printer)(char *buffer, size_t size, const char *format, ...);

static int print_ours(char *buffer, size_t size, const char *format, ...)
{
    va_list args;
    size_t length;

    va_start(args, format);
    length = format_text_va(buffer, size, format, args);
    va_end(args);
    return (int)length;
}

static int print_with(printer print, char *buffer, size_t size, const char *format,
                      const struct random_conversion *c, uint64_t number, const char *string)
{
    int first = c->by_star_width ? c->width : c->precision;

    if (c->letter == 's') {
        return c->stars == 2   ? print(buffer, size, format, c->width, c->precision, string, 77)
               : c->stars == 1 ? print(buffer, size, format, first, string, 77)
                               : print(buffer, size, format, string, 77);
    }
    if (c->is_64) {
        return c->stars == 2   ? print(buffer, size, format, c->width, c->precision, number, 77)
               : c->stars == 1 ? print(buffer, size, format, first, number, 77)
                               : print(buffer, size, format, number, 77);
    }
    return c->stars == 2   ? print(buffer, size, format, c->width, c->precision, (int)number, 77)
           : c->stars == 1 ? print(buffer, size, format, first, (int)number, 77)
                           : print(buffer, size, format, (int)number, 77);
}

static void random_bytes(char *text, size_t max)
{
    size_t length = random_below(max);

    for (size_t i = 0; i < length; i++) {
        text[i] = (char)(' ' + random_below(90));
        if (text[i] == '%') {
            text[i] = '~';
        }
    }
    text[length] = '\0';
}

static uint64_t random_number(void)
{
    uint64_t number = random_below(8) == 0 ? 0 : random_any_size();

    return random_below(3) == 0 ? -number : number;
}

static void random_formats_agree_with_the_c_library(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    for (unsigned i = 0; i < 300000; i++) {
        struct random_conversion c = random_conversion_make();
        uint64_t number = random_number();
        size_t size = random_below(3) == 0 ? random_below(40) : 200;
        char literal[24];
        char string[24];
        char format[100];
        char ours[200];
        char theirs[200] = "";
        int our_length;
        int their_length;

        random_bytes(literal, sizeof(literal));
        random_bytes(string, sizeof(string));
        if (c.letter == 'c') {
            number = 'A' + number % 26;
        }
        snprintf(format, sizeof(format), "%s%s%s%%d", literal, c.text, literal);
        memset(ours, CANARY, sizeof(ours));
        ours[0] = '\0';
        our_length = print_with(print_ours, ours, size, format, &c, number, string);
        their_length = print_with(snprintf, theirs, size, format, &c, number, string);
        if (our_length != their_length || strcmp(ours, theirs) != 0 ||
            (size < sizeof(ours) && size > 0 && ours[size] != CANARY)) {
            fail_msg("seed %llu: \"%s\" of %llx, size %zu: \"%s\" (%d), the library \"%s\" (%d)",
                     (unsigned long long)seed, format, (unsigned long long)number, size, ours,
                     our_length, theirs, their_length);
        }
    }
}

static void decimal_digits_are_right_around_every_power_of_ten(void **state)
{
    char ours[64];
    char theirs[64];

    (void)state;
    for (uint64_t power = 1;; power *= 10) {
        for (int64_t near = -2; near <= 2; near++) {
            uint64_t number = power + (uint64_t)near;

            format_text(ours, sizeof(ours), "%lu %ld", number, -number);
            snprintf(theirs, sizeof(theirs), "%lu %ld", number, -number);
            assert_string_equal(ours, theirs);
        }
        if (power > UINT64_MAX / 10) {
            break;
        }
    }
    format_text(ours, sizeof(ours), "%lu %ld %d", UINT64_MAX, INT64_MIN, INT32_MIN);
    assert_string_equal(ours, "18446744073709551615 -9223372036854775808 -2147483648");
}

/* Lengths, conversions and paddings of unsigned fields, each with all widths around the widest
 * number. */
static void check_field(const char *padding, const char *length, char letter, uint64_t number)
{
    char format[32];
    char ours[100];
    char theirs[100];

    for (int width = 0; width <= 50; width += width < 20 ? 1 : 3) {
        snprintf(format, sizeof(format), "<%%%s%.0d%s%c>%%d", padding, width, length, letter);
        for (size_t size = 20; size < sizeof(ours); size += 5) {
            int expected = length[0] == '\0' ? snprintf(theirs, size, format, (unsigned)number, -7)
                                             : snprintf(theirs, size, format, number, -7);

            memset(ours, CANARY, sizeof(ours));
            assert_int_equal(length[0] == '\0'
                                 ? format_text(ours, size, format, (unsigned)number, -7)
                                 : format_text(ours, size, format, number, -7),
                             expected);
            assert_string_equal(ours, theirs);
            assert_int_equal(ours[size], CANARY);
        }
    }
}

static void unsigned_fields_of_every_width_agree_with_the_c_library(void **state)
{
    static const char *const paddings[] = {"", "0", "00"};
    static const char *const lengths[] = {"", "l", "ll", "z"};
    static const uint64_t numbers[] = {
        0,        1,         9,          10,         15,         16,        99,
        100,      255,       256,        999,        1000,       9999,      10000,
        99999999, 100000000, UINT32_MAX, 1ULL << 32, 1ULL << 60, INT64_MAX, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(numbers); i++) {
        for (size_t j = 0; j < HX_ARRAY_SIZE(lengths); j++) {
            for (size_t k = 0; k < HX_ARRAY_SIZE(paddings); k++) {
                check_field(paddings[k], lengths[j], 'u', numbers[i]);
                check_field(paddings[k], lengths[j], 'x', numbers[i]);
            }
        }
    }
}

static void the_digits_of_all_small_numbers_are_right(void **state)
{
    char ours[32];

    (void)state;
    for (uint32_t number = 0; number < 100000000; number += number < 200000 ? 1 : 997) {
        uint32_t back = 0;
        size_t length = format_text(ours, sizeof(ours), "%u", number);

        for (size_t i = 0; i < length; i++) {
            back = back * 10 + (uint32_t)(ours[i] - '0');
        }
        if (back != number || (ours[0] == '0' && number != 0)) {
            fail_msg("%u became \"%s\"", number, ours);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_conversions_read_as_people_expect),
        cmocka_unit_test(a_null_string_and_a_pointer_have_a_fixed_form),
        cmocka_unit_test(a_bad_conversion_shows_itself),
        cmocka_unit_test(a_text_that_is_cut_is_terminated_and_its_whole_length_returned),
        cmocka_unit_test(absurd_widths_cost_nothing_and_are_counted),
        cmocka_unit_test(texts_that_end_at_the_end_of_memory_are_not_overrun),
        cmocka_unit_test(every_byte_passes_through_literals_and_strings),
        cmocka_unit_test(random_formats_agree_with_the_c_library),
        cmocka_unit_test(decimal_digits_are_right_around_every_power_of_ten),
        cmocka_unit_test(unsigned_fields_of_every_width_agree_with_the_c_library),
        cmocka_unit_test(the_digits_of_all_small_numbers_are_right),
    };

    return cmocka_run_group_tests_name("base/format", tests, NULL, NULL);
}
