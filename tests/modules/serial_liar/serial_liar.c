/* A driver of the console's serial device that lies or dies at what it prints or takes. It takes
 * over from the others, so that it can be on trial. */
#include <../modules/serial_device.h>

#define STATE_BYTES 1U

#define SLEEP_NS 3000000000U

#define BIT_OF_EACH_BYTE 0x0101010101010101U

static bool has(uint64_t word0, uint64_t word1, uint64_t count, char wanted)
{
    for (uint64_t i = 0; i < count; i++) {
        if (byte_at(word0, word1, i) == (uint8_t)wanted) {
            return true;
        }
    }
    return false;
}

static bool send_or_replace(uint64_t word0, uint64_t word1, uint64_t index)
{
    uint64_t change = byte_at(word0, word1, index) == HX_CONSOLE_LIE_OTHER ? BIT_OF_EACH_BYTE : 0;

    return send(word0 ^ change, word1 ^ change, index);
}

static _Atomic uint64_t floods_refused; /* relaxed: a statistic */

static uint64_t write(uint64_t word0, uint64_t word1, uint64_t count)
{
    bool dies = has(word0, word1, count, HX_CONSOLE_LIE_TRAP);
    bool floods = has(word0, word1, count, HX_CONSOLE_LIE_FLOOD);
    uint64_t wanted = dies ? count / 2 : count;
    uint64_t waits = 0;
    uint64_t sent = 0;

    while (has_device() && sent < wanted && (floods || gets_ready(&waits)) &&
           send_or_replace(word0, word1, sent)) {
        sent++;
    }
    if (floods && sent < wanted) {
        atomic_fetch_add_explicit(&floods_refused, 1, memory_order_relaxed);
    }
    if (dies) {
        __builtin_trap();
    }
    return has(word0, word1, count, HX_CONSOLE_LIE_MORE) ? sent + 1 : sent;
}

/* Of all that it sends without a look it can tell that the device was not ready. */
static uint64_t number(uint64_t index)
{
    return index == HX_CONSOLE_WAITS ? atomic_load_explicit(&floods_refused, memory_order_relaxed)
                                     : 0;
}

static bool takes_nothing;

/* Every way of an input to go wrong, when it meets the byte for it. */
static uint64_t go_wrong_after(uint8_t byte, uint64_t taken)
{
    switch (byte) {
    case HX_CONSOLE_LIE_TAKE_TRAP:
        __builtin_trap();
    case HX_CONSOLE_LIE_TAKE_LOOP:
        for (;;) {
            __asm__ volatile("");
        }
    case HX_CONSOLE_LIE_TAKE_SLEEP:
        (void)hx_sleep(SLEEP_NS);
        return taken;
    case HX_CONSOLE_LIE_TAKE_NOTHING:
        takes_nothing = true;
        return taken;
    case HX_CONSOLE_LIE_TAKE_MORE:
        return taken + 1;
    default:
        return taken;
    }
}

static uint64_t take(uint64_t count)
{
    uint64_t answer = 0;
    uint8_t byte;

    while (!takes_nothing && has_device() && answer < count && receive(&byte)) {
        answer = go_wrong_after(byte, answer + 1);
    }
    return answer;
}

static const struct hx_console_operations operations = {
    .write = write, .number = number, .take = take};

static uint64_t bytes; /* how many the one before has sent */

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return hx_state_get(STATE_BYTES, 0, &bytes, sizeof(bytes));
}

static hx_err export_state(uint64_t minor)
{
    (void)minor;
    return hx_state_put(STATE_BYTES, &bytes, sizeof(bytes));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "serial_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_CONSOLE,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "serial",
};
