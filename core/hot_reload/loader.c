/*
 * The loader. One zeroed struct records what was taken; load_release gives it back, whatever point
 * was reached.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <core/gate/module_state.h>
#include <core/gate/slot.h>
#include <core/hot_reload/loader.h>
#include <core/hot_reload/module_image.h>
#include <core/hot_reload/module_symbols.h>
#include <core/resource/owner.h>
#include <hal/clock.h>
#include <hal/gate.h>
#include <kern/area.h>
#include <kern/heap.h>
#include <kern/recorder.h>

#define STACK_PAGES (HAL_GATE_STACK_STRIDE / HAL_PAGE_SIZE)

struct load {
    struct module_binary file;
    char *scratch;              /* the image, relocated, contiguous and writable */
    struct area *scratch_pages; /* where that is, if it is none of the heap's */
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
    return module_complain(load->why, error, what, name);
}

/* --- placing ---------------------------------------------------------------------------------- */

/*
 * Addresses: trampoline and thunks, the image, the stacks (both only for the user backend), a
 * guard, the heap. The image and each stack have their guards by themselves.
 */
static hx_err reserve_arena(struct load *load, enum hal_gate_backend backend)
{
    size_t image_pages = load->file.elf.image_size >> HAL_PAGE_SHIFT;
    bool is_user = backend == HAL_GATE_USER;
    size_t stack_pages = is_user ? INSTANCE_STACKS * STACK_PAGES : 0;
    size_t heap_pages = load->file.descriptor.heap_pages;
    size_t heap_first;
    hx_err error;

    load->thunk_pages = is_user ? 1 : 0;
    heap_first = load->thunk_pages + image_pages + stack_pages + 1;
    error = arena_create(&load->instance->arena, heap_first + heap_pages, is_user, OWNER_NONE);
    if (error != HX_OK) {
        return complain(load, error, "no addresses for the module", "");
    }
    load->has_arena = true;
    load->image = load->instance->arena.base + (load->thunk_pages << HAL_PAGE_SHIFT);
    load->instance->gate.stack_tops =
        load->image + load->file.elf.image_size + HAL_GATE_STACK_STRIDE;
    error = module_heap_init(&load->instance->heap, &load->instance->arena, heap_first, heap_pages);
    return error == HX_OK ? HX_OK : complain(load, error, "no memory for the module's heap", "");
}

static size_t group_pages(const struct load *load, enum elf_group group)
{
    return (load->file.elf.groups[group].size + HAL_PAGE_SIZE - 1) >> HAL_PAGE_SHIFT;
}

/* --- the image -------------------------------------------------------------------------------- */

static uintptr_t thunk_address(const struct load *load, uint32_t number)
{
    return load->instance->arena.base + hal_gate_trampoline().size + number * HAL_GATE_THUNK_SIZE;
}

static uintptr_t import_address(const void *context, const struct callout *callout)
{
    const struct load *load = context;

    return load->instance->gate.backend == HAL_GATE_USER ? thunk_address(load, callout->number)
                                                         : callout->function;
}

/*
 * Memory of the heap where it has that much in one piece: giving it back asks nothing of the other
 * CPUs, while an area's pages are to be forgotten by all of them first.
 */
static hx_err take_scratch(struct load *load)
{
    size_t size = load->file.elf.image_size;
    hx_err error;

    load->scratch = heap_allocate_zeroed(size, OWNER_CORE);
    if (load->scratch != NULL) {
        return HX_OK;
    }
    error = area_allocate(size >> HAL_PAGE_SHIFT, HAL_READ | HAL_WRITE, OWNER_CORE,
                          &load->scratch_pages);
    if (error == HX_OK) {
        load->scratch = (char *)load->scratch_pages->base;
    }
    return error;
}

static void return_scratch(const struct load *load)
{
    if (load->scratch_pages != NULL) {
        area_free(load->scratch_pages);
    } else {
        heap_free(load->scratch);
    }
}

static hx_err build_image(struct load *load, struct module_tables *tables)
{
    struct module_image image = {.file = &load->file,
                                 .base = load->image,
                                 .import_address = import_address,
                                 .context = load};
    hx_err error = take_scratch(load);

    if (error != HX_OK) {
        return complain(load, error, "no memory for the image", "");
    }
    image.bytes = load->scratch;
    return module_image_build(&image, tables, load->why);
}

/* What its file says of it becomes the instance's own. */
static void describe_instance(const struct load *load, const struct module_tables *tables)
{
    const struct hx_module_descriptor *descriptor = &load->file.descriptor;
    struct module_instance *instance = load->instance;

    for (uint32_t i = 0; i < HAL_GATE_OPERATIONS; i++) {
        uintptr_t operation = tables->operations[i];

        instance->gate.operations[i] = operation != 0 || instance->gate.backend != HAL_GATE_OPEN
                                           ? operation
                                           : hal_gate_no_operation();
    }
    instance->operation_count = tables->operation_count;
    instance->category = load->file.category->number;
    memcpy(instance->name, descriptor->name, sizeof(descriptor->name));
    memcpy(instance->state_kind, descriptor->state_kind, sizeof(descriptor->state_kind));
    instance->version = descriptor->version;
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
    const struct elf_module_group *plan = &load->file.elf.groups[group];
    size_t first = load->thunk_pages + (plan->offset >> HAL_PAGE_SHIFT);

    return arena_map(&load->instance->arena, first, group_pages(load, group), protection,
                     load->scratch + plan->offset, plan->size);
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
    return_scratch(load);
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
    struct module_tables tables;
    hx_err error = module_check(file, size, &load->file, load->why);

    if (error != HX_OK) {
        return error;
    }
    load->instance = heap_allocate_zeroed(sizeof(*load->instance), OWNER_CORE);
    if (load->instance == NULL) {
        return complain(load, HX_ENOMEM, "no memory for the instance", "");
    }
    load->instance->gate.backend = backend;
    module_locks_init(&load->instance->locks);
    load->instance->door.deadline_ticks = SLOT_DEADLINE_DEFAULT;
    atomic_store_explicit(&load->instance->door.active, &load->instance->gate,
                          memory_order_relaxed);
    error = reserve_arena(load, backend);
    if (error == HX_OK) {
        error = build_image(load, &tables);
    }
    if (error == HX_OK) {
        describe_instance(load, &tables);
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
        const struct elf_module_group *text = &load->file.elf.groups[ELF_GROUP_TEXT];

        load->instance->text = (struct hal_range){load->image + text->offset, text->size};
        module_symbols_add(&load->file.elf, load->instance->name, load->image);
        load->instance->load_cycles = hal_clock_cycles() - start;
        *instance = load->instance;
        recorder_note_name(RECORDER_LOAD, load->instance->name);
    }
    load_release(load, error == HX_OK);
    heap_free(load);
    return error;
}

hx_err loader_identify(const void *file, size_t size, enum loader_depth depth,
                       struct hx_module_descriptor *descriptor, char why[LOADER_WHY_MAX])
{
    struct module_binary *binary = heap_allocate(sizeof(*binary), OWNER_CORE);
    hx_err error = HX_ENOMEM;

    why[0] = '\0';
    if (binary != NULL) {
        error = depth == LOADER_CHECKED ? module_check(file, size, binary, why)
                                        : module_identify(file, size, binary, why);
    }
    if (error == HX_OK) {
        *descriptor = binary->descriptor;
    }
    heap_free(binary);
    return error;
}

void loader_unload(struct module_instance *instance)
{
    recorder_note_name(RECORDER_UNLOAD, instance->name);
    module_symbols_remove(instance->text.base);
    module_state_destroy(instance->carried);
    module_heap_fini(&instance->heap);
    module_locks_fini(&instance->locks);
    arena_destroy(&instance->arena);
    return_resources(instance);
    heap_free(instance);
}
