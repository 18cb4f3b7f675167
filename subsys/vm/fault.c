/* Bringing in a page. */
#include <base/memory.h>
#include <subsys/vm/shared_frame.h>
#include <subsys/vm/space.h>

_Static_assert(AROUND_MAX <= HAL_ENTRY_RUN, "entries around a page lie side by side");

/* What is to be brought in, and where. */
struct page_fault {
    struct address_space *space;
    struct mapping *mapping;
    uintptr_t address; /* of the page */
    unsigned access;   /* MAPPING_READ, _WRITE or _EXECUTE */
    struct hal_entry *entry;
    struct hal_page old; /* what the entry holds, if it is not empty */
};

/* Whether a page as it stands in the tables already allows the access. */
static bool is_served(const struct page_fault *fault)
{
    unsigned needed = HAL_READ | (fault->access == MAPPING_WRITE     ? (unsigned)HAL_WRITE
                                  : fault->access == MAPPING_EXECUTE ? (unsigned)HAL_EXECUTE
                                                                     : 0U);

    return (fault->old.protection & needed) == needed;
}

/* --- own pages -------------------------------------------------------------------------------- */

static void store_own(const struct page_fault *fault, uint64_t physical)
{
    hal_entry_store(
        fault->entry,
        (struct hal_page){.physical = physical,
                          .protection = pages_protection(fault->mapping->flags) | HAL_MARK});
}

/* A page of zeros. */
static hx_err add_clear(const struct page_fault *fault)
{
    struct page_charge *own = &fault->space->own;
    uint64_t physical;
    hx_err error = page_charge_add(own, 1);

    if (error != HX_OK) {
        return error;
    }
    error = shared_frame_allocate(OWNER_CORE, true, &physical);
    if (error != HX_OK) {
        page_charge_remove(own, 1);
        return error;
    }
    store_own(fault, physical);
    return HX_OK;
}

/* A copy of the first bytes of a page that somebody else has as well, and zeros behind them. The
 * frame is the kernel's: it may outlive the process that made it, in a child. */
static hx_err copy_frame(uint64_t from, size_t size, uint64_t *physical)
{
    hx_err error = shared_frame_allocate(OWNER_CORE, false, physical);

    if (error == HX_OK) {
        char *to = hal_direct_map(*physical);

        memcpy(to, hal_direct_map(from), size);
        if (size < HAL_PAGE_SIZE) {
            memset(to + size, 0, HAL_PAGE_SIZE - size);
        }
    }
    return error;
}

/* Let the page that was there go: other CPUs may still read it until they are flushed. */
static void drop_old(const struct page_fault *fault)
{
    if ((fault->old.protection & HAL_READ) != 0) {
        pages_flush(fault->space, fault->address, 1);
    }
    shared_frame_put(fault->old.physical);
}

/* --- the object's pages ----------------------------------------------------------------------- */

/* A copy of the first bytes of the object's page becomes an own one. */
static hx_err add_copy(const struct page_fault *fault, uint64_t from, size_t size)
{
    struct page_charge *own = &fault->space->own;
    uint64_t physical;
    hx_err error = page_charge_add(own, 1);

    if (error != HX_OK) {
        return error;
    }
    error = copy_frame(from, size, &physical);
    if (error != HX_OK) {
        page_charge_remove(own, 1);
        return error;
    }
    store_own(fault, physical);
    return HX_OK;
}

static void store_objects(const struct mapping *mapping, struct hal_entry *entry, uint64_t physical)
{
    unsigned protection = pages_protection(mapping->flags);

    if (!mapping_is_shared(mapping)) {
        protection &= ~(unsigned)HAL_WRITE;
    }
    hal_entry_store(entry, (struct hal_page){.physical = physical, .protection = protection});
}

/* --- around ----------------------------------------------------------------------------------- */

/* Pages beside the one that faulted: those its mapping has of as many as a fault brings in. */
struct around {
    struct hal_entry *first;
    uint64_t index; /* of the first, in the object */
    unsigned count;
    uint64_t empty; /* bit i: nothing is mapped at page i */
};

static struct around look_around(const struct page_fault *fault)
{
    const struct mapping *mapping = fault->mapping;
    uintptr_t size = fault->space->around * HAL_PAGE_SIZE;
    uintptr_t base = hal_user_window().base;
    uintptr_t start = ((fault->address - base) & ~(size - 1)) + base;
    uintptr_t end = start + size < mapping->end ? start + size : mapping->end;
    struct around around = {.empty = 0};

    start = start > mapping_start(mapping) ? start : mapping_start(mapping);
    around.index = mapping_index(mapping, start);
    around.count = (unsigned)((end - start) >> HAL_PAGE_SHIFT);
    around.first =
        hal_entry_beside(fault->entry, -(ptrdiff_t)((fault->address - start) >> HAL_PAGE_SHIFT));
    for (unsigned i = 0; i < around.count; i++) {
        around.empty |= (uint64_t)hal_entry_is_empty(hal_entry_beside(around.first, i)) << i;
    }
    return around;
}

static HX_NOINLINE void bring_in_beside(const struct page_fault *fault)
{
    const struct around around = look_around(fault);
    uint64_t frames[AROUND_MAX];

    if (around.empty == 0) {
        return;
    }
    memory_object_present_pages(fault->mapping->object, around.index, around.count, around.empty,
                                frames);
    for (unsigned i = 0; i < around.count; i++) {
        if (frames[i] != 0) {
            store_objects(fault->mapping, hal_entry_beside(around.first, i), frames[i]);
            fault->space->object_pages++;
        }
    }
}

/*
 * What the object has beside a page is likely to be wanted too, and costs less now than a fault. A
 * child of a fork begins with one page, and doubles: most run another program or end soon.
 */
static inline void bring_in_around(const struct page_fault *fault)
{
    struct address_space *space = fault->space;

    if (space->around > 1) {
        bring_in_beside(fault);
    }
    space->around = space->around < AROUND_MAX ? 2 * space->around : AROUND_MAX;
}

/* Nothing is there yet. */
static hx_err bring_in(const struct page_fault *fault)
{
    const struct mapping *mapping = fault->mapping;
    uint64_t physical;
    hx_err error;

    if (mapping->object == NULL) {
        return add_clear(fault);
    }
    error = memory_object_page(mapping->object, mapping_index(mapping, fault->address), &physical);
    if (error != HX_OK) {
        return error;
    }
    if (fault->access == MAPPING_WRITE && !mapping_is_shared(mapping)) {
        error = add_copy(fault, physical, HAL_PAGE_SIZE);
        shared_frame_put(physical);
        return error;
    }
    store_objects(mapping, fault->entry, physical);
    fault->space->object_pages++;
    bring_in_around(fault);
    return HX_OK;
}

/* An own page does not allow the access: it is shared with a child, or was kept unreachable. */
static hx_err open_own(const struct page_fault *fault)
{
    uint64_t physical;
    hx_err error;

    if (shared_frame_is_mine(fault->old.physical)) {
        store_own(fault, fault->old.physical);
        return HX_OK;
    }
    if (fault->access != MAPPING_WRITE) {
        hal_entry_store(
            fault->entry,
            (struct hal_page){.physical = fault->old.physical,
                              .protection = (pages_protection(fault->mapping->flags) | HAL_MARK) &
                                            ~(unsigned)HAL_WRITE});
        return HX_OK;
    }
    error = copy_frame(fault->old.physical, HAL_PAGE_SIZE, &physical);
    if (error == HX_OK) {
        store_own(fault, physical);
        drop_old(fault);
    }
    return error;
}

/* The object's page does not allow the access: the first write to a private mapping. */
static hx_err open_objects(const struct page_fault *fault)
{
    hx_err error;

    if (mapping_is_shared(fault->mapping) || fault->access != MAPPING_WRITE) {
        store_objects(fault->mapping, fault->entry, fault->old.physical);
        return HX_OK;
    }
    error = add_copy(fault, fault->old.physical, HAL_PAGE_SIZE);
    if (error == HX_OK) {
        fault->space->object_pages--;
        drop_old(fault);
    }
    return error;
}

static hx_err serve(struct page_fault *fault)
{
    fault->entry = hal_space_entry(fault->space->hal, fault->address);
    if (fault->entry == NULL) {
        return HX_ENOMEM;
    }
    if (hal_entry_is_empty(fault->entry)) {
        return bring_in(fault);
    }
    fault->old = hal_entry_load(fault->entry);
    /* What this CPU remembers of the page is older than the entry. */
    hal_tlb_flush_local(fault->address, 1);
    if (is_served(fault)) {
        return HX_OK;
    }
    return (fault->old.protection & HAL_MARK) != 0 ? open_own(fault) : open_objects(fault);
}

/* --- where ------------------------------------------------------------------------------------ */

/* Whether a stack may begin at an address, as far as its neighbour and the limits go. */
static bool may_grow_to(const struct mapping *stack, uintptr_t start)
{
    const struct address_space *space = stack->space;
    const struct mapping *below = mapping_of_node(tree_previous(&stack->node));
    uintptr_t floor = below != NULL ? below->end : hal_user_window().base;
    uint64_t more = mapping_start(stack) - start;

    return stack->end - start <= space->stack_limit && start >= floor &&
           (below == NULL || start - floor >= STACK_GUARD_GAP) &&
           space->total_limit >= space->mapped_bytes &&
           space->total_limit - space->mapped_bytes >= more;
}

/* The stack above an address, grown down to it; NULL: there is none, or it must not. */
static struct mapping *grow_stack(struct address_space *space, uintptr_t address)
{
    struct mapping *stack = mapping_from(space, address);

    if (stack == NULL || (stack->flags & MAPPING_GROWS_DOWN) == 0 ||
        address < hal_user_window().base || !may_grow_to(stack, address)) {
        return NULL;
    }
    mapping_set_start(stack, address);
    return stack;
}

/* The mapping of a page, the one found last being the likeliest. */
static struct mapping *find(struct address_space *space, uintptr_t address)
{
    struct mapping *mapping = space->recent;

    if (mapping != NULL &&
        address - mapping_start(mapping) < mapping->end - mapping_start(mapping)) {
        return mapping;
    }
    mapping = mapping_at(space, address);
    if (mapping == NULL) {
        mapping = grow_stack(space, address);
    }
    space->recent = mapping;
    return mapping;
}

/* What may be accessed at all may be read: the machine knows no other way. */
static bool is_allowed(unsigned flags, unsigned access)
{
    return access == MAPPING_READ ? (flags & MAPPING_ACCESS) != 0 : (flags & access) != 0;
}

static HX_ALWAYS_INLINE hx_err fault_locked(struct address_space *space, uintptr_t address,
                                            unsigned access)
{
    struct page_fault fault;

    fault.space = space;
    fault.address = address & ~(uintptr_t)(HAL_PAGE_SIZE - 1);
    fault.access = access;
    space->faults++;
    fault.mapping = find(space, fault.address);
    if (fault.mapping == NULL) {
        return HX_EFAULT;
    }
    if (!is_allowed(fault.mapping->flags, access)) {
        return HX_EACCES;
    }
    return serve(&fault);
}

hx_err page_fault_locked(struct address_space *space, uintptr_t address, unsigned access)
{
    return fault_locked(space, address, access);
}

hx_err address_space_fault(struct address_space *space, uintptr_t address, unsigned access)
{
    hx_err error;

    mutex_lock(&space->lock);
    error = fault_locked(space, address, access);
    mutex_unlock(&space->lock);
    return error;
}

/* --- for loading ------------------------------------------------------------------------------ */

static hx_err load_tail_locked(struct address_space *space, uintptr_t address)
{
    struct page_fault fault = {.space = space,
                               .mapping = mapping_at(space, address),
                               .address = address & ~(uintptr_t)(HAL_PAGE_SIZE - 1)};
    uint64_t physical;
    hx_err error;

    if (fault.mapping == NULL || fault.mapping->object == NULL) {
        return HX_EFAULT;
    }
    if (mapping_is_shared(fault.mapping) || (fault.mapping->flags & MAPPING_WRITE) == 0) {
        return HX_EACCES;
    }
    fault.entry = hal_space_entry(space->hal, fault.address);
    if (fault.entry == NULL || !hal_entry_is_empty(fault.entry)) {
        return fault.entry == NULL ? HX_ENOMEM : HX_EEXIST;
    }
    error = memory_object_page(fault.mapping->object, mapping_index(fault.mapping, fault.address),
                               &physical);
    if (error == HX_OK) {
        error = add_copy(&fault, physical, address - fault.address);
        shared_frame_put(physical);
    }
    return error;
}

hx_err address_space_load_tail(struct address_space *space, uintptr_t address)
{
    hx_err error;

    mutex_lock(&space->lock);
    error = load_tail_locked(space, address);
    mutex_unlock(&space->lock);
    return error;
}
