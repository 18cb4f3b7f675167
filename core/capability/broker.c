/* Granting, delegating, revoking. */
#include <core/capability/broker.h>
#include <core/capability/grant_store.h>
#include <core/capability/grant_table.h>
#include <kern/mutex.h>
#include <kern/thread.h>

struct broker broker = {
    .revoked = LIST_INIT(broker.revoked),
    .ended = LIST_INIT(broker.ended),
    .removed = LIST_INIT(broker.removed),
};

_Static_assert((CAPABILITY_SUBJECT_MAX & (CAPABILITY_SUBJECT_MAX - 1)) == 0,
               "a subject's index and a number of withdrawals share a word");
_Atomic uint64_t capability_withdrawals = CAPABILITY_SUBJECT_MAX;

static struct mutex mutex;
static _Atomic bool is_set_up; /* for ever once capability_init has succeeded */
static bool is_running;        /* under the mutex */

hx_err broker_lock(void)
{
    /* acquire: pairs with the release in capability_init */
    if (!atomic_load_explicit(&is_set_up, memory_order_acquire)) {
        return HX_ESTATE;
    }
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    mutex_lock(&mutex);
    return HX_OK;
}

void broker_unlock(void)
{
    mutex_unlock(&mutex);
}

/* --- start and end --------------------------------------------------------------------------- */

static hx_err set_up(void)
{
    hx_err error;

    if (atomic_load_explicit(&is_set_up, memory_order_relaxed)) {
        return HX_OK;
    }
    mutex_init(&mutex, "capabilities");
    error = subject_init();
    if (error == HX_OK) {
        error = grant_table_init();
    }
    if (error == HX_OK) {
        atomic_store_explicit(&is_set_up, true, memory_order_release);
    }
    return error;
}

hx_err capability_init(void)
{
    hx_err error = is_running ? HX_ESTATE : set_up();

    if (error == HX_OK) {
        error = reclaim_start();
    }
    is_running = is_running || error == HX_OK;
    return error;
}

void capability_fini(void)
{
    reclaim_stop();
    is_running = false;
}

/* --- subjects -------------------------------------------------------------------------------- */

static bool is_good_name(const char *name)
{
    size_t length = 0;

    if (name == NULL) {
        return false;
    }
    for (; name[length] != '\0'; length++) {
        if (length + 1 == SUBJECT_NAME_MAX || name[length] < ' ' || name[length] > '~') {
            return false;
        }
    }
    return length > 0;
}

hx_err capability_subject_create(const char *name, subject_id *id)
{
    struct subject *subject;
    hx_err error;

    if (id == NULL || !is_good_name(name)) {
        return broker_refused(HX_EINVAL);
    }
    error = broker_lock();
    if (error != HX_OK) {
        return broker_refused(error);
    }
    error = subject_take(name, &subject);
    if (error == HX_OK) {
        *id = subject_id_of(subject);
    }
    broker_unlock();
    return error == HX_OK ? HX_OK : broker_refused(error);
}

static void end_subject(struct subject *subject)
{
    broker_close_locked();
    /* The one store; release: who sees it sees that checks have to follow origins. */
    atomic_fetch_add_explicit(&subject->generation, 1, memory_order_release);
    broker_withdrawn_locked();
    list_push_back(&broker.ended, &subject->link);
    (void)broker_count(&broker.operations, 1);
    reclaim_request_locked();
}

hx_err capability_subject_destroy(subject_id id)
{
    struct subject *subject;
    hx_err error;

    if (id == SUBJECT_KERNEL) {
        return broker_refused(HX_EINVAL);
    }
    error = broker_lock();
    if (error != HX_OK) {
        return broker_refused(error);
    }
    subject = subject_find(id);
    if (subject != NULL) {
        end_subject(subject);
    }
    broker_unlock();
    return subject != NULL ? HX_OK : broker_refused(HX_ESTALE);
}

bool capability_subject_is_live(subject_id subject)
{
    return subject_find(subject) != NULL;
}

/* --- grants ---------------------------------------------------------------------------------- */

bool broker_is_held(const struct grant *grant, uint32_t *depth)
{
    uint32_t count = 0;

    for (; grant != NULL; grant = atomic_load_explicit(&grant->origin, memory_order_relaxed)) {
        /* acquire: pairs with the release stores of revocations */
        if (atomic_load_explicit(&grant->rights, memory_order_acquire) == 0 ||
            subject_find(atomic_load_explicit(&grant->subject, memory_order_relaxed)) == NULL) {
            return false;
        }
        count++;
    }
    if (depth != NULL) {
        *depth = count;
    }
    return true;
}

/* The current table, for holders of the mutex. */
static const struct grant_table *table_locked(void)
{
    return atomic_load_explicit(&grant_table_current, memory_order_relaxed);
}

static uint32_t count_same(subject_id subject, resource_id resource)
{
    const struct grant_table *table = table_locked();
    uint32_t count = 0;

    for (struct grant *grant = grant_table_find(table, subject, resource); grant != NULL;
         grant = grant_table_find_next(table, grant, subject, resource)) {
        count++;
    }
    return count;
}

/* All that can go wrong with a grant whose origin is settled; takes its record. */
static hx_err prepare(subject_id to, resource_id resource, struct grant **grant)
{
    if (subject_find(to) == NULL) {
        return HX_ESTALE;
    }
    if (count_same(to, resource) >= CAPABILITY_SAME_MAX) {
        return HX_ENOSPC;
    }
    return grant_store_take(grant);
}

static void enter(struct grant *grant, struct grant *origin, subject_id to)
{
    uint64_t count;

    if (origin != NULL) {
        list_push_back(&origin->derived, &grant->sibling);
    }
    list_push_back(&subject_find(to)->held, &grant->held);
    grant_table_insert(grant);
    broker_open_locked(); /* the record may be the first of a chunk, and the table the first one */
    (void)broker_count(&broker.operations, 1);
    count = broker_count(&broker.grants, 1);
    if (count > grant_table_buckets() / 2 && count % BROKER_SLICE == 0) {
        reclaim_request_locked();
    }
}

static hx_err make_locked(struct grant *origin, subject_id to, resource_id resource,
                          uint64_t rights, capability_handle *handle)
{
    struct grant *grant;
    hx_err error = prepare(to, resource, &grant);

    if (error != HX_OK) {
        return error;
    }
    grant_fill(grant, origin, to, resource, rights | PERMISSION_HELD);
    enter(grant, origin, to);
    if (handle != NULL) {
        *handle = grant_handle(grant);
    }
    return HX_OK;
}

/* The grant of a subject nearest to the kernel that has all these rights, NULL: none. */
static struct grant *find_origin(subject_id from, resource_id resource, uint64_t rights,
                                 uint32_t *depth)
{
    const struct grant_table *table = table_locked();
    struct grant *nearest = NULL;

    *depth = UINT32_MAX;
    for (struct grant *grant = grant_table_find(table, from, resource); grant != NULL;
         grant = grant_table_find_next(table, grant, from, resource)) {
        uint64_t has = atomic_load_explicit(&grant->rights, memory_order_relaxed);
        uint32_t its_depth;

        if ((rights & ~has) == 0 && broker_is_held(grant, &its_depth) && its_depth < *depth) {
            nearest = grant;
            *depth = its_depth;
        }
    }
    return nearest;
}

static hx_err delegate_locked(subject_id from, subject_id to, resource_id resource, uint64_t rights,
                              capability_handle *handle)
{
    uint32_t depth;
    struct grant *origin = find_origin(from, resource, rights | PERMISSION_DELEGATE, &depth);

    if (origin == NULL) {
        return HX_EPERM;
    }
    if (depth >= CAPABILITY_DEPTH_MAX) {
        return HX_ERANGE;
    }
    return make_locked(origin, to, resource, rights, handle);
}

hx_err capability_delegate(subject_id from, subject_id to, resource_id resource, uint64_t rights,
                           capability_handle *handle)
{
    enum resource_type type = resource_type_of(resource);
    hx_err error;

    if ((rights & ~(uint64_t)PERMISSION_HELD) == 0 || type == RESOURCE_TYPE_NONE ||
        type >= RESOURCE_TYPE_COUNT || to == SUBJECT_KERNEL) {
        return broker_refused(HX_EINVAL);
    }
    error = broker_lock();
    if (error != HX_OK) {
        return broker_refused(error);
    }
    error = from == SUBJECT_KERNEL ? make_locked(NULL, to, resource, rights, handle)
                                   : delegate_locked(from, to, resource, rights, handle);
    broker_unlock();
    return error == HX_OK ? HX_OK : broker_refused(error);
}

hx_err capability_grant(subject_id to, resource_id resource, uint64_t rights,
                        capability_handle *handle)
{
    return capability_delegate(SUBJECT_KERNEL, to, resource, rights, handle);
}

/* --- revocation ------------------------------------------------------------------------------ */

void broker_open_locked(void)
{
    if (atomic_load_explicit(&broker.reclaiming, memory_order_relaxed) != 0) {
        return;
    }
    /* release: pairs with the acquire of a check, which finds what was revoked without rights */
    atomic_store_explicit(&grant_open_chunks, grant_store_chunks(), memory_order_release);
    atomic_store_explicit(&grant_table_open,
                          atomic_load_explicit(&grant_table_current, memory_order_relaxed),
                          memory_order_release);
}

void broker_close_locked(void)
{
    (void)broker_count(&broker.reclaiming, 1);
    atomic_store_explicit(&grant_open_chunks, 0, memory_order_relaxed);
    atomic_store_explicit(&grant_table_open, &grant_table_empty, memory_order_relaxed);
}

void broker_withdrawn_locked(void)
{
    /* release: who takes a verdict from here on finds by its check what was withdrawn before */
    atomic_fetch_add_explicit(&capability_withdrawals, CAPABILITY_SUBJECT_MAX,
                              memory_order_release);
}

void broker_reopen_locked(void)
{
    atomic_fetch_sub_explicit(&broker.reclaiming, 1, memory_order_relaxed);
    broker_open_locked();
}

void broker_unlist_locked(struct grant *grant)
{
    grant_table_remove(grant);
    list_remove(&grant->held);
    list_remove(&grant->sibling);
    atomic_fetch_sub_explicit(&broker.grants, 1, memory_order_relaxed);
}

void broker_revoke_locked(struct grant *grant)
{
    bool has_derived = !list_is_empty(&grant->derived);

    if (has_derived) {
        broker_close_locked();
    }
    /* The one store that takes effect; release: who sees it sees that the tables are closed. */
    atomic_store_explicit(&grant->rights, 0, memory_order_release);
    broker_withdrawn_locked();
    broker_unlist_locked(grant);
    list_push_back(has_derived ? &broker.revoked : &broker.removed, &grant->sibling);
    reclaim_request_locked();
}

struct grant *broker_find_locked(capability_handle handle)
{
    struct grant *grant = grant_at((uint32_t)handle);

    if (grant == NULL || grant_handle(grant) != handle || !broker_is_held(grant, NULL)) {
        return NULL;
    }
    return grant;
}

static uint32_t revoke_all_locked(subject_id subject, resource_id resource)
{
    const struct grant_table *table = table_locked();
    struct grant *grant = grant_table_find(table, subject, resource);
    uint32_t count = 0;

    while (grant != NULL) {
        struct grant *next = grant_table_find_next(table, grant, subject, resource);

        if (broker_is_held(grant, NULL)) {
            broker_revoke_locked(grant);
            count++;
        }
        grant = next;
    }
    return count;
}

hx_err capability_revoke(subject_id subject, resource_id resource)
{
    hx_err error = broker_lock();
    uint32_t count;

    if (error != HX_OK) {
        return broker_refused(error);
    }
    count = revoke_all_locked(subject, resource);
    (void)broker_count(&broker.operations, count);
    broker_unlock();
    return count > 0 ? HX_OK : broker_refused(HX_ENOENT);
}

hx_err capability_revoke_handle(capability_handle handle)
{
    hx_err error = broker_lock();
    struct grant *grant;

    if (error != HX_OK) {
        return broker_refused(error);
    }
    grant = broker_find_locked(handle);
    if (grant != NULL) {
        broker_revoke_locked(grant);
        (void)broker_count(&broker.operations, 1);
    }
    broker_unlock();
    return grant != NULL ? HX_OK : broker_refused(HX_ESTALE);
}
