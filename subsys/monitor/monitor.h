/*
 * The debug-key menu on the console: one key, one look at the kernel or one action.
 *
 * Rules:
 * - The keys are one table (monitor.c); `h` prints it.
 */
#ifndef SUBSYS_MONITOR_MONITOR_H
#define SUBSYS_MONITOR_MONITOR_H

#include <core/orchestrator/subsystem.h>

/* Starts to listen when the kernel is Running. */
extern const struct subsystem monitor_subsystem;

/*
 * Crash the demo module in every way there is, through both backends, and say what came of each:
 * the walk that `tour` on the command line takes.  Context: thread.
 */
void monitor_tour(void);

#endif
