/*
 * Orchestrator: starts the subsystems in the order of their dependencies, stops them in reverse,
 * and alone moves the kernel's state (SPEC O1 to O9, K2, K3).
 *
 * Rules:
 * - Registration ends when orchestrator_init_all begins.
 * - Who suspends, resumes or shuts down while another one does waits for its turn.
 * - State and phase move together: init_all enters Initializing and CoreInit, run enters Running,
 *   shutdown_all enters ShuttingDown and, when all is down, Halted. LateInit belongs to the
 * composition.
 */
#ifndef CORE_ORCHESTRATOR_ORCHESTRATOR_H
#define CORE_ORCHESTRATOR_ORCHESTRATOR_H

#include <core/lifecycle/lifecycle.h>
#include <core/orchestrator/subsystem.h>
#include <core/orchestrator/subsystem_set.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

struct boot_configuration;

/*
 * Add a subsystem.
 * Context: boot or thread.
 * Errors: HX_EINVAL bad record or name, HX_EEXIST the name is taken, HX_ENOSPC, HX_ESTATE too late.
 */
HX_MUST_USE hx_err orchestrator_register(const struct subsystem *subsystem, subsystem_id *id);

/* How often a failed init is tried again; SUBSYSTEM_INIT_RETRIES at first: `init.retries=N`.
 * Context: boot. */
void orchestrator_set_init_retries(uint32_t retries);

/*
 * Enter Initializing and CoreInit, order the subsystems, initialise them in that order. An init
 * that fails is tried again, so often as the retries say.
 * Context: boot or thread.  Blocks: as the subsystems do.
 * Errors: HX_ESTATE called twice; HX_ECYCLE, HX_EMISSING, HX_ENOMEM: nothing was initialised; else
 * what the failed init returned: those before it have been shut down in reverse. *failure says it
 * in words.
 */
HX_MUST_USE hx_err orchestrator_init_all(const struct boot_configuration *config,
                                         struct subsystem_failure *failure);

/* init_all, and where that fails a panic that names the failing subsystem.  Context: boot or
 * thread. */
void orchestrator_start(const struct boot_configuration *config);

/* Everything is up: enter Running, both state and phase.  Errors: HX_ESTATE. */
HX_MUST_USE hx_err orchestrator_run(void);

/*
 * Enter ShuttingDown, shut all subsystems down in reverse order of their initialisation, enter
 * Halted. Failures are logged and counted, they stop nothing; the first is put into *failure.
 * A shutdown that takes longer than the limit is left behind.
 * Context: thread.  Errors: HX_ESTATE not Running (the request belongs to
 * lifecycle_request_shutdown, which keeps it); else the first failure.
 */
HX_MUST_USE hx_err orchestrator_shutdown_all(struct subsystem_failure *failure);

/* Time limit of each shutdown; SUBSYSTEM_SHUTDOWN_LIMIT_NS at first. */
void orchestrator_set_shutdown_limit(uint64_t nanoseconds);

/*
 * Suspend in reverse order; where one fails, those already suspended are resumed and the state
 * stays Running. Resume in order; where one fails, those already resumed are suspended again and
 * the state stays Suspended. Context: thread.  Errors: HX_ESTATE, or what the failed one returned,
 * with *failure in words.
 */
HX_MUST_USE hx_err orchestrator_suspend(struct subsystem_failure *failure);
HX_MUST_USE hx_err orchestrator_resume(struct subsystem_failure *failure);

/* Enter Panic, from any state; harmless when repeated.  Called by core/panic.  Context: any. */
void orchestrator_enter_panic(void);

/* The kernel's subsystems, for the readers in subsystem_set.h.  Read-only once init_all has begun.
 */
const struct subsystem_set *orchestrator_subsystems(void);

#endif
