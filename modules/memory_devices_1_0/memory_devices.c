/* null, zero and full, version 1.0: counts how often they are used. */
#include <../modules/memory_answers.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_TOTAL 1U

static _Atomic uint64_t total; /* relaxed: a statistic */

static void count(void)
{
    atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
}

static uint64_t read(uint64_t minor, uint64_t size)
{
    count();
    return answer_to_read(minor, size);
}

static uint64_t write(uint64_t minor, uint64_t size)
{
    count();
    return answer_to_write(minor, size);
}

static uint64_t number(uint64_t minor, uint64_t index)
{
    return minor == 0 && index == HX_CHARACTER_CALLS
               ? atomic_load_explicit(&total, memory_order_relaxed)
               : 0;
}

static const struct hx_character_device_operations operations = {
    .read = read,
    .write = write,
    .number = number,
};

static hx_err import_state(uint64_t minor)
{
    uint64_t old;
    hx_err error = hx_state_get(STATE_TOTAL, 0, &old, sizeof(old));

    (void)minor;
    if (error == HX_OK) {
        atomic_store_explicit(&total, old, memory_order_relaxed);
    }
    return error;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now = atomic_load_explicit(&total, memory_order_relaxed);

    (void)minor;
    return hx_state_put(STATE_TOTAL, &now, sizeof(now));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "memory_devices",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_CHARACTER,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "memory_devices",
};
