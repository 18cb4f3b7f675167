/*
 * Memory that a reset leaves as it is: RAM keeps its contents over a warm reset, firmware writes to
 * the first MiB and the end of what is below 4 GiB, and the loader writes the image and modules. So
 * it is the last of the memory that the image must fit in (kernel.lds), at an address that does not
 * change with the image's size: a newer kernel finds it too.
 */
#include <core/config/boot_configuration.h>
#include <hal/memory.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/retained.h>

static struct hal_range retained; /* size 0 until retained_init has found it usable */

static bool is_usable(const struct boot_configuration *config)
{
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (region->kind == MEMORY_USABLE && region->base <= RETAINED_BASE &&
            region->base + region->size >= RETAINED_BASE + RETAINED_SIZE) {
            return true;
        }
    }
    return false;
}

static bool holds_a_module(const struct boot_configuration *config)
{
    for (size_t i = 0; i < config->module_count; i++) {
        const struct boot_module *module = &config->modules[i];

        if (module->physical < RETAINED_BASE + RETAINED_SIZE &&
            module->physical + module->size > RETAINED_BASE) {
            return true;
        }
    }
    return false;
}

void retained_init(const struct boot_configuration *config)
{
    if (is_usable(config) && !holds_a_module(config)) {
        retained = (struct hal_range){(uintptr_t)hal_direct_map(RETAINED_BASE), RETAINED_SIZE};
    }
}

struct hal_range hal_retained_memory(void)
{
    return retained;
}
