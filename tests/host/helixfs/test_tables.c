/* The texts of /helix: tables, JSON, commands as words, events as lines. */
/* <signal.h> has enumerators of these names for another thing. */
#define POLL_IN  library_poll_in
#define POLL_OUT library_poll_out
#include <tests/host/core/machine.h>
#undef POLL_IN
#undef POLL_OUT

#include <base/text.h>
#include <core/gate/instance.h>
#include <core/self_heal/heal_event.h>
#include <core/self_heal/ladder.h>
#include <subsys/health/health.h>
#include <subsys/helixfs/event_line.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/helixfs/table.h>
#include <subsys/process/process_event.h>

static char buffer[4096];

static const struct table_column columns[] = {
    {.name = "name", .kind = TABLE_WORD, .width = 6},
    {.name = "count", .kind = TABLE_NUMBER, .width = 5},
    {.name = "what", .kind = TABLE_TEXT, .width = 4},
};
static const struct table_layout rows = {.columns = columns, .count = 3};
static const struct table_layout record = {.columns = columns, .count = 3, .is_record = true};

/* --- tables ----------------------------------------------------------------------------------- */

static struct table begin(struct text *text, const struct table_layout *layout, bool is_json)
{
    *text = text_into(buffer, sizeof(buffer));
    return table_begin(text, layout, is_json);
}

static void finish(struct table *table, const char *expected)
{
    table_end(table);
    buffer[table->text->length] = '\0';
    assert_string_equal(buffer, expected);
}

static void add_rows(struct table *table)
{
    table_text(table, "a");
    table_number(table, 7);
    table_text(table, "two words");
    table_text(table, NULL);
    table_number(table, UINT64_MAX);
    table_bool(table, true);
}

static void columns_are_parted_by_two_blanks_and_empty_cells_are_dashes(void **state)
{
    struct text text;
    struct table table = begin(&text, &rows, false);

    (void)state;
    add_rows(&table);
    finish(&table, "name    count  what\n"
                   "a           7  two words\n"
                   "-       18446744073709551615  yes\n");
}

static void json_has_the_same_cells(void **state)
{
    struct text text;
    struct table table = begin(&text, &rows, true);

    (void)state;
    add_rows(&table);
    finish(&table, "[\n {\"name\": \"a\", \"count\": 7, \"what\": \"two words\"},\n"
                   " {\"name\": null, \"count\": 18446744073709551615, \"what\": true}\n]\n");
}

static void a_table_without_rows_is_its_names_or_an_empty_array(void **state)
{
    struct text text;
    struct table table = begin(&text, &rows, false);

    (void)state;
    finish(&table, "name    count  what\n");
    table = begin(&text, &rows, true);
    finish(&table, "[\n]\n");
}

static void a_record_is_a_line_for_each_value_or_one_object(void **state)
{
    struct text text;
    struct table table = begin(&text, &record, false);

    (void)state;
    table_text(&table, "x");
    table_number(&table, 0);
    table_bool(&table, false);
    finish(&table, "name: x\ncount: 0\nwhat: no\n");
    table = begin(&text, &record, true);
    table_text(&table, "x");
    table_number(&table, 0);
    table_bool(&table, false);
    finish(&table, "{\"name\": \"x\", \"count\": 0, \"what\": false}\n");
}

static void strings_are_quoted_as_rfc_8259_wants(void **state)
{
    struct text text;
    struct table table = begin(&text, &record, true);

    (void)state;
    table_text(&table, "\"\\\n\x01\xc3\xa9");
    table_number(&table, 1);
    table_text(&table, "");
    finish(&table,
           "{\"name\": \"\\\"\\\\\\u000a\\u0001\xc3\xa9\", \"count\": 1, \"what\": null}\n");
}

/* --- words ------------------------------------------------------------------------------------ */

static void expect_words(const char *text, size_t expected, const char *last)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;

    assert_int_equal(helixfs_split(text, strlen(text), words, &count), HX_OK);
    assert_int_equal(count, expected);
    assert_true(count == 0 || helixfs_is_word(&words[count - 1], last));
}

static void a_line_is_split_at_blanks(void **state)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;

    (void)state;
    expect_words("", 0, "");
    expect_words("\n", 0, "");
    expect_words(" \t \n\n", 0, "");
    expect_words("one", 1, "one");
    expect_words("  one\ttwo  three \n", 3, "three");
    expect_words("1 2 3 4 5 6 7 8", HELIXFS_WORDS_MAX, "8");
    assert_int_equal(helixfs_split("1 2 3 4 5 6 7 8 9", 17, words, &count), HX_EINVAL);
    assert_int_equal(helixfs_split("one\ntwo", 7, words, &count), HX_EINVAL);
    assert_int_equal(helixfs_split("one \n two", 9, words, &count), HX_EINVAL);
    assert_int_equal(helixfs_split("\none", 4, words, &count), HX_EINVAL);
}

static void a_word_is_compared_whole(void **state)
{
    const struct helixfs_word word = {"offs", 3};

    (void)state;
    assert_true(helixfs_is_word(&word, "off"));
    assert_false(helixfs_is_word(&word, "of"));
    assert_false(helixfs_is_word(&word, "offs"));
}

/* --- events ----------------------------------------------------------------------------------- */

static void expect_line(const struct kernel_event *event, uint64_t dropped, const char *expected)
{
    const struct event_record wanted = {
        .time_ns = 12003004005, .dropped_before = dropped, .event = *event};
    char line[EVENT_LINE_SIZE];
    size_t length = event_line(&wanted, line);

    CHECK(length == strlen(expected) && memcmp(line, expected, length) == 0);
}

static void dropped_body(void)
{
    struct kernel_event event = {.kind = EVENT_MODULE_LOADED,
                                 .topic = EVENT_TOPIC_MODULE_LIFECYCLE,
                                 .module = {.name = "demo"}};

    expect_line(&event, 0, "12.003004 module.lifecycle loaded name=demo\n");
    expect_line(&event, 9,
                "12.003004 dropped count=9\n12.003004 module.lifecycle loaded name=demo\n");
}

static void topics_body(void)
{
    struct process_event process = {.id = 5, .parent = 1, .status = 256, .name = "sh"};
    struct health_event health = {.cause = HX_ENOMEM, .name = "memory"};
    struct kernel_event event = {.kind = EVENT_CUSTOM,
                                 .topic = EVENT_TOPIC_PROCESS,
                                 .custom = {.id = PROCESS_ENDED, .length = sizeof(process)}};

    memcpy(event.custom.data, &process, sizeof(process));
    expect_line(&event, 0, "12.003004 process ended id=5 status=256 name=sh\n");
    event.topic = EVENT_TOPIC_SUBSYSTEM_HEALTH;
    event.custom.id = HEALTH_SICK;
    event.custom.length = sizeof(health);
    memcpy(event.custom.data, &health, sizeof(health));
    expect_line(&event, 0, "12.003004 subsystem.health sick name=memory cause=HX_ENOMEM\n");
    /* Of a length that is another's, the bytes. */
    event.custom.length = 2;
    event.custom.data[0] = 0xab;
    event.custom.data[1] = 0x01;
    expect_line(&event, 0, "12.003004 subsystem.health id=1 data=ab01\n");
}

/* As long as a component's event on the same topic, so its id alone tells it apart. */
static void healing_body(void)
{
    struct heal_event healing = {.duration_us = 1234,
                                 .attempt = 2,
                                 .cause = DEATH_LIE,
                                 .action = HEAL_RESTART_CLEAN,
                                 .name = "memory"};
    struct kernel_event event = {
        .kind = EVENT_CUSTOM,
        .topic = EVENT_TOPIC_SUBSYSTEM_HEALTH,
        .custom = {.id = HEAL_EVENT_DIED, .length = sizeof(healing)},
    };

    memcpy(event.custom.data, &healing, sizeof(healing));
    expect_line(&event, 0,
                "12.003004 subsystem.health died name=memory cause=\"answered what cannot be\" "
                "action=\"restart clean\" attempt=2 us=1234\n");
    event.custom.id = HEAL_EVENT_RECOVERED;
    expect_line(
        &event, 0,
        "12.003004 subsystem.health recovered name=memory cause=\"answered what cannot be\" "
        "action=\"restart clean\" attempt=2 us=1234\n");
    healing = (struct heal_event){.cause = DEATH_DEADLINE, .action = HEAL_BACKUP, .name = "demo"};
    memcpy(event.custom.data, &healing, sizeof(healing));
    event.custom.id = HEAL_EVENT_FAILED;
    expect_line(&event, 0,
                "12.003004 subsystem.health failed name=demo cause=\"missed its deadline\" "
                "action=\"backup\" attempt=0 us=0\n");
    event.custom.id = HEAL_EVENT_GIVEN_UP;
    expect_line(&event, 0,
                "12.003004 subsystem.health given_up name=demo cause=\"missed its deadline\" "
                "action=\"backup\" attempt=0 us=0\n");
}

static void (*body)(void);

static void run_body(void)
{
    machine_run(1, body);
}

static void passes(void (*function)(void))
{
    body = function;
    passes_in_child(run_body);
}

static void an_event_is_a_line_and_says_before_it_what_was_dropped(void **state)
{
    (void)state;
    passes(dropped_body);
}

static void events_of_known_topics_are_read_out(void **state)
{
    (void)state;
    passes(topics_body);
}

/* SPEC: H6 */
static void deaths_and_recoveries_are_read_out(void **state)
{
    (void)state;
    passes(healing_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_parted_by_two_blanks_and_empty_cells_are_dashes),
        cmocka_unit_test(json_has_the_same_cells),
        cmocka_unit_test(a_table_without_rows_is_its_names_or_an_empty_array),
        cmocka_unit_test(a_record_is_a_line_for_each_value_or_one_object),
        cmocka_unit_test(strings_are_quoted_as_rfc_8259_wants),
        cmocka_unit_test(a_line_is_split_at_blanks),
        cmocka_unit_test(a_word_is_compared_whole),
        cmocka_unit_test(an_event_is_a_line_and_says_before_it_what_was_dropped),
        cmocka_unit_test(events_of_known_topics_are_read_out),
        cmocka_unit_test(deaths_and_recoveries_are_read_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
