#include <base/text.h>
#include <core/kernel/state.h>
#include <helix/attributes.h>
#include <stdint.h>

#define BIT(state) (1U << (state))

/* SPEC K2. A kernel can fail anywhere, so every state but Panic has an edge to Panic. */
static const uint8_t transitions[KERNEL_STATE_COUNT] = {
    [KERNEL_EARLY_BOOT] = BIT(KERNEL_INITIALIZING) | BIT(KERNEL_PANIC),
    [KERNEL_INITIALIZING] = BIT(KERNEL_RUNNING) | BIT(KERNEL_PANIC),
    [KERNEL_RUNNING] = BIT(KERNEL_SHUTTING_DOWN) | BIT(KERNEL_SUSPENDED) | BIT(KERNEL_PANIC),
    [KERNEL_SHUTTING_DOWN] = BIT(KERNEL_PANIC),
    [KERNEL_PANIC] = 0,
    [KERNEL_SUSPENDED] = BIT(KERNEL_RUNNING) | BIT(KERNEL_PANIC),
};

#define STATE_NAME(name, number, text) [name] = text,
static const char *const names[KERNEL_STATE_COUNT] = {KERNEL_STATE_LIST(STATE_NAME)};
#undef STATE_NAME

bool kernel_state_allows(enum kernel_state from, enum kernel_state to)
{
    return (unsigned)from < KERNEL_STATE_COUNT && (unsigned)to < KERNEL_STATE_COUNT &&
           (transitions[from] & BIT(to)) != 0;
}

const char *kernel_state_name(enum kernel_state state)
{
    return (unsigned)state < KERNEL_STATE_COUNT ? names[state] : "?";
}

size_t kernel_state_dot(char *buffer, size_t size)
{
    struct text text = text_into(buffer, size);

    text_add(&text, "digraph kernel_state {\n");
    for (unsigned from = 0; from < KERNEL_STATE_COUNT; from++) {
        for (unsigned to = 0; to < KERNEL_STATE_COUNT; to++) {
            if (kernel_state_allows((enum kernel_state)from, (enum kernel_state)to)) {
                text_add(&text, "    %s -> %s;\n", names[from], names[to]);
            }
        }
    }
    text_add(&text, "}\n");
    return text.length;
}
