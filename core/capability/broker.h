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

/* Under the mutex, but for refusals. */
struct broker {
    uint64_t grants;     /* in the table */
    uint64_t operations; /* grants, delegations, revocations done */
    uint64_t longest;    /* most grants looked at in one hold of the mutex, by the reclaimer */
    struct list revoked; /* grants with derived ones that are to be removed, by sibling */
    struct list ended;   /* subjects whose grants are to be removed, by link */
    struct list removed; /* records that wait for a grace period, by sibling */
    _Atomic uint64_t refusals; /* of operations and checks */
};
extern struct broker broker;

/*
 * Take the mutex.  Context: thread, may block.
 * Errors: HX_ESTATE before the first capability_init, HX_ECONTEXT the caller may not block.
 */
HX_MUST_USE hx_err broker_lock(void);
void broker_unlock(void);

/* Count a refused operation; returns its error. */
hx_err broker_refused(hx_err error);

/*
 * Whether neither the grant, nor an origin of it, nor a holder of one of them has been revoked.
 * *depth may be left out: how many they are.  Context: read section, or the mutex.
 */
bool broker_is_held(const struct grant *grant, uint32_t *depth);

/* Revoke a grant that nothing else has revoked: one store, then off all lists.  Locks: the mutex.
 */
void broker_revoke_locked(struct grant *grant);

/* Take a grant, whose rights are gone, out of the table and away from its holder.  Locks: the
 * mutex. */
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
