/* The operations on the whole, and the table of all of them. */
#include <../modules/ext2/inode.h>
#include <../modules/ext2/operations.h>
#include <../modules/ext2/state.h>
#include <helix/loan.h>

static hx_err tell_root(uint64_t loan)
{
    struct hx_file_system_mounted mounted;
    struct inode root;
    hx_err error = inode_read(ROOT_INODE, &root);

    if (error != HX_OK) {
        return error;
    }
    inode_tell(ROOT_INODE, &root, &mounted.root);
    mounted.flags = (volume.is_read_only ? HX_FILE_SYSTEM_READ_ONLY : 0) |
                    (volume.was_in_order ? (uint64_t)HX_FILE_SYSTEM_IN_ORDER : 0);
    return hx_loan_write(loan, 0, &mounted, sizeof(mounted));
}

static hx_err mount(uint64_t flags, uint64_t loan)
{
    hx_err error = volume_mount(flags);

    if (error == HX_OK) {
        error = tell_root(loan);
    }
    volume.is_mounted = error == HX_OK;
    return error;
}

static hx_err unmount(void)
{
    hx_err error = volume_ready();

    if (error == HX_OK) {
        state_report();
    }
    volume.is_mounted = false;
    return error;
}

static hx_err numbers(uint64_t loan)
{
    struct hx_file_system_numbers told;
    hx_err error = volume_ready();

    if (error == HX_OK) {
        error = volume_numbers(&told);
    }
    return error == HX_OK ? hx_loan_write(loan, 0, &told, sizeof(told)) : error;
}

static hx_err attributes(uint64_t number, uint64_t loan)
{
    struct hx_file_attributes told;
    struct inode inode;
    hx_err error = volume_ready();

    if (error == HX_OK) {
        error = inode_read(number, &inode);
    }
    if (error != HX_OK) {
        return error;
    }
    inode_tell(number, &inode, &told);
    return hx_loan_write(loan, 0, &told, sizeof(told));
}

static hx_err set(uint64_t number, uint64_t loan)
{
    struct hx_file_attributes wanted;
    struct inode inode;
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = hx_loan_read(loan, 0, &wanted, sizeof(wanted));
    }
    if (error == HX_OK) {
        error = inode_read(number, &inode);
    }
    if (error != HX_OK) {
        return error;
    }
    inode.mode = (uint16_t)((inode.mode & ~MODE_PERMISSIONS) | (wanted.mode & MODE_PERMISSIONS));
    inode_set_owner(&inode, wanted.user, wanted.group);
    inode.accessed = inode_time(wanted.accessed);
    inode.modified = inode_time(wanted.modified);
    inode.changed = inode_time(wanted.changed);
    return inode_write(number, &inode);
}

const struct hx_file_system_operations ext2_operations = {
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
    .read = ext2_read,
    .write = ext2_write,
    .resize = ext2_resize,
    .read_link = ext2_read_link,
    .forget = ext2_forget,
};
