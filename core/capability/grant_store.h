/*
 * Where records of grants come from. Private to core/capability; the rules stand in grant.h.
 */
#ifndef CORE_CAPABILITY_GRANT_STORE_H
#define CORE_CAPABILITY_GRANT_STORE_H

#include <core/capability/capability.h>
#include <core/capability/grant.h>

/*
 * Take a free record: it has its new generation, no rights, and is on no list.
 * Locks: the broker's mutex.  Errors: HX_ENOMEM, HX_ENOSPC.
 */
HX_MUST_USE hx_err grant_store_take(struct grant **grant);

/* Return a record; a grace period has passed since its rights were taken.  Locks: as above. */
void grant_store_put(struct grant *grant);

/* Make what grant_store_take gave into a grant that checks by handle can pass.  Locks: as above. */
void grant_fill(struct grant *grant, struct grant *origin, subject_id subject, resource_id resource,
                uint64_t rights);

/* Chunks there are.  Context: any. */
uint32_t grant_store_chunks(void);

/* The record of an index, NULL: there is none.  Context: any. */
struct grant *grant_at(uint32_t index);

static inline capability_handle grant_handle(const struct grant *grant)
{
    uint32_t generation = atomic_load_explicit(&grant->generation, memory_order_relaxed);

    return (uint64_t)generation << 32 | grant->index;
}

#endif
