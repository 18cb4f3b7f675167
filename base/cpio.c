/* Reader of cpio "newc" archives. */
#include <base/cpio.h>

#include <base/memory.h>
#include <base/string.h>
#include <stdbool.h>

/* A header: a magic of 6 bytes, then 13 fields of 8 hexadecimal digits (cpio(5), "New ASCII
 * Format"). */
#define MAGIC       "070701"
#define MAGIC_SIZE  6U
#define FIELD_SIZE  8U
#define HEADER_SIZE (MAGIC_SIZE + FIELD_COUNT * FIELD_SIZE)
#define ALIGNMENT   4U
#define TRAILER     "TRAILER!!!"

enum field {
    FIELD_INO,
    FIELD_MODE,
    FIELD_UID,
    FIELD_GID,
    FIELD_NLINK,
    FIELD_MTIME,
    FIELD_FILE_SIZE,
    FIELD_DEV_MAJOR,
    FIELD_DEV_MINOR,
    FIELD_RDEV_MAJOR,
    FIELD_RDEV_MINOR,
    FIELD_NAME_SIZE,
    FIELD_CHECK,
    FIELD_COUNT
};

/* A decoded record: an entry, or the trailer that ends an archive. */
struct record {
    struct cpio_entry entry;
    size_t end; /* offset behind the data and its padding, never past the buffer */
};

/* The same byte eight times. */
#define EIGHT(byte) (0x0101010101010101ULL * (byte))

/*
 * Eight digits at once, a byte each in a word. Bit 6 tells a letter from a digit; what the digits
 * would be if they were good is written back and compared, so no byte that is none passes.
 */
static bool decode_field(const char *digits, uint32_t *value)
{
    uint64_t text;

    memcpy(&text, digits, sizeof(text));

    uint64_t letters = (text & EIGHT(0x40)) >> 6;
    uint64_t nibbles = (text & EIGHT(0x0f)) + 9 * letters;
    uint64_t above_nine = (nibbles + EIGHT(6)) >> 4 & EIGHT(1);
    uint64_t written = nibbles + EIGHT('0') + above_nine * ('a' - '0' - 10);

    if ((nibbles & EIGHT(0xf0)) != 0 || written != (text | letters << 5)) {
        return false;
    }
    /* Pairs of digits to bytes, these together, the first one the highest. */
    nibbles = (nibbles << 4 | nibbles >> 8) & 0x00ff00ff00ff00ffULL;
    nibbles = (nibbles | nibbles >> 8) & 0x0000ffff0000ffffULL;
    *value = __builtin_bswap32((uint32_t)(nibbles | nibbles >> 16));
    return true;
}

/* The header has been seen to lie in the buffer. */
static bool decode_header(const char *header, uint32_t fields[FIELD_COUNT])
{
    if (memcmp(header, MAGIC, MAGIC_SIZE) != 0) {
        return false;
    }
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (!decode_field(header + MAGIC_SIZE + i * FIELD_SIZE, &fields[i])) {
            return false;
        }
    }
    return true;
}

/*
 * Padding that brings a length to a multiple of four. At the end of the buffer it may be missing:
 * it holds nothing.
 */
static size_t padded(size_t length, size_t room)
{
    size_t padding = -length % ALIGNMENT;

    return padding > room - length ? room : length + padding;
}

/* A name has its one NUL at its end, and at least one byte before that. */
static bool name_is_sound(const char *name, size_t size)
{
    return size >= 2 && string_length_max(name, size) == size - 1;
}

static struct cpio_entry entry_of(const uint32_t fields[FIELD_COUNT], const char *name,
                                  const char *data)
{
    return (struct cpio_entry){
        .name = name,
        .data = data,
        .size = fields[FIELD_FILE_SIZE],
        .ino = fields[FIELD_INO],
        .mode = fields[FIELD_MODE],
        .uid = fields[FIELD_UID],
        .gid = fields[FIELD_GID],
        .nlink = fields[FIELD_NLINK],
        .mtime = fields[FIELD_MTIME],
        .rdev_major = fields[FIELD_RDEV_MAJOR],
        .rdev_minor = fields[FIELD_RDEV_MINOR],
    };
}

/* Decode what begins at offset (within the buffer); every length is checked against what is left.
 */
static bool decode_record(const struct cpio_archive *archive, size_t offset, struct record *record)
{
    const char *header = (const char *)archive->bytes + offset;
    size_t room = archive->size - offset;
    uint32_t fields[FIELD_COUNT];
    size_t name_end;
    size_t data_start;

    if (room < HEADER_SIZE || !decode_header(header, fields)) {
        return false;
    }
    if (fields[FIELD_NAME_SIZE] > room - HEADER_SIZE ||
        !name_is_sound(header + HEADER_SIZE, fields[FIELD_NAME_SIZE])) {
        return false;
    }
    name_end = HEADER_SIZE + fields[FIELD_NAME_SIZE];
    data_start = padded(name_end, room);
    if (fields[FIELD_FILE_SIZE] > room - data_start) {
        return false;
    }
    record->entry = entry_of(fields, header + HEADER_SIZE, header + data_start);
    record->end = offset + padded(data_start + fields[FIELD_FILE_SIZE], room);
    return true;
}

/* Pass the zero bytes between archives. */
static size_t skip_zeros(const struct cpio_archive *archive, size_t offset)
{
    const char *bytes = archive->bytes;

    while (offset < archive->size && bytes[offset] == '\0') {
        offset++;
    }
    return offset;
}

void cpio_open(struct cpio_reader *reader, struct cpio_archive archive)
{
    reader->archive = archive;
    reader->offset = skip_zeros(&archive, 0);
    reader->needs_trailer = false;
}

hx_err cpio_next(struct cpio_reader *reader, struct cpio_entry *entry)
{
    while (reader->needs_trailer || reader->offset < reader->archive.size) {
        struct record record;

        if (!decode_record(&reader->archive, reader->offset, &record)) {
            return HX_EFORMAT;
        }
        if (!string_equal(record.entry.name, TRAILER)) {
            reader->offset = record.end;
            reader->needs_trailer = true;
            *entry = record.entry;
            return HX_OK;
        }
        reader->offset = skip_zeros(&reader->archive, record.end);
        reader->needs_trailer = false;
    }
    return HX_ENOENT;
}

/* A path without the "/" and "./" in front of it. */
static const char *plain_path(const char *path)
{
    for (;;) {
        if (path[0] == '/') {
            path++;
        } else if (path[0] == '.' && path[1] == '/') {
            path += 2;
        } else {
            return path;
        }
    }
}

hx_err cpio_find(struct cpio_archive archive, const char *path, struct cpio_entry *entry)
{
    struct cpio_reader reader;
    struct cpio_entry next;
    struct cpio_entry found;
    bool is_found = false;
    hx_err error;

    path = plain_path(path);
    cpio_open(&reader, archive);
    for (error = cpio_next(&reader, &next); error == HX_OK; error = cpio_next(&reader, &next)) {
        if (string_equal(plain_path(next.name), path)) {
            found = next;
            is_found = true;
        }
    }
    if (error == HX_ENOENT && is_found) {
        *entry = found;
        return HX_OK;
    }
    return error;
}
