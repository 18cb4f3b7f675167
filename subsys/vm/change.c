/* Mapping, unmapping, and changing what is mapped. */
#include <subsys/vm/space.h>

static size_t round_up(size_t size)
{
    return (size + HAL_PAGE_SIZE - 1) & ~(size_t)(HAL_PAGE_SIZE - 1);
}

static bool is_write_and_execute(unsigned flags)
{
    const unsigned both = MAPPING_WRITE | MAPPING_EXECUTE;

    return (flags & both) == both;
}

static bool has_room_for(const struct address_space *space, size_t size)
{
    return space->mapping_count < MAPPINGS_MAX && space->mapped_bytes <= space->total_limit &&
           size <= space->total_limit - space->mapped_bytes;
}

/* Bytes of a range that are mapped. */
static size_t mapped_within(const struct address_space *space, uintptr_t start, uintptr_t end)
{
    size_t bytes = 0;

    for (const struct mapping *mapping = mapping_from(space, start);
         mapping != NULL && mapping_start(mapping) < end; mapping = mapping_next(mapping)) {
        uintptr_t from = mapping_start(mapping) > start ? mapping_start(mapping) : start;

        bytes += (mapping->end < end ? mapping->end : end) - from;
    }
    return bytes;
}

/* --- unmapping -------------------------------------------------------------------------------- */

hx_err range_split_around(struct address_space *space, uintptr_t start, uintptr_t end,
                          struct list *gone)
{
    hx_err error = mapping_split_at(space, start);

    if (error == HX_OK) {
        error = mapping_split_at(space, end);
    }
    if (error != HX_OK) {
        mapping_join_around(space, start, end, gone);
    }
    return error;
}

hx_err range_unmap(struct address_space *space, uintptr_t start, uintptr_t end, struct list *gone)
{
    hx_err error = range_split_around(space, start, end, gone);
    struct mapping *mapping = mapping_from(space, start);

    if (error != HX_OK) {
        return error;
    }
    while (mapping != NULL && mapping_start(mapping) < end) {
        struct mapping *next = mapping_next(mapping);

        pages_remove(space, mapping_start(mapping), mapping->end, PAGES_ALL);
        mapping_remove(mapping, gone);
        mapping = next;
    }
    return HX_OK;
}

hx_err address_space_unmap(struct address_space *space, uintptr_t address, size_t size)
{
    struct list gone = LIST_INIT(gone);
    hx_err error;

    if (size > hal_user_window().size || !range_is_valid(address, round_up(size))) {
        return HX_EINVAL;
    }
    mutex_lock(&space->lock);
    error = range_unmap(space, address, address + round_up(size), &gone);
    mutex_unlock(&space->lock);
    mappings_dispose(&gone);
    return error;
}

/* --- mapping ---------------------------------------------------------------------------------- */

/* Whether something is mapped in a range, given the neighbours of its start. */
static bool is_taken(struct neighbours beside, uintptr_t start, uintptr_t end)
{
    return (beside.previous != NULL && beside.previous->end > start) ||
           (beside.next != NULL && mapping_start(beside.next) < end);
}

/* Make the place of a request that names one free.  *beside: its neighbours, also afterwards. */
static hx_err clear_place(struct address_space *space, const struct mapping_request *request,
                          size_t size, struct list *gone, struct neighbours *beside)
{
    uintptr_t start = request->address;
    hx_err error;

    if (!is_taken(*beside, start, start + size)) {
        return HX_OK;
    }
    if (request->is_exclusive) {
        return HX_EEXIST;
    }
    error = range_unmap(space, start, start + size, gone);
    *beside = neighbours_of(space, start);
    return error;
}

/* Where a request goes that names no place, or only wishes one; 0: there is no room. */
static uintptr_t find_place(const struct address_space *space,
                            const struct mapping_request *request, size_t size)
{
    uintptr_t wish = request->address;

    return range_is_valid(wish, size) && range_is_free(space, wish, wish + size)
               ? wish
               : range_find(space, size);
}

/* Where a request goes.  *beside: the neighbours there; for a fixed one they are known before. */
static hx_err choose_place(struct address_space *space, const struct mapping_request *request,
                           size_t size, struct list *gone, uintptr_t *address,
                           struct neighbours *beside)
{
    if (request->is_fixed) {
        *address = request->address;
        return clear_place(space, request, size, gone, beside);
    }
    *address = find_place(space, request, size);
    *beside = neighbours_of(space, *address);
    return *address != 0 ? HX_OK : HX_ENOMEM;
}

/* Bytes of a request's place that it replaces. */
static size_t replaced_by(const struct address_space *space, const struct mapping_request *request,
                          size_t size, struct neighbours beside)
{
    uintptr_t start = request->address;

    return request->is_fixed && !request->is_exclusive && is_taken(beside, start, start + size)
               ? mapped_within(space, start, start + size)
               : 0;
}

/* A request's flags, as the mapping keeps them. */
static unsigned flags_for(const struct mapping_request *request)
{
    unsigned flags = request->flags;

    if ((flags & MAPPING_SHARED) != 0 &&
        ((flags & MAPPING_WRITE) != 0 || request->object == NULL)) {
        flags |= MAPPING_MAY_WRITE;
    }
    return flags;
}

static HX_ALWAYS_INLINE hx_err map_locked(struct address_space *space,
                                          const struct mapping_request *request, size_t size,
                                          struct list *gone, uintptr_t *address)
{
    struct mapping *mapping;
    struct neighbours beside = {NULL, NULL};
    hx_err error;

    if (request->is_fixed) {
        beside = neighbours_of(space, request->address);
    }
    if (!has_room_for(space, size - replaced_by(space, request, size, beside))) {
        return HX_ENOMEM;
    }
    /* Made first: after the old is removed, nothing fails any more. */
    mapping = mapping_make(space, 0, size, flags_for(request),
                           (struct mapping_source){request->object,
                                                   request->object != NULL ? request->offset : 0,
                                                   request->name});
    if (mapping == NULL) {
        return HX_ENOMEM;
    }
    error = choose_place(space, request, size, gone, address, &beside);
    if (error != HX_OK) {
        list_push_back(gone, &mapping->link);
        return error;
    }
    mapping->node.key = *address;
    mapping->end = *address + size;
    mapping_insert_joined(mapping, beside, gone);
    return HX_OK;
}

/* Bring all pages in; what cannot be is left to the fault. */
static void populate(struct address_space *space, uintptr_t start, uintptr_t end, unsigned flags)
{
    unsigned access = (flags & MAPPING_WRITE) != 0 ? MAPPING_WRITE : MAPPING_READ;

    for (uintptr_t address = start; address < end; address += HAL_PAGE_SIZE) {
        if (address_space_fault(space, address, access) != HX_OK) {
            return;
        }
    }
}

static hx_err check_request(const struct mapping_request *request)
{
    size_t size = round_up(request->size);

    if (request->size == 0 || request->offset % HAL_PAGE_SIZE != 0 ||
        (request->is_fixed && request->address % HAL_PAGE_SIZE != 0)) {
        return HX_EINVAL;
    }
    if (request->size > hal_user_window().size || request->offset > UINT64_MAX / 2 ||
        (request->is_fixed && !range_is_valid(request->address, size))) {
        return HX_ENOMEM;
    }
    return is_write_and_execute(request->flags) ? HX_EACCES : HX_OK;
}

static HX_ALWAYS_INLINE hx_err map_checked(struct address_space *space,
                                           const struct mapping_request *request,
                                           uintptr_t *address)
{
    struct list gone = LIST_INIT(gone);
    size_t size = round_up(request->size);
    hx_err error;

    mutex_lock(&space->lock);
    error = map_locked(space, request, size, &gone, address);
    mutex_unlock(&space->lock);
    mappings_dispose(&gone);
    if (error == HX_OK && (request->flags & MAPPING_POPULATE) != 0) {
        populate(space, *address, *address + size, request->flags);
    }
    return error;
}

/* Memory that processes share without a file has an object all the same. */
static hx_err map_anonymous_shared(struct address_space *space,
                                   const struct mapping_request *request, uintptr_t *address)
{
    struct mapping_request with_object = *request;
    hx_err error = memory_object_create(NULL, NULL, round_up(request->size), space->owner,
                                        &with_object.object);

    if (error != HX_OK) {
        return error;
    }
    with_object.flags |= MAPPING_MAY_WRITE;
    with_object.offset = 0;
    error = map_checked(space, &with_object, address);
    memory_object_put(with_object.object);
    return error;
}

hx_err address_space_map(struct address_space *space, const struct mapping_request *request,
                         uintptr_t *address)
{
    hx_err error = check_request(request);

    if (error != HX_OK) {
        return error;
    }
    if (request->object == NULL && (request->flags & MAPPING_SHARED) != 0) {
        return map_anonymous_shared(space, request, address);
    }
    return map_checked(space, request, address);
}

/* --- changing the access ---------------------------------------------------------------------- */

/* Whether a range may get an access: mapped throughout, and writable where it is shared. */
static hx_err check_protect_locked(const struct address_space *space, uintptr_t start,
                                   uintptr_t end, unsigned access)
{
    const struct mapping *mapping;

    if (mapped_within(space, start, end) != end - start) {
        return HX_ENOMEM;
    }
    mapping = mapping_from(space, start);
    for (; mapping != NULL && mapping_start(mapping) < end; mapping = mapping_next(mapping)) {
        if ((access & MAPPING_WRITE) != 0 && mapping_is_shared(mapping) &&
            (mapping->flags & MAPPING_MAY_WRITE) == 0) {
            return HX_EACCES;
        }
    }
    return HX_OK;
}

static hx_err protect_locked(struct address_space *space, uintptr_t start, uintptr_t end,
                             unsigned access, struct list *gone)
{
    hx_err error = check_protect_locked(space, start, end, access);

    if (error == HX_OK) {
        error = range_split_around(space, start, end, gone);
    }
    if (error != HX_OK) {
        return error;
    }
    for (struct mapping *mapping = mapping_from(space, start);
         mapping != NULL && mapping_start(mapping) < end; mapping = mapping_next(mapping)) {
        mapping->flags = (mapping->flags & ~(unsigned)MAPPING_ACCESS) | access;
        pages_protect(mapping, mapping_start(mapping), mapping->end);
    }
    mapping_join_around(space, start, end, gone);
    return HX_OK;
}

hx_err address_space_protect(struct address_space *space, uintptr_t address, size_t size,
                             unsigned access)
{
    struct list gone = LIST_INIT(gone);
    hx_err error;

    if (address % HAL_PAGE_SIZE != 0 || (access & ~(unsigned)MAPPING_ACCESS) != 0) {
        return HX_EINVAL;
    }
    if (size == 0) {
        return HX_OK;
    }
    if (size > hal_user_window().size || !range_is_valid(address, round_up(size))) {
        return HX_ENOMEM;
    }
    if (is_write_and_execute(access)) {
        return HX_EACCES;
    }
    mutex_lock(&space->lock);
    error = protect_locked(space, address, address + round_up(size), access, &gone);
    mutex_unlock(&space->lock);
    mappings_dispose(&gone);
    return error;
}

/* --- discarding ------------------------------------------------------------------------------- */

hx_err address_space_discard(struct address_space *space, uintptr_t address, size_t size)
{
    uintptr_t end = address + round_up(size);
    hx_err error = HX_OK;

    if (size == 0 && address % HAL_PAGE_SIZE == 0) {
        return HX_OK;
    }
    if (address % HAL_PAGE_SIZE != 0) {
        return HX_EINVAL;
    }
    if (size > hal_user_window().size || !range_is_valid(address, round_up(size))) {
        return HX_ENOMEM;
    }
    mutex_lock(&space->lock);
    if (mapped_within(space, address, end) != end - address) {
        error = HX_ENOMEM;
    }
    /* What is mapped is discarded even so, as madvise(2) has it. */
    pages_remove(space, address, end, PAGES_ALL);
    mutex_unlock(&space->lock);
    return error;
}

/* --- the break -------------------------------------------------------------------------------- */

void address_space_set_break_start(struct address_space *space, uintptr_t start)
{
    mutex_lock(&space->lock);
    space->break_start = start;
    space->break_end = start;
    mutex_unlock(&space->lock);
}

static hx_err grow_break_locked(struct address_space *space, uintptr_t from, uintptr_t to,
                                struct list *gone)
{
    const struct mapping_request request = {.address = from,
                                            .size = to - from,
                                            .flags = MAPPING_READ | MAPPING_WRITE,
                                            .is_fixed = true,
                                            .is_exclusive = true};
    uintptr_t address;

    if (!range_is_valid(from, to - from) || !range_is_free(space, from, to)) {
        return HX_ENOMEM;
    }
    return map_locked(space, &request, to - from, gone, &address);
}

static hx_err move_break_locked(struct address_space *space, uintptr_t wanted, struct list *gone)
{
    uintptr_t from = round_up(space->break_end);
    uintptr_t to = round_up(wanted);

    if (wanted < space->break_start || to < wanted || space->break_start == 0) {
        return HX_EINVAL;
    }
    if (to > from) {
        return grow_break_locked(space, from, to, gone);
    }
    return to < from ? range_unmap(space, to, from, gone) : HX_OK;
}

uintptr_t address_space_set_break(struct address_space *space, uintptr_t address)
{
    struct list gone = LIST_INIT(gone);

    mutex_lock(&space->lock);
    if (move_break_locked(space, address, &gone) == HX_OK) {
        space->break_end = address;
    }
    address = space->break_end;
    mutex_unlock(&space->lock);
    mappings_dispose(&gone);
    return address;
}
