/*
 * Whose a byte from the console is: the monitor's, or the programs'; and who takes it from the
 * device.
 *
 * Rules:
 * - The monitor's until console_let_programs_listen(true); then the programs'.
 * - The one after CONSOLE_ESCAPE is the monitor's in either case, so who presses both need not know
 *   which it is. Twice CONSOLE_ESCAPE is one of them, for whose the bytes are.
 * - Nothing is dropped: a byte that finds no room waits, and what comes after it stays in the
 * device until the reader has made room.
 * - A byte is read from the device and given to its reader in one step, under one lock, whoever
 * reads it: core itself (attend), or a driver that was asked for some (ask, take, answer).
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
/* Readers get what is left, then HX_ECLOSED; nothing is taken from the device any more.  Context:
 * thread. */
void console_input_fini(void);

/*
 * Who is told that a reader has made room for what waits, in the reader's own thread; NULL: nobody,
 * and the reader takes it itself.  Context: boot or thread.
 */
void console_input_set_request(void (*request)(void));

/* Take all that the device holds and there is room for.  Returns whether there was something.
 * Context: irq, thread. */
bool console_input_attend(void);

/* A byte that comes from another device than the console's: as if it had come from that.
 * Context: thread.  Errors: HX_EAGAIN there is no room now, HX_ECLOSED. */
HX_MUST_USE hx_err console_input_type(char byte);

/* --- for a driver: one thread asks it at a time ------------------------------------------------
 */

/* From now on it may take so many bytes.  Context: thread. */
void console_input_ask(uint32_t count);

/* Take one of them; false: it may not, or there is none, or no room for it.  Context: thread. */
bool console_input_take(uint8_t *byte);

/* It may take none any more.  Returns how many it took.  Context: thread. */
uint32_t console_input_answer(void);

/* Bytes taken so far, those of them that a driver took, and memory used.  Context: any. */
uint64_t console_input_count(void);
uint64_t console_input_driver_count(void);
size_t console_input_memory(void);

#endif
