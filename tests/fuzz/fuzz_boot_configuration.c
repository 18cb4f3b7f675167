/* Any sequence of loader entries: the map comes out sorted, disjoint, and never more usable. */
#include <core/config/boot_configuration.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define ENTRY_SIZE 18U /* what it is, how it is scaled, two numbers */

static struct boot_configuration config;

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

struct entry {
    uint8_t what;
    uint64_t base;
    uint64_t size;
};

/* Small numbers overlap, large ones wrap: the scale gives the fuzzer both. */
static struct entry entry_at(const uint8_t *bytes)
{
    struct entry entry = {.what = bytes[0]};

    memcpy(&entry.base, bytes + 2, sizeof(entry.base));
    memcpy(&entry.size, bytes + 10, sizeof(entry.size));
    entry.base >>= bytes[1] & 63;
    entry.size >>= bytes[1] & 63;
    return entry;
}

static bool is_module(const struct entry *entry)
{
    return entry->what >= 240;
}

static void add(const struct entry *entry, const uint8_t *text, size_t left)
{
    hx_err error;

    if (is_module(entry)) {
        error = boot_configuration_add_module(&config, entry->base, entry->size, NULL,
                                              (const char *)text, left);
        require(error == HX_OK || error == HX_EINVAL || error == HX_ENOSPC);
    } else {
        error = boot_configuration_add_memory(&config, entry->base, entry->size,
                                              (enum memory_kind)(entry->what % 8));
        require(error == HX_OK || error == HX_ENOSPC);
    }
}

static void check_map(void)
{
    for (size_t i = 0; i < config.memory_count; i++) {
        const struct memory_region *region = &config.memory_map[i];

        require(region->size > 0 && region->base + region->size > region->base);
        require((unsigned)region->kind < MEMORY_KIND_COUNT);
        require(i == 0 || region->base >= (region - 1)->base + (region - 1)->size);
    }
}

static bool overlaps_usable(const struct entry *entry)
{
    uint64_t room = UINT64_MAX - entry->base;
    uint64_t end = entry->base + (entry->size < room ? entry->size : room);

    for (size_t i = 0; i < config.memory_count; i++) {
        const struct memory_region *region = &config.memory_map[i];

        if (entry->size > 0 && region->kind == MEMORY_USABLE && region->base < end &&
            entry->base < region->base + region->size) {
            return true;
        }
    }
    return false;
}

static void check_modules(void)
{
    require(config.module_count <= BOOT_MODULE_MAX);
    for (size_t i = 0; i < config.module_count; i++) {
        const struct boot_module *module = &config.modules[i];
        struct entry whole = {.base = module->physical, .size = module->size};

        require(module->name[0] != '\0' && strlen(module->name) < sizeof(module->name));
        require(strlen(module->command_line) < sizeof(config.module_text[0]));
        require(boot_configuration_module(&config, module->name) != NULL);
        require(overlaps_usable(&whole));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    hx_err error;

    boot_configuration_init(&config, "fuzz");
    error = boot_configuration_set_command_line(&config, (const char *)bytes, size);
    require(error == HX_OK || error == HX_ERANGE);
    require(strlen(config.command_line) < sizeof(config.command_line));
    for (size_t i = 0; i + ENTRY_SIZE <= size; i += ENTRY_SIZE) {
        struct entry entry = entry_at(bytes + i);

        add(&entry, bytes + i, size - i);
    }
    error = boot_configuration_finish(&config);
    require((error == HX_OK) == (boot_configuration_usable(&config) > 0));
    check_map();
    check_modules();
    for (size_t i = 0; i + ENTRY_SIZE <= size; i += ENTRY_SIZE) {
        struct entry entry = entry_at(bytes + i);

        require(is_module(&entry) || entry.what % 8 == MEMORY_USABLE || !overlaps_usable(&entry));
    }
    return 0;
}
