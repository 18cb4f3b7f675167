/* lseek(2). */
#include <hal/memory.h>
#include <subsys/vfs/file.h>
#include <subsys/vm/memory_object.h>

static uint64_t page_after(uint64_t offset)
{
    return (offset | (HAL_PAGE_SIZE - 1)) + 1;
}

/* The first offset from here on with data; size: there is none. */
static uint64_t find_data(struct vnode *vnode, uint64_t offset, uint64_t size)
{
    uint64_t page = offset >> HAL_PAGE_SHIFT;
    uint64_t there;

    if (vnode->ops->backing != NULL && vnode->ops->backing(vnode, offset, &there) != NULL) {
        return offset;
    }
    if (!memory_object_next_page(vnode->contents, &page)) {
        return size;
    }
    return page << HAL_PAGE_SHIFT > offset ? page << HAL_PAGE_SHIFT : offset;
}

/* The first without: pages that are there are limited by memory, so they can be counted through. */
static uint64_t find_hole(struct vnode *vnode, uint64_t offset, uint64_t size)
{
    uint64_t there;

    while (offset < size) {
        uint64_t page = offset >> HAL_PAGE_SHIFT;
        bool has_page =
            memory_object_next_page(vnode->contents, &page) && page == offset >> HAL_PAGE_SHIFT;

        if (!has_page &&
            (vnode->ops->backing == NULL || vnode->ops->backing(vnode, offset, &there) == NULL)) {
            break;
        }
        offset = page_after(offset);
    }
    return offset;
}

/* The next place from offset on with data, or without: the end of a file is a hole. */
static hx_err find_kind(struct vnode *vnode, uint64_t offset, bool wants_data, uint64_t *position)
{
    uint64_t size = atomic_load_explicit(&vnode->size, memory_order_acquire);

    if (offset >= size) {
        return HX_ENXIO;
    }
    /* Where the bytes lie is not known here: all are data. */
    if (vnode->contents == NULL || vnode->ops->sectors != NULL) {
        *position = wants_data ? offset : size;
        return HX_OK;
    }
    *position = wants_data ? find_data(vnode, offset, size) : find_hole(vnode, offset, size);
    if (*position >= size) {
        *position = size;
        return wants_data ? HX_ENXIO : HX_OK;
    }
    return HX_OK;
}

static hx_err find_position(const struct file *file, int64_t offset, unsigned origin,
                            uint64_t *position)
{
    struct vnode *vnode = file->location.vnode;
    uint64_t base = 0;

    if (origin == SEEK_FROM_HERE) {
        base = file->offset;
    } else if (origin == SEEK_FROM_END) {
        base = file->ops->size != NULL ? file->ops->size(file)
                                       : atomic_load_explicit(&vnode->size, memory_order_acquire);
    } else if (origin == SEEK_DATA || origin == SEEK_HOLE) {
        return offset < 0 ? HX_ENXIO
                          : find_kind(vnode, (uint64_t)offset, origin == SEEK_DATA, position);
    } else if (origin != SEEK_FROM_START) {
        return HX_EINVAL;
    }
    if (offset > 0 && (uint64_t)offset > INT64_MAX - base) {
        return HX_EINVAL;
    }
    *position = base + (uint64_t)offset;
    return *position <= INT64_MAX ? HX_OK : HX_EINVAL;
}

hx_err file_seek(struct file *file, int64_t offset, unsigned origin, uint64_t *position)
{
    hx_err error;

    if (!file->ops->can_seek) {
        return HX_ESPIPE;
    }
    if (file->ops->ignores_position || file->location.vnode == NULL) {
        *position = 0;
        return HX_OK;
    }
    mutex_lock(&file->mutex);
    error = find_position(file, offset, origin, position);
    if (error == HX_OK) {
        file->offset = *position;
    }
    mutex_unlock(&file->mutex);
    return error;
}
