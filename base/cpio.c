/* Reader of cpio "newc" archives. */
#include <base/cpio.h>

#include <base/memory.h>
#include <base/string.h>
#include <stdbool.h>

/* A header: a magic of 6 bytes, then 13 fields of 8 hexadecimal digits (cpio(5), "New ASCII
 * Format"). */
#define MAGIC       "070701"
#define MAGIC_SIZE  6U
#define MAGIC_MASK  0x0000ffffffffffffULL /* of a word that begins with it, lowest byte first */
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

/* The magic and the two digits that follow it, as one word without these. */
static bool has_magic(const char *header)
{
    static const char magic[sizeof(uint64_t)] = MAGIC;
    uint64_t expected;
    uint64_t found;

    memcpy(&expected, magic, sizeof(expected));
    memcpy(&found, header, sizeof(found));
    return ((found ^ expected) & MAGIC_MASK) == 0;
}

static const char *field_at(const char *header, enum field field)
{
    return header + MAGIC_SIZE + field * FIELD_SIZE;
}

/* Fields that nobody asks for, whose digits are not looked at; and those that a span has. */
#define UNUSED_FIELDS                                                                              \
    (1U << FIELD_DEV_MAJOR | 1U << FIELD_DEV_MINOR | 1U << FIELD_CHECK | 1U << FIELD_NAME_SIZE |   \
     1U << FIELD_FILE_SIZE)

/* The header has been seen to lie in the buffer. */
static bool decode_fields(const char *header, uint32_t fields[FIELD_COUNT])
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if ((UNUSED_FIELDS & 1U << i) == 0 &&
            !decode_field(field_at(header, (enum field)i), &fields[i])) {
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

/* Where the parts of a record are; offsets from its header. */
struct span {
    const char *header;
    size_t name_size; /* with its NUL, which is there */
    size_t data_start;
    size_t data_size;
    size_t end; /* offset in the archive behind the data and its padding, never past the buffer */
};

/* What begins at offset (within the buffer); every length is checked against what is left. */
static bool find_span(const struct cpio_archive *archive, size_t offset, struct span *span)
{
    const char *header = (const char *)archive->bytes + offset;
    size_t room = archive->size - offset;
    uint32_t name_size;
    uint32_t data_size;

    if (room < HEADER_SIZE || !has_magic(header) ||
        !decode_field(field_at(header, FIELD_NAME_SIZE), &name_size) ||
        !decode_field(field_at(header, FIELD_FILE_SIZE), &data_size)) {
        return false;
    }
    if (name_size < 2 || name_size > room - HEADER_SIZE ||
        header[HEADER_SIZE + name_size - 1] != '\0') {
        return false;
    }
    span->header = header;
    span->name_size = name_size;
    span->data_start = padded(HEADER_SIZE + name_size, room);
    span->data_size = data_size;
    if (data_size > room - span->data_start) {
        return false;
    }
    span->end = offset + padded(span->data_start + data_size, room);
    return true;
}

static struct cpio_entry entry_of(const uint32_t fields[FIELD_COUNT], const struct span *span)
{
    return (struct cpio_entry){
        .name = span->header + HEADER_SIZE,
        .data = span->header + span->data_start,
        .size = span->data_size,
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

/* The rest of a header, and that the name's NUL is its only one. */
static bool decode_span(const struct span *span, struct cpio_entry *entry)
{
    const char *name = span->header + HEADER_SIZE;
    uint32_t fields[FIELD_COUNT];

    if (!decode_fields(span->header, fields) || string_ends_within(name, span->name_size - 1)) {
        return false;
    }
    *entry = entry_of(fields, span);
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

/* The next record that is not the end of an archive. */
static hx_err next_span(struct cpio_reader *reader, struct span *span)
{
    while (reader->needs_trailer || reader->offset < reader->archive.size) {
        if (!find_span(&reader->archive, reader->offset, span)) {
            return HX_EFORMAT;
        }
        if (span->name_size != sizeof(TRAILER) ||
            !string_equal(span->header + HEADER_SIZE, TRAILER)) {
            return HX_OK;
        }
        reader->offset = skip_zeros(&reader->archive, span->end);
        reader->needs_trailer = false;
    }
    return HX_ENOENT;
}

static void pass(struct cpio_reader *reader, const struct span *span)
{
    reader->offset = span->end;
    reader->needs_trailer = true;
}

hx_err cpio_next(struct cpio_reader *reader, struct cpio_entry *entry)
{
    struct span span;
    hx_err error = next_span(reader, &span);

    if (error == HX_OK && !decode_span(&span, entry)) {
        error = HX_EFORMAT;
    }
    if (error == HX_OK) {
        pass(reader, &span);
    }
    return error;
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

hx_err cpio_next_below(struct cpio_reader *reader, const char *prefix, struct cpio_entry *entry)
{
    struct span span;
    hx_err error;

    prefix = plain_path(prefix);
    while ((error = next_span(reader, &span)) == HX_OK) {
        if (string_has_prefix(plain_path(span.header + HEADER_SIZE), prefix)) {
            return cpio_next(reader, entry);
        }
        pass(reader, &span);
    }
    return error;
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
    while ((error = cpio_next_below(&reader, path, &next)) == HX_OK) {
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
