/* base/string.h: copies, prefixes, patterns, numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/string.h>
#include <stdio.h>
#include <string.h>
#include <tests/host/random.h>

static void lengths_stop_at_the_nul_or_the_limit(void **state)
{
    const char unterminated[3] = {'a', 'b', 'c'};

    (void)state;
    assert_int_equal(string_length(""), 0);
    assert_int_equal(string_length("abc"), 3);
    assert_int_equal(string_length_max("abc", 2), 2);
    assert_int_equal(string_length_max("abc", 9), 3);
    assert_int_equal(string_length_max(unterminated, 3), 3);
    assert_int_equal(string_length_max(unterminated, 0), 0);
}

/* At each place of a NUL among bytes that look like one to a careless look at words. */
static void a_string_ends_where_the_nul_is(void **state)
{
    static const char others[] = {'\x01', '\x7f', '\x80', '\x81', '\xff', 'a'};

    (void)state;
    for (size_t other = 0; other < sizeof(others); other++) {
        for (size_t size = 0; size <= 24; size++) {
            char bytes[24];

            memset(bytes, others[other], sizeof(bytes));
            assert_false(string_ends_within(bytes, size));
            for (size_t nul = 0; nul < sizeof(bytes); nul++) {
                bytes[nul] = '\0';
                assert_int_equal(string_ends_within(bytes, size), nul < size);
                bytes[nul] = others[other];
            }
        }
    }
}

static void comparing_sees_every_byte(void **state)
{
    (void)state;
    assert_true(string_equal("", ""));
    assert_true(string_equal("abc", "abc"));
    assert_false(string_equal("abc", "abd"));
    assert_false(string_equal("abc", "ab"));
    assert_false(string_equal("ab", "abc"));
    assert_true(string_has_prefix("abc", ""));
    assert_true(string_has_prefix("abc", "abc"));
    assert_false(string_has_prefix("ab", "abc"));
    assert_false(string_has_prefix("abc", "b"));
}

static void a_copy_is_always_terminated_and_says_when_it_was_cut(void **state)
{
    char to[4] = "xyz";

    (void)state;
    assert_true(string_copy(to, sizeof(to), "abc"));
    assert_string_equal(to, "abc");
    assert_false(string_copy(to, sizeof(to), "abcd"));
    assert_string_equal(to, "abc");
    assert_false(string_copy(to, 1, "q"));
    assert_string_equal(to, "");
    assert_true(string_copy(to, 1, ""));
    to[0] = '!';
    assert_false(string_copy(to, 0, ""));
    assert_int_equal(to[0], '!');
}

static void find_returns_the_first_or_null(void **state)
{
    const char *text = "a,b,c";

    (void)state;
    assert_ptr_equal(string_find(text, ','), text + 1);
    assert_null(string_find(text, 'x'));
    assert_null(string_find("", ','));
}

/* What the pattern language means, at exponential cost. */
static bool matches_reference(const char *text, const char *pattern)
{
    if (*pattern == '\0') {
        return *text == '\0';
    }
    if (*pattern == '*') {
        return matches_reference(text, pattern + 1) ||
               (*text != '\0' && matches_reference(text + 1, pattern));
    }
    return *text != '\0' && (*pattern == '?' || *pattern == *text) &&
           matches_reference(text + 1, pattern + 1);
}

static void random_text(char *to, size_t max, const char *alphabet)
{
    size_t length = random_below(max);

    for (size_t i = 0; i < length; i++) {
        to[i] = alphabet[random_below(strlen(alphabet))];
    }
    to[length] = '\0';
}

static void patterns_match_what_the_recursive_definition_says(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        char text[10];
        char pattern[8];

        random_text(text, sizeof(text), "ab");
        random_text(pattern, sizeof(pattern), "aabb*?");
        if (string_matches(text, pattern) != matches_reference(text, pattern)) {
            fail_msg("seed %llu: \"%s\" against \"%s\"", (unsigned long long)seed, text, pattern);
        }
    }
}

static void a_pattern_of_many_stars_stays_cheap(void **state)
{
    char text[4001];

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(string_matches(text, "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b"));
}

static hx_err parse(const char *text, uint64_t *value)
{
    return string_to_u64(text, strlen(text), value);
}

static void numbers_are_read_in_every_base_and_unit(void **state)
{
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"0", 0},
        {"10", 10},
        {"007", 7},
        {"0x10", 16},
        {"0XaBcDeF", 0xabcdef},
        {"2K", 2048},
        {"0K", 0},
        {"010K", 8192},
        {"0x1M", 1 << 20},
        {"3G", 3ULL << 30},
        {"18446744073709551615", UINT64_MAX},
        {"0xffffffffffffffff", UINT64_MAX},
        {"01777777777777777777777", UINT64_MAX},
        {"17179869183G", 17179869183ULL << 30},
        {"00000000000000000000000000000000000000001", 1},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        uint64_t value = 99;

        assert_int_equal(parse(cases[i].text, &value), HX_OK);
        assert_true(value == cases[i].value);
    }
}

static void bad_numbers_are_refused_and_change_nothing(void **state)
{
    static const char *const malformed[] = {"",
                                            "K",
                                            "x",
                                            "08",
                                            "0x",
                                            "0xg",
                                            "1k",
                                            "1KK",
                                            "-1",
                                            "+1",
                                            " 1",
                                            "1 ",
                                            "1.5",
                                            "0xK",
                                            "12a",
                                            "0x0x1",
                                            "99999999999999999999999z"};
    static const char *const too_large[] = {"18446744073709551616", "0x10000000000000000",
                                            "02000000000000000000000", "17179869184G",
                                            "18446744073709551615K"};
    uint64_t value = 42;

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(malformed); i++) {
        assert_int_equal(parse(malformed[i], &value), HX_EINVAL);
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(too_large); i++) {
        assert_int_equal(parse(too_large[i], &value), HX_ERANGE);
    }
    assert_int_equal(value, 42);
}

static void a_number_ends_at_its_length_not_at_a_nul(void **state)
{
    const char digits[3] = {'1', '2', '3'};
    uint64_t value;

    (void)state;
    assert_int_equal(string_to_u64(digits, 2, &value), HX_OK);
    assert_int_equal(value, 12);
    assert_int_equal(string_to_u64("1\0002", 3, &value), HX_EINVAL);
}

static void print_number(char *text, size_t size, unsigned base, unsigned long long number)
{
    if (base == 0) {
        snprintf(text, size, "%llu", number);
    } else if (base == 1) {
        snprintf(text, size, "0x%llx", number);
    } else {
        snprintf(text, size, "0%llo", number);
    }
}

static void every_number_comes_back_from_its_text(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t wanted = random_any_size();
        uint64_t value = ~wanted;
        char text[40];

        print_number(text, sizeof(text), i % 3, wanted);
        if (parse(text, &value) != HX_OK || value != wanted) {
            fail_msg("seed %llu: \"%s\"", (unsigned long long)seed, text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_stop_at_the_nul_or_the_limit),
        cmocka_unit_test(a_string_ends_where_the_nul_is),
        cmocka_unit_test(comparing_sees_every_byte),
        cmocka_unit_test(a_copy_is_always_terminated_and_says_when_it_was_cut),
        cmocka_unit_test(find_returns_the_first_or_null),
        cmocka_unit_test(patterns_match_what_the_recursive_definition_says),
        cmocka_unit_test(a_pattern_of_many_stars_stays_cheap),
        cmocka_unit_test(numbers_are_read_in_every_base_and_unit),
        cmocka_unit_test(bad_numbers_are_refused_and_change_nothing),
        cmocka_unit_test(a_number_ends_at_its_length_not_at_a_nul),
        cmocka_unit_test(every_number_comes_back_from_its_text),
    };

    return cmocka_run_group_tests_name("base/string", tests, NULL, NULL);
}
