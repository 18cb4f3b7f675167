/*
 * A demo in a file of 64 KiB: for measurements of what loading costs, and of what does not depend
 * on a module's size. It counts, as the demo does, and has its state; the rest of it is there to be
 * copied and relocated: code that calls each other, constants, data with addresses in it.
 */
#include <helix/demo.h>
#include <helix/module.h>

#define STATE_COUNTER 1

static _Atomic uint64_t counter;

/* X(number), 256 times */
#define TIMES_4(X, n)  X(n##0) X(n##1) X(n##2) X(n##3)
#define TIMES_16(X, n) TIMES_4(X, n##0) TIMES_4(X, n##1) TIMES_4(X, n##2) TIMES_4(X, n##3)
#define TIMES_64(X, n) TIMES_16(X, n##0) TIMES_16(X, n##1) TIMES_16(X, n##2) TIMES_16(X, n##3)
#define TIMES_256(X)   TIMES_64(X, 0) TIMES_64(X, 1) TIMES_64(X, 2) TIMES_64(X, 3)

/* Some sixty bytes of code each, one call in it. */
static __attribute__((noinline)) uint64_t mix(uint64_t value, uint64_t constant)
{
    return (value ^ constant) * 0x9e3779b97f4a7c15ULL >> 7;
}

#define STEP(n)                                                                                    \
    static uint64_t step_##n(uint64_t value)                                                       \
    {                                                                                              \
        value = mix(value, 0x100##n##ULL);                                                         \
        value = value << 13 | (value >> 51 ^ 0x7f4a7c15##n##ULL);                                  \
        return value + counter;                                                                    \
    }
TIMES_256(STEP)

#define STEP_ADDRESS(n) step_##n,
static uint64_t (*steps[])(uint64_t) = {TIMES_256(STEP_ADDRESS)};

#define CONSTANTS 1297U
static const uint64_t constants[CONSTANTS] = {1, 2, 3, [CONSTANTS - 1] = 4};

static uint64_t nothing(void)
{
    return 0;
}

/* Goes through all of it, so that none of it is left out. */
static uint64_t add(uint64_t a, uint64_t b)
{
    return steps[a % (sizeof(steps) / sizeof(steps[0]))](constants[b % CONSTANTS]);
}

static uint64_t count(void)
{
    return ++counter;
}

static const struct hx_demo_operations operations = {
    .nothing = nothing,
    .add = add,
    .count = count,
};

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return hx_state_get(STATE_COUNTER, 0, &counter, sizeof(counter));
}

static hx_err export_state(uint64_t minor)
{
    (void)minor;
    return hx_state_put(STATE_COUNTER, &counter, sizeof(counter));
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "demo_large",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "demo",
};
