/*
 * Events and messages as a subsystem: starts the bus's worker, shows the bus and the router as
 * components, publishes the shutdown, and logs what the kernel's state does.
 */
#ifndef SUBSYS_IPC_IPC_H
#define SUBSYS_IPC_IPC_H

#include <core/orchestrator/subsystem.h>
#include <helix/error.h>

extern const struct subsystem ipc_subsystem;

/*
 * From now on each change of the kernel's state is a line in the log. Before the orchestrator
 * starts, so that none is missed.  Context: boot or thread, once.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err ipc_log_states(void);

/* Topics with their subscribers and counts; mailboxes with theirs.  Context: thread. */
void ipc_report_events(void);
void ipc_report_mailboxes(void);

#endif
