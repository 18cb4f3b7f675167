/*
 * Devices: what is on the bus, who drives it, and what its driver may do with it.
 *
 * Rules:
 * - A device is claimed by one owner, which is a pointer to whatever drives it (a slot): compared,
 *   never followed. The same owner's next claim gives the same handle.
 * - A handle is good from the claim to the release, with its owner alone. Releasing resets the
 *   device and stops its queues: buffers in them are their holders' again.
 * - Only devices of VIRTIO 1.x are claimed, with their interrupts as messages. Their registers are
 *   reached through the windows of include/helix/device.h; what would lead the device to memory is
 *   written by core alone.
 * - All functions are for thread context and may block, but for those of the queues (virtqueue.h).
 */
#ifndef CORE_DEVICE_DEVICE_H
#define CORE_DEVICE_DEVICE_H

#include <core/device/pci.h>
#include <core/device/virtqueue.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/wait_queue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICES_MAX       32U
#define DEVICE_QUEUES_MAX 2U

/* Look at the bus, once; later calls find what the first one found.  Context: boot or thread. */
void device_init(void);

/*
 * The first device of a vendor and kind that is the owner's, or nobody's.
 * Errors: HX_ENOENT there is none; HX_ENODEV it is no device of VIRTIO 1.x with MSI-X, HX_ENOMEM,
 * HX_ENOSPC no vector.
 */
HX_MUST_USE hx_err device_claim(const void *owner, uint16_t vendor, uint16_t kind,
                                uint64_t *handle);

/* Reset all devices of an owner and take them back. */
void device_release(const void *owner);

/* Registers: as hx_register_read and hx_register_write (include/helix/device.h). */
HX_MUST_USE hx_err device_read(const void *owner, uint64_t handle, uint64_t place, uint64_t width,
                               uint64_t *value);
HX_MUST_USE hx_err device_write(const void *owner, uint64_t handle, uint64_t place, uint64_t width,
                                uint64_t value);

/* As hx_queue_create. */
HX_MUST_USE hx_err device_create_queue(const void *owner, uint64_t handle, uint64_t index,
                                       uint64_t size, uint64_t *queue);

/*
 * The queue of a handle. It stays valid; between this and its use it may stop, and then says so.
 * Context: any.  Errors: HX_ESTALE it is not the owner's, or not any more.
 */
HX_MUST_USE hx_err device_find_queue(const void *owner, uint64_t handle, struct virtqueue **queue);

/* --- interrupts ---------------------------------------------------------------------------------
 */

/* Woken at each interrupt of any device of the owner's; NULL: it has none. Valid for ever. */
struct wait_queue *device_interrupts(const void *owner);

/*
 * A storm (SPEC I6): a device that has interrupted so often in a row, and had nothing to say in any
 * of its queues. It interrupts no more until it is reset, and its owner is told of.
 */
#define DEVICE_STORM_LIMIT 1000U

/* Who hears of it; NULL: nobody.  Context: boot, once; it is called in irq context. */
typedef void device_storm_listener(const void *owner);
void device_on_storm(device_storm_listener *listener);

/* virtqueue_take of the queue of a handle; with an answer the device has had something to say.
 * Context: thread.  Errors: HX_ESTALE it is not the owner's; those of virtqueue_take. */
HX_MUST_USE hx_err device_take(const void *owner, uint64_t handle, struct hx_queue_answer *answer);

/* --- to look at ---------------------------------------------------------------------------------
 */

struct device_content {
    struct pci_function function;
    const void *owner;   /* NULL: nobody's */
    uint8_t vector;      /* 0: it was never claimed */
    uint64_t interrupts; /* since boot */
    uint64_t lies;       /* times that it said what cannot be */
    uint64_t storms;     /* of interrupts */
    bool is_broken;      /* it did not obey a reset, and is not given out any more */
};

/* One by its number from 0; false: there are no more. */
bool device_at(size_t number, struct device_content *content);

#endif
