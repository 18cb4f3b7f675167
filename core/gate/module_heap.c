/* Pages of an instance's own. */
#include <core/gate/module_heap.h>
#include <kern/heap.h>

enum { PAGE_FREE, PAGE_FIRST, PAGE_NEXT };

hx_err module_heap_init(struct module_heap *heap, struct arena *arena, size_t first, size_t pages)
{
    mutex_init(&heap->mutex, "module heap");
    heap->arena = arena;
    heap->first = first;
    if (pages != 0) {
        heap->map = heap_allocate_zeroed(pages, OWNER_CORE);
        if (heap->map == NULL) {
            return HX_ENOMEM;
        }
    }
    heap->pages = pages;
    return HX_OK;
}

void module_heap_charge_to(struct module_heap *heap, resource_handle charge, uint64_t charged)
{
    heap->charge = charge;
    heap->charged = charged;
}

void module_heap_fini(struct module_heap *heap)
{
    heap_free(heap->map);
}

/* The first page of a free range of pages pages, heap->pages if there is none. */
static size_t find_locked(const struct module_heap *heap, size_t pages)
{
    size_t run = 0;

    for (size_t i = 0; i < heap->pages; i++) {
        run = heap->map[i] == PAGE_FREE ? run + 1 : 0;
        if (run == pages) {
            return i + 1 - pages;
        }
    }
    return heap->pages;
}

static hx_err charge_locked(struct module_heap *heap, uint64_t bytes)
{
    hx_err error = resource_adjust(heap->charge, heap->arena->owner, bytes);

    if (error == HX_OK) {
        heap->charged = bytes;
    }
    return error;
}

static hx_err map_locked(struct module_heap *heap, size_t page, size_t pages)
{
    hx_err error = charge_locked(heap, heap->charged + (pages << HAL_PAGE_SHIFT));

    if (error != HX_OK) {
        return error;
    }
    error = arena_map(heap->arena, heap->first + page, pages, HAL_READ | HAL_WRITE, NULL, 0);
    if (error != HX_OK) {
        arena_unmap(heap->arena, heap->first + page, pages);
        (void)!charge_locked(heap,
                             heap->charged - (pages << HAL_PAGE_SHIFT)); /* less: never refused */
    }
    return error;
}

static hx_err allocate_locked(struct module_heap *heap, size_t pages, uintptr_t *address)
{
    size_t page = find_locked(heap, pages);
    hx_err error;

    if (page == heap->pages) {
        return HX_ENOSPC;
    }
    error = map_locked(heap, page, pages);
    if (error != HX_OK) {
        return error;
    }
    for (size_t i = 0; i < pages; i++) {
        heap->map[page + i] = i == 0 ? PAGE_FIRST : PAGE_NEXT;
    }
    *address = heap->arena->base + ((heap->first + page) << HAL_PAGE_SHIFT);
    return HX_OK;
}

hx_err module_heap_allocate(struct module_heap *heap, size_t pages, uintptr_t *address)
{
    hx_err error;

    if (pages == 0) {
        return HX_EINVAL;
    }
    if (pages > heap->pages) {
        return HX_ENOSPC;
    }
    mutex_lock(&heap->mutex);
    error = allocate_locked(heap, pages, address);
    mutex_unlock(&heap->mutex);
    return error;
}

/* How many pages the allocation at a page has, 0: none begins there. */
static size_t length_locked(const struct module_heap *heap, size_t page)
{
    size_t length = 1;

    if (page >= heap->pages || heap->map[page] != PAGE_FIRST) {
        return 0;
    }
    while (page + length < heap->pages && heap->map[page + length] == PAGE_NEXT) {
        length++;
    }
    return length;
}

static hx_err free_locked(struct module_heap *heap, size_t page)
{
    size_t length = length_locked(heap, page);

    if (length == 0) {
        return HX_EINVAL;
    }
    arena_unmap(heap->arena, heap->first + page, length);
    for (size_t i = 0; i < length; i++) {
        heap->map[page + i] = PAGE_FREE;
    }
    (void)!charge_locked(heap,
                         heap->charged - (length << HAL_PAGE_SHIFT)); /* less: never refused */
    return HX_OK;
}

hx_err module_heap_free(struct module_heap *heap, uintptr_t address)
{
    uintptr_t offset = address - heap->arena->base - (heap->first << HAL_PAGE_SHIFT);
    hx_err error;

    if ((offset & (HAL_PAGE_SIZE - 1)) != 0) {
        return HX_EINVAL;
    }
    mutex_lock(&heap->mutex);
    error = free_locked(heap, offset >> HAL_PAGE_SHIFT);
    mutex_unlock(&heap->mutex);
    return error;
}
