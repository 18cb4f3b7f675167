/*
 * What the files of core/capability share: the mutex under which everything changes, and the steps
 * of a revocation. Private to core/capability.
 */
#ifndef CORE_CAPABILITY_BROKER_H
#define CORE_CAPABILITY_BROKER_H

#include <core/capability/capability.h>
#include <core/capability/grant.h>
#include <core/capability/subject.h>
#include <helix/attributes.h>
#include <helix/error.h>

/* Most grants to look at in one hold of the mutex. */
#define BROKER_SLICE 64U

/* Keys: M = the mutex, A = atomic, counted under the mutex but for refusals, read by anyone */
struct broker {
    struct list revoked;         /* M  grants whose derived ones are to be removed, by sibling */
    struct list ended;           /* M  subjects whose grants are to be removed, by link */
    struct list removed;         /* M  records that wait for a grace period, by sibling */
    _Atomic uint64_t reclaiming; /* A  revocations whose grants have not all been removed */
    _Atomic uint64_t grants;     /* A  in the table */
    _Atomic uint64_t operations; /* A  grants, delegations, revocations done */
    _Atomic uint64_t refusals;   /* A  of operations, and of checks by subject and resource */
    _Atomic uint64_t longest; /* A  most grants the reclaimer dealt with in one hold of the mutex */
};
extern struct broker broker;

/*
 * Take the mutex.  Context: thread, may block.
 * Errors: HX_ESTATE before the first capability_init, HX_ECONTEXT the caller may not block.
 */
HX_MUST_USE hx_err broker_lock(void);
void broker_unlock(void);

/* Count n more of something; returns how many there are now. */
static inline uint64_t broker_count(_Atomic uint64_t *counter, uint64_t n)
{
    return atomic_fetch_add_explicit(counter, n, memory_order_relaxed) + n;
}

/* Count a refused operation; returns its error. */
static inline hx_err broker_refused(hx_err error)
{
    (void)broker_count(&broker.refusals, 1);
    return error;
}

/*
 * Whether neither the grant, nor an origin of it, nor a holder of one of them has been revoked.
 * *depth may be left out: how many they are.  Context: read section, or the mutex.
 */
bool broker_is_held(const struct grant *grant, uint32_t *depth);

/*
 * One more revocation is to be reclaimed: from now on checks follow origins. Before its own store.
 * And: one less.  Locks: the mutex.
 */
void broker_close_locked(void);
void broker_reopen_locked(void);

/* Rights have been taken from somebody: kept verdicts hold no longer.  Locks: the mutex. */
void broker_withdrawn_locked(void);

/* Let checks look at all there is directly, if nothing is being reclaimed; after it has grown. */
void broker_open_locked(void);

/*
 * Revoke a grant that nothing else has revoked: one store, then off all lists.  Locks: the mutex.
 */
void broker_revoke_locked(struct grant *grant);

/*
 * Take a grant, whose rights are gone, out of the table and away from its holder.
 * Locks: the mutex.
 */
void broker_unlist_locked(struct grant *grant);

/* The record of a handle if it is held, else NULL.  Locks: the mutex. */
struct grant *broker_find_locked(capability_handle handle);

/* --- the reclaimer (reclaim.c) --------------------------------------------------------------- */

/* Start the thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err reclaim_start(void);
void reclaim_stop(void);

/* There is work for it.  Locks: the mutex. */
void reclaim_request_locked(void);

#endif
