/* What changes names: making, linking, removing, renaming, with the checks POSIX wants. */
#include <base/memory.h>
#include <base/string.h>
#include <subsys/vfs/path.h>
#include <subsys/vfs/watch.h>

/* --- checks ----------------------------------------------------------------------------------- */

static hx_err may_change(const struct location *directory, const struct credentials *who)
{
    if (location_is_read_only(directory)) {
        return HX_EROFS;
    }
    return vnode_may(directory->vnode, who, ACCESS_WRITE | ACCESS_EXECUTE);
}

/* In a sticky directory one removes one's own only. */
static hx_err may_remove(const struct vnode *directory, const struct vnode *target,
                         const struct credentials *who)
{
    bool is_mine = credentials_are_root(who) || who->effective_user == target->user ||
                   who->effective_user == directory->user;

    return (directory->mode & MODE_STICKY) == 0 || is_mine ? HX_OK : HX_EPERM;
}

static bool is_mount_point(struct vnode *vnode)
{
    return atomic_load_explicit(&vnode->mounted, memory_order_relaxed) != NULL;
}

static hx_err find_leaf(const struct path_leaf *leaf, struct vnode **found)
{
    struct vnode *directory = leaf->directory.vnode;

    return directory->ops->lookup != NULL
               ? directory->ops->lookup(directory, leaf->name, leaf->length, found)
               : HX_ENOENT;
}

/* Whoever watches the directory is told; it is not locked. */
static void tell(const struct path_leaf *leaf, uint32_t event, uint32_t cookie, bool is_directory)
{
    watch_tell_name(leaf->directory.vnode, event, cookie, leaf->name, leaf->length, is_directory);
}

/* Whether the name exists; the directory is locked. */
static bool exists(const struct path_leaf *leaf, hx_err *error)
{
    struct vnode *found = NULL;

    *error = find_leaf(leaf, &found);
    if (*error == HX_OK) {
        vnode_put(found);
    }
    return *error == HX_OK;
}

/* --- making ----------------------------------------------------------------------------------- */

/* A directory with the set-group bit gives its group on, and to directories the bit. */
static struct vnode_making inherit(const struct vnode *directory, const struct vnode_making *making)
{
    struct vnode_making result = *making;

    if ((directory->mode & MODE_SET_GROUP) != 0) {
        result.group = directory->group;
        result.mode |= making->type == VNODE_DIRECTORY ? MODE_SET_GROUP : 0;
    }
    return result;
}

static hx_err make_locked(const struct path_leaf *leaf, const struct credentials *who,
                          const struct vnode_making *making, struct vnode **made)
{
    struct vnode *directory = leaf->directory.vnode;
    struct vnode_making inherited = inherit(directory, making);
    hx_err error;

    if (leaf->length == 0 || exists(leaf, &error)) {
        return HX_EEXIST;
    }
    if (error != HX_ENOENT || directory->ops->has_fixed_names) {
        return error;
    }
    if (leaf->wants_directory && making->type != VNODE_DIRECTORY) {
        return HX_ENOENT;
    }
    error = may_change(&leaf->directory, who);
    if (error != HX_OK) {
        return error;
    }
    return directory->ops->make != NULL
               ? directory->ops->make(directory, leaf->name, leaf->length, &inherited, made)
               : HX_EPERM;
}

hx_err path_make_leaf(const struct path_leaf *leaf, const struct credentials *who,
                      const struct vnode_making *making, struct vnode **made)
{
    hx_err error;

    mutex_lock(&leaf->directory.vnode->mutex);
    error = make_locked(leaf, who, making, made);
    mutex_unlock(&leaf->directory.vnode->mutex);
    if (error == HX_OK && watch_is_any()) {
        tell(leaf, WATCH_CREATE, 0, making->type == VNODE_DIRECTORY);
    }
    return error;
}

hx_err path_make(const struct path_walk *walk, const char *path, const struct vnode_making *making,
                 struct location *made)
{
    struct path_leaf leaf;
    struct vnode *vnode;
    hx_err error = path_find_leaf(walk, path, &leaf);

    if (error != HX_OK) {
        return error;
    }
    error = path_make_leaf(&leaf, walk->who, making, &vnode);
    if (error == HX_OK && made != NULL) {
        *made = (struct location){leaf.directory.mount, vnode};
        location_get(made);
    }
    if (error == HX_OK) {
        vnode_put(vnode);
    }
    path_leaf_put(&leaf);
    return error;
}

/* --- linking ---------------------------------------------------------------------------------- */

/* That the name exists is the first thing to complain about. */
static hx_err link_locked(const struct path_leaf *leaf, const struct credentials *who,
                          const struct location *target)
{
    struct vnode *directory = leaf->directory.vnode;
    hx_err error;

    if (leaf->length == 0 || exists(leaf, &error)) {
        return HX_EEXIST;
    }
    if (error == HX_ENOENT && !leaf->wants_directory && !directory->ops->has_fixed_names) {
        error =
            leaf->directory.mount == target->mount ? may_change(&leaf->directory, who) : HX_EXDEV;
    }
    if (error != HX_OK) {
        return error;
    }
    return directory->ops->link != NULL && target->vnode->type != VNODE_DIRECTORY
               ? directory->ops->link(directory, leaf->name, leaf->length, target->vnode)
               : HX_EPERM;
}

hx_err path_link(const struct path_walk *walk, struct location *target,
                 const struct path_walk *to_walk, const char *to)
{
    struct path_leaf leaf;
    hx_err error = path_find_leaf(to_walk, to, &leaf);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&leaf.directory.vnode->mutex);
    error = link_locked(&leaf, walk->who, target);
    mutex_unlock(&leaf.directory.vnode->mutex);
    if (error == HX_OK && watch_is_any()) {
        watch_tell_self(target->vnode, WATCH_ATTRIBUTES);
        tell(&leaf, WATCH_CREATE, 0, false);
    }
    path_leaf_put(&leaf);
    return error;
}

/* --- removing --------------------------------------------------------------------------------- */

static hx_err check_removal(const struct path_leaf *leaf, const struct credentials *who,
                            struct vnode *target, bool is_directory)
{
    hx_err error = may_change(&leaf->directory, who);

    if (error == HX_OK) {
        error = may_remove(leaf->directory.vnode, target, who);
    }
    if (error != HX_OK) {
        return error;
    }
    if ((target->type == VNODE_DIRECTORY) != is_directory) {
        return is_directory ? HX_ENOTDIR : HX_EISDIR;
    }
    if (leaf->wants_directory && !is_directory) {
        return HX_ENOTDIR;
    }
    return is_mount_point(target) ? HX_EBUSY : HX_OK;
}

/* *removed is what the name was of, with a reference. */
static hx_err remove_locked(const struct path_leaf *leaf, const struct credentials *who,
                            bool is_directory, struct vnode **removed)
{
    struct vnode *directory = leaf->directory.vnode;
    struct vnode *target;
    hx_err error = find_leaf(leaf, &target);

    if (error != HX_OK) {
        return error;
    }
    error = check_removal(leaf, who, target, is_directory);
    if (error == HX_OK) {
        error = directory->ops->unlink != NULL
                    ? directory->ops->unlink(directory, leaf->name, leaf->length, target)
                    : HX_EPERM;
    }
    if (error == HX_OK) {
        *removed = target;
    } else {
        vnode_put(target);
    }
    return error;
}

/* One name less; the object itself may be gone by that. */
static HX_NOINLINE void tell_of_removal(const struct path_leaf *leaf, struct vnode *removed,
                                        bool is_directory)
{
    if (!is_directory) {
        watch_tell_self(removed, WATCH_ATTRIBUTES);
    }
    vnode_put(removed);
    watch_tell_gone();
    tell(leaf, WATCH_DELETE, 0, is_directory);
}

/* What "." and ".." and "/" are refused with. */
static hx_err refusal_of_dots(const char *path, bool is_directory)
{
    size_t length = string_length(path);

    if (!is_directory) {
        return HX_EISDIR;
    }
    if (length >= 2 && string_equal(path + length - 2, "..")) {
        return HX_ENOTEMPTY;
    }
    return length >= 1 && path[length - 1] == '.' ? HX_EINVAL : HX_EBUSY;
}

static hx_err remove(const struct path_walk *walk, const char *path, bool is_directory)
{
    struct path_leaf leaf;
    struct vnode *removed = NULL;
    hx_err error = path_find_leaf(walk, path, &leaf);

    if (error != HX_OK) {
        return error;
    }
    if (leaf.length == 0) {
        error = refusal_of_dots(path, is_directory);
    } else {
        mutex_lock(&leaf.directory.vnode->mutex);
        error = remove_locked(&leaf, walk->who, is_directory, &removed);
        mutex_unlock(&leaf.directory.vnode->mutex);
    }
    if (removed != NULL && watch_is_any()) {
        tell_of_removal(&leaf, removed, is_directory);
    } else {
        vnode_put(removed);
    }
    path_leaf_put(&leaf);
    return error;
}

hx_err path_unlink(const struct path_walk *walk, const char *path)
{
    return remove(walk, path, false);
}

hx_err path_remove_directory(const struct path_walk *walk, const char *path)
{
    return remove(walk, path, true);
}

/* --- renaming --------------------------------------------------------------------------------- */

/* Both ends of a rename; the vnodes are NULL where there is none. */
struct renaming {
    const struct path_leaf *from;
    const struct path_leaf *to;
    const struct credentials *who;
    unsigned flags;
    struct vnode *source;
    struct vnode *target;
};

static hx_err locked_parent(struct vnode *directory, struct vnode **parent)
{
    return directory->ops->parent != NULL ? directory->ops->parent(directory, parent) : HX_ENOENT;
}

/*
 * Whether a directory is another, or lies above it. The file system's rename mutex is held. When
 * other is locked (get_parent is locked_parent), it and so what is above it are not removed;
 * otherwise each is locked in its turn (vnode_parent).
 */
static bool is_above(const struct vnode *directory, struct vnode *other,
                     hx_err (*get_parent)(struct vnode *directory, struct vnode **parent))
{
    struct vnode *here = vnode_get(other);
    bool is_found = false;
    bool goes_on = true;

    while (goes_on && !is_found) {
        struct vnode *parent = NULL;

        is_found = here == directory;
        goes_on = !is_found && get_parent(here, &parent) == HX_OK && parent != here;
        if (parent != NULL) {
            vnode_put(here);
            here = parent;
        }
    }
    vnode_put(here);
    return is_found;
}

static hx_err check_kinds(const struct renaming *renaming)
{
    bool source_is_directory = renaming->source->type == VNODE_DIRECTORY;

    if ((renaming->from->wants_directory || renaming->to->wants_directory) &&
        !source_is_directory) {
        return HX_ENOTDIR;
    }
    if (renaming->target == NULL || (renaming->flags & RENAME_EXCHANGE) != 0) {
        return HX_OK;
    }
    if (source_is_directory && renaming->target->type != VNODE_DIRECTORY) {
        return HX_ENOTDIR;
    }
    return !source_is_directory && renaming->target->type == VNODE_DIRECTORY ? HX_EISDIR : HX_OK;
}

static hx_err check_places(const struct renaming *renaming)
{
    if (is_mount_point(renaming->source) ||
        (renaming->target != NULL && is_mount_point(renaming->target))) {
        return HX_EBUSY;
    }
    if (renaming->source->type == VNODE_DIRECTORY &&
        is_above(renaming->source, renaming->to->directory.vnode, locked_parent)) {
        return HX_EINVAL;
    }
    if (renaming->target != NULL && renaming->target->type == VNODE_DIRECTORY &&
        is_above(renaming->target, renaming->from->directory.vnode, locked_parent)) {
        return (renaming->flags & RENAME_EXCHANGE) != 0 ? HX_EINVAL : HX_ENOTEMPTY;
    }
    return HX_OK;
}

/* A directory that gets another parent is changed itself: its "..". */
static hx_err may_move(const struct renaming *renaming, const struct vnode *moved)
{
    bool is_changed = moved != NULL && moved->type == VNODE_DIRECTORY &&
                      renaming->from->directory.vnode != renaming->to->directory.vnode;

    return is_changed ? vnode_may(moved, renaming->who, ACCESS_WRITE) : HX_OK;
}

static hx_err check_rights(const struct renaming *renaming)
{
    bool is_exchange = (renaming->flags & RENAME_EXCHANGE) != 0;
    hx_err error = may_change(&renaming->from->directory, renaming->who);

    if (error == HX_OK) {
        error = may_change(&renaming->to->directory, renaming->who);
    }
    if (error == HX_OK) {
        error = may_remove(renaming->from->directory.vnode, renaming->source, renaming->who);
    }
    if (error == HX_OK && renaming->target != NULL) {
        error = may_remove(renaming->to->directory.vnode, renaming->target, renaming->who);
    }
    if (error == HX_OK) {
        error = may_move(renaming, renaming->source);
    }
    return error == HX_OK && is_exchange ? may_move(renaming, renaming->target) : error;
}

static hx_err check_renaming(const struct renaming *renaming)
{
    hx_err error;

    if (renaming->target != NULL && (renaming->flags & RENAME_NO_REPLACE) != 0) {
        return HX_EEXIST;
    }
    if (renaming->target == NULL && (renaming->flags & RENAME_EXCHANGE) != 0) {
        return HX_ENOENT;
    }
    error = check_rights(renaming);
    if (error == HX_OK) {
        error = check_kinds(renaming);
    }
    return error == HX_OK ? check_places(renaming) : error;
}

static hx_err rename_found(const struct renaming *renaming)
{
    const struct path_leaf *from = renaming->from;
    const struct path_leaf *to = renaming->to;
    struct vnode *directory = from->directory.vnode;
    hx_err error = check_renaming(renaming);

    if (error != HX_OK || renaming->source == renaming->target) {
        return error; /* two names of one object: nothing to do */
    }
    return directory->ops->rename != NULL
               ? directory->ops->rename(directory, from->name, from->length, to->directory.vnode,
                                        to->name, to->length,
                                        (renaming->flags & RENAME_EXCHANGE) != 0)
               : HX_EPERM;
}

static hx_err rename_locked(struct renaming *renaming)
{
    hx_err error = find_leaf(renaming->from, &renaming->source);

    if (error != HX_OK) {
        return error;
    }
    error = find_leaf(renaming->to, &renaming->target);
    if (error == HX_ENOENT) {
        renaming->target = NULL;
        error = HX_OK;
    }
    if (error == HX_OK) {
        error = rename_found(renaming);
    }
    return error;
}

static void tell_of_move(const struct path_leaf *from, const struct path_leaf *to,
                         struct vnode *moved, struct vnode *replaced)
{
    bool is_directory = moved->type == VNODE_DIRECTORY;
    uint32_t cookie = watch_new_cookie();

    tell(from, WATCH_MOVED_FROM, cookie, is_directory);
    tell(to, WATCH_MOVED_TO, cookie, is_directory);
    if (replaced != NULL) {
        watch_tell_self(replaced, WATCH_ATTRIBUTES);
    }
    watch_tell_self(moved, WATCH_MOVE_SELF);
}

static HX_NOINLINE void tell_of_renaming(const struct renaming *renaming)
{
    bool is_exchange = (renaming->flags & RENAME_EXCHANGE) != 0;

    if (renaming->source == renaming->target) {
        return;
    }
    tell_of_move(renaming->from, renaming->to, renaming->source,
                 is_exchange ? NULL : renaming->target);
    if (is_exchange) {
        tell_of_move(renaming->to, renaming->from, renaming->target, NULL);
    }
}

/* References of both ends are given up. */
static void end_renaming(struct renaming *renaming, hx_err error)
{
    bool is_told = error == HX_OK && watch_is_any();

    if (is_told) {
        tell_of_renaming(renaming);
    }
    vnode_put(renaming->target);
    vnode_put(renaming->source);
    if (is_told) {
        watch_tell_gone();
    }
}

/*
 * Of two directories the one that lies above the other is locked first, as unlink does with a
 * directory and its child; of two that lie apart, any: no other rename is under way.
 */
static void lock_both(struct vnode *a, struct vnode *b)
{
    bool b_first = a != b && is_above(b, a, vnode_parent);

    mutex_lock(b_first ? &b->mutex : &a->mutex);
    if (a != b) {
        mutex_lock(b_first ? &a->mutex : &b->mutex);
    }
}

static void unlock_both(struct vnode *a, struct vnode *b)
{
    mutex_unlock(&a->mutex);
    if (b != a) {
        mutex_unlock(&b->mutex);
    }
}

static hx_err rename_leaves(struct renaming *renaming)
{
    struct vnode *from = renaming->from->directory.vnode;
    struct vnode *to = renaming->to->directory.vnode;
    hx_err error;

    if (renaming->from->directory.mount != renaming->to->directory.mount) {
        return HX_EXDEV;
    }
    if (renaming->to->length == 0 && (renaming->flags & RENAME_NO_REPLACE) != 0) {
        return HX_EEXIST;
    }
    if (renaming->from->length == 0 || renaming->to->length == 0) {
        return HX_EBUSY;
    }
    /* One rename of a file system at a time: what lies above what does not change meanwhile. */
    mutex_lock(&from->file_system->rename_mutex);
    lock_both(from, to);
    error = rename_locked(renaming);
    unlock_both(from, to);
    mutex_unlock(&from->file_system->rename_mutex);
    end_renaming(renaming, error);
    return error;
}

/* Whether nothing but the last part of a path is longer than a name may be. */
static bool is_last_too_long(const char *path)
{
    size_t length = 0;

    while (*path != '\0' && length <= VNODE_NAME_MAX) {
        length = *path == '/' ? 0 : length + 1;
        path++;
    }
    while (*path != '\0' && *path != '/') {
        path++;
    }
    while (*path == '/') {
        path++;
    }
    return length > VNODE_NAME_MAX && *path == '\0';
}

/* That the old name is too long is noticed when both directories have been found. */
static hx_err refusal_of_source(hx_err error, const char *from, const struct path_walk *to_walk,
                                const char *to)
{
    struct path_leaf leaf;
    hx_err other;

    if (error != HX_ENAMETOOLONG || !is_last_too_long(from)) {
        return error;
    }
    other = path_find_leaf(to_walk, to, &leaf);
    if (other == HX_OK) {
        path_leaf_put(&leaf);
    }
    return other != HX_OK ? other : error;
}

hx_err path_rename(const struct path_walk *from_walk, const char *from,
                   const struct path_walk *to_walk, const char *to, unsigned flags)
{
    struct path_leaf from_leaf;
    struct path_leaf to_leaf;
    hx_err error = path_find_leaf(from_walk, from, &from_leaf);

    if (error != HX_OK) {
        return refusal_of_source(error, from, to_walk, to);
    }
    error = path_find_leaf(to_walk, to, &to_leaf);
    if (error == HX_OK) {
        struct renaming renaming = {
            .from = &from_leaf, .to = &to_leaf, .who = from_walk->who, .flags = flags};

        error = rename_leaves(&renaming);
        path_leaf_put(&to_leaf);
    }
    path_leaf_put(&from_leaf);
    return error;
}
