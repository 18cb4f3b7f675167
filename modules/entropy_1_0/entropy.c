/* A source of entropy, version 1.0: what the processor gives. */
#include <../modules/entropy_health.h>
#include <helix/entropy.h>
#include <helix/module.h>
#include <stdatomic.h>

#define STATE_DRAWS 1U

static _Atomic uint64_t draws; /* relaxed: a statistic */

static uint64_t draw(void)
{
    atomic_fetch_add_explicit(&draws, 1, memory_order_relaxed);
    return hx_cpu_entropy();
}

static uint64_t quality(void)
{
    return WORD_ENTROPY;
}

static uint64_t number(uint64_t index)
{
    return index == HX_ENTROPY_DRAWS ? atomic_load_explicit(&draws, memory_order_relaxed) : 0;
}

static const struct hx_entropy_operations operations = {
    .draw = draw,
    .quality = quality,
    .number = number,
};

static hx_err import_state(uint64_t minor)
{
    uint64_t old;
    hx_err error = hx_state_get(STATE_DRAWS, 0, &old, sizeof(old));

    (void)minor;
    if (error == HX_OK) {
        atomic_store_explicit(&draws, old, memory_order_relaxed);
    }
    return error;
}

static hx_err export_state(uint64_t minor)
{
    uint64_t now = atomic_load_explicit(&draws, memory_order_relaxed);

    (void)minor;
    return hx_state_put(STATE_DRAWS, &now, sizeof(now));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "entropy",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_ENTROPY,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "entropy",
};
