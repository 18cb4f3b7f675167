/* The superblock: is it one that can be used, and what changes in it. */
#include <../modules/ext2/hint.h>
#include <../modules/ext2/volume.h>
#include <helix/disk.h>
#include <helix/module.h>

#define MEMBER(name) (SUPERBLOCK_OFFSET + offsetof(struct superblock, name))

struct volume volume;

static bool is_loaded; /* what volume says is what this instance has read */

/* --- is it one -------------------------------------------------------------------------------- */

static hx_err refuse_with(const char *sentence, size_t length)
{
    (void)!hx_log(sentence, length);
    return HX_EINVAL;
}

#define refuse(sentence) refuse_with(sentence, sizeof(sentence) - 1)

static bool is_power_of_two(uint32_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

static hx_err check_sizes(const struct superblock *super)
{
    uint32_t bits = 8 * (BLOCK_SIZE_MIN << super->block_size); /* in a bitmap */

    if (super->blocks_per_group == 0 || super->blocks_per_group > bits ||
        super->inodes_per_group == 0 || super->inodes_per_group > bits) {
        return refuse("the superblock's groups are of no possible size");
    }
    if (super->first_block != (super->block_size == 0 ? 1U : 0U) ||
        super->blocks <= super->first_block ||
        (uint64_t)super->blocks << (10 + super->block_size) > hx_disk_size()) {
        return refuse("the superblock's blocks do not fit the disk");
    }
    return HX_OK;
}

static hx_err check_features(const struct superblock *super)
{
    if (super->magic != SUPERBLOCK_MAGIC) {
        return refuse("there is no ext2 file system");
    }
    if (super->block_size > 2) {
        return refuse("blocks of more than 4096 bytes are not known here");
    }
    if (super->revision > 1) {
        return refuse("a revision above 1 is not known here");
    }
    if (super->revision == 1 && (super->incompatible & ~INCOMPATIBLE_KNOWN) != 0) {
        return refuse("it has an incompatible feature that is not known here");
    }
    return HX_OK;
}

static hx_err take_over(const struct superblock *super)
{
    bool is_newer = super->revision == 1;

    volume.block_size = BLOCK_SIZE_MIN << super->block_size;
    volume.blocks = super->blocks;
    volume.first_block = super->first_block;
    volume.blocks_per_group = super->blocks_per_group;
    volume.inodes = super->inodes;
    volume.inodes_per_group = super->inodes_per_group;
    volume.revision = super->revision;
    volume.first_inode = is_newer ? super->first_inode : REVISION_0_FIRST;
    volume.inode_size = is_newer ? super->inode_size : REVISION_0_SIZE;
    volume.has_types = is_newer && (super->incompatible & INCOMPATIBLE_FILE_TYPE) != 0;
    volume.groups = (super->blocks - super->first_block - 1) / super->blocks_per_group + 1;
    if (!is_power_of_two(volume.inode_size) || volume.inode_size < REVISION_0_SIZE ||
        volume.inode_size > volume.block_size || volume.first_inode < REVISION_0_FIRST) {
        return refuse("its inodes are of no possible size");
    }
    if (volume.inodes != (uint64_t)volume.groups * volume.inodes_per_group ||
        volume.inodes < volume.first_inode) {
        return refuse("its inodes are not as many as its groups have");
    }
    /* Descriptors begin in the block behind the superblock's. */
    return offset_of_block(volume.first_block + 1) +
                       (uint64_t)volume.groups * sizeof(struct group_descriptor) <=
                   offset_of_block(volume.blocks)
               ? HX_OK
               : refuse("its descriptors of groups do not fit the disk");
}

static hx_err read_super(struct superblock *super)
{
    return hx_disk_read(SUPERBLOCK_OFFSET, super, sizeof(*super));
}

static hx_err load(void)
{
    struct superblock super;
    hx_err error = read_super(&super);

    if (error == HX_OK) {
        error = check_features(&super);
    }
    if (error == HX_OK) {
        error = check_sizes(&super);
    }
    if (error == HX_OK) {
        error = take_over(&super);
    }
    is_loaded = error == HX_OK;
    return error;
}

static hx_err decide_flags(uint64_t flags)
{
    struct superblock super;
    hx_err error = read_super(&super);

    if (error != HX_OK) {
        return error;
    }
    volume.was_in_order = (flags & HX_FILE_SYSTEM_AGAIN) != 0
                              ? (flags & HX_FILE_SYSTEM_IN_ORDER) != 0
                              : (super.state & STATE_VALID) != 0;
    volume.is_read_only = (flags & HX_FILE_SYSTEM_READ_ONLY) != 0;
    if (super.revision == 1 && (super.read_only_compatible & ~READ_ONLY_KNOWN) != 0 &&
        !volume.is_read_only) {
        (void)!refuse("it has a feature that only readers need not know: it is read only");
        volume.is_read_only = true;
    }
    if (!volume.was_in_order) {
        (void)!refuse("it was not left in order; it wants e2fsck");
    }
    return HX_OK;
}

void volume_reload(void)
{
    is_loaded = false;
    hint_forget();
}

hx_err volume_mount(uint64_t flags)
{
    hx_err error = load();

    hint_forget();
    volume.is_mounted = false;
    if (error == HX_OK) {
        error = decide_flags(flags);
    }
    volume.is_mounted = error == HX_OK;
    return error;
}

/* --- what changes ----------------------------------------------------------------------------- */

hx_err volume_ready(void)
{
    if (!volume.is_mounted) {
        return HX_ESTATE;
    }
    return is_loaded || load() == HX_OK ? HX_OK : HX_EIO;
}

static hx_err set_state(bool is_in_order)
{
    uint16_t state;
    uint16_t wanted;
    hx_err error = hx_disk_read(MEMBER(state), &state, sizeof(state));

    if (error != HX_OK) {
        return error;
    }
    wanted = (uint16_t)(is_in_order ? state | STATE_VALID : state & ~STATE_VALID);
    return state == wanted ? HX_OK : hx_disk_write(MEMBER(state), &wanted, sizeof(wanted));
}

hx_err volume_begin_change(void)
{
    hx_err error = volume_ready();

    if (error != HX_OK) {
        return error;
    }
    return volume.is_read_only ? HX_EROFS : set_state(false);
}

hx_err volume_set_in_order(void)
{
    hx_err error = volume_ready();

    return error == HX_OK && volume.was_in_order && !volume.is_read_only ? set_state(true) : error;
}

hx_err volume_numbers(struct hx_file_system_numbers *numbers)
{
    struct superblock super;
    hx_err error = read_super(&super);

    *numbers = (struct hx_file_system_numbers){.magic = SUPERBLOCK_MAGIC,
                                               .block_size = volume.block_size,
                                               .blocks = volume.blocks,
                                               .blocks_free = super.free_blocks,
                                               .files = volume.inodes,
                                               .files_free = super.free_inodes};
    return error;
}

hx_err volume_note_large_file(void)
{
    uint32_t features;
    hx_err error;

    if (volume.revision == 0) {
        return HX_EFBIG;
    }
    error = hx_disk_read(MEMBER(read_only_compatible), &features, sizeof(features));
    if (error == HX_OK && (features & READ_ONLY_LARGE_FILE) == 0) {
        features |= READ_ONLY_LARGE_FILE;
        error = hx_disk_write(MEMBER(read_only_compatible), &features, sizeof(features));
    }
    return error;
}
