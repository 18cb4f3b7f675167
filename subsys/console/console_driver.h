/*
 * The module in the slot "console" as the serial console's driver.
 *
 * Rules:
 * - Core's own polled writer serves while the slot is empty, its module dead or being exchanged,
 *   for printers that may not wait, and in a panic; and for what the module does not send.
 * - What comes in: console_taker.h.
 */
#ifndef SUBSYS_CONSOLE_CONSOLE_DRIVER_H
#define SUBSYS_CONSOLE_CONSOLE_DRIVER_H

/* From now on the module is asked, as soon as there is one.  Context: boot or thread. */
void console_driver_start(void);

/* The slot, if what is in it can be called now without being waited for; NULL: core does it itself.
 * Context: thread. */
struct slot;
struct slot *console_driver_slot(void);

#endif
