#include <core/component/component.h>
#include <subsys/tty/terminal.h>
#include <subsys/tty/terminal_subsystem.h>

static void stats(struct component_stats *numbers)
{
    numbers->operations = terminal_bytes_taken();
}

static const struct component terminals_component = {
    .name = "terminals", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = terminal_init();

    (void)config;
    return error == HX_OK ? component_register(&terminals_component) : error;
}

static hx_err shutdown(void)
{
    return component_unregister(&terminals_component);
}

static const char *const dependencies[] = {"console", NULL};

const struct subsystem terminals_subsystem = {
    .name = "terminals",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
