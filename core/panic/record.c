#include <base/crc32c.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/panic/record.h>
#include <stdatomic.h>

#define HEADER_SIZE sizeof(struct panic_record_header)
/* The checksum begins behind itself. */
#define SUMMED_FROM offsetof(struct panic_record_header, version)
#define DELETE      0x7f

_Static_assert(SUMMED_FROM == 12 && HEADER_SIZE == 24 + PANIC_MESSAGE_MAX,
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

bool panic_record_begin(struct panic_record_writer *writer, void *memory, size_t size)
{
    if (size <= HEADER_SIZE + 2) {
        return false;
    }
    panic_record_erase(memory, size);
    writer->header = memory;
    writer->room = size - HEADER_SIZE;
    writer->report = text_into((char *)memory + HEADER_SIZE, writer->room / 2);
    return true;
}

/* Of what was added, that which fitted. */
static size_t kept_length(const struct text *text)
{
    return text->length < text->size ? text->length : text->size - 1;
}

void panic_record_end_report(struct panic_record_writer *writer)
{
    size_t length = kept_length(&writer->report);

    writer->messages = text_into(writer->report.buffer + length, writer->room - length);
}

void panic_record_seal(struct panic_record_writer *writer, const char *message)
{
    struct panic_record_header *header = writer->header;

    memset(header->message, 0, sizeof(header->message));
    string_copy(header->message, sizeof(header->message), message);
    header->version = PANIC_RECORD_VERSION;
    header->report_length = (uint32_t)kept_length(&writer->report);
    header->messages_length = (uint32_t)kept_length(&writer->messages);
    header->checksum = sum(header, (size_t)header->report_length + header->messages_length);
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

/* Both lengths are below 4 GiB: their sum does not wrap. */
static bool is_whole(const struct panic_record_header *header, size_t size)
{
    uint64_t texts = (uint64_t)header->report_length + header->messages_length;

    return header->version == PANIC_RECORD_VERSION && texts <= size - HEADER_SIZE &&
           header->checksum == sum(header, (size_t)texts);
}

bool panic_record_read(const void *memory, size_t size, struct panic_record *record)
{
    const struct panic_record_header *header = memory;

    if (size < HEADER_SIZE ||
        atomic_load_explicit(&header->magic, memory_order_acquire) != PANIC_RECORD_MAGIC ||
        !is_whole(header, size)) {
        return false;
    }
    copy_message(header, record);
    record->report = (const char *)memory + HEADER_SIZE;
    record->report_length = header->report_length;
    record->messages = record->report + record->report_length;
    record->messages_length = header->messages_length;
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
    add_shown(text, record->report, record->report_length);
    text_add(text, "Messages Before:\n");
    add_shown(text, record->messages, record->messages_length);
}
