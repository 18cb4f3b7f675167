/* Bytes of files. */
#include <../modules/ext2/count.h>
#include <../modules/ext2/inode.h>
#include <../modules/ext2/operations.h>
#include <helix/disk.h>
#include <helix/loan.h>

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static hx_err read_regular(uint64_t number, struct inode *inode)
{
    hx_err error = inode_read(number, inode);

    return error == HX_OK && inode_type(inode) != HX_FILE_REGULAR ? HX_EINVAL : error;
}

/* --- reading ---------------------------------------------------------------------------------- */

static hx_err zero_loan(uint64_t loan, uint64_t at, uint64_t size)
{
    static const uint8_t zeros[BLOCK_SIZE_MAX];
    hx_err error = HX_OK;

    while (size > 0 && error == HX_OK) {
        uint64_t length = least(size, sizeof(zeros));

        error = hx_loan_write(loan, at, zeros, length);
        at += length;
        size -= length;
    }
    return error;
}

/* From an offset on as much as lies together; *moved says how much. */
static hx_err read_run(const struct inode *inode, uint64_t offset, uint64_t loan, uint64_t at,
                       uint64_t size, uint64_t *moved)
{
    uint64_t index = offset / volume.block_size;
    uint32_t within = (uint32_t)(offset % volume.block_size);
    uint32_t max = (uint32_t)((within + size + volume.block_size - 1) / volume.block_size);
    uint32_t block;
    uint32_t count;
    hx_err error = map_find(inode, index, max, &block, &count);

    if (error != HX_OK) {
        return error;
    }
    *moved = least((uint64_t)count * volume.block_size - within, size);
    return block == 0 ? zero_loan(loan, at, *moved)
                      : hx_disk_read_to_loan(offset_of_block(block) + within, loan, at, *moved);
}

hx_err ext2_read(uint64_t number, uint64_t offset, uint64_t loan, uint64_t size)
{
    struct inode inode;
    hx_err error = volume_ready();
    uint64_t there;
    uint64_t at = 0;

    if (error == HX_OK) {
        error = read_regular(number, &inode);
    }
    if (error != HX_OK) {
        return error;
    }
    count_operation(COUNT_READS);
    there = inode_size(&inode) > offset ? least(inode_size(&inode) - offset, size) : 0;
    while (at < there && error == HX_OK) {
        uint64_t moved = 0;

        error = read_run(&inode, offset + at, loan, at, there - at, &moved);
        at += moved;
    }
    return error == HX_OK ? zero_loan(loan, there, size - there) : error;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* What of a new block the file's bytes do not fill is zeros. */
static hx_err zero_around(uint32_t block, uint32_t from, uint32_t to)
{
    static const uint8_t zeros[BLOCK_SIZE_MAX];
    hx_err error = from > 0 ? hx_disk_write(offset_of_block(block), zeros, from) : HX_OK;

    return error == HX_OK && to < volume.block_size
               ? hx_disk_write(offset_of_block(block) + to, zeros, volume.block_size - to)
               : error;
}

/* A block's worth. */
static hx_err write_piece(uint64_t number, struct inode *inode, uint64_t offset, uint64_t loan,
                          uint64_t at, uint64_t size)
{
    uint32_t within = (uint32_t)(offset % volume.block_size);
    uint32_t block;
    bool is_new;
    hx_err error = map_make(number, inode, offset / volume.block_size, &block, &is_new);

    if (error == HX_OK && is_new) {
        error = zero_around(block, within, within + (uint32_t)size);
    }
    return error == HX_OK ? hx_disk_write_from_loan(offset_of_block(block) + within, loan, at, size)
                          : error;
}

static hx_err write_all(uint64_t number, struct inode *inode, uint64_t offset, uint64_t loan,
                        uint64_t size)
{
    hx_err error = HX_OK;

    for (uint64_t at = 0; at < size && error == HX_OK;) {
        uint64_t room = volume.block_size - (offset + at) % volume.block_size;
        uint64_t length = least(room, size - at);

        error = write_piece(number, inode, offset + at, loan, at, length);
        at += length;
    }
    if (error == HX_OK && offset + size > inode_size(inode)) {
        error = inode_set_size(inode, offset + size);
    }
    return error;
}

hx_err ext2_write(uint64_t number, uint64_t offset, uint64_t loan, uint64_t size)
{
    struct inode inode;
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = read_regular(number, &inode);
    }
    if (error == HX_OK && (size > HX_FILE_TRANSFER_MAX || offset > INT64_MAX - size)) {
        error = HX_EFBIG;
    }
    if (error == HX_OK) {
        error = write_all(number, &inode, offset, loan, size);
    }
    count_operation(COUNT_WRITES);
    return error == HX_OK ? inode_write(number, &inode) : error;
}

/* --- sizes ------------------------------------------------------------------------------------ */

/* What lies behind the end in the last block reads as zeros when the file grows again. */
static hx_err zero_rest(const struct inode *inode, uint64_t size)
{
    uint32_t within = (uint32_t)(size % volume.block_size);
    uint32_t block;
    uint32_t count;
    hx_err error =
        within != 0 ? map_find(inode, size / volume.block_size, 1, &block, &count) : HX_OK;

    return error == HX_OK && within != 0 && block != 0 ? zero_around(block, 0, within) : error;
}

static hx_err shrink(struct inode *inode, uint64_t size)
{
    uint64_t end;
    bool is_done;
    hx_err error =
        map_cut(inode, (size + volume.block_size - 1) / volume.block_size, &end, &is_done);

    if (error != HX_OK) {
        return error;
    }
    if (!is_done) {
        uint64_t reached =
            end < UINT64_MAX / volume.block_size ? end * volume.block_size : inode_size(inode);

        error = inode_set_size(inode, least(inode_size(inode), reached));
        return error == HX_OK ? HX_EAGAIN : error;
    }
    error = zero_rest(inode, size);
    return error == HX_OK ? inode_set_size(inode, size) : error;
}

/* Whether pointers can lead so far. */
static hx_err check_size(const struct inode *inode, uint64_t size)
{
    uint32_t block;
    uint32_t count;

    return size == 0 || map_find(inode, (size - 1) / volume.block_size, 1, &block, &count) == HX_OK
               ? HX_OK
               : HX_EFBIG;
}

hx_err file_resize(uint64_t number, struct inode *inode, uint64_t size)
{
    hx_err error;
    hx_err written;

    if (size < inode_size(inode) || size == 0) {
        error = shrink(inode, size);
    } else {
        error = check_size(inode, size);
        error = error == HX_OK ? inode_set_size(inode, size) : error;
    }
    if (error != HX_OK && error != HX_EAGAIN) {
        return error;
    }
    written = inode_write(number, inode);
    return written == HX_OK ? error : written;
}

hx_err ext2_resize(uint64_t number, uint64_t size)
{
    struct inode inode;
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = read_regular(number, &inode);
    }
    return error == HX_OK ? file_resize(number, &inode, size) : error;
}

/* --- symbolic links --------------------------------------------------------------------------- */

hx_err ext2_read_link(uint64_t number, uint64_t loan, uint64_t size)
{
    struct inode inode;
    uint64_t moved;
    hx_err error = volume_ready();

    if (error == HX_OK) {
        error = inode_read(number, &inode);
    }
    if (error != HX_OK) {
        return error;
    }
    if (inode_type(&inode) != HX_FILE_SYMLINK || size > inode_size(&inode)) {
        return HX_EINVAL;
    }
    if (inode_is_fast_link(&inode)) {
        return size <= sizeof(inode.pointers) ? hx_loan_write(loan, 0, inode.pointers, size)
                                              : HX_EIO;
    }
    return size <= volume.block_size ? read_run(&inode, 0, loan, 0, size, &moved) : HX_EIO;
}
