#include <base/assert.h>
#include <base/string.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <stddef.h>
#include <subsys/vfs/mount.h>
#include <subsys/vfs/vnode.h>

/* Guards the lists, and who changes what is mounted where. */
static struct mutex mutex;
/*
 * Who crosses from one mount to another takes its references under this lock: a mount that has left
 * the tree under it gets no new users but from those it has. Held for a few instructions.
 */
static struct spinlock crossing = SPINLOCK_INIT(LOCK_RANK_CORE, "mount crossing");
static struct list types = LIST_INIT(types);
static struct list mounts = LIST_INIT(mounts);
static struct mount *root_mount;
static uint32_t last_id;
static _Atomic uint64_t last_device = 16;

static void lock(void)
{
    mutex_lock(&mutex);
}

static void unlock(void)
{
    mutex_unlock(&mutex);
}

/* --- types ------------------------------------------------------------------------------------ */

void file_system_type_register(struct file_system_type *type)
{
    if (list_is_empty(&types)) {
        mutex_init(&mutex, "mounts"); /* the first caller is alone: boot */
    }
    lock();
    list_push_back(&types, &type->link);
    unlock();
}

const struct file_system_type *file_system_type_next(const struct file_system_type *type)
{
    const struct list *node = type == NULL ? types.next : type->link.next;

    return node == &types ? NULL : LIST_ENTRY(node, struct file_system_type, link);
}

const struct file_system_type *file_system_type_find(const char *name)
{
    const struct file_system_type *type = NULL;

    while ((type = file_system_type_next(type)) != NULL && !string_equal(type->name, name)) {
    }
    return type;
}

uint64_t file_system_device(void)
{
    return atomic_fetch_add_explicit(&last_device, 1, memory_order_relaxed) + 1;
}

/* --- locations -------------------------------------------------------------------------------- */

void location_get(struct location *location)
{
    atomic_fetch_add_explicit(&location->mount->users, 1, memory_order_relaxed);
    vnode_get(location->vnode);
}

_Atomic uint32_t mounts_sequence;

static void put_file_system(struct file_system *file_system)
{
    /* acq_rel: the last one sees what all others did */
    if (atomic_fetch_sub_explicit(&file_system->mounts, 1, memory_order_acq_rel) == 1) {
        vnode_put(file_system->root);
        if (file_system->ops->release != NULL) {
            file_system->ops->release(file_system);
        }
    }
}

/* Of a mount that is not in the tree any more, with its last user. */
static void destroy(struct mount *mount)
{
    read_synchronize(); /* walks without locks may be in it */
    vnode_put(mount->root);
    put_file_system(mount->file_system);
    heap_free(mount);
}

static void put_mount(struct mount *mount)
{
    /* acq_rel: the last one sees what all others did */
    if (atomic_fetch_sub_explicit(&mount->users, 1, memory_order_acq_rel) == 1) {
        destroy(mount);
    }
}

void location_put(struct location *location)
{
    struct mount *mount = location->mount;

    if (mount == NULL) {
        return;
    }
    if (location->vnode != NULL && HX_UNLIKELY(vnode_drop(location->vnode))) {
        vnode_end(location->vnode);
    }
    *location = (struct location){0};
    put_mount(mount);
}

struct mount *location_mounted(const struct location *location)
{
    struct mount *mount = vnode_mounted(location->vnode);

    /* acquire: pairs with the releases in cover and uncover */
    while (mount != NULL &&
           atomic_load_explicit(&mount->parent, memory_order_relaxed) != location->mount) {
        mount = atomic_load_explicit(&mount->beside, memory_order_acquire);
    }
    return mount;
}

/* What is mounted there, if anything still is: a reference. */
static bool step_down(const struct location *location, struct location *inside)
{
    hal_interrupt_state state = spinlock_acquire(&crossing);
    struct mount *mount = location_mounted(location);

    if (mount != NULL) {
        *inside = (struct location){mount, mount->root};
        location_get(inside);
    }
    spinlock_release(&crossing, state);
    return mount != NULL;
}

void location_descend(struct location *location)
{
    struct location inside;

    /* relaxed: who sees a mount looks again under the lock */
    while (atomic_load_explicit(&location->vnode->mounted, memory_order_relaxed) != NULL &&
           step_down(location, &inside)) {
        location_put(location);
        *location = inside;
    }
}

bool location_ascend(struct location *location)
{
    const struct mount *mount = location->mount;
    struct location outside = {0};
    struct mount *parent;
    hal_interrupt_state state;

    if (location->vnode != mount->root) {
        return false;
    }
    state = spinlock_acquire(&crossing);
    parent = atomic_load_explicit(&mount->parent, memory_order_relaxed);
    if (parent != NULL) {
        outside = (struct location){parent, mount->covered};
        location_get(&outside);
    }
    spinlock_release(&crossing, state);
    if (outside.mount == NULL) {
        return false;
    }
    location_put(location);
    *location = outside;
    return true;
}

bool location_is_read_only(const struct location *location)
{
    return location->mount->file_system->is_read_only ||
           (location->mount->flags & MOUNT_READ_ONLY) != 0;
}

/* --- mounting --------------------------------------------------------------------------------- */

static struct mount *make(struct file_system *file_system, struct vnode *root, uint32_t flags,
                          const char *source)
{
    struct mount *mount = heap_allocate_zeroed(sizeof(*mount), OWNER_CORE);

    if (mount != NULL) {
        mount->file_system = file_system;
        mount->root = vnode_get(root);
        atomic_fetch_add_explicit(&file_system->mounts, 1, memory_order_relaxed);
        mount->flags = flags;
        atomic_init(&mount->users, 1); /* the tree */
        (void)string_copy(mount->source, sizeof(mount->source), source);
    }
    return mount;
}

static void cover(struct mount *mount, struct location *target)
{
    hal_interrupt_state state = spinlock_acquire(&crossing);

    location_get(target);
    mount->covered = target->vnode;
    atomic_store_explicit(&mount->parent, target->mount, memory_order_relaxed);
    atomic_store_explicit(&mount->beside,
                          atomic_load_explicit(&target->vnode->mounted, memory_order_relaxed),
                          memory_order_relaxed);
    /* release: pairs with the acquire in vnode_mounted */
    atomic_store_explicit(&target->vnode->mounted, mount, memory_order_release);
    spinlock_release(&crossing, state);
}

static void list_locked(struct mount *mount)
{
    mount->id = ++last_id;
    list_push_back(&mounts, &mount->link);
}

/* What has mounts below it is not detached, so all above one with a parent are in the tree. */
static bool is_in_tree_locked(const struct mount *mount)
{
    return mount == root_mount ||
           atomic_load_explicit(&mount->parent, memory_order_relaxed) != NULL;
}

/*
 * Lock the parent of a directory, so that nobody removes it; NULL: it is a root, which nobody does.
 * Errors: as vnode_parent.
 */
static hx_err lock_parent(struct vnode *directory, struct vnode **parent)
{
    struct mutex *moves = &directory->file_system->rename_mutex;
    hx_err error;

    *parent = NULL;
    if (directory == directory->file_system->root) {
        return HX_OK;
    }
    mutex_lock(moves); /* until it is locked it stays the parent */
    error = vnode_parent(directory, parent);
    if (error == HX_OK) {
        mutex_lock(&(*parent)->mutex);
    }
    mutex_unlock(moves);
    return error;
}

static void unlock_parent(struct vnode *parent)
{
    if (parent != NULL) {
        mutex_unlock(&parent->mutex);
        vnode_put(parent);
    }
}

/* Unless its last name has gone. */
static hx_err cover_named(struct mount *mount, struct location *target)
{
    struct vnode *parent = NULL;
    hx_err error = HX_OK;

    if (target->vnode->type == VNODE_DIRECTORY) {
        error = lock_parent(target->vnode, &parent);
    }
    if (error == HX_OK && atomic_load_explicit(&target->vnode->links, memory_order_relaxed) == 0) {
        error = HX_ENOENT;
    }
    if (error == HX_OK) {
        cover(mount, target);
    }
    unlock_parent(parent);
    return error;
}

/* Into the tree, with references of the target; or else the mount is gone. */
static hx_err attach(struct mount *mount, struct location *target)
{
    hx_err error;

    lock();
    error = is_in_tree_locked(target->mount) ? cover_named(mount, target) : HX_EINVAL;
    if (error == HX_OK) {
        list_locked(mount);
    }
    unlock();
    if (error != HX_OK) {
        put_mount(mount);
    }
    return error;
}

static hx_err mount_type(const char *name, const char *source, const char *data, uint32_t flags,
                         struct mount **mount)
{
    const struct file_system_type *type = file_system_type_find(name);
    struct file_system *file_system;
    hx_err error;

    if (type == NULL) {
        return HX_ENODEV;
    }
    error = type->mount(source, data, &file_system);
    if (error != HX_OK) {
        return error;
    }
    file_system->type = type;
    /* Ours until there is a mount that shows it. */
    atomic_fetch_add_explicit(&file_system->mounts, 1, memory_order_relaxed);
    *mount = make(file_system, file_system->root, flags, source);
    put_file_system(file_system);
    return *mount != NULL ? HX_OK : HX_ENOMEM;
}

hx_err mount_root(const char *type)
{
    hx_err error = mount_type(type, "none", "", 0, &root_mount);

    if (error == HX_OK) {
        lock();
        list_locked(root_mount);
        unlock();
    }
    return error;
}

struct location mount_root_location(void)
{
    struct location location = {root_mount, root_mount->root};

    location_get(&location);
    location_descend(&location);
    return location;
}

hx_err mount_add(const char *source, struct location *target, const char *type, uint32_t flags,
                 const char *data)
{
    struct mount *mount;
    hx_err error;

    if (target->vnode->type != VNODE_DIRECTORY) {
        return HX_ENOTDIR;
    }
    error = mount_type(type, source, data, flags, &mount);
    return error == HX_OK ? attach(mount, target) : error;
}

hx_err mount_bind(struct location *from, struct location *target)
{
    struct mount *mount;

    if ((from->vnode->type == VNODE_DIRECTORY) != (target->vnode->type == VNODE_DIRECTORY)) {
        return HX_ENOTDIR;
    }
    mount = make(from->mount->file_system, from->vnode, from->mount->flags, from->mount->source);
    return mount != NULL ? attach(mount, target) : HX_ENOMEM;
}

hx_err mount_change(struct location *target, uint32_t flags)
{
    if (target->vnode != target->mount->root) {
        return HX_EINVAL;
    }
    target->mount->flags = flags & ~(uint32_t)MOUNT_REMOUNT;
    return HX_OK;
}

static bool is_parent_locked(const struct mount *mount)
{
    for (const struct list *node = mounts.next; node != &mounts; node = node->next) {
        const struct mount *other = LIST_ENTRY(node, struct mount, link);

        if (atomic_load_explicit(&other->parent, memory_order_relaxed) == mount) {
            return true;
        }
    }
    return false;
}

/* Out of those that cover its directory. It still says what is beside it: a walk without locks may
 * be there. */
static void leave(struct mount *mount)
{
    _Atomic(struct mount *) *from = &mount->covered->mounted;
    struct mount *other;

    while ((other = atomic_load_explicit(from, memory_order_relaxed)) != mount) {
        from = &other->beside;
    }
    /* release: pairs with the acquires of who goes along them */
    atomic_store_explicit(from, atomic_load_explicit(&mount->beside, memory_order_relaxed),
                          memory_order_release);
}

/* Uncover what the mount covers, unless it is in use; *covered is then the caller's to put. */
static hx_err uncover(struct mount *mount, bool is_detached, struct location *covered)
{
    hx_err error = HX_EBUSY;
    hal_interrupt_state state = spinlock_acquire(&crossing);

    atomic_fetch_add_explicit(&mounts_sequence, 1, memory_order_seq_cst);
    /* Two users: the tree, and the caller's own location. */
    if (is_detached || atomic_load_explicit(&mount->users, memory_order_seq_cst) == 2) {
        *covered = (struct location){atomic_load_explicit(&mount->parent, memory_order_relaxed),
                                     mount->covered};
        leave(mount);
        atomic_store_explicit(&mount->parent, NULL, memory_order_relaxed);
        mount->covered = NULL;
        error = HX_OK;
    }
    /* release: a walk that begins now sees that the mount has left */
    atomic_fetch_add_explicit(&mounts_sequence, 1, memory_order_release);
    spinlock_release(&crossing, state);
    return error;
}

static hx_err detach_locked(struct mount *mount, bool is_detached, struct location *covered)
{
    hx_err error;

    if (atomic_load_explicit(&mount->parent, memory_order_relaxed) == NULL) {
        return HX_EINVAL;
    }
    if (is_parent_locked(mount)) {
        return HX_EBUSY;
    }
    error = uncover(mount, is_detached, covered);
    if (error == HX_OK) {
        list_remove(&mount->link);
    }
    return error;
}

hx_err mount_remove(struct location *target, bool is_detached)
{
    struct mount *mount = target->mount;
    struct location covered;
    hx_err error;

    if (target->vnode != mount->root) {
        return HX_EINVAL;
    }
    lock();
    error = detach_locked(mount, is_detached, &covered);
    unlock();
    if (error == HX_OK) {
        location_put(&covered);
        put_mount(mount);
    }
    return error;
}

void mount_for_each(bool (*callback)(const struct mount *mount, void *argument), void *argument)
{
    bool goes_on = true;

    lock();
    for (struct list *node = mounts.next; node != &mounts && goes_on; node = node->next) {
        goes_on = callback(LIST_ENTRY(node, struct mount, link), argument);
    }
    unlock();
}

/* --- writing back ----------------------------------------------------------------------------- */

hx_err file_system_sync(struct file_system *file_system)
{
    return file_system->ops->sync != NULL ? file_system->ops->sync(file_system) : HX_OK;
}

/* The file system of the mount with the least number from one on, held; NULL: there is none. */
static struct file_system *hold_from(uint32_t *id)
{
    struct file_system *found = NULL;

    lock();
    for (struct list *node = mounts.next; node != &mounts && found == NULL; node = node->next) {
        const struct mount *mount = LIST_ENTRY(node, struct mount, link);

        if (mount->id >= *id) {
            *id = mount->id;
            found = mount->file_system;
            atomic_fetch_add_explicit(&found->mounts, 1, memory_order_relaxed);
        }
    }
    unlock();
    return found;
}

hx_err mount_sync_all(void)
{
    struct file_system *file_system;
    hx_err error = HX_OK;

    for (uint32_t id = 0; (file_system = hold_from(&id)) != NULL; id++) {
        hx_err one = file_system_sync(file_system);

        error = error == HX_OK ? one : error;
        put_file_system(file_system);
    }
    return error;
}
