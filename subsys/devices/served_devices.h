/*
 * null, zero and full: what they do is said by the module in the slot "memory"
 * (include/helix/character_device.h), or by core itself.
 *
 * Rules:
 * - Core answers while the slot is empty, its module dead or one that cannot be believed, and for
 *   callers that find the gate closed and may not wait: a program never gets an error from that.
 * - The module never reaches the caller's memory: core fills it.
 */
#ifndef SUBSYS_DEVICES_SERVED_DEVICES_H
#define SUBSYS_DEVICES_SERVED_DEVICES_H

#include <helix/attributes.h>
#include <helix/error.h>

struct file_ops;

extern const struct file_ops served_null;
extern const struct file_ops served_zero;
extern const struct file_ops served_full;

/* Find the slot.  Context: boot, before the first of them is opened.  Errors: HX_EMISSING. */
HX_MUST_USE hx_err served_devices_init(void);

#endif
