/*
 * Accounts, and what resource.c leaves to others. An amount is checked against the hard limit and
 * added by one compare-and-swap, so a refused one was never counted and none is added to a usage
 * that another has changed meanwhile.
 */
#include <core/resource/account.h>
#include <kern/read_section.h>
#include <kern/thread.h>

static void (*_Atomic warning_hook)(const struct resource_warning *warning);

static _Atomic uint64_t refusals;
static _Atomic uint64_t warnings;

struct spinlock resource_limits_lock;

void resource_init(void)
{
    spinlock_init(&resource_limits_lock, LOCK_RANK_CORE, "resource limits");
    place_init();
    resource_owners_init();
}

static bool is_class(enum resource_class class)
{
    return (unsigned)class < RESOURCE_CLASS_COUNT;
}

/* --- names ------------------------------------------------------------------------------------ */

#define CLASS_NAME(name, text, unit) [name] = (text),
#define CLASS_UNIT(name, text, unit) [name] = (unit),

const char *resource_class_name(enum resource_class class)
{
    static const char *const names[] = {RESOURCE_CLASS_LIST(CLASS_NAME)};

    return (unsigned)class < RESOURCE_CLASS_COUNT ? names[class] : "unknown";
}

const char *resource_class_unit(enum resource_class class)
{
    static const char *const units[] = {RESOURCE_CLASS_LIST(CLASS_UNIT)};

    return (unsigned)class < RESOURCE_CLASS_COUNT ? units[class] : "unknown";
}

/* --- accounts --------------------------------------------------------------------------------- */

static uint64_t soft_limit(const struct resource_account *account)
{
    return atomic_load_explicit(&account->soft, memory_order_relaxed);
}

static uint64_t hard_limit(const struct resource_account *account)
{
    return atomic_load_explicit(&account->hard, memory_order_relaxed);
}

/*
 * Add an amount, whatever the word is, unless that passes the hard limit. Returns the word
 * afterwards, with ACCOUNT_PAST only if this crossed the soft limit; 0: refused.
 */
static uint64_t charge(struct resource_account *account, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(&account->word, memory_order_relaxed);
    uint64_t new;

    do {
        uint64_t used = old & ACCOUNT_USAGE;
        uint64_t hard = hard_limit(account);

        /* No sum is made before it is known to fit. */
        if (used > hard || amount > hard - used) {
            return 0;
        }
        new = used + amount;
        if (new > soft_limit(account)) {
            new |= ACCOUNT_PAST;
        }
    } while (!atomic_compare_exchange_weak_explicit(&account->word, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    return new & ~(old & ACCOUNT_PAST);
}

static void uncharge(struct resource_account *account, uint64_t amount)
{
    uint64_t old = atomic_load_explicit(&account->word, memory_order_relaxed);
    uint64_t new;

    do {
        new = old - amount;
        if ((new &ACCOUNT_USAGE) <= soft_limit(account)) {
            new &= ACCOUNT_USAGE;
        }
    } while (!atomic_compare_exchange_weak_explicit(&account->word, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* --- warnings --------------------------------------------------------------------------------- */

void resource_set_warning_hook(void (*hook)(const struct resource_warning *warning))
{
    atomic_store_explicit(&warning_hook, hook, memory_order_release);
}

static void warn(owner_tag owner, enum resource_class class, uint64_t word)
{
    void (*hook)(const struct resource_warning *warning) =
        atomic_load_explicit(&warning_hook, memory_order_acquire);
    struct resource_usage usage;
    struct resource_warning warning = {
        .owner = owner, .class = class, .used = word & ACCOUNT_USAGE};

    atomic_fetch_add_explicit(&warnings, 1, memory_order_relaxed);
    if (hook != NULL && resource_get_usage(owner, class, &usage) == HX_OK) {
        warning.limits = usage.limits;
        hook(&warning);
    }
}

/* --- allocating ------------------------------------------------------------------------------- */

enum outcome { DONE, NO_PROVIDER, NO_OWNER, NO_PLACE, OVER_LIMIT };

/* One attempt; *word is what charge returned.  Context: a read section. */
static enum outcome try_allocate(owner_tag owner, enum resource_class class, uint64_t amount,
                                 resource_handle *handle, uint64_t *word)
{
    struct resource_owner *record = resource_owner_find(owner);
    struct place_cache *cache = place_cache();

    if (record == NULL) {
        return NO_OWNER;
    }
    if (!resource_has_provider(class)) {
        return NO_PROVIDER;
    }
    if (cache->first == NULL && !place_refill(cache)) {
        return NO_PLACE;
    }
    *word = charge(&record->accounts[class], amount);
    if (*word == 0) {
        return OVER_LIMIT;
    }
    *handle = resource_publish(place_take(cache), &record->accounts[class], amount);
    return DONE;
}

static hx_err count_refusal(owner_tag owner, enum resource_class class)
{
    struct resource_owner *record;

    atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    read_enter();
    record = resource_owner_find(owner);
    if (record != NULL) {
        atomic_fetch_add_explicit(&record->accounts[class].refused, 1, memory_order_relaxed);
    }
    read_leave();
    return HX_ELIMIT;
}

/* Attempts until one ends well or nothing more can be done. */
static hx_err keep_trying(owner_tag owner, enum resource_class class, uint64_t amount,
                          resource_handle *handle, uint64_t *word)
{
    bool has_asked = false;

    for (;;) {
        enum outcome outcome;
        hx_err error;

        read_enter();
        outcome = try_allocate(owner, class, amount, handle, word);
        read_leave();
        switch (outcome) {
        case DONE:
            return HX_OK;
        case NO_PROVIDER:
            return HX_ENOSYS;
        case NO_OWNER:
            return HX_ESTALE;
        case NO_PLACE:
            error = place_grow();
            if (error != HX_OK) {
                return error;
            }
            break;
        case OVER_LIMIT:
            if (has_asked || !resource_ask_to_reclaim(owner, class, amount)) {
                return count_refusal(owner, class);
            }
            has_asked = true;
            break;
        }
    }
}

static hx_err allocate_any(owner_tag owner, enum resource_class class, uint64_t amount,
                           resource_handle *handle)
{
    uint64_t word;
    hx_err error;

    *handle = RESOURCE_HANDLE_NONE;
    if (!is_class(class) || amount == 0 || amount > RESOURCE_UNLIMITED) {
        return HX_EINVAL;
    }
    error = keep_trying(owner, class, amount, handle, &word);
    if (error == HX_OK && (word & ACCOUNT_PAST) != 0) {
        warn(owner, class, word);
    }
    return error;
}

hx_err resource_allocate_on(owner_tag owner, enum resource_class class, uint64_t amount,
                            resource_handle *handle)
{
    read_leave();
    return allocate_any(owner, class, amount, handle);
}

hx_err resource_allocate_more_on(owner_tag owner, const struct resource_account *account,
                                 uint64_t amount, resource_handle *handle)
{
    return resource_allocate_on(owner, account->class, amount, handle);
}

hx_err resource_preempt_on(void)
{
    thread_preempt();
    return HX_OK;
}

/* --- releasing -------------------------------------------------------------------------------- */

static void put_place(struct place *place)
{
    struct place_cache *cache = place_cache();

    if (!place_put(cache, place)) {
        place_spill(cache);
    }
}

bool resource_take_back(resource_handle handle)
{
    struct place *place = place_of(handle);
    struct resource_account *account = atomic_load_explicit(&place->charged, memory_order_relaxed);
    uint64_t amount = atomic_load_explicit(&place->amount, memory_order_relaxed);
    bool is_ours = resource_void(place, handle);

    if (is_ours) {
        uncharge(account, amount);
        put_place(place);
    }
    return is_ours;
}

/* Why a handle that is in its place was not released: its owner is another, or is being closed. */
static hx_err refuse_held(const struct place *place)
{
    const struct resource_account *account =
        atomic_load_explicit(&place->charged, memory_order_relaxed);

    return resource_account_tag(account) == OWNER_NONE ? HX_ESTALE : HX_EPERM;
}

hx_err resource_refuse_on(resource_handle handle)
{
    const struct place *place = place_of(handle);
    uint64_t next = atomic_load_explicit(&place->next, memory_order_relaxed);
    bool was_given =
        ((handle ^ next) & PLACE_NUMBER_MASK) == 0 && handle >= PLACE_GENERATION && handle < next;
    hx_err error = was_given ? HX_ESTALE : HX_EINVAL;

    /* Pairs with resource_publish. */
    if (was_given && atomic_load_explicit(&place->key, memory_order_acquire) == handle) {
        error = refuse_held(place);
    }
    read_leave();
    return error;
}

hx_err resource_uncharge_on(resource_handle handle, owner_tag owner, uint64_t amount,
                            struct place *place, struct resource_account *account)
{
    (void)handle;
    (void)owner;
    uncharge(account, amount);
    put_place(place);
    read_leave();
    return HX_OK;
}

hx_err resource_spill_on(void)
{
    place_spill(place_cache());
    read_leave();
    return HX_OK;
}

/* --- adjusting -------------------------------------------------------------------------------- */

/*
 * One attempt at a good handle; *word is what charge returned, 0 for less than before. An owner
 * that is closed meanwhile waits for this read section before it takes handles back.
 */
static enum outcome try_adjust(struct place *place, struct resource_account *account,
                               uint64_t amount, uint64_t *word)
{
    uint64_t old = atomic_load_explicit(&place->amount, memory_order_relaxed);

    *word = 0;
    if (amount < old) {
        uncharge(account, old - amount);
    } else if (amount > old) {
        if (!resource_has_provider(account->class)) {
            return NO_PROVIDER;
        }
        *word = charge(account, amount - old);
        if (*word == 0) {
            return OVER_LIMIT;
        }
    }
    atomic_store_explicit(&place->amount, amount, memory_order_relaxed);
    return DONE;
}

/* The account a handle is charged to, if it is good with its owner; NULL: it is not. */
static struct resource_account *account_of(resource_handle handle, owner_tag owner)
{
    const struct place *place = place_of(handle);
    struct resource_account *account;

    /* Pairs with resource_publish. */
    if (atomic_load_explicit(&place->key, memory_order_acquire) != handle) {
        return NULL;
    }
    account = atomic_load_explicit(&place->charged, memory_order_relaxed);
    return resource_account_tag(account) == owner ? account : NULL;
}

static hx_err adjust_once(resource_handle handle, owner_tag owner, uint64_t amount,
                          enum resource_class *class, uint64_t *word)
{
    struct resource_account *account;
    enum outcome outcome;

    *word = 0;
    read_enter();
    account = account_of(handle, owner);
    if (account == NULL) {
        return resource_refuse_on(handle);
    }
    *class = account->class;
    outcome = try_adjust(place_of(handle), account, amount, word);
    read_leave();
    return outcome == DONE ? HX_OK : outcome == OVER_LIMIT ? HX_ELIMIT : HX_ENOSYS;
}

hx_err resource_adjust(resource_handle handle, owner_tag owner, uint64_t amount)
{
    enum resource_class class;
    uint64_t word;
    hx_err error;

    if (amount == 0 || amount > RESOURCE_UNLIMITED) {
        return HX_EINVAL;
    }
    error = adjust_once(handle, owner, amount, &class, &word);
    if (error == HX_ELIMIT && resource_ask_to_reclaim(owner, class, amount)) {
        error = adjust_once(handle, owner, amount, &class, &word);
    }
    if (error == HX_ELIMIT) {
        return count_refusal(owner, class);
    }
    if ((word & ACCOUNT_PAST) != 0) {
        warn(owner, class, word);
    }
    return error;
}

/* --- limits ----------------------------------------------------------------------------------- */

void resource_apply_provider_to_locked(struct resource_account *account, bool is_provided)
{
    atomic_store_explicit(&account->simple, is_provided ? soft_limit(account) : 0,
                          memory_order_relaxed);
}

void resource_store_limits(struct resource_account *account, enum resource_class class,
                           struct resource_limits limits)
{
    hal_interrupt_state state = spinlock_acquire(&resource_limits_lock);

    atomic_store_explicit(&account->soft, limits.soft, memory_order_relaxed);
    atomic_store_explicit(&account->hard, limits.hard, memory_order_relaxed);
    resource_apply_provider_to_locked(account, resource_has_provider(class));
    spinlock_release(&resource_limits_lock, state);
}

/*
 * Bring ACCOUNT_PAST in line with the limits. Returns the word with ACCOUNT_PAST only if that was a
 * crossing.
 */
static uint64_t judge(struct resource_account *account)
{
    uint64_t old = atomic_load_explicit(&account->word, memory_order_relaxed);
    uint64_t new;

    do {
        uint64_t used = old & ACCOUNT_USAGE;

        new = used > soft_limit(account) ? used | ACCOUNT_PAST : used;
    } while (!atomic_compare_exchange_weak_explicit(&account->word, &old, new, memory_order_relaxed,
                                                    memory_order_relaxed));
    return new & ~(old & ACCOUNT_PAST);
}

hx_err resource_set_limit(owner_tag owner, enum resource_class class, struct resource_limits limits)
{
    struct resource_owner *record;
    uint64_t word = 0;

    if (!is_class(class) || limits.soft > limits.hard || limits.hard > RESOURCE_UNLIMITED) {
        return HX_EINVAL;
    }
    mutex_lock(&resource_lock);
    record = resource_owner_find(owner); /* stays while the lock is held */
    if (record != NULL) {
        resource_store_limits(&record->accounts[class], class, limits);
        /* Whoever goes on with the old ones ends before the account is judged by the new ones. */
        read_synchronize();
        word = judge(&record->accounts[class]);
    }
    mutex_unlock(&resource_lock);
    if ((word & ACCOUNT_PAST) != 0) {
        warn(owner, class, word);
    }
    return record != NULL ? HX_OK : HX_ESTALE;
}

hx_err resource_get_usage(owner_tag owner, enum resource_class class, struct resource_usage *usage)
{
    struct resource_owner *record;

    *usage = (struct resource_usage){0};
    if (!is_class(class)) {
        return HX_EINVAL;
    }
    read_enter();
    record = resource_owner_find(owner);
    if (record != NULL) {
        const struct resource_account *account = &record->accounts[class];

        usage->used = atomic_load_explicit(&account->word, memory_order_relaxed) & ACCOUNT_USAGE;
        usage->refused = atomic_load_explicit(&account->refused, memory_order_relaxed);
        usage->limits =
            (struct resource_limits){.soft = soft_limit(account), .hard = hard_limit(account)};
    }
    read_leave();
    return record != NULL ? HX_OK : HX_ESTALE;
}

/* --- numbers ---------------------------------------------------------------------------------- */

void resource_statistics(struct resource_statistics *statistics)
{
    *statistics = (struct resource_statistics){
        .allocations = place_count_uses(),
        .refusals = atomic_load_explicit(&refusals, memory_order_relaxed),
        .warnings = atomic_load_explicit(&warnings, memory_order_relaxed),
        .reclaims = resource_count_reclaims(),
        .memory_bytes = place_memory() + resource_owners_memory(),
    };
}
