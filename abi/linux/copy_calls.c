/* copy_file_range: from file to file, without the program. */
#include <abi/linux/call.h>
#include <abi/linux/calls.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <kern/thread.h>

#define CHUNK 4096U

/* One end of a copy. */
struct end {
    struct file *file;
    uint64_t position_address; /* where the program keeps its position; 0: the file's */
    uint64_t position;
};

static hx_err check_ends(const struct end *in, const struct end *out)
{
    const struct vnode *from = in->file->location.vnode;
    const struct vnode *to = out->file->location.vnode;
    bool appends =
        (atomic_load_explicit(&out->file->flags, memory_order_relaxed) & FILE_APPEND) != 0;

    if (from == NULL || to == NULL) {
        return HX_EINVAL;
    }
    if (from->type == VNODE_DIRECTORY || to->type == VNODE_DIRECTORY) {
        return HX_EISDIR;
    }
    if (from->type != VNODE_FILE || to->type != VNODE_FILE) {
        return HX_EINVAL;
    }
    if (!file_can_read(in->file) || !file_can_write(out->file) || appends) {
        return HX_EBADF;
    }
    return from->file_system != to->file_system ? HX_EXDEV : HX_OK;
}

static hx_err read_position(struct end *end)
{
    hx_err error = HX_OK;

    if (end->position_address != 0) {
        error = hal_user_copy_in(&end->position, end->position_address, sizeof(end->position));
    } else {
        mutex_lock(&end->file->mutex);
        end->position = end->file->offset;
        mutex_unlock(&end->file->mutex);
    }
    if (error == HX_OK && (int64_t)end->position < 0) {
        error = HX_EINVAL;
    }
    return error;
}

static hx_err write_position(const struct end *end)
{
    uint64_t position;

    return end->position_address != 0
               ? hal_user_copy_out(end->position_address, &end->position, sizeof(end->position))
               : file_seek(end->file, (int64_t)end->position, SEEK_FROM_START, &position);
}

/* What there is to copy of size bytes.  Errors: HX_EOVERFLOW, HX_EINVAL the ranges overlap. */
static hx_err cut(const struct end *in, const struct end *out, uint64_t *size)
{
    uint64_t there = atomic_load_explicit(&in->file->location.vnode->size, memory_order_relaxed);
    uint64_t distance =
        in->position > out->position ? in->position - out->position : out->position - in->position;

    if (in->position + *size < *size || out->position + *size < *size) {
        return HX_EOVERFLOW;
    }
    there = there > in->position ? there - in->position : 0;
    *size = *size < there ? *size : there;
    *size = *size < LINUX_TRANSFER_MAX ? *size : LINUX_TRANSFER_MAX;
    return in->file->location.vnode == out->file->location.vnode && distance < *size ? HX_EINVAL
                                                                                     : HX_OK;
}

static hx_err copy_chunk(struct end *in, struct end *out, char *chunk, size_t size, size_t *done)
{
    struct transfer transfer;
    size_t got;
    hx_err error;

    *done = 0;
    transfer_init_kernel(&transfer, chunk, size);
    error = file_read_at(in->file, &transfer, in->position, &got);
    if (error == HX_OK && got > 0) {
        transfer_init_kernel(&transfer, chunk, got);
        error = file_write_at(out->file, &transfer, out->position, done);
    }
    in->position += *done;
    out->position += *done;
    return error;
}

static hx_err copy_all(struct end *in, struct end *out, uint64_t size, uint64_t *done)
{
    char *chunk = heap_allocate(CHUNK, OWNER_CORE);
    size_t moved = 1;
    hx_err error = chunk != NULL ? HX_OK : HX_ENOMEM;

    while (*done < size && moved > 0 && error == HX_OK && !thread_is_interrupted()) {
        uint64_t rest = size - *done;

        error = copy_chunk(in, out, chunk, rest < CHUNK ? (size_t)rest : CHUNK, &moved);
        *done += moved;
    }
    heap_free(chunk);
    return *done > 0 ? HX_OK : error;
}

static hx_err copy(struct end *in, struct end *out, uint64_t size, uint64_t flags, uint64_t *done)
{
    hx_err error = read_position(in);

    if (error == HX_OK) {
        error = read_position(out);
    }
    if (error == HX_OK) {
        error = flags == 0 ? check_ends(in, out) : HX_EINVAL;
    }
    if (error == HX_OK) {
        error = cut(in, out, &size);
    }
    if (error == HX_OK) {
        error = copy_all(in, out, size, done);
    }
    if (error == HX_OK) {
        error = write_position(in);
    }
    return error == HX_OK ? write_position(out) : error;
}

int64_t linux_copy_file_range(uint64_t in_descriptor, uint64_t in_position, uint64_t out_descriptor,
                              uint64_t out_position, uint64_t size, uint64_t flags)
{
    struct end in = {linux_file(in_descriptor), in_position, 0};
    struct end out = {linux_file(out_descriptor), out_position, 0};
    uint64_t done = 0;
    hx_err error = HX_EBADF;

    if (in.file != NULL && out.file != NULL) {
        error = copy(&in, &out, size, flags, &done);
    }
    file_put(in.file);
    file_put(out.file);
    return linux_count(error, (size_t)done);
}
