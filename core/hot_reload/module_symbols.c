#include <base/elf64.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/hot_reload/module_symbols.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>

/* Readers take a copy and look whether the version was even and has stayed (a sequence lock). */
struct record {
    _Atomic uint32_t version;
    struct module_symbols symbols;
};

static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "module symbols"); /* of writers */
static struct record records[MODULE_SYMBOLS_MAX];

/* --- writing ---------------------------------------------------------------------------------- */

static void write_record_locked(struct record *record, const struct module_symbols *symbols)
{
    uint32_t version = atomic_load_explicit(&record->version, memory_order_relaxed);

    atomic_store_explicit(&record->version, version + 1, memory_order_relaxed);
    /* Release: whoever sees a part of what follows sees the odd version; pairs with read_record. */
    atomic_thread_fence(memory_order_release);
    record->symbols = *symbols;
    atomic_store_explicit(&record->version, version + 2, memory_order_release);
}

static void add_section(struct module_symbols *symbols, const struct elf_module_section *section,
                        uintptr_t base)
{
    if (section->group == ELF_GROUP_TEXT && section->size != 0 &&
        symbols->section_count < MODULE_SYMBOLS_SECTIONS) {
        symbols->sections[symbols->section_count++] = (struct module_symbols_section){
            base + section->offset, (uint32_t)section->size, section->index};
    }
}

static struct module_symbols describe(const struct elf_module *file, const char *name,
                                      uintptr_t base)
{
    struct module_symbols symbols = {.file = file->file,
                                     .symbols = file->symbols.bytes,
                                     .names = file->names,
                                     .count = file->symbols.count};

    (void)string_copy(symbols.name, sizeof(symbols.name), name);
    for (uint32_t i = 0; i < file->section_count; i++) {
        add_section(&symbols, &file->sections[i], base);
    }
    for (unsigned group = 0; group < ELF_GROUP_COUNT; group++) {
        symbols.groups[group] =
            file->groups[group].size != 0 ? base + file->groups[group].offset : 0;
    }
    return symbols;
}

void module_symbols_add(const struct elf_module *file, const char *name, uintptr_t base)
{
    const struct module_symbols symbols = describe(file, name, base);
    hal_interrupt_state state = spinlock_acquire(&lock);

    for (unsigned i = 0; i < MODULE_SYMBOLS_MAX; i++) {
        if (records[i].symbols.file == NULL) {
            write_record_locked(&records[i], &symbols);
            break;
        }
    }
    spinlock_release(&lock, state);
}

static bool is_of_image(const struct module_symbols *symbols, uintptr_t base)
{
    return symbols->file != NULL && base != 0 && symbols->groups[ELF_GROUP_TEXT] == base;
}

void module_symbols_remove(uintptr_t base)
{
    static const struct module_symbols nobody;
    hal_interrupt_state state = spinlock_acquire(&lock);

    for (unsigned i = 0; i < MODULE_SYMBOLS_MAX; i++) {
        if (is_of_image(&records[i].symbols, base)) {
            write_record_locked(&records[i], &nobody);
        }
    }
    spinlock_release(&lock, state);
}

void module_symbols_forget(const void *file)
{
    static const struct module_symbols nobody;
    bool has = false;
    hal_interrupt_state state = spinlock_acquire(&lock);

    for (unsigned i = 0; i < MODULE_SYMBOLS_MAX; i++) {
        if (records[i].symbols.file == file) {
            write_record_locked(&records[i], &nobody);
            has = true;
        }
    }
    spinlock_release(&lock, state);
    if (has) {
        read_synchronize();
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

/* false: it is free, or being written just now. */
static bool read_record(const struct record *record, struct module_symbols *symbols)
{
    /* Acquire: pairs with the release of version + 2. */
    uint32_t version = atomic_load_explicit(&record->version, memory_order_acquire);

    *symbols = record->symbols;
    atomic_thread_fence(memory_order_acquire); /* pairs with the fence in write_record_locked */
    return version % 2 == 0 && symbols->file != NULL &&
           atomic_load_explicit(&record->version, memory_order_relaxed) == version;
}

static bool covers(const struct elf64_symbol *symbol, uint32_t section, uint64_t offset)
{
    return (symbol->info & 0xf) == ELF64_SYMBOL_FUNCTION && symbol->section == section &&
           offset - symbol->value < symbol->size;
}

static bool find_in_section(const struct module_symbols *symbols,
                            const struct module_symbols_section *section, uintptr_t address,
                            struct symbol *found)
{
    uint64_t offset = address - section->base;
    struct elf64_symbol symbol;

    for (uint32_t i = 1; i < symbols->count; i++) {
        memcpy(&symbol, symbols->symbols + i * sizeof(symbol), sizeof(symbol));
        if (covers(&symbol, section->index, offset)) {
            *found = (struct symbol){.name = symbols->names + symbol.name,
                                     .offset = offset - symbol.value,
                                     .size = symbol.size};
            return true;
        }
    }
    return false;
}

static bool find_in(const struct module_symbols *symbols, uintptr_t address, struct symbol *found)
{
    for (uint32_t i = 0; i < symbols->section_count; i++) {
        if (address - symbols->sections[i].base < symbols->sections[i].size) {
            return find_in_section(symbols, &symbols->sections[i], address, found);
        }
    }
    return false;
}

bool module_symbols_find(uintptr_t address, struct symbol *symbol)
{
    struct module_symbols symbols;

    for (unsigned i = 0; i < MODULE_SYMBOLS_MAX; i++) {
        if (read_record(&records[i], &symbols) && find_in(&symbols, address, symbol)) {
            (void)string_copy(symbol->module, sizeof(symbol->module), symbols.name);
            return true;
        }
    }
    return false;
}
