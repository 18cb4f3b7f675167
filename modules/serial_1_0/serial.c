/* Driver of the console's serial device, version 1.0: asks before each byte. */
#include <../modules/serial_device.h>
#include <stdatomic.h>

#define STATE_BYTES 1U

static _Atomic uint64_t bytes; /* relaxed: a statistic */

static uint64_t write(uint64_t word0, uint64_t word1, uint64_t count)
{
    uint64_t waits = 0;
    uint64_t sent = 0;

    while (has_device() && sent < count && gets_ready(&waits) && send(word0, word1, sent)) {
        sent++;
    }
    atomic_fetch_add_explicit(&bytes, sent, memory_order_relaxed);
    return sent;
}

static uint64_t take(uint64_t count)
{
    uint64_t taken = 0;
    uint8_t byte;

    while (has_device() && taken < count && has_bits(HX_SERIAL_STATUS, HX_SERIAL_RECEIVED) &&
           receive(&byte)) {
        taken++;
    }
    return taken;
}

static uint64_t number(uint64_t index)
{
    return index == HX_CONSOLE_BYTES ? atomic_load_explicit(&bytes, memory_order_relaxed) : 0;
}

static const struct hx_console_operations operations = {
    .write = write, .number = number, .take = take};

static hx_err import_state(uint64_t minor)
{
    uint64_t old;
    hx_err error = hx_state_get(STATE_BYTES, 0, &old, sizeof(old));

    (void)minor;
    if (error == HX_OK) {
        atomic_store_explicit(&bytes, old, memory_order_relaxed);
    }
    return error;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now = atomic_load_explicit(&bytes, memory_order_relaxed);

    (void)minor;
    return hx_state_put(STATE_BYTES, &now, sizeof(now));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "serial",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_CONSOLE,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "serial",
};
