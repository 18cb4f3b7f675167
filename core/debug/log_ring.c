#include <base/assert.h>
#include <base/memory.h>
#include <core/debug/log_ring.h>

_Static_assert(sizeof(struct log_record) == LOG_RECORD_SIZE, "a record fills its size exactly");
_Static_assert((LOG_RING_RECORDS & (LOG_RING_RECORDS - 1)) == 0, "numbers are masked to slots");

/* Layout of log_record.origin. */
#define ORIGIN_LEVEL_SHIFT  56
#define ORIGIN_CPU_SHIFT    48
#define ORIGIN_LENGTH_SHIFT 32

static inline uint64_t state_complete(uint64_t number)
{
    return number * 2;
}

static inline uint64_t state_writing(uint64_t number)
{
    return number * 2 + 1;
}

static inline uint64_t state_number(uint64_t state)
{
    return state / 2;
}

static inline bool is_writing(uint64_t state)
{
    return (state & 1) != 0;
}

static inline const struct log_record *record_of(const struct log_ring *ring, uint64_t number)
{
    return &ring->records[number % LOG_RING_RECORDS];
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Move the head from number - 1 to number; when it has moved already, somebody helped. */
static void advance_head(struct log_ring *ring, uint64_t number)
{
    uint64_t expected = number - 1;

    /* Release: who sees the head (log_ring_read) sees the slot owned. */
    atomic_compare_exchange_strong_explicit(&ring->head, &expected, number, memory_order_release,
                                            memory_order_relaxed);
}

/*
 * Own the slot that is next in turn. A slot's state only grows, so an exchange that succeeds cannot
 * have missed a change. Returns the record's number, 0: the slot is still being written.
 */
static uint64_t claim(struct log_ring *ring, bool steal)
{
    for (;;) {
        uint64_t number = atomic_load_explicit(&ring->head, memory_order_acquire) + 1;
        struct log_record *record = &ring->records[number % LOG_RING_RECORDS];
        /* Acquire: pairs with advance_head's owner, so that a helper's release passes it on. */
        uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire);

        if (state_number(state) >= number) {
            /* Owned by somebody who has not moved the head yet; or the head moved on meanwhile. */
            advance_head(ring, number);
            continue;
        }
        if (is_writing(state) && !steal) {
            atomic_fetch_add_explicit(&ring->dropped, 1, memory_order_relaxed);
            return 0;
        }
        if (atomic_compare_exchange_strong_explicit(&record->state, &state, state_writing(number),
                                                    memory_order_acq_rel, memory_order_relaxed)) {
            advance_head(ring, number);
            return number;
        }
    }
}

/* Release on each word: a reader who acquires one of them also sees the state "being written". */
static void fill(struct log_record *record, const struct log_entry *entry)
{
    uint64_t origin = (uint64_t)entry->level << ORIGIN_LEVEL_SHIFT |
                      (uint64_t)entry->cpu << ORIGIN_CPU_SHIFT |
                      (uint64_t)entry->length << ORIGIN_LENGTH_SHIFT | entry->thread;
    size_t words = (entry->length + 7U) / 8U;

    atomic_store_explicit(&record->time, entry->time_ns, memory_order_release);
    atomic_store_explicit(&record->origin, origin, memory_order_release);
    for (size_t i = 0; i < words; i++) {
        uint64_t word;

        memcpy(&word, entry->text + i * 8, sizeof word);
        atomic_store_explicit(&record->text[i], word, memory_order_release);
    }
}

uint64_t log_ring_write(struct log_ring *ring, const struct log_entry *entry, bool steal)
{
    uint64_t number = claim(ring, steal);
    struct log_record *record = &ring->records[number % LOG_RING_RECORDS];

    HX_DEBUG_ASSERT(entry->length <= LOG_TEXT_MAX, "a record's text fits");
    if (number == 0) {
        return 0;
    }
    fill(record, entry);
    /*
     * Sequentially consistent: the writer next looks whether somebody has to be told, and a reader
     * who goes to sleep says so and looks here (log_ring_is_complete); one of the two sees the
     * other.
     */
    atomic_store_explicit(&record->state, state_complete(number), memory_order_seq_cst);
    return number;
}

/* --- reading ---------------------------------------------------------------------------------- */

uint64_t log_ring_head(const struct log_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire);
}

bool log_ring_is_complete(const struct log_ring *ring, uint64_t number)
{
    uint64_t state = atomic_load_explicit(&record_of(ring, number)->state, memory_order_seq_cst);

    return state >= state_complete(number) && state != state_writing(number);
}

/* Copy what is there. Every load acquires: pairs with fill. */
static void copy_out(const struct log_record *record, struct log_entry *entry)
{
    uint64_t origin = atomic_load_explicit(&record->origin, memory_order_acquire);
    uint16_t length = (uint16_t)(origin >> ORIGIN_LENGTH_SHIFT);

    entry->time_ns = atomic_load_explicit(&record->time, memory_order_acquire);
    entry->thread = (uint32_t)origin;
    entry->level = (uint8_t)(origin >> ORIGIN_LEVEL_SHIFT);
    entry->cpu = (uint8_t)(origin >> ORIGIN_CPU_SHIFT);
    entry->length = length <= LOG_TEXT_MAX ? length : LOG_TEXT_MAX;
    for (size_t i = 0; i < (entry->length + 7U) / 8U; i++) {
        uint64_t word = atomic_load_explicit(&record->text[i], memory_order_acquire);

        memcpy(entry->text + i * 8, &word, sizeof word);
    }
    entry->text[entry->length] = '\0';
}

enum attempt { ATTEMPT_READ, ATTEMPT_WRITING, ATTEMPT_LOST };

static enum attempt read_one(const struct log_ring *ring, uint64_t number, struct log_entry *entry)
{
    const struct log_record *record = record_of(ring, number);
    /* Acquire: pairs with the completion in log_ring_write. */
    uint64_t state = atomic_load_explicit(&record->state, memory_order_acquire);

    if (state <= state_writing(number) && state != state_complete(number)) {
        return ATTEMPT_WRITING;
    }
    if (state != state_complete(number)) {
        return ATTEMPT_LOST;
    }
    copy_out(record, entry);
    entry->number = number;
    return atomic_load_explicit(&record->state, memory_order_relaxed) == state ? ATTEMPT_READ
                                                                               : ATTEMPT_LOST;
}

enum log_read log_ring_read(const struct log_ring *ring, uint64_t from, bool skip,
                            struct log_entry *entry)
{
    uint64_t number = from > 0 ? from : 1;

    for (;;) {
        uint64_t head = log_ring_head(ring);

        if (number > head) {
            return LOG_READ_END;
        }
        if (head - number >= LOG_RING_RECORDS) {
            number = head - LOG_RING_RECORDS + 1;
        }
        switch (read_one(ring, number, entry)) {
        case ATTEMPT_READ:
            return LOG_READ_RECORD;
        case ATTEMPT_WRITING:
            if (!skip) {
                return LOG_READ_WRITING;
            }
            break;
        case ATTEMPT_LOST:
            break;
        }
        number++;
    }
}
