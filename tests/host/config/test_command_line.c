/* core/config/command_line.h: words, quotes, getters, and what does not fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <core/config/command_line.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/host/random.h>

static struct command_line line;

static const char *value(const char *key)
{
    return command_line_text(&line, key, "absent");
}

/* SPEC: B2 */
static void words_become_options(void **state)
{
    (void)state;
    command_line_parse(&line, "  init=/bin/sh\tloglevel=debug  selftest\nsmp=2 \r");
    assert_int_equal(line.count, 4);
    assert_string_equal(value("init"), "/bin/sh");
    assert_string_equal(value("loglevel"), "debug");
    assert_string_equal(value("selftest"), "");
    assert_string_equal(value("smp"), "2");
    assert_string_equal(value("panic"), "absent");
    assert_true(command_line_has(&line, "selftest"));
    assert_false(command_line_has(&line, "self"));
    assert_false(command_line_has(&line, "selftests"));
    assert_string_equal(line.init_arguments, "");
    assert_int_equal(line.dropped, 0);
}

/* SPEC: B2 */
static void an_empty_line_has_no_options(void **state)
{
    static const char *const empty[] = {"", " ", "\t\n  ", " -- "};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(empty); i++) {
        command_line_parse(&line, empty[i]);
        assert_int_equal(line.count, 0);
        assert_int_equal(line.dropped, 0);
        assert_string_equal(line.init_arguments, "");
        assert_null(command_line_unknown(&line, 0));
    }
}

/* SPEC: B1 B2 */
static void a_flag_is_found_before_the_line_is_parsed(void **state)
{
    static const char *const with[] = {"nokaslr", "\tnokaslr ", "a=b nokaslr c", "-- nokaslr"};
    static const char *const without[] = {"", " ", "nokaslrs", "nokasl", "nokaslr=1", "a=nokaslr"};

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(with); i++) {
        assert_int_equal(command_line_names(with[i], "nokaslr"), with[i][0] != '-');
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(without); i++) {
        assert_false(command_line_names(without[i], "nokaslr"));
    }
}

/* SPEC: B2 */
static void quotes_keep_blanks_anywhere_in_a_word(void **state)
{
    (void)state;
    command_line_parse(
        &line, "a=\"x y\" b='p \"q\" r' \"c=d e\" f=g\" \"h' 'i \"j k\"=l m=\"\" n=a\"=\"b");
    assert_string_equal(value("a"), "x y");
    assert_string_equal(value("b"), "p \"q\" r");
    assert_string_equal(value("c"), "d e");
    assert_string_equal(value("f"), "g h i");
    assert_string_equal(value("j k"), "l");
    assert_string_equal(value("m"), "");
    assert_string_equal(value("n"), "a=b");
    assert_int_equal(line.count, 7);
}

/* SPEC: B2 */
static void a_quote_that_is_never_closed_reaches_to_the_end(void **state)
{
    (void)state;
    command_line_parse(&line, "a=1 b=\"2 3 -- 4");
    assert_string_equal(value("a"), "1");
    assert_string_equal(value("b"), "2 3 -- 4");
    assert_int_equal(line.count, 2);
}

/* SPEC: B2 */
static void only_the_first_equals_sign_splits(void **state)
{
    (void)state;
    command_line_parse(&line, "a=b=c d== e");
    assert_string_equal(value("a"), "b=c");
    assert_string_equal(value("d"), "=");
    assert_string_equal(value("e"), "");
}

/* SPEC: B2 */
static void words_without_a_key_are_dropped_and_counted(void **state)
{
    (void)state;
    command_line_parse(&line, "=x a=1 \"\" '' = b");
    assert_int_equal(line.count, 2);
    assert_int_equal(line.dropped, 4);
    assert_string_equal(value("a"), "1");
    assert_true(command_line_has(&line, "b"));
}

/* SPEC: B2 */
static void the_last_of_equal_keys_wins(void **state)
{
    (void)state;
    command_line_parse(&line, "odd=1 init=/a init=/b odd init=/c odd=2");
    assert_string_equal(value("init"), "/c");
    assert_string_equal(value("odd"), "2");
    assert_int_equal(line.count, 2);
    assert_non_null(command_line_unknown(&line, 0));
    assert_null(command_line_unknown(&line, 1));
}

/* SPEC: B2 */
static void what_follows_two_dashes_belongs_to_init(void **state)
{
    (void)state;
    command_line_parse(&line, "a=1 --  single \"two words\" x=y -- z");
    assert_int_equal(line.count, 1);
    assert_string_equal(line.init_arguments, "single \"two words\" x=y -- z");
    command_line_parse(&line, "--a --=b '--' c");
    assert_int_equal(line.count, 3); /* --a, --, c: the value of -- was replaced by the flag */
    assert_string_equal(line.init_arguments, "");
}

/* SPEC: B2 */
static void unknown_keys_are_kept_and_told_one_by_one(void **state)
{
    (void)state;
    command_line_parse(&line, "init=/x foo=1 gate.console=user gate.a.b=open smp=1 bar gat");
    assert_string_equal(command_line_unknown(&line, 0)->key, "foo");
    assert_string_equal(command_line_unknown(&line, 0)->value, "1");
    assert_string_equal(command_line_unknown(&line, 1)->key, "bar");
    assert_string_equal(command_line_unknown(&line, 2)->key, "gat");
    assert_null(command_line_unknown(&line, 3));
    assert_null(command_line_unknown(&line, SIZE_MAX));
    assert_string_equal(value("foo"), "1");
}

/* SPEC: B2 */
static void numbers_have_units_and_bad_ones_change_nothing(void **state)
{
    uint64_t number = 7;

    (void)state;
    command_line_parse(&line, "a=0x10 b=2M c=12x d e=99999999999999999999 f=''");
    assert_int_equal(command_line_u64(&line, "a", &number), HX_OK);
    assert_int_equal(number, 16);
    assert_int_equal(command_line_u64(&line, "b", &number), HX_OK);
    assert_int_equal(number, 2 << 20);
    assert_int_equal(command_line_u64(&line, "c", &number), HX_EINVAL);
    assert_int_equal(command_line_u64(&line, "d", &number), HX_EINVAL);
    assert_int_equal(command_line_u64(&line, "e", &number), HX_ERANGE);
    assert_int_equal(command_line_u64(&line, "f", &number), HX_EINVAL);
    assert_int_equal(command_line_u64(&line, "g", &number), HX_ENOENT);
    assert_int_equal(number, 2 << 20);
}

/* SPEC: B2 */
static void truth_has_many_words(void **state)
{
    static const struct {
        const char *text;
        hx_err error;
        bool value;
    } cases[] = {
        {"k", HX_OK, true},           {"k=", HX_OK, true},         {"k=1", HX_OK, true},
        {"k=yes", HX_OK, true},       {"k=on", HX_OK, true},       {"k=true", HX_OK, true},
        {"k=0", HX_OK, false},        {"k=no", HX_OK, false},      {"k=off", HX_OK, false},
        {"k=false", HX_OK, false},    {"k=2", HX_EINVAL, false},   {"k=y", HX_EINVAL, false},
        {"k=yess", HX_EINVAL, false}, {"other", HX_ENOENT, false},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        bool truth = !cases[i].value;

        command_line_parse(&line, cases[i].text);
        assert_int_equal(command_line_bool(&line, "k", &truth), cases[i].error);
        assert_int_equal(truth, cases[i].error == HX_OK ? cases[i].value : !cases[i].value);
    }
}

/* SPEC: B2 */
static void lists_contain_whole_items_only(void **state)
{
    (void)state;
    command_line_parse(&line, "console=serial,fb,,null flag");
    assert_true(command_line_lists(&line, "console", "serial"));
    assert_true(command_line_lists(&line, "console", "fb"));
    assert_true(command_line_lists(&line, "console", "null"));
    assert_false(command_line_lists(&line, "console", "ser"));
    assert_false(command_line_lists(&line, "console", "b"));
    assert_false(command_line_lists(&line, "console", "nulll"));
    assert_false(command_line_lists(&line, "console", ""));
    assert_false(command_line_lists(&line, "flag", "x"));
    assert_false(command_line_lists(&line, "absent", "x"));
}

/* SPEC: B2 */
static void what_does_not_fit_is_counted_and_the_rest_is_kept(void **state)
{
    char *text = malloc(3 * COMMAND_LINE_TEXT_MAX);
    size_t length = 0;

    (void)state;
    for (unsigned i = 0; i < COMMAND_LINE_OPTION_MAX + 10; i++) {
        length += (size_t)snprintf(text + length, 20, "key%u=%u ", i, i);
    }
    command_line_parse(&line, text);
    assert_int_equal(line.count, COMMAND_LINE_OPTION_MAX);
    assert_int_equal(line.dropped, 10);
    assert_string_equal(value("key63"), "63");

    /* A word too long for the storage leaves room for those behind it. */
    memset(text, 'x', 2 * COMMAND_LINE_TEXT_MAX);
    strcpy(text + 2 * COMMAND_LINE_TEXT_MAX, " a=1 -- go");
    command_line_parse(&line, text);
    assert_int_equal(line.count, 1);
    assert_int_equal(line.dropped, 1);
    assert_string_equal(value("a"), "1");
    assert_string_equal(line.init_arguments, "go");

    strcpy(text, "a=1 -- ");
    memset(text + 7, 'y', COMMAND_LINE_TEXT_MAX);
    text[7 + COMMAND_LINE_TEXT_MAX] = '\0';
    command_line_parse(&line, text);
    assert_string_equal(value("a"), "1");
    assert_string_equal(line.init_arguments, "");
    assert_int_equal(line.dropped, 1);
    free(text);
}

/* Storage never needs more bytes than the text itself: a line that fits is never cut. */
/* SPEC: B2 */
static void a_line_as_long_as_the_storage_fits_whatever_its_words(void **state)
{
    char text[COMMAND_LINE_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        text[i] = "k=k "[i % 4];
    }
    text[sizeof(text) - 1] = '\0';
    command_line_parse(&line, text);
    assert_int_equal(line.dropped, 0);
    memset(text, 'z', sizeof(text) - 1);
    command_line_parse(&line, text);
    assert_int_equal(line.dropped, 0);
    assert_int_equal(strlen(line.options[0].key), sizeof(text) - 1);
}

static bool is_in_storage(const char *text)
{
    return text >= line.text && text + strlen(text) < line.text + sizeof(line.text);
}

static void random_line(char *text, size_t max)
{
    static const char alphabet[] = "ab=\" '\t-,.";
    size_t length = random_below(max);

    for (size_t i = 0; i < length; i++) {
        text[i] = alphabet[random_below(sizeof(alphabet) - 1)];
    }
    text[length] = '\0';
}

/* The options in a form that parses to the same; false when they would need both kinds of quotes.
 */
static bool write_options(char *text)
{
    text[0] = '\0';
    for (size_t i = 0; i < line.count; i++) {
        const struct command_line_option *option = &line.options[i];

        assert_true(is_in_storage(option->key) && is_in_storage(option->value));
        if (strchr(option->key, '"') != NULL || strchr(option->value, '"') != NULL) {
            return false;
        }
        sprintf(text + strlen(text), "\"%s=%s\" ", option->key, option->value);
    }
    return true;
}

static bool options_are_equal(const struct command_line *a, const struct command_line *b)
{
    for (size_t i = 0; i < a->count && a->count == b->count; i++) {
        if (strcmp(a->options[i].key, b->options[i].key) != 0 ||
            strcmp(a->options[i].value, b->options[i].value) != 0) {
            return false;
        }
    }
    return a->count == b->count;
}

/* SPEC: B2 */
static void random_lines_survive_writing_and_parsing_again(void **state)
{
    static struct command_line again;
    uint64_t seed = random_start();

    (void)state;
    for (unsigned round = 0; round < 50000; round++) {
        char text[80];
        char written[600];

        random_line(text, sizeof(text));
        command_line_parse(&line, text);
        if (write_options(written)) {
            command_line_parse(&again, written);
            if (!options_are_equal(&line, &again)) {
                fail_msg("seed %llu: <%s> became <%s>", (unsigned long long)seed, text, written);
            }
        }
    }
}

/* SPEC: B2 */
static void the_table_of_options_can_be_read_and_is_complete(void **state)
{
    struct command_line_help help;
    size_t rows = 0;

    (void)state;
    while (command_line_help(rows, &help)) {
        char text[80];

        assert_true(strlen(help.key) > 0 && strlen(help.text) > 0);
        assert_non_null(help.form);
        assert_non_null(help.fallback);
        snprintf(text, sizeof(text), "%s=1", help.key);
        command_line_parse(&line, text);
        assert_null(command_line_unknown(&line, 0));
        rows++;
    }
    assert_true(rows >= 10);
    assert_false(command_line_help(SIZE_MAX, &help));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_options),
        cmocka_unit_test(an_empty_line_has_no_options),
        cmocka_unit_test(a_flag_is_found_before_the_line_is_parsed),
        cmocka_unit_test(quotes_keep_blanks_anywhere_in_a_word),
        cmocka_unit_test(a_quote_that_is_never_closed_reaches_to_the_end),
        cmocka_unit_test(only_the_first_equals_sign_splits),
        cmocka_unit_test(words_without_a_key_are_dropped_and_counted),
        cmocka_unit_test(the_last_of_equal_keys_wins),
        cmocka_unit_test(what_follows_two_dashes_belongs_to_init),
        cmocka_unit_test(unknown_keys_are_kept_and_told_one_by_one),
        cmocka_unit_test(numbers_have_units_and_bad_ones_change_nothing),
        cmocka_unit_test(truth_has_many_words),
        cmocka_unit_test(lists_contain_whole_items_only),
        cmocka_unit_test(what_does_not_fit_is_counted_and_the_rest_is_kept),
        cmocka_unit_test(a_line_as_long_as_the_storage_fits_whatever_its_words),
        cmocka_unit_test(random_lines_survive_writing_and_parsing_again),
        cmocka_unit_test(the_table_of_options_can_be_read_and_is_complete),
    };

    return cmocka_run_group_tests_name("config/command_line", tests, NULL, NULL);
}
