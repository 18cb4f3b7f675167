/*
 * The debug-key menu on the console: one key, one look at the kernel or one action.
 *
 * Rules:
 * - The keys are one table (monitor.c); `h` prints it.
 * - Who presses keys is a subject of its own, named "console": what a key does to a slot or to the
 *   machine needs PERMISSION_CONTROL there, which the kernel grants it at boot.
 */
#ifndef SUBSYS_MONITOR_MONITOR_H
#define SUBSYS_MONITOR_MONITOR_H

#include <core/capability/capability.h>
#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <stdbool.h>

/* Starts to listen when the kernel is Running. */
extern const struct subsystem monitor_subsystem;

/* The console as a subject; SUBJECT_NONE while the subsystem does not run.  Context: any. */
subject_id monitor_subject(void);

/*
 * Grant the console PERMISSION_CONTROL on the machine and on every slot.
 * Context: thread, may block.  Errors: those of capability_grant.
 */
HX_MUST_USE hx_err monitor_grant_control(void);

/*
 * Do what a key does, on behalf of the console. Returns whether there is such a key and the console
 * has the right it needs.  Context: thread, may block.
 */
bool monitor_press(char byte);

/*
 * On behalf of a subject, crash the demo module in every way there is, through both backends, and
 * say what came of each: the walk that `tour` on the command line takes.  Context: thread.
 */
void monitor_tour(subject_id subject);

#endif
