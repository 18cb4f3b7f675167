/* Events as lines of text: "SECONDS TOPIC WHAT". */
#ifndef SUBSYS_HELIXFS_EVENT_LINE_H
#define SUBSYS_HELIXFS_EVENT_LINE_H

#include <core/ipc/event_bus.h>
#include <stddef.h>
#include <stdint.h>

#define EVENT_LINE_SIZE 256U

struct event_record {
    uint64_t time_ns;        /* hal_clock_now() when it was heard */
    uint64_t dropped_before; /* that many found no room since the one before */
    struct kernel_event event;
};

/* The line of a record, with a newline; before it one that says what was dropped. Returns its
 * length.  Context: any. */
size_t event_line(const struct event_record *record, char line[EVENT_LINE_SIZE]);

#endif
