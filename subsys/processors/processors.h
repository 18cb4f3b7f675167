/* Processors as a subsystem: starts all of them, and tells what they can do. */
#ifndef SUBSYS_PROCESSORS_PROCESSORS_H
#define SUBSYS_PROCESSORS_PROCESSORS_H

#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

extern const struct subsystem processors_subsystem;

/*
 * Take a CPU off line with all that is there, or bring it back; published as EVENT_CPU_HOTPLUG.
 * Context: thread, may block; one at a time, the others wait.
 * Errors: those of cpu_offline and cpu_online (kern/cpu.h), HX_EIO a step failed: all is as before.
 */
HX_MUST_USE hx_err processors_offline(uint32_t cpu);
HX_MUST_USE hx_err processors_online(uint32_t cpu);

/* What a program writes to a file about a CPU: "0" or "1", with a newline or without.
 * Errors: the same, but none where it is so already; HX_EINVAL something else. */
HX_MUST_USE hx_err processors_set_online(uint32_t cpu, const char *text, size_t length);

/* The subsystem's: all CPUs but 0 off line, and those back, all or none.  Context: thread. */
HX_MUST_USE hx_err processors_suspend(void);
HX_MUST_USE hx_err processors_resume(void);

/* One line per CPU: threads, switches, time in interrupts.  Context: thread. */
void processors_report(void);

#endif
