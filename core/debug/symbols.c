#include <base/format.h>
#include <core/debug/symbols.h>
#include <stdatomic.h>

static _Atomic(const struct hal_symbols *) kernel_table;

void symbols_set_table(const struct hal_symbols *table)
{
    /* Pairs with symbol_lookup. */
    atomic_store_explicit(&kernel_table, table, memory_order_release);
}

/* Index of the last entry at or below the offset; the first entry is. */
static uint32_t find_last_below(const struct hal_symbols *table, uintptr_t offset)
{
    uint32_t low = 0;
    uint32_t high = table->count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (table->addresses[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

bool symbol_lookup(uintptr_t address, struct symbol *symbol)
{
    const struct hal_symbols *table = atomic_load_explicit(&kernel_table, memory_order_acquire);
    uintptr_t offset;
    uintptr_t end;
    uint32_t index;

    if (table == NULL || table->count == 0 || address < table->base + table->addresses[0] ||
        address >= table->end) {
        return false;
    }
    offset = address - table->base;
    index = find_last_below(table, offset);
    end = index + 1 < table->count ? table->addresses[index + 1] : table->end - table->base;
    *symbol = (struct symbol){
        .name = table->names + table->name_offsets[index],
        .offset = offset - table->addresses[index],
        .size = end - table->addresses[index],
    };
    return true;
}

size_t symbol_text(uintptr_t address, char *buffer, size_t size)
{
    struct symbol symbol;

    if (!symbol_lookup(address, &symbol)) {
        return format_text(buffer, size, "0x%016llx", (unsigned long long)address);
    }
    return format_text(buffer, size, "%s+0x%llx", symbol.name, (unsigned long long)symbol.offset);
}
