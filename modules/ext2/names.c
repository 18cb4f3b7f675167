/* Names in directories: found, added, taken away, listed. */
#include <../modules/ext2/count.h>
#include <../modules/ext2/directory.h>
#include <../modules/ext2/names.h>
#include <../modules/ext2/operations.h>
#include <helix/loan.h>

hx_err name_take(uint64_t loan, uint64_t at, uint64_t length, char name[HX_FILE_NAME_MAX])
{
    return length > 0 && length <= HX_FILE_NAME_MAX ? hx_loan_read(loan, at, name, length)
                                                    : HX_ENAMETOOLONG;
}

hx_err links_add(uint64_t number, int difference)
{
    struct inode inode;
    hx_err error = inode_read(number, &inode);

    if (error != HX_OK) {
        return error;
    }
    if (difference > 0 && inode.links >= LINKS_MAX) {
        return HX_EMLINK;
    }
    if (difference < 0 && inode.links < -difference) {
        return HX_EIO;
    }
    inode.links = (uint16_t)(inode.links + difference);
    return inode_write(number, &inode);
}

hx_err links_drop(uint64_t directory, uint64_t number)
{
    struct inode inode;
    bool is_empty;
    hx_err error = inode_read(number, &inode);

    if (error != HX_OK || inode_type(&inode) != HX_FILE_DIRECTORY) {
        return error == HX_OK ? links_add(number, -1) : error;
    }
    error = directory_is_empty(number, &is_empty);
    if (error != HX_OK) {
        return error;
    }
    if (!is_empty) {
        return HX_ENOTEMPTY;
    }
    inode.links = 0;
    error = inode_write(number, &inode);
    return error == HX_OK ? links_add(directory, -1) : error;
}

/* --- operations ------------------------------------------------------------------------------- */

static hx_err tell(uint64_t number, uint64_t loan)
{
    struct hx_file_attributes attributes;
    struct inode inode;
    hx_err error = inode_read(number, &inode);

    if (error != HX_OK) {
        return error;
    }
    if (inode.links == 0) {
        return HX_EIO; /* a name of what has none */
    }
    inode_tell(number, &inode, &attributes);
    return hx_loan_write(loan, 0, &attributes, sizeof(attributes));
}

/* A directory is found in the one that it calls its parent, or the way up from it would not lead to
 * the root. */
static hx_err check_parent(uint64_t number, uint64_t parent)
{
    struct inode inode;
    struct cursor cursor;
    hx_err error = inode_read(number, &inode);

    if (error != HX_OK || inode_type(&inode) != HX_FILE_DIRECTORY) {
        return error;
    }
    error = directory_read(number, &inode);
    if (error == HX_OK) {
        error = directory_find(&inode, "..", 2, &cursor);
    }
    return error == HX_OK && cursor.entry->inode == parent ? HX_OK : HX_EIO;
}

static bool is_parent(const char *name, uint64_t length)
{
    return length == 2 && name[0] == '.' && name[1] == '.';
}

static hx_err tell_found(uint64_t directory, bool is_up, uint64_t number, uint64_t attributes)
{
    hx_err error = is_up ? HX_OK : check_parent(number, directory);

    return error == HX_OK ? tell(number, attributes) : error;
}

hx_err ext2_lookup(uint64_t directory, uint64_t loan, uint64_t length, uint64_t attributes)
{
    char name[HX_FILE_NAME_MAX];
    struct inode inode;
    struct cursor cursor;
    hx_err error = volume_ready();

    if (error == HX_OK) {
        error = name_take(loan, 0, length, name);
    }
    if (error == HX_OK) {
        error = directory_read(directory, &inode);
    }
    if (error == HX_OK) {
        count_operation(COUNT_NAMES);
        error = directory_find(&inode, name, (uint32_t)length, &cursor);
    }
    return error == HX_OK
               ? tell_found(directory, is_parent(name, length), cursor.entry->inode, attributes)
               : error;
}

hx_err ext2_link(uint64_t directory, uint64_t loan, uint64_t length, uint64_t number)
{
    char name[HX_FILE_NAME_MAX];
    struct inode inode;
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = name_take(loan, 0, length, name);
    }
    if (error == HX_OK) {
        error = links_add(number, 1);
    }
    if (error == HX_OK) {
        error = inode_read(number, &inode);
    }
    count_operation(COUNT_NAMES);
    return error == HX_OK ? directory_add(directory, name, (uint32_t)length, (uint32_t)number,
                                          inode_type(&inode))
                          : error;
}

/* The name is of that inode. */
static hx_err check_name(uint64_t directory, const char *name, uint32_t length, uint64_t number)
{
    struct inode inode;
    struct cursor cursor;
    hx_err error = directory_read(directory, &inode);

    if (error == HX_OK) {
        error = directory_find(&inode, name, length, &cursor);
    }
    return error == HX_OK && cursor.entry->inode != number ? HX_ENOENT : error;
}

hx_err ext2_unlink(uint64_t directory, uint64_t loan, uint64_t length, uint64_t number)
{
    char name[HX_FILE_NAME_MAX];
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = name_take(loan, 0, length, name);
    }
    if (error == HX_OK) {
        error = check_name(directory, name, (uint32_t)length, number);
    }
    if (error == HX_OK) {
        error = links_drop(directory, number);
    }
    count_operation(COUNT_NAMES);
    return error == HX_OK ? directory_remove(directory, name, (uint32_t)length) : error;
}

/* --- listing ---------------------------------------------------------------------------------- */

#define LISTING_MAX 4096U

/* Entries that are to be told, one behind the other. */
struct listing {
    uint32_t used;
    uint32_t room;
    uint64_t count;
};

static uint8_t bytes[LISTING_MAX] __attribute__((aligned(8)));

static bool is_told(const struct entry *entry)
{
    bool is_dots = entry->name[0] == '.' &&
                   (entry->length == 1 || (entry->length == 2 && entry->name[1] == '.'));

    return entry->inode != 0 && entry->length > 0 && !is_dots;
}

/* Whether there was room. */
static bool add(struct listing *listing, const struct cursor *cursor, uint32_t type)
{
    const struct entry *entry = cursor->entry;
    uint32_t size = (uint32_t)(offsetof(struct hx_file_entry, name) + entry->length + 7) & ~7U;
    struct hx_file_entry *told = (struct hx_file_entry *)&bytes[listing->used];

    size = size < sizeof(*told) ? (uint32_t)sizeof(*told) : size;
    if (size > listing->room - listing->used) {
        return false;
    }
    told->number = entry->inode;
    told->position = cursor->position;
    told->size = (uint16_t)size;
    told->type = (uint8_t)type;
    told->name_length = entry->length;
    __builtin_memcpy(told->name, entry->name, entry->length);
    listing->used += size;
    listing->count++;
    return true;
}

static hx_err fill(struct listing *listing, const struct inode *directory, uint64_t position)
{
    struct cursor cursor;
    bool is_there = true;
    bool has_room = true;
    hx_err error = HX_OK;

    cursor_begin(&cursor, directory, position);
    while (error == HX_OK && is_there && has_room) {
        uint32_t type = 0;

        error = cursor_next(&cursor, &is_there);
        if (error == HX_OK && is_there && is_told(cursor.entry)) {
            error = entry_type_of(cursor.entry, &type);
            has_room = error == HX_OK && add(listing, &cursor, type);
        }
    }
    return error;
}

hx_err ext2_list(uint64_t directory, uint64_t position, uint64_t loan, uint64_t size)
{
    struct listing listing = {.used = sizeof(struct hx_file_listing),
                              .room = size < LISTING_MAX ? (uint32_t)size : LISTING_MAX};
    struct inode inode;
    hx_err error = volume_ready();

    if (error == HX_OK) {
        error = directory_read(directory, &inode);
    }
    if (error == HX_OK && listing.room < listing.used) {
        error = HX_EINVAL;
    }
    if (error == HX_OK) {
        error = fill(&listing, &inode, position);
    }
    if (error != HX_OK) {
        return error;
    }
    ((struct hx_file_listing *)bytes)->count = listing.count;
    return hx_loan_write(loan, 0, bytes, listing.used);
}
