/*
 * Driver of the console's serial device, version 1.1: fills the FIFO once the device is ready, if
 * it has one, and empties that. Version 1.0 keeps how many bytes it sent; the other numbers travel
 * beside that.
 */
#include <../modules/serial_device.h>
#include <stdatomic.h>

#define STATE_BYTES   1U
#define STATE_NUMBERS 2U /* since minor version 1 */
#define STATE_TAKEN   3U /* also; one that has only ever sent has none */

#define SENT_NUMBERS  HX_CONSOLE_TAKEN /* those before it */
#define TAKEN_NUMBERS (HX_CONSOLE_NUMBERS - HX_CONSOLE_TAKEN)

/* Relaxed: statistics. */
static _Atomic uint64_t numbers[HX_CONSOLE_NUMBERS];

static void add(enum hx_console_number index, uint64_t more)
{
    atomic_fetch_add_explicit(&numbers[index], more, memory_order_relaxed);
}

/* How many bytes it takes once it is ready. */
static uint64_t burst(void)
{
    return has_bits(HX_SERIAL_IDENTITY, HX_SERIAL_FIFOS) ? HX_SERIAL_DEPTH : 1;
}

static uint64_t send_burst(uint64_t word0, uint64_t word1, uint64_t from, uint64_t count)
{
    uint64_t sent = 0;

    while (from + sent < count && sent < burst() && send(word0, word1, from + sent)) {
        sent++;
    }
    return sent;
}

static uint64_t write(uint64_t word0, uint64_t word1, uint64_t count)
{
    uint64_t waits = 0;
    uint64_t sent = 0;
    uint64_t more = 1;

    while (has_device() && sent < count && more != 0 && gets_ready(&waits)) {
        more = send_burst(word0, word1, sent, count);
        sent += more;
    }
    add(HX_CONSOLE_BYTES, sent);
    add(HX_CONSOLE_WRITES, sent != 0 ? 1 : 0);
    add(HX_CONSOLE_WAITS, waits);
    return sent;
}

/* Without a look at the status: the kernel says when there is nothing. */
static uint64_t take(uint64_t count)
{
    uint64_t taken = 0;
    uint8_t byte;

    while (has_device() && taken < count && receive(&byte)) {
        taken++;
    }
    add(HX_CONSOLE_TAKEN, taken);
    add(HX_CONSOLE_TAKES, taken != 0 ? 1 : 0);
    return taken;
}

static uint64_t number(uint64_t index)
{
    return index < HX_CONSOLE_NUMBERS ? atomic_load_explicit(&numbers[index], memory_order_relaxed)
                                      : 0;
}

static const struct hx_console_operations operations = {
    .write = write, .number = number, .take = take};

/* --- state ------------------------------------------------------------------------------------ */

/* Numbers that who wrote the state need not have had. */
static hx_err get_if_there(uint32_t tag, uint64_t *to, size_t size)
{
    return hx_state_size(tag, 0) != UINT64_MAX ? hx_state_get(tag, 0, to, size) : HX_OK;
}

static hx_err import_state(uint64_t minor)
{
    uint64_t old[HX_CONSOLE_NUMBERS] = {0};
    uint64_t bytes;
    hx_err error = hx_state_get(STATE_BYTES, 0, &bytes, sizeof(bytes));

    (void)minor; /* 1.0 carries the numbers along */
    if (error == HX_OK) {
        error = get_if_there(STATE_NUMBERS, old, SENT_NUMBERS * sizeof(old[0]));
    }
    if (error == HX_OK) {
        error = get_if_there(STATE_TAKEN, &old[HX_CONSOLE_TAKEN], TAKEN_NUMBERS * sizeof(old[0]));
    }
    if (error != HX_OK) {
        return error;
    }
    old[HX_CONSOLE_BYTES] = bytes;
    for (unsigned i = 0; i < HX_CONSOLE_NUMBERS; i++) {
        atomic_store_explicit(&numbers[i], old[i], memory_order_relaxed);
    }
    return HX_OK;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now[HX_CONSOLE_NUMBERS];
    hx_err error;

    (void)minor;
    for (unsigned i = 0; i < HX_CONSOLE_NUMBERS; i++) {
        now[i] = number(i);
    }
    error = hx_state_put(STATE_BYTES, &now[HX_CONSOLE_BYTES], sizeof(now[0]));
    if (error == HX_OK) {
        error = hx_state_put(STATE_NUMBERS | HX_STATE_OPTIONAL, now, SENT_NUMBERS * sizeof(now[0]));
    }
    return error == HX_OK ? hx_state_put(STATE_TAKEN | HX_STATE_OPTIONAL, &now[HX_CONSOLE_TAKEN],
                                         TAKEN_NUMBERS * sizeof(now[0]))
                          : error;
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
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_CONSOLE,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "serial",
};
