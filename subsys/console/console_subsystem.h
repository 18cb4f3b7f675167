/*
 * The console as a subsystem: output gets a thread of its own, input an interrupt.
 *
 * Rules:
 * - One reader at a time.
 */
#ifndef SUBSYS_CONSOLE_CONSOLE_SUBSYSTEM_H
#define SUBSYS_CONSOLE_CONSOLE_SUBSYSTEM_H

#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <stdint.h>

extern const struct subsystem console_subsystem;

/*
 * The next byte from the console, waiting for it until the absolute time.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT; HX_ECLOSED the
 * console has been shut down.
 */
HX_MUST_USE hx_err console_read_byte(char *byte, uint64_t deadline_ns);

#endif
