/*
 * Reader of user programs: ELF64 executables, at fixed addresses or position-independent, and the
 * interpreters that the dynamic ones name.
 *
 * Rules:
 * - Only the head of the file is looked at (its header and the program headers); nothing is loaded.
 * - What it accepts can be mapped as it says: segments in ascending order, each inside the user
 *   window and the file, no page in two of them, none writable and executable.
 */
#ifndef ABI_LINUX_ELF_PROGRAM_H
#define ABI_LINUX_ELF_PROGRAM_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_PROGRAM_SEGMENT_MAX 16
#define ELF_PROGRAM_HEADER_MAX  64    /* program headers of all kinds */
#define ELF_PROGRAM_PATH_MAX    4096U /* bytes of an interpreter's path */

enum elf_program_access {
    ELF_PROGRAM_EXECUTE = 1U << 0, /* the values of p_flags */
    ELF_PROGRAM_WRITE = 1U << 1,
    ELF_PROGRAM_READ = 1U << 2,
};

struct elf_program_file {
    const void *head; /* the first bytes of the file */
    size_t head_size;
    uint64_t file_size;
    uint16_t machine;     /* e_machine to accept */
    uint64_t window_base; /* user addresses: [base, base + size), all below 2^63 */
    uint64_t window_size;
    /* Where to place a position-independent program: a static one, one with an interpreter; page
     * aligned. */
    uint64_t dynamic_base;
    uint64_t interpreted_base;
};

/* Bytes [address, address + memory_size): the first file_size of them from the file, then zeros. */
struct elf_program_segment {
    uint64_t address; /* final; equal to offset modulo the page size */
    uint64_t offset;
    uint64_t file_size;
    uint64_t memory_size; /* at least 1 */
    unsigned access;      /* enum elf_program_access */
};

struct elf_program {
    uint32_t segment_count; /* at least 1 */
    bool is_dynamic;        /* position independent */
    uint64_t bias;          /* what was added to the file's addresses; 0 unless is_dynamic */
    uint64_t alignment;     /* of bias: the greatest that a segment asks for; 0 unless is_dynamic */
    uint64_t entry;         /* final, in an executable segment */
    uint64_t end;           /* of the last segment: where the program break begins */
    uint64_t headers;       /* address of the program headers (AT_PHDR), 0: not in memory */
    uint32_t header_count;  /* AT_PHNUM; each is 56 bytes (AT_PHENT) */
    uint32_t interpreter_size;   /* of its path with the NUL, 2 to 4096; 0: the program is static */
    uint64_t interpreter_offset; /* of its path, in the file */
    bool wants_executable_stack;
    struct elf_program_segment segments[ELF_PROGRAM_SEGMENT_MAX]; /* those there are */
};

/*
 * Check the program and say how to map it.
 * *why: NULL on success, else one sentence, a constant.
 * Context: any.
 * Errors: HX_EFORMAT malformed or no program, HX_EVERSION for another machine, HX_EPERM a segment
 * is writable and executable, HX_EFAULT outside the user window, HX_ERANGE above one of the limits.
 * On error *program is not to be used.
 */
HX_MUST_USE hx_err elf_program_read(const struct elf_program_file *file,
                                    struct elf_program *program, const char **why);

#endif
