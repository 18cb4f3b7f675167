/* Events and messages as a subsystem. */
#include <base/string.h>
#include <core/component/component.h>
#include <core/debug/log.h>
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <core/lifecycle/lifecycle.h>
#include <subsys/access/access.h>
#include <subsys/ipc/ipc.h>

/* Above all who may stop an event. */
#define LOG_EVENT_PRIORITY INT32_MAX

/* --- the kernel's state in the log ------------------------------------------------------------ */

static enum event_answer log_state(void *argument, const struct kernel_event *event)
{
    (void)argument;
    if (event->kind == EVENT_STATE_CHANGED) {
        kinfo("state: %s -> %s", kernel_state_name(event->state_changed.old_state),
              kernel_state_name(event->state_changed.new_state));
    }
    return EVENT_CONTINUE;
}

hx_err ipc_log_states(void)
{
    event_subscription id; /* for ever */

    return event_subscribe(
        &(struct event_subscriber){.topics = EVENT_TOPIC_SET(EVENT_TOPIC_KERNEL_STATE),
                                   .callback = log_state,
                                   .priority = LOG_EVENT_PRIORITY,
                                   .contexts = EVENT_IN_ANY},
        &id);
}

/* --- the shutdown as an event ----------------------------------------------------------------- */

static void publish_shutdown(void *argument, enum shutdown_reason reason)
{
    (void)argument;
    (void)event_publish(&(struct kernel_event){
        .kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_SHUTDOWN, .custom = {.id = (uint32_t)reason}});
}

static const struct lifecycle_ops lifecycle_ops = {.on_shutdown = publish_shutdown};
static struct lifecycle_callback lifecycle_callback = {.ops = &lifecycle_ops};

/* --- looks ------------------------------------------------------------------------------------ */

static void report_subscription(const struct event_subscription_info *info)
{
    kprintln("  subscription %llx: topics %llx, priority %d, contexts %x, %llu dropped",
             (unsigned long long)info->id, (unsigned long long)info->topics, (int)info->priority,
             (unsigned)info->contexts, (unsigned long long)info->dropped);
}

void ipc_report_events(void)
{
    struct event_bus_statistics numbers = event_bus_statistics();
    struct event_subscription_info subscription;
    struct event_topic_info topic;

    kprintln("events: %llu published, %llu refused, %llu copied, %llu dropped",
             (unsigned long long)numbers.published, (unsigned long long)numbers.refused,
             (unsigned long long)numbers.copied, (unsigned long long)numbers.dropped);
    for (event_topic i = 0; event_topic_info(i, &topic); i++) {
        kprintln("  topic %s: %u subscribers, %llu published", topic.name,
                 (unsigned)topic.subscribers, (unsigned long long)topic.published);
    }
    for (uint32_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        if (event_subscription_info(i, &subscription)) {
            report_subscription(&subscription);
        }
    }
}

void ipc_report_mailboxes(void)
{
    struct router_mailbox_info info;

    kprintln("mailboxes:");
    for (uint32_t i = 0; i < ROUTER_MAILBOX_MAX; i++) {
        if (router_mailbox_info(i, &info)) {
            kprintln("  %s: %s%s, queued %u %u %u %u of %u, %llu served, %llu errors", info.name,
                     info.threaded ? "threaded" : "direct", info.has_server ? "" : ", no server",
                     (unsigned)info.queued[ROUTER_CRITICAL], (unsigned)info.queued[ROUTER_HIGH],
                     (unsigned)info.queued[ROUTER_NORMAL], (unsigned)info.queued[ROUTER_LOW],
                     (unsigned)info.capacity, (unsigned long long)info.served,
                     (unsigned long long)info.errors);
        }
    }
}

/* --- the subsystem ---------------------------------------------------------------------------- */

static void event_stats(struct component_stats *stats)
{
    struct event_bus_statistics numbers = event_bus_statistics();

    stats->operations = numbers.published;
    stats->errors = numbers.refused + numbers.dropped;
    stats->memory_bytes = numbers.memory_bytes;
    stats->last_error = numbers.dropped != 0 ? HX_EAGAIN : numbers.refused != 0 ? HX_EINVAL : HX_OK;
}

static void mailbox_stats(struct component_stats *stats)
{
    struct router_mailbox_info info;

    for (uint32_t i = 0; i < ROUTER_MAILBOX_MAX; i++) {
        if (router_mailbox_info(i, &info)) {
            stats->operations += info.served;
            stats->memory_bytes += info.memory_bytes;
            stats->errors += info.errors;
        }
    }
}

static const struct component event_component = {
    .name = "events",
    .version = "1.0.0",
    .stats = event_stats,
};

static const struct component mailbox_component = {
    .name = "mailboxes",
    .version = "1.0.0",
    .stats = mailbox_stats,
};

/* --- names of mailboxes and channels as resources ----------------------------------------------
 */

#define EVERY "every"

static hx_err find_mailbox(const char *name, uint64_t *number)
{
    *number = string_equal(name, EVERY) ? 0 : router_number_of(name);
    return *number != 0 || string_equal(name, EVERY) ? HX_OK : HX_ENOENT;
}

_Static_assert(ROUTER_NAME_MAX <= RESOURCE_NAME_SIZE, "a mailbox's name is a resource's");

static bool name_mailbox(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    return number == 0 ? string_copy(name, RESOURCE_NAME_SIZE, EVERY)
                       : number <= UINT32_MAX && router_name_of((uint32_t)number, name);
}

static hx_err find_channel(const char *name, uint64_t *number)
{
    *number = 0;
    return string_equal(name, EVERY) ? HX_OK : HX_ENOENT;
}

static bool name_channel(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    return number == 0 && string_copy(name, RESOURCE_NAME_SIZE, EVERY);
}

/* What is given to process 1 is given for every one. */
static bool next_every(uint64_t from, uint64_t *number)
{
    *number = 0;
    return from == 0;
}

static const struct resource_names mailbox_names = {
    .type = RESOURCE_TYPE_MAILBOX, .find = find_mailbox, .name = name_mailbox, .next = next_every};
static const struct resource_names channel_names = {
    .type = RESOURCE_TYPE_CHANNEL, .find = find_channel, .name = name_channel, .next = next_every};

static hx_err name_resources(void)
{
    hx_err error = resource_names_register(&mailbox_names);

    return error == HX_OK ? resource_names_register(&channel_names) : error;
}

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = name_resources();

    (void)config;
    if (error == HX_OK) {
        error = event_bus_start();
    }
    if (error != HX_OK) {
        return error;
    }
    error = lifecycle_register(&lifecycle_callback);
    if (error != HX_OK) {
        return error;
    }
    error = component_register(&event_component);
    if (error != HX_OK) {
        goto forget_lifecycle;
    }
    error = component_register(&mailbox_component);
    if (error != HX_OK) {
        goto forget_events;
    }
    return HX_OK;

forget_events:
    (void)!component_unregister(&event_component);
forget_lifecycle:
    (void)!lifecycle_remove(&lifecycle_callback);
    return error;
}

/* The bus and the router themselves go on: what is shut down later may still publish and send. */
static hx_err shutdown(void)
{
    hx_err error = component_unregister(&mailbox_component);
    hx_err last = component_unregister(&event_component);

    return error == HX_OK ? last : error;
}

/* No callback of the worker's runs while the kernel is suspended; who publishes goes on. */
static hx_err suspend(void)
{
    return event_bus_hold();
}

static hx_err resume(void)
{
    event_bus_release();
    return HX_OK;
}

static const char *const dependencies[] = {"memory", "time", NULL};

const struct subsystem ipc_subsystem = {
    .name = "ipc",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
    .suspend = suspend,
    .resume = resume,
};
