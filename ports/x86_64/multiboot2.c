#include <base/string.h>
#include <core/config/boot_configuration.h>
#include <ports/x86_64/memory_type.h>
#include <ports/x86_64/multiboot2.h>

/* More than any loader writes; numbers above them are lies. */
#define INFORMATION_SIZE_MAX (1U << 20)
#define MEMORY_ENTRIES_MAX   1024U

#define TAG_ALIGNMENT 8U

/* 3.6.1 and on */
enum tag_type {
    TAG_END = 0,
    TAG_COMMAND_LINE = 1,
    TAG_MODULE = 3,
    TAG_MEMORY_MAP = 6,
    TAG_FRAMEBUFFER = 8,
    TAG_RSDP_OLD = 14,
    TAG_RSDP_NEW = 15,
};

/* Those that are read and count once. */
#define TAGS_ONCE                                                                                  \
    (1U << TAG_COMMAND_LINE | 1U << TAG_MEMORY_MAP | 1U << TAG_FRAMEBUFFER | 1U << TAG_RSDP_OLD |  \
     1U << TAG_RSDP_NEW)

/* The information begins with it; the tags follow. */
struct information_header {
    uint32_t total_size; /* of the information, this header included */
    uint32_t reserved;
};
_Static_assert(sizeof(struct information_header) == 8, "3.6.2");

struct tag_header {
    uint32_t type;
    uint32_t size; /* of the tag, this header included, the padding behind it not */
};
_Static_assert(sizeof(struct tag_header) == 8, "3.6.1");

struct tag_module {
    struct tag_header header;
    uint32_t start;
    uint32_t end; /* exclusive; a string follows */
};
_Static_assert(sizeof(struct tag_module) == 16, "3.6.6");

struct tag_memory_map {
    struct tag_header header;
    uint32_t entry_size; /* a later version's entry may be longer */
    uint32_t entry_version;
};
_Static_assert(sizeof(struct tag_memory_map) == 16, "3.6.8");

struct memory_entry {
    uint64_t base;
    uint64_t size;
    uint32_t type;
    uint32_t reserved;
};
_Static_assert(sizeof(struct memory_entry) == 24, "3.6.8");

struct tag_framebuffer {
    struct tag_header header;
    uint64_t physical;
    uint32_t pitch;
    uint32_t width;
    uint32_t height;
    uint8_t bits;
    uint8_t kind;
    uint16_t reserved;
    struct { /* if the kind is FRAMEBUFFER_COLOURS */
        uint8_t shift;
        uint8_t size;
    } red, green, blue;
    uint16_t padding;
};
_Static_assert(offsetof(struct tag_framebuffer, red) == 32, "3.6.12");

#define FRAMEBUFFER_COLOURS      1 /* 0: a palette, 2: text */
#define FRAMEBUFFER_HEAD_SIZE    offsetof(struct tag_framebuffer, red)
#define FRAMEBUFFER_COLOURS_SIZE offsetof(struct tag_framebuffer, padding)

#define RSDP_OLD_SIZE 20U /* ACPI 6.4, table 5.3: revision 0 */
#define RSDP_NEW_SIZE 36U

struct reading {
    const struct physical_reader *reader;
    struct boot_configuration *config;
    const char **why;
    uint32_t seen; /* 1 << type of each of TAGS_ONCE */
};

/* A tag that lies inside the information as a whole. */
struct tag {
    uint64_t physical;
    struct tag_header header;
};

static hx_err refuse(const struct reading *reading, hx_err error, const char *sentence)
{
    *reading->why = sentence;
    return error;
}

/* Remember the first thing that was dropped. */
static void note(const struct reading *reading, const char *sentence)
{
    if (*reading->why == NULL) {
        *reading->why = sentence;
    }
}

/* Copy the tag's first bytes; what the tag lacks of them is zero. False: it cannot be read. */
static bool copy_tag(const struct reading *reading, const struct tag *tag, void *to, size_t size)
{
    size_t present = tag->header.size < size ? tag->header.size : size;

    memset(to, 0, size);
    return physical_copy(reading->reader, tag->physical, to, present);
}

/* The string from an offset of the tag on; *max: the bytes left for it. NULL: none, or no end. */
static const char *tag_string(const struct reading *reading, const struct tag *tag, uint32_t offset,
                              size_t *max)
{
    const char *text;

    if (tag->header.size <= offset) {
        return NULL;
    }
    *max = tag->header.size - offset;
    text = physical_map(reading->reader, tag->physical + offset, *max);
    return text != NULL && string_length_max(text, *max) < *max ? text : NULL;
}

static void read_command_line(const struct reading *reading, const struct tag *tag)
{
    size_t max;
    const char *text = tag_string(reading, tag, sizeof(tag->header), &max);

    if (text == NULL) {
        note(reading, "the command line has no end: ignored");
    } else if (boot_configuration_set_command_line(reading->config, text, max) != HX_OK) {
        note(reading, "the command line is too long: cut");
    }
}

static void drop_module(const struct reading *reading, const char *sentence)
{
    reading->config->dropped_modules++;
    note(reading, sentence);
}

static void read_module(const struct reading *reading, const struct tag *tag)
{
    struct tag_module module;
    const void *data;
    const char *text;
    uint64_t size;
    size_t max = 0;

    if (tag->header.size < sizeof(module) || !copy_tag(reading, tag, &module, sizeof(module))) {
        drop_module(reading, "a boot module's tag is too short: ignored");
        return;
    }
    if (module.end <= module.start) {
        drop_module(reading, "a boot module is empty or ends before it begins: ignored");
        return;
    }
    size = module.end - module.start;
    data = physical_map(reading->reader, module.start, size);
    if (data == NULL) {
        drop_module(reading, "a boot module is not in readable memory: ignored");
        return;
    }
    text = tag_string(reading, tag, sizeof(module), &max);
    if (text == NULL) {
        note(reading, "a module's command line has no end: ignored");
    }
    if (boot_configuration_add_module(reading->config, module.start, size, data, text, max) !=
        HX_OK) {
        note(reading, "there are too many boot modules: some are ignored");
    }
}

/* A map that is too long loses memory, never a restriction: the builder sees to that. */
static hx_err read_entries(const struct reading *reading, uint64_t physical, uint32_t count,
                           uint32_t entry_size)
{
    for (uint32_t i = 0; i < count; i++) {
        struct memory_entry entry;

        if (!physical_copy(reading->reader, physical + (uint64_t)i * entry_size, &entry,
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

static hx_err read_memory_map(const struct reading *reading, const struct tag *tag)
{
    struct tag_memory_map map;
    uint32_t size;

    if (!copy_tag(reading, tag, &map, sizeof(map))) {
        return refuse(reading, HX_EFAULT, "the memory map is not in readable memory");
    }
    if (tag->header.size <= sizeof(map)) {
        return refuse(reading, HX_EFORMAT, "the boot information has an empty memory map");
    }
    size = tag->header.size - (uint32_t)sizeof(map);
    if (map.entry_size < sizeof(struct memory_entry) || map.entry_size % TAG_ALIGNMENT != 0 ||
        size % map.entry_size != 0 || size / map.entry_size > MEMORY_ENTRIES_MAX) {
        return refuse(reading, HX_EFORMAT, "the memory map has an impossible size");
    }
    return read_entries(reading, tag->physical + sizeof(map), size / map.entry_size,
                        map.entry_size);
}

static void read_framebuffer(const struct reading *reading, const struct tag *tag)
{
    struct tag_framebuffer found;
    bool is_read = copy_tag(reading, tag, &found, sizeof(found));
    struct boot_framebuffer screen = {
        .physical = found.physical,
        .width = found.width,
        .height = found.height,
        .pitch = found.pitch,
        .bits = found.bits,
        .red = {found.red.shift, found.red.size},
        .green = {found.green.shift, found.green.size},
        .blue = {found.blue.shift, found.blue.size},
    };

    if (is_read && tag->header.size >= FRAMEBUFFER_HEAD_SIZE && found.kind != FRAMEBUFFER_COLOURS) {
        return; /* text or a palette: no screen for this kernel, and no mistake either */
    }
    if (!is_read || tag->header.size < FRAMEBUFFER_COLOURS_SIZE ||
        boot_configuration_set_framebuffer(reading->config, &screen) != HX_OK) {
        note(reading, "the loader's screen makes no sense: ignored");
    }
}

/* The tag holds a copy of the root pointer; its address is the copy's. */
static void read_rsdp(const struct reading *reading, const struct tag *tag, uint32_t least_size)
{
    if (tag->header.size < sizeof(tag->header) + least_size) {
        note(reading, "a tag's ACPI root pointer is too short: ignored");
        return;
    }
    if (tag->header.type == TAG_RSDP_NEW || reading->config->acpi_rsdp == 0) {
        reading->config->acpi_rsdp = tag->physical + sizeof(tag->header);
    }
}

/* Whether the tag is one more of a kind of which the first one counts. */
static bool is_repeated(struct reading *reading, uint32_t type)
{
    uint32_t bit = type <= TAG_RSDP_NEW ? (1U << type) & TAGS_ONCE : 0;

    if ((reading->seen & bit) != 0) {
        return true;
    }
    reading->seen |= bit;
    return false;
}

static hx_err read_tag(struct reading *reading, const struct tag *tag)
{
    if (is_repeated(reading, tag->header.type)) {
        note(reading, "the boot information says something twice: the first one counts");
        return HX_OK;
    }
    switch (tag->header.type) {
    case TAG_COMMAND_LINE:
        read_command_line(reading, tag);
        return HX_OK;
    case TAG_MODULE:
        read_module(reading, tag);
        return HX_OK;
    case TAG_MEMORY_MAP:
        return read_memory_map(reading, tag);
    case TAG_FRAMEBUFFER:
        read_framebuffer(reading, tag);
        return HX_OK;
    case TAG_RSDP_OLD:
        read_rsdp(reading, tag, RSDP_OLD_SIZE);
        return HX_OK;
    case TAG_RSDP_NEW:
        read_rsdp(reading, tag, RSDP_NEW_SIZE);
        return HX_OK;
    default:
        return HX_OK;
    }
}

/* Up to the end tag, which must be there. Both addresses are multiples of TAG_ALIGNMENT. */
static hx_err read_tags(struct reading *reading, uint64_t physical, uint64_t end)
{
    while (physical + sizeof(struct tag_header) <= end) {
        struct tag tag = {.physical = physical};
        hx_err error;

        if (!physical_copy(reading->reader, physical, &tag.header, sizeof(tag.header))) {
            return refuse(reading, HX_EFAULT, "the boot information is not in readable memory");
        }
        if (tag.header.size < sizeof(tag.header) || tag.header.size > end - physical) {
            return refuse(reading, HX_EFORMAT,
                          "a tag of the boot information has an impossible size");
        }
        if (tag.header.type == TAG_END) {
            return HX_OK;
        }
        error = read_tag(reading, &tag);
        if (error != HX_OK) {
            return error;
        }
        physical += (tag.header.size + TAG_ALIGNMENT - 1U) & ~(TAG_ALIGNMENT - 1U);
    }
    return refuse(reading, HX_EFORMAT, "the tags of the boot information have no end");
}

hx_err multiboot2_read(const struct physical_reader *reader, uint64_t information,
                       struct boot_configuration *config, const char **why)
{
    struct reading reading = {.reader = reader, .config = config, .why = why};
    struct information_header header;
    hx_err error;

    *why = NULL;
    if (!physical_copy(reader, information, &header, sizeof(header))) {
        return refuse(&reading, HX_EFAULT, "the boot information is not in readable memory");
    }
    if (information % TAG_ALIGNMENT != 0 ||
        header.total_size < sizeof(header) + sizeof(struct tag_header) ||
        header.total_size > INFORMATION_SIZE_MAX || information > UINT64_MAX - header.total_size) {
        return refuse(&reading, HX_EFORMAT, "the boot information has an impossible size or place");
    }
    error = read_tags(&reading, information + sizeof(header), information + header.total_size);
    if (error != HX_OK) {
        return error;
    }
    if ((reading.seen & 1U << TAG_MEMORY_MAP) == 0) {
        return refuse(&reading, HX_ENOENT, "the boot information has no memory map");
    }
    return HX_OK;
}
