/* mremap: a part of one mapping gets another size, and perhaps another place. */
#include <subsys/vm/space.h>

struct remap {
    struct address_space *space;
    uintptr_t address;
    size_t old_size; /* whole pages, as new_size */
    size_t new_size;
    bool may_move;
    uintptr_t fixed; /* 0: anywhere */
    struct list gone;
};

static bool fits_limit(const struct remap *remap)
{
    const struct address_space *space = remap->space;

    return remap->new_size <= remap->old_size ||
           (space->mapped_bytes <= space->total_limit &&
            remap->new_size - remap->old_size <= space->total_limit - space->mapped_bytes);
}

/* Make it longer where it is; false: something is in the way. */
static bool grow_in_place(struct remap *remap, struct mapping *mapping)
{
    uintptr_t end = remap->address + remap->old_size;
    size_t more = remap->new_size - remap->old_size;

    if (mapping->end != end || !range_is_valid(remap->address, remap->new_size) ||
        !range_is_free(remap->space, end, end + more)) {
        return false;
    }
    mapping_set_end(mapping, end + more);
    mapping_join_around(remap->space, remap->address, end + more, &remap->gone);
    return true;
}

/* A mapping of the new size at the new place, with the pages of the old, which is removed. */
static hx_err move_to(struct remap *remap, struct mapping *mapping, uintptr_t to)
{
    struct address_space *space = remap->space;
    size_t kept = remap->old_size < remap->new_size ? remap->old_size : remap->new_size;
    struct mapping *moved = mapping_make(space, to, to + remap->new_size, mapping->flags,
                                         mapping_source_at(mapping, remap->address));
    hx_err error = HX_ENOMEM;

    if (moved == NULL) {
        return HX_ENOMEM;
    }
    if (space->mapping_count < MAPPINGS_MAX) {
        error = range_split_around(space, remap->address, remap->address + remap->old_size,
                                   &remap->gone);
    }
    if (error == HX_OK) {
        error = pages_move(space, remap->address, to, kept);
    }
    if (error != HX_OK) {
        mapping_join_around(space, remap->address, remap->address + remap->old_size, &remap->gone);
        list_push_back(&remap->gone, &moved->link);
        return error;
    }
    /* It is a mapping of its own now: this needs no further split. */
    (void)!range_unmap(remap->space, remap->address, remap->address + remap->old_size,
                       &remap->gone);
    mapping_insert(moved);
    mapping_join_around(space, to, to + remap->new_size, &remap->gone);
    return HX_OK;
}

static hx_err move_fixed(struct remap *remap, uintptr_t *moved)
{
    struct mapping *mapping;
    hx_err error;

    if (!range_is_valid(remap->fixed, remap->new_size) ||
        (remap->fixed < remap->address + remap->old_size &&
         remap->address < remap->fixed + remap->new_size)) {
        return HX_EINVAL;
    }
    error = range_unmap(remap->space, remap->fixed, remap->fixed + remap->new_size, &remap->gone);
    if (error != HX_OK) {
        return error;
    }
    /* Found again: unmapping may have cut it at the other end. */
    mapping = mapping_at(remap->space, remap->address);
    *moved = remap->fixed;
    return move_to(remap, mapping, remap->fixed);
}

static hx_err remap_locked(struct remap *remap, uintptr_t *moved)
{
    struct mapping *mapping = mapping_at(remap->space, remap->address);

    if (mapping == NULL || mapping->end - remap->address < remap->old_size) {
        return HX_EFAULT;
    }
    if (!fits_limit(remap)) {
        return HX_ENOMEM;
    }
    if (remap->fixed != 0) {
        return move_fixed(remap, moved);
    }
    *moved = remap->address;
    if (remap->new_size <= remap->old_size) {
        return remap->new_size == remap->old_size
                   ? HX_OK
                   : range_unmap(remap->space, remap->address + remap->new_size,
                                 remap->address + remap->old_size, &remap->gone);
    }
    if (grow_in_place(remap, mapping)) {
        return HX_OK;
    }
    *moved = remap->may_move ? range_find(remap->space, remap->new_size) : 0;
    return *moved != 0 ? move_to(remap, mapping, *moved) : HX_ENOMEM;
}

static size_t round_up(size_t size)
{
    return (size + HAL_PAGE_SIZE - 1) & ~(size_t)(HAL_PAGE_SIZE - 1);
}

hx_err address_space_remap(struct address_space *space, uintptr_t address, size_t old_size,
                           size_t new_size, bool may_move, uintptr_t fixed, uintptr_t *moved)
{
    struct remap remap = {.space = space,
                          .address = address,
                          .old_size = round_up(old_size),
                          .new_size = round_up(new_size),
                          .may_move = may_move,
                          .fixed = fixed};
    hx_err error;

    if (address % HAL_PAGE_SIZE != 0 || remap.old_size == 0 || remap.new_size == 0 ||
        fixed % HAL_PAGE_SIZE != 0 || (fixed != 0 && !may_move)) {
        return HX_EINVAL;
    }
    if (new_size > hal_user_window().size) {
        return HX_ENOMEM;
    }
    list_init(&remap.gone);
    mutex_lock(&space->lock);
    error = remap_locked(&remap, moved);
    mutex_unlock(&space->lock);
    mappings_dispose(&remap.gone);
    return error;
}
