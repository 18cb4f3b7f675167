/*
 * The state machine. The orchestrator's own source is included, because what moves the state is
 * static there; test_state_linkage.c shows that there is no other way to it.
 */
#include "machine.h"

/* NOLINTNEXTLINE(bugprone-suspicious-include): what is static there is tested here */
#include <core/orchestrator/orchestrator.c>

/* SPEC K2, written out once more and in another form than the kernel's. */
static const struct {
    enum kernel_state from;
    enum kernel_state to;
} edges[] = {
    {KERNEL_EARLY_BOOT, KERNEL_INITIALIZING}, {KERNEL_INITIALIZING, KERNEL_RUNNING},
    {KERNEL_RUNNING, KERNEL_SHUTTING_DOWN},   {KERNEL_RUNNING, KERNEL_SUSPENDED},
    {KERNEL_SUSPENDED, KERNEL_RUNNING},       {KERNEL_EARLY_BOOT, KERNEL_PANIC},
    {KERNEL_INITIALIZING, KERNEL_PANIC},      {KERNEL_RUNNING, KERNEL_PANIC},
    {KERNEL_SHUTTING_DOWN, KERNEL_PANIC},     {KERNEL_SUSPENDED, KERNEL_PANIC},
};

static bool is_edge(unsigned from, unsigned to)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(edges); i++) {
        if (edges[i].from == from && edges[i].to == to) {
            return true;
        }
    }
    return false;
}

/* SPEC: K1 */
static void states_have_their_numbers_and_names(void **state)
{
    static const char *const names[] = {"EarlyBoot",    "Initializing", "Running",
                                        "ShuttingDown", "Panic",        "Suspended"};

    (void)state;
    assert_int_equal(KERNEL_STATE_COUNT, 6);
    assert_int_equal(KERNEL_EARLY_BOOT, 0);
    assert_int_equal(KERNEL_INITIALIZING, 1);
    assert_int_equal(KERNEL_RUNNING, 2);
    assert_int_equal(KERNEL_SHUTTING_DOWN, 3);
    assert_int_equal(KERNEL_PANIC, 4);
    assert_int_equal(KERNEL_SUSPENDED, 5);
    for (unsigned i = 0; i < KERNEL_STATE_COUNT; i++) {
        assert_string_equal(kernel_state_name((enum kernel_state)i), names[i]);
    }
    assert_string_equal(kernel_state_name((enum kernel_state)6), "?");
}

/* SPEC: K2 */
static void the_table_has_the_edges_and_no_others(void **state)
{
    (void)state;
    for (unsigned from = 0; from < 10; from++) {
        for (unsigned to = 0; to < 10; to++) {
            assert_int_equal(kernel_state_allows((enum kernel_state)from, (enum kernel_state)to),
                             is_edge(from, to));
        }
    }
    assert_false(kernel_state_allows((enum kernel_state) - 1, KERNEL_PANIC));
}

static void last_line_is(const char *part)
{
    struct log_entry entry;

    CHECK(log_read(log_statistics().written, false, &entry) == LOG_READ_RECORD);
    CHECK(strstr(entry.text, part) != NULL);
}

static void try_every_pair(void)
{
    machine_boot(1);
    for (unsigned from = 0; from < KERNEL_STATE_COUNT; from++) {
        for (unsigned to = 0; to < KERNEL_STATE_COUNT; to++) {
            char text[64];
            uint64_t lines = log_statistics().written;
            bool allowed = is_edge(from, to);

            atomic_store(&orchestrator.state, from);
            CHECK(kernel_state_transition((enum kernel_state)to) == (allowed ? HX_OK : HX_ESTATE));
            CHECK(kernel_state_current() == (allowed ? to : from));
            /* A refusal is logged here; a move is an event, which subscribers log. */
            CHECK(log_statistics().written == lines + (allowed ? 0 : 1));
            snprintf(text, sizeof text, "%s -> %s is refused",
                     kernel_state_name((enum kernel_state)from),
                     kernel_state_name((enum kernel_state)to));
            if (!allowed) {
                last_line_is(text);
            }
        }
    }
}

/* SPEC: K2 */
static void every_pair_moves_or_is_refused_unchanged_and_logged(void **state)
{
    (void)state;
    passes_in_child(try_every_pair);
}

/* SPEC: K2 */
static void the_diagram_is_the_table(void **state)
{
    char text[1024];
    char edge[64];
    size_t arrows = 0;
    size_t length = kernel_state_dot(text, sizeof text);

    (void)state;
    assert_int_equal(length, strlen(text));
    assert_int_equal(strncmp(text, "digraph ", 8), 0);
    for (size_t i = 0; i < HX_ARRAY_SIZE(edges); i++) {
        snprintf(edge, sizeof edge, "    %s -> %s;\n", kernel_state_name(edges[i].from),
                 kernel_state_name(edges[i].to));
        assert_non_null(strstr(text, edge));
    }
    for (const char *at = strstr(text, "->"); at != NULL; at = strstr(at + 1, "->")) {
        arrows++;
    }
    assert_int_equal(arrows, HX_ARRAY_SIZE(edges));
    assert_int_equal(kernel_state_dot(text, 10), length);
    assert_int_equal(strlen(text), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states_have_their_numbers_and_names),
        cmocka_unit_test(the_table_has_the_edges_and_no_others),
        cmocka_unit_test(every_pair_moves_or_is_refused_unchanged_and_logged),
        cmocka_unit_test(the_diagram_is_the_table),
    };

    return cmocka_run_group_tests_name("core/state", tests, NULL, NULL);
}
