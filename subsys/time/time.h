/* Time as a subsystem: reports the clocks, and measures their rate again after a while. */
#ifndef SUBSYS_TIME_TIME_H
#define SUBSYS_TIME_TIME_H

#include <core/orchestrator/subsystem.h>

extern const struct subsystem time_subsystem;

#endif
