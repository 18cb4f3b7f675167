#include <hal/memory.h>
#include <kern/frame_map.h>

#define FRAME_END ((1ULL << 32) - (1ULL << FRAME_ORDER_MAX))

static uint64_t range_end(const struct frame_range *range)
{
    return range->size > UINT64_MAX - range->base ? UINT64_MAX : range->base + range->size;
}

struct frame_span frame_map_within(const struct frame_range *range)
{
    uint64_t first = (range->base >> HAL_PAGE_SHIFT) + (range->base % HAL_PAGE_SIZE != 0);
    uint64_t end = range_end(range) >> HAL_PAGE_SHIFT;

    first = first == 0 ? 1 : first;
    end = end > FRAME_END ? FRAME_END : end;
    return (struct frame_span){.first = first, .end = end < first ? first : end};
}

/* The frames a reserved range touches. */
static struct frame_span frames_touched(const struct frame_range *range)
{
    uint64_t end = range_end(range);

    if (range->size == 0) {
        return (struct frame_span){0, 0};
    }
    return (struct frame_span){.first = range->base >> HAL_PAGE_SHIFT,
                               .end = ((end - 1) >> HAL_PAGE_SHIFT) + 1};
}

/* Cut a span so that it starts behind the reserved ranges at its start and ends before the next. */
static void avoid_reserved(const struct frame_map *map, struct frame_span *span)
{
    bool moved = true;

    while (moved) {
        moved = false;
        for (size_t i = 0; i < map->reserved_count; i++) {
            struct frame_span reserved = frames_touched(&map->reserved[i]);

            if (reserved.first <= span->first && span->first < reserved.end) {
                span->first = reserved.end;
                moved = true;
            }
        }
    }
    for (size_t i = 0; i < map->reserved_count; i++) {
        struct frame_span reserved = frames_touched(&map->reserved[i]);

        if (span->first < reserved.first && reserved.first < span->end) {
            span->end = reserved.first;
        }
    }
}

bool frame_map_next(struct frame_map *map, struct frame_span *span)
{
    while (map->range < map->usable_count) {
        *span = frame_map_within(&map->usable[map->range]);
        if (map->position > span->first) {
            span->first = map->position;
        }
        avoid_reserved(map, span);
        if (span->first < span->end) {
            map->position = span->end;
            return true;
        }
        map->range++;
        map->position = 0;
    }
    return false;
}

bool frame_map_is_valid(const struct frame_map *map)
{
    uint64_t previous_end = 0;

    for (size_t i = 0; i < map->usable_count; i++) {
        const struct frame_range *range = &map->usable[i];

        if (range->base < previous_end || range->size > UINT64_MAX - range->base) {
            return false;
        }
        previous_end = range->base + range->size;
    }
    return true;
}
