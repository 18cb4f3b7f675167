/*
 * What stands on the disk (D. Poirier, "The Second Extended File System: Internal Layout",
 * 2001-2019; R. Card, T. Ts'o, S. Tweedie, "Design and Implementation of the Second Extended
 * Filesystem", 1994). All numbers are little-endian, as the machine's are.
 */
#ifndef EXT2_FORMAT_H
#define EXT2_FORMAT_H

#include <stdint.h>

#define SUPERBLOCK_OFFSET 1024U
#define SUPERBLOCK_MAGIC  0xef53U
#define STATE_VALID       1U /* it was left in order */
#define BLOCK_SIZE_MIN    1024U
#define BLOCK_SIZE_MAX    4096U

#define INCOMPATIBLE_FILE_TYPE 0x2U /* entries tell the type */
#define READ_ONLY_SPARSE_SUPER 0x1U /* fewer copies of the superblock */
#define READ_ONLY_LARGE_FILE   0x2U /* there is a file of 2 GiB or more */
#define INCOMPATIBLE_KNOWN     INCOMPATIBLE_FILE_TYPE
#define READ_ONLY_KNOWN        (READ_ONLY_SPARSE_SUPER | READ_ONLY_LARGE_FILE)

struct superblock {
    uint32_t inodes;
    uint32_t blocks;
    uint32_t reserved_blocks;
    uint32_t free_blocks;
    uint32_t free_inodes;
    uint32_t first_block; /* the one that the superblock is in */
    uint32_t block_size;  /* 1024 << this */
    uint32_t fragment_size;
    uint32_t blocks_per_group;
    uint32_t fragments_per_group;
    uint32_t inodes_per_group;
    uint32_t mounted;
    uint32_t written;
    uint16_t mounts;
    uint16_t mounts_max;
    uint16_t magic;
    uint16_t state;
    uint16_t on_errors;
    uint16_t minor_revision;
    uint32_t checked;
    uint32_t check_interval;
    uint32_t creator;
    uint32_t revision; /* what follows is of revision 1 */
    uint16_t reserved_user;
    uint16_t reserved_group;
    uint32_t first_inode; /* that is not reserved */
    uint16_t inode_size;
    uint16_t group;
    uint32_t compatible;
    uint32_t incompatible;
    uint32_t read_only_compatible;
};
_Static_assert(sizeof(struct superblock) == 104, "as on the disk");

struct group_descriptor {
    uint32_t block_bitmap;
    uint32_t inode_bitmap;
    uint32_t inode_table;
    uint16_t free_blocks;
    uint16_t free_inodes;
    uint16_t directories;
    uint16_t padding;
    uint32_t reserved[3];
};
_Static_assert(sizeof(struct group_descriptor) == 32, "as on the disk");

#define ROOT_INODE       2U
#define REVISION_0_FIRST 11U
#define REVISION_0_SIZE  128U
#define DIRECT_BLOCKS    12U
#define POINTERS         15U /* direct ones, then of one, two and three levels */
#define LINKS_MAX        32000U
#define FLAG_INDEXED     0x1000U /* of a directory: some of its blocks are an index of names */
#define FAST_TARGET_MAX  59U     /* bytes of a symbolic link's target in the inode itself */

struct inode {
    uint16_t mode;
    uint16_t user_low;
    uint32_t size_low;
    uint32_t accessed;
    uint32_t changed;
    uint32_t modified;
    uint32_t deleted;
    uint16_t group_low;
    uint16_t links;
    uint32_t sectors; /* of 512 bytes */
    uint32_t flags;
    uint32_t system;
    uint32_t pointers[POINTERS];
    uint32_t generation;
    uint32_t attribute_block;
    uint32_t size_high; /* of regular files */
    uint32_t fragment;
    uint32_t fragment_numbers;
    uint16_t user_high;
    uint16_t group_high;
    uint32_t reserved;
};
_Static_assert(sizeof(struct inode) == 128, "as on the disk");

/* An entry of a directory; entries fill each block from its beginning to its end. */
struct entry {
    uint32_t inode; /* 0: free */
    uint16_t size;  /* to the next one, a multiple of 4 */
    uint8_t length; /* of the name */
    uint8_t type;   /* enum entry_type, or 0 */
    char name[255];
};
#define ENTRY_HEAD         8U
#define ENTRY_SIZE(length) ((ENTRY_HEAD + (uint32_t)(length) + 3U) & ~3U)

enum entry_type {
    ENTRY_UNKNOWN,
    ENTRY_REGULAR,
    ENTRY_DIRECTORY,
    ENTRY_CHARACTER,
    ENTRY_BLOCK,
    ENTRY_FIFO,
    ENTRY_SOCKET,
    ENTRY_SYMLINK,
};

/* The block that i->attribute_block names; attributes themselves are not looked at. */
struct attribute_head {
    uint32_t magic;
    uint32_t references;
};

#endif
