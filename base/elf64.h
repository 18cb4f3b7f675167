/*
 * The 64-bit little-endian ELF file format: layouts, numbers and the checks that all readers share.
 * Source: System V gABI 4.1 (chapters 4 and 5) and its x86-64 supplement.
 *
 * Rules:
 * - A file is bytes of any alignment: copy a record out with memcpy, never point into the file.
 */
#ifndef BASE_ELF64_H
#define BASE_ELF64_H

#include <base/memory.h>
#include <stdbool.h>
#include <stdint.h>

/* Loaded ranges are kept apart by pages of this size, which is every port's (hal/memory.h). */
#define ELF64_PAGE_SIZE 4096UL

/* e_ident */
#define ELF64_MAGIC           "\177ELF"
#define ELF64_MAGIC_SIZE      4
#define ELF64_IDENT_CLASS     4
#define ELF64_IDENT_DATA      5
#define ELF64_IDENT_VERSION   6
#define ELF64_IDENT_ABI       7
#define ELF64_IDENT_SIZE      16
#define ELF64_CLASS_64        2
#define ELF64_DATA_LITTLE     1
#define ELF64_VERSION_CURRENT 1
#define ELF64_ABI_SYSV        0
#define ELF64_ABI_GNU         3

#define ELF64_TYPE_RELOCATABLE 1
#define ELF64_TYPE_EXECUTABLE  2
#define ELF64_TYPE_DYNAMIC     3

#define ELF64_MACHINE_X86_64 62

struct elf64_header {
    uint8_t ident[ELF64_IDENT_SIZE];
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t program_offset;
    uint64_t section_offset;
    uint32_t flags;
    uint16_t header_size;
    uint16_t program_entry_size;
    uint16_t program_count;
    uint16_t section_entry_size;
    uint16_t section_count;
    uint16_t section_names; /* index of the section that holds the section names */
};
_Static_assert(sizeof(struct elf64_header) == 64, "gABI figure 4-3");

/* Sections: types, flags, special indices */
#define ELF64_SECTION_NULL           0
#define ELF64_SECTION_PROGBITS       1
#define ELF64_SECTION_SYMBOLS        2
#define ELF64_SECTION_STRINGS        3
#define ELF64_SECTION_RELA           4
#define ELF64_SECTION_NOTE           7
#define ELF64_SECTION_NOBITS         8
#define ELF64_SECTION_REL            9
#define ELF64_SECTION_INIT_ARRAY     14
#define ELF64_SECTION_FINI_ARRAY     15
#define ELF64_SECTION_PREINIT_ARRAY  16
#define ELF64_SECTION_PROCESSOR_LOW  0x70000000U
#define ELF64_SECTION_PROCESSOR_HIGH 0x7fffffffU

#define ELF64_FLAG_WRITE      0x1U
#define ELF64_FLAG_ALLOC      0x2U
#define ELF64_FLAG_EXECUTE    0x4U
#define ELF64_FLAG_TLS        0x400U
#define ELF64_FLAG_COMPRESSED 0x800U

#define ELF64_INDEX_UNDEFINED 0
#define ELF64_INDEX_RESERVED  0xff00U /* the first special index */
#define ELF64_INDEX_ABSOLUTE  0xfff1U
#define ELF64_INDEX_COMMON    0xfff2U

struct elf64_section {
    uint32_t name;
    uint32_t type;
    uint64_t flags;
    uint64_t address;
    uint64_t offset;
    uint64_t size;
    uint32_t link;
    uint32_t info;
    uint64_t alignment;
    uint64_t entry_size;
};
_Static_assert(sizeof(struct elf64_section) == 64, "gABI figure 4-8");

/* Symbols */
#define ELF64_BINDING_LOCAL  0
#define ELF64_BINDING_GLOBAL 1
#define ELF64_BINDING_WEAK   2

#define ELF64_SYMBOL_NONE     0
#define ELF64_SYMBOL_OBJECT   1
#define ELF64_SYMBOL_FUNCTION 2
#define ELF64_SYMBOL_SECTION  3
#define ELF64_SYMBOL_FILE     4

struct elf64_symbol {
    uint32_t name;
    uint8_t info; /* binding << 4 | type */
    uint8_t other;
    uint16_t section;
    uint64_t value;
    uint64_t size;
};
_Static_assert(sizeof(struct elf64_symbol) == 24, "gABI figure 4-15");

struct elf64_rela {
    uint64_t offset;
    uint64_t info; /* symbol << 32 | type */
    int64_t addend;
};
_Static_assert(sizeof(struct elf64_rela) == 24, "gABI figure 4-19");

/* Program headers */
#define ELF64_SEGMENT_LOAD        1
#define ELF64_SEGMENT_INTERPRETER 3
#define ELF64_SEGMENT_STACK       0x6474e551U /* PT_GNU_STACK */

#define ELF64_SEGMENT_EXECUTE 0x1U
#define ELF64_SEGMENT_WRITE   0x2U
#define ELF64_SEGMENT_READ    0x4U

struct elf64_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t address;
    uint64_t physical;
    uint64_t file_size;
    uint64_t memory_size;
    uint64_t alignment;
};
_Static_assert(sizeof(struct elf64_segment) == 56, "gABI figure 5-1");

/* Whether this is the header of a file in the one format that is read here. */
static inline bool elf64_is_header(const struct elf64_header *header)
{
    const uint8_t *ident = header->ident;

    return memcmp(ident, ELF64_MAGIC, ELF64_MAGIC_SIZE) == 0 &&
           ident[ELF64_IDENT_CLASS] == ELF64_CLASS_64 &&
           ident[ELF64_IDENT_DATA] == ELF64_DATA_LITTLE &&
           ident[ELF64_IDENT_VERSION] == ELF64_VERSION_CURRENT &&
           (ident[ELF64_IDENT_ABI] == ELF64_ABI_SYSV || ident[ELF64_IDENT_ABI] == ELF64_ABI_GNU) &&
           header->version == ELF64_VERSION_CURRENT;
}

/* Whether an alignment is none (0) or a power of two up to max. */
static inline bool elf64_is_alignment(uint64_t alignment, uint64_t max)
{
    return alignment <= max && (alignment & (alignment - 1)) == 0;
}

/* Round value, at most UINT64_MAX - alignment, up to a power of two. */
static inline uint64_t elf64_round_up(uint64_t value, uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

/* Whether [offset, offset + size) lies inside [0, limit), without wrapping. */
static inline bool elf64_range_fits(uint64_t offset, uint64_t size, uint64_t limit)
{
    return offset <= limit && size <= limit - offset;
}

#endif
