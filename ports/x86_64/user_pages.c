/* Single entries of user pages, and walks over them (hal/memory.h). */
#include <helix/attributes.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/page_table.h>

#define TABLE_SPAN (TABLE_ENTRIES * HAL_PAGE_SIZE) /* of a last table */

_Static_assert(X86_PTE_PRESENT == PTE_PRESENT && X86_PTE_WRITE == PTE_WRITE &&
                   X86_PTE_USER == PTE_USER && X86_PTE_MARK == PTE_MARK && X86_PTE_NX == PTE_NX &&
                   X86_PTE_ADDRESS == PTE_ADDRESS && X86_USER_BASE == USER_BASE &&
                   X86_USER_SIZE == USER_SIZE,
               "the port's inline half has the same numbers");

static bool is_user_page(uintptr_t address)
{
    return address - USER_BASE < USER_SIZE;
}

/* The entry, if all tables on the way are there; user pages are never large. */
static inline uint64_t *find_existing(struct hal_space *space, uintptr_t address)
{
    uint64_t *table = space->entries;

    for (unsigned level = 3; level > 0; level--) {
        uint64_t entry = table[table_index(address, level)];

        if (HX_UNLIKELY((entry & PTE_PRESENT) == 0)) {
            return NULL;
        }
        table = entry_table(entry);
    }
    return &table[table_index(address, 0)];
}

struct hal_entry *hal_space_entry(struct hal_space *space, uintptr_t address)
{
    uint64_t *entry;

    if (!is_user_page(address)) {
        return NULL;
    }
    entry = find_existing(space, address);
    if (HX_UNLIKELY(entry == NULL)) {
        entry = x86_find_entry(space, address, true);
    }
    return (struct hal_entry *)entry;
}

/* The last table on the way to an address; NULL: there is none for the *span bytes around it. */
static uint64_t *find_leaf_table(struct hal_space *space, uintptr_t address, size_t *span)
{
    uint64_t *table = space->entries;

    for (unsigned level = 3; level > 0; level--) {
        uint64_t entry = table[table_index(address, level)];

        *span = HAL_PAGE_SIZE << (9U * level);
        if ((entry & PTE_PRESENT) == 0) {
            return NULL;
        }
        table = entry_table(entry);
    }
    return table;
}

/* Show one page that is there.  Returns whether the walk goes on. */
static inline bool visit(uint64_t *entry, uintptr_t address, hal_page_visitor visitor,
                         void *argument)
{
    const struct hal_page old = hal_entry_load((const struct hal_entry *)entry);
    struct hal_page page = old;
    bool goes_on = visitor(argument, address, &page);

    if (page.protection != old.protection || page.physical != old.physical) {
        hal_entry_store((struct hal_entry *)entry, page);
    }
    return goes_on;
}

/* The first entry from one on that is not empty; none before `end`: one at or behind that. */
static inline uint64_t *find_used(uint64_t *entry, const uint64_t *end)
{
    while (entry < end && *entry == 0) {
        bool is_group = (uintptr_t)entry % (SCAN_GROUP * sizeof(*entry)) == 0;

        entry += is_group && is_group_empty(entry) ? SCAN_GROUP : 1;
    }
    return entry;
}

/* Show what is in one table from an address on; true: the walk goes on at *address. */
static bool visit_table(uint64_t *table, uintptr_t *address, uintptr_t end,
                        hal_page_visitor visitor, void *argument)
{
    uintptr_t start = *address;
    uintptr_t table_end = (start | (TABLE_SPAN - 1)) + 1;
    uint64_t *first = &table[table_index(start, 0)];
    const uint64_t *last;

    *address = end < table_end ? end : table_end;
    last = first + ((*address - start) >> HAL_PAGE_SHIFT);
    for (uint64_t *entry = find_used(first, last); entry < last;
         entry = find_used(entry + 1, last)) {
        uintptr_t at = start + ((uintptr_t)(entry - first) << HAL_PAGE_SHIFT);

        if (!visit(entry, at, visitor, argument)) {
            *address = at + HAL_PAGE_SIZE;
            return false;
        }
    }
    return true;
}

uintptr_t hal_space_for_each_page(struct hal_space *space, uintptr_t address, size_t pages,
                                  hal_page_visitor visitor, void *argument)
{
    uintptr_t end = address + (pages << HAL_PAGE_SHIFT);

    while (address < end) {
        size_t span;
        uint64_t *table = find_leaf_table(space, address, &span);

        if (table == NULL) {
            address = (address | (span - 1)) + 1;
        } else if (!visit_table(table, &address, end, visitor, argument)) {
            return address;
        }
    }
    return end;
}

/* Take what is in one table from an address on; it goes on at *address. Returns how many. */
static inline size_t take_from_table(uint64_t *table, uintptr_t *address, uintptr_t end,
                                     uint64_t *pages, size_t max)
{
    uintptr_t start = *address;
    uintptr_t table_end = (start | (TABLE_SPAN - 1)) + 1;
    uint64_t *first = &table[table_index(start, 0)];
    uint64_t *entry = first;
    const uint64_t *last;
    size_t count = 0;

    *address = end < table_end ? end : table_end;
    last = first + ((*address - start) >> HAL_PAGE_SHIFT);
    for (entry = find_used(first, last); entry < last && count < max;
         entry = find_used(entry + 1, last)) {
        pages[count++] = (*entry & PTE_ADDRESS) | (*entry & PTE_MARK) >> 4;
        *(volatile uint64_t *)entry = 0;
    }
    if (entry < last) {
        *address = start + ((uintptr_t)(entry - first) << HAL_PAGE_SHIFT);
    }
    return count;
}

size_t hal_space_take_pages(struct hal_space *space, uintptr_t *address, uintptr_t end,
                            uint64_t *pages, size_t max)
{
    size_t count = 0;

    while (*address < end && count < max) {
        size_t span;
        uint64_t *table = find_leaf_table(space, *address, &span);

        if (table == NULL) {
            uintptr_t next = (*address | (span - 1)) + 1;

            *address = next < end ? next : end;
        } else {
            count += take_from_table(table, address, end, pages + count, max - count);
        }
    }
    return count;
}
