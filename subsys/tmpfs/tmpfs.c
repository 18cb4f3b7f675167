/* Mounting tmpfs and devtmpfs. */
#include <base/string.h>
#include <hal/memory.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <subsys/tmpfs/tmpfs.h>
#include <subsys/tmpfs/tmpfs_private.h>
#include <subsys/vfs/device.h>

/* --- options ---------------------------------------------------------------------------------- */

static uint64_t all_pages(void)
{
    struct frame_statistics statistics;

    frames_statistics(&statistics);
    return statistics.total;
}

/* BYTES with k, m, g, or a percentage of memory; answers pages. */
static hx_err parse_size(const char *text, size_t length, uint64_t *pages)
{
    static const char units[] = "kmg";
    const char *unit;
    uint64_t value;
    unsigned shift = 0;

    if (length == 0) {
        return HX_EINVAL;
    }
    if (text[length - 1] == '%') {
        hx_err error = string_to_u64(text, length - 1, &value);

        *pages = value * all_pages() / 100;
        return error == HX_OK && value <= 100 ? HX_OK : HX_EINVAL;
    }
    unit = string_find(units, (char)(text[length - 1] | 0x20));
    if (unit != NULL && *unit != '\0') {
        shift = 10 * (unsigned)(unit - units + 1);
        length--;
    }
    if (string_to_u64(text, length, &value) != HX_OK || value > UINT64_MAX >> 30) {
        return HX_EINVAL;
    }
    *pages = ((value << shift) + HAL_PAGE_SIZE - 1) >> HAL_PAGE_SHIFT;
    return HX_OK;
}

static size_t option_length(const char *option)
{
    const char *comma = string_find(option, ',');

    return comma != NULL ? (size_t)(comma - option) : string_length(option);
}

/* mode=OCTAL */
static hx_err parse_mode(const char *text, size_t length, uint32_t *mode)
{
    uint32_t value = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '7') {
            return HX_EINVAL;
        }
        value = value << 3 | (uint32_t)(text[i] - '0');
    }
    *mode = value & MODE_MASK;
    return length > 0 && length <= 5 ? HX_OK : HX_EINVAL;
}

/* Options that Linux has and that change nothing here. */
static bool is_without_effect(const char *option)
{
    return string_has_prefix(option, "nr_inodes=") || string_has_prefix(option, "nr_blocks=") ||
           string_has_prefix(option, "uid=") || string_has_prefix(option, "gid=") ||
           string_has_prefix(option, "rw") || string_has_prefix(option, "relatime");
}

static hx_err parse_options(const char *data, uint64_t *pages, uint32_t *mode)
{
    hx_err error = HX_OK;

    while (*data != '\0' && error == HX_OK) {
        size_t length = option_length(data);

        if (string_has_prefix(data, "size=")) {
            error = parse_size(data + 5, length - 5, pages);
        } else if (string_has_prefix(data, "mode=")) {
            error = parse_mode(data + 5, length - 5, mode);
        } else if (length > 0 && !is_without_effect(data)) {
            error = HX_EINVAL;
        }
        data += length;
        data += *data == ',' ? 1 : 0;
    }
    return error;
}

/* --- the file system -------------------------------------------------------------------------- */

static void numbers(struct file_system *file_system, struct file_system_numbers *result)
{
    struct tmpfs *tmpfs = HX_CONTAINER_OF(file_system, struct tmpfs, file_system);
    uint64_t pages = atomic_load_explicit(&tmpfs->pages, memory_order_relaxed);

    *result = (struct file_system_numbers){
        .magic = TMPFS_MAGIC,
        .block_size = HAL_PAGE_SIZE,
        .blocks = tmpfs->page_limit,
        .blocks_free = tmpfs->page_limit - pages,
        .files = tmpfs->node_limit,
        .files_free = tmpfs->node_limit - atomic_load_explicit(&tmpfs->nodes, memory_order_relaxed),
        .name_max = VNODE_NAME_MAX,
    };
}

static void release(struct file_system *file_system)
{
    heap_free(HX_CONTAINER_OF(file_system, struct tmpfs, file_system));
}

static const struct file_system_ops file_system_ops = {.numbers = numbers, .release = release};

static hx_err make_root(struct tmpfs *tmpfs, uint32_t mode)
{
    const struct vnode_making making = {.type = VNODE_DIRECTORY, .mode = mode};
    hx_err error = tmpfs_node_create(tmpfs, &making, &tmpfs->file_system.root);

    if (error == HX_OK) {
        tmpfs_node_of(tmpfs->file_system.root)->directory.parent = tmpfs->file_system.root;
    }
    return error;
}

static hx_err mount_tmpfs(const char *source, const char *data, struct file_system **file_system)
{
    uint64_t pages = all_pages() / 2;
    uint32_t mode = 01777;
    hx_err error = parse_options(data, &pages, &mode);
    struct tmpfs *tmpfs;

    (void)source;
    if (error != HX_OK) {
        return error;
    }
    tmpfs = heap_allocate_zeroed(sizeof(*tmpfs), OWNER_CORE);
    if (tmpfs == NULL) {
        return HX_ENOMEM;
    }
    tmpfs->file_system.ops = &file_system_ops;
    tmpfs->file_system.device = file_system_device();
    mutex_init(&tmpfs->file_system.rename_mutex, "tmpfs rename");
    tmpfs->page_limit = pages;
    tmpfs->node_limit = all_pages() / 2;
    error = make_root(tmpfs, mode);
    if (error != HX_OK) {
        heap_free(tmpfs);
        return error;
    }
    *file_system = &tmpfs->file_system;
    return HX_OK;
}

/* --- devtmpfs --------------------------------------------------------------------------------- */

static hx_err add_device(struct vnode *root, const struct device *device)
{
    const struct vnode_making making = {.type = device->is_block ? VNODE_BLOCK : VNODE_CHARACTER,
                                        .mode = device->mode,
                                        .device = device->number};
    struct vnode *made;
    hx_err error;

    mutex_lock(&root->mutex);
    error = root->ops->make(root, device->name, string_length(device->name), &making, &made);
    mutex_unlock(&root->mutex);
    if (error == HX_OK) {
        vnode_put(made);
    }
    return error;
}

static hx_err add_devices(struct vnode *root)
{
    const struct device *device = NULL;
    hx_err error = HX_OK;

    while (error == HX_OK && (device = device_next(device)) != NULL) {
        if (device->name != NULL) {
            error = add_device(root, device);
        }
    }
    return error;
}

static hx_err mount_devtmpfs(const char *source, const char *data, struct file_system **file_system)
{
    hx_err error = mount_tmpfs(source, data, file_system);

    if (error != HX_OK) {
        return error;
    }
    (*file_system)->root->mode = 0755;
    error = add_devices((*file_system)->root);
    if (error != HX_OK) {
        struct vnode *root = (*file_system)->root;

        vnode_put(root);
        release(*file_system);
    }
    return error;
}

void tmpfs_init(void)
{
    static struct file_system_type tmpfs = {.name = "tmpfs", .mount = mount_tmpfs};
    static struct file_system_type ramfs = {.name = "ramfs", .mount = mount_tmpfs};
    static struct file_system_type devtmpfs = {.name = "devtmpfs", .mount = mount_devtmpfs};

    file_system_type_register(&tmpfs);
    file_system_type_register(&ramfs);
    file_system_type_register(&devtmpfs);
}
