/* Telling of processes. */
#include <base/memory.h>
#include <kern/recorder.h>
#include <subsys/process/process_event.h>

/* Names are programs' to choose; readers of lines want them printable. */
static void copy_name(char to[PROCESS_NAME_MAX], const char from[PROCESS_NAME_MAX])
{
    unsigned i = 0;

    for (; i < PROCESS_NAME_MAX - 1 && from[i] != '\0'; i++) {
        to[i] = from[i] > ' ' && from[i] < '\x7f' ? from[i] : '?';
    }
    to[i] = '\0';
}

static void record(enum process_event_id id, const struct process *process)
{
    switch (id) {
    case PROCESS_STARTED:
        recorder_note(RECORDER_FORK, 0, process->id, 0);
        break;
    case PROCESS_EXECUTED:
        recorder_note_name(RECORDER_NAME, process->name);
        break;
    case PROCESS_ENDED:
        recorder_note(RECORDER_EXIT, 0, process->id, (uint32_t)process->exit_status);
        break;
    }
}

void process_event_publish(enum process_event_id id, const struct process *process)
{
    struct kernel_event event = {
        .kind = EVENT_CUSTOM,
        .topic = EVENT_TOPIC_PROCESS,
        .custom = {.id = (uint32_t)id, .length = sizeof(struct process_event)},
    };
    struct process_event data = {
        .id = process->id,
        .parent = atomic_load_explicit(&process->parent_id, memory_order_relaxed),
        .status = process->exit_status,
    };

    record(id, process);
    copy_name(data.name, process->name);
    memcpy(event.custom.data, &data, sizeof(data));
    (void)event_publish(&event);
}

const char *process_event_name(uint32_t id)
{
    switch (id) {
    case PROCESS_STARTED:
        return "started";
    case PROCESS_EXECUTED:
        return "executed";
    case PROCESS_ENDED:
        return "ended";
    default:
        return "?";
    }
}
