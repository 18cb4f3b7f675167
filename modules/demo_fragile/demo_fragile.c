/*
 * A successor of modules/demo that can be told when to die: for the tests of trials and migrations.
 * State minor 1 adds the highest count ever seen, as an optional record.
 */
#include <helix/demo.h>
#include <helix/module.h>

#define STATE_COUNTER 1U
#define STATE_PEAK    2U

static uint64_t counter;
static uint64_t peak;
static uint64_t fuse; /* die in that call of count from now on; 0: in none */
static hx_err health;

/* Not a sum when a is DEMO_FRAGILE_FUSE or DEMO_FRAGILE_HEALTH: it is set then. */
static uint64_t add(uint64_t a, uint64_t b)
{
    if (a == DEMO_FRAGILE_FUSE) {
        fuse = b;
    } else if (a == DEMO_FRAGILE_HEALTH) {
        health = (hx_err)b;
    }
    return a + b;
}

static uint64_t count(void)
{
    counter++;
    if (fuse != 0 && --fuse == 0) {
        __builtin_trap();
    }
    peak = counter > peak ? counter : peak;
    return counter;
}

static hx_err import_state(uint64_t minor)
{
    uint64_t had_peak = 0;
    hx_err error = hx_state_get(STATE_COUNTER, 0, &counter, sizeof(counter));

    if (error == HX_OK && minor >= 1 && hx_state_size(STATE_PEAK, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_PEAK, 0, &had_peak, sizeof(had_peak));
    }
    peak = had_peak > counter ? had_peak : counter;
    return error;
}

static hx_err export_state(uint64_t minor)
{
    hx_err error = hx_state_put(STATE_COUNTER, &counter, sizeof(counter));

    if (error == HX_OK && minor >= 1) {
        error = hx_state_put(STATE_PEAK | HX_STATE_OPTIONAL, &peak, sizeof(peak));
    }
    return error;
}

static hx_err check_health(void)
{
    return health;
}

static const struct hx_demo_operations operations = {.add = add, .count = count};

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
    .check_health = check_health,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "demo_fragile",
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "demo",
};
