/*
 * ext2, version 1.1.0: of each group it is known where its first free block may be. State minor 1
 * adds that, as an optional record: 1.0.0 does without.
 */
#include <../modules/ext2/hint.h>
#include <../modules/ext2/operations.h>
#include <../modules/ext2/state.h>
#include <../modules/ext2/volume.h>
#include <helix/module.h>

#define STATE_HINTS 3U
#define GROUPS_MAX  4096U /* of those behind them nothing is known */

static uint32_t firsts[GROUPS_MAX];

uint32_t hint_first_free(uint32_t group)
{
    return group < GROUPS_MAX ? firsts[group] : 0;
}

void hint_found(uint32_t group, uint32_t bit)
{
    if (group < GROUPS_MAX) {
        firsts[group] = bit;
    }
}

void hint_freed(uint32_t group, uint32_t bit)
{
    if (group < GROUPS_MAX && bit < firsts[group]) {
        firsts[group] = bit;
    }
}

void hint_forget(void)
{
    __builtin_memset(firsts, 0, sizeof(firsts));
}

/* Whatever the numbers are: a wrong hint costs no more than time. */
static hx_err import_state(uint64_t minor)
{
    hx_err error = state_import();
    uint64_t size = minor >= 1 ? hx_state_size(STATE_HINTS, 0) : UINT64_MAX;

    if (error != HX_OK || size == UINT64_MAX) {
        return error;
    }
    return size <= sizeof(firsts) ? hx_state_get(STATE_HINTS, 0, firsts, size) : HX_EFORMAT;
}

static hx_err export_state(uint64_t minor)
{
    uint32_t groups = volume.groups < GROUPS_MAX ? volume.groups : GROUPS_MAX;
    hx_err error = state_export();

    return error == HX_OK && minor >= 1
               ? hx_state_put(STATE_HINTS | HX_STATE_OPTIONAL, firsts, groups * sizeof(firsts[0]))
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
    .name = "ext2_hints",
    .version = {.major = 1, .minor = 1, .patch = 0},
    .category = HX_CATEGORY_FILE_SYSTEM,
    .operations_size = sizeof(struct hx_file_system_operations),
    .operations = &ext2_operations,
    .lifecycle = &lifecycle,
    .state_kind = "ext2",
};
