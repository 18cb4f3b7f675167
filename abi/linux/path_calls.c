/* Calls on paths: opening, making, removing, renaming, where one is. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <base/string.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/access/access.h>
#include <subsys/vfs/device.h>

/* --- open ------------------------------------------------------------------------------------- */

/* Opening a terminal without one makes it the session's, in tty's open. */
static hx_err open_path(struct linux_path *path, uint64_t flags, uint64_t mode, struct file **file)
{
    struct process *self = process_current();

    if ((flags & FILE_ACCESS_MASK) == FILE_ACCESS_MASK) {
        return HX_EINVAL;
    }
    return file_open(&path->walk, path->text, (uint32_t)flags, (uint32_t)mode, self->owner, file);
}

/* Any file; the path is given back. */
static HX_NOINLINE int64_t open_any(struct linux_path *path, uint64_t flags, uint64_t mode)
{
    struct file *file;
    hx_err error = open_path(path, flags, mode, &file);

    linux_path_put(path);
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_restartable(error, 0);
}

int64_t linux_openat(uint64_t base, uint64_t address, uint64_t flags, uint64_t mode)
{
    struct linux_path path;
    struct file *file;
    hx_err error = linux_path_get_inline(&path, (int64_t)base, address);

    if (HX_UNLIKELY(error != HX_OK)) {
        return linux_result(error);
    }
    file = file_open_plain(&path.walk, path.text, path.length, (uint32_t)flags,
                           process_current()->owner);
    if (HX_UNLIKELY(file == NULL)) {
        return open_any(&path, flags, mode);
    }
    return linux_add_file(file, (uint32_t)flags); /* of an absolute path: it has no base */
}

int64_t linux_open(uint64_t address, uint64_t flags, uint64_t mode)
{
    return linux_openat((uint64_t)LINUX_AT_FDCWD, address, flags, mode);
}

int64_t linux_creat(uint64_t address, uint64_t mode)
{
    return linux_open(address, FILE_CREATE | FILE_WRITE_ONLY | FILE_TRUNCATE, mode);
}

/* --- making ----------------------------------------------------------------------------------- */

static struct vnode_making making_of(enum vnode_type type, uint64_t mode)
{
    const struct process *self = process_current();
    uint32_t mask = atomic_load_explicit(&self->paths->umask, memory_order_relaxed);

    return (struct vnode_making){
        .type = type,
        .mode = (uint32_t)mode & MODE_MASK & ~mask,
        .user = self->credentials.effective_user,
        .group = self->credentials.effective_group,
    };
}

static int64_t make_at(uint64_t base, uint64_t address, const struct vnode_making *making)
{
    struct linux_path path;
    hx_err error = linux_path_get(&path, (int64_t)base, address);

    if (error == HX_OK) {
        error = path_make(&path.walk, path.text, making, NULL);
        linux_path_put(&path);
    }
    return linux_result(error);
}

int64_t linux_mkdirat(uint64_t base, uint64_t address, uint64_t mode)
{
    const struct vnode_making making = making_of(VNODE_DIRECTORY, mode & (0777 | MODE_STICKY));

    return make_at(base, address, &making);
}

int64_t linux_mkdir(uint64_t address, uint64_t mode)
{
    return linux_mkdirat((uint64_t)LINUX_AT_FDCWD, address, mode);
}

int64_t linux_mknodat(uint64_t base, uint64_t address, uint64_t mode, uint64_t device)
{
    unsigned type = (unsigned)(mode >> 12 & 15);
    struct vnode_making making = making_of(type == 0 ? VNODE_FILE : (enum vnode_type)type, mode);
    hx_err error;

    switch (making.type) {
    case VNODE_CHARACTER:
    case VNODE_BLOCK:
        error = access_require_privilege(PRIVILEGE_DEVICE);
        if (error != HX_OK) {
            return linux_result(error);
        }
        making.device = linux_device_from(device);
        return make_at(base, address, &making);
    case VNODE_FILE:
    case VNODE_FIFO:
    case VNODE_SOCKET:
        return make_at(base, address, &making);
    default:
        return linux_result(making.type == VNODE_DIRECTORY ? HX_EPERM : HX_EINVAL);
    }
}

int64_t linux_mknod(uint64_t address, uint64_t mode, uint64_t device)
{
    return linux_mknodat((uint64_t)LINUX_AT_FDCWD, address, mode, device);
}

/* --- links ------------------------------------------------------------------------------------ */

/* The target is kept as it stands. */
static hx_err copy_target(uint64_t address, char *target)
{
    size_t length;
    hx_err error = hal_user_copy_text(target, address, PATH_SIZE_MAX, &length);

    if (error == HX_ERANGE) {
        return HX_ENAMETOOLONG;
    }
    return error == HX_OK && length == 0 ? HX_ENOENT : error;
}

int64_t linux_symlinkat(uint64_t target_address, uint64_t base, uint64_t address)
{
    struct vnode_making making = making_of(VNODE_SYMLINK, 0777);
    char *target = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    hx_err error = target != NULL ? copy_target(target_address, target) : HX_ENOMEM;
    int64_t result = linux_result(error);

    if (error == HX_OK) {
        making.mode = 0777;
        making.target = target;
        result = make_at(base, address, &making);
    }
    heap_free(target);
    return result;
}

int64_t linux_symlink(uint64_t target, uint64_t address)
{
    return linux_symlinkat(target, (uint64_t)LINUX_AT_FDCWD, address);
}

/* Apart from finding the target, so that two paths are not on the stack at once. */
HX_NOINLINE static hx_err link_to(struct location *target, uint64_t base, uint64_t address)
{
    struct linux_path to;
    hx_err error = linux_path_get(&to, (int64_t)base, address);

    if (error == HX_OK) {
        error = path_link(&to.walk, target, &to.walk, to.text);
        linux_path_put(&to);
    }
    return error;
}

int64_t linux_linkat(uint64_t base, uint64_t address, uint64_t to_base, uint64_t to_address,
                     uint64_t flags)
{
    struct location target;
    hx_err error;

    if ((flags & ~(uint64_t)(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH)) != 0) {
        return linux_result(HX_EINVAL);
    }
    error =
        linux_find((int64_t)base, address, flags, (flags & LINUX_AT_SYMLINK_FOLLOW) != 0, &target);
    if (error == HX_OK) {
        error = link_to(&target, to_base, to_address);
        location_put(&target);
    }
    return linux_result(error);
}

int64_t linux_link(uint64_t address, uint64_t to_address)
{
    return linux_linkat((uint64_t)LINUX_AT_FDCWD, address, (uint64_t)LINUX_AT_FDCWD, to_address, 0);
}

static hx_err read_link(const struct location *link, uint64_t buffer, uint64_t size, size_t *length)
{
    char *target;
    hx_err error;

    if (link->vnode->type != VNODE_SYMLINK || link->vnode->ops->read_link == NULL) {
        return HX_EINVAL;
    }
    target = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    if (target == NULL) {
        return HX_ENOMEM;
    }
    error = link->vnode->ops->read_link(link->vnode, target, PATH_SIZE_MAX, length);
    if (error == HX_OK) {
        *length = *length < PATH_SIZE_MAX ? *length : PATH_SIZE_MAX;
        *length = *length < size ? *length : (size_t)size;
        error = hal_user_copy_out(buffer, target, *length);
    }
    heap_free(target);
    return error;
}

static bool is_empty(uint64_t address)
{
    char first = '\0';

    return hal_user_copy_in(&first, address, 1) == HX_OK && first == '\0';
}

int64_t linux_readlinkat(uint64_t base, uint64_t address, uint64_t buffer, uint64_t size)
{
    struct location link;
    size_t length = 0;
    hx_err error;

    if ((int32_t)size <= 0) {
        return linux_result(HX_EINVAL);
    }
    /* An empty path means the base, a link that was opened with O_PATH. */
    error = linux_find((int64_t)base, address, LINUX_AT_EMPTY_PATH, false, &link);
    if (error == HX_OK) {
        error = (int32_t)base == LINUX_AT_FDCWD && is_empty(address)
                    ? HX_ENOENT
                    : read_link(&link, buffer, (uint32_t)size, &length);
        location_put(&link);
    }
    return linux_count(error, length);
}

int64_t linux_readlink(uint64_t address, uint64_t buffer, uint64_t size)
{
    return linux_readlinkat((uint64_t)LINUX_AT_FDCWD, address, buffer, size);
}

/* --- removing, renaming ----------------------------------------------------------------------- */

int64_t linux_unlinkat(uint64_t base, uint64_t address, uint64_t flags)
{
    struct linux_path path;
    hx_err error;

    if ((flags & ~(uint64_t)LINUX_AT_REMOVEDIR) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = linux_path_get(&path, (int64_t)base, address);
    if (error == HX_OK) {
        error = flags != 0 ? path_remove_directory(&path.walk, path.text)
                           : path_unlink(&path.walk, path.text);
        linux_path_put(&path);
    }
    return linux_result(error);
}

int64_t linux_unlink(uint64_t address)
{
    return linux_unlinkat((uint64_t)LINUX_AT_FDCWD, address, 0);
}

int64_t linux_rmdir(uint64_t address)
{
    return linux_unlinkat((uint64_t)LINUX_AT_FDCWD, address, LINUX_AT_REMOVEDIR);
}

/* Two paths of 4 KiB do not fit a kernel stack. */
static hx_err rename_paths(struct linux_path *from, struct linux_path *to, const uint64_t *argument)
{
    hx_err error = linux_path_get(from, (int64_t)argument[0], argument[1]);

    if (error != HX_OK) {
        return error;
    }
    error = linux_path_get(to, (int64_t)argument[2], argument[3]);
    if (error == HX_OK) {
        error = path_rename(&from->walk, from->text, &to->walk, to->text, (unsigned)argument[4]);
        linux_path_put(to);
    }
    linux_path_put(from);
    return error;
}

int64_t linux_renameat2(uint64_t from_base, uint64_t from, uint64_t to_base, uint64_t to,
                        uint64_t flags)
{
    const uint64_t arguments[] = {from_base, from, to_base, to, flags};
    struct linux_path *paths;
    hx_err error;

    if ((flags & ~(uint64_t)(RENAME_NO_REPLACE | RENAME_EXCHANGE)) != 0 ||
        flags == (RENAME_NO_REPLACE | RENAME_EXCHANGE)) {
        return linux_result(HX_EINVAL);
    }
    paths = heap_allocate(2 * sizeof(*paths), OWNER_CORE);
    if (paths == NULL) {
        return linux_result(HX_ENOMEM);
    }
    error = rename_paths(&paths[0], &paths[1], arguments);
    heap_free(paths);
    return linux_result(error);
}

int64_t linux_renameat(uint64_t from_base, uint64_t from, uint64_t to_base, uint64_t to)
{
    return linux_renameat2(from_base, from, to_base, to, 0);
}

int64_t linux_rename(uint64_t from, uint64_t to)
{
    return linux_renameat2((uint64_t)LINUX_AT_FDCWD, from, (uint64_t)LINUX_AT_FDCWD, to, 0);
}

/* --- where one is ----------------------------------------------------------------------------- */

int64_t linux_getcwd(uint64_t buffer, uint64_t size)
{
    struct path_context *paths = process_current()->paths;
    struct location current = path_context_current(paths);
    char *text = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    size_t length = 0;
    hx_err error = text != NULL ? path_text(paths, &current, text, PATH_SIZE_MAX) : HX_ENOMEM;

    if (error == HX_OK) {
        length = string_length(text) + 1;
        error = length <= size ? hal_user_copy_out(buffer, text, length) : HX_ERANGE;
    }
    location_put(&current);
    heap_free(text);
    return linux_count(error, length);
}

static hx_err may_enter(const struct location *place)
{
    if (place->vnode->type != VNODE_DIRECTORY) {
        return HX_ENOTDIR;
    }
    return vnode_may(place->vnode, &process_current()->credentials, ACCESS_EXECUTE);
}

int64_t linux_chdir(uint64_t address)
{
    struct location place;
    hx_err error = linux_find(LINUX_AT_FDCWD, address, 0, true, &place);

    if (error != HX_OK) {
        return linux_result(error);
    }
    error = may_enter(&place);
    if (error == HX_OK) {
        path_context_set_current(process_current()->paths, place);
    } else {
        location_put(&place);
    }
    return linux_result(error);
}

int64_t linux_fchdir(uint64_t descriptor)
{
    struct file *file = linux_file(descriptor);
    hx_err error = HX_ENOTDIR;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (file->location.vnode != NULL) {
        error = may_enter(&file->location);
    }
    if (error == HX_OK) {
        struct location place = file->location;

        location_get(&place);
        path_context_set_current(process_current()->paths, place);
    }
    file_put(file);
    return linux_result(error);
}

int64_t linux_chroot(uint64_t address)
{
    struct location place;
    hx_err error = linux_find(LINUX_AT_FDCWD, address, 0, true, &place);

    if (error != HX_OK) {
        return linux_result(error);
    }
    error = may_enter(&place);
    if (error == HX_OK) {
        error = access_require_privilege(PRIVILEGE_CHROOT);
    }
    if (error == HX_OK) {
        path_context_set_root(process_current()->paths, place);
    } else {
        location_put(&place);
    }
    return linux_result(error);
}

int64_t linux_umask(uint64_t mask)
{
    return (int64_t)atomic_exchange_explicit(&process_current()->paths->umask,
                                             (uint32_t)mask & 0777, memory_order_relaxed);
}

/* --- mounting --------------------------------------------------------------------------------- */

#define MOUNT_TEXT_MAX 256U

/* What mount(2) is given besides the place. */
struct mounting {
    char source[MOUNT_TEXT_MAX];
    char type[MOUNT_TEXT_MAX];
    char data[MOUNT_TEXT_MAX];
};

/* Optional texts: 0 is the empty one. */
static hx_err copy_text(char *to, uint64_t address)
{
    size_t length;
    hx_err error;

    to[0] = '\0';
    if (address == 0) {
        return HX_OK;
    }
    error = hal_user_copy_text(to, address, MOUNT_TEXT_MAX, &length);
    return error == HX_ERANGE ? HX_EINVAL : error;
}

static hx_err copy_mounting(struct mounting *mounting, uint64_t source, uint64_t type,
                            uint64_t data)
{
    hx_err error = copy_text(mounting->source, source);

    if (error == HX_OK) {
        error = copy_text(mounting->type, type);
    }
    return error == HX_OK ? copy_text(mounting->data, data) : error;
}

/* A type that needs a device is mounted from a block device's node that leads to one. */
static hx_err check_source(const struct mounting *mounting, uint64_t source)
{
    const struct file_system_type *type = file_system_type_find(mounting->type);
    struct location location;
    hx_err error;

    if (type == NULL || !type->needs_device) {
        return HX_OK;
    }
    error = linux_find(LINUX_AT_FDCWD, source, 0, true, &location);
    if (error != HX_OK) {
        return error;
    }
    if (location.vnode->type != VNODE_BLOCK) {
        error = HX_ENOTBLK;
    } else if (device_find(location.vnode->device) == NULL) {
        error = HX_ENXIO;
    }
    location_put(&location);
    return error;
}

static hx_err do_mount(const struct mounting *mounting, uint64_t source, uint64_t flags,
                       struct location *target)
{
    struct location from;
    hx_err error;

    if ((flags & MOUNT_REMOUNT) != 0) {
        return mount_change(target, (uint32_t)flags);
    }
    if ((flags & MOUNT_MOVE) != 0) {
        return HX_EINVAL;
    }
    if ((flags & MOUNT_BIND) == 0) {
        error = check_source(mounting, source);
        if (error != HX_OK) {
            return error;
        }
        return mount_add(mounting->source, target, mounting->type, (uint32_t)flags, mounting->data);
    }
    error = linux_find(LINUX_AT_FDCWD, source, 0, true, &from);
    if (error == HX_OK) {
        error = mount_bind(&from, target);
        location_put(&from);
    }
    return error;
}

static int64_t mount_at(uint64_t source, uint64_t target_address, uint64_t flags,
                        const struct mounting *mounting)
{
    struct location target;
    hx_err error = linux_find(LINUX_AT_FDCWD, target_address, 0, true, &target);

    if (error == HX_OK) {
        error = do_mount(mounting, source, flags, &target);
        location_put(&target);
    }
    return linux_result(error);
}

int64_t linux_mount(uint64_t source, uint64_t target, uint64_t type, uint64_t flags, uint64_t data)
{
    struct mounting *mounting;
    int64_t result;
    hx_err error = access_require_privilege(PRIVILEGE_MOUNT);

    if (error != HX_OK) {
        return linux_result(error);
    }
    mounting = heap_allocate(sizeof(*mounting), OWNER_CORE);
    if (mounting == NULL) {
        return linux_result(HX_ENOMEM);
    }
    error = copy_mounting(mounting, source, type, data);
    result = error == HX_OK ? mount_at(source, target, flags, mounting) : linux_result(error);
    heap_free(mounting);
    return result;
}

int64_t linux_umount2(uint64_t address, uint64_t flags)
{
    const uint64_t detach = 2;    /* MNT_DETACH */
    const uint64_t no_follow = 8; /* UMOUNT_NOFOLLOW */
    const uint64_t known = 1 | detach | no_follow;
    struct location target;
    hx_err error = access_require_privilege(PRIVILEGE_MOUNT);

    if (error != HX_OK) {
        return linux_result(error);
    }
    if ((flags & ~known) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = linux_find(LINUX_AT_FDCWD, address, 0, (flags & no_follow) == 0, &target);
    if (error == HX_OK) {
        error = mount_remove(&target, (flags & detach) != 0);
        location_put(&target);
    }
    return linux_result(error);
}

int64_t linux_sync(void)
{
    (void)!mount_sync_all(); /* it has no way to say that something failed */
    return 0;
}
