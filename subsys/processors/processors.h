/* Processors as a subsystem: starts all of them, and tells what they can do. */
#ifndef SUBSYS_PROCESSORS_PROCESSORS_H
#define SUBSYS_PROCESSORS_PROCESSORS_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem processors_subsystem;

/* One line per CPU: threads, switches, time in interrupts.  Context: thread. */
void processors_report(void);

#endif
