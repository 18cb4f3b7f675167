/*
 * Records of grants: where they live, and how they are found. Private to core/capability, but for
 * the inline check in capability.h.
 *
 * Rules:
 * - Records live in chunks that are never freed: an index or an old pointer can be looked at.
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

/*
 * As many of the chunks as checks by handle may look into without more ado: all of them, and none
 * while revocations are being reclaimed, when checks have to follow origins.
 */
extern _Atomic uint32_t grant_open_chunks;

/* The record of an index below that of a chunk that is there. */
static inline struct grant *grant_in_chunk(uint32_t index)
{
    return atomic_load_explicit(&grant_chunks[index / GRANT_CHUNK], memory_order_relaxed) +
           index % GRANT_CHUNK;
}

#endif
