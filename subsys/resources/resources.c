/* The broker in the running kernel. */
#include <base/format.h>
#include <base/memory.h>
#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/hot_reload/loader.h>
#include <core/ipc/event_bus.h>
#include <core/resource/ledger.h>
#include <kern/thread.h>
#include <subsys/resources/providers.h>
#include <subsys/resources/resources.h>

#define KEY_MAX 32

/* --- threads ---------------------------------------------------------------------------------- */

static hx_err charge_thread(owner_tag owner, uint64_t *charge)
{
    return resource_allocate(owner, RESOURCE_THREADS, 1, charge);
}

/* When the owner was closed, its handles were taken back already. */
static void release_thread(owner_tag owner, uint64_t charge)
{
    (void)!resource_release(charge, owner);
}

static const struct thread_accounting accounting = {
    .charge = charge_thread,
    .release = release_thread,
};

hx_err resources_init_early(void)
{
    hx_err error = HX_OK;

    resource_init();
    for (unsigned class = 0; class < RESOURCE_CLASS_COUNT && error == HX_OK; class ++) {
        if (resource_providers[class] != NULL) {
            error =
                resource_register_provider((enum resource_class) class, resource_providers[class]);
        }
    }
    thread_set_accounting(&accounting);
    return error;
}

/* --- limits ----------------------------------------------------------------------------------- */

static event_topic warning_topic;
_Static_assert(sizeof(struct resource_warning) <= EVENT_CUSTOM_DATA_MAX, "a warning fits an event");

static void publish_warning(const struct resource_warning *warning)
{
    struct kernel_event event = {
        .kind = EVENT_CUSTOM,
        .topic = warning_topic,
        .custom = {.id = warning->class, .length = sizeof(*warning)},
    };

    memcpy(event.custom.data, warning, sizeof(*warning));
    (void)event_publish(&event);
}

static void warn_of_crossing(const struct resource_warning *warning)
{
    char name[RESOURCE_OWNER_NAME_MAX];

    publish_warning(warning);
    (void)resource_owner_name(warning->owner, name);
    kwarn("resources: %s has %llu %s of %s, above its soft limit of %llu", name,
          (unsigned long long)warning->used, resource_class_unit(warning->class),
          resource_class_name(warning->class), (unsigned long long)warning->limits.soft);
}

/* Read limit.NAME; false: not given, or not a number (warned about). */
static bool read_limit(const char *name, uint64_t *limit)
{
    char key[KEY_MAX];
    hx_err error;

    (void)format_text(key, sizeof(key), "limit.%s", name);
    error = command_line_u64(kernel_command_line(), key, limit);
    if (error == HX_OK && *limit > RESOURCE_UNLIMITED) {
        error = HX_ERANGE;
    }
    if (error != HX_OK && error != HX_ENOENT) {
        kwarn("%s=%s: %s", key, command_line_text(kernel_command_line(), key, ""),
              hx_error_text(error));
    }
    return error == HX_OK;
}

/* The soft limit of what the command line limits: nine tenths. */
static struct resource_limits limits_below(uint64_t hard)
{
    return (struct resource_limits){.soft = hard - hard / 10, .hard = hard};
}

/* The classes of which the kernel itself is charged everything it has. */
static const enum resource_class limited_classes[] = {RESOURCE_MODULES, RESOURCE_THREADS};

/* --- processes -------------------------------------------------------------------------------- */

struct process_class {
    const char *name; /* limit.NAME */
    enum resource_class class;
};
static const struct process_class process_classes[] = {
    {"process-memory", RESOURCE_MEMORY},      {"process-threads", RESOURCE_THREADS},
    {"process-files", RESOURCE_FILE_HANDLES}, {"process-ports", RESOURCE_NETWORK_PORTS},
    {"process-cpu", RESOURCE_CPU_TIME},
};
/* As the command line has them, set once at start; 0: none. */
static uint64_t process_limits[HX_ARRAY_SIZE(process_classes)];

static void read_process_limits(void)
{
    for (unsigned i = 0; i < HX_ARRAY_SIZE(process_classes); i++) {
        if (!read_limit(process_classes[i].name, &process_limits[i])) {
            process_limits[i] = 0;
        }
    }
}

hx_err resources_limit_process(owner_tag owner)
{
    hx_err error = HX_OK;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(process_classes) && error == HX_OK; i++) {
        if (process_limits[i] != 0) {
            error = resource_set_limit(owner, process_classes[i].class,
                                       limits_below(process_limits[i]));
        }
    }
    return error;
}

static hx_err apply_limits(void)
{
    hx_err error = HX_OK;
    uint64_t hard;

    for (unsigned i = 0; i < HX_ARRAY_SIZE(limited_classes) && error == HX_OK; i++) {
        enum resource_class class = limited_classes[i];

        if (read_limit(resource_class_name(class), &hard)) {
            error = resource_set_limit(OWNER_CORE, class, limits_below(hard));
        }
    }
    if (read_limit("module-memory", &hard)) {
        loader_set_memory_limits(limits_below(hard));
    }
    read_process_limits();
    return error;
}

/* --- the subsystem ---------------------------------------------------------------------------- */

void resources_report(void)
{
    for (owner_tag owner = resource_owner_next(OWNER_NONE); owner != OWNER_NONE;
         owner = resource_owner_next(owner)) {
        ledger_print(owner);
    }
}

static void stats(struct component_stats *numbers)
{
    struct resource_statistics statistics;

    resource_statistics(&statistics);
    numbers->operations = statistics.allocations;
    numbers->errors = statistics.refusals;
    numbers->memory_bytes = statistics.memory_bytes;
    numbers->last_error = statistics.refusals > 0 ? HX_ELIMIT : HX_OK;
}

static const struct component resources_component = {
    .name = "resources",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error;

    (void)config;
    error = event_topic_intern(RESOURCES_TOPIC, &warning_topic);
    if (error != HX_OK) {
        return error;
    }
    resource_set_warning_hook(warn_of_crossing);
    error = apply_limits();
    return error == HX_OK ? component_register(&resources_component) : error;
}

/* What others still hold they can still release. */
static hx_err shutdown(void)
{
    resource_set_warning_hook(NULL);
    return component_unregister(&resources_component);
}

static const char *const dependencies[] = {"memory", NULL};

const struct subsystem resources_subsystem = {
    .name = "resources",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
