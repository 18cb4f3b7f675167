/* Bitmaps: which blocks and inodes are free, near which others new ones are. */
#include <../modules/ext2/hint.h>
#include <../modules/ext2/volume.h>
#include <helix/disk.h>

#define CHUNK 128U /* bytes of a bitmap that are looked at together */

/* --- groups ----------------------------------------------------------------------------------- */

/* Descriptors stand in the block behind the superblock's. */
static uint64_t offset_of_group(uint32_t group)
{
    return offset_of_block(volume.first_block + 1) +
           (uint64_t)group * sizeof(struct group_descriptor);
}

hx_err group_read(uint32_t group, struct group_descriptor *descriptor)
{
    hx_err error = group < volume.groups
                       ? hx_disk_read(offset_of_group(group), descriptor, sizeof(*descriptor))
                       : HX_EIO;

    if (error == HX_OK &&
        (!is_block(descriptor->block_bitmap) || !is_block(descriptor->inode_bitmap) ||
         !is_block(descriptor->inode_table))) {
        error = HX_EIO;
    }
    return error;
}

static hx_err group_write(uint32_t group, const struct group_descriptor *descriptor)
{
    return hx_disk_write(offset_of_group(group), descriptor, sizeof(*descriptor));
}

/* The last group may be smaller. */
static uint32_t blocks_in(uint32_t group)
{
    uint32_t rest = volume.blocks - volume.first_block - group * volume.blocks_per_group;

    return rest < volume.blocks_per_group ? rest : volume.blocks_per_group;
}

static uint32_t first_of(uint32_t group)
{
    return volume.first_block + group * volume.blocks_per_group;
}

/* A counter of the superblock. */
static hx_err add_to_super(size_t member, int32_t difference)
{
    uint32_t count;
    hx_err error = hx_disk_read(SUPERBLOCK_OFFSET + member, &count, sizeof(count));

    count += (uint32_t)difference;
    return error == HX_OK ? hx_disk_write(SUPERBLOCK_OFFSET + member, &count, sizeof(count))
                          : error;
}

/* --- bits ------------------------------------------------------------------------------------- */

static uint32_t lowest_clear(uint8_t byte)
{
    return (uint32_t)__builtin_ctz(~(uint32_t)byte);
}

/* The first clear bit in a chunk of bytes from a bit on; its number of bits: there is none. */
static uint32_t find_in_chunk(const uint8_t *bytes, uint32_t from, uint32_t bits)
{
    uint32_t byte = from / 8;
    uint32_t bit;

    /* Bits before the first one count as set. */
    for (uint8_t head = (uint8_t)((1U << from % 8) - 1); byte * 8 < bits; byte++, head = 0) {
        if ((bytes[byte] | head) != UINT8_MAX) {
            bit = byte * 8 + lowest_clear(bytes[byte] | head);
            return bit < bits ? bit : bits;
        }
    }
    return bits;
}

/* The first clear bit of a bitmap in [from, end); end: there is none. */
static hx_err find_clear(uint32_t bitmap, uint32_t from, uint32_t end, uint32_t *bit)
{
    uint8_t bytes[CHUNK];
    uint32_t start = from / (CHUNK * 8) * (CHUNK * 8);

    while (start < end) {
        uint32_t bits = end - start < CHUNK * 8 ? end - start : CHUNK * 8;
        hx_err error = hx_disk_read(offset_of_block(bitmap) + start / 8, bytes, (bits + 7) / 8);

        if (error != HX_OK) {
            return error;
        }
        *bit = start + find_in_chunk(bytes, from > start ? from - start : 0, bits);
        if (*bit < start + bits) {
            return HX_OK;
        }
        start += bits;
    }
    *bit = end;
    return HX_OK;
}

/* Set or clear a bit that is the other way.  Errors: HX_EIO it is not. */
static hx_err flip(uint32_t bitmap, uint32_t bit, bool is_set)
{
    uint64_t offset = offset_of_block(bitmap) + bit / 8;
    uint8_t mask = (uint8_t)(1U << bit % 8);
    uint8_t byte;
    hx_err error = hx_disk_read(offset, &byte, 1);

    if (error != HX_OK) {
        return error;
    }
    if (((byte & mask) != 0) == is_set) {
        return HX_EIO;
    }
    byte ^= mask;
    return hx_disk_write(offset, &byte, 1);
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* From where free ones may be; if that was wrong, from the beginning. */
static hx_err find_block_by_hint(uint32_t group, uint32_t bitmap, uint32_t *bit)
{
    uint32_t end = blocks_in(group);
    uint32_t first = hint_first_free(group);
    hx_err error = find_clear(bitmap, first < end ? first : end, end, bit);

    if (error == HX_OK && *bit == end && first > 0) {
        error = find_clear(bitmap, 0, end, bit);
    }
    if (error == HX_OK) {
        hint_found(group, *bit);
    }
    return error;
}

/* Behind the goal first. */
static hx_err find_block(uint32_t group, uint32_t bitmap, uint32_t from, uint32_t *bit)
{
    uint32_t end = blocks_in(group);
    hx_err error = HX_OK;

    *bit = end;
    if (from > 0) {
        error = find_clear(bitmap, from, end, bit);
    }
    return error == HX_OK && *bit == end ? find_block_by_hint(group, bitmap, bit) : error;
}

static hx_err take_block(uint32_t group, struct group_descriptor *descriptor, uint32_t bit,
                         uint32_t *block)
{
    hx_err error = flip(descriptor->block_bitmap, bit, true);

    descriptor->free_blocks--;
    if (error == HX_OK) {
        error = group_write(group, descriptor);
    }
    if (error == HX_OK) {
        error = add_to_super(offsetof(struct superblock, free_blocks), -1);
    }
    *block = first_of(group) + bit;
    return error;
}

/* HX_ENOSPC: the group has none. */
static hx_err allocate_in(uint32_t group, uint32_t from, uint32_t *block)
{
    struct group_descriptor descriptor;
    uint32_t bit;
    hx_err error = group_read(group, &descriptor);

    if (error == HX_OK && descriptor.free_blocks == 0) {
        error = HX_ENOSPC;
    }
    if (error == HX_OK) {
        error = find_block(group, descriptor.block_bitmap, from, &bit);
    }
    if (error != HX_OK) {
        return error;
    }
    return bit < blocks_in(group) ? take_block(group, &descriptor, bit, block) : HX_ENOSPC;
}

hx_err block_allocate(uint32_t goal, uint32_t *block)
{
    uint32_t home = is_block(goal) ? group_of_block(goal) : 0;
    uint32_t from = is_block(goal) ? goal - first_of(home) : 0;
    hx_err error = allocate_in(home, from, block);

    for (uint32_t i = 1; i < volume.groups && error == HX_ENOSPC; i++) {
        error = allocate_in((home + i) % volume.groups, 0, block);
    }
    return error;
}

hx_err block_free(uint32_t block)
{
    struct group_descriptor descriptor;
    uint32_t group;
    hx_err error;

    if (!is_block(block)) {
        return HX_EIO;
    }
    group = group_of_block(block);
    error = group_read(group, &descriptor);
    if (error == HX_OK) {
        error = flip(descriptor.block_bitmap, block - first_of(group), false);
    }
    descriptor.free_blocks++;
    if (error == HX_OK) {
        error = group_write(group, &descriptor);
    }
    if (error == HX_OK) {
        error = add_to_super(offsetof(struct superblock, free_blocks), 1);
        hint_freed(group, block - first_of(group));
    }
    return error;
}

/* --- inodes ----------------------------------------------------------------------------------- */

/* Of the groups with free inodes the one with most free blocks; groups: there is none. */
static hx_err roomiest_group(uint32_t *best)
{
    struct group_descriptor descriptor;
    uint32_t most = 0;

    *best = volume.groups;
    for (uint32_t group = 0; group < volume.groups; group++) {
        hx_err error = group_read(group, &descriptor);

        if (error != HX_OK) {
            return error;
        }
        if (descriptor.free_inodes > 0 &&
            (*best == volume.groups || descriptor.free_blocks > most)) {
            *best = group;
            most = descriptor.free_blocks;
        }
    }
    return HX_OK;
}

static hx_err take_inode(uint32_t group, struct group_descriptor *descriptor, uint32_t bit,
                         bool is_directory, uint32_t *number)
{
    hx_err error = flip(descriptor->inode_bitmap, bit, true);

    descriptor->free_inodes--;
    if (is_directory) {
        descriptor->directories++;
    }
    if (error == HX_OK) {
        error = group_write(group, descriptor);
    }
    if (error == HX_OK) {
        error = add_to_super(offsetof(struct superblock, free_inodes), -1);
    }
    *number = group * volume.inodes_per_group + bit + 1;
    return error;
}

/* Those that the format reserves are never free ones. */
static uint32_t first_bit_in(uint32_t group)
{
    uint32_t first = volume.first_inode - 1;
    uint32_t before = group * volume.inodes_per_group;

    if (first <= before) {
        return 0;
    }
    return first - before < volume.inodes_per_group ? first - before : volume.inodes_per_group;
}

static hx_err allocate_inode_in(uint32_t group, bool is_directory, uint32_t *number)
{
    struct group_descriptor descriptor;
    uint32_t bit;
    hx_err error = group_read(group, &descriptor);

    if (error == HX_OK && descriptor.free_inodes == 0) {
        error = HX_ENOSPC;
    }
    if (error == HX_OK) {
        error =
            find_clear(descriptor.inode_bitmap, first_bit_in(group), volume.inodes_per_group, &bit);
    }
    if (error != HX_OK) {
        return error;
    }
    return bit < volume.inodes_per_group ? take_inode(group, &descriptor, bit, is_directory, number)
                                         : HX_ENOSPC;
}

hx_err inode_allocate(uint32_t parent, bool is_directory, uint32_t *number)
{
    uint32_t home = group_of_inode(parent);
    hx_err error = is_directory ? roomiest_group(&home) : HX_OK;

    if (error == HX_OK) {
        error = home < volume.groups ? allocate_inode_in(home, is_directory, number) : HX_ENOSPC;
    }
    for (uint32_t i = 1; i < volume.groups && error == HX_ENOSPC; i++) {
        error = allocate_inode_in((home + i) % volume.groups, is_directory, number);
    }
    return error;
}

hx_err inode_free(uint32_t number, bool is_directory)
{
    uint32_t group = group_of_inode(number);
    struct group_descriptor descriptor;
    hx_err error = group_read(group, &descriptor);

    if (error == HX_OK) {
        error = flip(descriptor.inode_bitmap, (number - 1) % volume.inodes_per_group, false);
    }
    descriptor.free_inodes++;
    if (is_directory) {
        descriptor.directories--;
    }
    if (error == HX_OK) {
        error = group_write(group, &descriptor);
    }
    return error == HX_OK ? add_to_super(offsetof(struct superblock, free_inodes), 1) : error;
}

hx_err inode_is_used(uint32_t number, bool *is_used)
{
    uint32_t bit = (number - 1) % volume.inodes_per_group;
    struct group_descriptor descriptor;
    uint8_t byte = 0;
    hx_err error = group_read(group_of_inode(number), &descriptor);

    if (error == HX_OK) {
        error = hx_disk_read(offset_of_block(descriptor.inode_bitmap) + bit / 8, &byte, 1);
    }
    *is_used = (byte >> bit % 8 & 1) != 0;
    return error;
}
