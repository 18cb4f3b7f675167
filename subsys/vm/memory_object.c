/*
 * Resizing and dropping first take the pages out of the object, so that no fault can get them any
 * more, and then remove them from the spaces that still have them. A page in a space's tables has a
 * reference of its own, so the frame stays until it is flushed there.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <kern/heap.h>
#include <subsys/vm/page_tree.h>
#include <subsys/vm/shared_frame.h>
#include <subsys/vm/space.h>

/* Keys: I = immutable after create, A = atomic, L = lock, C = cutting */
struct memory_object {
    const struct memory_object_ops *ops; /* I */
    void *context;                       /* I */
    _Atomic uint32_t references;         /* A */
    struct mutex cutting;                /* one resize or drop at a time */
    struct mutex lock;
    _Atomic uint64_t size;     /* A  written under lock */
    _Atomic uint64_t resident; /* A  written under lock */
    struct page_tree pages;    /* L */
    struct page_charge charge; /* L */
    struct list mappings;      /* L  those that have seen the last cut are at the end */
    uint64_t cut;              /* L  number of the last cut */
};

static const struct memory_object_ops no_ops;

hx_err memory_object_create(const struct memory_object_ops *ops, void *context, uint64_t size,
                            owner_tag owner, struct memory_object **object)
{
    struct memory_object *new = heap_allocate_zeroed(sizeof(*new), OWNER_CORE);

    if (new == NULL) {
        return HX_ENOMEM;
    }
    new->ops = ops != NULL ? ops : &no_ops;
    new->context = context;
    new->charge.owner = owner;
    atomic_init(&new->references, 1);
    atomic_init(&new->size, size);
    mutex_init(&new->cutting, "object cut");
    mutex_init(&new->lock, "object");
    list_init(&new->mappings);
    *object = new;
    return HX_OK;
}

void memory_object_get(struct memory_object *object)
{
    atomic_fetch_add_explicit(&object->references, 1, memory_order_relaxed);
}

void *memory_object_context(const struct memory_object *object)
{
    return object->context;
}

bool memory_object_is_filled(const struct memory_object *object)
{
    return object->ops->fill != NULL;
}

uint64_t memory_object_size(const struct memory_object *object)
{
    return atomic_load_explicit(&object->size, memory_order_relaxed);
}

uint64_t memory_object_resident_pages(const struct memory_object *object)
{
    return atomic_load_explicit(&object->resident, memory_order_relaxed);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void count_resident(struct memory_object *object, uint64_t difference)
{
    uint64_t resident = atomic_load_explicit(&object->resident, memory_order_relaxed);

    atomic_store_explicit(&object->resident, resident + difference, memory_order_relaxed);
}

/* Take the pages numbered [first, end) out. */
static void remove_pages_locked(struct memory_object *object, uint64_t first, uint64_t end)
{
    uint64_t removed = 0;

    for (uint64_t index = first; page_tree_next(&object->pages, &index) && index < end; index++) {
        shared_frame_put(page_tree_remove(&object->pages, index));
        page_charge_remove(&object->charge, 1);
        count_resident(object, (uint64_t)-1);
        removed++;
    }
    if (removed > 0 && object->ops->released != NULL) {
        object->ops->released(object, removed);
    }
}

static hx_err fill(struct memory_object *object, uint64_t index, uint64_t physical)
{
    return object->ops->fill != NULL ? object->ops->fill(object, index, hal_direct_map(physical))
                                     : HX_OK;
}

/* A frame with the contents of a page; it is in the object when this succeeds. */
static hx_err make_page_locked(struct memory_object *object, uint64_t index, uint64_t *physical)
{
    hx_err error = shared_frame_allocate(OWNER_CORE, true, physical);

    if (error != HX_OK) {
        return error;
    }
    error = fill(object, index, *physical);
    if (error == HX_OK) {
        error = page_tree_insert(&object->pages, index, *physical);
        if (error != HX_OK && object->ops->released != NULL) {
            object->ops->released(object, 1); /* it was filled all the same */
        }
    }
    if (error != HX_OK) {
        shared_frame_put(*physical);
        return error;
    }
    count_resident(object, 1);
    return HX_OK;
}

static hx_err add_page_locked(struct memory_object *object, uint64_t index, uint64_t *physical)
{
    hx_err error = page_charge_add(&object->charge, 1);

    if (error != HX_OK) {
        return error;
    }
    error = make_page_locked(object, index, physical);
    if (error != HX_OK) {
        page_charge_remove(&object->charge, 1);
    }
    return error;
}

/* Whole pages that a size in bytes needs. */
static uint64_t pages_for(uint64_t size)
{
    return (size >> HAL_PAGE_SHIFT) + (size % HAL_PAGE_SIZE != 0);
}

static hx_err get_page_locked(struct memory_object *object, uint64_t index, bool may_make,
                              uint64_t *physical)
{
    hx_err error = HX_OK;

    if (index >= pages_for(memory_object_size(object))) {
        return HX_ENXIO;
    }
    *physical = page_tree_find(&object->pages, index);
    if (*physical == 0) {
        error = may_make ? add_page_locked(object, index, physical) : HX_ENOENT;
    }
    if (error == HX_OK) {
        shared_frame_get(*physical);
    }
    return error;
}

hx_err memory_object_page(struct memory_object *object, uint64_t index, uint64_t *physical)
{
    hx_err error;

    mutex_lock(&object->lock);
    error = get_page_locked(object, index, true, physical);
    mutex_unlock(&object->lock);
    return error;
}

hx_err memory_object_present_page(struct memory_object *object, uint64_t index, uint64_t *physical)
{
    hx_err error;

    mutex_lock(&object->lock);
    error = get_page_locked(object, index, false, physical);
    mutex_unlock(&object->lock);
    return error;
}

/* Pages behind the end are not there. */
void memory_object_present_pages(struct memory_object *object, uint64_t index, unsigned count,
                                 uint64_t wanted, uint64_t *frames)
{
    mutex_lock(&object->lock);
    for (unsigned i = 0; i < count; i++) {
        frames[i] = (wanted >> i & 1) != 0 ? page_tree_find(&object->pages, index + i) : 0;
        if (frames[i] != 0) {
            shared_frame_get(frames[i]);
        }
    }
    mutex_unlock(&object->lock);
}

bool memory_object_next_page(struct memory_object *object, uint64_t *index)
{
    bool found;

    mutex_lock(&object->lock);
    found = page_tree_next(&object->pages, index);
    mutex_unlock(&object->lock);
    return found;
}

void memory_object_put(struct memory_object *object)
{
    /* Acquire and release: what every user did is done before the end. */
    if (atomic_fetch_sub_explicit(&object->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    HX_ASSERT(list_is_empty(&object->mappings), "a mapping has a reference to its object");
    remove_pages_locked(object, 0, PAGE_TREE_LIMIT);
    if (object->ops->release != NULL) {
        object->ops->release(object);
    }
    heap_free(object);
}

/* --- mappings --------------------------------------------------------------------------------- */

void memory_object_attach(struct mapping *mapping)
{
    struct memory_object *object = mapping->object;

    mutex_lock(&object->lock);
    /* As one that has not seen a cut that is under way: it may be a part of such a one. */
    mapping->cut = object->cut - 1;
    list_push_front(&object->mappings, &mapping->link);
    mutex_unlock(&object->lock);
}

void memory_object_detach(struct mapping *mapping)
{
    mutex_lock(&mapping->object->lock);
    list_remove(&mapping->link);
    mutex_unlock(&mapping->object->lock);
}

/* --- cutting ---------------------------------------------------------------------------------- */

/* Pages [first, end) that have left the object, and which of the mappings' pages go with them. */
struct cut {
    uint64_t first;
    uint64_t end;
    enum pages_which which;
};

/* Remove the pages of a cut from one mapping. */
static void cut_mapping(struct mapping *mapping, const struct cut *cut)
{
    uint64_t first = mapping->offset >> HAL_PAGE_SHIFT;
    uint64_t count = (mapping->end - mapping_start(mapping)) >> HAL_PAGE_SHIFT;
    uint64_t from = cut->first > first ? cut->first - first : 0;
    uint64_t to = cut->end > first ? cut->end - first : 0;

    to = to < count ? to : count;
    if (from < to) {
        pages_remove(mapping->space, mapping_start(mapping) + (from << HAL_PAGE_SHIFT),
                     mapping_start(mapping) + (to << HAL_PAGE_SHIFT), cut->which);
    }
}

/* The next mapping in a space that has not seen the cut, marked as having seen it; NULL: none. */
static struct mapping *next_in_space(struct memory_object *object,
                                     const struct address_space *space)
{
    struct mapping *found = NULL;

    mutex_lock(&object->lock);
    for (struct list *link = object->mappings.next; link != &object->mappings && found == NULL;
         link = link->next) {
        struct mapping *mapping = LIST_ENTRY(link, struct mapping, link);

        if (mapping->cut == object->cut) {
            break;
        }
        found = mapping->space == space ? mapping : NULL;
    }
    if (found != NULL) {
        found->cut = object->cut;
        list_remove(&found->link);
        list_push_back(&object->mappings, &found->link);
    }
    mutex_unlock(&object->lock);
    return found;
}

/*
 * The space, with a reference, of the first mapping that has not seen the cut; NULL: all have. One
 * whose space is at its end is passed over: all its pages go.
 */
static struct address_space *next_space(struct memory_object *object)
{
    struct address_space *space = NULL;

    mutex_lock(&object->lock);
    while (space == NULL && !list_is_empty(&object->mappings)) {
        struct mapping *mapping = LIST_ENTRY(object->mappings.next, struct mapping, link);

        if (mapping->cut == object->cut) {
            break;
        }
        if (address_space_try_get(mapping->space)) {
            space = mapping->space;
        } else {
            mapping->cut = object->cut;
            list_remove(&mapping->link);
            list_push_back(&object->mappings, &mapping->link);
        }
    }
    mutex_unlock(&object->lock);
    return space;
}

/* Remove pages that have left the object from all mappings; cutting is locked. */
static void cut_mappings(struct memory_object *object, const struct cut *cut)
{
    struct address_space *space;

    while ((space = next_space(object)) != NULL) {
        struct mapping *mapping;

        mutex_lock(&space->lock);
        while ((mapping = next_in_space(object, space)) != NULL) {
            cut_mapping(mapping, cut);
        }
        mutex_unlock(&space->lock);
        address_space_put(space);
    }
}

/* Zero what the page of a size's last byte has behind it. */
static void zero_tail_locked(struct memory_object *object, uint64_t size)
{
    uint64_t physical = page_tree_find(&object->pages, size >> HAL_PAGE_SHIFT);
    size_t used = size % HAL_PAGE_SIZE;

    if (used != 0 && physical != 0) {
        memset((char *)hal_direct_map(physical) + used, 0, HAL_PAGE_SIZE - used);
    }
}

void memory_object_resize(struct memory_object *object, uint64_t size)
{
    const struct cut cut = {.first = pages_for(size), .end = PAGE_TREE_LIMIT, .which = PAGES_ALL};
    uint64_t old;

    mutex_lock(&object->cutting);
    mutex_lock(&object->lock);
    old = memory_object_size(object);
    atomic_store_explicit(&object->size, size, memory_order_relaxed);
    /* Growing too: through a mapping, bytes behind the end can have been written. */
    zero_tail_locked(object, size < old ? size : old);
    if (size < old) {
        remove_pages_locked(object, cut.first, cut.end);
        object->cut++;
    }
    mutex_unlock(&object->lock);
    if (size < old) {
        cut_mappings(object, &cut);
    }
    mutex_unlock(&object->cutting);
}

void memory_object_drop(struct memory_object *object, uint64_t first, uint64_t count)
{
    const struct cut cut = {.first = first,
                            .end =
                                count < PAGE_TREE_LIMIT - first ? first + count : PAGE_TREE_LIMIT,
                            .which = PAGES_OF_OBJECT};

    if (first >= PAGE_TREE_LIMIT) {
        return;
    }
    mutex_lock(&object->cutting);
    mutex_lock(&object->lock);
    remove_pages_locked(object, cut.first, cut.end);
    object->cut++;
    mutex_unlock(&object->lock);
    cut_mappings(object, &cut);
    mutex_unlock(&object->cutting);
}
