/* Making places and moving them between CPUs. */
#include <core/resource/place.h>
#include <kern/heap.h>
#include <kern/spinlock.h>

struct place_cache place_caches[HAL_CPU_MAX];
_Atomic(struct place *) place_chunks[PLACE_CHUNK_COUNT];

static struct place first_chunk[PLACE_CHUNK];

/* Keys: L = lock */
static struct {
    struct spinlock lock;
    struct place *first;     /* L  free places of no CPU */
    _Atomic uint32_t chunks; /* L  made so far; read without */
} depot;

/* --- between the CPUs and the common list ----------------------------------------------------- */

static void depot_put_locked(struct place *place)
{
    place_set_link(place, depot.first);
    depot.first = place;
}

static struct place *depot_take_locked(void)
{
    struct place *place = depot.first;

    depot.first = place_link(place);
    return place;
}

bool place_refill(struct place_cache *cache)
{
    hal_interrupt_state state = spinlock_acquire(&depot.lock);

    for (uint32_t i = 0; i < PLACE_CACHE_BATCH && depot.first != NULL; i++) {
        (void)!place_put(cache, depot_take_locked()); /* it was empty */
    }
    spinlock_release(&depot.lock, state);
    return cache->first != NULL;
}

void place_spill(struct place_cache *cache)
{
    hal_interrupt_state state = spinlock_acquire(&depot.lock);

    /* From -1 on. */
    while (cache->room + 1 < PLACE_CACHE_BATCH + 1) {
        depot_put_locked(place_take(cache));
    }
    spinlock_release(&depot.lock, state);
}

void place_give_back(uint32_t cpu)
{
    hal_interrupt_state state = spinlock_acquire(&depot.lock);

    while (place_caches[cpu].first != NULL) {
        depot_put_locked(place_take(&place_caches[cpu]));
    }
    spinlock_release(&depot.lock, state);
}

/* --- growing ---------------------------------------------------------------------------------- */

/* Number a chunk's places, and put all but number 0 into the common list. */
static void add_places_locked(struct place *chunk, uint32_t index)
{
    for (uint32_t i = PLACE_CHUNK; i-- > 0;) {
        uint32_t number = i * PLACE_CHUNK_COUNT + index;

        if (number != 0) {
            atomic_store_explicit(&chunk[i].next, PLACE_GENERATION | number, memory_order_relaxed);
            depot_put_locked(&chunk[i]);
        }
    }
}

static bool add_chunk(struct place *chunk)
{
    hal_interrupt_state state = spinlock_acquire(&depot.lock);
    uint32_t count = atomic_load_explicit(&depot.chunks, memory_order_relaxed);
    bool has_room = count < PLACE_CHUNK_COUNT;

    if (has_room) {
        add_places_locked(chunk, count);
        /* Pairs with place_of: a chunk that is seen has its numbers. */
        atomic_store_explicit(&place_chunks[count], chunk, memory_order_release);
        atomic_store_explicit(&depot.chunks, count + 1, memory_order_release);
    }
    spinlock_release(&depot.lock, state);
    return has_room;
}

void place_init(void)
{
    spinlock_init(&depot.lock, LOCK_RANK_CORE, "resource handles");
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        place_caches[cpu].room = PLACE_CACHE_MAX;
    }
    for (uint32_t i = 0; i < PLACE_CHUNK_COUNT; i++) {
        atomic_store_explicit(&place_chunks[i], first_chunk, memory_order_relaxed);
    }
    (void)add_chunk(first_chunk); /* there is room */
    /* Handles that end in number 0 lead here; this is none of them. */
    atomic_store_explicit(&first_chunk[0].key, PLACE_NUMBER_MASK, memory_order_relaxed);
}

hx_err place_grow(void)
{
    struct place *chunk = heap_allocate_zeroed(PLACE_CHUNK * sizeof(*chunk), OWNER_CORE);

    if (chunk == NULL) {
        return HX_ENOMEM;
    }
    if (!add_chunk(chunk)) {
        heap_free(chunk);
        return HX_ENOSPC;
    }
    return HX_OK;
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t place_next(uint32_t after)
{
    /* Acquire pairs with add_chunk: the chunks counted can be seen. */
    uint32_t chunks = atomic_load_explicit(&depot.chunks, memory_order_acquire);
    uint32_t next_chunk = after % PLACE_CHUNK_COUNT + 1;

    if (after + PLACE_CHUNK_COUNT < RESOURCE_HANDLES_MAX) {
        return after + PLACE_CHUNK_COUNT;
    }
    return next_chunk < chunks ? next_chunk : 0; /* its first place */
}

uint64_t place_count_uses(void)
{
    uint64_t sum = 0;

    for (uint32_t number = place_next(0); number != 0; number = place_next(number)) {
        uint64_t next = atomic_load_explicit(&place_of(number)->next, memory_order_relaxed);

        sum += (next >> PLACE_NUMBER_BITS) - 1;
    }
    return sum;
}

uint64_t place_memory(void)
{
    return (uint64_t)atomic_load_explicit(&depot.chunks, memory_order_relaxed) *
           sizeof(first_chunk);
}
