#include <core/debug/recorder_merge.h>

/* --- merging ---------------------------------------------------------------------------------- */

static void advance(struct recorder_cursor *cursor, uint32_t cpu, enum recorder_ring ring)
{
    cursor->has_entry = recorder_read(cpu, ring, &cursor->next, &cursor->entry) &&
                        cursor->entry.number < cursor->end;
}

void recorder_merge_begin(struct recorder_merge *merge, uint64_t last)
{
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        for (unsigned ring = 0; ring < RECORDER_RING_COUNT; ring++) {
            struct recorder_cursor *cursor = &merge->cursors[cpu][ring];

            cursor->end = recorder_written(cpu, (enum recorder_ring)ring);
            cursor->next = cursor->end > last ? cursor->end - last : 0;
            advance(cursor, cpu, (enum recorder_ring)ring);
        }
    }
}

bool recorder_merge_next(struct recorder_merge *merge, struct recorder_entry *entry)
{
    struct recorder_cursor *oldest = NULL;

    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        for (unsigned ring = 0; ring < RECORDER_RING_COUNT; ring++) {
            struct recorder_cursor *cursor = &merge->cursors[cpu][ring];

            if (cursor->has_entry &&
                (oldest == NULL || cursor->entry.cycles < oldest->entry.cycles)) {
                oldest = cursor;
            }
        }
    }
    if (oldest == NULL) {
        return false;
    }
    *entry = oldest->entry;
    advance(oldest, oldest->entry.cpu,
            (enum recorder_ring)((oldest - &merge->cursors[0][0]) % RECORDER_RING_COUNT));
    return true;
}
