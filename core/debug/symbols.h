/*
 * Names of addresses, for stack traces.
 *
 * Rules:
 * - The kernel's table is sorted by address and constant; the composition sets it once, early at
 * boot. Without one, every look-up in the kernel fails.
 * - Who loads code beside the kernel says how its names are found.
 */
#ifndef CORE_DEBUG_SYMBOLS_H
#define CORE_DEBUG_SYMBOLS_H

#include <hal/memory.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* table is valid for ever.  Context: boot. */
void symbols_set_table(const struct hal_symbols *table);

#define SYMBOL_MODULE_MAX 32U

struct symbol {
    const char *name;
    char module[SYMBOL_MODULE_MAX]; /* whose code it is; "": the kernel's */
    uintptr_t offset;               /* of the address from the symbol's start */
    uintptr_t size;                 /* up to the next symbol */
};

/*
 * How names of code that is none of the kernel's are found: in a read section, in any context;
 * NULL: not at all.  Context: any.
 */
typedef bool symbol_finder(uintptr_t address, struct symbol *symbol);
void symbols_set_finder(symbol_finder *finder);

/*
 * Find the symbol that covers an address, in the kernel by binary search. Returns whether there is
 * one. The name of a module's is good until the end of a read section around the call.
 * Context: any.
 */
bool symbol_lookup(uintptr_t address, struct symbol *symbol);

/*
 * "name+0x12", "name+0x12 [module]", or "0x…" when there is no name. Returns what format_text()
 * does.  Context: any.
 */
size_t symbol_text(uintptr_t address, char *buffer, size_t size);

#endif
