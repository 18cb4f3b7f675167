/*
 * The pages that one instance asks for while it lives: a fixed range of its arena's addresses,
 * mapped and unmapped by whole pages, charged to the instance.
 *
 * Rules:
 * - First fit. An allocation is known by its first page and freed as a whole.
 * - What is still there at the end goes with the arena.
 */
#ifndef CORE_GATE_MODULE_HEAP_H
#define CORE_GATE_MODULE_HEAP_H

#include <core/gate/arena.h>
#include <core/resource/resource.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <stddef.h>
#include <stdint.h>

/* Keys: I = immutable after init, M = mutex */
struct module_heap {
    struct mutex mutex;
    struct arena *arena; /* I */
    size_t first;        /* I  page of the arena */
    size_t pages;        /* I  0: there is no heap */
    uint8_t *map;        /* M  of each page: free, first of an allocation, or one of its others */
    resource_handle charge; /* I  the instance's memory; grows and shrinks with the heap */
    uint64_t charged;       /* M  bytes */
};

/*
 * Pages first to first + pages of the arena are the heap's; charge holds charged bytes already.
 * Context: thread.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err module_heap_init(struct module_heap *heap, struct arena *arena, size_t first,
                                    size_t pages);

/* From now on allocations are added to what a handle of the arena's owner holds.  Context: thread.
 */
void module_heap_charge_to(struct module_heap *heap, resource_handle charge, uint64_t charged);

/* The map's memory; the pages go with the arena.  Context: thread. */
void module_heap_fini(struct module_heap *heap);

/*
 * Map pages zeroed pages in a row; *address is the first byte.
 * Context: thread, may block.
 * Errors: HX_EINVAL none asked for, HX_ENOSPC no such range is free, HX_ELIMIT, HX_ENOMEM; on error
 * nothing is held.
 */
HX_MUST_USE hx_err module_heap_allocate(struct module_heap *heap, size_t pages, uintptr_t *address);

/* Context: thread, may block.  Errors: HX_EINVAL no allocation begins there. */
HX_MUST_USE hx_err module_heap_free(struct module_heap *heap, uintptr_t address);

#endif
