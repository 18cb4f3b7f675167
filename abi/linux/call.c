#include <abi/linux/call.h>
#include <hal/clock.h>
#include <kern/thread.h>

/* --- descriptors ------------------------------------------------------------------------------ */

struct file *linux_file(uint64_t descriptor)
{
    return file_table_find(process_current()->files, (int)descriptor);
}

struct mapping_name *linux_mapping_name(struct file *file)
{
    return &file->mapping;
}

/* --- paths ------------------------------------------------------------------------------------ */

hx_err linux_path_get_base(struct linux_path *path, int descriptor)
{
    path->base_file = linux_file((uint64_t)descriptor);
    if (path->base_file == NULL) {
        return HX_EBADF;
    }
    path->base_descriptor = descriptor;
    path->base = path->base_file->location;
    /* An empty path may be about a file that has no place, like a pipe. */
    if (path->text[0] != '\0' &&
        (path->base.vnode == NULL || path->base.vnode->type != VNODE_DIRECTORY)) {
        file_put(path->base_file);
        return HX_ENOTDIR;
    }
    path->walk.base = &path->base;
    return HX_OK;
}

hx_err linux_path_get(struct linux_path *path, int64_t base, uint64_t address)
{
    return linux_path_get_inline(path, base, address);
}

hx_err linux_path_find(struct linux_path *path, uint64_t at_flags, bool follows,
                       struct location *found)
{
    if (path->text[0] != '\0' || (at_flags & LINUX_AT_EMPTY_PATH) == 0) {
        return path_find(&path->walk, path->text, follows ? (unsigned)PATH_FOLLOW : 0U, found);
    }
    if (path->base_file != NULL && path->base.vnode == NULL) {
        return HX_ENOTDIR;
    }
    if (path->base_file != NULL) {
        *found = path->base;
        location_get(found);
    } else {
        *found = path_context_current(path->walk.context);
    }
    return HX_OK;
}

hx_err linux_find(int64_t base, uint64_t address, uint64_t at_flags, bool follows,
                  struct location *found)
{
    struct linux_path path;
    hx_err error = linux_path_get(&path, base, address);

    if (error == HX_OK) {
        error = linux_path_find(&path, at_flags, follows, found);
        linux_path_put(&path);
    }
    return error;
}

/* --- times ------------------------------------------------------------------------------------ */

#define NS_PER_SECOND 1000000000LL

hx_err linux_timespec_to_ns(struct linux_timespec time, uint64_t *ns)
{
    if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= NS_PER_SECOND) {
        return HX_EINVAL;
    }
    *ns = time.seconds >= INT64_MAX / NS_PER_SECOND
              ? INT64_MAX
              : (uint64_t)(time.seconds * NS_PER_SECOND + time.nanoseconds);
    return HX_OK;
}

hx_err linux_deadline(uint64_t address, uint64_t *deadline_ns)
{
    struct linux_timespec time;
    uint64_t ns;
    hx_err error;

    *deadline_ns = THREAD_NO_DEADLINE;
    if (address == 0) {
        return HX_OK;
    }
    error = hal_user_copy_in(&time, address, sizeof(time));
    if (error == HX_OK) {
        error = linux_timespec_to_ns(time, &ns);
    }
    if (error == HX_OK) {
        *deadline_ns = ns == 0 ? 0 : hal_clock_now() + ns;
    }
    return error;
}

/* --- masks ------------------------------------------------------------------------------------ */

hx_err linux_mask_for_call(uint64_t address, uint64_t size)
{
    uint64_t mask;
    hx_err error;

    if (address == 0) {
        return HX_OK;
    }
    if (size != sizeof(mask)) {
        return HX_EINVAL;
    }
    error = hal_user_copy_in(&mask, address, sizeof(mask));
    if (error == HX_OK) {
        signal_set_blocked_for_call(mask);
    }
    return error;
}
