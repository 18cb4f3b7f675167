/* Processes as a subsystem: their tables, the system calls, and their end at shutdown. */
#ifndef SUBSYS_PROCESSES_PROCESSES_H
#define SUBSYS_PROCESSES_PROCESSES_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem processes_subsystem;

#endif
