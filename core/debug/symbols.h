/*
 * Names of addresses, for stack traces.
 *
 * Rules:
 * - The table is sorted by address and constant; the composition sets it once, early at boot.
 * Without one, every look-up fails.
 */
#ifndef CORE_DEBUG_SYMBOLS_H
#define CORE_DEBUG_SYMBOLS_H

#include <hal/memory.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* table is valid for ever.  Context: boot. */
void symbols_set_table(const struct hal_symbols *table);

struct symbol {
    const char *name;
    uintptr_t offset; /* of the address from the symbol's start */
    uintptr_t size;   /* up to the next symbol */
};

/* Find the symbol that covers an address: binary search. Returns whether there is one.  Context:
 * any. */
bool symbol_lookup(uintptr_t address, struct symbol *symbol);

/*
 * "name+0x12", or "0x…" when there is no name. Returns what format_text() does.  Context: any.
 */
size_t symbol_text(uintptr_t address, char *buffer, size_t size);

#endif
