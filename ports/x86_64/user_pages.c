/* Single entries of user pages, and walks over them (hal/memory.h). */
#include <helix/attributes.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/page_table.h>

static bool is_user_page(uintptr_t address)
{
    return address - USER_BASE < USER_SIZE;
}

/*
 * Protection and entry have the same rights in other places, and none depends on another; so both
 * ways are a few shifts. An entry that is not present but marked keeps its frame (NX is set in it,
 * and so says that it may not be executed).
 */
_Static_assert(HAL_READ == PTE_PRESENT && HAL_WRITE == PTE_WRITE, "these stand in the same place");
_Static_assert(HAL_USER >> 1 == PTE_USER && HAL_MARK << 4 == PTE_MARK &&
                   (uint64_t)HAL_EXECUTE << 61 == PTE_NX,
               "these are shifted");
#define SAME_PLACE (PTE_PRESENT | PTE_WRITE)

static inline struct hal_page decode(uint64_t entry)
{
    uint64_t protection = (entry & SAME_PLACE) | (entry & PTE_USER) << 1 | (entry & PTE_MARK) >> 4 |
                          (~entry & PTE_NX) >> 61;

    return (struct hal_page){.physical = entry & PTE_ADDRESS,
                             .protection = entry != 0 ? (unsigned)protection : 0};
}

static inline uint64_t encode(struct hal_page page)
{
    uint64_t protection = page.protection;

    if (protection == 0) {
        return 0;
    }
    return page.physical | (protection & SAME_PLACE) | (protection & HAL_USER) >> 1 |
           (protection & HAL_MARK) << 4 | (~protection & HAL_EXECUTE) << 61;
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

struct hal_page hal_entry_load(const struct hal_entry *entry)
{
    return decode(*(const volatile uint64_t *)entry);
}

/* One store: other processors walk the table meanwhile. */
void hal_entry_store(struct hal_entry *entry, struct hal_page page)
{
    *(volatile uint64_t *)entry = encode(page);
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

/* Show what is in one table from an address on; true: the walk goes on at *address. */
static bool visit_table(uint64_t *table, uintptr_t *address, uintptr_t end,
                        hal_page_visitor visitor, void *argument)
{
    for (unsigned i = table_index(*address, 0); i < TABLE_ENTRIES && *address < end; i++) {
        uintptr_t at = *address;
        uint64_t entry = table[i];

        *address += HAL_PAGE_SIZE;
        if (entry != 0) {
            const struct hal_page old = decode(entry);
            struct hal_page page = old;
            bool goes_on = visitor(argument, at, &page);

            if (page.protection != old.protection || page.physical != old.physical) {
                *(volatile uint64_t *)&table[i] = encode(page);
            }
            if (!goes_on) {
                return false;
            }
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
