/*
 * Health: changes of it are events on the topic `subsystem.health` (SPEC P7).
 *
 * Rules:
 * - A thread looks at every component once a second and compares with what it saw before. The first
 *   look finds what is sick from the start.
 * - A component that is sick, or well again, is an event and a line in the log.
 */
#ifndef SUBSYS_HEALTH_HEALTH_H
#define SUBSYS_HEALTH_HEALTH_H

#include <core/ipc/event_bus.h>
#include <core/orchestrator/subsystem.h>
#include <stdint.h>

extern const struct subsystem health_subsystem;

enum health_event_id { HEALTH_SICK = 1, HEALTH_WELL = 2 };

#define HEALTH_NAME_MAX 24U /* with the NUL; a longer name is cut */

/* The data of an event; its id says what happened. */
struct health_event {
    hx_err cause; /* the component's last error */
    char name[HEALTH_NAME_MAX];
};
_Static_assert(sizeof(struct health_event) <= EVENT_CUSTOM_DATA_MAX, "it fits an event");

/* "sick", "well", "?".  Context: any. */
const char *health_event_name(uint32_t id);

/* Look at all components now; how many changed.  Context: thread, may block. */
uint32_t health_look(void);

#endif
