#include <base/assert.h>
#include <kern/heap.h>
#include <subsys/vm/space.h>

/* --- finding ---------------------------------------------------------------------------------- */

struct mapping *mapping_at(const struct address_space *space, uintptr_t address)
{
    struct mapping *mapping = mapping_of_node(tree_floor(&space->mappings, address));

    return mapping != NULL && address < mapping->end ? mapping : NULL;
}

struct neighbours neighbours_of(const struct address_space *space, uintptr_t address)
{
    struct tree_node *previous = tree_floor(&space->mappings, address);

    return (struct neighbours){
        .previous = mapping_of_node(previous),
        .next =
            mapping_of_node(previous != NULL ? tree_next(previous) : tree_first(&space->mappings))};
}

struct mapping *mapping_from(const struct address_space *space, uintptr_t address)
{
    struct neighbours beside = neighbours_of(space, address);

    return beside.previous != NULL && address < beside.previous->end ? beside.previous
                                                                     : beside.next;
}

struct mapping *mapping_next(const struct mapping *mapping)
{
    return mapping_of_node(tree_next(&mapping->node));
}

uintptr_t mapping_run_end(struct mapping **mapping)
{
    uintptr_t end;

    do {
        end = (*mapping)->end;
        *mapping = mapping_next(*mapping);
    } while (*mapping != NULL && mapping_start(*mapping) == end);
    return end;
}

/* --- making and freeing ----------------------------------------------------------------------- */

struct mapping *mapping_make(struct address_space *space, uintptr_t start, uintptr_t end,
                             unsigned flags, struct mapping_source source)
{
    struct mapping *mapping = heap_allocate(sizeof(*mapping), OWNER_CORE);

    if (mapping == NULL) {
        return NULL;
    }
    /* The rest is set when it is put in. */
    mapping->node.key = start;
    mapping->end = end;
    mapping->flags = flags & ~(unsigned)MAPPING_POPULATE;
    mapping->object = source.object;
    mapping->offset = source.offset;
    mapping->name = source.name;
    mapping->space = space;
    list_init(&mapping->link);
    if (source.object != NULL) {
        memory_object_get(source.object);
    }
    if (source.name != NULL) {
        source.name->get(source.name);
    }
    return mapping;
}

struct mapping_source mapping_source_at(const struct mapping *mapping, uintptr_t address)
{
    return (struct mapping_source){
        .object = mapping->object,
        .offset =
            mapping->object != NULL ? mapping->offset + (address - mapping_start(mapping)) : 0,
        .name = mapping->name};
}

static void dispose(struct mapping *mapping)
{
    if (mapping->object != NULL) {
        memory_object_put(mapping->object);
    }
    if (mapping->name != NULL) {
        mapping->name->put(mapping->name);
    }
    heap_free(mapping);
}

void mappings_dispose(struct list *gone)
{
    struct list *link;

    while ((link = list_pop_front(gone)) != NULL) {
        dispose(LIST_ENTRY(link, struct mapping, link));
    }
}

/* --- the tree --------------------------------------------------------------------------------- */

/* How much is free between two mappings; before a stack, some of it is not for others. */
static uint64_t gap_between(const struct mapping *previous, const struct mapping *mapping)
{
    uintptr_t from = previous != NULL ? previous->end : hal_user_window().base;
    uint64_t gap = mapping_start(mapping) - from;
    uint64_t guard = (mapping->flags & MAPPING_GROWS_DOWN) != 0 ? STACK_GUARD_GAP : 0;

    return gap > guard ? gap - guard : 0;
}

static void update_gap(struct mapping *mapping)
{
    if (mapping != NULL) {
        const struct mapping *previous = mapping_of_node(tree_previous(&mapping->node));

        tree_set_value(&mapping->node, gap_between(previous, mapping));
    }
}

/* All of inserting but the tree. */
static void count_in(struct mapping *mapping)
{
    struct address_space *space = mapping->space;

    space->mapping_count++;
    space->mapped_bytes += mapping->end - mapping_start(mapping);
    if (mapping->object != NULL) {
        memory_object_attach(mapping);
    }
}

static void insert_between(struct mapping *mapping, struct neighbours beside)
{
    mapping->node.value = gap_between(beside.previous, mapping);
    tree_insert(&mapping->space->mappings, &mapping->node);
    count_in(mapping);
    if (beside.next != NULL) {
        tree_set_value(&beside.next->node, gap_between(mapping, beside.next));
    }
}

void mapping_insert(struct mapping *mapping)
{
    insert_between(mapping, neighbours_of(mapping->space, mapping_start(mapping)));
}

void mapping_insert_copy(struct mapping *mapping, const struct mapping *original)
{
    tree_insert_copy(&mapping->space->mappings, &mapping->node, &original->node);
    count_in(mapping);
}

void mapping_remove(struct mapping *mapping, struct list *gone)
{
    struct address_space *space = mapping->space;
    struct mapping *next = mapping_next(mapping);

    if (mapping->object != NULL) {
        memory_object_detach(mapping);
    }
    tree_remove(&space->mappings, &mapping->node);
    update_gap(next);
    space->mapping_count--;
    space->mapped_bytes -= mapping->end - mapping_start(mapping);
    if (space->recent == mapping) {
        space->recent = NULL;
    }
    list_push_back(gone, &mapping->link);
}

void mappings_remove_all(struct address_space *space, struct list *gone)
{
    struct tree_node *node = space->mappings.root;

    for (; node != NULL; node = tree_next_below(node)) {
        struct mapping *mapping = mapping_of_node(node);

        if (mapping->object != NULL) {
            memory_object_detach(mapping);
        }
        list_push_back(gone, &mapping->link);
    }
    space->mappings.root = NULL;
    space->recent = NULL;
    space->mapping_count = 0;
    space->mapped_bytes = 0;
}

void mapping_set_start(struct mapping *mapping, uintptr_t start)
{
    mapping->space->mapped_bytes += mapping_start(mapping) - start;
    if (mapping->object != NULL) {
        mapping->offset += start - mapping_start(mapping);
    }
    mapping->node.key = start;
    update_gap(mapping);
}

void mapping_set_end(struct mapping *mapping, uintptr_t end)
{
    mapping->space->mapped_bytes += end - mapping->end;
    mapping->end = end;
    update_gap(mapping_next(mapping));
}

/* --- splitting and joining -------------------------------------------------------------------- */

hx_err mapping_split_at(struct address_space *space, uintptr_t address)
{
    struct mapping *lower = mapping_at(space, address);
    struct mapping *upper;

    if (lower == NULL || mapping_start(lower) == address) {
        return HX_OK;
    }
    upper = space->mapping_count < MAPPINGS_MAX
                ? mapping_make(space, address, lower->end, lower->flags,
                               mapping_source_at(lower, address))
                : NULL;
    if (upper == NULL) {
        return HX_ENOMEM;
    }
    /* Only the lower part of a stack grows. */
    upper->flags &= ~(unsigned)MAPPING_GROWS_DOWN;
    mapping_set_end(lower, address);
    mapping_insert(upper);
    return HX_OK;
}

/* Whether b continues a. */
static bool do_fit(const struct mapping *a, const struct mapping *b)
{
    return a->end == mapping_start(b) && a->object == b->object && a->name == b->name &&
           (a->flags | MAPPING_GROWS_DOWN) == (b->flags | MAPPING_GROWS_DOWN) &&
           (b->flags & MAPPING_GROWS_DOWN) == 0 &&
           (a->object == NULL || a->offset + (a->end - mapping_start(a)) == b->offset);
}

void mapping_join_around(struct address_space *space, uintptr_t start, uintptr_t end,
                         struct list *gone)
{
    struct mapping *mapping = mapping_from(space, start == 0 ? 0 : start - 1);

    while (mapping != NULL && mapping_start(mapping) < end) {
        struct mapping *next = mapping_next(mapping);

        if (next != NULL && do_fit(mapping, next)) {
            uintptr_t joined_end = next->end;

            mapping_remove(next, gone);
            mapping_set_end(mapping, joined_end);
        } else {
            mapping = next;
        }
    }
}

void mapping_insert_joined(struct mapping *mapping, struct neighbours beside, struct list *gone)
{
    insert_between(mapping, beside);
    if ((beside.previous != NULL && do_fit(beside.previous, mapping)) ||
        (beside.next != NULL && do_fit(mapping, beside.next))) {
        mapping_join_around(mapping->space, mapping_start(mapping), mapping->end, gone);
    }
}

/* --- free ranges ------------------------------------------------------------------------------ */

bool range_is_valid(uintptr_t address, size_t size)
{
    struct hal_range window = hal_user_window();
    uintptr_t offset = address - window.base;

    return address % HAL_PAGE_SIZE == 0 && size != 0 && size % HAL_PAGE_SIZE == 0 &&
           offset < window.size && size <= window.size - offset;
}

bool range_is_free(const struct address_space *space, uintptr_t start, uintptr_t end)
{
    const struct mapping *next = mapping_from(space, start);
    uintptr_t guard = next != NULL && (next->flags & MAPPING_GROWS_DOWN) != 0 ? STACK_GUARD_GAP : 0;

    return next == NULL || (mapping_start(next) >= end && mapping_start(next) - end >= guard);
}

/* Below this, new mappings are placed: what is above is left to the stack. */
static uintptr_t ceiling_of(const struct address_space *space)
{
    struct hal_range window = hal_user_window();
    uint64_t reserved = space->stack_limit + STACK_GUARD_GAP;

    reserved = reserved < window.size / 4 ? reserved : window.size / 4;
    return (window.base + window.size - reserved) & ~(uintptr_t)(HAL_PAGE_SIZE - 1);
}

/* The end of what is free before a mapping and large enough. */
static uintptr_t end_of_gap(const struct mapping *mapping)
{
    uintptr_t guard = (mapping->flags & MAPPING_GROWS_DOWN) != 0 ? STACK_GUARD_GAP : 0;

    return mapping_start(mapping) - guard;
}

/* The place right below the ceiling, in what is free around it; 0: too small. */
static uintptr_t find_at_ceiling(const struct address_space *space, size_t size, uintptr_t ceiling)
{
    const struct mapping *above = mapping_from(space, ceiling);
    const struct mapping *below =
        mapping_of_node(above != NULL ? tree_previous(&above->node) : tree_last(&space->mappings));
    uintptr_t floor = below != NULL ? below->end : hal_user_window().base;
    uintptr_t end = above != NULL && end_of_gap(above) < ceiling ? end_of_gap(above) : ceiling;

    return end > floor && end - floor >= size ? end - size : 0;
}

uintptr_t range_find(const struct address_space *space, size_t size)
{
    uintptr_t ceiling = ceiling_of(space);
    uintptr_t found = find_at_ceiling(space, size, ceiling);
    const struct mapping *mapping;

    if (found != 0) {
        return found;
    }
    mapping = mapping_of_node(tree_floor_with(&space->mappings, ceiling, size));
    return mapping != NULL ? end_of_gap(mapping) - size : 0;
}
