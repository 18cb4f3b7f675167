/*
 * The table of handles: places, each of which one handle names at a time. Internal to
 * core/resource.
 *
 * Rules:
 * - A handle is a place's generation above its number. Who changes the place's key from the handle
 *   to 0 (one compare-and-swap) has released the handle, nobody else.
 * - Places are made in chunks and never freed. A number for which there is no chunk leads into the
 *   first chunk, to a place with another number in its key; number 0 is never used.
 * - Free places are kept by each CPU, used with preemption off, and move between CPUs in batches
 *   through a list under a lock.
 */
#ifndef CORE_RESOURCE_PLACE_H
#define CORE_RESOURCE_PLACE_H

#include <core/resource/resource.h>
#include <hal/cpu.h>
#include <helix/attributes.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct resource_account;

#define PLACE_NUMBER_BITS 17U
#define PLACE_NUMBER_MASK (RESOURCE_HANDLES_MAX - 1U)
_Static_assert(1U << PLACE_NUMBER_BITS == RESOURCE_HANDLES_MAX, "a number fits its bits");
#define PLACE_GENERATION (1ULL << PLACE_NUMBER_BITS) /* from one generation to the next */

/*
 * Keys: A = atomic: the others (relaxed) are written before the key is the handle (release) and
 *       read after it (acquire); who reads them without is not misled: then the key changes
 */
struct place {
    _Atomic uint64_t key;    /* A  the handle, 0: free */
    _Atomic uint64_t next;   /* A  the handle it will have next: all below it are spent or in use */
    _Atomic uint64_t amount; /* A  while free: the address of the next free place in its list */
    _Atomic(struct resource_account *) charged; /* A  the last account, NULL: never used */
};

static inline struct place *place_link(const struct place *place)
{
    return (struct place *)(uintptr_t)atomic_load_explicit(&place->amount, memory_order_relaxed);
}

static inline void place_set_link(struct place *place, struct place *next)
{
    atomic_store_explicit(&place->amount, (uintptr_t)next, memory_order_relaxed);
}

/* A number is that of a chunk, and above it the place in the chunk: so few instructions find it. */
#define PLACE_CHUNK_COUNT 256U
#define PLACE_CHUNK       (RESOURCE_HANDLES_MAX / PLACE_CHUNK_COUNT)

#define PLACE_CACHE_MAX   64
#define PLACE_CACHE_BATCH 32

/* The free places of one CPU; its alone. */
struct HX_ALIGNED(HX_CACHE_LINE) place_cache {
    struct place *first; /* NULL: none */
    uint64_t room;       /* how many more it may take */
};

extern struct place_cache place_caches[HAL_CPU_MAX];
/* Stored with release. */
extern _Atomic(struct place *) place_chunks[PLACE_CHUNK_COUNT];

/* The place to look at for a number or handle; only its key tells whether it is the one meant. */
static inline struct place *place_of(uint64_t handle)
{
    struct place *chunk =
        atomic_load_explicit(&place_chunks[handle % PLACE_CHUNK_COUNT], memory_order_acquire);

    return &chunk[handle / PLACE_CHUNK_COUNT % PLACE_CHUNK];
}

/* The next place number that exists, 0 at the end; starts with after = 0.  Context: any. */
uint32_t place_next(uint32_t after);

/*
 * Make sure that this CPU has a free place. Returns false when there is none to be had without
 * place_grow.  Context: thread, preemption off.
 */
HX_MUST_USE bool place_refill(struct place_cache *cache);

/* Make room in a cache.  Context: thread, preemption off. */
void place_spill(struct place_cache *cache);

/* Put the free places of a CPU that is off line, and stays so, where all find them.  Context:
 * thread.
 */
void place_give_back(uint32_t cpu);

/* This CPU's free places.  Context: preemption off. */
static inline struct place_cache *place_cache(void)
{
    return &place_caches[hal_cpu_id()];
}

/* Take the first place of a cache that has one.  Context: thread, preemption off. */
static inline struct place *place_take(struct place_cache *cache)
{
    struct place *place = cache->first;

    cache->first = place_link(place);
    cache->room++;
    return place;
}

/*
 * Put a place that nobody uses any more into a cache. Returns whether there was room: else
 * room is below 0 and place_spill must follow.  Context: thread, preemption off.
 */
HX_MUST_USE static inline bool place_put(struct place_cache *cache, struct place *place)
{
    place_set_link(place, cache->first);
    cache->first = place;
    return !__builtin_sub_overflow(cache->room, 1U, &cache->room);
}

/* Make more places.  Context: thread.  Errors: HX_ENOMEM, HX_ENOSPC there are all that may be. */
HX_MUST_USE hx_err place_grow(void);

void place_init(void);

/* Handles given out so far (exact while nobody allocates), and bytes of the table. */
uint64_t place_count_uses(void);
uint64_t place_memory(void);

#endif
