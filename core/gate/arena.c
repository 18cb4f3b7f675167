/* Module memory. */
#include <base/assert.h>
#include <base/memory.h>
#include <core/gate/arena.h>
#include <kern/cpu.h>
#include <kern/frames.h>
#include <kern/kernel_space.h>
#include <kern/spinlock.h>

/* --- addresses of open arenas: one bit per granule, first fit --------------------------------- */

#define GRANULE_PAGES 16U /* 64 KiB */
#define GRANULE_SIZE  (GRANULE_PAGES * HAL_PAGE_SIZE)
#define GRANULE_MAX   8192U

static uint64_t granule_used[GRANULE_MAX / 64]; /* under granule_lock */
static struct spinlock granule_lock = SPINLOCK_INIT(LOCK_RANK_CORE, "module addresses");

static bool granule_is_used(size_t granule)
{
    return (granule_used[granule / 64] >> (granule % 64) & 1) != 0;
}

static void granules_mark(size_t first, size_t count, bool used)
{
    for (size_t i = first; i < first + count; i++) {
        uint64_t bit = 1ULL << (i % 64);

        granule_used[i / 64] = used ? granule_used[i / 64] | bit : granule_used[i / 64] & ~bit;
    }
}

static size_t granules_of(size_t pages)
{
    /* One page more than asked for: there is a guard at the end. */
    return (pages + 1 + GRANULE_PAGES - 1) / GRANULE_PAGES;
}

static hx_err reserve_open(struct arena *arena)
{
    struct hal_range window = hal_module_window();
    size_t total =
        window.size / GRANULE_SIZE < GRANULE_MAX ? window.size / GRANULE_SIZE : GRANULE_MAX;
    size_t wanted = granules_of(arena->pages);
    hal_interrupt_state state = spinlock_acquire(&granule_lock);
    size_t run = 0;
    hx_err error = HX_ENOSPC;

    for (size_t i = 0; i < total; i++) {
        run = granule_is_used(i) ? 0 : run + 1;
        if (run == wanted) {
            granules_mark(i + 1 - wanted, wanted, true);
            arena->base = window.base + (i + 1 - wanted) * GRANULE_SIZE;
            error = HX_OK;
            break;
        }
    }
    spinlock_release(&granule_lock, state);
    arena->space = hal_space_kernel();
    return error;
}

static void release_open(const struct arena *arena)
{
    hal_interrupt_state state = spinlock_acquire(&granule_lock);

    granules_mark((arena->base - hal_module_window().base) / GRANULE_SIZE,
                  granules_of(arena->pages), false);
    spinlock_release(&granule_lock, state);
}

/* --- user arenas ------------------------------------------------------------------------------ */

static hx_err reserve_user(struct arena *arena)
{
    struct hal_range window = hal_user_module_window();

    if (window.size == 0) {
        return HX_ENOSYS;
    }
    if (arena->pages > window.size >> HAL_PAGE_SHIFT) {
        return HX_ENOSPC;
    }
    arena->base = window.base;
    return hal_space_create(&arena->space);
}

hx_err arena_create(struct arena *arena, size_t pages, bool is_user, owner_tag owner)
{
    *arena = (struct arena){.pages = pages, .is_user = is_user, .owner = owner};
    if (pages == 0 || pages > GRANULE_MAX * GRANULE_PAGES) {
        return HX_EINVAL;
    }
    return is_user ? reserve_user(arena) : reserve_open(arena);
}

/* --- pages ------------------------------------------------------------------------------------ */

/* A user arena's space is this arena's alone; the kernel's space is everybody's. */
static hx_err map_at(const struct arena *arena, uintptr_t address, uint64_t physical,
                     unsigned protection)
{
    return arena->is_user ? hal_space_map(arena->space, address, physical, 1, protection | HAL_USER)
                          : kernel_space_map(address, physical, 1, protection);
}

static hx_err map_page(struct arena *arena, size_t page, unsigned protection, const void *contents,
                       size_t size)
{
    uint64_t physical;
    hx_err error = frames_allocate(0, arena->owner, &physical);

    if (error != HX_OK) {
        return error;
    }
    if (size > 0) {
        memcpy(hal_direct_map(physical), contents, size);
    }
    memset((char *)hal_direct_map(physical) + size, 0, HAL_PAGE_SIZE - size);
    error = map_at(arena, arena->base + (page << HAL_PAGE_SHIFT), physical, protection);
    if (error != HX_OK) {
        frames_free(physical, 0);
    }
    return error;
}

hx_err arena_map(struct arena *arena, size_t first, size_t pages, unsigned protection,
                 const void *contents, size_t size)
{
    if (first > arena->pages || pages > arena->pages - first || size > pages << HAL_PAGE_SHIFT) {
        return HX_EINVAL;
    }
    for (size_t i = 0; i < pages; i++) {
        size_t done = i << HAL_PAGE_SHIFT;
        size_t here = size > done ? size - done : 0;
        hx_err error =
            map_page(arena, first + i, protection, here > 0 ? (const char *)contents + done : NULL,
                     here < HAL_PAGE_SIZE ? here : HAL_PAGE_SIZE);

        if (error != HX_OK) {
            return error;
        }
    }
    return HX_OK;
}

uint8_t *arena_byte(const struct arena *arena, uintptr_t address)
{
    uint64_t physical;

    if (address - arena->base >= arena->pages << HAL_PAGE_SHIFT ||
        !hal_space_lookup(arena->space, address, &physical, NULL)) {
        return NULL;
    }
    return (uint8_t *)hal_direct_map(physical) + address % HAL_PAGE_SIZE;
}

#define UNMAP_BATCH 128U /* pages; the other CPUs are asked once for each batch */

/* Unmap at most UNMAP_BATCH pages from *page on; *page is then where to go on. */
static void unmap_batch(struct arena *arena, size_t *page, size_t end)
{
    uint64_t frames[UNMAP_BATCH];
    size_t first = *page;
    size_t count = 0;

    for (; *page < end && count < UNMAP_BATCH; ++*page) {
        uintptr_t address = arena->base + (*page << HAL_PAGE_SHIFT);

        if (!hal_space_lookup(arena->space, address, &frames[count], NULL)) {
            continue;
        }
        if (arena->is_user) {
            hal_space_unmap(arena->space, address, 1);
        } else {
            kernel_space_unmap(address, 1);
        }
        count++;
    }
    if (count > 0 && !arena->is_user) {
        cpu_tlb_shootdown(arena->base + (first << HAL_PAGE_SHIFT), *page - first);
    }
    while (count > 0) {
        frames_free(frames[--count], 0);
    }
}

void arena_unmap(struct arena *arena, size_t first, size_t pages)
{
    size_t page = first;

    while (page < first + pages) {
        unmap_batch(arena, &page, first + pages);
    }
}

void arena_destroy(struct arena *arena)
{
    arena_unmap(arena, 0, arena->pages);
    if (arena->is_user) {
        hal_space_destroy(arena->space);
    } else {
        release_open(arena);
    }
}
