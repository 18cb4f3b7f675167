/* Checks. */
#include <core/capability/broker.h>
#include <core/capability/grant_store.h>
#include <core/capability/grant_table.h>
#include <kern/read_section.h>

static bool covers(uint64_t rights, uint64_t required)
{
    return ((required | PERMISSION_HELD) & ~rights) == 0;
}

/* The rights of all grants of a chain, from one that is the subject's on the resource. */
static uint64_t rights_from(const struct grant_table *table, struct grant *grant,
                            subject_id subject, resource_id resource)
{
    uint64_t all = 0;

    for (; grant != NULL; grant = grant_table_find_next(table, grant, subject, resource)) {
        uint64_t rights = atomic_load_explicit(&grant->rights, memory_order_acquire);

        if (broker_is_held(grant, NULL)) {
            all |= rights;
        }
    }
    return all;
}

/*
 * What the first grant does not answer: several grants, revocations that are being reclaimed, the
 * kernel, and refusals. The caller has entered a read section, and this leaves it.
 *
 * Rights of several grants count together when all are held at one moment. A second walk from the
 * same place meets only grants that the first one met, so those it finds held were so between the
 * two.
 */
static HX_NOINLINE bool check_fully(subject_id subject, resource_id resource, uint64_t required)
{
    const struct grant_table *table =
        atomic_load_explicit(&grant_table_current, memory_order_acquire);
    struct grant *first = grant_table_find(table, subject, resource);
    bool passes = subject == SUBJECT_KERNEL ||
                  (covers(rights_from(table, first, subject, resource), required) &&
                   covers(rights_from(table, first, subject, resource), required));

    read_leave();
    if (!passes) {
        (void)broker_count(&broker.refusals, 1);
    }
    return passes;
}

bool capability_check(subject_id subject, resource_id resource, uint64_t required)
{
    const struct grant_table *table;
    const struct grant *grant;

    read_enter();
    /*
     * acquire: pairs with the release in broker_open_locked. What was revoked before the table was
     * opened has lost its rights and is not in it, so with 0 nothing but being there is asked for.
     */
    table = atomic_load_explicit(&grant_table_open, memory_order_acquire);
    grant = grant_table_find(table, subject, resource);
    if (HX_UNLIKELY(grant == NULL) ||
        HX_UNLIKELY((required & ~atomic_load_explicit(&grant->rights, memory_order_relaxed)) !=
                    0)) {
        return check_fully(subject, resource, required);
    }
    read_leave();
    return true;
}

capability_handle capability_find(subject_id subject, resource_id resource, uint64_t required)
{
    capability_handle found = CAPABILITY_NONE;
    const struct grant_table *table;

    read_enter();
    /* acquire: pairs with the release of who publishes a table */
    table = atomic_load_explicit(&grant_table_current, memory_order_acquire);
    for (struct grant *grant = grant_table_find(table, subject, resource);
         grant != NULL && found == CAPABILITY_NONE;
         grant = grant_table_find_next(table, grant, subject, resource)) {
        if (covers(atomic_load_explicit(&grant->rights, memory_order_acquire), required) &&
            broker_is_held(grant, NULL)) {
            found = grant_handle(grant);
        }
    }
    read_leave();
    return found;
}

static bool is_the_grant(const struct grant *grant, subject_id subject, capability_handle handle,
                         resource_id resource, uint64_t required)
{
    return covers(atomic_load_explicit(&grant->rights, memory_order_acquire), required) &&
           atomic_load_explicit(&grant->subject, memory_order_acquire) == subject &&
           atomic_load_explicit(&grant->resource, memory_order_acquire) == resource &&
           grant_handle(grant) == handle;
}

bool capability_check_handle_slowly(subject_id subject, capability_handle handle,
                                    resource_id resource, uint64_t required)
{
    const struct grant *grant = grant_at((uint32_t)handle);
    bool passes;

    read_enter();
    passes = grant != NULL && is_the_grant(grant, subject, handle, resource, required) &&
             broker_is_held(grant, NULL);
    read_leave();
    return passes;
}
