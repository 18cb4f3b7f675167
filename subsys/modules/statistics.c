/* What modules count, by name. */
#include <core/gate/gate.h>
#include <helix/attributes.h>
#include <helix/block.h>
#include <helix/console.h>
#include <helix/keyboard.h>
#include <helix/scheduler.h>
#include <helix/screen.h>
#include <subsys/modules/modules.h>

static const char *const scheduler_numbers[HX_SCHEDULER_STATISTICS] = {
    [HX_SCHEDULER_PICKS] = "picks",
    [HX_SCHEDULER_STEALS] = "steals",
    [HX_SCHEDULER_PREEMPTIONS] = "preemptions",
    [HX_SCHEDULER_TURNS] = "turns_ended",
    [HX_SCHEDULER_LONGEST] = "longest_queue",
};

static const char *const block_numbers[HX_BLOCK_NUMBERS] = {
    [HX_BLOCK_READS] = "reads",
    [HX_BLOCK_WRITES] = "writes",
    [HX_BLOCK_FLUSHES] = "flushes",
    [HX_BLOCK_BYTES_READ] = "bytes_read",
    [HX_BLOCK_BYTES_WRITTEN] = "bytes_written",
    [HX_BLOCK_FAILED] = "failed",
    [HX_BLOCK_MOST] = "most_under_way",
};

static const char *const console_numbers[HX_CONSOLE_NUMBERS] = {
    [HX_CONSOLE_BYTES] = "bytes_sent", [HX_CONSOLE_WRITES] = "writes",
    [HX_CONSOLE_WAITS] = "waits",      [HX_CONSOLE_TAKEN] = "bytes_taken",
    [HX_CONSOLE_TAKES] = "takes",
};

static const char *const screen_numbers[HX_SCREEN_NUMBERS] = {
    [HX_SCREEN_CELLS] = "cells_drawn",
    [HX_SCREEN_CALLS] = "calls",
};

static const char *const keyboard_numbers[HX_KEYBOARD_NUMBERS] = {
    [HX_KEYBOARD_CODES] = "codes",
    [HX_KEYBOARD_BYTES] = "bytes",
};

/* Categories whose modules have an operation that tells a number by its index. */
static const struct counting_category {
    uint32_t number;
    uint32_t operation;
    const char *const *names;
    uint32_t count;
} counting_categories[] = {
    {HX_CATEGORY_SCHEDULER, SCHEDULER_NUMBER, scheduler_numbers, HX_SCHEDULER_STATISTICS},
    {HX_CATEGORY_BLOCK, BLOCK_NUMBER, block_numbers, HX_BLOCK_NUMBERS},
    {HX_CATEGORY_CONSOLE, CONSOLE_NUMBER, console_numbers, HX_CONSOLE_NUMBERS},
    {HX_CATEGORY_SCREEN, SCREEN_NUMBER, screen_numbers, HX_SCREEN_NUMBERS},
    {HX_CATEGORY_KEYBOARD, KEYBOARD_NUMBER, keyboard_numbers, HX_KEYBOARD_NUMBERS},
};

static const struct counting_category *counting_category_of(const struct slot *slot)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(counting_categories); i++) {
        if (counting_categories[i].number == (uint32_t)slot->category->number) {
            return &counting_categories[i];
        }
    }
    return NULL;
}

bool modules_statistic_at(struct slot *slot, uint32_t index, const char **name, uint64_t *value)
{
    const struct counting_category *category = counting_category_of(slot);
    struct hal_gate_result result;

    if (category == NULL || index >= category->count) {
        return false;
    }
    result = gate_call(slot, category->operation, index, 0, 0, 0);
    *name = category->names[index];
    *value = result.value;
    return result.error == HX_OK;
}

uint64_t modules_waiting_at(struct slot *slot, uint32_t cpu)
{
    return gate_call(slot, SCHEDULER_LENGTH, cpu, 0, 0, 0).value;
}
