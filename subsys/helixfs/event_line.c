/* What an event's line says. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <base/text.h>
#include <core/gate/instance.h>
#include <core/lifecycle/lifecycle.h>
#include <core/resource/owner.h>
#include <core/resource/resource.h>
#include <core/self_heal/heal_event.h>
#include <core/self_heal/healer.h>
#include <core/self_heal/ladder.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <subsys/health/health.h>
#include <subsys/helixfs/event_line.h>
#include <subsys/hooks/audit.h>
#include <subsys/process/process_event.h>
#include <subsys/resources/resources.h>

static void add_data(struct text *text, const struct kernel_event *event)
{
    text_add(text, "id=%u data=", (unsigned)event->custom.id);
    for (uint32_t i = 0; i < event->custom.length; i++) {
        text_add(text, "%02x", (unsigned)event->custom.data[i]);
    }
}

static void add_process(struct text *text, const struct kernel_event *event)
{
    struct process_event process;

    memcpy(&process, event->custom.data, sizeof(process));
    text_add(text, "%s id=%u", process_event_name(event->custom.id), (unsigned)process.id);
    switch (event->custom.id) {
    case PROCESS_STARTED:
        text_add(text, " parent=%u", (unsigned)process.parent);
        break;
    case PROCESS_ENDED:
        text_add(text, " status=%u", (unsigned)process.status);
        break;
    default:
        break;
    }
    text_add(text, " name=%.16s", process.name);
}

static void add_warning(struct text *text, const struct kernel_event *event)
{
    struct resource_warning warning;
    char name[RESOURCE_OWNER_NAME_MAX];

    memcpy(&warning, event->custom.data, sizeof(warning));
    (void)resource_owner_name(warning.owner, name);
    text_add(text, "owner=%s class=%s used=%llu soft=%llu", name,
             resource_class_name(warning.class), (unsigned long long)warning.used,
             (unsigned long long)warning.limits.soft);
}

static void add_health(struct text *text, const struct kernel_event *event)
{
    struct health_event health;

    memcpy(&health, event->custom.data, sizeof(health));
    text_add(text, "%s name=%.24s cause=%s", health_event_name(event->custom.id), health.name,
             hx_error_name(health.cause));
}

/* NULL: no such event is the healer's. */
static const char *heal_event_name(uint32_t id)
{
    switch (id) {
    case HEAL_EVENT_DIED:
        return "died";
    case HEAL_EVENT_RECOVERED:
        return "recovered";
    case HEAL_EVENT_FAILED:
        return "failed";
    case HEAL_EVENT_GIVEN_UP:
        return "given_up";
    case HEAL_EVENT_RESTARTED:
        return "restarted";
    default:
        return NULL;
    }
}

/* Its own death, or that of another one in its group. */
static void add_cause(struct text *text, const struct heal_event *healing)
{
    char group[SUPERVISION_NAME_MAX];

    if (healing->group == 0) {
        text_add(text, "%s", death_cause_name((enum death_cause)healing->cause));
        return;
    }
    healer_group_name(healing->group - 1U, group);
    text_add(text, "group %s", group);
}

static void add_healing(struct text *text, const struct kernel_event *event)
{
    struct heal_event healing;

    memcpy(&healing, event->custom.data, sizeof(healing));
    text_add(text, "%s name=%.20s cause=\"", heal_event_name(event->custom.id), healing.name);
    add_cause(text, &healing);
    text_add(text, "\" action=\"%s\" attempt=%u us=%u",
             heal_rung_name((enum heal_rung)healing.action), (unsigned)healing.attempt,
             (unsigned)healing.duration_us);
}

/* A component's health and the healer's work are told on one topic, and apart by their ids. */
static bool is_healing(const struct kernel_event *event)
{
    return event->topic == EVENT_TOPIC_SUBSYSTEM_HEALTH &&
           heal_event_name(event->custom.id) != NULL &&
           event->custom.length == sizeof(struct heal_event);
}

static void add_call(struct text *text, const struct kernel_event *event)
{
    const struct syscall_entry *entry;
    struct audit_event call;

    memcpy(&call, event->custom.data, sizeof(call));
    entry = syscall_lookup(call.number);
    text_add(text, "id=%u name=%s process=%u thread=%u result=%lld us=%llu", (unsigned)call.number,
             entry != NULL ? entry->name : "?", (unsigned)call.process, (unsigned)call.thread,
             (long long)call.result, (unsigned long long)(call.duration_ns / 1000));
}

static void add_custom(struct text *text, const struct kernel_event *event, const char *topic)
{
    if (event->topic == EVENT_TOPIC_PROCESS &&
        event->custom.length == sizeof(struct process_event)) {
        add_process(text, event);
    } else if (is_healing(event)) {
        add_healing(text, event);
    } else if (event->topic == EVENT_TOPIC_SUBSYSTEM_HEALTH &&
               event->custom.length == sizeof(struct health_event)) {
        add_health(text, event);
    } else if (event->topic == EVENT_TOPIC_SYSCALL_AUDIT &&
               event->custom.length == sizeof(struct audit_event)) {
        add_call(text, event);
    } else if (event->topic == EVENT_TOPIC_SHUTDOWN) {
        text_add(text, "reason=%s", shutdown_reason_name((enum shutdown_reason)event->custom.id));
    } else if (string_equal(topic, RESOURCES_TOPIC)) {
        add_warning(text, event);
    } else {
        add_data(text, event);
    }
}

static void add_what(struct text *text, const struct kernel_event *event, const char *topic)
{
    switch (event->kind) {
    case EVENT_MODULE_LOADED:
        text_add(text, "loaded name=%s", event->module.name);
        break;
    case EVENT_MODULE_UNLOADED:
        text_add(text, "unloaded name=%s", event->module.name);
        break;
    case EVENT_STATE_CHANGED:
        text_add(text, "old=%s new=%s", kernel_state_name(event->state_changed.old_state),
                 kernel_state_name(event->state_changed.new_state));
        break;
    case EVENT_MEMORY_PRESSURE:
        text_add(text, "level=%u", (unsigned)event->memory_pressure.level);
        break;
    case EVENT_CPU_HOTPLUG:
        text_add(text, "cpu=%u online=%s", (unsigned)event->cpu_hotplug.cpu,
                 event->cpu_hotplug.online ? "yes" : "no");
        break;
    case EVENT_TIMER_TICK:
        text_add(text, "time=%llu", (unsigned long long)event->timer_tick.timestamp);
        break;
    default:
        add_custom(text, event, topic);
        break;
    }
}

static void add_head(struct text *text, uint64_t time_ns, const char *topic)
{
    text_add(text, "%llu.%06llu %s ", (unsigned long long)(time_ns / HAL_NS_PER_S),
             (unsigned long long)(time_ns % HAL_NS_PER_S / 1000), topic);
}

size_t event_line(const struct event_record *record, char line[EVENT_LINE_SIZE])
{
    struct text text = text_into(line, EVENT_LINE_SIZE - 1);
    struct event_topic_info topic = {.name = "?"};

    (void)event_topic_info(record->event.topic, &topic);
    if (record->dropped_before > 0) {
        add_head(&text, record->time_ns, "dropped");
        text_add(&text, "count=%llu\n", (unsigned long long)record->dropped_before);
    }
    add_head(&text, record->time_ns, topic.name);
    add_what(&text, &record->event, topic.name);
    if (text.length > EVENT_LINE_SIZE - 2) {
        text.length = EVENT_LINE_SIZE - 2; /* cut */
    }
    line[text.length] = '\n';
    return text.length + 1;
}
