/*
 * A module that does what it is told, good or bad: for the tour, the tests and the measurements of
 * the gate. include/helix/demo.h lists its operations.
 */
#include <helix/demo.h>
#include <helix/loan.h>
#include <helix/module.h>

#define STATE_COUNTER 1

static _Atomic uint64_t counter;

static uint64_t nothing(void)
{
    return 0;
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a + b;
}

static uint64_t count(void)
{
    return ++counter;
}

static hx_err say(void)
{
    static const char text[] = "hello from a module";

    return hx_log(text, sizeof(text) - 1);
}

static uint64_t wild_write(uint64_t address)
{
    *(volatile uint64_t *)address = 0x6b6f6f6b6f6f6b21;
    return 0;
}

static uint64_t wild_read(uint64_t address)
{
    return *(volatile uint64_t *)address;
}

static uint64_t wild_jump(uint64_t address)
{
    return ((uint64_t(*)(void))address)();
}

static uint64_t divide(uint64_t a, uint64_t b)
{
    return a / b;
}

static uint64_t interrupts_off(void)
{
    __asm__ volatile("cli");
    return 0;
}

static uint64_t endless_loop(void)
{
    for (;;) {
        __asm__ volatile("");
    }
}

static uint64_t uninterruptible(void)
{
    (void)interrupts_off();
    return endless_loop();
}

static uint64_t deep(uint64_t level)
{
    volatile char frame[512];

    frame[0] = (char)level;
    return level == 0 ? 0 : deep(level - 1) + (uint64_t)frame[0];
}

static uint64_t illegal(void)
{
    __asm__ volatile("ud2");
    return 0;
}

static uint64_t give_up(void)
{
    static const char text[] = "demo: asked to give up";

    hx_fail(text, sizeof(text) - 1);
}

static hx_err log_from(uint64_t address)
{
    return hx_log((const char *)address, 16);
}

static uint64_t clock_difference(void)
{
    uint64_t before = hx_clock_now();

    return hx_clock_now() - before;
}

static hx_err sleep_for(uint64_t ns)
{
    hx_err error = hx_sleep(ns);

    __asm__ volatile(""); /* not its last deed, so that it is on the stack meanwhile */
    return error;
}

static uint64_t spin(uint64_t ns)
{
    uint64_t start = hx_clock_now();
    uint64_t passed;

    do {
        passed = hx_clock_now() - start;
    } while (passed < ns);
    return passed;
}

static hx_err reverse(uint64_t loan, uint64_t offset, uint64_t size)
{
    uint8_t bytes[64];
    uint8_t reversed[64];
    hx_err error = size <= sizeof(bytes) ? hx_loan_read(loan, offset, bytes, size) : HX_ERANGE;

    for (uint64_t i = 0; error == HX_OK && i < size; i++) {
        reversed[i] = bytes[size - 1 - i];
    }
    return error == HX_OK ? hx_loan_write(loan, offset, reversed, size) : error;
}

static const struct hx_demo_operations operations = {
    .nothing = nothing,
    .add = add,
    .count = count,
    .say = say,
    .wild_write = wild_write,
    .wild_read = wild_read,
    .wild_jump = wild_jump,
    .divide = divide,
    .interrupts_off = interrupts_off,
    .endless_loop = endless_loop,
    .deep = deep,
    .illegal = illegal,
    .give_up = give_up,
    .log_from = log_from,
    .clock = clock_difference,
    .sleep = sleep_for,
    .reverse = reverse,
    .spin = spin,
    .uninterruptible = uninterruptible,
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
    .name = "demo",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_DEMO,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "demo",
};
