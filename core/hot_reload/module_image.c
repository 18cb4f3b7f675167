#include <base/memory.h>
#include <core/hot_reload/module_image.h>
#include <hal/relocate.h>

/* What an import was found to be, kept at its symbol's index modulo the count: many relocations
 * name the same few functions. */
#define KNOWN_IMPORTS 32U

struct known_import {
    uint32_t symbol; /* 0: none */
    uint64_t value;
};

struct building {
    const struct module_image *image;
    struct known_import imports[KNOWN_IMPORTS];
    const struct elf_module *elf;
    struct module_tables *tables;
    char *why;
};

/* --- relocating ------------------------------------------------------------------------------- */

static uint64_t find_import(const struct module_image *image, const char *name)
{
    struct callout callout;

    /* The check refused what is unknown, unless it is weak. */
    return callout_find(name, &callout) == HX_OK ? image->import_address(image->context, &callout)
                                                 : 0;
}

static uint64_t import_value(struct building *building, uint32_t index)
{
    struct known_import *known = &building->imports[index % KNOWN_IMPORTS];

    if (known->symbol != index) {
        known->symbol = index;
        known->value = find_import(building->image, elf_module_symbol(building->elf, index).name);
    }
    return known->value;
}

static uint64_t symbol_value(struct building *building, uint32_t index)
{
    const struct module_image *image = building->image;
    uint64_t value;

    switch (elf_module_symbol_value(building->elf, index, &value)) {
    case ELF_SYMBOL_DEFINED:
        return image->base + value;
    case ELF_SYMBOL_IMPORT:
        return import_value(building, index);
    case ELF_SYMBOL_ABSOLUTE:
    case ELF_SYMBOL_DROPPED: /* no relocation refers to it */
        break;
    }
    return value;
}

static hx_err relocate_one(struct building *building,
                           const struct elf_module_relocation *relocation)
{
    const struct module_image *image = building->image;
    uint64_t offset = relocation->section->offset + relocation->offset;
    hx_err error = hal_relocate(relocation->type, image->bytes + offset, image->base + offset,
                                symbol_value(building, relocation->symbol), relocation->addend,
                                relocation->section->size - relocation->offset);

    return error == HX_OK ? HX_OK
                          : module_complain(building->why, error, "a relocation cannot be applied",
                                            hal_relocation_name(relocation->type));
}

static hx_err copy_and_relocate(struct building *building)
{
    struct elf_module_cursor cursor = {0};
    struct elf_module_relocation relocation;
    hx_err error = HX_OK;

    for (uint32_t i = 0; i < building->elf->section_count; i++) {
        const struct elf_module_section *section = &building->elf->sections[i];

        if (section->bytes != NULL) {
            memcpy(building->image->bytes + section->offset, section->bytes, section->size);
        }
    }
    while (error == HX_OK && elf_module_next_relocation(building->elf, &cursor, &relocation)) {
        error = relocate_one(building, &relocation);
    }
    return error;
}

/* --- the tables ------------------------------------------------------------------------------- */

/* The image's bytes at an address of the module's, NULL if they are not all inside. */
static const void *image_bytes(const struct module_image *image, uintptr_t address, size_t size)
{
    uintptr_t offset = address - image->base;

    return size <= image->file->elf.image_size && offset <= image->file->elf.image_size - size
               ? image->bytes + offset
               : NULL;
}

static bool is_text(const struct building *building, uintptr_t address)
{
    const struct elf_module_group *text = &building->elf->groups[ELF_GROUP_TEXT];

    return address - (building->image->base + text->offset) < text->size;
}

/*
 * Take a table of functions over, each of which is NULL or in the module's text, as the operations
 * from number first on, which are below end.
 */
static hx_err read_table(const struct building *building, const void *table, size_t size,
                         uint32_t first, uint32_t end)
{
    uintptr_t *operations = &building->tables->operations[first];
    uint32_t count = (uint32_t)(size / sizeof(uintptr_t));
    const void *bytes = image_bytes(building->image, (uintptr_t)table, size);

    if (size % sizeof(uintptr_t) != 0 || count > end - first) {
        return module_complain(building->why, HX_EFORMAT,
                               "a table of operations has not the size of one", "");
    }
    if (bytes == NULL) {
        return module_complain(building->why, HX_EFORMAT, "the operations are outside the module",
                               "");
    }
    memcpy(operations, bytes, size);
    for (uint32_t i = 0; i < count; i++) {
        if (operations[i] != 0 && !is_text(building, operations[i])) {
            return module_complain(building->why, HX_EFORMAT,
                                   "an operation is not in the module's text", "");
        }
    }
    return HX_OK;
}

static hx_err read_operations(const struct building *building,
                              const struct hx_module_descriptor *descriptor)
{
    struct module_tables *tables = building->tables;
    hx_err error = read_table(building, descriptor->operations, descriptor->operations_size, 0,
                              LIFECYCLE_INIT);

    if (error != HX_OK) {
        return error;
    }
    tables->operation_count = descriptor->operations_size / (uint32_t)sizeof(uintptr_t);
    if (tables->operation_count > building->image->file->category->operation_count) {
        return module_complain(building->why, HX_EVERSION,
                               "it has operations that are not known here", "");
    }
    return descriptor->lifecycle == NULL
               ? HX_OK
               : read_table(building, descriptor->lifecycle, sizeof(*descriptor->lifecycle),
                            LIFECYCLE_INIT, LIFECYCLE_END);
}

/* Relocations give the descriptor its addresses; what was checked of it must still stand there. */
static hx_err read_descriptor(const struct building *building,
                              struct hx_module_descriptor *descriptor)
{
    struct hx_module_descriptor expected = building->image->file->descriptor;

    memcpy(descriptor, building->image->bytes + building->image->file->descriptor_offset,
           sizeof(*descriptor));
    expected.operations = descriptor->operations;
    expected.lifecycle = descriptor->lifecycle;
    return memcmp(&expected, descriptor, sizeof(expected)) == 0
               ? HX_OK
               : module_complain(building->why, HX_EFORMAT,
                                 "a relocation changes the descriptor's numbers", "hx_module");
}

hx_err module_image_build(const struct module_image *image, struct module_tables *tables,
                          char why[MODULE_WHY_MAX])
{
    struct building building = {
        .image = image, .elf = &image->file->elf, .tables = tables, .why = why};
    struct hx_module_descriptor descriptor;
    hx_err error = copy_and_relocate(&building);

    memset(tables, 0, sizeof(*tables));
    if (error == HX_OK) {
        error = read_descriptor(&building, &descriptor);
    }
    return error == HX_OK ? read_operations(&building, &descriptor) : error;
}
