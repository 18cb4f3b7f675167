/*
 * The table by which grants are found: subject and resource to a chain of records. Private to
 * core/capability.
 *
 * Rules:
 * - Read inside a read section, without a lock; changed under the broker's mutex.
 * - A record has two links, one for tables of either parity, so the next table, of twice the size,
 *   is built in slices beside the current one, published with one store, and the old one freed
 *   after a grace period (Xu, "bridge: Add core IGMP snooping support", 2010, grows its tables so).
 * - Seeds make the order of a chain nobody's to choose from outside.
 */
#ifndef CORE_CAPABILITY_GRANT_TABLE_H
#define CORE_CAPABILITY_GRANT_TABLE_H

#include <core/capability/capability.h>
#include <core/capability/grant.h>

struct area;

/* Keys: I = immutable once published, A = atomic, written under the mutex */
struct grant_table {
    uint64_t mask;                                               /* I  buckets - 1 */
    uint64_t seeds[3];                                           /* I */
    uint64_t parity;                                             /* I  which of a record's links */
    struct area *area;                                           /* I  NULL: the static one */
    HX_ALIGNED(HX_CACHE_LINE) _Atomic(struct grant *) buckets[]; /* A */
};

/* All grants, and before capability_init none. */
extern _Atomic(struct grant_table *) grant_table_current;

/* Where a check looks first: the same, or grant_table_empty while revocations are reclaimed. */
extern _Atomic(struct grant_table *) grant_table_open;
extern struct grant_table grant_table_empty;

/*
 * Folded multiplication: both halves of the 128-bit product (Wang Yi, wyhash). Numbers in a row
 * make each half an arithmetic progression, and with one seed in fifty some of them fall into one
 * bucket by the dozen; the second product, whose upper half counts, scatters those.
 */
static inline uint64_t grant_table_hash(const struct grant_table *table, subject_id subject,
                                        resource_id resource)
{
    unsigned __int128 product =
        (unsigned __int128)(subject ^ table->seeds[0]) * (resource ^ table->seeds[1]);

    product = (unsigned __int128)((uint64_t)(product >> 64) ^ (uint64_t)product) * table->seeds[2];
    return (uint64_t)(product >> 64);
}

static inline bool grant_is_on(const struct grant *grant, subject_id subject, resource_id resource)
{
    return atomic_load_explicit(&grant->resource, memory_order_relaxed) == resource &&
           atomic_load_explicit(&grant->subject, memory_order_relaxed) == subject;
}

static inline struct grant *grant_table_follow(const struct grant_table *table,
                                               const struct grant *grant)
{
    /* acquire: pairs with the release in link_in */
    return atomic_load_explicit(&grant->next[table->parity], memory_order_acquire);
}

/* The first grant at or after one in a chain that is the subject's on the resource. */
static inline struct grant *grant_table_match(const struct grant_table *table, struct grant *grant,
                                              subject_id subject, resource_id resource)
{
    if (grant == NULL || HX_LIKELY(grant_is_on(grant, subject, resource))) {
        return grant; /* mostly, and without entering a loop */
    }
    do {
        grant = grant_table_follow(table, grant);
    } while (grant != NULL && !grant_is_on(grant, subject, resource));
    return grant;
}

/* Start a chain: the subject's first grant on the resource.  Context: read section. */
static inline struct grant *grant_table_find(const struct grant_table *table, subject_id subject,
                                             resource_id resource)
{
    uint64_t bucket = grant_table_hash(table, subject, resource) & table->mask;

    /* acquire: pairs with the release in link_in */
    return grant_table_match(table,
                             atomic_load_explicit(&table->buckets[bucket], memory_order_acquire),
                             subject, resource);
}

/* Its next one. */
static inline struct grant *grant_table_find_next(const struct grant_table *table,
                                                  struct grant *grant, subject_id subject,
                                                  resource_id resource)
{
    return grant_table_match(table, grant_table_follow(table, grant), subject, resource);
}

/* Allocate the first table.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err grant_table_init(void);

/* Add and remove a filled record.  Locks: the broker's mutex. */
void grant_table_insert(struct grant *grant);
void grant_table_remove(struct grant *grant);

/* Buckets there are now.  Context: read section, the broker's mutex, or the thread that grows. */
uint64_t grant_table_buckets(void);

/*
 * Growth, by one thread: allocate the next table (NULL: no memory); attach it; move slices until
 * none is left (returns whether one is); publish (returns the old table); after a grace period free
 * that.
 * Locks: the broker's mutex for attach, move and publish; none for allocate and free.
 */
HX_MUST_USE struct grant_table *grant_table_allocate_next(void);
void grant_table_attach(struct grant_table *next);
HX_MUST_USE bool grant_table_move(uint32_t most);
HX_MUST_USE struct grant_table *grant_table_publish(void);
void grant_table_free(struct grant_table *table);

#endif
