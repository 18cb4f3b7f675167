/*
 * ext2, version 1.0.0: a search for a free block begins at the beginning of the group, or behind
 * the block before it.
 */
#include <../modules/ext2/hint.h>
#include <../modules/ext2/operations.h>
#include <../modules/ext2/state.h>
#include <helix/module.h>

uint32_t hint_first_free(uint32_t group)
{
    (void)group;
    return 0;
}

void hint_found(uint32_t group, uint32_t bit)
{
    (void)group;
    (void)bit;
}

void hint_freed(uint32_t group, uint32_t bit)
{
    (void)group;
    (void)bit;
}

void hint_forget(void)
{
}

static hx_err import_state(uint64_t minor)
{
    (void)minor;
    return state_import();
}

static hx_err export_state(uint64_t minor)
{
    (void)minor;
    return state_export();
}

static const struct hx_module_lifecycle lifecycle = {
    .import_state = import_state,
    .export_state = export_state,
};

const struct hx_module_descriptor hx_module = {
    .magic = HX_MODULE_MAGIC,
    .abi = HX_MODULE_ABI,
    .size = sizeof(struct hx_module_descriptor),
    .name = "ext2",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_FILE_SYSTEM,
    .operations_size = sizeof(struct hx_file_system_operations),
    .operations = &ext2_operations,
    .lifecycle = &lifecycle,
    .state_kind = "ext2",
};
