/* A source of entropy that always gives the same, and lies when it is told to. */
#include <helix/entropy.h>
#include <helix/module.h>
#include <stdatomic.h>

static _Atomic uint64_t lie;
static _Atomic uint64_t draws;

static uint64_t look(void)
{
    return atomic_load_explicit(&lie, memory_order_relaxed);
}

static uint64_t draw(void)
{
    if (look() == HX_ENTROPY_LIE_TRAP) {
        __builtin_trap();
    }
    atomic_fetch_add_explicit(&draws, 1, memory_order_relaxed);
    return 0;
}

static uint64_t quality(void)
{
    switch (look()) {
    case HX_ENTROPY_LIE_BROKEN:
        return 0;
    case HX_ENTROPY_LIE_TOO_GOOD:
        return HX_ENTROPY_BITS_MAX + 1;
    default:
        return 1;
    }
}

static uint64_t number(uint64_t index)
{
    if ((index & HX_ENTROPY_LIE) != 0) {
        atomic_store_explicit(&lie, index & ~(uint64_t)HX_ENTROPY_LIE, memory_order_relaxed);
    }
    return index == HX_ENTROPY_DRAWS ? atomic_load_explicit(&draws, memory_order_relaxed) : 0;
}

static const struct hx_entropy_operations operations = {
    .draw = draw,
    .quality = quality,
    .number = number,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "entropy_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_ENTROPY,
    .operations_size = sizeof(operations),
    .operations = &operations,
};
