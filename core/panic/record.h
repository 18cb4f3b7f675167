/*
 * What a panic leaves to the kernel after it: a record in memory that a reset does not clear.
 *
 * Rules:
 * - Pure: it knows of memory and texts alone. There is one record in the memory, or none.
 * - It has three texts, one behind the other: the report, the events of the flight recorder, and
 * the messages before. Each may have its share of the room; the last has what the others left, too.
 * - Writing: begin, which ends what was there; the texts, in their order; seal, the last store of
 *   which makes the record. A writer that does not come so far leaves none.
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
#define PANIC_RECORD_VERSION 2U

/* X(enumerator, eighths of the room that it may have, the line before it when it is shown) */
#define PANIC_RECORD_PART_LIST(X)                                                                  \
    X(PANIC_RECORD_REPORT, 3, "")                                                                  \
    X(PANIC_RECORD_EVENTS, 2, "Flight Recorder:\n")                                                \
    X(PANIC_RECORD_MESSAGES, 8, "Messages Before:\n") /* all there is left */

#define PANIC_RECORD_PART_ENUM(name, share, title) name,
enum panic_record_part { PANIC_RECORD_PART_LIST(PANIC_RECORD_PART_ENUM) PANIC_RECORD_PARTS };
#undef PANIC_RECORD_PART_ENUM

/* What lies at the start of the memory; the texts follow. */
struct panic_record_header {
    _Atomic uint64_t magic;
    uint32_t checksum; /* CRC-32C of all behind it, the texts included */
    uint32_t version;
    uint32_t lengths[PANIC_RECORD_PARTS]; /* bytes; the texts have no NUL */
    uint32_t unused;                      /* 0 */
    char message[PANIC_MESSAGE_MAX];      /* of the panic, with NULs up to its end */
};

/* A record that has been checked; the texts point into the memory. */
struct panic_record {
    char message[PANIC_MESSAGE_MAX]; /* without control characters */
    const char *texts[PANIC_RECORD_PARTS];
    size_t lengths[PANIC_RECORD_PARTS];
};

/* A record that is being written. */
struct panic_record_writer {
    struct panic_record_header *header;
    struct text text; /* of the part under way: to be filled */
    enum panic_record_part part;
    size_t room; /* for all texts */
    size_t used; /* by those that are done */
};

/*
 * Begin one in memory[size], aligned to 8; false: it is too small, and nothing is touched.
 * Context: panic, and any other that nobody else writes or reads in meanwhile.
 */
HX_MUST_USE bool panic_record_begin(struct panic_record_writer *writer, void *memory, size_t size);

/* The text is done, the next part is under way.  Context: as above. */
void panic_record_next(struct panic_record_writer *writer);
void panic_record_seal(struct panic_record_writer *writer, const char *message);

/* Whether there is a record; *record tells of it.  Context: any. */
HX_MUST_USE bool panic_record_read(const void *memory, size_t size, struct panic_record *record);

/* There is none any more.  Context: any. */
void panic_record_erase(void *memory, size_t size);

/* All texts, each behind its title.  Context: any. */
void panic_record_show(const struct panic_record *record, struct text *text);

#endif
