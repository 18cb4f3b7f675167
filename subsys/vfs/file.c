/* Open files: life, reading and writing, positions. */
#include <base/memory.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/time/wall_clock.h>
#include <subsys/vfs/event_set.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/file_lock.h>
#include <subsys/vfs/file_private.h>
#include <subsys/vfs/record_lock.h>
#include <subsys/vfs/watch.h>
#include <subsys/vm/memory_object.h>
#include <subsys/vm/shared_frame.h>

#define SIZE_MAX_BYTES (1ULL << 43) /* of a file */
#define NS_PER_DAY     86400000000000ULL

/* --- life ------------------------------------------------------------------------------------- */

static struct file *file_of(const struct mapping_name *name)
{
    return HX_CONTAINER_OF(name, struct file, mapping);
}

void file_get_mapping(struct mapping_name *name)
{
    (void)file_get(file_of(name));
}

void file_put_mapping(struct mapping_name *name)
{
    file_put(file_of(name));
}

void file_mapping_text(const struct mapping_name *name, char *buffer, size_t size)
{
    file_text(file_of(name), buffer, size);
}

struct file *file_of_mapping(const struct mapping_name *name)
{
    return name != NULL && name->text == file_mapping_text ? file_of(name) : NULL;
}

_Atomic uint64_t files_opened;
_Atomic uint64_t files_alive;

struct file_statistics file_statistics(void)
{
    return (struct file_statistics){
        .opened = atomic_load_explicit(&files_opened, memory_order_relaxed),
        .alive = atomic_load_explicit(&files_alive, memory_order_relaxed),
    };
}

hx_err file_create(const struct file_ops *ops, uint32_t flags, void *context, owner_tag owner,
                   struct file **file)
{
    *file = heap_allocate(sizeof(**file), OWNER_CORE);
    if (*file == NULL) {
        return HX_ENOMEM;
    }
    file_init(*file, ops, flags, owner);
    (*file)->context = context;
    return HX_OK;
}

static void end_writing(const struct file *file)
{
    struct vnode *vnode = file->location.vnode;

    if (vnode != NULL && vnode->type == VNODE_FILE && file_can_write(file)) {
        vnode_end_writing(vnode);
    }
}

static void release(struct file *file)
{
    if (atomic_load_explicit(&file->has_lock, memory_order_relaxed)) {
        file_unlock(file);
        record_lock_close(file, file);
    }
    /* relaxed: who has the last reference sees what others added */
    if (HX_UNLIKELY(atomic_load_explicit(&file->members, memory_order_relaxed) != NULL)) {
        event_sets_forget(file);
    }
    if (file->ops->release != NULL) {
        file->ops->release(file);
    }
    end_writing(file);
    location_put(&file->location);
    if (file->has_own_path) {
        heap_free(file->path);
    }
    heap_free(file);
    atomic_fetch_sub_explicit(&files_alive, 1, memory_order_relaxed);
}

/* What the file is of may be nobody's by that. */
static HX_NOINLINE void tell_and_release(struct file *file)
{
    watch_tell_file(file, file_can_write(file) ? WATCH_CLOSE_WRITE : WATCH_CLOSE_NO_WRITE);
    release(file);
    watch_tell_gone();
}

void file_put(struct file *file)
{
    /* acq_rel: the last one sees what all others did */
    if (file != NULL &&
        atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) == 1) {
        if (watch_is_any()) {
            tell_and_release(file);
        } else {
            release(file);
        }
    }
}

/* --- reading and writing ---------------------------------------------------------------------- */

hx_err file_read_on(struct file *file, struct transfer *transfer, size_t *done)
{
    hx_err error;

    mutex_lock(&file->mutex);
    error = file_read_raw(file, transfer, file->offset, done);
    file->offset += *done;
    mutex_unlock(&file->mutex);
    return error;
}

/* At its end for FILE_APPEND, which the object's own write then makes sure of. */
hx_err file_write_on(struct file *file, struct transfer *transfer, size_t *done)
{
    bool appends = (atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_APPEND) != 0;
    hx_err error;

    mutex_lock(&file->mutex);
    error = file_write_raw(file, transfer, file->offset, done);
    if (appends && *done > 0 && file->location.vnode != NULL) {
        file->offset = atomic_load_explicit(&file->location.vnode->size, memory_order_relaxed);
    } else {
        file->offset += *done;
    }
    mutex_unlock(&file->mutex);
    return error;
}

hx_err file_read_at(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    *done = 0;
    if (!file->ops->can_seek) {
        return HX_ESPIPE;
    }
    if (!file_can_read(file)) {
        return HX_EBADF;
    }
    return offset <= INT64_MAX ? file_read_raw(file, transfer, offset, done) : HX_EINVAL;
}

hx_err file_write_at(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    *done = 0;
    if (!file->ops->can_seek) {
        return HX_ESPIPE;
    }
    if (!file_can_write(file)) {
        return HX_EBADF;
    }
    return offset <= INT64_MAX ? file_write_raw(file, transfer, offset, done) : HX_EINVAL;
}

/* --- the caller's limit ----------------------------------------------------------------------- */

static const struct file_size_limit *size_limit; /* set once, at boot */

void file_set_size_limit(const struct file_size_limit *limit)
{
    size_limit = limit;
}

uint64_t file_caller_limit(void)
{
    return size_limit != NULL ? size_limit->get() : UINT64_MAX;
}

hx_err file_too_large_for_caller(void)
{
    size_limit->exceeded();
    return HX_EFBIG;
}

/* --- contents in a memory object -------------------------------------------------------------- */

/* Bytes that no page holds yet: where they lie, or zeros. */
static hx_err read_backing(struct vnode *vnode, struct transfer *transfer, uint64_t offset,
                           size_t size, size_t *done)
{
    uint64_t there = 0;
    const void *bytes =
        vnode->ops->backing != NULL ? vnode->ops->backing(vnode, offset, &there) : NULL;

    if (bytes == NULL) {
        return transfer_zeros(transfer, size, done);
    }
    return transfer_out(transfer, bytes, there < size ? (size_t)there : size, done);
}

/* Bytes of one page from within it on. */
static hx_err read_page(struct vnode *vnode, struct transfer *transfer, uint64_t offset,
                        size_t size, size_t *done)
{
    uint64_t physical;
    hx_err error = memory_object_present_page(vnode->contents, offset >> HAL_PAGE_SHIFT, &physical);

    if (error == HX_ENOENT) {
        return read_backing(vnode, transfer, offset, size, done);
    }
    if (error == HX_OK) {
        const char *page = hal_direct_map(physical);

        error = transfer_out(transfer, page + offset % HAL_PAGE_SIZE, size, done);
        shared_frame_put(physical);
    }
    return error;
}

static size_t piece_of_page(uint64_t offset, size_t size)
{
    size_t rest = HAL_PAGE_SIZE - (size_t)(offset % HAL_PAGE_SIZE);

    return size < rest ? size : rest;
}

/* The time of access moves when something has changed since, or after a day (as Linux's relatime).
 */
static void note_access(struct vnode *vnode)
{
    uint64_t accessed = atomic_load_explicit(&vnode->times.accessed, memory_order_relaxed);

    if (accessed <= atomic_load_explicit(&vnode->times.modified, memory_order_relaxed) ||
        accessed + NS_PER_DAY < wall_clock_now()) {
        vnode_touch(vnode, VNODE_ACCESSED);
    }
}

static hx_err object_read(struct file *file, struct transfer *transfer, uint64_t offset,
                          size_t *done)
{
    struct vnode *vnode = file->location.vnode;
    uint64_t size = atomic_load_explicit(&vnode->size, memory_order_acquire);
    hx_err error = HX_OK;

    while (transfer->left > 0 && offset < size && error == HX_OK) {
        uint64_t rest = size - offset;
        size_t wanted = transfer->left < rest ? transfer->left : (size_t)rest;
        size_t moved = 0;

        error = read_page(vnode, transfer, offset, piece_of_page(offset, wanted), &moved);
        offset += moved;
        *done += moved;
    }
    note_access(vnode);
    if (watch_is_any() && *done > 0) {
        watch_tell_file(file, WATCH_ACCESS);
    }
    return error == HX_ENXIO ? HX_OK : error; /* cut off meanwhile: the end */
}

static hx_err write_page(struct memory_object *object, struct transfer *transfer, uint64_t offset,
                         size_t size, size_t *done)
{
    uint64_t physical;
    hx_err error = memory_object_page(object, offset >> HAL_PAGE_SHIFT, &physical);

    if (error == HX_OK) {
        char *page = hal_direct_map(physical);

        error = transfer_in(transfer, page + offset % HAL_PAGE_SIZE, size, done);
        shared_frame_put(physical);
    }
    return error;
}

/* What lies behind a limit is not written. Errors: HX_ELIMIT nothing lies before it. */
static hx_err keep_to_limit(struct transfer *transfer, uint64_t offset, uint64_t limit)
{
    if (offset >= limit) {
        return HX_ELIMIT;
    }
    if (transfer->left > limit - offset) {
        transfer->left = (size_t)(limit - offset);
    }
    return HX_OK;
}

hx_err file_bound_write(struct transfer *transfer, uint64_t offset, uint64_t limit)
{
    hx_err error = keep_to_limit(transfer, offset, limit);

    return error == HX_OK && keep_to_limit(transfer, offset, SIZE_MAX_BYTES) != HX_OK ? HX_EFBIG
                                                                                      : error;
}

/* Page by page: the object grows to what was really written.  Errors: also HX_ELIMIT. */
static hx_err write_locked(struct vnode *vnode, struct transfer *transfer, uint64_t offset,
                           uint64_t limit, size_t *done)
{
    uint64_t old_size = atomic_load_explicit(&vnode->size, memory_order_relaxed);
    uint64_t end;
    hx_err error = HX_OK;

    if (transfer->left == 0) {
        return HX_OK;
    }
    error = file_bound_write(transfer, offset, limit);
    if (error != HX_OK) {
        return error;
    }
    end = offset + transfer->left;
    if (end > old_size) {
        memory_object_resize(vnode->contents, end);
    }
    while (transfer->left > 0 && error == HX_OK) {
        size_t moved = 0;

        error = write_page(vnode->contents, transfer, offset, piece_of_page(offset, transfer->left),
                           &moved);
        offset += moved;
        *done += moved;
    }
    if (*done > 0 && offset > old_size) {
        /* release: a reader that sees the size sees the bytes */
        atomic_store_explicit(&vnode->size, offset, memory_order_release);
    }
    if (end > old_size && offset < end) {
        memory_object_resize(vnode->contents,
                             atomic_load_explicit(&vnode->size, memory_order_relaxed));
    }
    return error;
}

static hx_err object_write(struct file *file, struct transfer *transfer, uint64_t offset,
                           size_t *done)
{
    struct vnode *vnode = file->location.vnode;
    uint64_t limit = file_caller_limit();
    hx_err error;

    mutex_lock(&vnode->mutex);
    if ((atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_APPEND) != 0) {
        offset = atomic_load_explicit(&vnode->size, memory_order_relaxed);
    }
    error = write_locked(vnode, transfer, offset, limit, done);
    if (*done > 0) {
        vnode_touch(vnode, VNODE_MODIFIED | VNODE_CHANGED);
    }
    mutex_unlock(&vnode->mutex);
    if (watch_is_any() && *done > 0) {
        watch_tell_file(file, WATCH_MODIFY);
    }
    return error == HX_ELIMIT ? file_too_large_for_caller() : error;
}

static hx_err object_map(struct file *file, struct memory_object **object)
{
    *object = file->location.vnode->contents;
    memory_object_get(*object);
    return HX_OK;
}

static hx_err nothing_to_sync(struct file *file)
{
    (void)file;
    return HX_OK;
}

const struct file_ops file_object_ops = {
    .read = object_read,
    .write = object_write,
    .map = object_map,
    .sync = nothing_to_sync,
    .can_seek = true,
};

/* --- directories, places ---------------------------------------------------------------------- */

static hx_err is_a_directory(struct file *file, struct transfer *transfer, uint64_t offset,
                             size_t *done)
{
    (void)file;
    (void)transfer;
    (void)offset;
    *done = 0;
    return HX_EISDIR;
}

static hx_err sync_directory(struct file *file)
{
    return file_system_sync(file->location.vnode->file_system);
}

const struct file_ops file_directory_ops = {
    .read = is_a_directory,
    .write = is_a_directory,
    .sync = sync_directory,
    .can_seek = true,
};

const struct file_ops file_path_ops = {.can_seek = false};

struct emission {
    directory_emit emit;
    void *argument;
    uint64_t position; /* after the last one that was taken */
    bool goes_on;
};

static bool emit_one(const struct directory_entry *entry, void *argument)
{
    struct emission *emission = argument;

    emission->goes_on = emission->emit(entry, emission->argument);
    if (emission->goes_on) {
        emission->position = entry->position;
    }
    return emission->goes_on;
}

static void emit_dots(struct vnode *directory, struct emission *emission)
{
    struct vnode *parent = NULL;

    if (emission->position == 0) {
        emit_one(&(struct directory_entry){".", 1, directory->number, VNODE_DIRECTORY, 1},
                 emission);
    }
    if (emission->position != 1 || !emission->goes_on) {
        return;
    }
    if (directory->ops->parent == NULL || directory->ops->parent(directory, &parent) != HX_OK) {
        parent = vnode_get(directory);
    }
    emit_one(&(struct directory_entry){"..", 2, parent->number, VNODE_DIRECTORY, 2}, emission);
    vnode_put(parent);
}

static hx_err read_directory_locked(struct vnode *directory, struct emission *emission)
{
    if (atomic_load_explicit(&directory->links, memory_order_relaxed) == 0) {
        return HX_ENOENT; /* it has been removed */
    }
    emit_dots(directory, emission);
    if (!emission->goes_on) {
        return HX_OK;
    }
    return directory->ops->read_directory(directory, emission->position, emit_one, emission);
}

hx_err file_read_directory(struct file *file, directory_emit emit, void *argument)
{
    struct vnode *directory = file->location.vnode;
    struct emission emission = {.emit = emit, .argument = argument, .goes_on = true};
    hx_err error;

    if (directory == NULL || directory->type != VNODE_DIRECTORY ||
        directory->ops->read_directory == NULL) {
        return HX_ENOTDIR;
    }
    mutex_lock(&file->mutex);
    emission.position = file->offset;
    mutex_lock(&directory->mutex);
    error = read_directory_locked(directory, &emission);
    mutex_unlock(&directory->mutex);
    file->offset = emission.position;
    mutex_unlock(&file->mutex);
    if (watch_is_any()) {
        watch_tell_file(file, WATCH_ACCESS);
    }
    return error;
}

/* --- the rest --------------------------------------------------------------------------------- */

hx_err file_vnode_resize(struct vnode *vnode, uint64_t size)
{
    hx_err error;

    if (vnode->ops->resize == NULL) {
        return HX_EINVAL;
    }
    if (size > file_caller_limit() &&
        size > atomic_load_explicit(&vnode->size, memory_order_relaxed)) {
        return file_too_large_for_caller();
    }
    if (size > SIZE_MAX_BYTES) {
        return HX_EFBIG;
    }
    mutex_lock(&vnode->mutex);
    error = vnode->ops->resize(vnode, size);
    if (error == HX_OK) {
        vnode_touch(vnode, VNODE_MODIFIED | VNODE_CHANGED);
    }
    mutex_unlock(&vnode->mutex);
    if (watch_is_any() && error == HX_OK) {
        watch_tell(vnode, WATCH_MODIFY);
    }
    return error;
}

hx_err file_truncate(const struct location *location, uint64_t size, const struct credentials *who)
{
    struct vnode *vnode = location->vnode;
    hx_err error;

    if (vnode->type != VNODE_FILE) {
        return vnode->type == VNODE_DIRECTORY ? HX_EISDIR : HX_EINVAL;
    }
    error = vnode_may(vnode, who, ACCESS_WRITE);
    if (error == HX_OK && location_is_read_only(location)) {
        error = HX_EROFS;
    }
    if (error == HX_OK) {
        error = vnode_begin_writing(vnode);
    }
    if (error == HX_OK) {
        error = file_vnode_resize(vnode, size);
        vnode_end_writing(vnode);
    }
    return error;
}

hx_err file_resize(struct file *file, uint64_t size)
{
    if (!file_can_write(file) || file->location.vnode == NULL ||
        file->location.vnode->type != VNODE_FILE) {
        return HX_EINVAL;
    }
    return file_vnode_resize(file->location.vnode, size);
}

hx_err file_control(struct file *file, uint32_t request, uintptr_t argument, int64_t *result)
{
    *result = 0;
    return file->ops->control != NULL ? file->ops->control(file, request, argument, result)
                                      : HX_ENOTTY;
}

unsigned file_poll(struct file *file, struct poll_table *table)
{
    return file->ops->poll != NULL ? file->ops->poll(file, table)
                                   : (unsigned)POLL_IN | (unsigned)POLL_OUT;
}
