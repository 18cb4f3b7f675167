/*
 * The module in the slot "console" as the serial console's driver.
 *
 * Rules:
 * - Core's own polled writer serves while the slot is empty, its module dead or being exchanged,
 *   for printers that may not wait, and in a panic; and for what the module does not send.
 */
#ifndef SUBSYS_CONSOLE_CONSOLE_DRIVER_H
#define SUBSYS_CONSOLE_CONSOLE_DRIVER_H

/* From now on the module is asked, as soon as there is one.  Context: boot or thread. */
void console_driver_start(void);

#endif
