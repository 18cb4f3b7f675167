#include <base/format.h>
#include <core/debug/symbols.h>
#include <kern/read_section.h>
#include <stdatomic.h>

static _Atomic(const struct hal_symbols *) kernel_table;
static _Atomic(symbol_finder *) finder;

void symbols_set_table(const struct hal_symbols *table)
{
    /* Pairs with symbol_lookup. */
    atomic_store_explicit(&kernel_table, table, memory_order_release);
}

void symbols_set_finder(symbol_finder *function)
{
    atomic_store_explicit(&finder, function, memory_order_relaxed);
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

static bool find_in_kernel(uintptr_t address, struct symbol *symbol)
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

bool symbol_lookup(uintptr_t address, struct symbol *symbol)
{
    symbol_finder *find = atomic_load_explicit(&finder, memory_order_relaxed);

    return find_in_kernel(address, symbol) || (find != NULL && find(address, symbol));
}

static size_t describe(const struct symbol *symbol, char *buffer, size_t size)
{
    unsigned long long offset = symbol->offset;

    return symbol->module[0] == '\0'
               ? format_text(buffer, size, "%s+0x%llx", symbol->name, offset)
               : format_text(buffer, size, "%s+0x%llx [%s]", symbol->name, offset, symbol->module);
}

/* The name may be a module's, and go with it. */
static size_t describe_other(uintptr_t address, char *buffer, size_t size)
{
    struct symbol symbol;
    size_t length;

    read_enter();
    length = symbol_lookup(address, &symbol)
                 ? describe(&symbol, buffer, size)
                 : format_text(buffer, size, "0x%016llx", (unsigned long long)address);
    read_leave();
    return length;
}

size_t symbol_text(uintptr_t address, char *buffer, size_t size)
{
    struct symbol symbol;

    return find_in_kernel(address, &symbol) ? describe(&symbol, buffer, size)
                                            : describe_other(address, buffer, size);
}
