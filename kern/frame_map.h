/*
 * What of a memory map the frame allocator gets: the usable ranges less the reserved ones, as spans
 * of whole frames in rising order. Private to frames.c.
 */
#ifndef KERN_FRAME_MAP_H
#define KERN_FRAME_MAP_H

#include <kern/frames.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Frame numbers [first, end). */
struct frame_span {
    uint64_t first;
    uint64_t end;
};

/* The map, and how far a walk over its spans has come; to start again, start from a copy. */
struct frame_map {
    const struct frame_range *usable;
    size_t usable_count;
    const struct frame_range *reserved;
    size_t reserved_count;
    size_t range;      /* the usable range the next span is looked for in */
    uint64_t position; /* frame number, within it */
};

/* Whether the usable ranges are sorted, do not overlap and do not wrap. */
bool frame_map_is_valid(const struct frame_map *map);

/*
 * The whole frames in a range. Without frame 0, because page-table code takes address 0 for none,
 * and those whose number would not fit 32 bits with room for rounding up to a largest block.
 */
struct frame_span frame_map_within(const struct frame_range *range);

/* The next span, never empty; false: there are no more. */
bool frame_map_next(struct frame_map *map, struct frame_span *span);

#endif
