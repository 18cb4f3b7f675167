#include "machine.h"

#include <core/component/component.h>
#include <core/debug/dump.h>
#include <hal/clock.h>

static unsigned inits;
static unsigned shutdowns;
static hx_err init_result;

static hx_err init(void)
{
    inits++;
    return init_result;
}

static void shut_down(void)
{
    shutdowns++;
}

static bool is_ill(void)
{
    return false;
}

static void give_numbers(struct component_stats *numbers)
{
    CHECK(numbers->operations == 0 && numbers->last_error == HX_OK);
    numbers->operations = 12;
    numbers->errors = 3;
    numbers->memory_bytes = 4096;
    numbers->last_error = HX_EIO;
}

static const struct component full = {
    .name = "full",
    .version = "1.2",
    .init = init,
    .shutdown = shut_down,
    .health_check = is_ill,
    .stats = give_numbers,
};
static const struct component plain = {.name = "plain", .version = "0.1"};
static const struct component same_name = {.name = "full", .version = "9"};

static char listed[128];

static void list(const struct component *component, void *argument)
{
    CHECK(argument == listed);
    strcat(listed, component->name);
    strcat(listed, " ");
}

static bool lists(const char *text)
{
    listed[0] = '\0';
    component_for_each(list, listed);
    return strcmp(listed, text) == 0;
}

static void register_and_forget(void)
{
    static const struct component nameless = {.version = "1"};
    struct component_stats numbers;

    CHECK(component_register(&nameless) == HX_EINVAL);
    init_result = HX_ENOMEM;
    CHECK(component_register(&full) == HX_ENOMEM && lists(""));
    init_result = HX_OK;
    CHECK(component_register(&full) == HX_OK && inits == 2);
    CHECK(component_register(&full) == HX_EEXIST && inits == 2);
    CHECK(component_register(&same_name) == HX_EEXIST);
    CHECK(component_register(&plain) == HX_OK);
    CHECK(lists("full plain "));
    CHECK(!component_is_healthy(&full) && component_is_healthy(&plain));
    thread_sleep(2 * HAL_NS_PER_MS);
    numbers = component_get_stats(&full);
    CHECK(numbers.operations == 12 && numbers.errors == 3 && numbers.last_error == HX_EIO);
    CHECK(numbers.uptime_ns >= 2 * HAL_NS_PER_MS);
    CHECK(component_get_stats(&plain).operations == 0);
    CHECK(component_unregister(&same_name) == HX_ENOENT);
    CHECK(component_unregister(&full) == HX_OK && shutdowns == 1 && lists("plain "));
    CHECK(component_unregister(&full) == HX_ENOENT && shutdowns == 1);
    CHECK(component_register(&full) == HX_OK && lists("plain full "));
}

static void run_register_and_forget(void)
{
    machine_run(2, register_and_forget);
}

/* SPEC: C1 C2 */
static void a_component_is_initialised_once_listed_and_asked(void **state)
{
    (void)state;
    passes_in_child(run_register_and_forget);
}

static void dump(void)
{
    machine_boot(1);
    CHECK(console_register(&console_serial) == HX_OK);
    CHECK(component_register(&full) == HX_OK);
    CHECK(component_register(&plain) == HX_OK);
    debug_dump_state();
}

/* SPEC: D3 */
static void the_dump_shows_state_and_all_components(void **state)
{
    (void)state;
    passes_in_child(dump);
    assert_int_equal(printed("state EarlyBoot, phase Boot\r\n"), 1);
    assert_int_equal(printed("full 1.2 not healthy: 12 operations, 3 errors (last HX_EIO), "
                             "4096 bytes, up "),
                     1);
    assert_int_equal(printed("plain 0.1 healthy: 0 operations"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_component_is_initialised_once_listed_and_asked),
        cmocka_unit_test(the_dump_shows_state_and_all_components),
    };

    return cmocka_run_group_tests_name("core/component", tests, NULL, NULL);
}
