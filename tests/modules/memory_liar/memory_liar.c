/* null, zero and full, by a module that lies when it is told to: include/helix/character_lies.h. */
#include <../modules/memory_answers.h>
#include <helix/character_lies.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_TOTAL 1U

static _Atomic uint64_t lie;
static uint64_t total; /* of who was there before; immutable after import */

static uint64_t twist(uint64_t answer, uint64_t size, uint8_t byte)
{
    switch (atomic_load_explicit(&lie, memory_order_relaxed)) {
    case HX_CHARACTER_LIE_OTHER:
        return HX_CHARACTER_ANSWER(size, byte);
    case HX_CHARACTER_LIE_HALF:
        return HX_CHARACTER_ANSWER((size + 1) / 2, 0);
    case HX_CHARACTER_LIE_MORE:
        return HX_CHARACTER_ANSWER(size + 1, 0);
    case HX_CHARACTER_LIE_ERROR:
        return HX_CHARACTER_REFUSAL(0xff);
    case HX_CHARACTER_LIE_BOTH:
        return HX_CHARACTER_REFUSAL(HX_EIO) | HX_CHARACTER_ANSWER(size, 0);
    case HX_CHARACTER_LIE_TRAP:
        __builtin_trap();
    default:
        return answer;
    }
}

static uint64_t read(uint64_t minor, uint64_t size)
{
    return twist(answer_to_read(minor, size), size, HX_CHARACTER_LIE_BYTE);
}

static uint64_t write(uint64_t minor, uint64_t size)
{
    return twist(answer_to_write(minor, size), size, 0);
}

static uint64_t number(uint64_t minor, uint64_t index)
{
    if (minor == HX_CHARACTER_LIE) {
        atomic_store_explicit(&lie, index, memory_order_relaxed);
    }
    return 0;
}

static const struct hx_character_device_operations operations = {
    .read = read,
    .write = write,
    .number = number,
};

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return hx_state_get(STATE_TOTAL, 0, &total, sizeof(total));
}

static hx_err export_state(uint64_t minor)
{
    (void)minor;
    return hx_state_put(STATE_TOTAL, &total, sizeof(total));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "memory_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_CHARACTER,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "memory_devices",
};
