/*
 * Inodes: where they stand, what they say of themselves, and which blocks are theirs.
 *
 * Rules:
 * - struct inode is a copy; inode_write puts it back.
 * - Blocks are found through pointers of up to three levels (map.c).
 */
#ifndef EXT2_INODE_H
#define EXT2_INODE_H

#include <../modules/ext2/volume.h>

#define MODE_TYPE_SHIFT  12U
#define MODE_PERMISSIONS 07777U

/* Errors: HX_EIO there is no such inode, or it is of no kind that is known. */
HX_MUST_USE hx_err inode_read(uint64_t number, struct inode *inode);
HX_MUST_USE hx_err inode_write(uint64_t number, const struct inode *inode);
/* The first one that was written under a number: what stood behind it before is gone. */
HX_MUST_USE hx_err inode_create(uint32_t number, const struct inode *inode);

static inline uint32_t inode_type(const struct inode *inode)
{
    return (uint32_t)inode->mode >> MODE_TYPE_SHIFT;
}

uint64_t inode_size(const struct inode *inode);
/* Errors: HX_EFBIG, HX_EIO. */
HX_MUST_USE hx_err inode_set_size(struct inode *inode, uint64_t size);

/* Nanoseconds to seconds, as far as those of the disk reach. */
uint32_t inode_time(uint64_t nanoseconds);
void inode_set_owner(struct inode *inode, uint32_t user, uint32_t group);
void inode_set_device(struct inode *inode, uint64_t device);
void inode_tell(uint64_t number, const struct inode *inode, struct hx_file_attributes *attributes);

/* Whether a symbolic link's target stands in the inode itself. */
bool inode_is_fast_link(const struct inode *inode);

/* --- blocks (map.c) -----------------------------------------------------------------------------
 */

/*
 * The blocks of a file from its block number index on, at most max of them: count that follow each
 * other on the disk, or (block 0) that are not there.
 * Errors: HX_EIO.
 */
HX_MUST_USE hx_err map_find(const struct inode *inode, uint64_t index, uint32_t max,
                            uint32_t *block, uint32_t *count);

/*
 * The block at index; one that is not there is taken, near the one before it, or else in the group
 * of the inode. *is_new: its contents are to be written.  Errors: HX_ENOSPC, HX_EFBIG, HX_EIO.
 */
HX_MUST_USE hx_err map_make(uint64_t number, struct inode *inode, uint64_t index, uint32_t *block,
                            bool *is_new);

/*
 * Give back blocks from index on, the last ones first. Whether all have been: else the file now
 * ends at *end, in blocks, and there is more to do.  Errors: HX_EIO.
 */
HX_MUST_USE hx_err map_cut(struct inode *inode, uint64_t index, uint64_t *end, bool *is_done);

/* --- bytes (file.c) -----------------------------------------------------------------------------
 */

/* Make the file of that size; HX_EAGAIN: it has come nearer. The inode is written. */
HX_MUST_USE hx_err file_resize(uint64_t number, struct inode *inode, uint64_t size);

#endif
