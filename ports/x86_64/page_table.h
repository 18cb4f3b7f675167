/* Entries of page tables (Intel SDM 3A 4.5), for the port's files that walk them. */
#ifndef PORTS_X86_64_PAGE_TABLE_H
#define PORTS_X86_64_PAGE_TABLE_H

#include <hal/memory.h>
#include <stdbool.h>
#include <stdint.h>

#define PTE_PRESENT  (1UL << 0)
#define PTE_WRITE    (1UL << 1)
#define PTE_USER     (1UL << 2)
#define PTE_NO_CACHE ((1UL << 3) | (1UL << 4))
#define PTE_LARGE    (1UL << 7)
#define PTE_GLOBAL   (1UL << 8)
#define PTE_MARK     (1UL << 9) /* the processor ignores it */
#define PTE_NX       (1UL << 63)
#define PTE_ADDRESS  0x000ffffffffff000UL

#define TABLE_ENTRIES 512U

/* A space is its top-level table, seen through the direct map. */
struct hal_space {
    uint64_t entries[TABLE_ENTRIES];
};

static inline unsigned table_index(uintptr_t address, unsigned level)
{
    return (unsigned)(address >> (HAL_PAGE_SHIFT + 9U * level)) & (TABLE_ENTRIES - 1);
}

static inline uint64_t *entry_table(uint64_t entry)
{
    return hal_direct_map(entry & PTE_ADDRESS);
}

/*
 * The page-table entry of an address, NULL if a table on the way is missing (or, with create, could
 * not be had) or the address is covered by a large page.
 */
uint64_t *x86_find_entry(struct hal_space *space, uintptr_t address, bool create);

/* Entries that are looked at as one: most of a table is empty. */
#define SCAN_GROUP 8U

static inline bool is_group_empty(const uint64_t *group)
{
    return (group[0] | group[1] | group[2] | group[3] | group[4] | group[5] | group[6] |
            group[7]) == 0;
}

static inline uint64_t entry_flags(unsigned protection)
{
    uint64_t flags = PTE_PRESENT;

    flags |= (protection & HAL_WRITE) != 0 ? PTE_WRITE : 0;
    flags |= (protection & HAL_EXECUTE) != 0 ? 0 : PTE_NX;
    flags |= (protection & HAL_USER) != 0 ? PTE_USER : PTE_GLOBAL;
    flags |= (protection & HAL_DEVICE) != 0 ? PTE_NO_CACHE : 0;
    flags |= (protection & HAL_MARK) != 0 ? PTE_MARK : 0;
    return flags;
}

static inline unsigned flags_protection(uint64_t entry)
{
    unsigned protection = HAL_READ;

    protection |= (entry & PTE_WRITE) != 0 ? HAL_WRITE : 0U;
    protection |= (entry & PTE_NX) != 0 ? 0U : HAL_EXECUTE;
    protection |= (entry & PTE_USER) != 0 ? HAL_USER : 0U;
    protection |= (entry & PTE_NO_CACHE) != 0 ? HAL_DEVICE : 0U;
    protection |= (entry & PTE_MARK) != 0 ? HAL_MARK : 0U;
    return protection;
}

#endif
