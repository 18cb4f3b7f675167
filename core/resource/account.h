/*
 * What the broker keeps of an owner: an account per class. Internal to core/resource.
 *
 * Rules:
 * - Records are made in chunks and never freed, so that a stale tag finds a record and sees by its
 *   tag that it is another's. An index without a record leads to the kernel's, with the same
 * result.
 * - Who looks at a record found by its tag stays inside a read section: closing an owner waits for
 *   those before the record is used again.
 * - resource.c does what is common in functions that need no stack. What is uncommon goes on in the
 *   functions that end in _on, as the last act, inside the read section; they leave it.
 */
#ifndef CORE_RESOURCE_ACCOUNT_H
#define CORE_RESOURCE_ACCOUNT_H

#include <core/resource/owner.h>
#include <core/resource/place.h>
#include <core/resource/resource.h>
#include <kern/mutex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* In an account's word, beside the usage: a warning was given for being past the soft limit. */
#define ACCOUNT_PAST  (1ULL << 63)
#define ACCOUNT_USAGE (~ACCOUNT_PAST)

/*
 * A cache line each, so that classes do not disturb each other.
 * Keys: A = atomic, relaxed (an amount alone tells nothing of its handle); T = tag's own order;
 *       L = written under resource_limits_lock; I = immutable since before the record was found
 */
struct HX_ALIGNED(HX_CACHE_LINE) resource_account {
    _Atomic uint64_t word;    /* A  usage, ACCOUNT_PAST */
    _Atomic uint64_t simple;  /* A, L  up to here charging is simple: soft, or 0 without provider */
    _Atomic uint64_t soft;    /* A, L */
    _Atomic uint64_t hard;    /* A, L */
    _Atomic uint64_t refused; /* A */
    _Atomic owner_tag tag;    /* T  stored with release; OWNER_NONE: nobody's */
    enum resource_class class; /* I */
};

#define OWNER_NEVER_AGAIN UINT32_MAX

/* Keys: T = published by the accounts' tags, written while they are OWNER_NONE; M = resource_lock
 */
struct resource_owner {
    struct resource_account accounts[RESOURCE_CLASS_COUNT];
    uint32_t generation;                /* M  the next one; OWNER_NEVER_AGAIN: retired */
    char name[RESOURCE_OWNER_NAME_MAX]; /* T */
};

/* By index; stored with release. */
extern _Atomic(struct resource_owner *) resource_owners[OWNER_INDEX_MAX + 1];

/* Serialises opening, closing and setting of limits. */
extern struct mutex resource_lock;

/* Guards providers and limits while they are written. */
extern struct spinlock resource_limits_lock;

/* The record at a tag's index; whose it is now, its accounts' tags say.  Context: a read section.
 */
static inline struct resource_owner *resource_owner_record(owner_tag owner)
{
    return atomic_load_explicit(&resource_owners[owner_index(owner)], memory_order_acquire);
}

/* Acquire pairs with the release in open: limits and name are those of this generation. */
static inline owner_tag resource_account_tag(const struct resource_account *account)
{
    return atomic_load_explicit(&account->tag, memory_order_acquire);
}

/* An open owner's record, NULL: there is no such owner.  Context: a read section, or resource_lock
 * held. */
static inline struct resource_owner *resource_owner_find(owner_tag owner)
{
    struct resource_owner *record = resource_owner_record(owner);

    return resource_account_tag(&record->accounts[0]) == owner ? record : NULL;
}

/* Fill a place in for what was charged: from here on its handle is good. */
static inline resource_handle resource_publish(struct place *place,
                                               struct resource_account *account, uint64_t amount)
{
    resource_handle handle = atomic_load_explicit(&place->next, memory_order_relaxed);

    atomic_store_explicit(&place->next, handle + PLACE_GENERATION, memory_order_relaxed);
    atomic_store_explicit(&place->charged, account, memory_order_relaxed);
    atomic_store_explicit(&place->amount, amount, memory_order_relaxed);
    /* Pairs with the acquire of who releases it or walks over the table. */
    atomic_store_explicit(&place->key, handle, memory_order_release);
    return handle;
}

/*
 * Void a handle, so that nobody else releases it; the place is the caller's then.
 * Context: a read section.
 */
static inline bool resource_void(struct place *place, resource_handle handle)
{
    resource_handle key = handle;

    return HX_LIKELY(atomic_compare_exchange_strong_explicit(
        &place->key, &key, 0, memory_order_relaxed, memory_order_relaxed));
}

/* Whether the class has a provider.  Context: any. */
bool resource_has_provider(enum resource_class class);

/* Let the class's provider release something; whether it did. */
bool resource_ask_to_reclaim(owner_tag owner, enum resource_class class, uint64_t amount);

uint64_t resource_count_reclaims(void);

/* Store an account's limits, and what follows from them and the class's provider. */
void resource_store_limits(struct resource_account *account, enum resource_class class,
                           struct resource_limits limits);

/* The class has a provider from now on, or has none: so have all accounts.  resource_limits_lock is
 * held. */
void resource_apply_provider_locked(enum resource_class class, bool is_provided);
void resource_apply_provider_to_locked(struct resource_account *account, bool is_provided);

/* Release a handle that is in its place, whoever its owner is; false: somebody else did.  Context:
 * a read section. */
bool resource_take_back(resource_handle handle);

/* The arguments stand where the caller has them. */
hx_err resource_allocate_on(owner_tag owner, enum resource_class class, uint64_t amount,
                            resource_handle *handle);
hx_err resource_allocate_more_on(owner_tag owner, const struct resource_account *account,
                                 uint64_t amount, resource_handle *handle);
hx_err resource_refuse_on(resource_handle handle);
hx_err resource_uncharge_on(resource_handle handle, owner_tag owner, uint64_t amount,
                            struct place *place, struct resource_account *account);
hx_err resource_spill_on(void);
/* Not inside a read section any more: somebody waits for the CPU.  Returns HX_OK. */
hx_err resource_preempt_on(void);

/* Start with the kernel as the only owner. */
void resource_owners_init(void);

/* Bytes of the records. */
uint64_t resource_owners_memory(void);

#endif
