/* A demo that dies when it is told to prepare for its end. */
#include <helix/demo.h>
#include <helix/module.h>

static uint64_t nothing(void)
{
    return 0;
}

static const struct hx_demo_operations operations = {.nothing = nothing};

static hx_err prepare_unload(void)
{
    __builtin_trap();
}

static const struct hx_module_lifecycle lifecycle = {
    .prepare_unload = prepare_unload,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "demo_departing",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
};
