/* Driver of a PC's keyboard: what its codes are as bytes of a terminal. */
#include <../modules/scan_codes.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_MODIFIERS 1U
#define STATE_NUMBERS   2U

/* One call scans at a time; relaxed: read by export_state beside it. */
static _Atomic uint32_t modifiers;
static _Atomic uint64_t numbers[HX_KEYBOARD_NUMBERS];

static uint64_t scan(uint64_t code, uint64_t layout)
{
    uint32_t held = atomic_load_explicit(&modifiers, memory_order_relaxed);
    uint64_t answer = scan_code(&held, code, layout);

    atomic_store_explicit(&modifiers, held, memory_order_relaxed);
    atomic_fetch_add_explicit(&numbers[HX_KEYBOARD_CODES], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&numbers[HX_KEYBOARD_BYTES], HX_KEYBOARD_COUNT(answer),
                              memory_order_relaxed);
    return answer;
}

static uint64_t number(uint64_t index)
{
    return index < HX_KEYBOARD_NUMBERS ? atomic_load_explicit(&numbers[index], memory_order_relaxed)
                                       : 0;
}

static const struct hx_keyboard_operations operations = {.scan = scan, .number = number};

/* --- state ------------------------------------------------------------------------------------ */

static hx_err import_state(uint64_t minor)
{
    uint64_t old[HX_KEYBOARD_NUMBERS];
    uint32_t held;
    hx_err error = hx_state_get(STATE_MODIFIERS, 0, &held, sizeof(held));

    (void)minor;
    if (error == HX_OK) {
        error = hx_state_get(STATE_NUMBERS, 0, old, sizeof(old));
    }
    if (error != HX_OK || (held & ~(uint32_t)SCAN_ALL) != 0) {
        return error != HX_OK ? error : HX_EFORMAT;
    }
    atomic_store_explicit(&modifiers, held, memory_order_relaxed);
    for (unsigned i = 0; i < HX_KEYBOARD_NUMBERS; i++) {
        atomic_store_explicit(&numbers[i], old[i], memory_order_relaxed);
    }
    return HX_OK;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now[HX_KEYBOARD_NUMBERS];
    uint32_t held = atomic_load_explicit(&modifiers, memory_order_relaxed);
    hx_err error = hx_state_put(STATE_MODIFIERS, &held, sizeof(held));

    (void)minor;
    for (unsigned i = 0; i < HX_KEYBOARD_NUMBERS; i++) {
        now[i] = number(i);
    }
    return error == HX_OK ? hx_state_put(STATE_NUMBERS, now, sizeof(now)) : error;
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "ps2_keyboard",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_KEYBOARD,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "keyboard",
};
