/* Who has the real things of each class. */
#include <core/resource/account.h>
#include <kern/read_section.h>

/* Keys: L = resource_limits_lock to write, acquire to read */
static _Atomic(const struct resource_provider *) providers[RESOURCE_CLASS_COUNT]; /* L */
static _Atomic uint64_t reclaims;

static bool is_class(enum resource_class class)
{
    return (unsigned)class < RESOURCE_CLASS_COUNT;
}

/* The acquire pairs with the registration. */
static const struct resource_provider *provider_of(enum resource_class class)
{
    return atomic_load_explicit(&providers[class], memory_order_acquire);
}

bool resource_has_provider(enum resource_class class)
{
    return provider_of(class) != NULL;
}

/* Put `new` in the place of `old`. Returns whether old was there. */
static bool exchange(enum resource_class class, const struct resource_provider *old,
                     const struct resource_provider *new)
{
    hal_interrupt_state state = spinlock_acquire(&resource_limits_lock);
    bool was_there = provider_of(class) == old;

    if (was_there) {
        atomic_store_explicit(&providers[class], new, memory_order_release);
        resource_apply_provider_locked(class, new != NULL);
    }
    spinlock_release(&resource_limits_lock, state);
    return was_there;
}

hx_err resource_register_provider(enum resource_class class,
                                  const struct resource_provider *provider)
{
    if (!is_class(class) || provider == NULL || provider->name == NULL ||
        provider->name[0] == '\0') {
        return HX_EINVAL;
    }
    return exchange(class, NULL, provider) ? HX_OK : HX_EEXIST;
}

hx_err resource_unregister_provider(enum resource_class class,
                                    const struct resource_provider *provider)
{
    if (!is_class(class)) {
        return HX_EINVAL;
    }
    if (provider == NULL || !exchange(class, provider, NULL)) {
        return HX_ENOENT;
    }
    read_synchronize();
    return HX_OK;
}

const char *resource_provider_name(enum resource_class class)
{
    const struct resource_provider *provider = is_class(class) ? provider_of(class) : NULL;

    return provider != NULL ? provider->name : NULL;
}

bool resource_ask_to_reclaim(owner_tag owner, enum resource_class class, uint64_t amount)
{
    const struct resource_provider *provider;
    bool has_released = false;

    read_enter();
    provider = provider_of(class);
    if (provider != NULL && provider->reclaim != NULL) {
        atomic_fetch_add_explicit(&reclaims, 1, memory_order_relaxed);
        has_released = provider->reclaim(owner, amount);
    }
    read_leave();
    return has_released;
}

uint64_t resource_count_reclaims(void)
{
    return atomic_load_explicit(&reclaims, memory_order_relaxed);
}

hx_err resource_measure(owner_tag owner, enum resource_class class, uint64_t *amount)
{
    const struct resource_provider *provider;
    hx_err error = HX_ENOSYS;

    *amount = 0;
    if (!is_class(class)) {
        return HX_EINVAL;
    }
    read_enter();
    provider = provider_of(class);
    if (provider != NULL && provider->usage != NULL) {
        *amount = provider->usage(owner);
        error = HX_OK;
    }
    read_leave();
    return error;
}
