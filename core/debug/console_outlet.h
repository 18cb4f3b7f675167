/*
 * The outlet: a driver that sends the serial console's bytes in core's place (subsys/console).
 *
 * Rules:
 * - One piece of text is offered at a time, by who has the turn to print. Each byte that is sent
 *   passes console_outlet_pass, which counts it: what is known to have been sent is core's own
 * count, whatever the driver says or however it ends.
 * - Only what was offered is let through, in order, and nothing once there is a panic.
 */
#ifndef CORE_DEBUG_CONSOLE_OUTLET_H
#define CORE_DEBUG_CONSOLE_OUTLET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sends some of the bytes, from the first on, or none.  Context: thread, may block. */
typedef void console_driver(const char *bytes, size_t size);

/* From now on it is asked; NULL: nobody.  Context: boot or thread. */
void console_set_driver(console_driver *driver);

/*
 * Whether this byte is the next one of the piece; then it is counted, and who asks sends it, in one
 * step to interrupts, and so to a panic on this CPU.  Context: thread, interrupts off.
 */
bool console_outlet_pass(char byte);

/* Bytes of the piece that were let through so far, and whether another one was tried than the next.
 * Context: any. */
size_t console_outlet_sent(void);
bool console_outlet_was_wrong(void);

/* --- for console.c alone ------------------------------------------------------------------------
 */

/* Offer a piece, of a line of the log or of a program's bytes; console_outlet_collect says how much
 * of it was sent. Does nothing where the caller may not block.  Context: thread, with the turn. */
void console_outlet_offer(const char *bytes, size_t size, bool is_line);

/* How many bytes of a piece of that kind were sent; asked once for each.  Context: as above, or
 * panic; interrupts off. */
size_t console_outlet_collect(bool is_line);

#endif
