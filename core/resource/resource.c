/*
 * The broker's hot path: an account that stays below its soft limit, a class with a provider, a
 * free place on this CPU. Everything else is in account.c.
 */
#include <base/assert.h>
#include <core/resource/account.h>
#include <core/resource/place.h>
#include <core/resource/resource.h>
#include <kern/read_section.h>
#include <kern/thread.h>

/*
 * Have a value in one register from here on. Left alone, the compiler goes on with what it was made
 * from, and saves registers on the stack to have room for all of that.
 */
#define KEEP_WHOLE(value) __asm__("" : "+r"(value))

/*
 * The same if it is simple: the amount is not 0, the sum (ACCOUNT_PAST included) does not wrap, is
 * not above the soft limit, and nobody else charges at the same moment. False: nothing has changed.
 */
static inline bool charge_simply(struct resource_account *account, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(&account->word, memory_order_relaxed);
    uint64_t new = old + amount;

    return HX_LIKELY(new > old &&new <=
                     atomic_load_explicit(&account->simple, memory_order_relaxed)) &&
           HX_LIKELY(atomic_compare_exchange_strong_explicit(
               &account->word, &old, new, memory_order_relaxed, memory_order_relaxed));
}

static inline hx_err leave_with_success(void)
{
    return preempt_enable_deferred() ? resource_preempt_on() : HX_OK;
}

hx_err resource_allocate(owner_tag owner, enum resource_class class, uint64_t amount,
                         resource_handle *handle)
{
    struct resource_account *account;
    struct place_cache *cache;

    HX_DEBUG_ASSERT(!context_is_interrupt(), "resources are allocated by threads");
    read_enter();
    if (HX_UNLIKELY((unsigned)class >= RESOURCE_CLASS_COUNT)) {
        return resource_allocate_on(owner, class, amount, handle);
    }
    account = &resource_owner_record(owner)->accounts[class];
    KEEP_WHOLE(account);
    cache = place_cache();
    KEEP_WHOLE(cache);
    if (HX_UNLIKELY(resource_account_tag(account) != owner || cache->first == NULL ||
                    !charge_simply(account, amount))) {
        return resource_allocate_more_on(owner, account, amount, handle);
    }
    *handle = resource_publish(place_take(cache), account, amount);
    return leave_with_success();
}

/* The same if it is simple: below the soft limit all along, and nobody else at the same moment. */
static inline bool uncharge_simply(struct resource_account *account, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(&account->word, memory_order_relaxed);
    uint64_t new = old - amount;

    return HX_LIKELY((int64_t) new >= 0) &&
           HX_LIKELY(atomic_compare_exchange_strong_explicit(
               &account->word, &old, new, memory_order_relaxed, memory_order_relaxed));
}

hx_err resource_release(resource_handle handle, owner_tag owner)
{
    struct place *place = place_of(handle);
    struct resource_account *account;
    uint64_t amount;

    HX_DEBUG_ASSERT(!context_is_interrupt(), "resources are released by threads");
    KEEP_WHOLE(place);
    read_enter();
    /* Pairs with resource_publish. */
    if (HX_UNLIKELY(atomic_load_explicit(&place->key, memory_order_acquire) != handle)) {
        return resource_refuse_on(handle);
    }
    account = atomic_load_explicit(&place->charged, memory_order_relaxed);
    amount = atomic_load_explicit(&place->amount, memory_order_relaxed);
    if (HX_UNLIKELY(resource_account_tag(account) != owner || !resource_void(place, handle))) {
        return resource_refuse_on(handle);
    }
    if (HX_UNLIKELY(!uncharge_simply(account, amount))) {
        return resource_uncharge_on(handle, owner, amount, place, account);
    }
    if (HX_UNLIKELY(!place_put(place_cache(), place))) {
        return resource_spill_on();
    }
    return leave_with_success();
}
