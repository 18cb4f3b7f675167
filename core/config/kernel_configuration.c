/* The running kernel's configuration: written once, before there is a second CPU. */
#include <core/config/kernel_configuration.h>

#include <base/assert.h>

static const struct boot_configuration *boot_configuration;
static struct command_line command_line = {.init_arguments = ""};

void kernel_configuration_set(const struct boot_configuration *config)
{
    HX_ASSERT(boot_configuration == NULL, "the boot configuration is set once");
    command_line_parse(&command_line, config->command_line);
    boot_configuration = config;
}

const struct boot_configuration *kernel_boot_configuration(void)
{
    return boot_configuration;
}

const struct command_line *kernel_command_line(void)
{
    return &command_line;
}
