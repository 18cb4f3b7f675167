#include <core/component/component.h>
#include <core/debug/log.h>
#include <core/device/device.h>
#include <core/gate/slot.h>
#include <subsys/block/block.h>
#include <subsys/block/block_file.h>
#include <subsys/block/block_subsystem.h>

static struct block_device *disk; /* written by init only */

struct block_device *block_disk(void)
{
    return disk;
}

static void stats(struct component_stats *numbers)
{
    struct block_statistics statistics = {0};

    if (disk != NULL) {
        block_statistics(disk, &statistics);
    }
    numbers->operations = statistics.reads + statistics.writes + statistics.flushes;
    numbers->errors = statistics.errors;
    numbers->last_error = statistics.errors > 0 ? HX_EIO : HX_OK;
}

static const struct component block_component = {
    .name = "block", .version = "1.0.0", .stats = stats};

/* Devices belong to slots.  Context: irq. */
static void end_driver(const void *owner)
{
    struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        if (slot == owner) {
            slot_end(slot, DEATH_STORM);
        }
    }
}

/* A machine without a disk is a good machine. */
static hx_err find_disk(void)
{
    struct slot *slot = slot_find("block");
    hx_err error = slot != NULL ? block_device_create(slot, &disk) : HX_ENOENT;

    if (error != HX_OK) {
        disk = NULL;
        if (error != HX_ENOENT) {
            kwarn("block: there is no disk: %s", hx_error_text(error));
        }
        return HX_OK;
    }
    kinfo("block: vda has %llu sectors%s", (unsigned long long)block_sectors(disk),
          (block_flags(disk) & HX_BLOCK_READ_ONLY) != 0 ? ", read only" : "");
    return block_file_register(disk);
}

static hx_err init(const struct boot_configuration *config)
{
    hx_err error;

    (void)config;
    device_init();
    device_on_storm(end_driver);
    error = disk == NULL ? find_disk() : HX_OK;
    return error == HX_OK ? component_register(&block_component) : error;
}

/* Nothing is cached here but by the disk. */
static hx_err shutdown(void)
{
    if (disk != NULL && block_flush(disk) != HX_OK) {
        kwarn("block: the disk was not flushed");
    }
    return component_unregister(&block_component);
}

static hx_err suspend(void)
{
    return disk != NULL ? block_suspend(disk) : HX_OK;
}

static hx_err resume(void)
{
    if (disk != NULL) {
        block_resume(disk);
    }
    return HX_OK;
}

static const char *const dependencies[] = {"modules", NULL};

const struct subsystem block_subsystem = {
    .name = "block",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
    .suspend = suspend,
    .resume = resume,
};
