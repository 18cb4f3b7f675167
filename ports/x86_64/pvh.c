#include <base/string.h>
#include <core/config/boot_configuration.h>
#include <ports/x86_64/memory_type.h>
#include <ports/x86_64/pvh.h>

#define PVH_MAGIC 0x336ec578U

/* More entries than any loader writes; a count above them is a lie. */
#define PVH_MEMORY_ENTRIES_MAX 1024U
#define PVH_MODULE_ENTRIES_MAX 64U

#define PVH_MODULE_TEXT_MAX 256U
#define PVH_STRING_STEP     4096U /* strings are followed page by page */

struct pvh_start_info_0 {
    uint32_t magic;
    uint32_t version;
    uint32_t flags;
    uint32_t module_count;
    uint64_t modules;
    uint64_t command_line;
    uint64_t rsdp;
};
_Static_assert(sizeof(struct pvh_start_info_0) == 40, "start_info.h, version 0");

/* What version 1 adds behind it. */
struct pvh_start_info_1 {
    uint64_t memory_map;
    uint32_t memory_count;
    uint32_t reserved;
};
_Static_assert(sizeof(struct pvh_start_info_1) == 16, "start_info.h, version 1");

struct pvh_module {
    uint64_t physical;
    uint64_t size;
    uint64_t command_line;
    uint64_t reserved;
};
_Static_assert(sizeof(struct pvh_module) == 32, "start_info.h, hvm_modlist_entry");

struct pvh_memory {
    uint64_t base;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};
_Static_assert(sizeof(struct pvh_memory) == 24, "start_info.h, hvm_memmap_table_entry");

struct pvh_reading {
    const struct physical_reader *reader;
    struct boot_configuration *config;
    const char **why;
};

static hx_err refuse(const struct pvh_reading *reading, hx_err error, const char *sentence)
{
    *reading->why = sentence;
    return error;
}

/* Remember the first thing that was dropped. */
static void note(const struct pvh_reading *reading, const char *sentence)
{
    if (*reading->why == NULL) {
        *reading->why = sentence;
    }
}

/*
 * Map the string at physical, at most max bytes of it, and set *size to the bytes mapped, the NUL
 * included if it is among them. NULL if the string runs into memory that must not be touched.
 */
static const char *map_string(const struct physical_reader *reader, uint64_t physical, size_t max,
                              size_t *size)
{
    size_t seen = 0;

    while (seen < max) {
        size_t step = PVH_STRING_STEP - (size_t)((physical + seen) % PVH_STRING_STEP);
        const char *text;
        size_t length;

        step = step < max - seen ? step : max - seen;
        text = physical_map(reader, physical + seen, step);
        if (text == NULL) {
            return NULL;
        }
        length = string_length_max(text, step);
        seen += length;
        if (length < step) {
            seen++;
            break;
        }
    }
    *size = seen;
    return physical_map(reader, physical, seen);
}

static void read_command_line(const struct pvh_reading *reading, uint64_t physical)
{
    size_t size;
    const char *text;

    if (physical == 0) {
        return;
    }
    text = map_string(reading->reader, physical, BOOT_COMMAND_LINE_MAX, &size);
    if (text == NULL) {
        note(reading, "the command line is not in readable memory: ignored");
    } else if (boot_configuration_set_command_line(reading->config, text, size) != HX_OK) {
        note(reading, "the command line is too long: cut");
    }
}

/* A map that is too long loses memory, never a restriction: the builder sees to that. */
static hx_err read_memory_map(const struct pvh_reading *reading,
                              const struct pvh_start_info_1 *info)
{
    if (info->memory_count == 0) {
        return refuse(reading, HX_EFORMAT, "the start info has an empty memory map");
    }
    if (info->memory_count > PVH_MEMORY_ENTRIES_MAX ||
        info->memory_map > UINT64_MAX - info->memory_count * sizeof(struct pvh_memory)) {
        return refuse(reading, HX_EFORMAT, "the memory map has an impossible size");
    }
    for (uint32_t i = 0; i < info->memory_count; i++) {
        struct pvh_memory entry;

        if (!physical_copy(reading->reader, info->memory_map + i * sizeof(entry), &entry,
                           sizeof(entry))) {
            return refuse(reading, HX_EFAULT, "the memory map is not in readable memory");
        }
        if (boot_configuration_add_memory(reading->config, entry.base, entry.size,
                                          memory_kind_of(entry.type)) != HX_OK) {
            note(reading, "the memory map has too many entries: some memory is not used");
        }
    }
    return HX_OK;
}

static void drop_modules(const struct pvh_reading *reading, uint32_t count, const char *sentence)
{
    reading->config->dropped_modules += count;
    note(reading, sentence);
}

static void read_module(const struct pvh_reading *reading, const struct pvh_module *module)
{
    const void *data = physical_map(reading->reader, module->physical, module->size);
    const char *text = NULL;
    size_t size = 0;

    if (data == NULL) {
        drop_modules(reading, 1, "a boot module is empty or not in readable memory: ignored");
        return;
    }
    if (module->command_line != 0) {
        text = map_string(reading->reader, module->command_line, PVH_MODULE_TEXT_MAX, &size);
        if (text == NULL) {
            note(reading, "a module's command line is not in readable memory: ignored");
        }
    }
    if (boot_configuration_add_module(reading->config, module->physical, module->size, data, text,
                                      size) != HX_OK) {
        note(reading, "there are too many boot modules: some are ignored");
    }
}

static void read_modules(const struct pvh_reading *reading, uint64_t list, uint32_t count)
{
    uint32_t read = count < PVH_MODULE_ENTRIES_MAX ? count : PVH_MODULE_ENTRIES_MAX;

    for (uint32_t i = 0; i < read; i++) {
        struct pvh_module module;

        if (list > UINT64_MAX - i * sizeof(module) ||
            !physical_copy(reading->reader, list + i * sizeof(module), &module, sizeof(module))) {
            drop_modules(reading, count - i, "the list of boot modules is not in readable memory");
            return;
        }
        read_module(reading, &module);
    }
    if (count > read) {
        drop_modules(reading, count - read, "the number of boot modules is impossible: cut");
    }
}

hx_err pvh_read(const struct physical_reader *reader, uint64_t start_info,
                struct boot_configuration *config, const char **why)
{
    const struct pvh_reading reading = {.reader = reader, .config = config, .why = why};
    struct pvh_start_info_0 info;
    struct pvh_start_info_1 more;
    hx_err error;

    *why = NULL;
    if (!physical_copy(reader, start_info, &info, sizeof(info))) {
        return refuse(&reading, HX_EFAULT, "the PVH start info is not in readable memory");
    }
    if (info.magic != PVH_MAGIC) {
        return refuse(&reading, HX_EFORMAT, "the PVH start info has the wrong magic number");
    }
    if (info.version == 0) {
        return refuse(&reading, HX_EVERSION, "PVH start info version 0 has no memory map");
    }
    if (!physical_copy(reader, start_info + sizeof(info), &more, sizeof(more))) {
        return refuse(&reading, HX_EFAULT, "the PVH start info is not in readable memory");
    }
    error = read_memory_map(&reading, &more);
    if (error != HX_OK) {
        return error;
    }
    read_command_line(&reading, info.command_line);
    read_modules(&reading, info.modules, info.module_count);
    config->acpi_rsdp = info.rsdp;
    return HX_OK;
}
