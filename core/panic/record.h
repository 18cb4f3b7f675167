/*
 * What a panic leaves to the kernel after it: a record in memory that a reset does not clear.
 *
 * Rules:
 * - Pure: it knows of memory and texts alone. There is one record in the memory, or none.
 * - Writing: begin, which ends what was there; the texts; seal, the last store of which makes the
 *   record. A writer that does not come so far leaves none.
 * - Reading believes nothing: after the power was off the memory has any bytes, and another kernel
 *   may have been its user. A record counts only when magic, version, lengths and checksum hold.
 * - The texts may have any bytes even then; panic_record_show prints no control characters.
 */
#ifndef CORE_PANIC_RECORD_H
#define CORE_PANIC_RECORD_H

#include <base/text.h>
#include <core/panic/panic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PANIC_RECORD_MAGIC   0x43494e4150584c48ULL /* "HLXPANIC" */
#define PANIC_RECORD_VERSION 1U

/* What lies at the start of the memory; the report follows, and the messages right behind it. */
struct panic_record_header {
    _Atomic uint64_t magic;
    uint32_t checksum; /* CRC-32C of all behind it, the texts included */
    uint32_t version;
    uint32_t report_length; /* bytes; the texts have no NUL */
    uint32_t messages_length;
    char message[PANIC_MESSAGE_MAX]; /* of the panic, with NULs up to its end */
};

/* A record that has been checked; the texts point into the memory. */
struct panic_record {
    char message[PANIC_MESSAGE_MAX]; /* without control characters */
    const char *report;
    const char *messages;
    size_t report_length;
    size_t messages_length;
};

/* A record that is being written. */
struct panic_record_writer {
    struct panic_record_header *header;
    struct text report;   /* to be filled first; it gets at most half of the room */
    struct text messages; /* valid after panic_record_end_report */
    size_t room;          /* for both texts */
};

/*
 * Begin one in memory[size], aligned to 8; false: it is too small, and nothing is touched.
 * Context: panic, and any other that nobody else writes or reads in meanwhile.
 */
HX_MUST_USE bool panic_record_begin(struct panic_record_writer *writer, void *memory, size_t size);
void panic_record_end_report(struct panic_record_writer *writer);
void panic_record_seal(struct panic_record_writer *writer, const char *message);

/* Whether there is a record; *record tells of it.  Context: any. */
HX_MUST_USE bool panic_record_read(const void *memory, size_t size, struct panic_record *record);

/* There is none any more.  Context: any. */
void panic_record_erase(void *memory, size_t size);

/* The report, then the messages before it.  Context: any. */
void panic_record_show(const struct panic_record *record, struct text *text);

#endif
