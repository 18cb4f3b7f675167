/* Mounting, and the subsystem. */
#include <core/component/component.h>
#include <core/debug/log.h>
#include <hal/memory.h>
#include <kern/heap.h>
#include <subsys/block/block.h>
#include <subsys/block/block_subsystem.h>
#include <subsys/block/disk_cache.h>
#include <subsys/mounted/mounted.h>
#include <subsys/mounted/mounted_private.h>

#define DISK_NUMBER (254ULL << 32) /* /dev/vda (subsys/block/block_file.c) */

/* --- what is asked of a file system ----------------------------------------------------------- */

static void numbers(struct file_system *file_system, struct file_system_numbers *result)
{
    struct mounted *mounted = HX_CONTAINER_OF(file_system, struct mounted, file_system);
    struct hx_file_system_numbers told;
    struct loan loan;
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = mounted_call(mounted, FILE_SYSTEM_NUMBERS,
                         loan_open_to_fill(&loan, &told, sizeof(told)), 0, 0, 0);
    loan_close(&loan);
    mutex_unlock(&mounted->mutex);
    if (error == HX_OK) {
        *result = (struct file_system_numbers){.magic = told.magic,
                                               .block_size = told.block_size,
                                               .blocks = told.blocks,
                                               .blocks_free = told.blocks_free,
                                               .files = told.files,
                                               .files_free = told.files_free,
                                               .name_max = HX_FILE_NAME_MAX};
    }
}

static hx_err call_plain(struct mounted *mounted, enum file_system_operation operation)
{
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = mounted_call(mounted, operation, 0, 0, 0, 0);
    mutex_unlock(&mounted->mutex);
    return error;
}

/* That all is in order is written behind what makes it so. */
hx_err mounted_sync(struct mounted *mounted)
{
    hx_err error;

    if (mounted->file_system.is_read_only) {
        return HX_OK;
    }
    mounted_forget_again(mounted);
    error = mounted_write_nodes(mounted);
    if (error == HX_OK) {
        error = disk_cache_flush();
    }
    if (error == HX_OK) {
        error = call_plain(mounted, FILE_SYSTEM_SYNC);
    }
    return error == HX_OK ? disk_cache_flush() : error;
}

static hx_err sync(struct file_system *file_system)
{
    return mounted_sync(HX_CONTAINER_OF(file_system, struct mounted, file_system));
}

/* No vnode is left. */
static void release(struct file_system *file_system)
{
    struct mounted *mounted = HX_CONTAINER_OF(file_system, struct mounted, file_system);
    hx_err error = mounted_sync(mounted);
    hx_err last = call_plain(mounted, FILE_SYSTEM_UNMOUNT);

    error = error == HX_OK ? last : error;
    last = disk_cache_close();
    error = error == HX_OK ? last : error;
    if (error != HX_OK) {
        kwarn("mounted: unmounting vda: %s", hx_error_text(error));
    }
    mounted_forget_end(mounted);
    heap_free(mounted);
}

static const struct file_system_ops file_system_ops = {
    .numbers = numbers, .sync = sync, .release = release};

/* --- mounting --------------------------------------------------------------------------------- */

static hx_err begin(struct mounted *mounted)
{
    struct hx_file_system_mounted answer = {0};
    hx_err error;

    mutex_lock(&mounted->mutex);
    error = mounted_call_mount(mounted, &answer);
    if (error == HX_OK) {
        mounted->flags |= answer.flags | HX_FILE_SYSTEM_AGAIN;
        mounted->file_system.is_read_only = (mounted->flags & HX_FILE_SYSTEM_READ_ONLY) != 0;
        error = answer.root.type == HX_FILE_DIRECTORY
                    ? mounted_node_get(mounted, &answer.root, &mounted->file_system.root)
                    : HX_EIO;
    }
    mutex_unlock(&mounted->mutex);
    return error;
}

static struct mounted *make(struct slot *slot, struct block_device *disk)
{
    struct mounted *mounted = heap_allocate_zeroed(sizeof(*mounted), OWNER_CORE);

    if (mounted != NULL) {
        mounted->slot = slot;
        mounted->witness = slot_find("witness");
        mounted->file_system.ops = &file_system_ops;
        mounted->file_system.device = DISK_NUMBER;
        mounted->flags =
            (block_flags(disk) & HX_BLOCK_READ_ONLY) != 0 ? HX_FILE_SYSTEM_READ_ONLY : 0;
        mutex_init(&mounted->file_system.rename_mutex, "mounted rename");
        mutex_init(&mounted->mutex, "mounted");
    }
    return mounted;
}

static hx_err mount_on(struct slot *slot, struct block_device *disk, struct mounted **made)
{
    struct mounted *mounted = make(slot, disk);
    hx_err error;

    if (mounted == NULL) {
        return HX_ENOMEM;
    }
    error = begin(mounted);
    if (error != HX_OK) {
        heap_free(mounted);
        return error;
    }
    *made = mounted;
    return HX_OK;
}

static hx_err mount_disk(const char *source, const char *data, struct file_system **file_system)
{
    struct slot *slot = slot_find("file_system");
    struct block_device *disk = block_disk();
    struct mounted *mounted;
    hx_err error;

    (void)source;
    if (data[0] != '\0') {
        return HX_EINVAL; /* it has no options */
    }
    if (slot == NULL || slot_instance(slot) == NULL || disk == NULL) {
        return HX_ENODEV;
    }
    error = disk_cache_open(disk);
    if (error != HX_OK) {
        return error;
    }
    error = mount_on(slot, disk, &mounted);
    if (error != HX_OK) {
        (void)!disk_cache_close();
        return error;
    }
    *file_system = &mounted->file_system;
    return HX_OK;
}

/* --- the subsystem ---------------------------------------------------------------------------- */

static void stats(struct component_stats *result)
{
    struct disk_cache_statistics cached = disk_cache_statistics();

    result->operations = cached.hits + cached.misses;
    result->errors = cached.aborts;
    result->memory_bytes = cached.pages * HAL_PAGE_SIZE;
}

static const struct component mounted_component = {
    .name = "mounted", .version = "1.0.0", .stats = stats};

static hx_err init(const struct boot_configuration *config)
{
    static struct file_system_type ext2 = {
        .name = "ext2", .needs_device = true, .mount = mount_disk};

    (void)config;
    disk_cache_init();
    file_system_type_register(&ext2);
    return component_register(&mounted_component);
}

/* What is mounted to the end is in order all the same. */
static hx_err shutdown(void)
{
    hx_err error = mount_sync_all();
    hx_err last = component_unregister(&mounted_component);

    return error == HX_OK ? last : error;
}

static const char *const dependencies[] = {"block", "files", NULL};

const struct subsystem mounted_subsystem = {
    .name = "mounted",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
