/* Vnodes of inodes: one each, found by number. */
#include <kern/heap.h>
#include <subsys/mounted/mounted_private.h>
#include <subsys/vm/memory_object.h>

/* --- finding and making ----------------------------------------------------------------------- */

static struct mounted_node *node_at(struct tree_node *place)
{
    return place != NULL ? HX_CONTAINER_OF(place, struct mounted_node, place) : NULL;
}

struct mounted_node *mounted_node_find(struct mounted *mounted, uint64_t number)
{
    struct mounted_node *node = node_at(tree_floor(&mounted->nodes, number));

    return node != NULL && node->place.key == number ? node : NULL;
}

/* A vnode whose last reference has just gone lives on: its release finds that out. */
static struct vnode *take(struct mounted_node *node)
{
    /* relaxed: the mutex orders who finds it and who releases it */
    if (atomic_fetch_add_explicit(&node->vnode.references, 1, memory_order_relaxed) == 0) {
        node->revived++;
    }
    return &node->vnode;
}

static const struct vnode_ops *ops_of(uint32_t type)
{
    switch (type) {
    case HX_FILE_DIRECTORY:
        return &mounted_directory_ops;
    case HX_FILE_REGULAR:
        return &mounted_file_ops;
    case HX_FILE_SYMLINK:
        return &mounted_link_ops;
    case HX_FILE_FIFO:
    case HX_FILE_CHARACTER:
    case HX_FILE_BLOCK:
    case HX_FILE_SOCKET:
        return &mounted_special_ops;
    default:
        return NULL;
    }
}

static void set_times(struct vnode *vnode, const struct hx_file_attributes *attributes)
{
    atomic_store_explicit(&vnode->times.accessed, attributes->accessed, memory_order_relaxed);
    atomic_store_explicit(&vnode->times.modified, attributes->modified, memory_order_relaxed);
    atomic_store_explicit(&vnode->times.changed, attributes->changed, memory_order_relaxed);
}

static void fill(struct mounted_node *node, struct mounted *mounted,
                 const struct hx_file_attributes *attributes)
{
    const struct vnode_making making = {.type = (enum vnode_type)attributes->type,
                                        .mode = attributes->mode,
                                        .user = attributes->user,
                                        .group = attributes->group,
                                        .device = attributes->device};

    vnode_init(&node->vnode, ops_of(attributes->type), &mounted->file_system, attributes->number,
               &making);
    set_times(&node->vnode, attributes);
    atomic_init(&node->vnode.links, attributes->links);
    atomic_init(&node->vnode.size, attributes->size);
    atomic_init(&node->sectors, attributes->sectors);
    node->mounted = mounted;
    node->place.key = attributes->number;
}

hx_err mounted_node_get(struct mounted *mounted, const struct hx_file_attributes *attributes,
                        struct vnode **found)
{
    struct mounted_node *node = mounted_node_find(mounted, attributes->number);

    if (node != NULL) {
        *found = take(node);
        return HX_OK;
    }
    if (ops_of(attributes->type) == NULL || attributes->size > INT64_MAX) {
        return HX_EIO;
    }
    node = heap_allocate_zeroed(sizeof(*node), OWNER_CORE);
    if (node == NULL) {
        return HX_ENOMEM;
    }
    fill(node, mounted, attributes);
    if (attributes->type == HX_FILE_REGULAR && mounted_contents_create(node) != HX_OK) {
        heap_free(node);
        return HX_ENOMEM;
    }
    tree_insert(&mounted->nodes, &node->place);
    *found = &node->vnode;
    return HX_OK;
}

/* --- attributes ------------------------------------------------------------------------------- */

hx_err mounted_write_attributes(struct mounted_node *node)
{
    const struct vnode *vnode = &node->vnode;
    struct hx_file_attributes attributes;
    struct loan loan;
    hx_err error;

    /* relaxed: what changes while this goes on sets it again */
    if (!atomic_exchange_explicit(&node->is_changed, false, memory_order_relaxed)) {
        return HX_OK;
    }
    attributes = (struct hx_file_attributes){
        .number = vnode->number,
        .accessed = atomic_load_explicit(&vnode->times.accessed, memory_order_relaxed),
        .modified = atomic_load_explicit(&vnode->times.modified, memory_order_relaxed),
        .changed = atomic_load_explicit(&vnode->times.changed, memory_order_relaxed),
        .mode = vnode->mode,
        .user = vnode->user,
        .group = vnode->group,
    };
    error = mounted_call(node->mounted, FILE_SYSTEM_SET, vnode->number,
                         loan_open_read_only(&loan, &attributes, sizeof(attributes)), 0, 0);
    loan_close(&loan);
    if (error != HX_OK) {
        atomic_store_explicit(&node->is_changed, true, memory_order_relaxed);
    }
    return error;
}

hx_err mounted_attributes_changed(struct vnode *vnode)
{
    atomic_store_explicit(&mounted_node_of(vnode)->is_changed, true, memory_order_relaxed);
    return HX_OK;
}

static void ask_attributes_locked(struct mounted_node *node)
{
    struct vnode *vnode = &node->vnode;
    struct hx_file_attributes attributes;
    struct loan loan;
    uint64_t handle = loan_open_to_fill(&loan, &attributes, sizeof(attributes));
    hx_err error = mounted_call(node->mounted, FILE_SYSTEM_ATTRIBUTES, vnode->number, handle, 0, 0);

    loan_close(&loan);
    if (error != HX_OK) {
        return;
    }
    atomic_store_explicit(&node->sectors, attributes.sectors, memory_order_relaxed);
    if (vnode->type == VNODE_DIRECTORY) {
        atomic_store_explicit(&vnode->size, attributes.size, memory_order_relaxed);
    }
}

void mounted_refresh(struct vnode *vnode)
{
    struct mounted_node *node = mounted_node_of(vnode);

    if (atomic_exchange_explicit(&node->is_stale, false, memory_order_relaxed)) {
        mutex_lock(&node->mounted->mutex);
        ask_attributes_locked(node);
        mutex_unlock(&node->mounted->mutex);
    }
}

uint64_t mounted_sectors(const struct vnode *vnode)
{
    const struct mounted_node *node = HX_CONTAINER_OF(vnode, const struct mounted_node, vnode);

    return atomic_load_explicit(&node->sectors, memory_order_relaxed);
}

/* --- writing all ------------------------------------------------------------------------------ */

/* The first node from a number on, a reference; NULL: there is none. */
static struct mounted_node *node_from(struct mounted *mounted, uint64_t number)
{
    struct mounted_node *node;

    mutex_lock(&mounted->mutex);
    node = node_at(tree_ceiling(&mounted->nodes, number));
    if (node != NULL) {
        (void)take(node);
    }
    mutex_unlock(&mounted->mutex);
    return node;
}

static hx_err write_node(struct mounted_node *node)
{
    hx_err error = HX_OK;
    hx_err last;

    if (node->vnode.type == VNODE_FILE) {
        mutex_lock(&node->vnode.mutex);
        error = mounted_contents_write(node);
        mutex_unlock(&node->vnode.mutex);
    }
    mutex_lock(&node->mounted->mutex);
    last = mounted_write_attributes(node);
    mutex_unlock(&node->mounted->mutex);
    return error == HX_OK ? last : error;
}

hx_err mounted_write_nodes(struct mounted *mounted)
{
    struct mounted_node *node;
    hx_err error = HX_OK;

    for (uint64_t number = 0; (node = node_from(mounted, number)) != NULL;) {
        hx_err one = write_node(node);

        error = error == HX_OK ? one : error;
        number = node->place.key + 1;
        vnode_put(&node->vnode);
    }
    return error;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* What the module is told last. An error has nobody to hear it. */
static void take_leave_locked(struct mounted_node *node)
{
    if (atomic_load_explicit(&node->vnode.links, memory_order_relaxed) == 0) {
        mounted_forget(node->mounted, node->vnode.number);
        return;
    }
    if (node->vnode.type == VNODE_FILE) {
        (void)!mounted_contents_write_last(node);
    }
    (void)!mounted_write_attributes(node);
}

void mounted_release(struct vnode *vnode)
{
    struct mounted_node *node = mounted_node_of(vnode);
    struct mounted *mounted = node->mounted;

    mutex_lock(&mounted->mutex);
    if (node->revived > 0) {
        node->revived--;
        mutex_unlock(&mounted->mutex);
        return;
    }
    take_leave_locked(node);
    tree_remove(&mounted->nodes, &node->place);
    mutex_unlock(&mounted->mutex);
    if (vnode->contents != NULL) {
        memory_object_put(vnode->contents);
    }
    heap_free(node);
}
