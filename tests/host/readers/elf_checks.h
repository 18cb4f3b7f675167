/*
 * What must hold for every file that a reader accepts, for the tests and the fuzzers alike. A check
 * that fails ends the process; the sanitizers see to reads outside the file.
 */
#ifndef TESTS_HOST_READERS_ELF_CHECKS_H
#define TESTS_HOST_READERS_ELF_CHECKS_H

#include <abi/linux/elf_program.h>
#include <base/elf64.h>
#include <core/hot_reload/elf_module.h>
#include <hal/relocate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void must(bool holds, const char *sentence)
{
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", sentence);
        abort();
    }
}

/* The groups cover whole pages, each its own, in order, up to the end of the image. */
static inline void check_groups(const struct elf_module *module)
{
    uint64_t end = 0;

    for (size_t i = 0; i < ELF_GROUP_COUNT; i++) {
        const struct elf_module_group *group = &module->groups[i];

        must(group->offset % ELF64_PAGE_SIZE == 0, "a group begins on a page");
        must(group->offset >= end, "no page is in two groups");
        must(group->size <= ELF_MODULE_IMAGE_MAX, "a group is no larger than the limit");
        end = group->offset + group->size;
    }
    must(end <= module->image_size && module->image_size <= ELF_MODULE_IMAGE_MAX,
         "the image holds all groups");
    must(module->image_size % ELF64_PAGE_SIZE == 0, "the image is whole pages");
}

/* The sections are apart, and their bytes are bytes of the file. */
static inline void check_sections(const struct elf_module *module)
{
    uint64_t ends[ELF_GROUP_COUNT] = {0};
    unsigned sum = 0;

    for (uint32_t i = 0; i < module->section_count; i++) {
        const struct elf_module_section *section = &module->sections[i];
        const struct elf_module_group *group = &module->groups[section->group];

        must(section->offset >= group->offset &&
                 section->offset + section->size <= group->offset + group->size,
             "a section is inside its group");
        must(section->offset >= ends[section->group], "sections do not overlap");
        ends[section->group] = section->offset + section->size;
        for (uint64_t at = 0; section->bytes != NULL && at < section->size; at++) {
            sum += section->bytes[at];
        }
    }
    must(sum < UINT32_MAX, "the bytes can be read");
}

static inline void check_symbols(const struct elf_module *module)
{
    for (uint32_t i = 0; i < module->symbols.count; i++) {
        struct elf_module_symbol symbol = elf_module_symbol(module, i);

        must(strlen(symbol.name) <= ELF_MODULE_NAME_MAX, "a name is of bounded length");
        must(symbol.kind != ELF_SYMBOL_IMPORT || symbol.name[0] != '\0', "an import has a name");
        must(symbol.kind != ELF_SYMBOL_DEFINED ||
                 elf64_range_fits(symbol.value, symbol.size, module->image_size),
             "a defined symbol is inside the image");
    }
}

/* Apply every relocation to a copy of the image; its results are of no interest here. */
static inline void check_relocations(const struct elf_module *module)
{
    struct elf_module_cursor cursor = {0};
    struct elf_module_relocation relocation;
    uint8_t *image = calloc(1, module->image_size + 1);
    uint32_t count = 0;

    must(image != NULL, "there is memory for the image");
    while (elf_module_next_relocation(module, &cursor, &relocation)) {
        const struct elf_module_section *section = relocation.section;
        struct elf_module_symbol symbol = elf_module_symbol(module, relocation.symbol);
        uint64_t at = section->offset + relocation.offset;

        must(section->group != ELF_GROUP_BSS, "only bytes of the file are relocated");
        must(symbol.kind != ELF_SYMBOL_DROPPED, "a relocation's target is loaded");
        must(relocation.offset < section->size, "a relocation is inside its section");
        (void)!hal_relocate(relocation.type, image + at, at, symbol.value, relocation.addend,
                            section->size - relocation.offset);
        count++;
    }
    must(count == module->relocation_count, "every relocation is handed out once");
    free(image);
}

static inline void check_module(const struct elf_module *module)
{
    check_groups(module);
    check_sections(module);
    check_symbols(module);
    check_relocations(module);
}

static inline void check_segment(const struct elf_program_file *file,
                                 const struct elf_program_segment *segment)
{
    unsigned both = ELF_PROGRAM_WRITE | ELF_PROGRAM_EXECUTE;

    must(segment->memory_size > 0 && segment->file_size <= segment->memory_size,
         "a segment has bytes, and no more in the file than in memory");
    must(segment->file_size == 0 ||
             elf64_range_fits(segment->offset, segment->file_size, file->file_size),
         "a segment's bytes are in the file");
    must(segment->address >= file->window_base &&
             elf64_range_fits(segment->address - file->window_base, segment->memory_size,
                              file->window_size),
         "a segment is inside the window");
    must((segment->address - segment->offset) % ELF64_PAGE_SIZE == 0, "a segment can be mapped");
    must((segment->access & both) != both, "nothing is writable and executable");
}

static inline void check_program(const struct elf_program_file *file,
                                 const struct elf_program *program)
{
    uint64_t end_page = 0;
    bool entry_is_executable = false;

    must(program->segment_count >= 1, "a program has a segment");
    for (uint32_t i = 0; i < program->segment_count; i++) {
        const struct elf_program_segment *segment = &program->segments[i];
        uint64_t end = segment->address + segment->memory_size;

        check_segment(file, segment);
        must(segment->address / ELF64_PAGE_SIZE >= end_page, "no page is in two segments");
        end_page = (end + ELF64_PAGE_SIZE - 1) / ELF64_PAGE_SIZE;
        entry_is_executable |= program->entry >= segment->address && program->entry < end &&
                               (segment->access & ELF_PROGRAM_EXECUTE) != 0;
        must(program->end >= end, "the end is behind every segment");
    }
    must(entry_is_executable, "the entry is in executable memory");
    must(program->interpreter_size == 0 ||
             (program->interpreter_size >= 2 && program->interpreter_size <= ELF_PROGRAM_PATH_MAX &&
              elf64_range_fits(program->interpreter_offset, program->interpreter_size,
                               file->file_size)),
         "an interpreter's path is in the file, and not too long");
    must(program->is_dynamic || program->bias == 0, "a program at fixed addresses is not moved");
}

#endif
