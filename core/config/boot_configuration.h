/*
 * What the boot loader passed, validated (SPEC B1, B3, B4).
 *
 * Rules:
 * - Built once by the port from loader data through the builder below; read-only afterwards; valid
 *   for ever. No allocation: fixed tables, what does not fit is counted and reported.
 * - The memory map is sorted, without overlaps or empty entries; where loader entries overlap, the
 *   more restrictive kind wins (a byte is usable only if every entry that covers it says so).
 */
#ifndef CORE_CONFIG_BOOT_CONFIGURATION_H
#define CORE_CONFIG_BOOT_CONFIGURATION_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enumerator, name), most usable first: of two that overlap, the later one wins */
#define MEMORY_KIND_LIST(X)                                                                        \
    X(MEMORY_USABLE, "usable")                                                                     \
    X(MEMORY_IMAGE,                                                                                \
      "kernel image") /* the port's own entry: lies in usable memory by its nature */              \
    X(MEMORY_ACPI_RECLAIMABLE, "ACPI tables")                                                      \
    X(MEMORY_PERSISTENT, "persistent")                                                             \
    X(MEMORY_ACPI_NVS, "ACPI NVS")                                                                 \
    X(MEMORY_RESERVED, "reserved")                                                                 \
    X(MEMORY_BAD, "bad")

#define MEMORY_KIND_ENUM(name, text) name,
enum memory_kind { MEMORY_KIND_LIST(MEMORY_KIND_ENUM) MEMORY_KIND_COUNT };
#undef MEMORY_KIND_ENUM

#define BOOT_MEMORY_MAX       128
#define BOOT_MODULE_MAX       16
#define BOOT_COMMAND_LINE_MAX 4096
#define BOOT_MODULE_NAME_MAX  64
#define BOOT_LOADER_NAME_MAX  32
#define BOOT_WARNING_MAX      16

struct memory_region {
    uint64_t base;
    uint64_t size;
    enum memory_kind kind;
};

struct boot_module {
    char name[BOOT_MODULE_NAME_MAX]; /* first word of its command line, or "initrd" for the first */
    const char *command_line;        /* the rest; "" if none; points into the configuration */
    uint64_t physical;
    uint64_t size;
    const void *data; /* through the direct map */
};

/*
 * A screen that the loader left in a mode of straight colours. Pixels are read from left to right,
 * rows from top to bottom; a colour's `size` bits begin at bit `shift` of the pixel's little-endian
 * number.
 */
struct boot_colour {
    uint8_t shift;
    uint8_t size;
};

struct boot_framebuffer {
    uint64_t physical; /* of the first row; 0: there is none */
    uint32_t width;    /* pixels */
    uint32_t height;
    uint32_t pitch; /* bytes from a row to the next */
    uint8_t bits;   /* of a pixel: 16, 24 or 32 */
    struct boot_colour red, green, blue;
};

#define BOOT_FRAMEBUFFER_SIDE_MAX 16384U

struct boot_configuration {
    char loader[BOOT_LOADER_NAME_MAX]; /* "pvh", "hosted", … */
    char command_line[BOOT_COMMAND_LINE_MAX];
    struct memory_region memory_map[BOOT_MEMORY_MAX];
    size_t memory_count;
    struct boot_module modules[BOOT_MODULE_MAX];
    size_t module_count;
    uint64_t acpi_rsdp; /* physical address the loader gave, 0: none */
    struct boot_framebuffer framebuffer;
    uint32_t dropped_regions; /* malformed or one too many */
    uint32_t dropped_modules;
    uint32_t fixed_regions;                 /* overlaps cut, wraps clipped */
    const char *warnings[BOOT_WARNING_MAX]; /* sentences about what the firmware got wrong */
    size_t warning_count;
    char module_text[BOOT_MODULE_MAX][128]; /* storage behind modules[].command_line */
};

/* --- the builder, used by ports --------------------------------------------------------------- */

void boot_configuration_init(struct boot_configuration *config, const char *loader);

/* Copy at most max bytes of a NUL-terminated command line. Errors: HX_ERANGE it was cut. */
HX_MUST_USE hx_err boot_configuration_set_command_line(struct boot_configuration *config,
                                                       const char *text, size_t max);

/*
 * Add one loader entry: zero sizes are dropped, wrapping ones clipped to the address space, both
 * counted. Errors: HX_ENOSPC the table is full (counted too).
 */
HX_MUST_USE hx_err boot_configuration_add_memory(struct boot_configuration *config, uint64_t base,
                                                 uint64_t size, enum memory_kind kind);

/*
 * Add a module; text is its command line (may be NULL), at most max bytes.
 * Errors: HX_EINVAL zero size or wraps, HX_ENOSPC full.
 */
HX_MUST_USE hx_err boot_configuration_add_module(struct boot_configuration *config,
                                                 uint64_t physical, uint64_t size, const void *data,
                                                 const char *text, size_t max);

/*
 * Keep the loader's screen, if it can be one: sides from 1 to BOOT_FRAMEBUFFER_SIDE_MAX, rows that
 * hold their pixels and do not wrap, colours of 1 to 8 bits inside the pixel. Where it lies is
 * looked at by boot_configuration_finish, which forgets a screen in memory of another's, and warns.
 * Errors: HX_EINVAL it cannot be one; nothing is kept.
 */
HX_MUST_USE hx_err boot_configuration_set_framebuffer(struct boot_configuration *config,
                                                      const struct boot_framebuffer *framebuffer);

/* Bytes of a screen, from its first row's to its last row's end. */
uint64_t boot_framebuffer_size(const struct boot_framebuffer *framebuffer);

/*
 * Sort and resolve overlaps, drop modules outside usable memory. O(n log n) would do; n <= 128.
 * Errors: HX_EFORMAT no usable memory at all; the configuration says what it could find.
 */
HX_MUST_USE hx_err boot_configuration_finish(struct boot_configuration *config);

/*
 * Give up what region `index` of the finished map has from address `end` on; one that begins there
 * or behind it is taken out, and those after it move down. Modules that are not in usable memory
 * any more are dropped.
 */
void boot_configuration_cut_memory(struct boot_configuration *config, size_t index, uint64_t end);

/* Add a constant sentence to the warnings; those beyond BOOT_WARNING_MAX are left out.  Context:
 * boot. */
void boot_configuration_warn(struct boot_configuration *config, const char *sentence);

/* --- readers ---------------------------------------------------------------------------------- */

/* A module by name, NULL if there is none.  Context: any. */
const struct boot_module *boot_configuration_module(const struct boot_configuration *config,
                                                    const char *name);

/* Whether a flag stands on the command line: for ports, before that is parsed.  Context: any. */
bool boot_configuration_has_flag(const struct boot_configuration *config, const char *flag);

/* Bytes of usable memory. */
uint64_t boot_configuration_usable(const struct boot_configuration *config);

const char *memory_kind_name(enum memory_kind kind);

#endif
