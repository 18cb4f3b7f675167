#include <base/memory.h>
#include <core/debug/log_ring.h>
#include <core/debug/log_ring_write.h>

_Static_assert(sizeof(struct log_record) == LOG_RECORD_SIZE, "a record fills its size exactly");
_Static_assert((LOG_RING_RECORDS & (LOG_RING_RECORDS - 1)) == 0, "numbers are masked to slots");

static inline const struct log_record *record_of(const struct log_ring *ring, uint64_t number)
{
    return &ring->records[number % LOG_RING_RECORDS];
}

/* --- reading ---------------------------------------------------------------------------------- */

uint64_t log_ring_head(const struct log_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_acquire);
}

bool log_ring_is_complete(const struct log_ring *ring, uint64_t number)
{
    uint64_t state = atomic_load_explicit(&record_of(ring, number)->state, memory_order_seq_cst);

    return state >= log_state_complete(number) && state != log_state_writing(number);
}

/* Copy what is there. Every load acquires: pairs with log_record_fill. */
static void copy_out(const struct log_record *record, struct log_entry *entry)
{
    uint64_t origin = atomic_load_explicit(&record->origin, memory_order_acquire);
    uint16_t length = (uint16_t)(origin >> LOG_ORIGIN_LENGTH_SHIFT);

    entry->time_ns = atomic_load_explicit(&record->time, memory_order_acquire);
    entry->thread = (uint32_t)origin;
    entry->level = (uint8_t)(origin >> LOG_ORIGIN_LEVEL_SHIFT);
    entry->cpu = (uint8_t)(origin >> LOG_ORIGIN_CPU_SHIFT);
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

    if (state <= log_state_writing(number) && state != log_state_complete(number)) {
        return ATTEMPT_WRITING;
    }
    if (state != log_state_complete(number)) {
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
