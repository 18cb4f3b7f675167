/*
 * ext2 that dies in the middle of a call, once it has taken or given back a few blocks: for the
 * tests of trials and of healing. After how many depends on the first one's number, and on the
 * time: who makes the call again is not to die at the same place for ever.
 */
#include <../modules/ext2/hint.h>
#include <../modules/ext2/operations.h>
#include <../modules/ext2/state.h>
#include <helix/module.h>

#define FUSE_MAX    8U
#define CLOCK_SHIFT 10 /* about a microsecond */

static uint32_t fuse; /* the kernel makes one call at a time */

uint32_t hint_first_free(uint32_t group)
{
    (void)group;
    return 0;
}

static void pass(uint32_t bit)
{
    if (fuse == 0) {
        fuse = 1 + (uint32_t)((bit + (hx_clock_now() >> CLOCK_SHIFT)) % FUSE_MAX);
    } else if (--fuse == 0) {
        __builtin_trap();
    }
}

void hint_found(uint32_t group, uint32_t bit)
{
    (void)group;
    pass(bit);
}

void hint_freed(uint32_t group, uint32_t bit)
{
    (void)group;
    pass(bit);
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
    .name = "ext2_fragile",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_FILE_SYSTEM,
    .operations_size = sizeof(struct hx_file_system_operations),
    .operations = &ext2_operations,
    .lifecycle = &lifecycle,
    .state_kind = "ext2",
};
