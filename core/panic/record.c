#include <base/crc32c.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/panic/record.h>
#include <stdatomic.h>

#define HEADER_SIZE sizeof(struct panic_record_header)
/* The checksum begins behind itself. */
#define SUMMED_FROM offsetof(struct panic_record_header, version)
#define DELETE      0x7f
/* Each part has a byte at least, for its NUL. */
#define ROOM_LEAST 8U

_Static_assert(SUMMED_FROM == 12 && HEADER_SIZE == 32 + PANIC_MESSAGE_MAX,
               "other kernels read it: a new layout takes a new version");

static uint32_t sum(const struct panic_record_header *header, size_t texts_length)
{
    const char *bytes = (const char *)header;

    return crc32c(0, bytes + SUMMED_FROM, HEADER_SIZE - SUMMED_FROM + texts_length);
}

/* --- writing ---------------------------------------------------------------------------------- */

void panic_record_erase(void *memory, size_t size)
{
    struct panic_record_header *header = memory;

    if (size >= HEADER_SIZE) {
        /* Relaxed: what makes a record is the release in seal. */
        atomic_store_explicit(&header->magic, 0, memory_order_relaxed);
        atomic_signal_fence(memory_order_seq_cst);
    }
}

static const struct {
    size_t share; /* eighths */
    const char *title;
} parts[PANIC_RECORD_PARTS] = {
#define PANIC_RECORD_PART(name, eighths, line) [name] = {.share = (eighths), .title = (line)},
    PANIC_RECORD_PART_LIST(PANIC_RECORD_PART)
#undef PANIC_RECORD_PART
};

/* A text's NUL is in the room too, and overwritten by the next text. */
static void begin_part(struct panic_record_writer *writer, enum panic_record_part part)
{
    size_t share = writer->room * parts[part].share / 8;
    size_t left = writer->room - writer->used;

    writer->part = part;
    writer->text =
        text_into((char *)writer->header + HEADER_SIZE + writer->used, share < left ? share : left);
}

/* Of what was added, that which fitted. */
static void end_part(struct panic_record_writer *writer)
{
    const struct text *text = &writer->text;
    size_t kept = text->length < text->size ? text->length : text->size - 1;

    writer->header->lengths[writer->part] = (uint32_t)kept;
    writer->used += kept;
}

bool panic_record_begin(struct panic_record_writer *writer, void *memory, size_t size)
{
    if (size < HEADER_SIZE + ROOM_LEAST) {
        return false;
    }
    panic_record_erase(memory, size);
    writer->header = memory;
    writer->room = size - HEADER_SIZE;
    writer->used = 0;
    begin_part(writer, (enum panic_record_part)0);
    return true;
}

void panic_record_next(struct panic_record_writer *writer)
{
    end_part(writer);
    begin_part(writer, writer->part + 1);
}

void panic_record_seal(struct panic_record_writer *writer, const char *message)
{
    struct panic_record_header *header = writer->header;

    end_part(writer);
    memset(header->message, 0, sizeof(header->message));
    string_copy(header->message, sizeof(header->message), message);
    header->version = PANIC_RECORD_VERSION;
    header->unused = 0;
    header->checksum = sum(header, writer->used);
    /* Release: who reads the magic after this, of the same boot, finds the rest. */
    atomic_store_explicit(&header->magic, PANIC_RECORD_MAGIC, memory_order_release);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_control(char byte)
{
    return ((unsigned char)byte < ' ' && byte != '\n' && byte != '\t') || byte == DELETE;
}

static void copy_message(const struct panic_record_header *header, struct panic_record *record)
{
    memcpy(record->message, header->message, sizeof(record->message));
    record->message[sizeof(record->message) - 1] = '\0';
    for (char *at = record->message; *at != '\0'; at++) {
        if (is_control(*at) || *at == '\n') {
            *at = '?';
        }
    }
}

/* The lengths are below 4 GiB each: their sum does not wrap. */
static bool is_whole(const struct panic_record_header *header, size_t size)
{
    uint64_t texts = 0;

    for (size_t i = 0; i < PANIC_RECORD_PARTS; i++) {
        texts += header->lengths[i];
    }
    return header->version == PANIC_RECORD_VERSION && texts <= size - HEADER_SIZE &&
           header->checksum == sum(header, (size_t)texts);
}

bool panic_record_read(const void *memory, size_t size, struct panic_record *record)
{
    const struct panic_record_header *header = memory;
    const char *text;

    if (size < HEADER_SIZE ||
        atomic_load_explicit(&header->magic, memory_order_acquire) != PANIC_RECORD_MAGIC ||
        !is_whole(header, size)) {
        return false;
    }
    copy_message(header, record);
    text = (const char *)memory + HEADER_SIZE;
    for (size_t i = 0; i < PANIC_RECORD_PARTS; i++) {
        record->texts[i] = text;
        record->lengths[i] = header->lengths[i];
        text += record->lengths[i];
    }
    return true;
}

/* --- showing ---------------------------------------------------------------------------------- */

static void add_shown(struct text *text, const char *bytes, size_t length)
{
    size_t start = 0;

    for (size_t i = 0; i < length; i++) {
        if (is_control(bytes[i])) {
            text_add_bytes(text, bytes + start, i - start);
            text_add_bytes(text, "?", 1);
            start = i + 1;
        }
    }
    text_add_bytes(text, bytes + start, length - start);
}

void panic_record_show(const struct panic_record *record, struct text *text)
{
    for (size_t i = 0; i < PANIC_RECORD_PARTS; i++) {
        text_add(text, "%s", parts[i].title);
        add_shown(text, record->texts[i], record->lengths[i]);
    }
}
