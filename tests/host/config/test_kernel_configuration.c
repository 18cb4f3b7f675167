/* core/config/kernel_configuration.h: set once, read by everybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <core/config/kernel_configuration.h>

/* SPEC: B2 */
static void the_configuration_and_its_options_are_there_once_set(void **state)
{
    static struct boot_configuration config;

    (void)state;
    assert_null(kernel_boot_configuration());
    assert_false(command_line_has(kernel_command_line(), "smp"));
    assert_string_equal(kernel_command_line()->init_arguments, "");
    boot_configuration_init(&config, "test");
    assert_int_equal(boot_configuration_set_command_line(&config, "smp=3 -- -x", 100), HX_OK);
    kernel_configuration_set(&config);
    assert_ptr_equal(kernel_boot_configuration(), &config);
    assert_string_equal(command_line_text(kernel_command_line(), "smp", ""), "3");
    assert_string_equal(kernel_command_line()->init_arguments, "-x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_configuration_and_its_options_are_there_once_set),
    };

    return cmocka_run_group_tests_name("config/kernel_configuration", tests, NULL, NULL);
}
