/* A driver of the console's serial device that lies or dies at what it is to print. */
#include <../modules/serial_device.h>

static bool has(uint64_t word0, uint64_t word1, uint64_t count, char wanted)
{
    for (uint64_t i = 0; i < count; i++) {
        if (byte_at(word0, word1, i) == (uint8_t)wanted) {
            return true;
        }
    }
    return false;
}

static uint64_t write(uint64_t word0, uint64_t word1, uint64_t count)
{
    bool dies = has(word0, word1, count, HX_CONSOLE_LIE_TRAP);
    uint64_t wanted = dies ? count / 2 : count;
    uint64_t waits = 0;
    uint64_t sent = 0;

    while (has_device() && sent < wanted && gets_ready(&waits) && send(word0, word1, sent)) {
        sent++;
    }
    if (dies) {
        __builtin_trap();
    }
    return has(word0, word1, count, HX_CONSOLE_LIE_MORE) ? sent + 1 : sent;
}

static const struct hx_console_operations operations = {.write = write};

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
