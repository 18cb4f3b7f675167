/* Lives of processes, told on EVENT_TOPIC_PROCESS (custom events; the id says what happened). */
#ifndef SUBSYS_PROCESS_PROCESS_EVENT_H
#define SUBSYS_PROCESS_PROCESS_EVENT_H

#include <core/ipc/event_bus.h>
#include <stdint.h>
#include <subsys/process/process.h>

enum process_event_id { PROCESS_STARTED = 1, PROCESS_EXECUTED = 2, PROCESS_ENDED = 3 };

/* The event's data. */
struct process_event {
    uint32_t id;
    uint32_t parent; /* 0: none */
    int32_t status;  /* of one that ended, as wait4 tells it */
    char name[PROCESS_NAME_MAX];
};
_Static_assert(sizeof(struct process_event) <= EVENT_CUSTOM_DATA_MAX, "it fits an event");

/* Tell what happened to a process.  Context: thread, no spinlock held. */
void process_event_publish(enum process_event_id id, const struct process *process);

/* "started", "?" for a number that is none. */
const char *process_event_name(uint32_t id);

#endif
