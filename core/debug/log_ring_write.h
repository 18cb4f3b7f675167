/*
 * The writer's side of the log ring, inline because it is a good part of what a log line costs. The
 * rules stand in log_ring.h.
 */
#ifndef CORE_DEBUG_LOG_RING_WRITE_H
#define CORE_DEBUG_LOG_RING_WRITE_H

#include <base/assert.h>
#include <base/memory.h>
#include <core/debug/log_ring.h>

/* Layout of log_record.origin: the thread in the low half. */
#define LOG_ORIGIN_LENGTH_SHIFT 32
#define LOG_ORIGIN_CPU_SHIFT    48
#define LOG_ORIGIN_LEVEL_SHIFT  56

/* Who writes, for log_ring_write. */
static inline uint64_t log_origin(uint8_t level, uint8_t cpu, uint32_t thread)
{
    return (uint64_t)level << LOG_ORIGIN_LEVEL_SHIFT | (uint64_t)cpu << LOG_ORIGIN_CPU_SHIFT |
           thread;
}

/* --- the state word --------------------------------------------------------------------------- */

static inline uint64_t log_state_complete(uint64_t number)
{
    return number * 2;
}

static inline uint64_t log_state_writing(uint64_t number)
{
    return number * 2 + 1;
}

static inline bool log_state_is_writing(uint64_t state)
{
    return (state & 1) != 0;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Move the head from number - 1 to number; when it has moved already, somebody helped. */
static inline void log_ring_advance_head(struct log_ring *ring, uint64_t number)
{
    uint64_t expected = number - 1;

    /* Release: who sees the head (log_ring_read) sees the slot owned. */
    atomic_compare_exchange_strong_explicit(&ring->head, &expected, number, memory_order_release,
                                            memory_order_relaxed);
}

/*
 * Own the slot that is next in turn. A slot's state only grows, so an exchange that succeeds cannot
 * have missed a change. Returns the record, NULL: the slot is still being written.
 */
static inline struct log_record *log_ring_claim(struct log_ring *ring, bool steal,
                                                uint64_t *claimed)
{
    for (;;) {
        uint64_t number = atomic_load_explicit(&ring->head, memory_order_acquire) + 1;
        struct log_record *record = &ring->records[number % LOG_RING_RECORDS];
        /* Acquire: pairs with the owner's exchange below, so that a helper's release passes it on.
         */
        uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire);

        if (HX_UNLIKELY(state >= log_state_complete(number))) {
            /* Owned by somebody who has not moved the head yet; or the head moved on meanwhile. */
            log_ring_advance_head(ring, number);
            continue;
        }
        if (HX_UNLIKELY(log_state_is_writing(state)) && !steal) {
            atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
            return NULL;
        }
        if (HX_LIKELY(atomic_compare_exchange_strong_explicit(
                &record->state, &state, log_state_writing(number), memory_order_acq_rel,
                memory_order_relaxed))) {
            log_ring_advance_head(ring, number);
            *claimed = number;
            return record;
        }
    }
}

/*
 * Copy a text by words. Release on each: a reader who acquires one of them also sees the state
 * "being written". A line has few words, so that unrolling the loop costs more than it saves.
 */
static inline void log_record_fill(struct log_record *record, const char *text, size_t length)
{
#pragma GCC unroll 1
    for (size_t i = 0; i < (length + 7) / 8; i++) {
        uint64_t word;

        memcpy(&word, text + i * 8, sizeof word);
        atomic_store_explicit(&record->text[i], word, memory_order_release);
    }
}

/*
 * Append a record of at most LOG_TEXT_MAX bytes of text, which is read in whole words: up to seven
 * bytes behind it are read and mean nothing. steal: take a slot over from a writer that will never
 * finish (panic, all others stopped).
 * Returns the record's number, 0 when it was dropped.  Context: any.
 */
static inline uint64_t log_ring_write(struct log_ring *ring, uint64_t time_ns, uint64_t origin,
                                      const char *text, size_t length, bool steal)
{
    uint64_t number;
    struct log_record *record = log_ring_claim(ring, steal, &number);

    HX_DEBUG_ASSERT(length <= LOG_TEXT_MAX, "a record's text fits");
    if (record == NULL) {
        return 0;
    }
    origin |= (uint64_t)length << LOG_ORIGIN_LENGTH_SHIFT;
    atomic_store_explicit(&record->time, time_ns, memory_order_release);
    atomic_store_explicit(&record->origin, origin, memory_order_release);
    log_record_fill(record, text, length);
    /*
     * Sequentially consistent: the writer next looks whether somebody has to be told, and a reader
     * who goes to sleep says so and looks here (log_ring_is_complete); one of the two sees the
     * other.
     */
    atomic_store_explicit(&record->state, log_state_complete(number), memory_order_seq_cst);
    return number;
}

#endif
