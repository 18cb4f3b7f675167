/* Opening and closing owners. */
#include <base/assert.h>
#include <base/string.h>
#include <core/resource/account.h>
#include <core/resource/place.h>
#include <kern/heap.h>
#include <kern/read_section.h>

#define OWNER_GENERATION_MAX (UINT32_MAX >> OWNER_INDEX_BITS)

/* So many records are made at once. */
#define OWNER_CHUNK 16U

_Atomic(struct resource_owner *) resource_owners[OWNER_INDEX_MAX + 1];
struct mutex resource_lock;

static struct resource_owner kernel;
static _Atomic uint32_t chunk_count;

/* --- opening ---------------------------------------------------------------------------------- */

static void open_record(struct resource_owner *record, owner_tag tag, const char *name)
{
    const struct resource_limits none = {.soft = RESOURCE_UNLIMITED, .hard = RESOURCE_UNLIMITED};

    (void)string_copy(record->name, sizeof(record->name), name);
    for (unsigned class = 0; class < RESOURCE_CLASS_COUNT; class ++) {
        struct resource_account *account = &record->accounts[class];

        resource_store_limits(account, (enum resource_class) class, none);
        atomic_store_explicit(&account->refused, 0, memory_order_relaxed);
        /* Pairs with resource_account_tag. */
        atomic_store_explicit(&account->tag, tag, memory_order_release);
    }
}

static owner_tag tag_of(const struct resource_owner *record)
{
    return resource_account_tag(&record->accounts[0]);
}

static void number_accounts(struct resource_owner *record)
{
    for (unsigned class = 0; class < RESOURCE_CLASS_COUNT; class ++) {
        record->accounts[class].class = (enum resource_class) class;
    }
}

void resource_owners_init(void)
{
    mutex_init(&resource_lock, "resource owners");
    number_accounts(&kernel);
    open_record(&kernel, OWNER_CORE, "kernel");
    for (uint32_t index = 0; index <= OWNER_INDEX_MAX; index++) {
        atomic_store_explicit(&resource_owners[index], &kernel, memory_order_release);
    }
}

/* The record at an index above the kernel's, NULL: none was ever needed, nor any behind it. */
static struct resource_owner *record_at(uint32_t index)
{
    struct resource_owner *record =
        atomic_load_explicit(&resource_owners[index], memory_order_acquire);

    return record != &kernel ? record : NULL;
}

/* Records for the indices from this one on. Returns whether there was memory. */
static bool make_records_locked(uint32_t first)
{
    struct resource_owner *chunk = heap_allocate_zeroed(OWNER_CHUNK * sizeof(*chunk), OWNER_CORE);

    if (chunk == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < OWNER_CHUNK && first + i <= OWNER_INDEX_MAX; i++) {
        number_accounts(&chunk[i]);
        atomic_store_explicit(&resource_owners[first + i], &chunk[i], memory_order_release);
    }
    atomic_fetch_add_explicit(&chunk_count, 1, memory_order_relaxed);
    return true;
}

static bool is_free_locked(const struct resource_owner *record)
{
    return tag_of(record) == OWNER_NONE && record->generation != OWNER_NEVER_AGAIN;
}

static hx_err open_locked(const char *name, owner_tag *owner)
{
    for (uint32_t index = owner_index(OWNER_CORE) + 1; index <= OWNER_INDEX_MAX; index++) {
        struct resource_owner *record = record_at(index);

        if (record == NULL) {
            if (!make_records_locked(index)) {
                return HX_ENOMEM;
            }
            record = record_at(index);
        }
        if (is_free_locked(record)) {
            *owner = owner_make(index, record->generation);
            open_record(record, *owner, name);
            return HX_OK;
        }
    }
    return HX_ENOSPC;
}

hx_err resource_owner_open(const char *name, owner_tag *owner)
{
    hx_err error;

    *owner = OWNER_NONE;
    if (name == NULL || name[0] == '\0') {
        return HX_EINVAL;
    }
    mutex_lock(&resource_lock);
    error = open_locked(name, owner);
    mutex_unlock(&resource_lock);
    return error;
}

/* --- providers come and go -------------------------------------------------------------------- */

void resource_apply_provider_locked(enum resource_class class, bool is_provided)
{
    uint32_t index = owner_index(OWNER_CORE) + 1;
    struct resource_owner *record;

    resource_apply_provider_to_locked(&kernel.accounts[class], is_provided);
    while (index <= OWNER_INDEX_MAX && (record = record_at(index)) != NULL) {
        resource_apply_provider_to_locked(&record->accounts[class], is_provided);
        index++;
    }
}

/* --- walks over the handles ------------------------------------------------------------------- */

/* What one place holds for a record. */
struct holding {
    resource_handle handle; /* RESOURCE_HANDLE_NONE: nothing */
    size_t class;
    uint64_t amount;
};

static struct holding look_at(uint32_t number, const struct resource_owner *record)
{
    const struct place *place = place_of(number);
    /* Acquire pairs with the publication of the handle. */
    resource_handle handle = atomic_load_explicit(&place->key, memory_order_acquire);
    uint64_t amount = atomic_load_explicit(&place->amount, memory_order_relaxed);
    const struct resource_account *account =
        atomic_load_explicit(&place->charged, memory_order_relaxed);

    if (handle == RESOURCE_HANDLE_NONE || account < record->accounts ||
        account >= record->accounts + RESOURCE_CLASS_COUNT) {
        return (struct holding){.handle = RESOURCE_HANDLE_NONE};
    }
    return (struct holding){.handle = handle, .class = account->class, .amount = amount};
}

static void add(struct resource_totals *totals, struct holding holding)
{
    totals->handles[holding.class]++;
    totals->amount[holding.class] += holding.amount;
}

void resource_owner_held(owner_tag owner, struct resource_totals *totals)
{
    const struct resource_owner *record;

    *totals = (struct resource_totals){0};
    read_enter();
    record = resource_owner_find(owner);
    read_leave(); /* the record stays; whose it is may change: the sum is of no use then anyway */
    if (record == NULL) {
        return; /* closed: it was made sure that it holds nothing */
    }
    for (uint32_t number = place_next(0); number != 0; number = place_next(number)) {
        struct holding holding = look_at(number, record);

        if (holding.handle != RESOURCE_HANDLE_NONE) {
            add(totals, holding);
        }
    }
}

/* --- closing ---------------------------------------------------------------------------------- */

/* Somebody may release a handle meanwhile, but nobody allocates for the owner any more. Returns
 * whether there was one of the owner's. */
static bool take_back_at(uint32_t number, const struct resource_owner *record,
                         struct resource_totals *returned)
{
    struct holding holding = look_at(number, record);

    if (holding.handle == RESOURCE_HANDLE_NONE) {
        return false;
    }
    read_enter();
    if (resource_take_back(holding.handle)) {
        add(returned, holding);
    }
    read_leave();
    return true;
}

static bool has_usage(const struct resource_owner *record)
{
    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        if (atomic_load_explicit(&record->accounts[i].word, memory_order_relaxed) != 0) {
            return true;
        }
    }
    return false;
}

static void next_generation_locked(struct resource_owner *record, owner_tag owner)
{
    HX_ASSERT(!has_usage(record), "an owner without handles has no usage");
    record->generation = owner_generation(owner) < OWNER_GENERATION_MAX
                             ? owner_generation(owner) + 1
                             : OWNER_NEVER_AGAIN;
}

/* Take back every handle, and wait for releases that have taken one before the walk could. With the
 * last one the usage goes, and what is left of the walk would find nothing. */
static void take_back_all(const struct resource_owner *record, struct resource_totals *returned)
{
    for (uint32_t number = place_next(0); number != 0; number = place_next(number)) {
        if (take_back_at(number, record, returned) && !has_usage(record)) {
            break;
        }
    }
    /* Those releases are done with the account. */
    read_synchronize();
}

static void close_locked(struct resource_owner *record, owner_tag owner,
                         struct resource_totals *returned)
{
    for (unsigned i = 0; i < RESOURCE_CLASS_COUNT; i++) {
        atomic_store_explicit(&record->accounts[i].tag, OWNER_NONE, memory_order_relaxed);
    }
    /* Allocations that have found the owner end, so the walk sees every handle. */
    read_synchronize();
    /* A handle is charged before it is there and until it is void: without usage there is none. */
    if (has_usage(record)) {
        take_back_all(record, returned);
    }
    next_generation_locked(record, owner);
}

hx_err resource_owner_close(owner_tag owner, struct resource_totals *returned)
{
    struct resource_totals unwanted;
    struct resource_totals *totals = returned != NULL ? returned : &unwanted;
    struct resource_owner *record;

    *totals = (struct resource_totals){0};
    if (owner == OWNER_CORE) {
        return HX_EPERM;
    }
    mutex_lock(&resource_lock);
    record = resource_owner_find(owner); /* stays while the lock is held */
    if (record != NULL) {
        close_locked(record, owner, totals);
    }
    mutex_unlock(&resource_lock);
    return record != NULL ? HX_OK : HX_ESTALE;
}

/* --- looking ---------------------------------------------------------------------------------- */

owner_tag resource_owner_next(owner_tag after)
{
    if (after == OWNER_NONE) {
        return OWNER_CORE;
    }
    for (uint32_t index = owner_index(after) + 1; index <= OWNER_INDEX_MAX; index++) {
        const struct resource_owner *record = record_at(index);
        owner_tag tag = record != NULL ? tag_of(record) : OWNER_NONE;

        if (tag != OWNER_NONE) {
            return tag;
        }
    }
    return OWNER_NONE;
}

bool resource_owner_name(owner_tag owner, char name[RESOURCE_OWNER_NAME_MAX])
{
    const struct resource_owner *record;

    read_enter();
    record = resource_owner_find(owner);
    (void)string_copy(name, RESOURCE_OWNER_NAME_MAX, record != NULL ? record->name : "");
    read_leave();
    return record != NULL;
}

uint64_t resource_owners_memory(void)
{
    return (uint64_t)atomic_load_explicit(&chunk_count, memory_order_relaxed) * OWNER_CHUNK *
           sizeof(struct resource_owner);
}
