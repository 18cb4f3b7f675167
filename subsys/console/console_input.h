/*
 * Whose a byte from the console is: the monitor's, or the programs'.
 *
 * Rules:
 * - The monitor's until console_let_programs_listen(true); then the programs'.
 * - The one after CONSOLE_ESCAPE is the monitor's in either case, so who presses both need not know
 *   which it is. Twice CONSOLE_ESCAPE is one of them, for whose the bytes are.
 * - Nothing is dropped: a byte that finds no room waits, and what comes after it stays in the
 * device until the reader has made room.
 */
#ifndef SUBSYS_CONSOLE_CONSOLE_INPUT_H
#define SUBSYS_CONSOLE_CONSOLE_INPUT_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_ESCAPE 0x1d /* Ctrl-] */

/* Context: thread; again after an error, too.  Errors: HX_ENOMEM, HX_ENOSPC. */
HX_MUST_USE hx_err console_input_init(void);
/* Readers get what is left, then HX_ECLOSED.  The device does not call any more.  Context: thread.
 */
void console_input_fini(void);

/* Take what the device holds.  Returns whether it held something.  Context: irq, thread. */
bool console_input_attend(void);

/* Bytes taken so far, and memory used. */
uint64_t console_input_count(void);
size_t console_input_memory(void);

#endif
