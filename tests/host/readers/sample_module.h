/*
 * A small module file made by hand, for the tests to spoil and the fuzzer to begin with.
 */
#ifndef TESTS_HOST_READERS_SAMPLE_MODULE_H
#define TESTS_HOST_READERS_SAMPLE_MODULE_H

#include <base/elf64.h>
#include <string.h>

#define MACHINE ELF64_MACHINE_X86_64

enum section { NONE, TEXT, RODATA, DATA, BSS, RELOCATIONS, SYMBOLS, STRINGS, COMMENT, SECTIONS };
enum symbol { NO_SYMBOL, DATA_START, ENTRY, IMPORT, MAYBE, COUNTER, ANSWER, REMARK, SYMBOL_COUNT };

/* Where things are in the file, out of alignment on purpose. */
#define TEXT_AT        65U
#define RODATA_AT      101U
#define DATA_AT        111U
#define RELOCATIONS_AT 131U
#define SYMBOLS_AT     203U
#define STRINGS_AT     403U
#define TABLE_AT       501U
#define FILE_SIZE      (TABLE_AT + SECTIONS * 64U)

#define NAMES "\0entry\0import\0maybe\0counter\0answer\0remark"

enum name {
    ENTRY_NAME = 1,
    IMPORT_NAME = 7,
    MAYBE_NAME = 14,
    COUNTER_NAME = 20,
    ANSWER_NAME = 28,
    REMARK_NAME = 35
};

struct sample_module {
    struct elf64_header header;
    struct elf64_section sections[SECTIONS];
    struct elf64_symbol symbols[SYMBOL_COUNT];
    struct elf64_rela relocations[2];
    char names[sizeof(NAMES)];
};

static inline void set_sections(struct sample_module *sample)
{
    const uint64_t a = ELF64_FLAG_ALLOC, w = ELF64_FLAG_WRITE, x = ELF64_FLAG_EXECUTE;
    const struct elf64_section sections[SECTIONS] = {
        [TEXT] = {.type = ELF64_SECTION_PROGBITS,
                  .flags = a | x,
                  .offset = TEXT_AT,
                  .size = 32,
                  .alignment = 16},
        [RODATA] = {.type = ELF64_SECTION_PROGBITS,
                    .flags = a,
                    .offset = RODATA_AT,
                    .size = 8,
                    .alignment = 4},
        [DATA] = {.type = ELF64_SECTION_PROGBITS,
                  .flags = a | w,
                  .offset = DATA_AT,
                  .size = 16,
                  .alignment = 8},
        [BSS] = {.type = ELF64_SECTION_NOBITS,
                 .flags = a | w,
                 .offset = DATA_AT + 16,
                 .size = 5000,
                 .alignment = 64},
        [RELOCATIONS] = {.type = ELF64_SECTION_RELA,
                         .offset = RELOCATIONS_AT,
                         .size = 48,
                         .link = SYMBOLS,
                         .info = TEXT,
                         .alignment = 8,
                         .entry_size = 24},
        [SYMBOLS] = {.type = ELF64_SECTION_SYMBOLS,
                     .offset = SYMBOLS_AT,
                     .size = SYMBOL_COUNT * 24,
                     .link = STRINGS,
                     .info = 2,
                     .alignment = 8,
                     .entry_size = 24},
        [STRINGS] = {.type = ELF64_SECTION_STRINGS,
                     .offset = STRINGS_AT,
                     .size = sizeof(NAMES),
                     .alignment = 1},
        [COMMENT] = {.type = ELF64_SECTION_PROGBITS, .offset = STRINGS_AT, .size = 8},
    };

    memcpy(sample->sections, sections, sizeof(sections));
}

static inline void set_symbols(struct sample_module *sample)
{
    const uint8_t global = ELF64_BINDING_GLOBAL << 4, weak = ELF64_BINDING_WEAK << 4;
    const struct elf64_symbol symbols[SYMBOL_COUNT] = {
        [DATA_START] = {.info = ELF64_SYMBOL_SECTION, .section = DATA},
        [ENTRY] = {.name = ENTRY_NAME,
                   .info = global | ELF64_SYMBOL_FUNCTION,
                   .section = TEXT,
                   .value = 16,
                   .size = 16},
        [IMPORT] = {.name = IMPORT_NAME, .info = global},
        [MAYBE] = {.name = MAYBE_NAME, .info = weak},
        [COUNTER] = {.name = COUNTER_NAME,
                     .info = global | ELF64_SYMBOL_OBJECT,
                     .section = BSS,
                     .value = 4992,
                     .size = 8},
        [ANSWER] = {.name = ANSWER_NAME,
                    .info = global,
                    .section = ELF64_INDEX_ABSOLUTE,
                    .value = 42},
        [REMARK] = {.name = REMARK_NAME, .section = COMMENT, .value = 1000},
    };

    memcpy(sample->symbols, symbols, sizeof(symbols));
}

static inline void sample_module_init(struct sample_module *sample)
{
    sample->header = (struct elf64_header){.ident = "\177ELF\2\1\1",
                                           .type = ELF64_TYPE_RELOCATABLE,
                                           .machine = MACHINE,
                                           .version = 1,
                                           .section_offset = TABLE_AT,
                                           .header_size = 64,
                                           .section_entry_size = 64,
                                           .section_count = SECTIONS,
                                           .section_names = STRINGS};
    set_sections(sample);
    set_symbols(sample);
    sample->relocations[0] =
        (struct elf64_rela){.offset = 28, .info = (uint64_t)IMPORT << 32 | 4, .addend = -4};
    sample->relocations[1] =
        (struct elf64_rela){.offset = 0, .info = (uint64_t)DATA_START << 32 | 1, .addend = 8};
    memcpy(sample->names, NAMES, sizeof(NAMES));
}

static inline void sample_module_write(const struct sample_module *sample, uint8_t bytes[FILE_SIZE])
{
    memset(bytes, 0, FILE_SIZE);
    memcpy(bytes, &sample->header, sizeof(sample->header));
    memset(bytes + TEXT_AT, 0xcc, 32);
    memset(bytes + RODATA_AT, 'r', 8);
    memset(bytes + DATA_AT, 'd', 16);
    memcpy(bytes + RELOCATIONS_AT, sample->relocations, sizeof(sample->relocations));
    memcpy(bytes + SYMBOLS_AT, sample->symbols, sizeof(sample->symbols));
    memcpy(bytes + STRINGS_AT, sample->names, sizeof(sample->names));
    memcpy(bytes + TABLE_AT, sample->sections, sizeof(sample->sections));
}

#endif
