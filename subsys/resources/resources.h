/*
 * Resources as a subsystem: the broker of core/resource, connected to the things it counts.
 *
 * Rules:
 * - Memory and threads are provided by kern, module instances by the loader; CPU time is measured
 *   from the threads. Classes without a provider here (file handles, ports) get theirs with the
 *   service that gives such things out, and are refused until then.
 * - Every thread but the CPUs' boot threads holds a handle of its owner's.
 * - limit.modules and limit.threads on the command line are hard limits of the kernel itself,
 *   limit.module-memory is that of each module instance; limit.process-… are those of each process
 *   (resources_limit_process). Nine tenths of one is the soft limit.
 * - Each crossing of a soft limit is a line in the log and an event on RESOURCES_TOPIC, published
 *   by the thread that crossed it: id is the class, the data a struct resource_warning.
 */
#ifndef SUBSYS_RESOURCES_RESOURCES_H
#define SUBSYS_RESOURCES_RESOURCES_H

#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <kern/owner.h>

#define RESOURCES_TOPIC "resource.warning"

extern const struct subsystem resources_subsystem;

/*
 * Make the broker, and count threads from the first one on.
 * Context: boot, after memory_init_early, before the first thread.  Errors: none but those of
 * resource_register_provider.
 */
HX_MUST_USE hx_err resources_init_early(void);

/*
 * Give the owner of a new process the limits that the command line has for processes.
 * Context: thread, may block.  Errors: HX_ESTALE.
 */
HX_MUST_USE hx_err resources_limit_process(owner_tag owner);

/* Every owner's ledger, with limits.  Context: thread. */
void resources_report(void);

#endif
