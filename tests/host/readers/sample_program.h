/*
 * A small static program made by hand, for the tests to spoil and the fuzzer to begin with.
 */
#ifndef TESTS_HOST_READERS_SAMPLE_PROGRAM_H
#define TESTS_HOST_READERS_SAMPLE_PROGRAM_H

#include <base/elf64.h>
#include <string.h>

#define MACHINE      ELF64_MACHINE_X86_64
#define HEADER_COUNT 5U
#define HEADERS_AT   64U
#define FILE_SIZE    0x3000U

enum { TEXT, DATA, BSS, STACK, TLS }; /* the program headers */

#define R ELF64_SEGMENT_READ
#define W ELF64_SEGMENT_WRITE
#define X ELF64_SEGMENT_EXECUTE

struct sample_program {
    struct elf64_header header;
    struct elf64_segment segments[HEADER_COUNT];
};

/* As linkers lay out a static program: headers and text, data with a tail of zeros, more zeros. */
static inline void sample_program_init(struct sample_program *sample)
{
    const struct elf64_segment segments[HEADER_COUNT] = {
        [TEXT] = {ELF64_SEGMENT_LOAD, R | X, 0, 0x400000, 0, 0x1800, 0x1800, 0x1000},
        [DATA] = {ELF64_SEGMENT_LOAD, R | W, 0x1800, 0x402800, 0, 0x800, 0x900, 0x1000},
        [BSS] = {ELF64_SEGMENT_LOAD, R | W, 0x2000, 0x404000, 0, 0, 0x5000, 0x1000},
        [STACK] = {ELF64_SEGMENT_STACK, R | W, 0, 0, 0, 0, 0, 0},
        [TLS] = {7, R, 0x1800, 0x402800, 0, 0x10, 0x20, 8},
    };

    sample->header = (struct elf64_header){.ident = "\177ELF\2\1\1",
                                           .type = ELF64_TYPE_EXECUTABLE,
                                           .machine = MACHINE,
                                           .version = 1,
                                           .entry = 0x401000,
                                           .program_offset = HEADERS_AT,
                                           .header_size = 64,
                                           .program_entry_size = 56,
                                           .program_count = HEADER_COUNT};
    memcpy(sample->segments, segments, sizeof(segments));
}

/* In place of the thread-local storage. */
static inline void sample_program_name_interpreter(struct sample_program *sample, uint64_t offset,
                                                   uint64_t size)
{
    sample->segments[TLS].type = ELF64_SEGMENT_INTERPRETER;
    sample->segments[TLS].offset = offset;
    sample->segments[TLS].file_size = size;
}

static inline void sample_program_write(const struct sample_program *sample, uint8_t head[0x1000])
{
    memset(head, 0, 0x1000);
    memcpy(head, &sample->header, sizeof(sample->header));
    memcpy(head + HEADERS_AT, sample->segments, sizeof(sample->segments));
}

#endif
