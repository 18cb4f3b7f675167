/* The console's 16550 for the modules that drive it: its status and its data register. */
#ifndef MODULES_SERIAL_DEVICE_H
#define MODULES_SERIAL_DEVICE_H

#include <helix/attributes.h>
#include <helix/console.h>
#include <helix/device.h>
#include <helix/module.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Looks at a device that is not ready; the kernel's own writer waits for longer. */
#define READY_LOOKS 64U

/* Handle; 0: not claimed yet. Relaxed: who writes and who takes both store the same. */
static _Atomic uint64_t device_handle;

static inline uint64_t device(void)
{
    return atomic_load_explicit(&device_handle, memory_order_relaxed);
}

/* The same device each time, for whichever instance of the slot asks. */
static inline bool has_device(void)
{
    uint64_t handle;

    if (HX_UNLIKELY(device() == 0) &&
        hx_device_claim(HX_VENDOR_LEGACY, HX_LEGACY_SERIAL, &handle) == HX_OK) {
        atomic_store_explicit(&device_handle, handle, memory_order_relaxed);
    }
    return device() != 0;
}

static bool has_bits(enum hx_serial_register index, uint64_t bits)
{
    uint64_t value = 0;

    return hx_register_read(device(), HX_REGISTER(HX_WINDOW_SERIAL, index), 1, &value) == HX_OK &&
           (value & bits) == bits;
}

/* *waits says how often it was not. */
static inline bool gets_ready(uint64_t *waits)
{
    for (unsigned i = 0; i < READY_LOOKS; i++) {
        if (has_bits(HX_SERIAL_STATUS, HX_SERIAL_EMPTY)) {
            return true;
        }
        ++*waits;
    }
    return false;
}

static uint8_t byte_at(uint64_t word0, uint64_t word1, uint64_t index)
{
    return (uint8_t)((index < 8 ? word0 : word1) >> (index % 8 * 8));
}

static inline bool send(uint64_t word0, uint64_t word1, uint64_t index)
{
    return hx_register_write(device(), HX_REGISTER(HX_WINDOW_SERIAL, HX_SERIAL_DATA), 1,
                             byte_at(word0, word1, index)) == HX_OK;
}

/* False: there is none, or none that may be taken now. */
static inline bool receive(uint8_t *byte)
{
    uint64_t value = 0;
    hx_err error =
        hx_register_read(device(), HX_REGISTER(HX_WINDOW_SERIAL, HX_SERIAL_DATA), 1, &value);

    *byte = (uint8_t)value;
    return error == HX_OK;
}

#endif
