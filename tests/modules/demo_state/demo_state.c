/*
 * A demo whose state has 4 KiB: for the measurement of what a checkpoint costs. Each call of count
 * changes it.
 */
#include <helix/demo.h>
#include <helix/module.h>

#define STATE_COUNTER 1U
#define STATE_LEDGER  3U /* 2 is another demo's */

/* With the headers of the state and of its two records, 4,096 bytes. */
#define LEDGER_SIZE 502U

static uint64_t counter;
static uint64_t ledger[LEDGER_SIZE];

static uint64_t nothing(void)
{
    return 0;
}

static uint64_t count(void)
{
    counter++;
    ledger[counter % LEDGER_SIZE] = counter;
    return counter;
}

static const struct hx_demo_operations operations = {.nothing = nothing, .count = count};

static hx_err import_state(uint64_t minor)
{
    hx_err error = hx_state_get(STATE_COUNTER, 0, &counter, sizeof(counter));

    (void)minor;
    if (error == HX_OK && hx_state_size(STATE_LEDGER, 0) == sizeof(ledger)) {
        error = hx_state_get(STATE_LEDGER, 0, ledger, sizeof(ledger));
    }
    return error;
}

static hx_err export_state(uint64_t minor)
{
    hx_err error = hx_state_put(STATE_COUNTER, &counter, sizeof(counter));

    (void)minor;
    return error == HX_OK ? hx_state_put(STATE_LEDGER | HX_STATE_OPTIONAL, ledger, sizeof(ledger))
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
    .name = "demo_state",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "demo",
};
