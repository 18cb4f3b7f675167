/*
 * A successor of modules/demo that can be told when to die, and dies of a number that it cannot
 * bear: for the tests of trials, of migrations and of states that are poison.
 * State minor 1 adds the highest count ever seen, and how many counts were this module's own, as
 * optional records.
 */
#include <helix/demo.h>
#include <helix/module.h>

#define STATE_COUNTER 1U
#define STATE_PEAK    2U
#define STATE_OWN     3U

static _Atomic uint64_t counter;
static uint64_t peak;
static _Atomic uint64_t own; /* counts made here, also before the state came to this instance */
static uint64_t fuse;        /* die in that call of count from now on; 0: in none */
static hx_err health;

/* What of its life it has been through, a decimal digit each. */
static uint64_t life;

static void note(enum demo_life step)
{
    life = life * 10 + step;
}

/* Not a sum when a is one of DEMO_FRAGILE_…: it is set, or told, then. */
static uint64_t add(uint64_t a, uint64_t b)
{
    if (a == DEMO_FRAGILE_FUSE) {
        fuse = b;
    } else if (a == DEMO_FRAGILE_HEALTH) {
        health = (hx_err)b;
    } else if (a == DEMO_FRAGILE_LIFE) {
        return life;
    }
    return a + b;
}

static uint64_t count(void)
{
    uint64_t number = ++counter;
    uint64_t own_number = ++own;

    if ((fuse != 0 && --fuse == 0) ||
        (number == DEMO_FRAGILE_POISON && own_number == DEMO_FRAGILE_POISON)) {
        __builtin_trap();
    }
    peak = number > peak ? number : peak;
    return number;
}

/* Whoever may have effects now would be heard. */
static hx_err init(void)
{
    note(DEMO_LIFE_INIT);
    return hx_log("", 0) == HX_ESTATE ? HX_OK : HX_EPERM;
}

static hx_err activate(void)
{
    note(DEMO_LIFE_ACTIVATE);
    return HX_OK;
}

static hx_err prepare_unload(void)
{
    note(DEMO_LIFE_PREPARE_UNLOAD);
    return HX_OK;
}

static hx_err cancel_unload(void)
{
    note(DEMO_LIFE_CANCEL_UNLOAD);
    return HX_OK;
}

static hx_err can_unload(void)
{
    note(DEMO_LIFE_CAN_UNLOAD);
    return HX_OK;
}

static hx_err import_state(uint64_t minor)
{
    uint64_t had_peak = 0;
    hx_err error = hx_state_get(STATE_COUNTER, 0, &counter, sizeof(counter));

    note(DEMO_LIFE_IMPORT_STATE);
    if (error == HX_OK && minor >= 1 && hx_state_size(STATE_PEAK, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_PEAK, 0, &had_peak, sizeof(had_peak));
    }
    if (error == HX_OK && minor >= 1 && hx_state_size(STATE_OWN, 0) != UINT64_MAX) {
        error = hx_state_get(STATE_OWN, 0, &own, sizeof(own));
    }
    peak = had_peak > counter ? had_peak : counter;
    return error;
}

static hx_err export_state(uint64_t minor)
{
    hx_err error = hx_state_put(STATE_COUNTER, &counter, sizeof(counter));

    note(DEMO_LIFE_EXPORT_STATE);
    if (error == HX_OK && minor >= 1) {
        error = hx_state_put(STATE_PEAK | HX_STATE_OPTIONAL, &peak, sizeof(peak));
    }
    if (error == HX_OK && minor >= 1) {
        error = hx_state_put(STATE_OWN | HX_STATE_OPTIONAL, &own, sizeof(own));
    }
    return error;
}

static hx_err check_health(void)
{
    return health;
}

static const struct hx_demo_operations operations = {.add = add, .count = count};

static const struct hx_module_lifecycle lifecycle = {
    .init = init,
    .import_state = import_state,
    .activate = activate,
    .prepare_unload = prepare_unload,
    .cancel_unload = cancel_unload,
    .export_state = export_state,
    .can_unload = can_unload,
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
