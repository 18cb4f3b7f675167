/* What core/device's own files share of a device. */
#ifndef CORE_DEVICE_DEVICE_PRIVATE_H
#define CORE_DEVICE_DEVICE_PRIVATE_H

#include <core/device/device.h>
#include <kern/mutex.h>
#include <stdatomic.h>

/* Kinds of windows (VIRTIO 1.1, 4.1.4: cfg_type). The notification registers are core's. */
enum device_window_kind {
    DEVICE_WINDOW_COMMON = 1,
    DEVICE_WINDOW_NOTIFY = 2,
    DEVICE_WINDOW_INTERRUPT = 3,
    DEVICE_WINDOW_DEVICE = 4,
    DEVICE_WINDOW_COUNT,
};

/* Registers as core reaches them; base NULL: the device has no such window. */
struct device_window {
    volatile char *base;
    uint64_t size;
};

/* Keys: I = immutable after device_init, O = written at its first claim, then immutable,
 *       M = the mutex of device.c, A = atomic */
struct device {
    struct pci_function function;                      /* I */
    struct pci_msi_x messages;                         /* O */
    struct device_window windows[DEVICE_WINDOW_COUNT]; /* O */
    uint32_t notify_multiplier;                        /* O */
    volatile uint32_t *message;                        /* O  entry 0 of its MSI-X table */
    uint8_t vector;                                    /* O  0: it was never claimed */
    struct virtqueue *queues;                          /* O  DEVICE_QUEUES_MAX */
    _Atomic(const void *) owner;                       /* A  NULL: nobody */
    _Atomic uint32_t generation;                       /* A  of the handle */
    bool is_broken;                                    /* M */
    _Atomic uint64_t interrupts;                       /* A */
    _Atomic uint32_t vain;                             /* A  those since it had something to say */
    _Atomic bool is_silent;                            /* A  after a storm, until it is reset */
    _Atomic uint64_t storms;                           /* A */
    struct wait_queue interrupted;
};

/* --- device_setup.c -----------------------------------------------------------------------------
 */

/*
 * Find and map its registers, and have its interrupts arrive; again for one that is set up:
 * nothing. Errors: HX_ENODEV, HX_ENOMEM, HX_ENOSPC; what it holds then is used by the next try.
 */
HX_MUST_USE hx_err device_set_up(struct device *device);

/* It was reset: it may interrupt again. */
void device_end_silence(struct device *device);

/* --- device.c ------------------------------------------------------------------------------------
 */

/* Tell who listens.  Context: irq. */
void device_tell_storm(const struct device *device);

/* --- device_registers.c -------------------------------------------------------------------------
 */

/* Have it forget everything; its queues stop.  Errors: HX_ETIMEDOUT it does not obey; it cannot
 * reach memory any more then. */
HX_MUST_USE hx_err device_reset(struct device *device);

/* The handle's checks are done. */
HX_MUST_USE hx_err device_read_register(struct device *device, uint64_t place, uint64_t width,
                                        uint64_t *value);
HX_MUST_USE hx_err device_write_register(struct device *device, uint64_t place, uint64_t width,
                                         uint64_t value);
HX_MUST_USE hx_err device_start_queue(struct device *device, uint16_t index, uint16_t size);

#endif
