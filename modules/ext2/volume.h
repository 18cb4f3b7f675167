/*
 * The volume: superblock, groups, and what is free of them.
 *
 * Rules:
 * - Numbers of blocks and inodes that stand on the disk are checked where they are used: HX_EIO.
 * - Whatever changes the disk calls volume_begin_change first.
 */
#ifndef EXT2_VOLUME_H
#define EXT2_VOLUME_H

#include <../modules/ext2/format.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/file_system.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the superblock says, checked. */
struct volume {
    bool is_mounted;
    bool is_read_only;
    bool was_in_order; /* when it was mounted first */
    bool has_types;    /* entries tell the type */
    uint32_t block_size;
    uint32_t blocks;
    uint32_t first_block;
    uint32_t blocks_per_group;
    uint32_t inodes;
    uint32_t inodes_per_group;
    uint32_t first_inode;
    uint32_t inode_size;
    uint32_t groups;
    uint32_t revision;
};

extern struct volume volume;

/* Errors: HX_EINVAL it is not ext2, or has features that are not known here; HX_EIO. */
HX_MUST_USE hx_err volume_mount(uint64_t flags);
/* Read what stands on the disk when it is wanted next. */
void volume_reload(void);

/* What every operation asks first.  Errors: HX_ESTATE, HX_EIO. */
HX_MUST_USE hx_err volume_ready(void);
/* From now on it is not in order until volume_set_in_order.  Errors: HX_EROFS, HX_ESTATE, HX_EIO.
 */
HX_MUST_USE hx_err volume_begin_change(void);
HX_MUST_USE hx_err volume_set_in_order(void);

HX_MUST_USE hx_err volume_numbers(struct hx_file_system_numbers *numbers);
/* A file of 2 GiB or more is about to be there.  Errors: HX_EFBIG revision 0 has none; HX_EIO. */
HX_MUST_USE hx_err volume_note_large_file(void);

/* --- groups -------------------------------------------------------------------------------------
 */

HX_MUST_USE hx_err group_read(uint32_t group, struct group_descriptor *descriptor);

static inline uint32_t group_of_inode(uint32_t number)
{
    return (number - 1) / volume.inodes_per_group;
}

static inline uint32_t group_of_block(uint32_t block)
{
    return (block - volume.first_block) / volume.blocks_per_group;
}

static inline bool is_block(uint64_t block)
{
    return block >= volume.first_block && block < volume.blocks;
}

static inline uint64_t offset_of_block(uint32_t block)
{
    return (uint64_t)block * volume.block_size;
}

/* --- taking and giving back (allocate.c) --------------------------------------------------------
 */

/* A block as near behind goal as there is one; its contents are what they were.  Errors: HX_ENOSPC,
 * HX_EIO. */
HX_MUST_USE hx_err block_allocate(uint32_t goal, uint32_t *block);
/* Errors: HX_EIO it cannot be one, or is free. */
HX_MUST_USE hx_err block_free(uint32_t block);

/* An inode: of a directory where there is most room, of anything else near its parent.  Errors:
 * HX_ENOSPC, HX_EIO. */
HX_MUST_USE hx_err inode_allocate(uint32_t parent, bool is_directory, uint32_t *number);
HX_MUST_USE hx_err inode_free(uint32_t number, bool is_directory);
HX_MUST_USE hx_err inode_is_used(uint32_t number, bool *is_used);

#endif
