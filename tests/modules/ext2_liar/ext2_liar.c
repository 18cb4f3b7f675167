/* ext2 that answers some reads with errors that there are none of, or with other bytes: for the
 * tests of doubt, and of witnesses. */
#include <../modules/ext2/hint.h>
#include <../modules/ext2/operations.h>
#include <../modules/ext2/state.h>
#include <../modules/ext2/volume.h>
#include <helix/file_system_lies.h>
#include <helix/module.h>

#define NO_ERROR 0x7fffU /* beyond all that are */

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

/* --- operations ------------------------------------------------------------------------------- */

static hx_err mount(uint64_t flags, uint64_t loan)
{
    return ext2_operations.mount(flags, loan);
}

static hx_err unmount(void)
{
    return ext2_operations.unmount();
}

static hx_err numbers(uint64_t loan)
{
    return ext2_operations.numbers(loan);
}

static hx_err attributes(uint64_t number, uint64_t loan)
{
    return ext2_operations.attributes(number, loan);
}

static hx_err set(uint64_t number, uint64_t loan)
{
    return ext2_operations.set(number, loan);
}

static hx_err read(uint64_t number, uint64_t offset, uint64_t loan, uint64_t size)
{
    switch (offset) {
    case HX_FILE_SYSTEM_LIE_FOREIGN:
        return HX_EBADF;
    case HX_FILE_SYSTEM_LIE_BROKEN:
        return HX_EIO;
    case HX_FILE_SYSTEM_LIE_UNTOLD:
        return HX_ESTATE;
    case HX_FILE_SYSTEM_LIE_MADE_UP:
        return (hx_err)NO_ERROR;
    case HX_FILE_SYSTEM_LIE_BYTES:
        return ext2_read(number, 0, loan, size);
    default:
        return ext2_read(number, offset, loan, size);
    }
}

static const struct hx_file_system_operations operations = {
    .mount = mount,
    .unmount = unmount,
    .sync = volume_set_in_order,
    .numbers = numbers,
    .attributes = attributes,
    .set = set,
    .lookup = ext2_lookup,
    .make = ext2_make,
    .link = ext2_link,
    .unlink = ext2_unlink,
    .rename = ext2_rename,
    .list = ext2_list,
    .read = read,
    .write = ext2_write,
    .resize = ext2_resize,
    .read_link = ext2_read_link,
    .forget = ext2_forget,
};

/* --- state ------------------------------------------------------------------------------------ */

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
    .name = "ext2_liar",
    .version = {.major = 1, .minor = 0, .patch = 0},
    .category = HX_CATEGORY_FILE_SYSTEM,
    .operations_size = sizeof(operations),
    .operations = &operations,
    .lifecycle = &lifecycle,
    .state_kind = "ext2",
};
