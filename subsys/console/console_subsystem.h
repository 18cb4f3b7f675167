/*
 * The console as a subsystem: output gets a thread of its own, input an interrupt.
 *
 * Rules:
 * - Bytes that come in are the monitor's, or programs' once these listen: see console_input.h.
 */
#ifndef SUBSYS_CONSOLE_CONSOLE_SUBSYSTEM_H
#define SUBSYS_CONSOLE_CONSOLE_SUBSYSTEM_H

#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

extern const struct subsystem console_subsystem;

/*
 * The next byte for the monitor, and for programs (console_input.h), waiting for it until the
 * absolute time. One reader each.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT; HX_ECLOSED the console has been shut down.
 */
HX_MUST_USE hx_err console_read_byte(char *byte, uint64_t deadline_ns);
HX_MUST_USE hx_err console_read_program_byte(char *byte, uint64_t deadline_ns);

/* Whether programs listen to the console, or the monitor alone.  Context: any but nmi. */
void console_let_programs_listen(bool listen);

#endif
