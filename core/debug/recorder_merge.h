/*
 * What the flight recorder has, in the order of time.
 *
 * Rules:
 * - All rings of all CPUs are merged. Recording goes on meanwhile: what comes after the begin is
 * not told, and what is overwritten before its turn is left out.
 * - Nothing is allocated and no lock is taken, so a panic can use it.
 */
#ifndef CORE_DEBUG_RECORDER_MERGE_H
#define CORE_DEBUG_RECORDER_MERGE_H

#include <base/text.h>
#include <kern/recorder.h>
#include <stdbool.h>
#include <stdint.h>

struct recorder_cursor {
    uint64_t next;
    uint64_t end;                /* number of the first record that is not told */
    struct recorder_entry entry; /* the next one, if there is one */
    bool has_entry;
};

struct recorder_merge {
    struct recorder_cursor cursors[HAL_CPU_MAX][RECORDER_RING_COUNT];
};

/* Begin with the oldest, or with the newest `last` of each ring.  Context: any. */
void recorder_merge_begin(struct recorder_merge *merge, uint64_t last);

/* The next record; false: that was all.  Context: any. */
bool recorder_merge_next(struct recorder_merge *merge, struct recorder_entry *entry);

/* The details of a record, names in the place of numbers, "key=value" parted by blanks. Takes no
 * lock and follows no pointer that the record holds.  Context: any. */
void recorder_describe(const struct recorder_entry *entry, struct text *text);

#endif
