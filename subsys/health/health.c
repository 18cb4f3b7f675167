/* Who has fallen sick, and who is well again. */
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/debug/log.h>
#include <hal/clock.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <subsys/health/health.h>
#include <subsys/memory/memory.h>

#define INTERVAL_NS HAL_NS_PER_S

/*
 * Who was sick at the last look, under the mutex. Names of components are constant while they are
 * registered; one that has gone since is not looked at again.
 */
static const struct component *sick[COMPONENT_MAX];
static uint32_t sick_count;
static struct mutex mutex;
static _Atomic uint64_t looks;

const char *health_event_name(uint32_t id)
{
    switch (id) {
    case HEALTH_SICK:
        return "sick";
    case HEALTH_WELL:
        return "well";
    default:
        return "?";
    }
}

/* --- a look ----------------------------------------------------------------------------------- */

struct change {
    enum health_event_id id;
    struct health_event event;
};

/* What a look finds: told when nobody is looked at any more. */
struct look {
    const struct component *sick[COMPONENT_MAX];
    uint32_t sick_count;
    struct change changes[COMPONENT_MAX];
    uint32_t change_count;
};

static bool was_sick(const struct component *component)
{
    for (uint32_t i = 0; i < sick_count; i++) {
        if (sick[i] == component) {
            return true;
        }
    }
    return false;
}

static void note_change(struct look *look, const struct component *component, bool is_well)
{
    struct change *change = &look->changes[look->change_count++];

    *change = (struct change){
        .id = is_well ? HEALTH_WELL : HEALTH_SICK,
        .event = {.cause = component_get_stats(component).last_error},
    };
    (void)string_copy(change->event.name, sizeof(change->event.name), component->name);
}

/* Inside a read section. */
static void look_at(const struct component *component, void *argument)
{
    struct look *look = argument;
    bool is_well = component_is_healthy(component);

    if (!is_well) {
        look->sick[look->sick_count++] = component;
    }
    if (is_well == was_sick(component)) {
        note_change(look, component, is_well);
    }
}

static void tell(const struct change *change)
{
    struct kernel_event event = {
        .kind = EVENT_CUSTOM,
        .topic = EVENT_TOPIC_SUBSYSTEM_HEALTH,
        .custom = {.id = change->id, .length = sizeof(change->event)},
    };

    memcpy(event.custom.data, &change->event, sizeof(change->event));
    (void)event_publish(&event);
    if (change->id == HEALTH_SICK) {
        kwarn("health: %s is sick (%s)", change->event.name, hx_error_name(change->event.cause));
    } else {
        kinfo("health: %s is well again", change->event.name);
    }
}

uint32_t health_look(void)
{
    static struct look look; /* under the mutex; too large for a stack */
    uint32_t changed;

    mutex_lock(&mutex);
    look.sick_count = 0;
    look.change_count = 0;
    component_for_each(look_at, &look);
    memcpy(sick, look.sick, look.sick_count * sizeof(sick[0]));
    sick_count = look.sick_count;
    for (uint32_t i = 0; i < look.change_count; i++) {
        tell(&look.changes[i]);
    }
    changed = look.change_count;
    mutex_unlock(&mutex);
    atomic_fetch_add_explicit(&looks, 1, memory_order_relaxed);
    return changed;
}

/* --- the subsystem ---------------------------------------------------------------------------- */

static _Atomic bool is_stopped; /* read at the next look */

static void keep_looking(void *argument)
{
    (void)argument;
    /* relaxed: nothing is told by it but itself */
    while (!atomic_load_explicit(&is_stopped, memory_order_relaxed)) {
        (void)memory_look_for_pressure();
        (void)health_look();
        thread_sleep(INTERVAL_NS);
    }
}

static void stats(struct component_stats *numbers)
{
    numbers->operations = atomic_load_explicit(&looks, memory_order_relaxed);
    numbers->memory_bytes = THREAD_STACK_SIZE;
}

static const struct component health_component = {
    .name = "health", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    const struct thread_options options = {
        .name = "health", .entry = keep_looking, .priority = THREAD_PRIORITY_NORMAL};
    struct thread *thread;
    hx_err error;

    (void)config;
    mutex_init(&mutex, "health");
    atomic_store_explicit(&is_stopped, false, memory_order_relaxed);
    error = component_register(&health_component);
    if (error != HX_OK) {
        return error;
    }
    error = thread_create(&options, &thread);
    if (error == HX_OK) {
        thread_start(thread);
        return HX_OK;
    }
    (void)!component_unregister(&health_component);
    return error;
}

static hx_err shutdown(void)
{
    atomic_store_explicit(&is_stopped, true, memory_order_relaxed);
    return component_unregister(&health_component);
}

static const char *const dependencies[] = {"memory", "time", "ipc", NULL};

const struct subsystem health_subsystem = {
    .name = "health",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
