/* Objects of tmpfs and what can be done with them. */
#include <base/memory.h>
#include <base/string.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/tmpfs/tmpfs_private.h>
#include <subsys/vm/memory_object.h>

/* --- contents of files ------------------------------------------------------------------------ */

static const void *find_backing(struct vnode *vnode, uint64_t offset, uint64_t *size)
{
    const struct tmpfs_backing *backing = &tmpfs_node_of(vnode)->backing;
    uint64_t whole = atomic_load_explicit(&backing->size, memory_order_relaxed);

    *size = offset < whole ? whole - offset : 0;
    return *size > 0 ? backing->bytes + offset : NULL;
}

/* Pages of a file that was there at boot begin as the archive has them. */
static hx_err fill_page(struct memory_object *object, uint64_t index, void *page)
{
    struct tmpfs_node *node = memory_object_context(object);
    struct tmpfs *tmpfs = tmpfs_of(&node->vnode);
    uint64_t size;
    const void *bytes = find_backing(&node->vnode, index << HAL_PAGE_SHIFT, &size);

    if (atomic_fetch_add_explicit(&tmpfs->pages, 1, memory_order_relaxed) >= tmpfs->page_limit) {
        atomic_fetch_sub_explicit(&tmpfs->pages, 1, memory_order_relaxed);
        return HX_ENOSPC;
    }
    if (bytes != NULL) {
        memcpy(page, bytes, size < HAL_PAGE_SIZE ? (size_t)size : HAL_PAGE_SIZE);
    }
    return HX_OK;
}

static void pages_released(struct memory_object *object, uint64_t pages)
{
    struct tmpfs_node *node = memory_object_context(object);

    atomic_fetch_sub_explicit(&tmpfs_of(&node->vnode)->pages, pages, memory_order_relaxed);
}

static const struct memory_object_ops contents_ops = {
    .fill = fill_page,
    .released = pages_released,
};

static hx_err resize(struct vnode *vnode, uint64_t size)
{
    struct tmpfs_backing *backing = &tmpfs_node_of(vnode)->backing;

    if (size < atomic_load_explicit(&backing->size, memory_order_relaxed)) {
        atomic_store_explicit(&backing->size, size, memory_order_relaxed);
    }
    memory_object_resize(vnode->contents, size);
    atomic_store_explicit(&vnode->size, size, memory_order_release);
    return HX_OK;
}

void tmpfs_node_set_backing(struct vnode *vnode, const void *bytes, uint64_t size)
{
    tmpfs_node_of(vnode)->backing = (struct tmpfs_backing){.bytes = bytes, .size = size};
    memory_object_resize(vnode->contents, size);
    atomic_store_explicit(&vnode->size, size, memory_order_release);
}

/* --- making and ending ------------------------------------------------------------------------ */

/* What walks without locks may still read. */
static void free_retired(struct retired *retired)
{
    struct tmpfs_node *node = HX_CONTAINER_OF(retired, struct tmpfs_node, retired);

    if (node->vnode.type == VNODE_DIRECTORY) {
        tmpfs_directory_fini(&node->directory);
    } else if (node->vnode.contents != NULL) {
        memory_object_put(node->vnode.contents);
    }
    heap_free(node);
}

static void free_node(struct tmpfs_node *node)
{
    struct vnode *vnode = &node->vnode;

    if (vnode->type == VNODE_SYMLINK) {
        heap_free(node->target);
    } else if (vnode->contents != NULL && memory_object_resident_pages(vnode->contents) > 0) {
        memory_object_drop(vnode->contents, 0, UINT64_MAX); /* no page waits */
    }
    atomic_fetch_sub_explicit(&tmpfs_of(vnode)->nodes, 1, memory_order_relaxed);
    retire(&node->retired, free_retired);
}

/* An entry's object: what nobody else holds joins the list of what is to be freed. */
static void give_up_entry(struct vnode *vnode, struct vnode **dead)
{
    struct tmpfs_node *node = tmpfs_node_of(vnode);

    if (vnode->type == VNODE_DIRECTORY) {
        mutex_lock(&vnode->mutex);
        node->directory.parent = NULL;
        mutex_unlock(&vnode->mutex);
    }
    if (!vnode_drop(vnode)) {
        return;
    }
    if (vnode->type != VNODE_DIRECTORY) {
        free_node(node);
        return;
    }
    node->directory.parent = *dead;
    *dead = vnode;
}

/* Directories are freed one after the other, however deep the tree is: what is to be freed is
 * chained by the links to the parents, which nobody needs any more. */
static void release(struct vnode *vnode)
{
    struct vnode *dead = vnode;

    if (vnode->type != VNODE_DIRECTORY) {
        free_node(tmpfs_node_of(vnode));
        return;
    }
    tmpfs_node_of(vnode)->directory.parent = NULL;
    while (dead != NULL) {
        struct tmpfs_node *node = tmpfs_node_of(dead);

        dead = node->directory.parent;
        for (uint32_t i = 0; i < node->directory.end; i++) {
            if (node->directory.entries[i] != NULL) {
                give_up_entry(tmpfs_entry_vnode(node->directory.entries[i]), &dead);
            }
        }
        free_node(node);
    }
}

static const struct vnode_ops *ops_of(enum vnode_type type)
{
    switch (type) {
    case VNODE_DIRECTORY:
        return &tmpfs_directory_ops;
    case VNODE_FILE:
        return &tmpfs_file_ops;
    case VNODE_SYMLINK:
        return &tmpfs_link_ops;
    default:
        return &tmpfs_special_ops;
    }
}

static hx_err make_target(struct tmpfs_node *node, const char *target)
{
    size_t length = string_length(target);

    node->target = heap_allocate(length + 1, OWNER_CORE);
    if (node->target == NULL) {
        return HX_ENOMEM;
    }
    memcpy(node->target, target, length + 1);
    atomic_init(&node->vnode.size, length);
    return HX_OK;
}

static hx_err make_contents(struct tmpfs_node *node, const struct vnode_making *making)
{
    switch (making->type) {
    case VNODE_FILE:
        return memory_object_create(&contents_ops, node, 0, OWNER_CORE, &node->vnode.contents);
    case VNODE_SYMLINK:
        return make_target(node, making->target);
    case VNODE_DIRECTORY:
        atomic_init(&node->vnode.links, 2);
        return HX_OK;
    default:
        return HX_OK;
    }
}

hx_err tmpfs_node_create(struct tmpfs *tmpfs, const struct vnode_making *making,
                         struct vnode **made)
{
    struct tmpfs_node *node;
    hx_err error;

    if (atomic_load_explicit(&tmpfs->nodes, memory_order_relaxed) >= tmpfs->node_limit) {
        return HX_ENOSPC;
    }
    node = heap_allocate_zeroed(sizeof(*node), OWNER_CORE);
    if (node == NULL) {
        return HX_ENOMEM;
    }
    vnode_init(&node->vnode, ops_of(making->type), &tmpfs->file_system,
               atomic_fetch_add_explicit(&tmpfs->last_number, 1, memory_order_relaxed) + 1, making);
    error = make_contents(node, making);
    if (error != HX_OK) {
        heap_free(node);
        return error;
    }
    atomic_fetch_add_explicit(&tmpfs->nodes, 1, memory_order_relaxed);
    *made = &node->vnode;
    return HX_OK;
}

/* --- names ------------------------------------------------------------------------------------ */

static struct tmpfs_directory *directory_of(struct vnode *vnode)
{
    return &tmpfs_node_of(vnode)->directory;
}

static void add_links(struct vnode *vnode, int difference)
{
    atomic_fetch_add_explicit(&vnode->links, (uint32_t)difference, memory_order_relaxed);
}

static hx_err lookup(struct vnode *vnode, const char *name, size_t length, struct vnode **found)
{
    struct name_entry *entry = tmpfs_directory_find(directory_of(vnode), name, length);

    if (entry == NULL) {
        return HX_ENOENT;
    }
    *found = vnode_get(tmpfs_entry_vnode(entry));
    return HX_OK;
}

/* A directory that has been removed takes no new names. */
static hx_err add(struct vnode *vnode, const char *name, size_t length, struct vnode *target)
{
    hx_err error = directory_of(vnode)->parent != NULL
                       ? tmpfs_directory_add(directory_of(vnode), name, length, target)
                       : HX_ENOENT;

    if (error == HX_OK) {
        vnode_touch(vnode, VNODE_MODIFIED | VNODE_CHANGED);
    }
    return error;
}

static hx_err make(struct vnode *vnode, const char *name, size_t length,
                   const struct vnode_making *making, struct vnode **made)
{
    hx_err error = tmpfs_node_create(tmpfs_of(vnode), making, made);

    if (error != HX_OK) {
        return error;
    }
    if (making->type == VNODE_DIRECTORY) {
        directory_of(*made)->parent = vnode; /* whoever finds it finds that */
    }
    error = add(vnode, name, length, *made);
    if (error != HX_OK) {
        if (making->type == VNODE_DIRECTORY) {
            directory_of(*made)->parent = NULL;
        }
        vnode_put(*made);
        return error;
    }
    if (making->type == VNODE_DIRECTORY) {
        add_links(vnode, 1);
    }
    return HX_OK;
}

static hx_err link(struct vnode *vnode, const char *name, size_t length, struct vnode *target)
{
    hx_err error;

    if (atomic_load_explicit(&target->links, memory_order_relaxed) == 0) {
        return HX_ENOENT; /* its last name has gone meanwhile */
    }
    error = add(vnode, name, length, target);
    if (error == HX_OK) {
        add_links(target, 1);
        vnode_touch(target, VNODE_CHANGED);
    }
    return error;
}

/* The name of target is gone. */
static void note_unlinked(struct vnode *directory, struct vnode *target)
{
    if (target->type == VNODE_DIRECTORY) {
        directory_of(target)->parent = NULL;
        add_links(target, -2);
        add_links(directory, -1);
    } else {
        add_links(target, -1);
    }
    vnode_touch(target, VNODE_CHANGED);
    vnode_touch(directory, VNODE_MODIFIED | VNODE_CHANGED);
}

/* A directory gets no names any more once it has been removed, so it is locked while it is found
 * to be empty; also for who is about to step up from it. Files can be busy with writing. */
static void lock_directory(struct vnode *vnode)
{
    if (vnode->type == VNODE_DIRECTORY) {
        mutex_lock(&vnode->mutex);
    }
}

static void unlock_directory(struct vnode *vnode)
{
    if (vnode->type == VNODE_DIRECTORY) {
        mutex_unlock(&vnode->mutex);
    }
}

static hx_err may_go(struct vnode *target)
{
    return target->type != VNODE_DIRECTORY || directory_of(target)->count == 0 ? HX_OK
                                                                               : HX_ENOTEMPTY;
}

static hx_err unlink_locked(struct vnode *vnode, struct name_entry *entry)
{
    struct vnode *target = tmpfs_entry_vnode(entry);
    hx_err error = may_go(target);

    if (error == HX_OK) {
        tmpfs_directory_remove(directory_of(vnode), entry);
        note_unlinked(vnode, target);
    }
    return error;
}

static hx_err unlink(struct vnode *vnode, const char *name, size_t length, struct vnode *target)
{
    struct name_entry *entry = tmpfs_directory_find(directory_of(vnode), name, length);
    hx_err error;

    if (entry == NULL || tmpfs_entry_vnode(entry) != target) {
        return HX_ENOENT;
    }
    lock_directory(target);
    error = unlink_locked(vnode, entry);
    unlock_directory(target);
    if (error == HX_OK) {
        vnode_put(target); /* the entry's reference */
    }
    return error;
}

/* --- renaming --------------------------------------------------------------------------------- */

static void move_parent(struct vnode *from, struct vnode *to, struct vnode *moved)
{
    if (moved->type == VNODE_DIRECTORY && from != to) {
        lock_directory(moved);
        directory_of(moved)->parent = to;
        unlock_directory(moved);
        add_links(from, -1);
        add_links(to, 1);
    }
    vnode_touch(moved, VNODE_CHANGED);
}

static void exchange(struct vnode *from, struct name_entry *a, struct vnode *to,
                     struct name_entry *b)
{
    struct vnode *moved = tmpfs_entry_vnode(a);
    struct vnode *other = tmpfs_entry_vnode(b);

    tmpfs_entry_set(a, other);
    tmpfs_entry_set(b, moved);
    move_parent(from, to, moved);
    move_parent(to, from, other);
}

/* The new name was there: the entry changes hands; nothing can fail any more once the old object
 * may go. */
static hx_err replace(struct vnode *from, struct name_entry *source, struct vnode *to,
                      struct name_entry *target)
{
    struct vnode *moved = tmpfs_entry_vnode(source);
    struct vnode *replaced = tmpfs_entry_vnode(target);
    hx_err error;

    lock_directory(replaced);
    error = may_go(replaced);
    if (error == HX_OK) {
        note_unlinked(to, replaced);
    }
    unlock_directory(replaced);
    if (error == HX_OK) {
        tmpfs_entry_set(target, moved); /* with the reference of the old entry */
        tmpfs_directory_remove(directory_of(from), source);
        move_parent(from, to, moved);
        vnode_put(replaced);
    }
    return error;
}

static hx_err move(struct vnode *from, struct name_entry *source, struct vnode *to,
                   const char *name, size_t length)
{
    struct vnode *moved = tmpfs_entry_vnode(source);
    hx_err error = add(to, name, length, moved);

    if (error == HX_OK) {
        tmpfs_directory_remove(directory_of(from), source);
        move_parent(from, to, moved);
        vnode_put(moved); /* the old entry's reference */
    }
    return error;
}

static hx_err rename(struct vnode *from, const char *old_name, size_t old_length, struct vnode *to,
                     const char *new_name, size_t new_length, bool is_exchange)
{
    struct name_entry *source = tmpfs_directory_find(directory_of(from), old_name, old_length);
    struct name_entry *target = tmpfs_directory_find(directory_of(to), new_name, new_length);
    hx_err error = HX_OK;

    if (source == NULL) {
        return HX_ENOENT;
    }
    if (is_exchange && target != NULL) {
        exchange(from, source, to, target);
    } else if (target != NULL) {
        error = replace(from, source, to, target);
    } else {
        error = move(from, source, to, new_name, new_length);
    }
    if (error == HX_OK) {
        vnode_touch(from, VNODE_MODIFIED | VNODE_CHANGED);
        vnode_touch(to, VNODE_MODIFIED | VNODE_CHANGED);
    }
    return error;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Positions 1 and 2 are "." and "..". */
#define FIRST_POSITION 3U

static hx_err read_directory(struct vnode *vnode, uint64_t position, directory_emit emit,
                             void *argument)
{
    const struct tmpfs_directory *directory = directory_of(vnode);
    uint64_t at = position < FIRST_POSITION ? 0 : position - FIRST_POSITION + 1;
    bool goes_on = true;

    for (; at < directory->end && goes_on; at++) {
        const struct name_entry *entry = directory->entries[at];

        if (entry != NULL) {
            goes_on =
                emit(&(struct directory_entry){name_text(entry), entry->length,
                                               tmpfs_entry_vnode(entry)->number,
                                               tmpfs_entry_vnode(entry)->type, at + FIRST_POSITION},
                     argument);
        }
    }
    return HX_OK;
}

static hx_err parent(struct vnode *vnode, struct vnode **found)
{
    if (directory_of(vnode)->parent == NULL) {
        return HX_ENOENT;
    }
    *found = vnode_get(directory_of(vnode)->parent);
    return HX_OK;
}

static hx_err read_link(struct vnode *vnode, char *target, size_t size, size_t *length)
{
    *length = (size_t)atomic_load_explicit(&vnode->size, memory_order_relaxed);
    memcpy(target, tmpfs_node_of(vnode)->target, *length < size ? *length : size);
    return HX_OK;
}

const struct vnode_ops tmpfs_directory_ops = {
    .lookup = lookup,
    .make = make,
    .link = link,
    .unlink = unlink,
    .rename = rename,
    .read_directory = read_directory,
    .parent = parent,
    .release = release,
    .are_retired = true,
};
const struct vnode_ops tmpfs_file_ops = {
    .resize = resize,
    .backing = find_backing,
    .release = release,
};
const struct vnode_ops tmpfs_link_ops = {.read_link = read_link, .release = release};
const struct vnode_ops tmpfs_special_ops = {.release = release};
