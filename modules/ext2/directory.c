#include <../modules/ext2/directory.h>
#include <helix/disk.h>

static uint8_t buffer[BLOCK_SIZE_MAX] __attribute__((aligned(8))); /* the cursor's block */

/* --- entries ---------------------------------------------------------------------------------- */

/* Before entries told types, their byte was the upper one of the length. */
uint32_t entry_length(const struct entry *entry)
{
    return entry->length;
}

static bool is_possible(const struct entry *entry, uint32_t room)
{
    bool has_long_name = !volume.has_types && entry->type != 0;

    return entry->size >= ENTRY_SIZE(entry->length) && entry->size % 4 == 0 &&
           entry->size <= room && !has_long_name && entry->inode <= volume.inodes;
}

static uint8_t entry_type(uint32_t type)
{
    static const uint8_t types[] = {
        [HX_FILE_FIFO] = ENTRY_FIFO,           [HX_FILE_CHARACTER] = ENTRY_CHARACTER,
        [HX_FILE_DIRECTORY] = ENTRY_DIRECTORY, [HX_FILE_BLOCK] = ENTRY_BLOCK,
        [HX_FILE_REGULAR] = ENTRY_REGULAR,     [HX_FILE_SYMLINK] = ENTRY_SYMLINK,
        [HX_FILE_SOCKET] = ENTRY_SOCKET,
    };

    return volume.has_types && type < sizeof(types) ? types[type] : ENTRY_UNKNOWN;
}

hx_err entry_type_of(const struct entry *entry, uint32_t *type)
{
    static const uint8_t types[] = {
        [ENTRY_REGULAR] = HX_FILE_REGULAR,     [ENTRY_DIRECTORY] = HX_FILE_DIRECTORY,
        [ENTRY_CHARACTER] = HX_FILE_CHARACTER, [ENTRY_BLOCK] = HX_FILE_BLOCK,
        [ENTRY_FIFO] = HX_FILE_FIFO,           [ENTRY_SOCKET] = HX_FILE_SOCKET,
        [ENTRY_SYMLINK] = HX_FILE_SYMLINK,
    };
    struct inode inode;
    hx_err error;

    if (volume.has_types && entry->type != ENTRY_UNKNOWN && entry->type < sizeof(types)) {
        *type = types[entry->type];
        return HX_OK;
    }
    error = inode_read(entry->inode, &inode);
    *type = error == HX_OK ? inode_type(&inode) : 0;
    return error;
}

/* --- the cursor ------------------------------------------------------------------------------- */

void cursor_begin(struct cursor *cursor, const struct inode *directory, uint64_t position)
{
    uint64_t start = position / volume.block_size * volume.block_size;

    *cursor = (struct cursor){.inode = directory, .size = inode_size(directory), .position = start};
    if (start == position) {
        return;
    }
    /* Names come and go: where an entry stood, another one may reach over by now. */
    while (cursor->position < position) {
        bool is_there;

        if (cursor_next(cursor, &is_there) != HX_OK || !is_there) {
            cursor->position = position;
            return;
        }
    }
}

static hx_err enter_block(struct cursor *cursor)
{
    uint32_t count;
    hx_err error =
        map_find(cursor->inode, cursor->position / volume.block_size, 1, &cursor->block, &count);

    if (error == HX_OK && cursor->block == 0) {
        error = HX_EIO;
    }
    cursor->offset = 0;
    return error == HX_OK ? hx_disk_read(offset_of_block(cursor->block), buffer, volume.block_size)
                          : error;
}

hx_err cursor_next(struct cursor *cursor, bool *is_there)
{
    uint32_t offset = (uint32_t)(cursor->position % volume.block_size);
    hx_err error = HX_OK;

    *is_there = cursor->position < cursor->size;
    if (!*is_there) {
        return HX_OK;
    }
    cursor->previous = cursor->offset;
    if (offset == 0 || cursor->entry == NULL) {
        error = enter_block(cursor);
        cursor->previous = offset;
    }
    if (error != HX_OK) {
        return error;
    }
    cursor->offset = offset;
    cursor->entry = (const struct entry *)&buffer[offset];
    if (volume.block_size - offset < ENTRY_HEAD ||
        !is_possible(cursor->entry, volume.block_size - offset)) {
        return HX_EIO;
    }
    cursor->position += cursor->entry->size;
    return HX_OK;
}

/* --- finding ---------------------------------------------------------------------------------- */

hx_err directory_read(uint64_t number, struct inode *directory)
{
    hx_err error = inode_read(number, directory);

    if (error != HX_OK) {
        return error;
    }
    if (inode_type(directory) != HX_FILE_DIRECTORY) {
        return HX_ENOTDIR;
    }
    if (inode_size(directory) % volume.block_size != 0) {
        return HX_EIO;
    }
    return directory->links > 0 ? HX_OK : HX_ENOENT;
}

static bool is_named(const struct entry *entry, const char *name, uint32_t length)
{
    return entry->inode != 0 && entry_length(entry) == length &&
           __builtin_memcmp(entry->name, name, length) == 0;
}

hx_err directory_find(const struct inode *directory, const char *name, uint32_t length,
                      struct cursor *cursor)
{
    bool is_there = true;
    hx_err error = HX_OK;

    cursor_begin(cursor, directory, 0);
    while (error == HX_OK && is_there) {
        error = cursor_next(cursor, &is_there);
        if (error == HX_OK && is_there && is_named(cursor->entry, name, length)) {
            return HX_OK;
        }
    }
    return error == HX_OK ? HX_ENOENT : error;
}

static bool is_dots(const struct entry *entry)
{
    uint32_t length = entry_length(entry);

    return (length == 1 && entry->name[0] == '.') ||
           (length == 2 && entry->name[0] == '.' && entry->name[1] == '.');
}

hx_err directory_is_empty(uint64_t number, bool *is_empty)
{
    struct inode directory;
    struct cursor cursor;
    bool is_there = true;
    hx_err error = directory_read(number, &directory);

    *is_empty = error == HX_OK;
    if (error == HX_OK) {
        cursor_begin(&cursor, &directory, 0);
    }
    while (error == HX_OK && is_there && *is_empty) {
        error = cursor_next(&cursor, &is_there);
        if (error == HX_OK && is_there) {
            *is_empty = cursor.entry->inode == 0 || is_dots(cursor.entry);
        }
    }
    return error;
}

/* --- changing --------------------------------------------------------------------------------- */

/* The head and the name of an entry at an offset of a block. */
static hx_err write_entry(uint32_t block, uint32_t offset, const struct entry *entry)
{
    return hx_disk_write(offset_of_block(block) + offset, entry, ENTRY_HEAD + entry->length);
}

static hx_err set_size(uint32_t block, uint32_t offset, uint16_t size)
{
    return hx_disk_write(offset_of_block(block) + offset + offsetof(struct entry, size), &size,
                         sizeof(size));
}

/* How much of an entry's room its name takes. */
static uint32_t taken(const struct entry *entry)
{
    return entry->inode != 0 ? ENTRY_SIZE(entry_length(entry)) : 0;
}

/* Into the room behind an entry, which becomes so much shorter; or in the place of a free one. */
static hx_err put_behind(const struct cursor *cursor, struct entry *entry)
{
    uint32_t used = taken(cursor->entry);
    hx_err error = HX_OK;

    entry->size = (uint16_t)(cursor->entry->size - used);
    if (used > 0) {
        error = set_size(cursor->block, cursor->offset, (uint16_t)used);
    }
    return error == HX_OK ? write_entry(cursor->block, cursor->offset + used, entry) : error;
}

static hx_err put_in_new_block(uint64_t number, struct inode *directory, struct entry *entry)
{
    uint64_t size = inode_size(directory);
    uint32_t block;
    bool is_new;
    hx_err error = map_make(number, directory, size / volume.block_size, &block, &is_new);

    if (error == HX_OK) {
        error = inode_set_size(directory, size + volume.block_size);
    }
    if (error != HX_OK) {
        return error;
    }
    __builtin_memset(buffer, 0, sizeof(buffer));
    entry->size = (uint16_t)volume.block_size;
    __builtin_memcpy(buffer, entry, ENTRY_HEAD + entry->length);
    return hx_disk_write(offset_of_block(block), buffer, volume.block_size);
}

static hx_err put(uint64_t number, struct inode *directory, struct entry *entry)
{
    uint32_t needed = ENTRY_SIZE(entry->length);
    struct cursor cursor;
    bool is_there = true;
    hx_err error = HX_OK;

    cursor_begin(&cursor, directory, 0);
    while (error == HX_OK && is_there) {
        error = cursor_next(&cursor, &is_there);
        if (error == HX_OK && is_there && cursor.entry->size - taken(cursor.entry) >= needed) {
            return put_behind(&cursor, entry);
        }
    }
    return error == HX_OK ? put_in_new_block(number, directory, entry) : error;
}

/* What an index of names said of it does not hold any more. */
static void drop_index(struct inode *directory)
{
    directory->flags &= ~FLAG_INDEXED;
}

hx_err directory_add(uint64_t number, const char *name, uint32_t length, uint32_t inode,
                     uint32_t type)
{
    struct entry entry = {.inode = inode, .length = (uint8_t)length, .type = entry_type(type)};
    struct inode directory;
    hx_err error = directory_read(number, &directory);

    if (error != HX_OK) {
        return error;
    }
    __builtin_memcpy(entry.name, name, length);
    drop_index(&directory);
    error = put(number, &directory, &entry);
    return error == HX_OK ? inode_write(number, &directory) : error;
}

static hx_err read_and_find(uint64_t number, struct inode *directory, const char *name,
                            uint32_t length, struct cursor *cursor)
{
    hx_err error = directory_read(number, directory);

    return error == HX_OK ? directory_find(directory, name, length, cursor) : error;
}

/* Its room becomes that of the entry before it, or stays free. */
hx_err directory_remove(uint64_t number, const char *name, uint32_t length)
{
    const uint32_t nothing = 0;
    struct inode directory;
    struct cursor cursor;
    hx_err error = read_and_find(number, &directory, name, length, &cursor);

    if (error != HX_OK) {
        return error;
    }
    if (cursor.previous != cursor.offset) {
        uint32_t size = cursor.offset - cursor.previous + cursor.entry->size;

        error = set_size(cursor.block, cursor.previous, (uint16_t)size);
    } else {
        error =
            hx_disk_write(offset_of_block(cursor.block) + cursor.offset, &nothing, sizeof(nothing));
    }
    drop_index(&directory);
    return error == HX_OK ? inode_write(number, &directory) : error;
}

hx_err directory_replace(uint64_t number, const char *name, uint32_t length, uint32_t inode,
                         uint32_t type)
{
    struct inode directory;
    struct cursor cursor;
    struct entry entry;
    hx_err error = read_and_find(number, &directory, name, length, &cursor);

    if (error != HX_OK) {
        return error;
    }
    __builtin_memcpy(&entry, cursor.entry, ENTRY_HEAD);
    entry.inode = inode;
    entry.type = entry_type(type);
    return hx_disk_write(offset_of_block(cursor.block) + cursor.offset, &entry, ENTRY_HEAD);
}

hx_err directory_create(uint32_t number, struct inode *directory, uint32_t parent)
{
    struct entry own = {.inode = number,
                        .size = ENTRY_SIZE(1),
                        .length = 1,
                        .type = entry_type(HX_FILE_DIRECTORY),
                        .name = "."};
    struct entry up = {.inode = parent,
                       .size = (uint16_t)(volume.block_size - ENTRY_SIZE(1)),
                       .length = 2,
                       .type = entry_type(HX_FILE_DIRECTORY),
                       .name = ".."};
    uint32_t block;
    bool is_new;
    hx_err error = map_make(number, directory, 0, &block, &is_new);

    if (error == HX_OK) {
        error = inode_set_size(directory, volume.block_size);
    }
    if (error != HX_OK) {
        return error;
    }
    __builtin_memset(buffer, 0, sizeof(buffer));
    __builtin_memcpy(buffer, &own, ENTRY_SIZE(1));
    __builtin_memcpy(buffer + ENTRY_SIZE(1), &up, ENTRY_SIZE(2));
    return hx_disk_write(offset_of_block(block), buffer, volume.block_size);
}
