/* Memory as a subsystem. */
#include <core/component/component.h>
#include <core/config/boot_configuration.h>
#include <core/debug/log.h>
#include <core/ipc/event_bus.h>
#include <hal/memory.h>
#include <kern/area.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <stdatomic.h>
#include <subsys/memory/memory.h>

#define PORT_RANGE_MAX 4

static size_t usable_ranges(const struct boot_configuration *config, struct frame_range *usable)
{
    size_t count = 0;

    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (region->kind == MEMORY_USABLE) {
            usable[count++] = (struct frame_range){region->base, region->size};
        }
    }
    return count;
}

static size_t reserved_ranges(const struct boot_configuration *config, struct frame_range *reserved)
{
    struct hal_physical_range ports[PORT_RANGE_MAX];
    size_t count = hal_memory_reserved(ports, PORT_RANGE_MAX);

    for (size_t i = 0; i < count; i++) {
        reserved[i] = (struct frame_range){ports[i].base, ports[i].size};
    }
    for (size_t i = 0; i < config->module_count; i++) {
        /* Whole frames: the allocator must not get the rest of a module's last one. */
        uint64_t first = config->modules[i].physical & ~(HAL_PAGE_SIZE - 1);
        uint64_t end = config->modules[i].physical + config->modules[i].size;

        reserved[count++] =
            (struct frame_range){first, ((end + HAL_PAGE_SIZE - 1) & ~(HAL_PAGE_SIZE - 1)) - first};
    }
    return count;
}

hx_err memory_init_early(const struct boot_configuration *config)
{
    static struct frame_range usable[BOOT_MEMORY_MAX];
    static struct frame_range reserved[PORT_RANGE_MAX + BOOT_MODULE_MAX];
    size_t usable_count = usable_ranges(config, usable);
    size_t reserved_count = reserved_ranges(config, reserved);
    hx_err error = frames_init(usable, usable_count, reserved, reserved_count);

    if (error == HX_OK) {
        error = heap_init();
    }
    if (error == HX_OK) {
        error = area_init();
    }
    return error;
}

void memory_report(void)
{
    struct frame_statistics frames;
    struct heap_statistics heap;
    struct area_statistics areas;

    frames_statistics(&frames);
    heap_statistics(&heap);
    area_statistics(&areas);
    kprintln(
        "memory: %llu KiB managed, %llu KiB free; heap %llu objects in %llu KiB; %llu areas of "
        "%llu KiB",
        (unsigned long long)frames.total * 4, (unsigned long long)frames.free * 4,
        (unsigned long long)heap.objects, (unsigned long long)heap.frames * 4,
        (unsigned long long)areas.areas, (unsigned long long)areas.pages * 4);
}

static void report_map(const struct boot_configuration *config)
{
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        kinfo("memory: %016llx-%016llx %s", (unsigned long long)region->base,
              (unsigned long long)(region->base + region->size - 1),
              memory_kind_name(region->kind));
    }
    for (size_t i = 0; i < config->module_count; i++) {
        kinfo("boot module: %s, %llu bytes", config->modules[i].name,
              (unsigned long long)config->modules[i].size);
    }
}

/* With less than this share of the memory free, who needs a little more may get none. */
#define LOW_SHARE 128

/* --- pressure --------------------------------------------------------------------------------- */

static const uint32_t share_of_level[] = {0, 16, 64, LOW_SHARE};

static _Atomic uint32_t pressure;

/* So that a few frames more or less are no change, a level ends later than it began. */
static uint32_t level_for(const struct frame_statistics *frames, uint32_t before)
{
    uint32_t level = 0;

    for (uint32_t i = 1; i < HX_ARRAY_SIZE(share_of_level); i++) {
        uint64_t share = frames->total / share_of_level[i];

        level = frames->free < (i <= before ? share + share / 4 : share) ? i : level;
    }
    return level;
}

uint32_t memory_look_for_pressure(void)
{
    struct frame_statistics frames;
    uint32_t before = atomic_load_explicit(&pressure, memory_order_relaxed);
    uint32_t level;

    frames_statistics(&frames);
    level = level_for(&frames, before);
    /* Of two who look at once, one says it. */
    if (level != before &&
        atomic_compare_exchange_strong_explicit(&pressure, &before, level, memory_order_relaxed,
                                                memory_order_relaxed)) {
        (void)event_publish(&(struct kernel_event){.kind = EVENT_MEMORY_PRESSURE,
                                                   .topic = EVENT_TOPIC_MEMORY_PRESSURE,
                                                   .memory_pressure = {level}});
    }
    return level;
}

static bool is_healthy(void)
{
    struct frame_statistics frames;

    frames_statistics(&frames);
    return frames.free > frames.total / LOW_SHARE;
}

static void stats(struct component_stats *numbers)
{
    struct frame_statistics frames;
    struct heap_statistics heap;

    frames_statistics(&frames);
    heap_statistics(&heap);
    numbers->operations = frames.allocations + heap.allocations;
    numbers->errors = frames.failures + heap.failures + heap.refused_in_interrupt;
    numbers->memory_bytes = frames.metadata_bytes;
    numbers->last_error = numbers->errors > 0 || !is_healthy() ? HX_ENOMEM : HX_OK;
}

static const struct component memory_component = {
    .name = "memory",
    .version = "1.0.0",
    .health_check = is_healthy,
    .stats = stats,
};

static hx_err init(const struct boot_configuration *config)
{
    report_map(config);
    memory_report();
    return component_register(&memory_component);
}

static hx_err shutdown(void)
{
    return component_unregister(&memory_component);
}

const struct subsystem memory_subsystem = {
    .name = "memory",
    .version = "1.0.0",
    .init = init,
    .shutdown = shutdown,
    .is_healthy = is_healthy,
};
