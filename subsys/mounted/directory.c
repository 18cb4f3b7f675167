/* Names, and what is behind symbolic links. */
#include <base/memory.h>
#include <base/string.h>
#include <kern/heap.h>
#include <subsys/mounted/mounted_private.h>
#include <subsys/time/wall_clock.h>

#define LISTING_SIZE   4096U
#define FIRST_POSITION 2U /* of the module's 0: "." and ".." are 1 and 2 */

/* --- finding ---------------------------------------------------------------------------------- */

static hx_err lookup_locked(struct vnode *directory, const char *name, size_t length,
                            struct vnode **found)
{
    struct mounted *mounted = mounted_of(directory);
    struct hx_file_attributes attributes;
    struct loan name_loan;
    struct loan loan;
    uint64_t name_handle = loan_open_read_only(&name_loan, name, length);
    uint64_t handle = loan_open_to_fill(&loan, &attributes, sizeof(attributes));
    hx_err error =
        mounted_call(mounted, FILE_SYSTEM_LOOKUP, directory->number, name_handle, length, handle);

    loan_close(&loan);
    loan_close(&name_loan);
    return error == HX_OK ? mounted_node_get(mounted, &attributes, found) : error;
}

static hx_err lookup(struct vnode *directory, const char *name, size_t length, struct vnode **found)
{
    struct mounted *mounted = mounted_of(directory);
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = lookup_locked(directory, name, length, found);
    mutex_unlock(&mounted->mutex);
    return error;
}

static hx_err parent(struct vnode *directory, struct vnode **found)
{
    if (directory == directory->file_system->root) {
        *found = vnode_get(directory);
        return HX_OK;
    }
    if (atomic_load_explicit(&directory->links, memory_order_relaxed) == 0) {
        return HX_ENOENT;
    }
    return lookup(directory, "..", 2, found);
}

/* --- making ----------------------------------------------------------------------------------- */

/* The names in a directory are others, and so may its size be. */
static void note_change(struct vnode *directory)
{
    vnode_touch(directory, VNODE_MODIFIED | VNODE_CHANGED);
    atomic_store_explicit(&mounted_node_of(directory)->is_changed, true, memory_order_relaxed);
    atomic_store_explicit(&mounted_node_of(directory)->is_stale, true, memory_order_relaxed);
}

static void add_links(struct vnode *vnode, int difference)
{
    atomic_fetch_add_explicit(&vnode->links, (uint32_t)difference, memory_order_relaxed);
}

/* A directory that was removed takes no names any more. */
static bool is_removed(const struct vnode *directory)
{
    return atomic_load_explicit(&directory->links, memory_order_relaxed) == 0;
}

/* texts: the name and the target, one behind the other. */
static hx_err call_make(struct vnode *directory, const struct hx_file_making *making,
                        const char *texts, struct hx_file_attributes *attributes)
{
    struct loan making_loan;
    struct loan texts_loan;
    struct loan loan;
    uint64_t making_handle = loan_open_read_only(&making_loan, making, sizeof(*making));
    uint64_t texts_handle =
        loan_open_read_only(&texts_loan, texts, making->name_length + making->target_length);
    uint64_t handle = loan_open_to_fill(&loan, attributes, sizeof(*attributes));
    hx_err error = mounted_call(mounted_of(directory), FILE_SYSTEM_MAKE, directory->number,
                                making_handle, texts_handle, handle);

    loan_close(&loan);
    loan_close(&texts_loan);
    loan_close(&making_loan);
    return error;
}

static hx_err make_locked(struct vnode *directory, const struct hx_file_making *making,
                          const char *texts, struct vnode **made)
{
    struct hx_file_attributes attributes;
    hx_err error =
        is_removed(directory) ? HX_ENOENT : call_make(directory, making, texts, &attributes);

    if (error != HX_OK) {
        return error;
    }
    note_change(directory);
    add_links(directory, making->type == HX_FILE_DIRECTORY ? 1 : 0);
    return mounted_node_get(mounted_of(directory), &attributes, made);
}

static hx_err make(struct vnode *directory, const char *name, size_t length,
                   const struct vnode_making *making, struct vnode **made)
{
    struct mounted *mounted = mounted_of(directory);
    size_t target_length = making->target != NULL ? string_length(making->target) : 0;
    const struct hx_file_making wanted = {.now = wall_clock_now(),
                                          .device = making->device,
                                          .type = making->type,
                                          .mode = making->mode & MODE_MASK,
                                          .user = making->user,
                                          .group = making->group,
                                          .name_length = (uint32_t)length,
                                          .target_length = (uint32_t)target_length};
    char *texts = heap_allocate(length + target_length, OWNER_CORE);
    hx_err error;

    if (texts == NULL) {
        return HX_ENOMEM;
    }
    memcpy(texts, name, length);
    if (target_length > 0) {
        memcpy(texts + length, making->target, target_length);
    }
    mutex_lock(&mounted->mutex);
    error = make_locked(directory, &wanted, texts, made);
    mutex_unlock(&mounted->mutex);
    heap_free(texts);
    return error;
}

/* --- linking and removing --------------------------------------------------------------------- */

static hx_err call_with_name(struct vnode *directory, enum file_system_operation operation,
                             const char *name, size_t length, const struct vnode *target)
{
    struct loan loan;
    uint64_t handle = loan_open_read_only(&loan, name, length);
    hx_err error = mounted_call(mounted_of(directory), operation, directory->number, handle, length,
                                target->number);

    loan_close(&loan);
    return error;
}

static void note_links(struct vnode *vnode, int difference)
{
    add_links(vnode, difference);
    vnode_touch(vnode, VNODE_CHANGED);
    (void)mounted_attributes_changed(vnode);
}

static hx_err link_locked(struct vnode *directory, const char *name, size_t length,
                          struct vnode *target)
{
    hx_err error = is_removed(directory) || is_removed(target)
                       ? HX_ENOENT
                       : call_with_name(directory, FILE_SYSTEM_LINK, name, length, target);

    if (error == HX_OK) {
        note_change(directory);
        note_links(target, 1);
    }
    return error;
}

static hx_err link(struct vnode *directory, const char *name, size_t length, struct vnode *target)
{
    struct mounted *mounted = mounted_of(directory);
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = link_locked(directory, name, length, target);
    mutex_unlock(&mounted->mutex);
    return error;
}

/* A name of target in a directory is gone. */
static void note_unlinked(struct vnode *directory, struct vnode *target)
{
    if (target->type == VNODE_DIRECTORY) {
        note_links(target, -(int)atomic_load_explicit(&target->links, memory_order_relaxed));
        add_links(directory, -1);
    } else {
        note_links(target, -1);
    }
}

static hx_err unlink(struct vnode *directory, const char *name, size_t length, struct vnode *target)
{
    struct mounted *mounted = mounted_of(directory);
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = call_with_name(directory, FILE_SYSTEM_UNLINK, name, length, target);
    if (error == HX_OK) {
        note_change(directory);
        note_unlinked(directory, target);
    }
    mutex_unlock(&mounted->mutex);
    return error;
}

/* --- renaming --------------------------------------------------------------------------------- */

static hx_err call_rename(struct mounted *mounted, struct hx_file_move *move, const char *old_name,
                          const char *new_name)
{
    struct loan move_loan;
    struct loan old_loan;
    struct loan new_loan;
    uint64_t handle = loan_open(&move_loan, move, sizeof(*move));
    uint64_t old_handle = loan_open_read_only(&old_loan, old_name, move->old_length);
    uint64_t new_handle = loan_open_read_only(&new_loan, new_name, move->new_length);
    hx_err error = mounted_call(mounted, FILE_SYSTEM_RENAME, handle, old_handle, new_handle, 0);

    loan_close(&new_loan);
    loan_close(&old_loan);
    loan_close(&move_loan);
    return error;
}

/* A directory that came from one and is in another now takes its ".." along. */
static void note_moved(struct vnode *from, struct vnode *to, struct mounted_node *moved)
{
    if (moved != NULL && moved->vnode.type == VNODE_DIRECTORY && from != to) {
        add_links(from, -1);
        add_links(to, 1);
    }
    if (moved != NULL) {
        note_links(&moved->vnode, 0);
    }
}

/* Both are known here: who renames has looked them up. */
static void note_renamed(struct vnode *from, struct vnode *to, const struct hx_file_move *move)
{
    struct mounted *mounted = mounted_of(from);
    struct mounted_node *replaced =
        move->replaced != 0 ? mounted_node_find(mounted, move->replaced) : NULL;

    note_moved(from, to, mounted_node_find(mounted, move->moved));
    if (replaced != NULL && move->is_exchange != 0) {
        note_moved(to, from, replaced);
    } else if (replaced != NULL) {
        note_unlinked(to, &replaced->vnode);
    }
    note_change(from);
    note_change(to);
}

static hx_err rename(struct vnode *from, const char *old_name, size_t old_length, struct vnode *to,
                     const char *new_name, size_t new_length, bool is_exchange)
{
    struct mounted *mounted = mounted_of(from);
    struct hx_file_move move = {.from = from->number,
                                .to = to->number,
                                .old_length = (uint32_t)old_length,
                                .new_length = (uint32_t)new_length,
                                .is_exchange = is_exchange ? 1 : 0};
    hx_err error = HX_ENOENT;

    mutex_lock(&mounted->mutex);
    if (!is_removed(from) && !is_removed(to)) {
        error = call_rename(mounted, &move, old_name, new_name);
    }
    if (error == HX_OK) {
        note_renamed(from, to, &move);
    }
    mutex_unlock(&mounted->mutex);
    return error;
}

/* --- listing ---------------------------------------------------------------------------------- */

static hx_err call_list(struct vnode *directory, uint64_t position, char *listing)
{
    struct mounted *mounted = mounted_of(directory);
    struct loan loan;
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = mounted_call(mounted, FILE_SYSTEM_LIST, directory->number, position,
                         loan_open_to_fill(&loan, listing, LISTING_SIZE), LISTING_SIZE);
    loan_close(&loan);
    mutex_unlock(&mounted->mutex);
    return error;
}

/* The entry at an offset of a listing; NULL: it is not all within it. */
static const struct hx_file_entry *entry_at(const char *listing, size_t offset)
{
    const struct hx_file_entry *entry = (const struct hx_file_entry *)(listing + offset);
    size_t head = offsetof(struct hx_file_entry, name);

    if (offset > LISTING_SIZE - sizeof(*entry) || entry->size < head + entry->name_length ||
        entry->size % 8 != 0 || entry->size > LISTING_SIZE - offset || entry->name_length == 0) {
        return NULL;
    }
    return entry;
}

static bool emit_entry(const struct hx_file_entry *entry, directory_emit emit, void *argument)
{
    const struct directory_entry told = {.name = entry->name,
                                         .length = entry->name_length,
                                         .number = entry->number,
                                         .type = (enum vnode_type)entry->type,
                                         .position = entry->position + FIRST_POSITION};

    return emit(&told, argument);
}

/* *position moves on; whether there may be more. */
static hx_err emit_listing(const char *listing, uint64_t *position, directory_emit emit,
                           void *argument, bool *goes_on)
{
    uint64_t count = ((const struct hx_file_listing *)listing)->count;
    size_t offset = sizeof(struct hx_file_listing);

    *goes_on = count > 0;
    for (uint64_t i = 0; i < count && *goes_on; i++) {
        const struct hx_file_entry *entry = entry_at(listing, offset);

        if (entry == NULL || entry->position <= *position) {
            return HX_EIO;
        }
        *goes_on = emit_entry(entry, emit, argument);
        *position = entry->position;
        offset += entry->size;
    }
    return HX_OK;
}

static hx_err read_directory(struct vnode *directory, uint64_t position, directory_emit emit,
                             void *argument)
{
    char *listing = heap_allocate(LISTING_SIZE, OWNER_CORE);
    uint64_t at = position > FIRST_POSITION ? position - FIRST_POSITION : 0;
    bool goes_on = true;
    hx_err error = listing != NULL ? HX_OK : HX_ENOMEM;

    while (goes_on && error == HX_OK) {
        error = call_list(directory, at, listing);
        if (error == HX_OK) {
            error = emit_listing(listing, &at, emit, argument, &goes_on);
        }
    }
    heap_free(listing);
    return error;
}

/* --- links ------------------------------------------------------------------------------------ */

static hx_err read_link(struct vnode *vnode, char *target, size_t size, size_t *length)
{
    struct mounted *mounted = mounted_of(vnode);
    uint64_t whole = atomic_load_explicit(&vnode->size, memory_order_relaxed);
    struct loan loan;
    hx_err error;

    if (whole > HX_FILE_TARGET_MAX) {
        return HX_EIO;
    }
    *length = (size_t)whole;
    size = size < *length ? size : *length;
    mutex_lock(&mounted->mutex);
    error = mounted_call(mounted, FILE_SYSTEM_READ_LINK, vnode->number,
                         loan_open_to_fill(&loan, target, size), size, 0);
    loan_close(&loan);
    mutex_unlock(&mounted->mutex);
    return error;
}

const struct vnode_ops mounted_directory_ops = {
    .lookup = lookup,
    .make = make,
    .link = link,
    .unlink = unlink,
    .rename = rename,
    .read_directory = read_directory,
    .parent = parent,
    .attributes_changed = mounted_attributes_changed,
    .refresh = mounted_refresh,
    .sectors = mounted_sectors,
    .release = mounted_release,
};
const struct vnode_ops mounted_link_ops = {
    .read_link = read_link,
    .attributes_changed = mounted_attributes_changed,
    .release = mounted_release,
};
const struct vnode_ops mounted_special_ops = {
    .attributes_changed = mounted_attributes_changed,
    .release = mounted_release,
};
