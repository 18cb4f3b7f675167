/* The validated boot configuration. */
#include <core/config/boot_configuration.h>

#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/config/command_line.h>

/* Ends are exclusive and must fit a uint64_t: the last byte of the address space is given up. */
#define ADDRESS_END UINT64_MAX

static uint64_t region_end(const struct memory_region *region)
{
    return region->base + region->size;
}

void boot_configuration_init(struct boot_configuration *config, const char *loader)
{
    memset(config, 0, sizeof(*config));
    string_copy(config->loader, sizeof(config->loader), loader);
}

hx_err boot_configuration_set_command_line(struct boot_configuration *config, const char *text,
                                           size_t max)
{
    size_t length = text != NULL ? string_length_max(text, max) : 0;
    bool cut = text != NULL && length == max;

    if (length > BOOT_COMMAND_LINE_MAX - 1) {
        length = BOOT_COMMAND_LINE_MAX - 1;
        cut = true;
    }
    if (length > 0) {
        memcpy(config->command_line, text, length);
    }
    config->command_line[length] = '\0';
    return cut ? HX_ERANGE : HX_OK;
}

/* --- the memory map --------------------------------------------------------------------------- */

/*
 * Take from a usable entry what a more restrictive one covers that has no place in the table. What
 * would be cut in two keeps the larger part. Other entries stay: they keep memory from use as it
 * is, and cutting them could give free what only they cover.
 */
static void region_restrict(struct memory_region *entry, const struct memory_region *by)
{
    uint64_t end = region_end(by);
    uint64_t below = by->base > entry->base ? by->base - entry->base : 0;
    uint64_t above = region_end(entry) > end ? region_end(entry) - end : 0;

    if (entry->kind != MEMORY_USABLE || end <= entry->base || by->base >= region_end(entry)) {
        return;
    }
    if (below == 0 && above == 0) {
        entry->kind = by->kind;
    } else if (below >= above) {
        entry->size = below;
    } else {
        entry->base = end;
        entry->size = above;
    }
}

hx_err boot_configuration_add_memory(struct boot_configuration *config, uint64_t base,
                                     uint64_t size, enum memory_kind kind)
{
    struct memory_region region = {.base = base, .size = size, .kind = kind};

    if (region.size > ADDRESS_END - base) {
        region.size = ADDRESS_END - base;
        config->fixed_regions++;
    }
    if (region.size == 0) {
        config->dropped_regions++;
        return HX_OK;
    }
    /* A kind this kernel does not know is nothing it may use. */
    if ((unsigned)kind >= MEMORY_KIND_COUNT) {
        region.kind = MEMORY_RESERVED;
    }
    if (config->memory_count == BOOT_MEMORY_MAX) {
        config->dropped_regions++;
        for (size_t i = 0; i < config->memory_count && region.kind != MEMORY_USABLE; i++) {
            region_restrict(&config->memory_map[i], &region);
        }
        return HX_ENOSPC;
    }
    config->memory_map[config->memory_count++] = region;
    return HX_OK;
}

/* What holds from one address up to `end`. */
struct span {
    uint64_t end; /* the next address where an entry begins or ends; 0: there is none */
    bool covered;
    enum memory_kind kind; /* of the most restrictive entry, when covered */
};

static void span_limit(struct span *span, uint64_t address, uint64_t boundary)
{
    if (boundary > address && (span->end == 0 || boundary < span->end)) {
        span->end = boundary;
    }
}

static struct span span_at(const struct memory_region *entries, size_t count, uint64_t address)
{
    struct span span = {.kind = MEMORY_USABLE};

    for (size_t i = 0; i < count; i++) {
        const struct memory_region *entry = &entries[i];

        span_limit(&span, address, entry->base);
        span_limit(&span, address, region_end(entry));
        if (address >= entry->base && address < region_end(entry)) {
            span.covered = true;
            if (entry->kind > span.kind) {
                span.kind = entry->kind;
            }
        }
    }
    return span;
}

/* Append to the resolved map, as part of the last region where it continues it. */
static void map_append(struct boot_configuration *config, uint64_t base, const struct span *span)
{
    if (config->memory_count > 0) {
        struct memory_region *last = &config->memory_map[config->memory_count - 1];

        if (region_end(last) == base && last->kind == span->kind) {
            last->size += span->end - base;
            return;
        }
    }
    if (config->memory_count == BOOT_MEMORY_MAX) {
        config->dropped_regions++;
        return;
    }
    config->memory_map[config->memory_count++] =
        (struct memory_region){.base = base, .size = span->end - base, .kind = span->kind};
}

static bool contradict(const struct memory_region *a, const struct memory_region *b)
{
    return a->kind != MEMORY_IMAGE && b->kind != MEMORY_IMAGE && a->base < region_end(b) &&
           b->base < region_end(a);
}

/* The loader's entries that share bytes with one before them in its order. */
static uint32_t count_overlaps(const struct memory_region *entries, size_t count)
{
    uint32_t overlaps = 0;

    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (contradict(&entries[i], &entries[j])) {
                overlaps++;
                break;
            }
        }
    }
    return overlaps;
}

/* Walk from boundary to boundary; between two of them the most restrictive kind holds. */
static void map_resolve(struct boot_configuration *config)
{
    struct memory_region entries[BOOT_MEMORY_MAX];
    size_t count = config->memory_count;
    uint64_t address = 0;
    struct span span;

    memcpy(entries, config->memory_map, count * sizeof(entries[0]));
    config->fixed_regions += count_overlaps(entries, count);
    config->memory_count = 0;
    for (;;) {
        span = span_at(entries, count, address);
        if (span.end == 0) {
            break;
        }
        if (span.covered) {
            map_append(config, address, &span);
        }
        address = span.end;
    }
}

bool boot_configuration_has_flag(const struct boot_configuration *config, const char *flag)
{
    return command_line_names(config->command_line, flag);
}

uint64_t boot_configuration_usable(const struct boot_configuration *config)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < config->memory_count; i++) {
        if (config->memory_map[i].kind == MEMORY_USABLE) {
            sum += config->memory_map[i].size;
        }
    }
    return sum;
}

const char *memory_kind_name(enum memory_kind kind)
{
#define MEMORY_KIND_NAME(name, text) [name] = (text),
    static const char *const names[MEMORY_KIND_COUNT] = {MEMORY_KIND_LIST(MEMORY_KIND_NAME)};
#undef MEMORY_KIND_NAME

    return (unsigned)kind < MEMORY_KIND_COUNT ? names[kind] : "unknown";
}

/* --- modules ---------------------------------------------------------------------------------- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Split the module's text in its first word, the name, and the rest, its command line. */
static void module_name(struct boot_module *module, size_t index, const char *text)
{
    size_t length = 0;

    while (is_blank(*text)) {
        text++;
    }
    while (text[length] != '\0' && !is_blank(text[length])) {
        length++;
    }
    module->command_line = text + length;
    while (is_blank(*module->command_line)) {
        module->command_line++;
    }
    if (length >= sizeof(module->name)) {
        length = sizeof(module->name) - 1;
    }
    memcpy(module->name, text, length);
    module->name[length] = '\0';
    if (length == 0 && index == 0) {
        string_copy(module->name, sizeof(module->name), "initrd");
    } else if (length == 0) {
        format_text(module->name, sizeof(module->name), "module%zu", index);
    }
}

hx_err boot_configuration_add_module(struct boot_configuration *config, uint64_t physical,
                                     uint64_t size, const void *data, const char *text, size_t max)
{
    size_t index = config->module_count;
    size_t length = text != NULL ? string_length_max(text, max) : 0;
    struct boot_module *module;
    char *copy;

    if (size == 0 || size > ADDRESS_END - physical) {
        config->dropped_modules++;
        return HX_EINVAL;
    }
    if (index == BOOT_MODULE_MAX) {
        config->dropped_modules++;
        return HX_ENOSPC;
    }
    copy = config->module_text[index];
    if (length >= sizeof(config->module_text[0])) {
        length = sizeof(config->module_text[0]) - 1;
    }
    if (length > 0) {
        memcpy(copy, text, length);
    }
    copy[length] = '\0';
    module = &config->modules[index];
    module->physical = physical;
    module->size = size;
    module->data = data;
    module_name(module, index, copy);
    config->module_count++;
    return HX_OK;
}

/* Resolved regions of one kind that touch are one, so a module lies in one of them or is not all
 * in. */
static bool module_is_in_usable_memory(const struct boot_configuration *config,
                                       const struct boot_module *module)
{
    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (region->kind == MEMORY_USABLE && module->physical >= region->base &&
            module->physical + module->size <= region_end(region)) {
            return true;
        }
    }
    return false;
}

static void drop_foreign_modules(struct boot_configuration *config)
{
    size_t kept = 0;

    for (size_t i = 0; i < config->module_count; i++) {
        if (module_is_in_usable_memory(config, &config->modules[i])) {
            config->modules[kept++] = config->modules[i];
        } else {
            config->dropped_modules++;
        }
    }
    config->module_count = kept;
}

void boot_configuration_cut_memory(struct boot_configuration *config, size_t index, uint64_t end)
{
    struct memory_region *region = &config->memory_map[index];

    if (region->base < end) {
        region->size = end < region_end(region) ? end - region->base : region->size;
    } else {
        config->memory_count--;
        memmove(region, region + 1, (config->memory_count - index) * sizeof(*region));
    }
    drop_foreign_modules(config);
}

/* --- the screen ------------------------------------------------------------------------------- */

static bool colour_fits(const struct boot_colour *colour, uint8_t bits)
{
    return colour->size >= 1 && colour->size <= 8 && colour->shift + colour->size <= bits;
}

uint64_t boot_framebuffer_size(const struct boot_framebuffer *framebuffer)
{
    return (uint64_t)framebuffer->pitch * framebuffer->height;
}

hx_err boot_configuration_set_framebuffer(struct boot_configuration *config,
                                          const struct boot_framebuffer *framebuffer)
{
    const struct boot_framebuffer *new = framebuffer;
    bool has_sides = new->width - 1 < BOOT_FRAMEBUFFER_SIDE_MAX && /* 0 wraps */
                                          new->height -
                                          1 <
                     BOOT_FRAMEBUFFER_SIDE_MAX;
    bool has_pixels = new->bits == 16 || new->bits == 24 || new->bits == 32;

    if (!has_sides || !has_pixels || (uint64_t) new->width *(new->bits / 8) > new->pitch ||
        !colour_fits(&new->red, new->bits) || !colour_fits(&new->green, new->bits) ||
        !colour_fits(&new->blue, new->bits) || new->physical == 0 ||
        boot_framebuffer_size(new) > ADDRESS_END - new->physical) {
        return HX_EINVAL;
    }
    config->framebuffer = *new;
    return HX_OK;
}

/* A screen is a device's, which maps do not name or call reserved. */
static bool framebuffer_is_in_memory(const struct boot_configuration *config)
{
    uint64_t base = config->framebuffer.physical;
    uint64_t end = base + boot_framebuffer_size(&config->framebuffer);

    for (size_t i = 0; i < config->memory_count; i++) {
        const struct memory_region *region = &config->memory_map[i];

        if (region->kind != MEMORY_RESERVED && region->base < end && base < region_end(region)) {
            return true;
        }
    }
    return false;
}

static void drop_foreign_framebuffer(struct boot_configuration *config)
{
    if (config->framebuffer.physical != 0 && framebuffer_is_in_memory(config)) {
        memset(&config->framebuffer, 0, sizeof(config->framebuffer));
        boot_configuration_warn(config, "the loader's screen lies in memory of something else");
    }
}

hx_err boot_configuration_finish(struct boot_configuration *config)
{
    map_resolve(config);
    drop_foreign_modules(config);
    drop_foreign_framebuffer(config);
    return boot_configuration_usable(config) > 0 ? HX_OK : HX_EFORMAT;
}

const struct boot_module *boot_configuration_module(const struct boot_configuration *config,
                                                    const char *name)
{
    for (size_t i = 0; i < config->module_count; i++) {
        if (string_equal(config->modules[i].name, name)) {
            return &config->modules[i];
        }
    }
    return NULL;
}

void boot_configuration_warn(struct boot_configuration *config, const char *sentence)
{
    if (config->warning_count < BOOT_WARNING_MAX) {
        config->warnings[config->warning_count++] = sentence;
    }
}
