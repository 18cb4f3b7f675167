/*
 * The console's serial device as a driver reaches it: a device that is on no bus, with one window.
 *
 * Rules:
 * - It is the slot's that claims it first, for ever; there is nothing to reset.
 * - The driver reads status and identification, sends bytes as far as core has offered it some
 *   (core/debug/console_outlet.h), and takes bytes as far as core has asked for some
 *   (core/debug/console_inlet.h). How the device is set up, and its interrupts, are core's.
 */
#ifndef CORE_DEVICE_LEGACY_SERIAL_H
#define CORE_DEVICE_LEGACY_SERIAL_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/* Errors: HX_ENOENT the machine has none whose registers can be reached, or another owner has it.
 */
HX_MUST_USE hx_err legacy_serial_claim(const void *owner, uint64_t *handle);

/* Whether a handle is that of such a device, whoever has it.  Context: any. */
bool legacy_serial_is(uint64_t handle);

/* As device_read and device_write; HX_EAGAIN for a byte that core has not offered, or asked for. */
HX_MUST_USE hx_err legacy_serial_read(const void *owner, uint64_t place, uint64_t width,
                                      uint64_t *value);
HX_MUST_USE hx_err legacy_serial_write(const void *owner, uint64_t place, uint64_t width,
                                       uint64_t value);

#endif
