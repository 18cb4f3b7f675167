/*
 * Owner tags: who a piece of memory (later: a timer, a lock, a mailbox) belongs to.
 *
 * Rules:
 * - A tag is an index and the generation of what lives at that index, so a tag of something gone is
 *   never mistaken for its successor's.
 * - Zero is no owner; allocation functions refuse it in debug builds.
 */
#ifndef KERN_OWNER_H
#define KERN_OWNER_H

#include <stdint.h>

typedef uint32_t owner_tag;

#define OWNER_INDEX_BITS 12U
#define OWNER_INDEX_MAX  ((1U << OWNER_INDEX_BITS) - 1U)

#define OWNER_NONE 0U
/* The kernel itself: index 1, generation 0. */
#define OWNER_CORE 1U

static inline uint32_t owner_index(owner_tag tag)
{
    return tag & OWNER_INDEX_MAX;
}

static inline uint32_t owner_generation(owner_tag tag)
{
    return tag >> OWNER_INDEX_BITS;
}

static inline owner_tag owner_make(uint32_t index, uint32_t generation)
{
    return (generation << OWNER_INDEX_BITS) | (index & OWNER_INDEX_MAX);
}

#endif
