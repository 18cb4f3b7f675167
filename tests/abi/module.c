/* The module of the corpus: it names what it imports, and calls nothing. */
#include <helix/demo.h>
#include <helix/module.h>

static uint64_t nothing(void)
{
    return 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a + b;
}

const void *const imports[] = {(const void *)hx_clock_now, (const void *)hx_log,
                               (const void *)hx_state_put};

static const struct hx_demo_operations operations = {.nothing = nothing, .add = add};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "demo",
    .version = {.major = 1},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
};
