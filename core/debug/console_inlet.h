/*
 * The inlet: how a driver takes the serial console's bytes in core's place (subsys/console).
 *
 * Rules:
 * - Whoever reads a byte from the device has read it for core: the byte is its reader's before the
 *   driver sees it, in one step. So nothing is lost or doubled by a driver that ends or lies.
 * - The driver gets no more bytes than it was asked for, none that its reader has no room for, and
 *   none that the device does not have.
 */
#ifndef CORE_DEBUG_CONSOLE_INLET_H
#define CORE_DEBUG_CONSOLE_INLET_H

#include <stdbool.h>
#include <stdint.h>

/* Take a byte of the device and give it to its reader; false: none may be taken.  Context: thread.
 */
typedef bool console_taker(uint8_t *byte);

/* From now on it is asked; NULL: nothing may be taken.  Context: boot or thread. */
void console_set_taker(console_taker *taker);

/* For who stands between driver and device (core/device/legacy_serial.h).  Context: thread. */
bool console_inlet_take(uint8_t *byte);

#endif
