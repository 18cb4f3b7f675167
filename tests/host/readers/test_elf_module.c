#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <tests/host/random.h>
#include <tests/host/readers/elf_checks.h>
#include <tests/host/readers/sample_module.h>
#include <unistd.h>

#include <cmocka.h>

/* --- an object file made by hand -------------------------------------------------------------- */

struct object {
    struct sample_module sample;
    uint8_t *file; /* the last one that was read, exactly as long as it is */
    struct elf_module module;
    const char *why;
};

static int set_up(void **state)
{
    struct object *object = calloc(1, sizeof(*object));

    assert_non_null(object);
    sample_module_init(&object->sample);
    *state = object;
    return 0;
}

static int tear_down(void **state)
{
    struct object *object = *state;

    free(object->file);
    free(object);
    return 0;
}

static hx_err read_bytes(struct object *object, const uint8_t *bytes, size_t size)
{
    free(object->file);
    object->file = malloc(size + 1);
    assert_non_null(object->file);
    memcpy(object->file, bytes, size);
    return elf_module_read(object->file, size, MACHINE, &object->module, &object->why);
}

static hx_err read_object(struct object *object)
{
    uint8_t bytes[FILE_SIZE];

    sample_module_write(&object->sample, bytes);
    return read_bytes(object, bytes, FILE_SIZE);
}

static void assert_refused(struct object *object, hx_err error)
{
    assert_int_equal(read_object(object), error);
    assert_non_null(object->why);
}

/* Refuse the object with one field changed, and accept it again once it is restored. */
#define REFUSED_WITH(object, field, bad, error)                                                    \
    do {                                                                                           \
        __typeof__((object)->sample.field) good_ = (object)->sample.field;                         \
        (object)->sample.field = (__typeof__(good_))(bad);                                         \
        assert_refused((object), (error));                                                         \
        (object)->sample.field = good_;                                                            \
        assert_int_equal(read_object(object), HX_OK);                                              \
    } while (0)

/* --- what is accepted ------------------------------------------------------------------------- */

static void a_good_module_becomes_groups_on_pages_of_their_own(void **state)
{
    struct object *object = *state;
    const struct elf_module *module = &object->module;

    assert_int_equal(read_object(object), HX_OK);
    assert_null(object->why);
    check_module(module);
    assert_int_equal(module->section_count, 4);
    assert_int_equal(module->groups[ELF_GROUP_TEXT].size, 32);
    assert_int_equal(module->groups[ELF_GROUP_RODATA].offset, 4096);
    assert_int_equal(module->groups[ELF_GROUP_DATA].offset, 8192);
    assert_int_equal(module->groups[ELF_GROUP_BSS].offset, 12288);
    assert_int_equal(module->image_size, 12288 + 8192);
    assert_memory_equal(module->sections[0].bytes, "\xcc\xcc\xcc\xcc", 4);
    assert_memory_equal(module->sections[2].bytes, "dddd", 4);
    assert_null(module->sections[3].bytes);
}

static void symbols_are_offsets_imports_or_numbers(void **state)
{
    struct object *object = *state;
    const struct elf_module *module = &object->module;
    struct elf_module_symbol symbol;

    assert_int_equal(read_object(object), HX_OK);
    assert_int_equal(elf_module_find(module, "entry", &symbol), HX_OK);
    assert_int_equal(symbol.value, 16);
    assert_true(symbol.is_function);
    assert_int_equal(elf_module_find(module, "counter", &symbol), HX_OK);
    assert_int_equal(symbol.value, 12288 + 4992);
    assert_false(symbol.is_function);
    assert_int_equal(elf_module_find(module, "import", &symbol), HX_ENOENT);
    assert_int_equal(elf_module_find(module, "remark", &symbol), HX_ENOENT);
    assert_int_equal(elf_module_find(module, "", &symbol), HX_ENOENT);
    symbol = elf_module_symbol(module, IMPORT);
    assert_int_equal(symbol.kind, ELF_SYMBOL_IMPORT);
    assert_false(symbol.is_weak);
    assert_string_equal(symbol.name, "import");
    assert_true(elf_module_symbol(module, MAYBE).is_weak);
    assert_int_equal(elf_module_symbol(module, ANSWER).kind, ELF_SYMBOL_ABSOLUTE);
    assert_int_equal(elf_module_symbol(module, ANSWER).value, 42);
    assert_int_equal(elf_module_symbol(module, REMARK).kind, ELF_SYMBOL_DROPPED);
    assert_int_equal(elf_module_symbol(module, DATA_START).value, 8192);
    assert_int_equal(elf_module_symbol(module, 0).kind, ELF_SYMBOL_ABSOLUTE);
    assert_int_equal(elf_module_symbol(module, 0).value, 0);
}

static void relocations_come_in_the_order_of_the_file(void **state)
{
    struct object *object = *state;
    struct elf_module_cursor cursor = {0};
    struct elf_module_relocation relocation;

    /* Of a section without bytes, the place in the file means nothing, and is nowhere. */
    object->sample.sections[BSS].offset = UINT64_MAX;
    assert_int_equal(read_object(object), HX_OK);
    assert_true(elf_module_next_relocation(&object->module, &cursor, &relocation));
    assert_int_equal(relocation.offset, 28);
    assert_int_equal(relocation.symbol, IMPORT);
    assert_int_equal(relocation.type, 4);
    assert_int_equal(relocation.addend, -4);
    assert_int_equal(relocation.section->index, TEXT);
    assert_true(elf_module_next_relocation(&object->module, &cursor, &relocation));
    assert_int_equal(relocation.symbol, DATA_START);
    assert_false(elf_module_next_relocation(&object->module, &cursor, &relocation));
    assert_false(elf_module_next_relocation(&object->module, &cursor, &relocation));
}

static void sections_of_the_processor_are_not_loaded(void **state)
{
    struct object *object = *state;

    object->sample.sections[RODATA].type = 0x70000001; /* unwind tables */
    assert_int_equal(read_object(object), HX_OK);
    assert_int_equal(object->module.groups[ELF_GROUP_RODATA].size, 0);
}

static void a_module_without_symbols_is_read(void **state)
{
    struct object *object = *state;

    object->sample.sections[SYMBOLS].type = ELF64_SECTION_NULL;
    object->sample.sections[RELOCATIONS].type = ELF64_SECTION_NULL;
    assert_int_equal(read_object(object), HX_OK);
    assert_int_equal(object->module.symbols.count, 0);
    assert_int_equal(object->module.relocation_count, 0);
}

/* --- what is refused -------------------------------------------------------------------------- */

static void a_header_with_a_wrong_field_is_refused(void **state)
{
    struct object *object = *state;

    REFUSED_WITH(object, header.ident[0], 0x7e, HX_EFORMAT);
    REFUSED_WITH(object, header.ident[3], 'f', HX_EFORMAT);
    REFUSED_WITH(object, header.ident[ELF64_IDENT_CLASS], 1, HX_EFORMAT);
    REFUSED_WITH(object, header.ident[ELF64_IDENT_DATA], 2, HX_EFORMAT);
    REFUSED_WITH(object, header.ident[ELF64_IDENT_VERSION], 0, HX_EFORMAT);
    REFUSED_WITH(object, header.ident[ELF64_IDENT_ABI], 9, HX_EFORMAT);
    REFUSED_WITH(object, header.version, 2, HX_EFORMAT);
    REFUSED_WITH(object, header.type, ELF64_TYPE_DYNAMIC, HX_EFORMAT);
    REFUSED_WITH(object, header.machine, 183, HX_EVERSION);
    REFUSED_WITH(object, header.section_entry_size, 40, HX_EFORMAT);
    REFUSED_WITH(object, header.section_count, 0, HX_EFORMAT);
    REFUSED_WITH(object, header.section_count, SECTIONS + 1, HX_EFORMAT);
    REFUSED_WITH(object, header.section_count, UINT16_MAX, HX_ERANGE);
    REFUSED_WITH(object, header.section_offset, TABLE_AT + 1, HX_EFORMAT);
    REFUSED_WITH(object, header.section_offset, UINT64_MAX - 63, HX_EFORMAT);
    REFUSED_WITH(object, sections[NONE].type, ELF64_SECTION_PROGBITS, HX_EFORMAT);
}

static void a_section_outside_the_file_is_refused(void **state)
{
    struct object *object = *state;

    REFUSED_WITH(object, sections[TEXT].offset, FILE_SIZE - 31, HX_EFORMAT);
    REFUSED_WITH(object, sections[TEXT].offset, UINT64_MAX, HX_EFORMAT);
    REFUSED_WITH(object, sections[TEXT].size, UINT64_MAX - TEXT_AT + 1, HX_EFORMAT); /* wraps */
    REFUSED_WITH(object, sections[COMMENT].offset, FILE_SIZE + 1, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].size, 24 * 1000, HX_EFORMAT);
}

static void a_section_that_cannot_be_loaded_is_refused(void **state)
{
    struct object *object = *state;
    const uint64_t a = ELF64_FLAG_ALLOC, w = ELF64_FLAG_WRITE, x = ELF64_FLAG_EXECUTE;

    REFUSED_WITH(object, sections[DATA].flags, a | w | x, HX_EFORMAT);
    REFUSED_WITH(object, sections[BSS].flags, a, HX_EFORMAT);
    REFUSED_WITH(object, sections[BSS].flags, a | x, HX_EFORMAT);
    REFUSED_WITH(object, sections[BSS].flags, a | w | ELF64_FLAG_TLS, HX_ENOSYS);
    REFUSED_WITH(object, sections[RODATA].flags, a | ELF64_FLAG_COMPRESSED, HX_ENOSYS);
    REFUSED_WITH(object, sections[DATA].type, ELF64_SECTION_INIT_ARRAY, HX_ENOSYS);
    REFUSED_WITH(object, sections[DATA].type, ELF64_SECTION_FINI_ARRAY, HX_ENOSYS);
    REFUSED_WITH(object, sections[DATA].type, 6 /* dynamic */, HX_ENOSYS);
    REFUSED_WITH(object, sections[DATA].alignment, 3, HX_EFORMAT);
    REFUSED_WITH(object, sections[DATA].alignment, 8192, HX_EFORMAT);
    REFUSED_WITH(object, sections[DATA].alignment, 1ULL << 63, HX_EFORMAT);
    REFUSED_WITH(object, sections[BSS].size, ELF_MODULE_IMAGE_MAX - 4096, HX_ERANGE);
    REFUSED_WITH(object, sections[BSS].size, ELF_MODULE_IMAGE_MAX + 1, HX_ERANGE);
    REFUSED_WITH(object, sections[BSS].size, UINT64_MAX, HX_ERANGE);
}

static void a_symbol_table_that_is_malformed_is_refused(void **state)
{
    struct object *object = *state;

    REFUSED_WITH(object, sections[SYMBOLS].entry_size, 16, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].size, 0, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].size, 25, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].link, 0, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].link, SECTIONS, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].link, UINT32_MAX, HX_EFORMAT);
    REFUSED_WITH(object, sections[SYMBOLS].link, COMMENT, HX_EFORMAT);
    REFUSED_WITH(object, sections[STRINGS].size, 0, HX_EFORMAT);
    REFUSED_WITH(object, sections[STRINGS].size, sizeof(NAMES) - 1, HX_EFORMAT); /* no NUL */
}

static void two_symbol_tables_are_refused(void **state)
{
    struct object *object = *state;

    object->sample.sections[COMMENT] = object->sample.sections[SYMBOLS];
    assert_refused(object, HX_EFORMAT);
    assert_non_null(strstr(object->why, "two symbol tables"));
}

static void a_symbol_that_makes_no_sense_is_refused(void **state)
{
    struct object *object = *state;

    REFUSED_WITH(object, symbols[ENTRY].name, sizeof(NAMES), HX_EFORMAT);
    REFUSED_WITH(object, symbols[ENTRY].name, UINT32_MAX, HX_EFORMAT);
    REFUSED_WITH(object, symbols[ENTRY].section, SECTIONS, HX_EFORMAT);
    REFUSED_WITH(object, symbols[ENTRY].section, 0xffff, HX_EFORMAT); /* an extended index */
    REFUSED_WITH(object, symbols[ENTRY].section, ELF64_INDEX_COMMON, HX_ENOSYS);
    REFUSED_WITH(object, symbols[ENTRY].value, 17, HX_EFORMAT);
    REFUSED_WITH(object, symbols[ENTRY].value, UINT64_MAX - 15, HX_EFORMAT);
    REFUSED_WITH(object, symbols[ENTRY].size, UINT64_MAX, HX_EFORMAT);
    REFUSED_WITH(object, symbols[ENTRY].info, 10 << 4, HX_ENOSYS);      /* an unknown binding */
    REFUSED_WITH(object, symbols[ENTRY].info, 1 << 4 | 10, HX_ENOSYS);  /* an indirect function */
    REFUSED_WITH(object, symbols[COUNTER].info, 1 << 4 | 6, HX_ENOSYS); /* a thread's variable */
    REFUSED_WITH(object, symbols[IMPORT].name, 0, HX_EFORMAT);
    REFUSED_WITH(object, symbols[IMPORT].info, 0, HX_EFORMAT);
}

static void a_relocation_that_makes_no_sense_is_refused(void **state)
{
    struct object *object = *state;

    REFUSED_WITH(object, relocations[0].offset, 32, HX_EFORMAT);
    REFUSED_WITH(object, relocations[0].offset, UINT64_MAX, HX_EFORMAT);
    REFUSED_WITH(object, relocations[1].info, (uint64_t)SYMBOL_COUNT << 32 | 1, HX_EFORMAT);
    REFUSED_WITH(object, relocations[1].info, (uint64_t)UINT32_MAX << 32 | 1, HX_EFORMAT);
    REFUSED_WITH(object, relocations[1].info, (uint64_t)REMARK << 32 | 1, HX_EFORMAT);
    REFUSED_WITH(object, sections[RELOCATIONS].entry_size, 16, HX_EFORMAT);
    REFUSED_WITH(object, sections[RELOCATIONS].size, 47, HX_EFORMAT);
    REFUSED_WITH(object, sections[RELOCATIONS].link, STRINGS, HX_EFORMAT);
    REFUSED_WITH(object, sections[RELOCATIONS].link, 0, HX_EFORMAT);
    REFUSED_WITH(object, sections[RELOCATIONS].info, BSS, HX_EFORMAT);
    REFUSED_WITH(object, sections[RELOCATIONS].type, ELF64_SECTION_REL, HX_ENOSYS);
}

static void relocations_of_what_is_not_loaded_are_ignored(void **state)
{
    struct object *object = *state;

    object->sample.sections[RELOCATIONS].info = COMMENT;
    object->sample.relocations[0].offset = UINT64_MAX;
    assert_int_equal(read_object(object), HX_OK);
    assert_int_equal(object->module.relocation_count, 0);
    check_module(&object->module);
}

static void a_module_cut_anywhere_is_refused(void **state)
{
    struct object *object = *state;
    uint8_t bytes[FILE_SIZE];

    sample_module_write(&object->sample, bytes);
    for (size_t size = 0; size < FILE_SIZE; size++) {
        assert_int_equal(read_bytes(object, bytes, size), HX_EFORMAT);
        assert_non_null(object->why);
    }
}

static void a_module_with_any_byte_changed_is_refused_or_harmless(void **state)
{
    struct object *object = *state;
    uint64_t seed = random_start();
    uint8_t bytes[FILE_SIZE];

    print_message("HELIX_SEED=%llu\n", (unsigned long long)seed);
    sample_module_write(&object->sample, bytes);
    for (size_t i = 0; i < FILE_SIZE * 8; i++) {
        size_t at = i % FILE_SIZE;
        uint8_t good = bytes[at];

        bytes[at] = i < FILE_SIZE ? 0xff : (uint8_t)random_u64();
        if (read_bytes(object, bytes, FILE_SIZE) == HX_OK) {
            check_module(&object->module);
        } else {
            assert_non_null(object->why);
        }
        bytes[at] = good;
    }
}

static void more_sections_than_fit_are_refused(void **state)
{
    enum { COUNT = ELF_MODULE_SECTION_MAX + 2 };
    static uint8_t bytes[64 + COUNT * 64];
    struct object *object = *state;
    struct elf64_section section = {
        .type = ELF64_SECTION_NOBITS, .flags = ELF64_FLAG_ALLOC | ELF64_FLAG_WRITE, .size = 1};

    object->sample.header.section_offset = 64;
    object->sample.header.section_count = COUNT;
    memcpy(bytes, &object->sample.header, 64);
    for (size_t i = 1; i < COUNT; i++) {
        memcpy(bytes + 64 + i * 64, &section, sizeof(section));
    }
    assert_int_equal(read_bytes(object, bytes, sizeof(bytes)), HX_ERANGE);
    object->sample.header.section_count = COUNT - 1;
    memcpy(bytes, &object->sample.header, 64);
    assert_int_equal(read_bytes(object, bytes, sizeof(bytes)), HX_OK);
    assert_int_equal(object->module.section_count, ELF_MODULE_SECTION_MAX);
}

/* --- relocation ------------------------------------------------------------------------------- */

enum {
    R_NONE = 0,
    R_64 = 1,
    R_PC32 = 2,
    R_PLT32 = 4,
    R_GOTPCREL = 9,
    R_32 = 10,
    R_32S = 11,
    R_PC64 = 24
};

static void relocations_compute_what_the_abi_says(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t place, symbol;
        int64_t addend;
        uint64_t expected;
        size_t size;
    } cases[] = {
        {R_NONE, 0, 1, 1, 0, 0},
        {R_64, 0x1000, 0xffffffff80001000, -16, 0xffffffff80000ff0, 8},
        {R_PC64, 0x2000, 0x1000, 4, (uint64_t)-0xffc, 8},
        {R_PC32, 0xffffffff80000000, 0xffffffff80000100, -4, 0xfc, 4},
        {R_PLT32, 0x400100, 0x400000, -4, 0xfffffefc, 4},
        {R_PC32, 0, 0x7fffffff, 0, 0x7fffffff, 4},
        {R_PC32, 0x80000000, 0, 0, 0x80000000, 4},
        {R_32, 0, 0xffffffff, 0, 0xffffffff, 4},
        {R_32S, 0, 0xffffffff80000000, 0, 0x80000000, 4},
        {R_32S, 0, 0x7ffffffe, 1, 0x7fffffff, 4},
    };

    (void)state;
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        uint8_t place[9];
        uint64_t value = 0;

        memset(place, 0xee, sizeof(place));
        assert_int_equal(hal_relocate(cases[i].type, place, cases[i].place, cases[i].symbol,
                                      cases[i].addend, cases[i].size),
                         HX_OK);
        memcpy(&value, place, cases[i].size);
        assert_int_equal(value, cases[i].expected);
        assert_int_equal(place[cases[i].size], 0xee);
    }
}

static void relocations_that_do_not_fit_change_nothing(void **state)
{
    static const struct {
        uint32_t type;
        uint64_t place, symbol;
        int64_t addend;
        size_t room;
        hx_err error;
    } cases[] = {
        {R_PC32, 0, 0x80000000, 0, 4, HX_ERANGE},
        {R_PC32, 0x80000001, 0, 0, 4, HX_ERANGE},
        {R_PLT32, 0xffffffff80000000, 0x400000, -4, 4, HX_ERANGE},
        {R_32, 0, 0x100000000, 0, 4, HX_ERANGE},
        {R_32, 0, 0, -1, 4, HX_ERANGE},
        {R_32S, 0, 0x80000000, 0, 4, HX_ERANGE},
        {R_32S, 0, 0xffffffff7fffffff, 0, 4, HX_ERANGE},
        {R_64, 0, 0, 0, 7, HX_EINVAL},
        {R_PC32, 0, 0, 0, 3, HX_EINVAL},
        {R_GOTPCREL, 0, 0, 0, 8, HX_ENOSYS},
        {16, 0, 0, 0, 8, HX_ENOSYS},
        {UINT32_MAX, 0, 0, 0, 8, HX_ENOSYS},
    };
    uint8_t untouched[8];

    (void)state;
    memset(untouched, 0xee, sizeof(untouched));
    for (size_t i = 0; i < HX_ARRAY_SIZE(cases); i++) {
        uint8_t place[8];

        memset(place, 0xee, sizeof(place));
        assert_int_equal(hal_relocate(cases[i].type, place, cases[i].place, cases[i].symbol,
                                      cases[i].addend, cases[i].room),
                         cases[i].error);
        assert_memory_equal(place, untouched, sizeof(place));
    }
}

static void relocation_types_have_names(void **state)
{
    (void)state;
    assert_string_equal(hal_relocation_name(R_PLT32), "R_X86_64_PLT32");
    assert_string_equal(hal_relocation_name(R_GOTPCREL), "R_X86_64_GOTPCREL");
    assert_string_equal(hal_relocation_name(12345), "unknown relocation");
    assert_int_equal(hal_relocation_machine(), MACHINE);
}

/* --- a real object file ----------------------------------------------------------------------- */

static const char SOURCE[] =
    "extern int imported(int);\n"
    "extern int absent(void) __attribute__((weak));\n"
    "static int twice(int n) { return 2 * n; }\n"
    "static int (*volatile table[])(int) = {twice, imported};\n"
    "static const char *const words[] = {\"one\", \"two\"};\n"
    "int counter;\n"
    "int entry(int n)\n"
    "{\n"
    "    counter += absent != 0 ? 1000 : 1;\n"
    "    return table[0](n) + table[1](n) + imported(1) + words[n & 1][0];\n"
    "}\n";

static int imported(int n)
{
    return n + 100;
}

/* The bytes of the source, compiled as modules are; NULL if there is no clang. */
static uint8_t *compile(size_t *size)
{
    char name[] = "/tmp/helix-module-XXXXXX", command[512];
    int descriptor = mkstemp(name);
    uint8_t *bytes = NULL;
    FILE *pipe, *file;

    assert_true(descriptor >= 0);
    snprintf(command, sizeof(command),
             "clang --target=x86_64-none-elf -std=gnu17 -ffreestanding -O2 -g -mcmodel=kernel "
             "-mno-red-zone -mgeneral-regs-only -fno-pic -x c -c - -o %s 2>/dev/null",
             name);
    pipe = popen(command, "w");
    assert_non_null(pipe);
    fputs(SOURCE, pipe);
    if (pclose(pipe) == 0) {
        file = fopen(name, "r"); /* anew: the compiler may have replaced the file */
        assert_non_null(file);
        bytes = calloc(1, 1 << 20);
        *size = fread(bytes, 1, 1 << 20, file);
        fclose(file);
    }
    close(descriptor);
    remove(name);
    return bytes;
}

static uint64_t resolve(const struct elf_module_symbol *symbol, const uint8_t *image)
{
    switch (symbol->kind) {
    case ELF_SYMBOL_DEFINED:
        return (uint64_t)image + symbol->value;
    case ELF_SYMBOL_IMPORT:
        return strcmp(symbol->name, "imported") == 0 ? (uint64_t)imported : 0;
    default:
        return symbol->value;
    }
}

static void load(const struct elf_module *module, uint8_t *image)
{
    struct elf_module_cursor cursor = {0};
    struct elf_module_relocation relocation;

    for (uint32_t i = 0; i < module->section_count; i++) {
        const struct elf_module_section *section = &module->sections[i];

        if (section->bytes != NULL) {
            memcpy(image + section->offset, section->bytes, section->size);
        }
    }
    while (elf_module_next_relocation(module, &cursor, &relocation)) {
        struct elf_module_symbol symbol = elf_module_symbol(module, relocation.symbol);
        uint8_t *place = image + relocation.section->offset + relocation.offset;

        assert_int_equal(hal_relocate(relocation.type, place, (uint64_t)place,
                                      resolve(&symbol, image), relocation.addend,
                                      relocation.section->size - relocation.offset),
                         HX_OK);
    }
}

static void a_real_object_file_runs_once_it_is_loaded_as_planned(void **state)
{
    struct object *object = *state;
    const struct elf_module *module = &object->module;
    struct elf_module_symbol entry, counter;
    const struct elf_module_group *text = &module->groups[ELF_GROUP_TEXT];
    int (*call)(int);
    uint8_t *image;
    size_t size = 0;

    object->file = compile(&size);
    if (object->file == NULL) {
        skip();
    }
    assert_int_equal(elf_module_read(object->file, size, MACHINE, &object->module, &object->why),
                     HX_OK);
    check_module(module);
    image = mmap(NULL, module->image_size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    assert_ptr_not_equal(image, MAP_FAILED);
    load(module, image);
    assert_int_equal(
        mprotect(image + text->offset, (text->size + 4095) & ~4095UL, PROT_READ | PROT_EXEC), 0);
    assert_int_equal(elf_module_find(module, "entry", &entry), HX_OK);
    assert_int_equal(elf_module_find(module, "counter", &counter), HX_OK);
    call = (int (*)(int))(image + entry.value);
    assert_int_equal(call(5), 2 * 5 + 105 + 101 + 't');
    assert_int_equal(call(4), 2 * 4 + 104 + 101 + 'o');
    assert_int_equal(*(int *)(image + counter.value), 2); /* the absent import was zero */
    munmap(image, module->image_size);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_module_becomes_groups_on_pages_of_their_own),
        TEST(symbols_are_offsets_imports_or_numbers),
        TEST(relocations_come_in_the_order_of_the_file),
        TEST(sections_of_the_processor_are_not_loaded),
        TEST(a_module_without_symbols_is_read),
        TEST(a_header_with_a_wrong_field_is_refused),
        TEST(a_section_outside_the_file_is_refused),
        TEST(a_section_that_cannot_be_loaded_is_refused),
        TEST(a_symbol_table_that_is_malformed_is_refused),
        TEST(two_symbol_tables_are_refused),
        TEST(a_symbol_that_makes_no_sense_is_refused),
        TEST(a_relocation_that_makes_no_sense_is_refused),
        TEST(relocations_of_what_is_not_loaded_are_ignored),
        TEST(a_module_cut_anywhere_is_refused),
        TEST(a_module_with_any_byte_changed_is_refused_or_harmless),
        TEST(more_sections_than_fit_are_refused),
        TEST(relocations_compute_what_the_abi_says),
        TEST(relocations_that_do_not_fit_change_nothing),
        TEST(relocation_types_have_names),
        TEST(a_real_object_file_runs_once_it_is_loaded_as_planned),
    };

    return cmocka_run_group_tests_name("readers/elf_module", tests, NULL, NULL);
}
