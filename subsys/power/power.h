/* Suspending and resuming the kernel on somebody's word. */
#ifndef SUBSYS_POWER_POWER_H
#define SUBSYS_POWER_POWER_H

#include <core/orchestrator/orchestrator.h>
#include <helix/error.h>
#include <stdint.h>

/* Suspend all subsystems, or resume them when they are, and say on the console what came of it.
 * Context: thread, may block. */
void power_toggle_suspend(void);

#define POWER_UNTIL_KEY UINT64_MAX

/*
 * Suspend all subsystems, all CPUs but one among them, and wait without running any thread, until
 * that absolute time or until a device interrupts: a key. Then resume them.
 * Context: thread, may block.  Errors: those of orchestrator_suspend and orchestrator_resume.
 */
HX_MUST_USE hx_err power_suspend(uint64_t wake_ns, struct subsystem_failure *failure);

#endif
