#include <../modules/ext2/inode.h>
#include <helix/disk.h>

#define NS_PER_S 1000000000ULL

/* --- where they stand ------------------------------------------------------------------------- */

static hx_err find_offset(uint64_t number, uint64_t *offset)
{
    struct group_descriptor descriptor;
    uint64_t index;
    hx_err error;

    if (number == 0 || number > volume.inodes) {
        return HX_EIO;
    }
    error = group_read(group_of_inode((uint32_t)number), &descriptor);
    if (error != HX_OK) {
        return error;
    }
    index = (number - 1) % volume.inodes_per_group;
    *offset = offset_of_block(descriptor.inode_table) + index * volume.inode_size;
    return *offset + volume.inode_size <= offset_of_block(volume.blocks) ? HX_OK : HX_EIO;
}

static bool is_known_type(uint32_t type)
{
    const uint32_t known = 1U << HX_FILE_FIFO | 1U << HX_FILE_CHARACTER | 1U << HX_FILE_DIRECTORY |
                           1U << HX_FILE_BLOCK | 1U << HX_FILE_REGULAR | 1U << HX_FILE_SYMLINK |
                           1U << HX_FILE_SOCKET;

    return (known >> type & 1) != 0;
}

hx_err inode_read(uint64_t number, struct inode *inode)
{
    uint64_t offset;
    hx_err error = find_offset(number, &offset);

    if (error == HX_OK) {
        error = hx_disk_read(offset, inode, sizeof(*inode));
    }
    return error == HX_OK && !is_known_type(inode_type(inode)) ? HX_EIO : error;
}

hx_err inode_write(uint64_t number, const struct inode *inode)
{
    uint64_t offset;
    hx_err error = find_offset(number, &offset);

    return error == HX_OK ? hx_disk_write(offset, inode, sizeof(*inode)) : error;
}

hx_err inode_create(uint32_t number, const struct inode *inode)
{
    static const uint8_t zeros[128];
    uint64_t offset;
    hx_err error = find_offset(number, &offset);

    for (uint32_t at = sizeof(*inode); at < volume.inode_size && error == HX_OK;
         at += sizeof(zeros)) {
        error = hx_disk_write(offset + at, zeros, sizeof(zeros));
    }
    return error == HX_OK ? hx_disk_write(offset, inode, sizeof(*inode)) : error;
}

/* --- what they say ---------------------------------------------------------------------------- */

uint64_t inode_size(const struct inode *inode)
{
    bool has_high = inode_type(inode) == HX_FILE_REGULAR && volume.revision > 0;

    return (has_high ? (uint64_t)inode->size_high << 32 : 0) | inode->size_low;
}

hx_err inode_set_size(struct inode *inode, uint64_t size)
{
    hx_err error = HX_OK;

    if (size > INT32_MAX) {
        error = inode_type(inode) == HX_FILE_REGULAR ? volume_note_large_file() : HX_EFBIG;
    }
    if (error != HX_OK) {
        return error;
    }
    inode->size_low = (uint32_t)size;
    if (inode_type(inode) == HX_FILE_REGULAR && volume.revision > 0) {
        inode->size_high = (uint32_t)(size >> 32);
    }
    return HX_OK;
}

uint32_t inode_time(uint64_t nanoseconds)
{
    uint64_t seconds = nanoseconds / NS_PER_S;

    return seconds < INT32_MAX ? (uint32_t)seconds : INT32_MAX;
}

/* Before 1970 is not told. */
static uint64_t time_of(uint32_t seconds)
{
    return seconds <= INT32_MAX ? seconds * NS_PER_S : 0;
}

void inode_set_owner(struct inode *inode, uint32_t user, uint32_t group)
{
    inode->user_low = (uint16_t)user;
    inode->user_high = (uint16_t)(user >> 16);
    inode->group_low = (uint16_t)group;
    inode->group_high = (uint16_t)(group >> 16);
}

/* Linux's two forms: 8 bits of each number in the first pointer, or 12 and 20 in the second. */
void inode_set_device(struct inode *inode, uint64_t device)
{
    uint32_t major = (uint32_t)(device >> 32);
    uint32_t minor = (uint32_t)device;

    if (major < 256 && minor < 256) {
        inode->pointers[0] = major << 8 | minor;
    } else {
        inode->pointers[1] = (minor & 0xff) | (major & 0xfff) << 8 | (minor & 0xfff00) << 12;
    }
}

static uint64_t device_of(const struct inode *inode)
{
    uint32_t old = inode->pointers[0];
    uint32_t new = inode->pointers[1];

    if (inode_type(inode) != HX_FILE_CHARACTER && inode_type(inode) != HX_FILE_BLOCK) {
        return 0;
    }
    return old != 0 ? (uint64_t)(old >> 8 & 0xff) << 32 | (old & 0xff)
                    : (uint64_t)(new >> 8 & 0xfff) << 32 | (new & 0xff) | (new >> 12 & 0xfff00);
}

void inode_tell(uint64_t number, const struct inode *inode, struct hx_file_attributes *attributes)
{
    *attributes = (struct hx_file_attributes){
        .number = number,
        .size = inode_size(inode),
        .sectors = inode->sectors,
        .accessed = time_of(inode->accessed),
        .modified = time_of(inode->modified),
        .changed = time_of(inode->changed),
        .device = device_of(inode),
        .type = inode_type(inode),
        .mode = inode->mode & MODE_PERMISSIONS,
        .user = inode->user_low | (uint32_t)inode->user_high << 16,
        .group = inode->group_low | (uint32_t)inode->group_high << 16,
        .links = inode->links,
    };
}

bool inode_is_fast_link(const struct inode *inode)
{
    uint32_t of_attributes = inode->attribute_block != 0 ? volume.block_size / 512 : 0;

    return inode_type(inode) == HX_FILE_SYMLINK && inode->sectors == of_attributes;
}
