#include <base/memory.h>
#include <ports/hosted/space.h>

#define TABLE_ENTRIES 512U
#define TABLE_SPAN    (TABLE_ENTRIES * HAL_PAGE_SIZE)

/* A frame: physical addresses of the tables, in the order of addresses; 0: none. */
struct own_space {
    _Atomic uint64_t tables[TABLE_ENTRIES];
};
_Static_assert(sizeof(struct own_space) == HAL_PAGE_SIZE, "a space is a frame");

static struct hal_table_source table_source;

void hal_memory_set_table_source(const struct hal_table_source *source)
{
    table_source = *source;
}

static struct own_space *own(const struct hal_space *space)
{
    return (struct own_space *)(uintptr_t)space;
}

static uint64_t table_allocate(void)
{
    uint64_t physical = table_source.allocate != NULL ? table_source.allocate() : 0;

    if (physical != 0) {
        memset(hal_direct_map(physical), 0, HAL_PAGE_SIZE);
    }
    return physical;
}

hx_err hal_space_create(struct hal_space **space)
{
    uint64_t physical = table_allocate();

    if (physical == 0) {
        return HX_ENOMEM;
    }
    *space = hal_direct_map(physical);
    return HX_OK;
}

void hal_space_destroy(struct hal_space *space)
{
    for (size_t i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t table = atomic_load_explicit(&own(space)->tables[i], memory_order_relaxed);

        if (table != 0) {
            table_source.release(table);
        }
    }
    table_source.release(hal_direct_physical(space));
}

/* --- entries ---------------------------------------------------------------------------------- */

/* Where the table of an address is noted; NULL: outside the user window. */
static _Atomic uint64_t *table_of(const struct hal_space *space, uintptr_t address)
{
    struct hal_range window = hal_user_window();
    uintptr_t offset = address - window.base;

    return offset < window.size ? &own(space)->tables[offset / TABLE_SPAN] : NULL;
}

static _Atomic uint64_t *entry_in(uint64_t table, uintptr_t address)
{
    _Atomic uint64_t *entries = hal_direct_map(table);

    return &entries[(address - hal_user_window().base) / HAL_PAGE_SIZE % TABLE_ENTRIES];
}

_Atomic uint64_t *hosted_space_entry(const struct hal_space *space, uintptr_t address)
{
    const _Atomic uint64_t *noted = table_of(space, address);
    /* Acquire pairs with the release of who made the table: it is seen empty. */
    uint64_t table = noted != NULL ? atomic_load_explicit(noted, memory_order_acquire) : 0;

    return table != 0 ? entry_in(table, address) : NULL;
}

_Atomic uint64_t *hosted_space_make_entry(struct hal_space *space, uintptr_t address)
{
    _Atomic uint64_t *noted = table_of(space, address);
    uint64_t table;

    if (noted == NULL) {
        return NULL;
    }
    table = atomic_load_explicit(noted, memory_order_relaxed);
    if (table == 0) {
        table = table_allocate();
        if (table == 0) {
            return NULL;
        }
        atomic_store_explicit(noted, table, memory_order_release);
    }
    return entry_in(table, address);
}

struct hal_entry *hal_space_entry(struct hal_space *space, uintptr_t address)
{
    return (struct hal_entry *)(void *)hosted_space_make_entry(space, address);
}

static struct hal_page decode(uint64_t entry)
{
    return (struct hal_page){.physical = entry & ~ENTRY_FLAGS,
                             .protection = (unsigned)(entry & ENTRY_FLAGS & ~ENTRY_PRESENT)};
}

static uint64_t encode(struct hal_page page)
{
    if (page.protection == 0) {
        return 0;
    }
    return page.physical | page.protection | (page.protection == HAL_MARK ? 0 : ENTRY_PRESENT);
}

struct hal_page hosted_entry_load(const struct hal_entry *entry)
{
    return decode(
        atomic_load_explicit((const _Atomic uint64_t *)(const void *)entry, memory_order_acquire));
}

void hosted_entry_store(struct hal_entry *entry, struct hal_page page)
{
    atomic_store_explicit((_Atomic uint64_t *)(void *)entry, encode(page), memory_order_release);
}

/* --- walks ------------------------------------------------------------------------------------ */

uintptr_t hal_space_for_each_page(struct hal_space *space, uintptr_t address, size_t pages,
                                  hal_page_visitor visitor, void *argument)
{
    uintptr_t end = address + pages * HAL_PAGE_SIZE;
    bool goes_on = true;

    while (address < end && goes_on) {
        _Atomic uint64_t *at = hosted_space_entry(space, address);
        uint64_t entry = at != NULL ? atomic_load_explicit(at, memory_order_relaxed) : 0;

        if (entry != 0) {
            struct hal_page page = decode(entry);

            goes_on = visitor(argument, address, &page);
            atomic_store_explicit(at, encode(page), memory_order_release);
        }
        address += HAL_PAGE_SIZE;
    }
    return address;
}

size_t hal_space_take_pages(struct hal_space *space, uintptr_t *address, uintptr_t end,
                            uint64_t *pages, size_t max)
{
    size_t count = 0;

    for (; *address < end && count < max; *address += HAL_PAGE_SIZE) {
        _Atomic uint64_t *at = hosted_space_entry(space, *address);
        uint64_t entry = at != NULL ? atomic_exchange_explicit(at, 0, memory_order_acq_rel) : 0;

        if (entry != 0) {
            struct hal_page page = decode(entry);

            pages[count++] = page.physical | (page.protection & HAL_MARK);
        }
    }
    return count;
}
