/* inotify: what happens to files, read from a file. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <kern/heap.h>
#include <subsys/vfs/watch.h>

#define FLAGS                                                                                      \
    (WATCH_ONLY_DIRECTORY | WATCH_NO_FOLLOW | WATCH_NOT_UNLINKED | WATCH_MUST_BE_NEW | WATCH_ADD | \
     WATCH_ONCE)
/* What Linux lets pass, whether it can be asked for or not. */
#define KNOWN                                                                                      \
    (WATCH_ALL | WATCH_UNMOUNT | WATCH_OVERFLOW | WATCH_IGNORED | WATCH_IS_DIRECTORY | FLAGS)

int64_t linux_inotify_init1(uint64_t flags)
{
    const uint32_t allowed = FILE_CLOSE_ON_EXEC | FILE_NON_BLOCKING;
    struct file *file;
    hx_err error;

    if (((uint32_t)flags & ~allowed) != 0) {
        return linux_result(HX_EINVAL);
    }
    error = watch_file_create((uint32_t)flags & FILE_NON_BLOCKING, process_current()->owner, &file);
    return error == HX_OK ? linux_add_file(file, (uint32_t)flags) : linux_result(error);
}

int64_t linux_inotify_init(void)
{
    return linux_inotify_init1(0);
}

static hx_err check_mask(uint32_t mask)
{
    bool is_contradictory = (mask & WATCH_ADD) != 0 && (mask & WATCH_MUST_BE_NEW) != 0;

    return (mask & KNOWN) == 0 || is_contradictory ? HX_EINVAL : HX_OK;
}

/* Who may read it may watch it. */
static hx_err watch_found(struct file *file, const struct location *location, uint32_t mask,
                          int32_t *number)
{
    hx_err error = vnode_may(location->vnode, &process_current()->credentials, ACCESS_READ);

    if (error == HX_OK && (mask & WATCH_ONLY_DIRECTORY) != 0 &&
        location->vnode->type != VNODE_DIRECTORY) {
        error = HX_ENOTDIR;
    }
    return error == HX_OK ? watch_add(file, location, mask, number) : error;
}

static hx_err watch_path(struct file *file, uint64_t path, uint32_t mask, int32_t *number)
{
    struct location location;
    hx_err error = linux_find(LINUX_AT_FDCWD, path, 0, (mask & WATCH_NO_FOLLOW) == 0, &location);

    if (error == HX_OK) {
        error = watch_found(file, &location, mask, number);
        location_put(&location);
    }
    return error;
}

int64_t linux_inotify_add_watch(uint64_t descriptor, uint64_t path, uint64_t mask)
{
    struct file *file;
    int32_t number = 0;
    hx_err error = check_mask((uint32_t)mask);

    if (error != HX_OK) {
        return linux_result(error);
    }
    file = linux_file(descriptor);
    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = watch_file_is(file) ? watch_path(file, path, (uint32_t)mask, &number) : HX_EINVAL;
    file_put(file);
    return linux_count(error, (size_t)number);
}

int64_t linux_inotify_rm_watch(uint64_t descriptor, uint64_t number)
{
    struct file *file = linux_file(descriptor);
    hx_err error;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    error = watch_file_is(file) ? watch_remove(file, (int32_t)number) : HX_EINVAL;
    file_put(file);
    return linux_result(error);
}
