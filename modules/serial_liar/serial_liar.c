/* A driver of the console's serial device that lies when it is told to. */
#include <../modules/serial_device.h>
#include <stdatomic.h>

static _Atomic uint64_t lie;

static uint64_t write(uint64_t word0, uint64_t word1, uint64_t count)
{
    uint64_t what = atomic_load_explicit(&lie, memory_order_relaxed);
    uint64_t wanted = what == HX_CONSOLE_LIE_TRAP ? count / 2 : count;
    uint64_t waits = 0;
    uint64_t sent = 0;

    while (has_device() && sent < wanted && gets_ready(&waits) && send(word0, word1, sent)) {
        sent++;
    }
    if (what == HX_CONSOLE_LIE_TRAP) {
        __builtin_trap();
    }
    return what == HX_CONSOLE_LIE_MORE ? sent + 1 : sent;
}

static uint64_t number(uint64_t index)
{
    if ((index & HX_CONSOLE_LIE) != 0) {
        atomic_store_explicit(&lie, index & ~(uint64_t)HX_CONSOLE_LIE, memory_order_relaxed);
    }
    return 0;
}

static const struct hx_console_operations operations = {.write = write, .number = number};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "serial_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_CONSOLE,
    .operations_size = sizeof(operations),
    .operations = &operations,
};
