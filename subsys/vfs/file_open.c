/* open(2): from a path to an open file. */
#include <base/memory.h>
#include <base/string.h>
#include <kern/heap.h>
#include <subsys/access/access.h>
#include <subsys/vfs/device.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/file_private.h>
#include <subsys/vfs/pipe.h>
#include <subsys/vfs/watch.h>

/* --- by kind of object ------------------------------------------------------------------------ */

static hx_err require_raw(const struct device *device, const struct file *file)
{
    uint64_t rights = (file_can_read(file) ? (uint64_t)PERMISSION_READ : 0) |
                      (file_can_write(file) ? (uint64_t)PERMISSION_WRITE : 0);

    return access_require(resource_make(RESOURCE_TYPE_DEVICE, device->number), rights, HX_EPERM);
}

static hx_err open_device(struct vnode *vnode, struct file *file)
{
    const struct device *device = device_find(vnode->device);

    if (device == NULL || device->is_block != (vnode->type == VNODE_BLOCK)) {
        return HX_ENXIO;
    }
    if ((file->location.mount->flags & MOUNT_NO_DEVICES) != 0) {
        return HX_EACCES;
    }
    if (device->is_raw) {
        hx_err error = require_raw(device, file);

        if (error != HX_OK) {
            return error;
        }
    }
    file->ops = device->ops;
    return device->open != NULL ? device->open(file) : HX_OK;
}

static hx_err set_ops(struct vnode *vnode, struct file *file)
{
    if (vnode->ops->open != NULL) {
        return vnode->ops->open(vnode, file);
    }
    switch (vnode->type) {
    case VNODE_FILE:
        file->ops = &file_object_ops;
        return vnode->contents != NULL ? HX_OK : HX_EINVAL;
    case VNODE_DIRECTORY:
        file->ops = &file_directory_ops;
        return HX_OK;
    case VNODE_FIFO:
        return pipe_open_fifo(vnode, file);
    case VNODE_CHARACTER:
    case VNODE_BLOCK:
        return open_device(vnode, file);
    default:
        return HX_ENXIO;
    }
}

/* --- checks ----------------------------------------------------------------------------------- */

static unsigned wanted_access(uint32_t flags)
{
    static const unsigned wanted[] = {ACCESS_READ, ACCESS_WRITE, ACCESS_READ | ACCESS_WRITE, 0};

    return wanted[flags & FILE_ACCESS_MASK] |
           ((flags & FILE_TRUNCATE) != 0 ? (unsigned)ACCESS_WRITE : 0U);
}

static hx_err check_kind(const struct vnode *vnode, uint32_t flags, bool writes)
{
    if (vnode->type == VNODE_DIRECTORY && (writes || (flags & FILE_CREATE) != 0)) {
        return HX_EISDIR;
    }
    if (vnode->type != VNODE_DIRECTORY && (flags & FILE_DIRECTORY) != 0) {
        return HX_ENOTDIR;
    }
    return vnode->type == VNODE_SYMLINK ? HX_ELOOP : HX_OK;
}

static hx_err check_open(const struct location *location, uint32_t flags,
                         const struct credentials *who, bool is_new)
{
    const struct vnode *vnode = location->vnode;
    unsigned wanted = wanted_access(flags);
    bool writes = (wanted & ACCESS_WRITE) != 0;
    hx_err error;

    if ((flags & FILE_PATH) != 0) {
        return vnode->type != VNODE_DIRECTORY && (flags & FILE_DIRECTORY) != 0 ? HX_ENOTDIR : HX_OK;
    }
    error = check_kind(vnode, flags, writes);
    if (error != HX_OK) {
        return error;
    }
    if (writes && (vnode->type == VNODE_FILE || vnode->type == VNODE_DIRECTORY) &&
        location_is_read_only(location)) {
        return HX_EROFS;
    }
    return is_new ? HX_OK : vnode_may(vnode, who, wanted);
}

/* An open file that was opened by its path, absolute, of so many bytes (NULL: there is none yet).
 * NULL: no memory. */
static HX_ALWAYS_INLINE struct file *create_named(const struct file_ops *ops, uint32_t flags,
                                                  const char *path, size_t length, owner_tag owner)
{
    struct file *file = heap_allocate(sizeof(*file) + (path != NULL ? length + 1 : 0), OWNER_CORE);

    if (HX_LIKELY(file != NULL)) {
        file_init(file, ops, flags, owner);
        if (path != NULL) {
            file->path = (char *)(file + 1);
            memcpy(file->path, path, length + 1);
        }
    }
    return file;
}

/* --- opening what was found ------------------------------------------------------------------- */

static hx_err prepare(struct file *file, uint32_t flags)
{
    struct vnode *vnode = file->location.vnode;
    hx_err error = HX_OK;

    if ((flags & FILE_PATH) != 0) {
        return HX_OK;
    }
    if (vnode->type == VNODE_FILE && file_can_write(file)) {
        error = vnode_begin_writing(vnode);
    }
    if (error != HX_OK) {
        location_put(&file->location);
        return error;
    }
    return set_ops(vnode, file);
}

/* The references of the location move in, or are given up. path: absolute, or NULL. */
static hx_err open_checked(struct location *location, uint32_t flags, const char *path,
                           owner_tag owner, struct file **file)
{
    uint32_t kept = flags & ~(uint32_t)FILE_ONLY_AT_OPEN;
    size_t length = path != NULL ? string_length(path) : 0;
    /* Devices' hooks look at FILE_NO_TERMINAL. */
    hx_err error;

    *file = create_named(&file_path_ops, kept | (flags & FILE_NO_TERMINAL), path, length, owner);
    if (*file == NULL) {
        location_put(location);
        return HX_ENOMEM;
    }
    (*file)->location = *location;
    error = prepare(*file, flags);
    atomic_store_explicit(&(*file)->flags, kept, memory_order_relaxed);
    if (HX_UNLIKELY(error != HX_OK)) {
        (*file)->ops = &file_path_ops; /* nothing to release but the file itself */
        file_put(*file);
    }
    return error;
}

hx_err file_open_location(struct location *location, uint32_t flags, const struct credentials *who,
                          owner_tag owner, struct file **file)
{
    struct location opened = *location;
    hx_err error = check_open(location, flags, who, false);

    if (error != HX_OK) {
        return error;
    }
    location_get(&opened);
    return open_checked(&opened, flags, NULL, owner, file);
}

/* --- finding or making ------------------------------------------------------------------------ */

/* What open(2) was called with. */
struct opening {
    const struct path_walk *walk;
    uint32_t flags;
    uint32_t mode;
    bool is_new; /* made by this call */
};

static hx_err make_file(struct opening *opening, const struct path_leaf *leaf,
                        struct location *found)
{
    const struct path_walk *walk = opening->walk;
    const struct vnode_making making = {
        .type = VNODE_FILE,
        .mode = opening->mode & ~atomic_load_explicit(&walk->context->umask, memory_order_relaxed),
        .user = walk->who->effective_user,
        .group = walk->who->effective_group,
    };
    struct vnode *vnode;
    hx_err error =
        leaf->wants_directory ? HX_EISDIR : path_make_leaf(leaf, walk->who, &making, &vnode);

    if (error == HX_EPERM && leaf->directory.vnode->ops->make == NULL) {
        error = HX_EACCES; /* open(2) has it so, unlike mkdir(2) */
    }
    if (error == HX_OK) {
        opening->is_new = true;
        *found = (struct location){leaf->directory.mount, vnode};
        location_get(found);
        vnode_put(vnode);
    }
    return error;
}

/* Find it; HX_ENOENT with leaf->directory: make it there, unless somebody else has just done so
 * (HX_EAGAIN). */
static hx_err find_or_make_once(struct opening *opening, const char *path, struct location *found)
{
    unsigned follow = (opening->flags & FILE_NO_FOLLOW) != 0 ? 0U : (unsigned)PATH_FOLLOW;
    struct path_leaf leaf;
    hx_err error = path_find_or_leaf(opening->walk, path, follow, found, &leaf);

    if (error == HX_ENOENT && leaf.directory.vnode != NULL) {
        error = make_file(opening, &leaf, found);
        error = error == HX_EEXIST ? HX_EAGAIN : error;
    }
    path_leaf_put(&leaf);
    return error;
}

static hx_err make_new(struct opening *opening, const char *path, struct location *found)
{
    struct path_leaf leaf;
    hx_err error = path_find_leaf(opening->walk, path, &leaf);

    if (error == HX_OK) {
        error = make_file(opening, &leaf, found);
        path_leaf_put(&leaf);
    }
    return error;
}

static hx_err find_or_make(struct opening *opening, const char *path, struct location *found)
{
    bool follows = (opening->flags & FILE_NO_FOLLOW) == 0;
    hx_err error;

    if ((opening->flags & FILE_CREATE) == 0) {
        return path_find(opening->walk, path, follows ? (unsigned)PATH_FOLLOW : 0U, found);
    }
    if ((opening->flags & FILE_EXCLUSIVE) != 0) {
        return make_new(opening, path, found);
    }
    do {
        error = find_or_make_once(opening, path, found);
    } while (error == HX_EAGAIN);
    return error;
}

/* --- open(2) ---------------------------------------------------------------------------------- */

static hx_err truncate_opened(struct file *file, bool is_new)
{
    struct vnode *vnode = file->location.vnode;
    hx_err error;

    if (is_new || vnode->type != VNODE_FILE) {
        return HX_OK;
    }
    error = vnode_begin_writing(vnode); /* it may be open for reading only */
    if (error == HX_OK) {
        error = file_vnode_resize(vnode, 0);
        vnode_end_writing(vnode);
    }
    return error;
}

/* "directory/path"; NULL: no memory, or too long. */
static char *join(const char *directory, const char *path)
{
    size_t prefix = string_length(directory);
    size_t length = string_length(path) + 1;
    bool needs_slash = directory[prefix - 1] != '/';
    char *text = heap_allocate(prefix + needs_slash + length, OWNER_CORE);

    if (text != NULL) {
        memcpy(text, directory, prefix);
        text[prefix] = '/';
        memcpy(text + prefix + needs_slash, path, length);
    }
    return text;
}

static char *absolute(const struct path_walk *walk, const char *path)
{
    char *directory = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    struct location base = walk->base != NULL ? *walk->base : path_context_current(walk->context);
    char *text = NULL;

    if (directory != NULL && path_text(walk->context, &base, directory, PATH_SIZE_MAX) == HX_OK) {
        text = join(directory, path);
    }
    if (walk->base == NULL) {
        location_put(&base);
    }
    heap_free(directory);
    return text;
}

static char *copy_of(const char *path)
{
    size_t size = string_length(path) + 1;
    char *text = heap_allocate(size, OWNER_CORE);

    return text != NULL ? memcpy(text, path, size) : NULL;
}

void file_set_path(struct file *file, const char *path)
{
    if (file->has_own_path) {
        heap_free(file->path);
    }
    file->path = copy_of(path);
    file->has_own_path = true;
}

void file_keep_path(struct file *file, const struct path_walk *walk, const char *path)
{
    if (file->location.mount->root == NULL) {
        return; /* in no tree: a pipe that was opened once more */
    }
    file->path = *path == '/' ? copy_of(path) : absolute(walk, path);
    file->has_own_path = true;
}

/* Takes the references of what was found over. */
static hx_err open_found(struct opening *opening, struct location *found, const char *path,
                         owner_tag owner, struct file **file)
{
    uint32_t flags = opening->flags;
    bool is_absolute = *path == '/';
    hx_err error = check_open(found, flags, opening->walk->who, opening->is_new);

    if (error != HX_OK) {
        location_put(found);
        return error;
    }
    error = open_checked(found, flags, is_absolute ? path : NULL, owner, file);
    if (error == HX_OK && (flags & FILE_TRUNCATE) != 0) {
        error = truncate_opened(*file, opening->is_new);
        if (error != HX_OK) {
            file_put(*file);
        }
    }
    if (error == HX_OK && !is_absolute) {
        file_keep_path(*file, opening->walk, path);
    }
    if (error == HX_OK && watch_is_any()) {
        watch_tell_file(*file, WATCH_OPEN);
    }
    return error;
}

/* What needs no look at more than the object. */
#define FILE_PLAIN (FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING | FILE_NO_TERMINAL)

/* Whether it is opened for reading by nothing but noting where it is. */
static HX_ALWAYS_INLINE bool is_plain(const struct vnode *vnode, const struct credentials *who)
{
    return vnode->type == VNODE_FILE && vnode->contents != NULL && vnode->ops->open == NULL &&
           (HX_LIKELY(credentials_are_root(who)) || vnode_may(vnode, who, ACCESS_READ) == HX_OK);
}

struct file *file_open_plain(const struct path_walk *walk, const char *path, size_t length,
                             uint32_t flags, owner_tag owner)
{
    struct location found;
    struct file *file;

    if (HX_UNLIKELY((flags & ~(uint32_t)FILE_PLAIN) != 0 || *path != '/') ||
        HX_UNLIKELY(!path_find_plainly(walk, path, &found))) {
        return NULL;
    }
    if (HX_UNLIKELY(!is_plain(found.vnode, walk->who))) {
        location_put(&found);
        return NULL;
    }
    file =
        create_named(&file_object_ops, flags & ~(uint32_t)FILE_ONLY_AT_OPEN, path, length, owner);
    if (HX_UNLIKELY(file == NULL)) {
        location_put(&found);
        return NULL;
    }
    file->location = found;
    if (watch_is_any()) {
        watch_tell_file(file, WATCH_OPEN);
    }
    return file;
}

hx_err file_open(const struct path_walk *walk, const char *path, uint32_t flags, uint32_t mode,
                 owner_tag owner, struct file **file)
{
    struct opening opening = {walk, flags, mode & MODE_MASK, false};
    struct location found;
    hx_err error;

    if ((flags & FILE_PATH) != 0) {
        opening.flags &= FILE_PATH | FILE_NO_FOLLOW | FILE_DIRECTORY | FILE_CLOSE_ON_EXEC;
    }
    if ((flags & FILE_TEMPORARY & ~(uint32_t)FILE_DIRECTORY) != 0) {
        return HX_EOPNOTSUPP; /* files without a name: programs fall back to one with */
    }
    error = find_or_make(&opening, path, &found);
    return error == HX_OK ? open_found(&opening, &found, path, owner, file) : error;
}
