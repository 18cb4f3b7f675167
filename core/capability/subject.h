/*
 * The subjects: who can hold grants. Private to core/capability.
 *
 * Rules:
 * - A subject's generation is odd while it lives. Its record is never freed, and used again when
 *   nothing that it held is left.
 * - Changed under the broker's mutex; subject_find looks without.
 */
#ifndef CORE_CAPABILITY_SUBJECT_H
#define CORE_CAPABILITY_SUBJECT_H

#include <base/list.h>
#include <core/capability/capability.h>
#include <core/capability/grant.h>

/* Keys: A = atomic, written under the mutex; I = immutable; M = the mutex */
struct subject {
    _Atomic uint32_t generation; /* A  odd: live */
    uint32_t index;              /* I */
    struct list held;            /* M  its grants */
    struct list link;            /* M  among the free, or among the ended and not yet reclaimed */
    char name[SUBJECT_NAME_MAX]; /* M */
};

/* Make SUBJECT_KERNEL, unless it is there.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err subject_init(void);

/* The live subject of an id, NULL: there is none.  Context: any. */
struct subject *subject_find(subject_id id);

/* Locks: the broker's mutex.  Errors: HX_ENOMEM, HX_ENOSPC. */
HX_MUST_USE hx_err subject_take(const char *name, struct subject **subject);

/* Return an ended one that holds nothing.  Locks: the broker's mutex. */
void subject_put(struct subject *subject);

/* Those not yet put back, and bytes of records.  Context: any. */
uint64_t subject_count(void);
uint64_t subject_memory(void);

static inline subject_id subject_id_of(const struct subject *subject)
{
    uint32_t generation = atomic_load_explicit(&subject->generation, memory_order_relaxed);

    return (uint64_t)generation << 32 | subject->index;
}

#endif
