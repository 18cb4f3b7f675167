#include <base/assert.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/vm/space.h>

/* --- life ------------------------------------------------------------------------------------- */

hx_err address_space_create(owner_tag owner, struct address_space **space)
{
    struct address_space *new = heap_allocate_zeroed(sizeof(*new), OWNER_CORE);

    if (new == NULL) {
        return HX_ENOMEM;
    }
    if (hal_space_create(&new->hal) != HX_OK) {
        heap_free(new);
        return HX_ENOMEM;
    }
    atomic_init(&new->references, 1);
    mutex_init(&new->lock, "address space");
    new->owner = owner;
    new->own.owner = owner;
    new->stack_limit = STACK_LIMIT_INIT;
    new->total_limit = UINT64_MAX;
    new->around = AROUND_MAX;
    *space = new;
    return HX_OK;
}

void address_space_get(struct address_space *space)
{
    atomic_fetch_add_explicit(&space->references, 1, memory_order_relaxed);
}

bool address_space_try_get(struct address_space *space)
{
    uint32_t references = atomic_load_explicit(&space->references, memory_order_relaxed);

    while (references != 0) {
        if (atomic_compare_exchange_weak_explicit(&space->references, &references, references + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

/* Locked only for the objects' sake, which may be at the mappings: nobody else knows the space. */
static void remove_all(struct address_space *space, struct list *gone)
{
    struct mapping *mapping;

    mutex_lock(&space->lock);
    mapping = mapping_of_node(tree_first(&space->mappings));
    while (mapping != NULL) {
        uintptr_t start = mapping_start(mapping);

        pages_remove_unflushed(space, start, mapping_run_end(&mapping));
    }
    mappings_remove_all(space, gone);
    mutex_unlock(&space->lock);
}

void address_space_put(struct address_space *space)
{
    struct list gone = LIST_INIT(gone);

    /* Acquire and release: what every user did is done before the end. */
    if (atomic_fetch_sub_explicit(&space->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    HX_ASSERT(hal_space_cpus(space->hal) == 0, "no CPU runs a space that is at its end");
    remove_all(space, &gone);
    mappings_dispose(&gone);
    hal_space_destroy(space->hal);
    heap_free(space);
}

struct hal_space *address_space_hal(const struct address_space *space)
{
    return space->hal;
}

/* --- fork ------------------------------------------------------------------------------------- */

static hx_err fork_mapping(struct mapping *from, struct address_space *to)
{
    struct mapping *copy = mapping_make(to, mapping_start(from), from->end, from->flags,
                                        mapping_source_at(from, mapping_start(from)));

    if (copy == NULL) {
        return HX_ENOMEM;
    }
    mapping_insert_copy(copy, from);
    return HX_OK;
}

static hx_err fork_mappings(struct address_space *from, struct address_space *to)
{
    hx_err error = HX_OK;

    for (struct tree_node *node = from->mappings.root; node != NULL && error == HX_OK;
         node = tree_next_below(node)) {
        error = fork_mapping(mapping_of_node(node), to);
    }
    return error;
}

static hx_err fork_pages(struct address_space *from, struct address_space *to)
{
    struct mapping *mapping = mapping_of_node(tree_first(&from->mappings));
    hx_err error = HX_OK;

    while (mapping != NULL && error == HX_OK) {
        uintptr_t start = mapping_start(mapping);

        error = pages_share(from, start, mapping_run_end(&mapping), to);
    }
    return error;
}

static hx_err fork_locked(struct address_space *from, struct address_space *to)
{
    hx_err error = fork_mappings(from, to);

    to->break_start = from->break_start;
    to->break_end = from->break_end;
    to->stack_limit = from->stack_limit;
    to->total_limit = from->total_limit;
    to->around = 1;
    return error == HX_OK ? fork_pages(from, to) : error;
}

hx_err address_space_fork(struct address_space *from, owner_tag owner, struct address_space **to)
{
    struct address_space *child;
    hx_err error = address_space_create(owner, &child);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&from->lock);
    /* The objects know the child's mappings from their first on. */
    mutex_lock(&child->lock);
    error = fork_locked(from, child);
    mutex_unlock(&child->lock);
    mutex_unlock(&from->lock);
    if (error != HX_OK) {
        address_space_put(child);
        return error;
    }
    *to = child;
    return HX_OK;
}

/* --- limits ----------------------------------------------------------------------------------- */

void address_space_set_limits(struct address_space *space, uint64_t stack, uint64_t total)
{
    mutex_lock(&space->lock);
    space->stack_limit = stack;
    space->total_limit = total;
    mutex_unlock(&space->lock);
}

/* --- questions -------------------------------------------------------------------------------- */

static bool allows_locked(const struct address_space *space, uintptr_t start, uintptr_t end,
                          unsigned access)
{
    const struct mapping *mapping = mapping_at(space, start);

    while (mapping != NULL && mapping_start(mapping) <= start &&
           (mapping->flags & access) == access) {
        start = mapping->end;
        if (start >= end) {
            return true;
        }
        mapping = mapping_next(mapping);
    }
    return false;
}

bool address_space_allows(struct address_space *space, uintptr_t address, size_t size,
                          unsigned access)
{
    bool allows;

    if (size > UINTPTR_MAX - address) {
        return false;
    }
    mutex_lock(&space->lock);
    allows = size == 0 || allows_locked(space, address, address + size, access);
    mutex_unlock(&space->lock);
    return allows;
}

hx_err address_space_place(struct address_space *space, uintptr_t address,
                           struct memory_place *place)
{
    const struct mapping *mapping;

    mutex_lock(&space->lock);
    mapping = mapping_at(space, address);
    if (mapping != NULL && mapping_is_shared(mapping)) {
        *place =
            (struct memory_place){.object = mapping->object,
                                  .offset = mapping->offset + (address - mapping_start(mapping))};
    } else if (mapping != NULL) {
        *place = (struct memory_place){.object = space, .offset = address};
    }
    mutex_unlock(&space->lock);
    return mapping != NULL ? HX_OK : HX_EFAULT;
}

static struct mapping_description describe(const struct mapping *mapping)
{
    return (struct mapping_description){
        .start = mapping_start(mapping),
        .end = mapping->end,
        .flags = mapping->flags,
        .offset = mapping->offset,
        .name = mapping->name,
        .resident_pages = pages_count(mapping->space, mapping_start(mapping), mapping->end)};
}

void address_space_for_each(struct address_space *space,
                            bool (*callback)(const struct mapping_description *mapping,
                                             void *argument),
                            void *argument)
{
    const struct mapping *mapping;
    bool goes_on = true;

    mutex_lock(&space->lock);
    mapping = mapping_of_node(tree_first(&space->mappings));
    for (; mapping != NULL && goes_on; mapping = mapping_next(mapping)) {
        struct mapping_description description = describe(mapping);

        goes_on = callback(&description, argument);
    }
    mutex_unlock(&space->lock);
}

void address_space_statistics(struct address_space *space,
                              struct address_space_statistics *statistics)
{
    mutex_lock(&space->lock);
    *statistics =
        (struct address_space_statistics){.mapped_bytes = space->mapped_bytes,
                                          .resident_pages = space->own.used + space->object_pages,
                                          .shared_pages = space->object_pages,
                                          .faults = space->faults,
                                          .break_start = space->break_start,
                                          .break_end = space->break_end};
    mutex_unlock(&space->lock);
}
