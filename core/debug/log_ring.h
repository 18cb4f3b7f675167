/*
 * Ring of log records, written and read from any context without a lock (SPEC D2, D4).
 *
 * Rules:
 * - Records are numbered from 1 without gaps; the newest LOG_RING_RECORDS are kept.
 * - A writer owns a slot by changing its state word from "complete" of an older record to "being
 *   written" of its own; then it moves the head on. Whoever finds the head behind an owned slot
 * moves it on for the owner, so no writer waits for another, and an NMI in the middle of one does
 * no harm.
 * - When the slot that is next in turn is still being written (its writer is a whole ring behind),
 * the new record is dropped and counted.
 * - A reader sees a whole record or none: it copies, then checks that the state has not changed.
 * - All words are atomic, release on the writer's side and acquire on the reader's: without a
 * fence, a reader who saw any word of a newer record also sees its state.
 */
#ifndef CORE_DEBUG_LOG_RING_H
#define CORE_DEBUG_LOG_RING_H

#include <helix/attributes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_RING_RECORDS 1024U /* a power of two */
#define LOG_RECORD_SIZE  256U
#define LOG_TEXT_WORDS   29U
#define LOG_TEXT_MAX     (LOG_TEXT_WORDS * 8U) /* bytes; there is no NUL */

/* state: 2 * number when complete, 2 * number + 1 while being written, 0 when never used */
struct log_record {
    _Atomic uint64_t state;
    _Atomic uint64_t time;
    _Atomic uint64_t origin; /* level, CPU, length, thread: see log_ring_write.h */
    _Atomic uint64_t text[LOG_TEXT_WORDS];
};

struct log_ring {
    _Atomic uint64_t head; /* number of the newest owned record, 0: none */
    _Atomic uint64_t dropped;
    HX_ALIGNED(LOG_RECORD_SIZE) struct log_record records[LOG_RING_RECORDS];
};

/* A record read. */
struct log_entry {
    uint64_t number;
    uint64_t time_ns;
    uint32_t thread;
    uint8_t level; /* enum log_level */
    uint8_t cpu;
    uint16_t length; /* of text, at most LOG_TEXT_MAX */
    char text[LOG_TEXT_MAX + 1];
};

enum log_read {
    LOG_READ_RECORD,  /* *entry holds the record */
    LOG_READ_WRITING, /* number `from` is still being written */
    LOG_READ_END,     /* there is no such record yet */
};

/*
 * Read the oldest record with a number of at least from that is still kept; a higher number than
 * asked for means that those between are lost. The text gets a NUL. skip: pass over records that
 * are being written (panic).  Context: any.
 */
enum log_read log_ring_read(const struct log_ring *ring, uint64_t from, bool skip,
                            struct log_entry *entry);

/*
 * Whether a record with this number has been completed (it may be lost again).  For who is about to
 * sleep: sequentially consistent, as the completion is.  Context: any.
 */
bool log_ring_is_complete(const struct log_ring *ring, uint64_t number);

/* The newest number given out, 0: none.  Context: any. */
uint64_t log_ring_head(const struct log_ring *ring);

#endif
