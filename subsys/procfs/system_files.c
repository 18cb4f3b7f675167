/* Files about the system as a whole. */
#include <base/string.h>
#include <core/config/kernel_configuration.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <subsys/process/id_table.h>
#include <subsys/process/load_average.h>
#include <subsys/process/system_name.h>
#include <subsys/procfs/procfs_private.h>
#include <subsys/vfs/device.h>

/* --- names ------------------------------------------------------------------------------------ */

hx_err procfs_show_version(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, SYSTEM_TYPE " version " SYSTEM_RELEASE " (helix) (" __VERSION__
                               ") " SYSTEM_VERSION "\n");
    return HX_OK;
}

hx_err procfs_show_command_line(const struct pseudo_node *node, struct text *text)
{
    const struct boot_configuration *configuration = kernel_boot_configuration();

    (void)node;
    text_add(text, "%s\n", configuration != NULL ? configuration->command_line : "");
    return HX_OK;
}

hx_err procfs_show_nothing(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    (void)text;
    return HX_OK;
}

hx_err procfs_show_swaps(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    return HX_OK;
}

/* --- time ------------------------------------------------------------------------------------- */

static void add_seconds(struct text *text, uint64_t nanoseconds, const char *end)
{
    text_add(text, "%llu.%02llu%s", (unsigned long long)(nanoseconds / HAL_NS_PER_S),
             (unsigned long long)(nanoseconds % HAL_NS_PER_S / (HAL_NS_PER_S / 100)), end);
}

hx_err procfs_show_uptime(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    add_seconds(text, hal_clock_now(), " ");
    add_seconds(text, procfs_idle_ns(), "\n");
    return HX_OK;
}

/* --- load ------------------------------------------------------------------------------------- */

static bool count_threads(struct process *process, void *argument)
{
    *(uint32_t *)argument += atomic_load_explicit(&process->thread_count, memory_order_relaxed);
    return true;
}

static uint32_t last_id(void)
{
    uint32_t id;

    mutex_lock(&process_mutex);
    id = id_last();
    mutex_unlock(&process_mutex);
    return id;
}

hx_err procfs_show_load(const struct pseudo_node *node, struct text *text)
{
    uint32_t averages[LOAD_AVERAGES];
    uint32_t threads = 0;

    (void)node;
    load_average_get(averages);
    for (unsigned i = 0; i < LOAD_AVERAGES; i++) {
        uint64_t hundredths =
            ((uint64_t)averages[i] * 100 + (1U << (LOAD_SHIFT - 1))) >> LOAD_SHIFT;

        text_add(text, "%u.%02u ", (unsigned)(hundredths / 100), (unsigned)(hundredths % 100));
    }
    process_for_each(count_threads, &threads);
    text_add(text, "%u/%u %u\n", (unsigned)load_running_threads(), (unsigned)threads,
             (unsigned)last_id());
    return HX_OK;
}

/* --- memory ----------------------------------------------------------------------------------- */

/* Pages of files in memory: each file system once, however often it is mounted. */
struct cached_pages {
    uint64_t bytes;
};

static bool add_cached(const struct mount *mount, void *argument)
{
    struct cached_pages *cached = argument;
    struct file_system *file_system = mount->file_system;
    struct file_system_numbers numbers = {0};

    /* Bind mounts show what another one has. */
    if (mount->root == file_system->root && file_system->ops->numbers != NULL &&
        !file_system->type->needs_device) {
        file_system->ops->numbers(file_system, &numbers);
        cached->bytes += (numbers.blocks - numbers.blocks_free) * numbers.block_size;
    }
    return true;
}

static void add_size(struct text *text, const char *name, uint64_t bytes)
{
    text_add(text, "%-16s%8llu kB\n", name, (unsigned long long)(bytes >> 10));
}

hx_err procfs_show_system_memory(const struct pseudo_node *node, struct text *text)
{
    struct frame_statistics frames;
    struct heap_statistics heap;
    struct cached_pages cached = {0};

    (void)node;
    frames_statistics(&frames);
    heap_statistics(&heap);
    mount_for_each(add_cached, &cached);
    add_size(text, "MemTotal:", frames.total << HAL_PAGE_SHIFT);
    add_size(text, "MemFree:", frames.free << HAL_PAGE_SHIFT);
    add_size(text, "MemAvailable:", frames.free << HAL_PAGE_SHIFT);
    add_size(text, "Buffers:", 0);
    add_size(text, "Cached:", cached.bytes);
    add_size(text, "SwapCached:", 0);
    add_size(text, "SwapTotal:", 0);
    add_size(text, "SwapFree:", 0);
    add_size(text, "Shmem:", cached.bytes);
    add_size(text, "Slab:", heap.frames << HAL_PAGE_SHIFT);
    add_size(text, "SReclaimable:", 0);
    add_size(text, "SUnreclaim:", heap.frames << HAL_PAGE_SHIFT);
    add_size(text, "KernelStack:", (uint64_t)thread_count() * THREAD_STACK_SIZE);
    return HX_OK;
}

/* --- what there is ---------------------------------------------------------------------------- */

hx_err procfs_show_file_systems(const struct pseudo_node *node, struct text *text)
{
    const struct file_system_type *type = NULL;

    (void)node;
    while ((type = file_system_type_next(type)) != NULL) {
        text_add(text, "%s\t%s\n", type->needs_device ? "" : "nodev", type->name);
    }
    return HX_OK;
}

static bool is_first_of_major(const struct device *device)
{
    const struct device *other = device_next(NULL);

    while (other != device && other->number >> 32 != device->number >> 32) {
        other = device_next(other);
    }
    return other == device;
}

/* A driver's name is that of its first device. */
hx_err procfs_show_devices(const struct pseudo_node *node, struct text *text)
{
    const struct device *device = NULL;

    (void)node;
    text_add(text, "Character devices:\n");
    while ((device = device_next(device)) != NULL) {
        if (is_first_of_major(device)) {
            text_add(text, "%3u %s\n", (unsigned)(device->number >> 32),
                     device->name != NULL ? device->name : "unnamed");
        }
    }
    text_add(text, "\nBlock devices:\n");
    return HX_OK;
}
