/* Calls that tell the kernel what is going to happen with a file's bytes, or ask for it early.
 * Files here are in memory: there is nothing to read ahead or to write back, so only what is wrong
 * is told. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>

#define ADVICE_LAST 5U /* POSIX_FADV_NOREUSE */

/* A file that can be read or written, with a reference; NULL: EBADF. */
static struct file *open_file(uint64_t descriptor)
{
    struct file *file = linux_file(descriptor);

    if (file != NULL &&
        (atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_PATH) != 0) {
        file_put(file);
        file = NULL;
    }
    return file;
}

static bool has_type(const struct file *file, enum vnode_type type)
{
    return file->location.vnode != NULL && file->location.vnode->type == type;
}

static bool is_pipe(const struct file *file)
{
    return file->location.vnode == NULL || file->location.vnode->type == VNODE_FIFO;
}

int64_t linux_fadvise64(uint64_t descriptor, uint64_t offset, uint64_t size, uint64_t advice)
{
    struct file *file = open_file(descriptor);
    hx_err error = HX_OK;

    (void)offset;
    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if (is_pipe(file)) {
        error = HX_ESPIPE;
    } else if ((int64_t)size < 0 || (uint32_t)advice > ADVICE_LAST) {
        error = HX_EINVAL;
    }
    file_put(file);
    return linux_result(error);
}

int64_t linux_readahead(uint64_t descriptor, uint64_t offset, uint64_t size)
{
    struct file *file = open_file(descriptor);
    hx_err error = HX_EBADF;

    (void)offset;
    (void)size;
    if (file != NULL && file_can_read(file)) {
        error = has_type(file, VNODE_FILE) ? HX_OK : HX_EINVAL;
    }
    file_put(file);
    return linux_result(error);
}

#define SYNC_RANGE_FLAGS 7U

int64_t linux_sync_file_range(uint64_t descriptor, uint64_t offset, uint64_t size, uint64_t flags)
{
    struct file *file = open_file(descriptor);
    uint64_t end = offset + size;
    hx_err error = HX_OK;

    if (file == NULL) {
        return linux_result(HX_EBADF);
    }
    if ((flags & ~(uint64_t)SYNC_RANGE_FLAGS) != 0 || (int64_t)offset < 0 || (int64_t)end < 0 ||
        end < offset) {
        error = HX_EINVAL;
    } else if (!has_type(file, VNODE_FILE) && !has_type(file, VNODE_DIRECTORY)) {
        error = HX_ESPIPE;
    }
    file_put(file);
    return linux_result(error);
}

int64_t linux_syncfs(uint64_t descriptor)
{
    struct file *file = open_file(descriptor);
    hx_err error = file != NULL ? HX_OK : HX_EBADF;

    if (file != NULL && file->location.mount != NULL && file->location.mount->file_system != NULL) {
        error = file_system_sync(file->location.mount->file_system);
    }
    file_put(file);
    return linux_result(error);
}
