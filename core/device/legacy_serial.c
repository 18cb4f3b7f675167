#include <core/debug/console_inlet.h>
#include <core/debug/console_outlet.h>
#include <core/device/legacy_serial.h>
#include <hal/console.h>
#include <hal/interrupt.h>
#include <helix/device.h>
#include <stdatomic.h>
#include <stddef.h>

#define HANDLE 0xffffff00U /* a number that no device on the bus has, of generation 0 */

static _Atomic(const void *) owner_of_it;

/* Bytes that the device has room for, as the status said that its driver read last. Relaxed: one
 * driver sends at a time. */
static _Atomic uint32_t room;
static _Atomic uint32_t depth; /* bytes that it has room for when it is empty */

static uint32_t look_for_depth(void)
{
    return (hal_console_register(HX_SERIAL_IDENTITY) & HX_SERIAL_FIFOS) == HX_SERIAL_FIFOS
               ? HX_SERIAL_DEPTH
               : 1;
}

hx_err legacy_serial_claim(const void *owner, uint64_t *handle)
{
    const void *expected = NULL;

    if (owner == NULL || !hal_console_has_registers()) {
        return HX_ENOENT;
    }
    if (!atomic_compare_exchange_strong_explicit(&owner_of_it, &expected, owner,
                                                 memory_order_relaxed, memory_order_relaxed) &&
        expected != owner) {
        return HX_ENOENT;
    }
    atomic_store_explicit(&depth, look_for_depth(), memory_order_relaxed);
    *handle = HANDLE;
    return HX_OK;
}

bool legacy_serial_is(uint64_t handle)
{
    return handle == HANDLE;
}

static hx_err check(const void *owner, uint64_t place, uint64_t width)
{
    if (owner == NULL || atomic_load_explicit(&owner_of_it, memory_order_relaxed) != owner) {
        return HX_ESTALE;
    }
    return width == 1 && place >> 32 == HX_WINDOW_SERIAL && (uint32_t)place <= HX_SERIAL_STATUS
               ? HX_OK
               : HX_ERANGE;
}

static hx_err take(uint64_t *value)
{
    uint8_t byte;

    if (!console_inlet_take(&byte)) {
        return HX_EAGAIN;
    }
    *value = byte;
    return HX_OK;
}

static uint64_t look_for_room(void)
{
    uint8_t status = hal_console_register(HX_SERIAL_STATUS);

    if ((status & HX_SERIAL_EMPTY) != 0) {
        atomic_store_explicit(&room, atomic_load_explicit(&depth, memory_order_relaxed),
                              memory_order_relaxed);
    }
    return status;
}

hx_err legacy_serial_read(const void *owner, uint64_t place, uint64_t width, uint64_t *value)
{
    uint32_t index = (uint32_t)place;
    hx_err error = check(owner, place, width);

    if (error != HX_OK) {
        return error;
    }
    switch (index) {
    case HX_SERIAL_DATA:
        return take(value);
    case HX_SERIAL_IDENTITY:
        *value = hal_console_register(index);
        return HX_OK;
    case HX_SERIAL_STATUS:
        *value = look_for_room();
        return HX_OK;
    default:
        return HX_EPERM;
    }
}

static bool send(uint8_t byte)
{
    hal_interrupt_state state = hal_interrupts_save();
    uint32_t left = atomic_load_explicit(&room, memory_order_relaxed);
    bool may = left > 0 && console_outlet_pass((char)byte);

    if (may) {
        atomic_store_explicit(&room, left - 1, memory_order_relaxed);
        hal_console_set_register(HAL_CONSOLE_DATA, byte);
    }
    hal_interrupts_restore(state);
    return may;
}

hx_err legacy_serial_write(const void *owner, uint64_t place, uint64_t width, uint64_t value)
{
    hx_err error = check(owner, place, width);

    if (error == HX_OK && (uint32_t)place != HX_SERIAL_DATA) {
        error = HX_EPERM;
    }
    return error == HX_OK && !send((uint8_t)value) ? HX_EAGAIN : error;
}
