/* The beginning and the end of files. */
#include <../modules/ext2/count.h>
#include <../modules/ext2/directory.h>
#include <../modules/ext2/names.h>
#include <../modules/ext2/operations.h>
#include <helix/disk.h>
#include <helix/loan.h>

/* --- making ----------------------------------------------------------------------------------- */

static void begin_inode(struct inode *inode, const struct hx_file_making *making)
{
    uint32_t now = inode_time(making->now);

    *inode = (struct inode){
        .mode = (uint16_t)(making->type << MODE_TYPE_SHIFT | (making->mode & MODE_PERMISSIONS)),
        .accessed = now,
        .changed = now,
        .modified = now,
        .links = making->type == HX_FILE_DIRECTORY ? 2 : 1,
        .generation = (uint32_t)making->now,
    };
    inode_set_owner(inode, making->user, making->group);
}

/* A short one stands where pointers would, a longer one in a block. */
static hx_err put_target(uint32_t number, struct inode *inode, uint64_t texts,
                         const struct hx_file_making *making)
{
    static uint8_t target[BLOCK_SIZE_MAX];
    uint32_t length = making->target_length;
    uint32_t block;
    bool is_new;
    hx_err error;

    if (length >= volume.block_size || length == 0) {
        return HX_ENAMETOOLONG;
    }
    __builtin_memset(target, 0, sizeof(target));
    error = hx_loan_read(texts, making->name_length, target, length);
    if (error == HX_OK && length <= FAST_TARGET_MAX) {
        __builtin_memcpy(inode->pointers, target, length);
    } else if (error == HX_OK) {
        error = map_make(number, inode, 0, &block, &is_new);
        error = error == HX_OK ? hx_disk_write(offset_of_block(block), target, volume.block_size)
                               : error;
    }
    return error == HX_OK ? inode_set_size(inode, length) : error;
}

static hx_err put_contents(uint32_t number, struct inode *inode, uint32_t parent, uint64_t texts,
                           const struct hx_file_making *making)
{
    switch (making->type) {
    case HX_FILE_DIRECTORY:
        return directory_create(number, inode, parent);
    case HX_FILE_SYMLINK:
        return put_target(number, inode, texts, making);
    case HX_FILE_CHARACTER:
    case HX_FILE_BLOCK:
        inode_set_device(inode, making->device);
        return HX_OK;
    default:
        return HX_OK;
    }
}

static hx_err make_inode(uint32_t parent, uint64_t texts, const struct hx_file_making *making,
                         uint32_t *number, struct inode *inode)
{
    hx_err error = inode_allocate(parent, making->type == HX_FILE_DIRECTORY, number);

    if (error == HX_OK) {
        begin_inode(inode, making);
        error = put_contents(*number, inode, parent, texts, making);
    }
    return error == HX_OK ? inode_create(*number, inode) : error;
}

static hx_err make_named(uint32_t directory, uint64_t texts, const struct hx_file_making *making,
                         uint64_t attributes_loan)
{
    struct hx_file_attributes attributes;
    char name[HX_FILE_NAME_MAX];
    struct inode inode;
    uint32_t number;
    hx_err error = name_take(texts, 0, making->name_length, name);

    if (error == HX_OK) {
        error = make_inode(directory, texts, making, &number, &inode);
    }
    if (error == HX_OK) {
        error = directory_add(directory, name, making->name_length, number, making->type);
    }
    if (error == HX_OK && making->type == HX_FILE_DIRECTORY) {
        error = links_add(directory, 1);
    }
    if (error != HX_OK) {
        return error;
    }
    inode_tell(number, &inode, &attributes);
    return hx_loan_write(attributes_loan, 0, &attributes, sizeof(attributes));
}

hx_err ext2_make(uint64_t directory, uint64_t making_loan, uint64_t texts, uint64_t attributes)
{
    struct hx_file_making making;
    struct inode parent;
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = hx_loan_read(making_loan, 0, &making, sizeof(making));
    }
    if (error == HX_OK) {
        error = directory_read(directory, &parent);
    }
    count_operation(COUNT_NAMES);
    return error == HX_OK ? make_named((uint32_t)directory, texts, &making, attributes) : error;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* The block of attributes that other programs gave it, which others may share. */
static hx_err drop_attributes(struct inode *inode)
{
    struct attribute_head head;
    uint32_t block = inode->attribute_block;
    hx_err error;

    if (block == 0) {
        return HX_OK;
    }
    inode->attribute_block = 0;
    inode->sectors -= volume.block_size / 512;
    error = is_block(block) ? hx_disk_read(offset_of_block(block), &head, sizeof(head)) : HX_EIO;
    if (error != HX_OK || head.references <= 1) {
        return error == HX_OK ? block_free(block) : error;
    }
    head.references--;
    return hx_disk_write(offset_of_block(block), &head, sizeof(head));
}

static bool has_blocks(const struct inode *inode)
{
    switch (inode_type(inode)) {
    case HX_FILE_REGULAR:
    case HX_FILE_DIRECTORY:
        return true;
    case HX_FILE_SYMLINK:
        return !inode_is_fast_link(inode);
    default:
        return false;
    }
}

static hx_err end_inode(uint32_t number, struct inode *inode, uint64_t now)
{
    hx_err error = drop_attributes(inode);

    inode->deleted = inode_time(now);
    if (error == HX_OK) {
        error = inode_write(number, inode);
    }
    return error == HX_OK ? inode_free(number, inode_type(inode) == HX_FILE_DIRECTORY) : error;
}

/* An inode that is in use and has no names; what is free already was freed by the same call before.
 */
static hx_err find_nameless(uint64_t number, struct inode *inode, bool *is_nameless)
{
    bool is_used = false;
    hx_err error = inode_read(number, inode);

    if (error == HX_OK) {
        error = inode_is_used((uint32_t)number, &is_used);
    }
    *is_nameless = error == HX_OK && is_used && inode->links == 0;
    return error;
}

hx_err ext2_forget(uint64_t number, uint64_t now)
{
    struct inode inode;
    bool is_nameless = false;
    hx_err error = volume_ready();

    if (error == HX_OK) {
        error = find_nameless(number, &inode, &is_nameless);
    }
    if (error != HX_OK || !is_nameless || number < volume.first_inode) {
        return error;
    }
    error = volume_begin_change();
    if (error == HX_OK && has_blocks(&inode)) {
        error = file_resize(number, &inode, 0);
    }
    return error == HX_OK ? end_inode((uint32_t)number, &inode, now) : error;
}
