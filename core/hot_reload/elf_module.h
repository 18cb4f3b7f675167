/*
 * Reader of module files: relocatable ELF64, checked in full before anything is done with them.
 *
 * Rules:
 * - elf_module_read decides once. What it accepts can be walked with the functions below without
 *   further checks of the file: every index, offset and name they hand out is good.
 * - Nothing is allocated and the machine is not touched. struct elf_module points into the file's
 *   bytes, which must stay, unchanged, as long as it is used.
 * - The plan is one image of page-aligned groups, in the order of enum elf_group. Its owner copies
 *   each section to image + offset, clears the rest, applies the relocations, then protects the
 *   groups: no page is ever both writable and executable.
 * - Which relocation types exist is the port's business (hal/relocate.h), not this reader's.
 */
#ifndef CORE_HOT_RELOAD_ELF_MODULE_H
#define CORE_HOT_RELOAD_ELF_MODULE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_MODULE_SECTION_MAX      64           /* sections loaded */
#define ELF_MODULE_FILE_SECTION_MAX 4096         /* sections in the file, debug info included */
#define ELF_MODULE_ALIGNMENT_MAX    4096         /* bytes */
#define ELF_MODULE_IMAGE_MAX        (16UL << 20) /* bytes */
#define ELF_MODULE_NAME_MAX         255          /* bytes of a symbol's name */

enum elf_group {
    ELF_GROUP_TEXT,   /* read, execute */
    ELF_GROUP_RODATA, /* read */
    ELF_GROUP_DATA,   /* read, write */
    ELF_GROUP_BSS,    /* read, write, zero at first */
    ELF_GROUP_COUNT,
};

struct elf_module_group {
    uint64_t offset; /* from the start of the image, page aligned */
    uint64_t size;   /* bytes used; 0: the group is empty */
};

/* A section that is loaded. */
struct elf_module_section {
    const uint8_t *bytes; /* in the file; NULL in ELF_GROUP_BSS and for an empty section */
    uint64_t offset;      /* from the start of the image */
    uint64_t size;
    uint32_t index; /* in the file */
    enum elf_group group;
};

/* A table of fixed-size records inside the file, of any alignment. */
struct elf_module_table {
    const uint8_t *bytes;
    uint32_t count;
};

struct elf_module {
    struct elf_module_section sections[ELF_MODULE_SECTION_MAX];
    uint32_t section_count;
    struct elf_module_group groups[ELF_GROUP_COUNT];
    uint64_t image_size; /* whole pages */

    struct elf_module_table file_sections;
    uint32_t section_names; /* the section with their names; 0, or one that does not exist: none */
    struct elf_module_table symbols; /* count is 0 if the file has none */
    uint32_t symbols_index;          /* of the symbol table among the file's sections, 0: none */
    const char *names;               /* of the symbols */
    uint64_t names_size;
    uint32_t relocation_count; /* of all loaded sections */
    size_t file_size;
    const uint8_t *file;
};

enum elf_symbol_kind {
    ELF_SYMBOL_DEFINED,  /* value is an offset from the start of the image */
    ELF_SYMBOL_IMPORT,   /* undefined here, to be found by name */
    ELF_SYMBOL_ABSOLUTE, /* value is what it is */
    ELF_SYMBOL_DROPPED,  /* in a section that is not loaded; no relocation refers to it */
};

struct elf_module_symbol {
    const char *name; /* in the file; "" for a section's symbol */
    enum elf_symbol_kind kind;
    bool is_local;
    bool is_weak; /* an import that may stay unresolved, as 0 */
    bool is_function;
    uint64_t value;
    uint64_t size;
};

struct elf_module_relocation {
    const struct elf_module_section *section; /* what it changes; never in ELF_GROUP_BSS */
    uint64_t offset;                          /* in that section, below its size */
    uint32_t type;                            /* the machine's; not checked */
    uint32_t symbol;                          /* index for elf_module_symbol */
    int64_t addend;
};

/* A place in the relocations; all zero is the beginning. */
struct elf_module_cursor {
    uint32_t table; /* section of the file */
    uint32_t entry;
    uint32_t count;                           /* of its entries */
    const struct elf_module_section *section; /* which it relocates */
    const uint8_t *entries;
};

/*
 * Read and check size bytes of file, for machine (an e_machine number).
 * *why: NULL on success, else one sentence, a constant.
 * Context: any.
 * Errors: HX_EFORMAT malformed, HX_EVERSION made for another machine, HX_ENOSYS it uses what
 * modules may not (threads' storage, constructors, common symbols, …), HX_ERANGE above one of the
 * limits. On error *module is not to be used.
 */
HX_MUST_USE hx_err elf_module_read(const void *file, size_t size, uint16_t machine,
                                   struct elf_module *module, const char **why);

/* Symbol index, below module->symbols.count. Number 0 is the nameless absolute zero. */
struct elf_module_symbol elf_module_symbol(const struct elf_module *module, uint32_t index);

/* Its kind and value alone, which is all that relocating takes. */
enum elf_symbol_kind elf_module_symbol_value(const struct elf_module *module, uint32_t index,
                                             uint64_t *value);

/*
 * Find a symbol that the module defines and does not keep local, the first of that name.
 * Errors: HX_ENOENT.
 */
HX_MUST_USE hx_err elf_module_find(const struct elf_module *module, const char *name,
                                   struct elf_module_symbol *symbol);

/*
 * Find a section by its name, the first of that name, loaded or not: size bytes of the file.
 * Errors: HX_ENOENT none, or the sections have no names; HX_ENOSYS its bytes are compressed, or not
 * in the file.
 */
HX_MUST_USE hx_err elf_module_find_section(const struct elf_module *module, const char *name,
                                           const uint8_t **bytes, size_t *size);

/* The next relocation of the image, in the order of the file; false at the end. */
bool elf_module_next_relocation(const struct elf_module *module, struct elf_module_cursor *cursor,
                                struct elf_module_relocation *relocation);

#endif
