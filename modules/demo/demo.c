/*
 * A module that does what it is told, good or bad: for the tour, the tests and the measurements of
 * the gate. include/helix/demo.h lists its operations.
 */
#include <helix/demo.h>
#include <helix/module.h>

static uint64_t counter;

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

static uint64_t say(void)
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

static uint64_t log_from(uint64_t address)
{
    return hx_log((const char *)address, 16);
}

static uint64_t clock_difference(void)
{
    uint64_t before = hx_clock_now();

    return hx_clock_now() - before;
}

static const uintptr_t operations[] = {
    [DEMO_NOTHING] = (uintptr_t)nothing,
    [DEMO_ADD] = (uintptr_t)add,
    [DEMO_COUNT] = (uintptr_t)count,
    [DEMO_SAY] = (uintptr_t)say,
    [DEMO_WILD_WRITE] = (uintptr_t)wild_write,
    [DEMO_WILD_READ] = (uintptr_t)wild_read,
    [DEMO_WILD_JUMP] = (uintptr_t)wild_jump,
    [DEMO_DIVIDE] = (uintptr_t)divide,
    [DEMO_INTERRUPTS_OFF] = (uintptr_t)interrupts_off,
    [DEMO_ENDLESS_LOOP] = (uintptr_t)endless_loop,
    [DEMO_DEEP] = (uintptr_t)deep,
    [DEMO_ILLEGAL] = (uintptr_t)illegal,
    [DEMO_GIVE_UP] = (uintptr_t)give_up,
    [DEMO_LOG_FROM] = (uintptr_t)log_from,
    [DEMO_CLOCK] = (uintptr_t)clock_difference,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "demo",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .operations = operations,
    .operation_count = sizeof(operations) / sizeof(operations[0]),
};
