#include <core/component/component.h>
#include <subsys/socket/socket.h>
#include <subsys/sockets/sockets.h>

static void stats(struct component_stats *numbers)
{
    numbers->operations = socket_count_made();
}

static const struct component sockets_component = {
    .name = "sockets", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = socket_init();

    (void)config;
    return error == HX_OK ? component_register(&sockets_component) : error;
}

static hx_err shutdown(void)
{
    return component_unregister(&sockets_component);
}

static const char *const dependencies[] = {"files", "resources", "random", NULL};

const struct subsystem sockets_subsystem = {
    .name = "sockets",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
