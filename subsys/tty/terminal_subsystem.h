/* Terminals as a subsystem: they are there before the devices are shown. */
#ifndef SUBSYS_TTY_TERMINAL_SUBSYSTEM_H
#define SUBSYS_TTY_TERMINAL_SUBSYSTEM_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem terminals_subsystem;

#endif
