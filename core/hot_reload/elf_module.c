#include <base/assert.h>
#include <base/elf64.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/hot_reload/elf_module.h>

#define SYMBOL_COUNT_MAX     (1U << 20)
#define RELOCATION_COUNT_MAX (1U << 20)

struct reading {
    struct elf_module *module;
    const char **why;
};

static hx_err refuse(const struct reading *reading, hx_err error, const char *sentence)
{
    *reading->why = sentence;
    return error;
}

/* --- records of the file, which are of any alignment ------------------------------------------ */

static struct elf64_section file_section(const struct elf_module *module, uint32_t index)
{
    struct elf64_section section;

    memcpy(&section, module->file_sections.bytes + index * sizeof(section), sizeof(section));
    return section;
}

static struct elf64_symbol file_symbol(const struct elf_module *module, uint32_t index)
{
    struct elf64_symbol symbol;

    memcpy(&symbol, module->symbols.bytes + index * sizeof(symbol), sizeof(symbol));
    return symbol;
}

static struct elf64_rela file_rela(const struct elf_module *module,
                                   const struct elf64_section *table, uint32_t index)
{
    struct elf64_rela rela;

    memcpy(&rela, module->file + table->offset + index * sizeof(rela), sizeof(rela));
    return rela;
}

static const struct elf_module_section *loaded_section(const struct elf_module *module,
                                                       uint32_t index)
{
    for (uint32_t i = 0; i < module->section_count; i++) {
        if (module->sections[i].index == index) {
            return &module->sections[i];
        }
    }
    return NULL;
}

/* --- header ----------------------------------------------------------------------------------- */

static hx_err read_header(const struct reading *reading, uint16_t machine)
{
    struct elf_module *module = reading->module;
    struct elf64_header header;

    if (module->file_size < sizeof(header)) {
        return refuse(reading, HX_EFORMAT, "the file is too short for a module");
    }
    memcpy(&header, module->file, sizeof(header));
    if (!elf64_is_header(&header)) {
        return refuse(reading, HX_EFORMAT, "not a 64-bit little-endian ELF file");
    }
    if (header.machine != machine) {
        return refuse(reading, HX_EVERSION, "the module is for another machine");
    }
    if (header.type != ELF64_TYPE_RELOCATABLE) {
        return refuse(reading, HX_EFORMAT, "the ELF file is not relocatable");
    }
    if (header.section_entry_size != sizeof(struct elf64_section) || header.section_count == 0) {
        return refuse(reading, HX_EFORMAT, "the section table is missing or malformed");
    }
    if (header.section_count > ELF_MODULE_FILE_SECTION_MAX) {
        return refuse(reading, HX_ERANGE, "the file has too many sections");
    }
    if (!elf64_range_fits(header.section_offset,
                          header.section_count * sizeof(struct elf64_section), module->file_size)) {
        return refuse(reading, HX_EFORMAT, "the section table is not all in the file");
    }
    module->file_sections.bytes = module->file + header.section_offset;
    module->file_sections.count = header.section_count;
    module->section_names = header.section_names;
    return HX_OK;
}

/* --- sections --------------------------------------------------------------------------------- */

/* Every section, loaded or not, must lie in the file. */
static hx_err check_sections(const struct reading *reading)
{
    struct elf_module *module = reading->module;

    if (file_section(module, 0).type != ELF64_SECTION_NULL) {
        return refuse(reading, HX_EFORMAT, "the first section is not the null section");
    }
    for (uint32_t i = 1; i < module->file_sections.count; i++) {
        struct elf64_section section = file_section(module, i);

        if (section.type != ELF64_SECTION_NOBITS && section.type != ELF64_SECTION_NULL &&
            !elf64_range_fits(section.offset, section.size, module->file_size)) {
            return refuse(reading, HX_EFORMAT, "a section is not all in the file");
        }
    }
    return HX_OK;
}

/*
 * Sections that take memory but are not loaded: what a processor's supplement defines on top of the
 * gABI is unwind information, which nothing here reads.
 */
static bool is_loaded(const struct elf64_section *section)
{
    return (section->flags & ELF64_FLAG_ALLOC) != 0 && section->type != ELF64_SECTION_NULL &&
           (section->type < ELF64_SECTION_PROCESSOR_LOW ||
            section->type > ELF64_SECTION_PROCESSOR_HIGH);
}

/* The kind of a loaded section: only what a loader that runs no code of the module can do. */
static hx_err check_kind(const struct reading *reading, const struct elf64_section *section)
{
    switch (section->type) {
    case ELF64_SECTION_PROGBITS:
    case ELF64_SECTION_NOTE:
    case ELF64_SECTION_NOBITS:
        break;
    case ELF64_SECTION_INIT_ARRAY:
    case ELF64_SECTION_FINI_ARRAY:
    case ELF64_SECTION_PREINIT_ARRAY:
        return refuse(reading, HX_ENOSYS, "the module has constructors, which nobody would call");
    default:
        return refuse(reading, HX_ENOSYS, "a loaded section is of an unknown type");
    }
    if ((section->flags & ELF64_FLAG_TLS) != 0) {
        return refuse(reading, HX_ENOSYS, "the module has thread-local storage");
    }
    if ((section->flags & ELF64_FLAG_COMPRESSED) != 0) {
        return refuse(reading, HX_ENOSYS, "a loaded section is compressed");
    }
    return HX_OK;
}

static hx_err choose_group(const struct reading *reading, const struct elf64_section *section,
                           enum elf_group *group)
{
    bool is_write = (section->flags & ELF64_FLAG_WRITE) != 0;
    bool is_execute = (section->flags & ELF64_FLAG_EXECUTE) != 0;

    if (is_write && is_execute) {
        return refuse(reading, HX_EFORMAT, "a section is writable and executable");
    }
    if (section->type == ELF64_SECTION_NOBITS) {
        *group = ELF_GROUP_BSS;
        return is_write ? HX_OK
                        : refuse(reading, HX_EFORMAT, "a section without bytes is not writable");
    }
    *group = is_execute ? ELF_GROUP_TEXT : is_write ? ELF_GROUP_DATA : ELF_GROUP_RODATA;
    return HX_OK;
}

/* Append a section to its group; its offset is from the group's start until groups are placed. */
static hx_err keep_section(const struct reading *reading, uint32_t index, enum elf_group group,
                           const struct elf64_section *section)
{
    struct elf_module *module = reading->module;
    uint64_t *end = &module->groups[group].size;
    uint64_t offset;

    if (!elf64_is_alignment(section->alignment, ELF_MODULE_ALIGNMENT_MAX)) {
        return refuse(reading, HX_EFORMAT, "a section's alignment is no power of two up to 4096");
    }
    if (module->section_count == ELF_MODULE_SECTION_MAX) {
        return refuse(reading, HX_ERANGE, "the module has too many sections to load");
    }
    offset = elf64_round_up(*end, section->alignment == 0 ? 1 : section->alignment);
    if (!elf64_range_fits(offset, section->size, ELF_MODULE_IMAGE_MAX)) {
        return refuse(reading, HX_ERANGE, "the module is too large");
    }
    module->sections[module->section_count++] = (struct elf_module_section){
        .bytes =
            group == ELF_GROUP_BSS || section->size == 0 ? NULL : module->file + section->offset,
        .offset = offset,
        .size = section->size,
        .index = index,
        .group = group};
    *end = offset + section->size;
    return HX_OK;
}

static hx_err collect_sections(const struct reading *reading)
{
    struct elf_module *module = reading->module;

    for (uint32_t i = 1; i < module->file_sections.count; i++) {
        struct elf64_section section = file_section(module, i);
        enum elf_group group = ELF_GROUP_TEXT;
        hx_err error;

        if (!is_loaded(&section)) {
            continue;
        }
        error = check_kind(reading, &section);
        if (error == HX_OK) {
            error = choose_group(reading, &section, &group);
        }
        if (error == HX_OK) {
            error = keep_section(reading, i, group, &section);
        }
        if (error != HX_OK) {
            return error;
        }
    }
    return HX_OK;
}

/* Groups follow each other on page boundaries; each is at most ELF_MODULE_IMAGE_MAX, so no wrap. */
static hx_err place_groups(const struct reading *reading)
{
    struct elf_module *module = reading->module;
    uint64_t end = 0;

    for (size_t i = 0; i < ELF_GROUP_COUNT; i++) {
        module->groups[i].offset = end;
        end = elf64_round_up(end + module->groups[i].size, ELF64_PAGE_SIZE);
    }
    if (end > ELF_MODULE_IMAGE_MAX) {
        return refuse(reading, HX_ERANGE, "the module is too large");
    }
    for (uint32_t i = 0; i < module->section_count; i++) {
        module->sections[i].offset += module->groups[module->sections[i].group].offset;
    }
    module->image_size = end;
    return HX_OK;
}

/* Whether the string at an offset of a section of strings is this one, of size bytes with its NUL.
 */
static bool is_string_at(const struct elf_module *module, const struct elf64_section *strings,
                         uint64_t offset, const char *text, size_t size)
{
    return elf64_range_fits(offset, size, strings->size) &&
           memcmp(module->file + strings->offset + offset, text, size) == 0;
}

hx_err elf_module_find_section(const struct elf_module *module, const char *name,
                               const uint8_t **bytes, size_t *size)
{
    size_t name_size = string_length(name) + 1;
    struct elf64_section names;

    if (module->section_names == 0 || module->section_names >= module->file_sections.count) {
        return HX_ENOENT;
    }
    names = file_section(module, module->section_names);
    if (names.type != ELF64_SECTION_STRINGS) {
        return HX_ENOENT;
    }
    for (uint32_t i = 1; i < module->file_sections.count; i++) {
        struct elf64_section section = file_section(module, i);

        if (section.type == ELF64_SECTION_NULL ||
            !is_string_at(module, &names, section.name, name, name_size)) {
            continue;
        }
        if (section.type == ELF64_SECTION_NOBITS || (section.flags & ELF64_FLAG_COMPRESSED) != 0) {
            return HX_ENOSYS;
        }
        *bytes = module->file + section.offset;
        *size = section.size;
        return HX_OK;
    }
    return HX_ENOENT;
}

/* --- symbols ---------------------------------------------------------------------------------- */

static hx_err find_symbol_table(const struct reading *reading)
{
    struct elf_module *module = reading->module;

    for (uint32_t i = 1; i < module->file_sections.count; i++) {
        if (file_section(module, i).type != ELF64_SECTION_SYMBOLS) {
            continue;
        }
        if (module->symbols_index != 0) {
            return refuse(reading, HX_EFORMAT, "the file has two symbol tables");
        }
        module->symbols_index = i;
    }
    return HX_OK;
}

static hx_err open_names(const struct reading *reading, uint32_t index)
{
    struct elf_module *module = reading->module;
    struct elf64_section names;

    if (index == 0 || index >= module->file_sections.count) {
        return refuse(reading, HX_EFORMAT, "the symbols have no names");
    }
    names = file_section(module, index);
    if (names.type != ELF64_SECTION_STRINGS) {
        return refuse(reading, HX_EFORMAT, "the names of the symbols are malformed");
    }
    module->names = (const char *)module->file + names.offset;
    module->names_size = names.size;
    return HX_OK;
}

static hx_err open_symbols(const struct reading *reading)
{
    struct elf_module *module = reading->module;
    struct elf64_section table;

    if (module->symbols_index == 0) {
        return HX_OK;
    }
    table = file_section(module, module->symbols_index);
    if (table.entry_size != sizeof(struct elf64_symbol) || table.size == 0 ||
        table.size % sizeof(struct elf64_symbol) != 0) {
        return refuse(reading, HX_EFORMAT, "the symbol table is malformed");
    }
    if (table.size / sizeof(struct elf64_symbol) > SYMBOL_COUNT_MAX) {
        return refuse(reading, HX_ERANGE, "the file has too many symbols");
    }
    module->symbols.bytes = module->file + table.offset;
    module->symbols.count = (uint32_t)(table.size / sizeof(struct elf64_symbol));
    return open_names(reading, table.link);
}

static unsigned symbol_binding(const struct elf64_symbol *symbol)
{
    return symbol->info >> 4;
}

static unsigned symbol_type(const struct elf64_symbol *symbol)
{
    return symbol->info & 0xfU;
}

/* Where a symbol is defined: nowhere, in a section of the file, or absolutely. */
static hx_err check_place(const struct reading *reading, const struct elf64_symbol *symbol)
{
    const struct elf_module *module = reading->module;
    const struct elf_module_section *section;

    if (symbol->section == ELF64_INDEX_COMMON) {
        return refuse(reading, HX_ENOSYS, "a symbol is common: compile with -fno-common");
    }
    if (symbol->section == ELF64_INDEX_UNDEFINED || symbol->section == ELF64_INDEX_ABSOLUTE) {
        return HX_OK;
    }
    if (symbol->section >= module->file_sections.count) {
        return refuse(reading, HX_EFORMAT, "a symbol is in a section that does not exist");
    }
    section = loaded_section(module, symbol->section);
    if (section != NULL && !elf64_range_fits(symbol->value, symbol->size, section->size)) {
        return refuse(reading, HX_EFORMAT, "a symbol is not inside its section");
    }
    return HX_OK;
}

/* Whether a name is a string of the names' section, its NUL included, and not too long. */
static bool is_name(const struct elf_module *module, uint32_t offset)
{
    uint64_t room;

    if (offset >= module->names_size) {
        return false;
    }
    room = module->names_size - offset;
    room = room < ELF_MODULE_NAME_MAX + 1 ? room : ELF_MODULE_NAME_MAX + 1;
    return string_ends_within(module->names + offset, room);
}

static hx_err check_symbol(const struct reading *reading, uint32_t index)
{
    const struct elf_module *module = reading->module;
    struct elf64_symbol symbol = file_symbol(module, index);

    if (symbol_binding(&symbol) > ELF64_BINDING_WEAK || symbol_type(&symbol) > ELF64_SYMBOL_FILE) {
        return refuse(reading, HX_ENOSYS, "a symbol is of an unknown or unsupported kind");
    }
    if (!is_name(module, symbol.name)) {
        return refuse(reading, HX_EFORMAT, "a symbol's name is too long or does not exist");
    }
    if (index != 0 && symbol.section == ELF64_INDEX_UNDEFINED &&
        (module->names[symbol.name] == '\0' || symbol_binding(&symbol) == ELF64_BINDING_LOCAL)) {
        return refuse(reading, HX_EFORMAT, "an undefined symbol is local or has no name");
    }
    return check_place(reading, &symbol);
}

static hx_err read_symbols(const struct reading *reading)
{
    hx_err error = find_symbol_table(reading);

    if (error == HX_OK) {
        error = open_symbols(reading);
    }
    for (uint32_t i = 0; error == HX_OK && i < reading->module->symbols.count; i++) {
        error = check_symbol(reading, i);
    }
    return error;
}

enum elf_symbol_kind elf_module_symbol_value(const struct elf_module *module, uint32_t index,
                                             uint64_t *value)
{
    const struct elf_module_section *section;
    struct elf64_symbol symbol;

    HX_ASSERT(index == 0 || index < module->symbols.count, "the module has a symbol of this index");
    *value = 0;
    if (index == 0) {
        return ELF_SYMBOL_ABSOLUTE;
    }
    symbol = file_symbol(module, index);
    *value = symbol.value;
    if (symbol.section == ELF64_INDEX_ABSOLUTE || symbol.section == ELF64_INDEX_UNDEFINED) {
        return symbol.section == ELF64_INDEX_ABSOLUTE ? ELF_SYMBOL_ABSOLUTE : ELF_SYMBOL_IMPORT;
    }
    section = loaded_section(module, symbol.section);
    *value += section != NULL ? section->offset : 0;
    return section != NULL ? ELF_SYMBOL_DEFINED : ELF_SYMBOL_DROPPED;
}

struct elf_module_symbol elf_module_symbol(const struct elf_module *module, uint32_t index)
{
    struct elf_module_symbol out = {.name = "", .is_local = true};
    struct elf64_symbol symbol;

    out.kind = elf_module_symbol_value(module, index, &out.value);
    if (index != 0) {
        symbol = file_symbol(module, index);
        out.name = module->names + symbol.name;
        out.is_local = symbol_binding(&symbol) == ELF64_BINDING_LOCAL;
        out.is_weak = symbol_binding(&symbol) == ELF64_BINDING_WEAK;
        out.is_function = symbol_type(&symbol) == ELF64_SYMBOL_FUNCTION;
        out.size = symbol.size;
    }
    return out;
}

/* Whether a symbol may be the one of that name: local ones are not found. */
static bool is_called(const struct elf_module *module, uint32_t index, const char *name)
{
    struct elf64_symbol symbol = file_symbol(module, index);

    return symbol_binding(&symbol) != ELF64_BINDING_LOCAL &&
           string_equal(module->names + symbol.name, name);
}

hx_err elf_module_find(const struct elf_module *module, const char *name,
                       struct elf_module_symbol *symbol)
{
    for (uint32_t i = 1; i < module->symbols.count; i++) {
        if (is_called(module, i, name)) {
            *symbol = elf_module_symbol(module, i);
            if (symbol->kind == ELF_SYMBOL_DEFINED) {
                return HX_OK;
            }
        }
    }
    return HX_ENOENT;
}

/* --- relocations ------------------------------------------------------------------------------ */

/* The loaded section that a table of the file relocates; NULL if it is no such table. */
static const struct elf_module_section *relocated_section(const struct elf_module *module,
                                                          const struct elf64_section *table)
{
    if (table->type != ELF64_SECTION_RELA && table->type != ELF64_SECTION_REL) {
        return NULL;
    }
    return loaded_section(module, table->info);
}

static hx_err check_relocation(const struct reading *reading,
                               const struct elf_module_section *section,
                               const struct elf64_rela *rela)
{
    const struct elf_module *module = reading->module;
    uint32_t index = (uint32_t)(rela->info >> 32);
    uint64_t value;

    if (rela->offset >= section->size) {
        return refuse(reading, HX_EFORMAT, "a relocation is outside its section");
    }
    if (index >= module->symbols.count) {
        return refuse(reading, HX_EFORMAT, "a relocation names a symbol that does not exist");
    }
    if (elf_module_symbol_value(module, index, &value) == ELF_SYMBOL_DROPPED) {
        return refuse(reading, HX_EFORMAT, "a relocation refers to a section that is not loaded");
    }
    return HX_OK;
}

static hx_err check_relocation_table(const struct reading *reading,
                                     const struct elf_module_section *section,
                                     const struct elf64_section *table)
{
    struct elf_module *module = reading->module;
    uint64_t count = table->size / sizeof(struct elf64_rela);
    hx_err error = HX_OK;

    if (table->type == ELF64_SECTION_REL) {
        return refuse(reading, HX_ENOSYS, "the module has relocations without addends");
    }
    if (table->entry_size != sizeof(struct elf64_rela) ||
        table->size % sizeof(struct elf64_rela) != 0 || module->symbols_index == 0 ||
        table->link != module->symbols_index) {
        return refuse(reading, HX_EFORMAT, "a table of relocations is malformed");
    }
    if (count > RELOCATION_COUNT_MAX - module->relocation_count) {
        return refuse(reading, HX_ERANGE, "the module has too many relocations");
    }
    module->relocation_count += (uint32_t)count;
    if (section->group == ELF_GROUP_BSS && count != 0) {
        return refuse(reading, HX_EFORMAT, "a section without bytes has relocations");
    }
    for (uint32_t i = 0; error == HX_OK && i < count; i++) {
        struct elf64_rela rela = file_rela(module, table, i);

        error = check_relocation(reading, section, &rela);
    }
    return error;
}

static hx_err check_relocations(const struct reading *reading)
{
    const struct elf_module *module = reading->module;
    hx_err error = HX_OK;

    for (uint32_t i = 1; error == HX_OK && i < module->file_sections.count; i++) {
        struct elf64_section table = file_section(module, i);
        const struct elf_module_section *section = relocated_section(module, &table);

        if (section != NULL) {
            error = check_relocation_table(reading, section, &table);
        }
    }
    return error;
}

/* Go on to a table's entries, none if it relocates nothing. */
static void open_table(const struct elf_module *module, struct elf_module_cursor *cursor)
{
    struct elf64_section table = file_section(module, cursor->table);

    cursor->section = relocated_section(module, &table);
    cursor->entry = 0;
    cursor->count = 0;
    if (cursor->section != NULL) { /* of others, nobody has looked at the offset */
        cursor->count = (uint32_t)(table.size / sizeof(struct elf64_rela));
        cursor->entries = module->file + table.offset;
    }
}

bool elf_module_next_relocation(const struct elf_module *module, struct elf_module_cursor *cursor,
                                struct elf_module_relocation *relocation)
{
    struct elf64_rela rela;

    while (cursor->entry == cursor->count) {
        if (++cursor->table >= module->file_sections.count) {
            return false;
        }
        open_table(module, cursor);
    }
    memcpy(&rela, cursor->entries + cursor->entry++ * sizeof(rela), sizeof(rela));
    *relocation = (struct elf_module_relocation){.section = cursor->section,
                                                 .offset = rela.offset,
                                                 .type = (uint32_t)rela.info,
                                                 .symbol = (uint32_t)(rela.info >> 32),
                                                 .addend = rela.addend};
    return true;
}

/* --- the whole -------------------------------------------------------------------------------- */

hx_err elf_module_read(const void *file, size_t size, uint16_t machine, struct elf_module *module,
                       const char **why)
{
    const struct reading reading = {.module = module, .why = why};
    hx_err error;

    *why = NULL;
    memset(module, 0, sizeof(*module));
    module->file = file;
    module->file_size = size;
    error = read_header(&reading, machine);
    if (error == HX_OK) {
        error = check_sections(&reading);
    }
    if (error == HX_OK) {
        error = collect_sections(&reading);
    }
    if (error == HX_OK) {
        error = place_groups(&reading);
    }
    if (error == HX_OK) {
        error = read_symbols(&reading);
    }
    if (error == HX_OK) {
        error = check_relocations(&reading);
    }
    return error;
}
