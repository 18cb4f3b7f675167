/*
 * What the healer tells on the topic `subsystem.health` (SPEC H6): a death, what was done about it,
 * and what came of that. Ids follow those of subsys/health.
 */
#ifndef CORE_SELF_HEAL_HEAL_EVENT_H
#define CORE_SELF_HEAL_HEAL_EVENT_H

#include <core/ipc/event_bus.h>
#include <stdint.h>

enum heal_event_id {
    HEAL_EVENT_DIED = 3,      /* clients hear it at once; action and attempt are what is to come */
    HEAL_EVENT_RECOVERED = 4, /* it serves again */
    HEAL_EVENT_FAILED = 5,    /* the action did not lead there; the next rung is taken */
    HEAL_EVENT_GIVEN_UP = 6,  /* quarantine */
    HEAL_EVENT_RESTARTED = 7, /* it lived, and was restarted with its group */
};

#define HEAL_EVENT_NAME_MAX 20U /* with the NUL; a longer name is cut */

struct heal_event {
    uint32_t duration_us; /* from the death; of who is restarted with its group: of that */
    uint16_t attempt;
    uint8_t cause;                  /* enum death_cause */
    uint8_t action;                 /* enum heal_rung */
    char name[HEAL_EVENT_NAME_MAX]; /* of the slot */
    uint8_t group; /* 0: cause counts; n: not its own death, but group n - 1, healer_group_name */
};
_Static_assert(sizeof(struct heal_event) <= EVENT_CUSTOM_DATA_MAX, "it fits an event");

#endif
