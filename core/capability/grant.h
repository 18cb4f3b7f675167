/*
 * Records of grants: where they live, and how they are found. Private to core/capability, but for
 * the inline check in capability.h.
 *
 * Rules:
 * - Records live in chunks that are never freed, so whoever has an index or an old pointer may
 * look.
 * - A record's generation changes when the record is taken for a new grant, before anything else
 *   in it does. A record whose generation has run out is never taken again.
 * - A grant is revoked when its rights are 0; the record is taken again only after a grace period.
 *   A grant is cut off when it, an origin of it, or the holder of one of them, is.
 * - Writers hold the broker's mutex.
 */
#ifndef CORE_CAPABILITY_GRANT_H
#define CORE_CAPABILITY_GRANT_H

#include <base/list.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRANT_CHUNK  1024U /* records: 128 KiB */
#define GRANT_CHUNKS 2048U

/*
 * Keys: A = atomic, written under the mutex, read by checks; I = immutable; M = the mutex.
 * What a check reads is one cache line.
 */
struct grant {
    _Atomic(struct grant *) next[2];               /* A  in the bucket, by the table's parity */
    _Atomic uint64_t subject;                      /* A */
    _Atomic uint64_t resource;                     /* A */
    _Atomic uint64_t rights;                       /* A  0: revoked, or free */
    _Atomic uint32_t generation;                   /* A  1.. once taken */
    uint32_t index;                                /* I */
    _Atomic(struct grant *) origin;                /* A  derived from; NULL: from the kernel */
    HX_ALIGNED(HX_CACHE_LINE) struct list derived; /* M  its derived grants, by sibling */
    struct list sibling; /* M  among the origin's derived; or revoked, removed or free records */
    struct list held;    /* M  among its holder's grants */
};

extern _Atomic(struct grant *) grant_chunks[GRANT_CHUNKS];
extern _Atomic uint32_t grant_chunk_count;

/* Revocations whose grants have not all been removed: while it is not 0, checks follow origins. */
extern _Atomic uint64_t grant_reclaiming;

/* The record of an index, NULL beyond the last.  Context: any. */
static inline struct grant *grant_at(uint32_t index)
{
    uint32_t chunk = index / GRANT_CHUNK;

    /* acquire: pairs with the release in grant_store_extend */
    if (HX_UNLIKELY(chunk >= atomic_load_explicit(&grant_chunk_count, memory_order_acquire))) {
        return NULL;
    }
    return atomic_load_explicit(&grant_chunks[chunk], memory_order_relaxed) + index % GRANT_CHUNK;
}

#endif
