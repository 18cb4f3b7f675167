/*
 * A virtio block device, as each version of its driver uses it.
 *
 * Rules:
 * - What is under way is in the kernel's queue, tokens and all: an instance that takes over from
 *   another finds it there, and has no list of its own.
 * - One device for each instance; submit and take from several threads at once.
 */
#ifndef MODULES_VIRTIO_BLK_DEVICE_H
#define MODULES_VIRTIO_BLK_DEVICE_H

#include <helix/block.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/* Records of a state whose tags are not of this file begin here. */
#define STATE_OF_VERSIONS 2U

/* As the operations of the same names in helix/block.h. */
hx_err device_start(void);
hx_err device_submit(uint64_t request, uint64_t kind, uint64_t sector);
uint64_t device_capacity(void);
uint64_t device_flags(void);

bool device_is_started(void);

/*
 * A request that the device has done with, and how it went; who takes it completes it.
 * Errors: HX_EAGAIN there is none at present, HX_ESTATE as in helix/block.h.
 */
hx_err device_take(uint64_t *request, hx_err *outcome);

/* The device with all that is in its queue goes on to the next instance, in a record that each
 * version reads.  Errors: as hx_state_put and hx_state_get, HX_EINVAL it cannot be. */
hx_err device_export(void);
hx_err device_import(void);

#endif
