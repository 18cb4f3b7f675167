/*
 * Names of addresses in loaded modules, for stack traces and debuggers.
 *
 * Rules:
 * - Nothing is copied when a module is loaded: a name is looked up in the module's file when it is
 *   wanted. Whoever frees a file calls module_symbols_forget before; its instances are nameless
 *   from then on.
 * - The table is of fixed size and stays: tools/gdb reads it from outside. Instances for which
 * there is no room have no names.
 */
#ifndef CORE_HOT_RELOAD_MODULE_SYMBOLS_H
#define CORE_HOT_RELOAD_MODULE_SYMBOLS_H

#include <core/debug/symbols.h>
#include <core/gate/instance.h>
#include <core/hot_reload/elf_module.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define MODULE_SYMBOLS_MAX      64U
#define MODULE_SYMBOLS_SECTIONS 4U /* of text; a module's link makes one */

struct module_symbols_section {
    uintptr_t base;
    uint32_t size;
    uint32_t index; /* in the file */
};

/* What of a file is needed; all of it has been checked by elf_module_read. */
struct module_symbols {
    char name[HX_MODULE_NAME_MAX];
    const void *file; /* NULL: a free record */
    const uint8_t *symbols;
    const char *names;
    uint32_t count;
    uint32_t section_count;
    struct module_symbols_section sections[MODULE_SYMBOLS_SECTIONS];
    uintptr_t groups[ELF_GROUP_COUNT]; /* where they begin, 0: an empty one */
};

/* The functions of an instance that has just been loaded from a file, its image at base.
 * Context: thread. */
void module_symbols_add(const struct elf_module *file, const char *name, uintptr_t base);

/* The instance whose image is at base goes.  Context: thread. */
void module_symbols_remove(uintptr_t base);

/* A file goes: afterwards nobody reads it.  Context: thread, may block. */
void module_symbols_forget(const void *file);

/* For core/debug/symbols: the function that covers an address, in a read section.  Context: any. */
bool module_symbols_find(uintptr_t address, struct symbol *symbol);

#endif
