/*
 * The loader. One zeroed struct records what was taken; load_release gives it back, whatever point
 * was reached.
 */
#include <base/assert.h>
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/gate/callout.h>
#include <core/gate/category.h>
#include <core/gate/module_state.h>
#include <core/gate/slot.h>
#include <core/hot_reload/elf_module.h>
#include <core/hot_reload/loader.h>
#include <core/resource/owner.h>
#include <hal/clock.h>
#include <hal/gate.h>
#include <hal/relocate.h>
#include <kern/area.h>
#include <kern/heap.h>
#include <kern/recorder.h>

#define STACK_PAGES (HAL_GATE_STACK_STRIDE / HAL_PAGE_SIZE)

struct load {
    struct elf_module elf;
    struct area *scratch; /* the image, relocated, contiguous and writable */
    struct module_instance *instance;
    bool has_arena;
    size_t thunk_pages; /* before the image, user backend only */
    uintptr_t image;    /* where the image will be */
    char *why;
};

static _Atomic uint64_t memory_soft = LOADER_MEMORY_SOFT;
static _Atomic uint64_t memory_hard = LOADER_MEMORY_HARD;

static hx_err complain(struct load *load, hx_err error, const char *what, const char *name)
{
    (void)format_text(load->why, LOADER_WHY_MAX, "%s%s%s", what, name[0] != '\0' ? ": " : "", name);
    return error;
}

/* --- placing ---------------------------------------------------------------------------------- */

/*
 * The descriptor as it stands in the file: what is a number in it is good, what is an address is
 * not yet. False: there is none.
 */
static bool peek_descriptor(const struct load *load, struct hx_module_descriptor *descriptor)
{
    struct elf_module_symbol symbol;

    if (elf_module_find(&load->elf, "hx_module", &symbol) != HX_OK ||
        symbol.kind != ELF_SYMBOL_DEFINED) {
        return false;
    }
    for (uint32_t i = 0; i < load->elf.section_count; i++) {
        const struct elf_module_section *section = &load->elf.sections[i];
        uint64_t offset = symbol.value - section->offset;

        if (section->bytes != NULL && offset < section->size &&
            sizeof(*descriptor) <= section->size - offset) {
            memcpy(descriptor, section->bytes + offset, sizeof(*descriptor));
            return true;
        }
    }
    return false;
}

/*
 * Addresses: trampoline and thunks, the image, the stacks (both only for the user backend), a
 * guard, the heap. The image and each stack have their guards by themselves.
 */
static hx_err reserve_arena(struct load *load, enum hal_gate_backend backend)
{
    size_t image_pages = load->elf.image_size >> HAL_PAGE_SHIFT;
    bool is_user = backend == HAL_GATE_USER;
    size_t stack_pages = is_user ? INSTANCE_STACKS * STACK_PAGES : 0;
    struct hx_module_descriptor descriptor;
    size_t heap_first;
    hx_err error;

    if (!peek_descriptor(load, &descriptor)) {
        return complain(load, HX_EFORMAT, "there is no descriptor", "hx_module");
    }
    if (descriptor.heap_pages > HX_MODULE_HEAP_MAX) {
        return complain(load, HX_ERANGE, "it asks for too large a heap", "hx_module");
    }
    load->thunk_pages = is_user ? 1 : 0;
    heap_first = load->thunk_pages + image_pages + stack_pages + 1;
    error = arena_create(&load->instance->arena, heap_first + descriptor.heap_pages, is_user,
                         OWNER_NONE);
    if (error != HX_OK) {
        return complain(load, error, "no addresses for the module", "");
    }
    load->has_arena = true;
    load->image = load->instance->arena.base + (load->thunk_pages << HAL_PAGE_SHIFT);
    load->instance->gate.stack_tops = load->image + load->elf.image_size + HAL_GATE_STACK_STRIDE;
    error = module_heap_init(&load->instance->heap, &load->instance->arena, heap_first,
                             descriptor.heap_pages);
    return error == HX_OK ? HX_OK : complain(load, error, "no memory for the module's heap", "");
}

static size_t group_pages(const struct load *load, enum elf_group group)
{
    return (load->elf.groups[group].size + HAL_PAGE_SIZE - 1) >> HAL_PAGE_SHIFT;
}

/* --- relocating ------------------------------------------------------------------------------- */

static uintptr_t thunk_address(const struct load *load, uint32_t number)
{
    return load->instance->arena.base + hal_gate_trampoline().size + number * HAL_GATE_THUNK_SIZE;
}

static hx_err resolve_import(struct load *load, const char *name, uint64_t *value)
{
    struct callout callout;
    hx_err error = callout_find(name, &callout);

    if (error != HX_OK) {
        return complain(load, error, "the kernel exports no such function", name);
    }
    *value = load->instance->gate.backend == HAL_GATE_USER ? thunk_address(load, callout.number)
                                                           : callout.function;
    return HX_OK;
}

static hx_err symbol_value(struct load *load, uint32_t index, uint64_t *value)
{
    struct elf_module_symbol symbol = elf_module_symbol(&load->elf, index);

    switch (symbol.kind) {
    case ELF_SYMBOL_DEFINED:
        *value = load->image + symbol.value;
        return HX_OK;
    case ELF_SYMBOL_IMPORT:
        if (symbol.is_weak) {
            *value = 0;
            return HX_OK;
        }
        return resolve_import(load, symbol.name, value);
    case ELF_SYMBOL_ABSOLUTE:
        *value = symbol.value;
        return HX_OK;
    case ELF_SYMBOL_DROPPED:
        break;
    }
    return complain(load, HX_EFORMAT, "a relocation refers to what is not loaded", symbol.name);
}

static hx_err relocate_one(struct load *load, const struct elf_module_relocation *relocation)
{
    uint64_t offset = relocation->section->offset + relocation->offset;
    uint64_t value = 0;
    hx_err error = symbol_value(load, relocation->symbol, &value);

    if (error != HX_OK) {
        return error;
    }
    error =
        hal_relocate(relocation->type, (char *)load->scratch->base + offset, load->image + offset,
                     value, relocation->addend, relocation->section->size - relocation->offset);
    return error == HX_OK ? HX_OK
                          : complain(load, error, "a relocation cannot be applied",
                                     hal_relocation_name(relocation->type));
}

static hx_err build_image(struct load *load)
{
    struct elf_module_cursor cursor = {0};
    struct elf_module_relocation relocation;
    hx_err error = area_allocate(load->elf.image_size >> HAL_PAGE_SHIFT, HAL_READ | HAL_WRITE,
                                 OWNER_CORE, &load->scratch);

    if (error != HX_OK) {
        return complain(load, error, "no memory for the image", "");
    }
    for (uint32_t i = 0; i < load->elf.section_count; i++) {
        const struct elf_module_section *section = &load->elf.sections[i];

        if (section->bytes != NULL) {
            memcpy((char *)load->scratch->base + section->offset, section->bytes, section->size);
        }
    }
    while (elf_module_next_relocation(&load->elf, &cursor, &relocation)) {
        error = relocate_one(load, &relocation);
        if (error != HX_OK) {
            return error;
        }
    }
    return HX_OK;
}

/* --- the descriptor --------------------------------------------------------------------------- */

/* The bytes of the relocated image at an address of the module's, NULL if they are not all inside.
 */
static const void *image_bytes(const struct load *load, uintptr_t address, size_t size)
{
    uintptr_t offset = address - load->image;

    return size <= load->elf.image_size && offset <= load->elf.image_size - size
               ? (const char *)load->scratch->base + offset
               : NULL;
}

static bool is_text(const struct load *load, uintptr_t address)
{
    const struct elf_module_group *text = &load->elf.groups[ELF_GROUP_TEXT];

    return address - (load->image + text->offset) < text->size;
}

/*
 * Take a table of functions over, each of which is NULL or in the module's text, as the operations
 * from number first on; what the table does not have, up to number end, is missing.
 */
static hx_err read_table(struct load *load, const void *table, size_t size, uint32_t first,
                         uint32_t end)
{
    struct hal_gate_instance *gate = &load->instance->gate;
    uint32_t count = (uint32_t)(size / sizeof(uintptr_t));
    const void *operations = image_bytes(load, (uintptr_t)table, size);

    if (size % sizeof(uintptr_t) != 0 || count > end - first) {
        return complain(load, HX_EFORMAT, "a table of operations has not the size of one", "");
    }
    if (operations == NULL) {
        return complain(load, HX_EFORMAT, "the operations are outside the module", "");
    }
    memcpy(&gate->operations[first], operations, size);
    for (uint32_t i = first; i < end; i++) {
        uintptr_t *operation = &gate->operations[i];

        if (i >= first + count || *operation == 0) {
            *operation = gate->backend == HAL_GATE_OPEN ? hal_gate_no_operation() : 0;
        } else if (!is_text(load, *operation)) {
            return complain(load, HX_EFORMAT, "an operation is not in the module's text", "");
        }
    }
    return HX_OK;
}

static hx_err read_operations(struct load *load, const struct hx_module_descriptor *descriptor)
{
    const struct category *category = category_find(descriptor->category);
    hx_err error;

    if (category == NULL) {
        return complain(load, HX_EVERSION, "no such category of modules is known here", "");
    }
    load->instance->category = category->number;
    load->instance->operation_count = descriptor->operations_size / (uint32_t)sizeof(uintptr_t);
    error =
        read_table(load, descriptor->operations, descriptor->operations_size, 0, LIFECYCLE_INIT);
    if (error == HX_OK && load->instance->operation_count > category->operation_count) {
        error = complain(load, HX_EVERSION, "it has operations that are not known here", "");
    }
    if (error != HX_OK) {
        return error;
    }
    return read_table(load,
                      descriptor->lifecycle != NULL ? (const void *)descriptor->lifecycle
                                                    : descriptor->operations,
                      descriptor->lifecycle != NULL ? sizeof(struct hx_module_lifecycle) : 0,
                      LIFECYCLE_INIT, LIFECYCLE_END);
}

static bool is_text_field(const char *field, size_t size)
{
    return string_length_max(field, size) < size;
}

static hx_err check_descriptor(struct load *load, const struct hx_module_descriptor *descriptor)
{
    if (descriptor->magic != HX_MODULE_MAGIC || descriptor->size < sizeof(*descriptor)) {
        return complain(load, HX_EFORMAT, "the descriptor is malformed", "hx_module");
    }
    if (descriptor->abi != HX_MODULE_ABI) {
        return complain(load, HX_EVERSION, "built for another module interface", "hx_module");
    }
    if (descriptor->name[0] == '\0' || !is_text_field(descriptor->name, HX_MODULE_NAME_MAX)) {
        return complain(load, HX_EFORMAT, "the descriptor's name is malformed", "hx_module");
    }
    if (!is_text_field(descriptor->state_kind, HX_STATE_KIND_MAX)) {
        return complain(load, HX_EFORMAT, "the descriptor's kind of state is malformed",
                        "hx_module");
    }
    return HX_OK;
}

static hx_err read_descriptor(struct load *load)
{
    struct hx_module_descriptor descriptor;
    struct elf_module_symbol symbol;
    const void *bytes;
    hx_err error = elf_module_find(&load->elf, "hx_module", &symbol);

    HX_ASSERT(error == HX_OK, "it was there when the addresses were reserved");
    bytes = image_bytes(load, load->image + symbol.value, sizeof(descriptor));
    HX_ASSERT(bytes != NULL, "it was inside of a section then");
    memcpy(&descriptor, bytes, sizeof(descriptor));
    error = check_descriptor(load, &descriptor);
    if (error != HX_OK) {
        return error;
    }
    memcpy(load->instance->name, descriptor.name, sizeof(descriptor.name));
    memcpy(load->instance->state_kind, descriptor.state_kind, sizeof(descriptor.state_kind));
    load->instance->version = descriptor.version;
    return read_operations(load, &descriptor);
}

/* --- owner and limits ------------------------------------------------------------------------- */

void loader_set_memory_limits(struct resource_limits limits)
{
    atomic_store_explicit(&memory_soft, limits.soft, memory_order_relaxed);
    atomic_store_explicit(&memory_hard, limits.hard, memory_order_relaxed);
}

/* What commit will map. */
static uint64_t memory_needed(const struct load *load)
{
    size_t pages = load->thunk_pages;

    for (unsigned group = 0; group < ELF_GROUP_COUNT; group++) {
        pages += group_pages(load, (enum elf_group)group);
    }
    if (load->instance->gate.backend == HAL_GATE_USER) {
        pages += INSTANCE_STACKS * (STACK_PAGES - 1);
    }
    return (uint64_t)pages << HAL_PAGE_SHIFT;
}

static hx_err charge_memory(struct load *load)
{
    const struct resource_limits limits = {
        .soft = atomic_load_explicit(&memory_soft, memory_order_relaxed),
        .hard = atomic_load_explicit(&memory_hard, memory_order_relaxed),
    };
    resource_handle handle = RESOURCE_HANDLE_NONE; /* comes back with the owner's end */
    hx_err error = resource_set_limit(load->instance->owner, RESOURCE_MEMORY, limits);

    if (error == HX_OK) {
        error =
            resource_allocate(load->instance->owner, RESOURCE_MEMORY, memory_needed(load), &handle);
        module_heap_charge_to(&load->instance->heap, handle, memory_needed(load));
    }
    return error == HX_OK ? HX_OK : complain(load, error, "memory", hx_error_text(error));
}

/* Nothing is tagged before the module's name is known to be one. */
static hx_err take_resources(struct load *load)
{
    struct module_instance *instance = load->instance;
    hx_err error = resource_allocate(OWNER_CORE, RESOURCE_MODULES, 1, &instance->place);

    if (error != HX_OK) {
        return complain(load, error, "modules", hx_error_text(error));
    }
    error = resource_owner_open(instance->name, &instance->owner);
    if (error != HX_OK) {
        return complain(load, error, "no owner for the module", "");
    }
    instance->arena.owner = instance->owner;
    return charge_memory(load);
}

/* As far as they were taken; the owner has nothing any more but what it has at the broker. */
static void return_resources(const struct module_instance *instance)
{
    if (instance->owner != OWNER_NONE) {
        (void)!resource_owner_close(instance->owner, NULL);
    }
    if (instance->place != RESOURCE_HANDLE_NONE) {
        (void)!resource_release(instance->place, OWNER_CORE);
    }
}

/* --- committing ------------------------------------------------------------------------------- */

static hx_err map_group(struct load *load, enum elf_group group, unsigned protection)
{
    const struct elf_module_group *plan = &load->elf.groups[group];
    size_t first = load->thunk_pages + (plan->offset >> HAL_PAGE_SHIFT);

    return arena_map(&load->instance->arena, first, group_pages(load, group), protection,
                     (const char *)load->scratch->base + plan->offset, plan->size);
}

/* One page: the trampoline, then a thunk for every function a module may import. */
static hx_err map_thunks(struct load *load)
{
    struct hal_range trampoline = hal_gate_trampoline();
    size_t size = trampoline.size + (callout_count() + 1) * HAL_GATE_THUNK_SIZE;
    char *page = heap_allocate_zeroed(HAL_PAGE_SIZE, OWNER_CORE);
    hx_err error = HX_ENOMEM;

    HX_ASSERT(size <= HAL_PAGE_SIZE, "trampoline and thunks fit one page");
    if (page != NULL) {
        memcpy(page, (const void *)trampoline.base, trampoline.size);
        for (uint32_t number = 1; number <= callout_count(); number++) {
            hal_gate_write_thunk(page + trampoline.size + number * HAL_GATE_THUNK_SIZE, number);
        }
        error = arena_map(&load->instance->arena, 0, 1, HAL_READ | HAL_EXECUTE, page, size);
    }
    heap_free(page);
    return error;
}

static hx_err map_stacks(struct load *load)
{
    struct module_instance *instance = load->instance;
    size_t first = (instance->gate.stack_tops - instance->arena.base - HAL_GATE_STACK_STRIDE) >>
                   HAL_PAGE_SHIFT;

    for (unsigned i = 0; i < INSTANCE_STACKS; i++) {
        /* The lowest page of each stays unmapped: the guard. */
        hx_err error = arena_map(&instance->arena, first + i * STACK_PAGES + 1, STACK_PAGES - 1,
                                 HAL_READ | HAL_WRITE, NULL, 0);

        if (error != HX_OK) {
            return error;
        }
    }
    atomic_store_explicit(&instance->gate.free_stacks, (1ULL << INSTANCE_STACKS) - 1,
                          memory_order_relaxed);
    instance->gate.root = hal_space_root(instance->arena.space);
    instance->gate.trampoline = instance->arena.base;
    return HX_OK;
}

static hx_err commit(struct load *load)
{
    static const unsigned protections[ELF_GROUP_COUNT] = {
        [ELF_GROUP_TEXT] = HAL_READ | HAL_EXECUTE,
        [ELF_GROUP_RODATA] = HAL_READ,
        [ELF_GROUP_DATA] = HAL_READ | HAL_WRITE,
        [ELF_GROUP_BSS] = HAL_READ | HAL_WRITE,
    };
    hx_err error = HX_OK;

    for (unsigned group = 0; group < ELF_GROUP_COUNT && error == HX_OK; group++) {
        error = map_group(load, (enum elf_group)group, protections[group]);
    }
    if (error == HX_OK && load->instance->gate.backend == HAL_GATE_USER) {
        error = map_thunks(load);
    }
    if (error == HX_OK && load->instance->gate.backend == HAL_GATE_USER) {
        error = map_stacks(load);
    }
    return error == HX_OK ? HX_OK : complain(load, error, "no memory for the module", "");
}

/* --- the pipeline ----------------------------------------------------------------------------- */

static void load_release(struct load *load, bool keep_instance)
{
    area_free(load->scratch);
    if (!keep_instance) {
        if (load->has_arena) {
            module_heap_fini(&load->instance->heap);
            arena_destroy(&load->instance->arena);
        }
        if (load->instance != NULL) {
            return_resources(load->instance);
        }
        heap_free(load->instance);
    }
}

static hx_err load_steps(struct load *load, const void *file, size_t size,
                         enum hal_gate_backend backend)
{
    const char *why = "";
    hx_err error = elf_module_read(file, size, hal_relocation_machine(), &load->elf, &why);

    if (error != HX_OK) {
        return complain(load, error, why, "");
    }
    load->instance = heap_allocate_zeroed(sizeof(*load->instance), OWNER_CORE);
    if (load->instance == NULL) {
        return complain(load, HX_ENOMEM, "no memory for the instance", "");
    }
    load->instance->gate.backend = backend;
    load->instance->door.deadline_ticks = SLOT_DEADLINE_DEFAULT;
    atomic_store_explicit(&load->instance->door.active, &load->instance->gate,
                          memory_order_relaxed);
    error = reserve_arena(load, backend);
    if (error == HX_OK) {
        error = build_image(load);
    }
    if (error == HX_OK) {
        error = read_descriptor(load);
    }
    if (error == HX_OK) {
        error = take_resources(load);
    }
    if (error == HX_OK) {
        error = commit(load);
    }
    return error;
}

hx_err loader_load(const void *file, size_t size, enum hal_gate_backend backend,
                   struct module_instance **instance, char why[LOADER_WHY_MAX])
{
    uint64_t start = hal_clock_cycles();
    struct load *load = heap_allocate_zeroed(sizeof(*load), OWNER_CORE);
    hx_err error;

    why[0] = '\0';
    if (load == NULL) {
        return HX_ENOMEM;
    }
    load->why = why;
    error = load_steps(load, file, size, backend);
    if (error == HX_OK) {
        const struct elf_module_group *text = &load->elf.groups[ELF_GROUP_TEXT];

        load->instance->text = (struct hal_range){load->image + text->offset, text->size};
        load->instance->load_cycles = hal_clock_cycles() - start;
        *instance = load->instance;
        recorder_note_name(RECORDER_LOAD, load->instance->name);
    }
    load_release(load, error == HX_OK);
    heap_free(load);
    return error;
}

static hx_err identify(struct load *load, const void *file, size_t size,
                       struct hx_module_descriptor *descriptor)
{
    const char *why = "";
    hx_err error = elf_module_read(file, size, hal_relocation_machine(), &load->elf, &why);

    if (error != HX_OK) {
        return complain(load, error, why, "");
    }
    return peek_descriptor(load, descriptor)
               ? check_descriptor(load, descriptor)
               : complain(load, HX_EFORMAT, "there is no descriptor", "hx_module");
}

hx_err loader_identify(const void *file, size_t size, struct hx_module_descriptor *descriptor,
                       char why[LOADER_WHY_MAX])
{
    struct load *load = heap_allocate_zeroed(sizeof(*load), OWNER_CORE);
    hx_err error;

    why[0] = '\0';
    if (load == NULL) {
        return HX_ENOMEM;
    }
    load->why = why;
    error = identify(load, file, size, descriptor);
    heap_free(load);
    return error;
}

void loader_unload(struct module_instance *instance)
{
    recorder_note_name(RECORDER_UNLOAD, instance->name);
    module_state_destroy(instance->carried);
    module_heap_fini(&instance->heap);
    arena_destroy(&instance->arena);
    return_resources(instance);
    heap_free(instance);
}
