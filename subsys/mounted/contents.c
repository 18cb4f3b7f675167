/* Bytes of files: read and written through the module; pages that are mapped follow. */
#include <base/memory.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/mounted/mounted_private.h>
#include <subsys/time/wall_clock.h>
#include <subsys/vfs/watch.h>
#include <subsys/vm/memory_object.h>
#include <subsys/vm/shared_frame.h>

#define BOUNCE_MAX HX_FILE_TRANSFER_MAX
#define WRITE_MIN  1024U /* where there is no room for more, so much is tried */

static uint64_t size_of(const struct vnode *vnode)
{
    /* acquire: who sees the size sees the bytes */
    return atomic_load_explicit(&vnode->size, memory_order_acquire);
}

/* --- calls ------------------------------------------------------------------------------------ */

static hx_err read_locked(struct mounted_node *node, uint64_t offset, void *to, size_t size)
{
    struct loan loan;
    hx_err error = mounted_call(node->mounted, FILE_SYSTEM_READ, node->vnode.number, offset,
                                loan_open_to_fill(&loan, to, size), size);

    loan_close(&loan);
    return error;
}

static hx_err read_bytes(struct mounted_node *node, uint64_t offset, void *to, size_t size)
{
    hx_err error;

    mutex_lock(&node->mounted->mutex);
    error = read_locked(node, offset, to, size);
    mutex_unlock(&node->mounted->mutex);
    return error;
}

static hx_err write_locked(struct mounted_node *node, uint64_t offset, const void *from,
                           size_t size)
{
    struct loan loan;
    hx_err error = mounted_call(node->mounted, FILE_SYSTEM_WRITE, node->vnode.number, offset,
                                loan_open_read_only(&loan, from, size), size);

    loan_close(&loan);
    atomic_store_explicit(&node->is_stale, true, memory_order_relaxed);
    return error;
}

static hx_err write_bytes(struct mounted_node *node, uint64_t offset, const void *from, size_t size)
{
    hx_err error;

    mutex_lock(&node->mounted->mutex);
    error = write_locked(node, offset, from, size);
    mutex_unlock(&node->mounted->mutex);
    return error;
}

/* --- pages of programs ------------------------------------------------------------------------ */

/* Called with the object locked. What lies behind the end is zeros. */
static hx_err fill_page(struct memory_object *object, uint64_t index, void *page)
{
    struct mounted_node *node = memory_object_context(object);
    uint64_t offset = index << HAL_PAGE_SHIFT;
    uint64_t size = size_of(&node->vnode);
    uint64_t rest = offset < size ? size - offset : 0;

    return rest == 0 ? HX_OK
                     : read_bytes(node, offset, page,
                                  rest < HAL_PAGE_SIZE ? (size_t)rest : HAL_PAGE_SIZE);
}

static const struct memory_object_ops contents_ops = {.fill = fill_page};

hx_err mounted_contents_create(struct mounted_node *node)
{
    return memory_object_create(&contents_ops, node, size_of(&node->vnode), OWNER_CORE,
                                &node->vnode.contents);
}

typedef hx_err (*page_writer)(struct mounted_node *node, uint64_t offset, const void *from,
                              size_t size);

static hx_err write_page(struct mounted_node *node, uint64_t index, page_writer writer)
{
    uint64_t offset = index << HAL_PAGE_SHIFT;
    uint64_t size = size_of(&node->vnode);
    uint64_t rest = offset < size ? size - offset : 0;
    uint64_t physical;
    hx_err error;

    if (rest == 0 || memory_object_present_page(node->vnode.contents, index, &physical) != HX_OK) {
        return HX_OK;
    }
    error = writer(node, offset, hal_direct_map(physical),
                   rest < HAL_PAGE_SIZE ? (size_t)rest : HAL_PAGE_SIZE);
    shared_frame_put(physical);
    return error;
}

static hx_err write_pages(struct mounted_node *node, page_writer writer)
{
    hx_err error = HX_OK;

    if (!atomic_load_explicit(&node->is_writable, memory_order_relaxed)) {
        return HX_OK;
    }
    for (uint64_t index = 0; memory_object_next_page(node->vnode.contents, &index); index++) {
        hx_err one = write_page(node, index, writer);

        error = error == HX_OK ? one : error;
    }
    return error;
}

hx_err mounted_contents_write(struct mounted_node *node)
{
    return write_pages(node, write_bytes);
}

hx_err mounted_contents_write_last(struct mounted_node *node)
{
    return write_pages(node, write_locked);
}

/* Bytes that were written, where a page holds the ones before. */
static void update_pages(struct vnode *vnode, uint64_t offset, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t at = (size_t)(offset % HAL_PAGE_SIZE);
        size_t length = size < HAL_PAGE_SIZE - at ? size : HAL_PAGE_SIZE - at;
        uint64_t physical;

        if (memory_object_present_page(vnode->contents, offset >> HAL_PAGE_SHIFT, &physical) ==
            HX_OK) {
            memcpy((char *)hal_direct_map(physical) + at, bytes, length);
            shared_frame_put(physical);
        }
        offset += length;
        bytes += length;
        size -= length;
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* Where a program has mapped the file, its page is what counts; *length is cut to it. */
static bool read_present(struct vnode *vnode, uint64_t offset, char *to, size_t *length)
{
    size_t at = (size_t)(offset % HAL_PAGE_SIZE);
    size_t rest = HAL_PAGE_SIZE - at;
    uint64_t physical;

    if (memory_object_resident_pages(vnode->contents) == 0) {
        return false;
    }
    *length = *length < rest ? *length : rest;
    if (memory_object_present_page(vnode->contents, offset >> HAL_PAGE_SHIFT, &physical) != HX_OK) {
        return false;
    }
    memcpy(to, (char *)hal_direct_map(physical) + at, *length);
    shared_frame_put(physical);
    return true;
}

static hx_err read_piece(struct vnode *vnode, struct transfer *transfer, uint64_t offset,
                         char *bounce, size_t *done)
{
    uint64_t rest = size_of(vnode) - offset;
    size_t length = transfer->left < rest ? transfer->left : (size_t)rest;
    hx_err error = HX_OK;

    length = length < BOUNCE_MAX ? length : BOUNCE_MAX;
    if (!read_present(vnode, offset, bounce, &length)) {
        error = read_bytes(mounted_node_of(vnode), offset, bounce, length);
    }
    return error == HX_OK ? transfer_out(transfer, bounce, length, done) : error;
}

static size_t bounce_size(const struct transfer *transfer)
{
    return transfer->left < BOUNCE_MAX ? transfer->left : BOUNCE_MAX;
}

static hx_err read_file(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct vnode *vnode = file->location.vnode;
    char *bounce;
    hx_err error = HX_OK;

    if (transfer->left == 0 || offset >= size_of(vnode)) {
        return HX_OK;
    }
    bounce = heap_allocate(bounce_size(transfer), OWNER_CORE);
    if (bounce == NULL) {
        return HX_ENOMEM;
    }
    while (transfer->left > 0 && offset < size_of(vnode) && error == HX_OK) {
        size_t moved = 0;

        error = read_piece(vnode, transfer, offset, bounce, &moved);
        offset += moved;
        *done += moved;
    }
    heap_free(bounce);
    if (watch_is_any() && *done > 0) {
        watch_tell_file(file, WATCH_ACCESS);
    }
    return error;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void note_written(struct vnode *vnode, uint64_t offset, const char *bytes, size_t size)
{
    uint64_t end = offset + size;

    update_pages(vnode, offset, bytes, size);
    if (end > size_of(vnode)) {
        memory_object_resize(vnode->contents, end);
        /* release: pairs with size_of */
        atomic_store_explicit(&vnode->size, end, memory_order_release);
    }
}

/* As much as there is room for: *done says how much that is. */
static hx_err write_bounce(struct vnode *vnode, uint64_t offset, const char *bytes, size_t size,
                           size_t *done)
{
    size_t length = size;
    hx_err error = HX_OK;

    while (*done < size && error == HX_OK) {
        length = length < size - *done ? length : size - *done;
        error = write_bytes(mounted_node_of(vnode), offset + *done, bytes + *done, length);
        if (error == HX_OK) {
            note_written(vnode, offset + *done, bytes + *done, length);
            *done += length;
        } else if (error == HX_ENOSPC && length > WRITE_MIN) {
            length /= 2;
            error = HX_OK;
        }
    }
    return error;
}

/* The vnode is locked. Pieces end where pages do. */
static hx_err write_all(struct vnode *vnode, struct transfer *transfer, uint64_t offset,
                        char *bounce, size_t *done)
{
    hx_err error = HX_OK;

    while (transfer->left > 0 && error == HX_OK) {
        size_t room = BOUNCE_MAX - (size_t)(offset % HAL_PAGE_SIZE);
        size_t length = transfer->left < room ? transfer->left : room;
        size_t moved = 0;
        size_t written = 0;

        error = transfer_in(transfer, bounce, length, &moved);
        if (moved > 0) {
            hx_err failed = write_bounce(vnode, offset, bounce, moved, &written);

            error = failed != HX_OK ? failed : error;
        }
        offset += written;
        *done += written;
    }
    return error;
}

static hx_err write_vnode_locked(struct vnode *vnode, struct transfer *transfer, uint64_t offset,
                                 uint64_t limit, size_t *done)
{
    hx_err error = transfer->left > 0 ? file_bound_write(transfer, offset, limit) : HX_OK;
    char *bounce;

    if (error != HX_OK || transfer->left == 0) {
        return error;
    }
    bounce = heap_allocate(bounce_size(transfer), OWNER_CORE);
    if (bounce == NULL) {
        return HX_ENOMEM;
    }
    error = write_all(vnode, transfer, offset, bounce, done);
    heap_free(bounce);
    if (*done > 0) {
        vnode_touch(vnode, VNODE_MODIFIED | VNODE_CHANGED);
        (void)mounted_attributes_changed(vnode);
    }
    return error;
}

static hx_err write_file(struct file *file, struct transfer *transfer, uint64_t offset,
                         size_t *done)
{
    struct vnode *vnode = file->location.vnode;
    uint64_t limit = file_caller_limit();
    hx_err error;

    mutex_lock(&vnode->mutex);
    if ((atomic_load_explicit(&file->flags, memory_order_relaxed) & FILE_APPEND) != 0) {
        offset = size_of(vnode);
    }
    error = write_vnode_locked(vnode, transfer, offset, limit, done);
    mutex_unlock(&vnode->mutex);
    if (watch_is_any() && *done > 0) {
        watch_tell_file(file, WATCH_MODIFY);
    }
    return error == HX_ELIMIT ? file_too_large_for_caller() : error;
}

/* --- the rest --------------------------------------------------------------------------------- */

static hx_err call_resize(struct vnode *vnode, uint64_t size)
{
    struct mounted *mounted = mounted_of(vnode);
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = mounted_call_on(mounted, FILE_SYSTEM_RESIZE, vnode->number, size);
    mutex_unlock(&mounted->mutex);
    return error;
}

static hx_err resize(struct vnode *vnode, uint64_t size)
{
    struct mounted_node *node = mounted_node_of(vnode);
    hx_err error = call_resize(vnode, size);

    atomic_store_explicit(&node->is_stale, true, memory_order_relaxed);
    if (error == HX_OK) {
        memory_object_resize(vnode->contents, size);
        atomic_store_explicit(&vnode->size, size, memory_order_release);
        (void)mounted_attributes_changed(vnode);
    }
    return error;
}

/* A file that can be written can be mapped so that it is. */
static hx_err map(struct file *file, struct memory_object **object)
{
    struct vnode *vnode = file->location.vnode;

    if (file_can_write(file)) {
        atomic_store_explicit(&mounted_node_of(vnode)->is_writable, true, memory_order_relaxed);
    }
    *object = vnode->contents;
    memory_object_get(*object);
    return HX_OK;
}

static hx_err sync_file(struct file *file)
{
    return mounted_sync(mounted_of(file->location.vnode));
}

static const struct file_ops mounted_file_operations = {
    .read = read_file,
    .write = write_file,
    .map = map,
    .sync = sync_file,
    .can_seek = true,
};

static hx_err open(struct vnode *vnode, struct file *file)
{
    (void)vnode;
    file->ops = &mounted_file_operations;
    return HX_OK;
}

const struct vnode_ops mounted_file_ops = {
    .open = open,
    .resize = resize,
    .attributes_changed = mounted_attributes_changed,
    .refresh = mounted_refresh,
    .sectors = mounted_sectors,
    .release = mounted_release,
};
