/*
 * Frames are found three ways. A zone maps frame numbers to indices into the metadata array; holes
 * of 16 MiB and more between usable ranges belong to no zone and cost no metadata. Zones begin and
 * end at multiples of the largest block, so the buddy of index i at order n is i ^ 2^n and never
 * lies in another zone. Blocks of one order that are free are linked through their metadata. Single
 * frames go through a cache per CPU, which only that CPU touches, with interrupts off: the hot path
 * takes no lock and no atomic operation. What others may read meanwhile (state, owner, counters) is
 * atomic, relaxed: plain loads and stores.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <kern/cpu.h>
#include <kern/frame_map.h>
#include <kern/frames.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

#define ZONE_MAX       64U
#define INDEX_NONE     UINT32_MAX
#define CHUNK_FRAMES   (1U << FRAME_ORDER_MAX)
#define ZONE_GAP       (4 * CHUNK_FRAMES) /* smaller holes become part of a zone: 64 KiB of metadata */
#define CACHE_CAPACITY 31U
#define CACHE_BATCH    16U

/* What a frame is; a block's order is added to the first frame's FREE or ALLOCATED. */
enum frame_state {
    FRAME_UNUSED = 0x00, /* not managed, or inside a free block */
    FRAME_FREE = 0x10,   /* first of a free block, on a list */
    FRAME_CACHED = 0x20, /* in a CPU's cache */
    FRAME_ALLOCATED = 0x40,
    FRAME_INSIDE = 0x80, /* inside an allocated block */
};

struct frame_link {
    uint32_t next; /* indices */
    uint32_t previous;
};

/* Keys: L = the lock while free, else the block's owner; A = atomic, relaxed unless its user says
 */
struct frame {
    union {
        struct frame_link link;        /* L  state FREE */
        _Atomic uint64_t private_word; /* A  state ALLOCATED or INSIDE; the block's owner's */
    };
    _Atomic owner_tag owner; /* A  of an ALLOCATED one */
    _Atomic uint8_t state;   /* A */
    bool is_poisoned;        /* L  debug builds: holds the pattern */
};
_Static_assert(sizeof(struct frame) == 16, "metadata is 16 bytes a frame");

/* Frame numbers [first, first + count): their metadata, in order. */
struct zone {
    uint64_t first;
    uint64_t count;
    struct frame *frames;
};

/* Keys: C = the CPU, interrupts off; W = written so, read by anyone (relaxed) */
struct frame_cache {
    _Atomic uint32_t count;               /* W */
    _Atomic uint64_t allocations;         /* W  of any order */
    struct frame *frames[CACHE_CAPACITY]; /* C  the last one is the warmest */
    uint64_t physical[CACHE_CAPACITY];    /* C  their addresses */
} HX_ALIGNED(512);

/* Keys: I = immutable after frames_init, L = lock, A = atomic */
static struct {
    struct frame *frames;                 /* I */
    uint32_t zone_count;                  /* I */
    struct zone zones[ZONE_MAX];          /* I */
    uint64_t frame_count;                 /* I  metadata entries */
    struct frame_range metadata;          /* I  where they are */
    struct spinlock lock;                 /*    leaf: nothing is taken under it */
    uint32_t first[FRAME_ORDER_MAX + 1];  /* L  free blocks of each order */
    uint64_t blocks[FRAME_ORDER_MAX + 1]; /* L  how many */
    uint32_t orders;                      /* L  bit n: there are blocks of order n */
    uint64_t total;                       /* L */
    _Atomic uint64_t failures;            /* A */
    _Atomic uint64_t fail_countdown;      /* A  0: off */
} pool = {.lock = SPINLOCK_INIT(LOCK_RANK_FRAME, "frames")};

static struct frame_cache caches[HAL_CPU_MAX];

struct frame_words frame_words;
_Static_assert(offsetof(struct frame, private_word) == 0 &&
                   sizeof(struct frame) == sizeof(frame_words.words[0]),
               "a frame's word is the first of its metadata");

/* Stands for every frame that is not managed. */
static struct frame no_frame = {.state = FRAME_UNUSED};

/* --- addresses -------------------------------------------------------------------------------- */

/*
 * The number of the frame at an address. The low bits of an address that is no frame's first byte
 * end up on top: such a number is in no zone.
 */
static inline uint64_t number_of(uint64_t physical)
{
    return physical >> HAL_PAGE_SHIFT | physical << (64 - HAL_PAGE_SHIFT);
}

static inline bool is_in_zone(const struct zone *zone, uint64_t number)
{
    return number - zone->first < zone->count;
}

static inline struct frame *frame_in_zone(const struct zone *zone, uint64_t number)
{
    return &zone->frames[number - zone->first];
}

/* The metadata of the frame at an address, &no_frame when it has none. */
static struct frame *frame_at(uint64_t physical)
{
    uint64_t number = number_of(physical);

    for (uint32_t i = 0; i < pool.zone_count; i++) {
        if (is_in_zone(&pool.zones[i], number)) {
            return frame_in_zone(&pool.zones[i], number);
        }
    }
    return &no_frame;
}

/* The first zone is as a rule the only one, or the largest. */
static inline struct frame *frame_around(uint64_t physical)
{
    uint64_t number = physical >> HAL_PAGE_SHIFT;

    return HX_LIKELY(is_in_zone(&pool.zones[0], number))
               ? frame_in_zone(&pool.zones[0], number)
               : frame_at(physical & ~(uint64_t)(HAL_PAGE_SIZE - 1));
}

static uint32_t index_of(const struct frame *frame)
{
    return (uint32_t)(frame - pool.frames);
}

static uint64_t address_of(const struct frame *frame)
{
    const struct zone *zone = pool.zones;

    while ((uint64_t)(frame - zone->frames) >= zone->count) {
        zone++;
    }
    return (zone->first + (uint64_t)(frame - zone->frames)) << HAL_PAGE_SHIFT;
}

static inline unsigned state_of(const struct frame *frame)
{
    return atomic_load_explicit(&frame->state, memory_order_relaxed);
}

static inline void set_state(struct frame *frame, unsigned state)
{
    atomic_store_explicit(&frame->state, (uint8_t)state, memory_order_relaxed);
}

static inline void set_private(struct frame *frame, uint64_t value)
{
    atomic_store_explicit(&frame->private_word, value, memory_order_relaxed);
}

static inline void set_owner(struct frame *frame, owner_tag owner)
{
    atomic_store_explicit(&frame->owner, owner, memory_order_relaxed);
}

/* --- debug: freed frames hold a pattern ------------------------------------------------------- */

#ifdef HX_DEBUG
#define QUICK_WORDS(count) 0U /* each is found, and so checked */

#define POISON      0xfdU
#define POISON_WORD 0xfdfdfdfdfdfdfdfdULL

static void poison_block(struct frame *frame, uint64_t physical, unsigned order)
{
    memset(hal_direct_map(physical), POISON, HAL_PAGE_SIZE << order);
    for (uint32_t i = 0; i < 1U << order; i++) {
        frame[i].is_poisoned = true;
    }
}

static void check_poison(struct frame *frame, uint64_t physical, unsigned order)
{
    for (uint32_t i = 0; i < 1U << order; i++) {
        const uint64_t *words = hal_direct_map(physical + i * HAL_PAGE_SIZE);

        for (size_t k = 0; frame[i].is_poisoned && k < HAL_PAGE_SIZE / sizeof(*words); k++) {
            HX_ASSERT(words[k] == POISON_WORD, "nobody writes to a frame after freeing it");
        }
        frame[i].is_poisoned = false;
    }
}
#else
#define QUICK_WORDS(count) (count)

static inline void poison_block(struct frame *frame, uint64_t physical, unsigned order)
{
    (void)frame;
    (void)physical;
    (void)order;
}

static inline void check_poison(struct frame *frame, uint64_t physical, unsigned order)
{
    (void)frame;
    (void)physical;
    (void)order;
}
#endif

/* --- free blocks, under the lock -------------------------------------------------------------- */

static void block_insert_locked(uint32_t index, unsigned order)
{
    struct frame *frame = &pool.frames[index];
    uint32_t next = pool.first[order];

    frame->link = (struct frame_link){.next = next, .previous = INDEX_NONE};
    set_state(frame, FRAME_FREE + order);
    if (next != INDEX_NONE) {
        pool.frames[next].link.previous = index;
    }
    pool.first[order] = index;
    pool.blocks[order]++;
    pool.orders |= 1U << order;
}

static void block_remove_locked(uint32_t index, unsigned order)
{
    struct frame *frame = &pool.frames[index];
    struct frame_link link = frame->link;

    if (link.next != INDEX_NONE) {
        pool.frames[link.next].link.previous = link.previous;
    }
    if (link.previous != INDEX_NONE) {
        pool.frames[link.previous].link.next = link.next;
    } else {
        pool.first[order] = link.next;
        if (link.next == INDEX_NONE) {
            pool.orders &= ~(1U << order);
        }
    }
    pool.blocks[order]--;
    set_state(frame, FRAME_UNUSED);
}

/* Free a block and merge it with its buddies as far as they are free. */
static void block_put_locked(uint32_t index, unsigned order)
{
    set_state(&pool.frames[index], FRAME_UNUSED);
    while (order < FRAME_ORDER_MAX) {
        uint32_t buddy = index ^ (1U << order);

        if (state_of(&pool.frames[buddy]) != FRAME_FREE + order) {
            break;
        }
        block_remove_locked(buddy, order);
        index &= buddy;
        order++;
    }
    block_insert_locked(index, order);
}

/* Take a block, splitting a larger one where needed; INDEX_NONE when there is none. */
static uint32_t block_take_locked(unsigned order)
{
    uint32_t candidates = pool.orders >> order;

    if (candidates == 0) {
        return INDEX_NONE;
    }

    unsigned found = order + (unsigned)__builtin_ctz(candidates);
    uint32_t index = pool.first[found];

    block_remove_locked(index, found);
    while (found > order) {
        found--;
        block_insert_locked(index + (1U << found), found);
    }
    return index;
}

/* Enter a block that was just taken as its owner's. */
static inline void block_claim(struct frame *frame, unsigned order, owner_tag owner,
                               uint64_t private_word)
{
    for (uint32_t i = 1; i < 1U << order; i++) {
        set_private(&frame[i], 0);
        set_state(&frame[i], FRAME_INSIDE);
    }
    set_private(frame, private_word);
    set_owner(frame, owner);
    set_state(frame, FRAME_ALLOCATED + order);
}

/* Free frames [index, end) as the largest blocks that fit. */
static void span_put_locked(uint32_t index, uint32_t end)
{
    while (index < end) {
        unsigned order = FRAME_ORDER_MAX;

        while ((index & ((1U << order) - 1)) != 0 || end - index < 1U << order) {
            order--;
        }
        block_put_locked(index, order);
        index += 1U << order;
    }
}

/* --- caches ----------------------------------------------------------------------------------- */

static inline uint32_t cache_count(const struct frame_cache *cache)
{
    return atomic_load_explicit(&cache->count, memory_order_relaxed);
}

static inline void cache_set_count(struct frame_cache *cache, uint32_t count)
{
    atomic_store_explicit(&cache->count, count, memory_order_relaxed);
}

static inline void count_allocation(struct frame_cache *cache)
{
    uint64_t allocations = atomic_load_explicit(&cache->allocations, memory_order_relaxed);

    atomic_store_explicit(&cache->allocations, allocations + 1, memory_order_relaxed);
}

/* Allocate from this CPU's cache; false: it is empty. */
static inline bool cache_take(owner_tag owner, uint64_t private_word, uint64_t *physical)
{
    hal_interrupt_state state = hal_interrupts_save();
    struct frame_cache *cache = &caches[hal_cpu_id()];
    uint32_t count = cache_count(cache);

    if (HX_UNLIKELY(count == 0)) {
        hal_interrupts_restore(state);
        return false;
    }

    struct frame *frame = cache->frames[count - 1];

    *physical = cache->physical[count - 1];
    cache_set_count(cache, count - 1);
    count_allocation(cache);
    check_poison(frame, *physical, 0);
    block_claim(frame, 0, owner, private_word);
    hal_interrupts_restore(state);
    return true;
}

/* Free into this CPU's cache; false: it is full. */
static inline bool cache_put(struct frame *frame, uint64_t physical)
{
    hal_interrupt_state state = hal_interrupts_save();
    struct frame_cache *cache = &caches[hal_cpu_id()];
    uint32_t count = cache_count(cache);

    if (HX_UNLIKELY(count == CACHE_CAPACITY)) {
        hal_interrupts_restore(state);
        return false;
    }
    poison_block(frame, physical, 0);
    set_state(frame, FRAME_CACHED);
    cache->frames[count] = frame;
    cache->physical[count] = physical;
    cache_set_count(cache, count + 1);
    hal_interrupts_restore(state);
    return true;
}

/* The order of the block to take when so many frames are wanted: a small one that is there, so that
 * large ones stay whole; else as many at once as are wanted. */
static unsigned order_for(uint32_t wanted)
{
    unsigned smallest = (unsigned)__builtin_ctz(pool.orders);
    unsigned largest = 31U - (unsigned)__builtin_clz(wanted);

    return smallest < largest ? smallest : largest;
}

/* Returns how many frames the cache has then. */
static uint32_t cache_add_block_locked(struct frame_cache *cache, uint32_t count, unsigned order)
{
    struct frame *frame = &pool.frames[block_take_locked(order)];
    uint64_t physical = address_of(frame);

    for (uint32_t i = 0; i < 1U << order; i++) {
        set_state(&frame[i], FRAME_CACHED);
        cache->frames[count + i] = &frame[i];
        cache->physical[count + i] = physical + ((uint64_t)i << HAL_PAGE_SHIFT);
    }
    return count + (1U << order);
}

/* Fill this CPU's cache half, as far as there is memory. */
static void cache_refill(void)
{
    hal_interrupt_state state = spinlock_acquire(&pool.lock);
    struct frame_cache *cache = &caches[hal_cpu_id()];
    uint32_t count = cache_count(cache);

    while (count < CACHE_BATCH && pool.orders != 0) {
        count = cache_add_block_locked(cache, count, order_for(CACHE_BATCH - count));
    }
    cache_set_count(cache, count);
    spinlock_release(&pool.lock, state);
}

/* Return this CPU's coldest cached frames, all but `keep`; what stays moves down. */
static void cache_drain(uint32_t keep)
{
    hal_interrupt_state state = spinlock_acquire(&pool.lock);
    struct frame_cache *cache = &caches[hal_cpu_id()];
    uint32_t count = cache_count(cache);
    uint32_t kept = count < keep ? count : keep;

    for (uint32_t i = 0; i < count - kept; i++) {
        block_put_locked(index_of(cache->frames[i]), 0);
    }
    memmove(cache->frames, cache->frames + (count - kept), kept * sizeof(cache->frames[0]));
    memmove(cache->physical, cache->physical + (count - kept), kept * sizeof(cache->physical[0]));
    cache_set_count(cache, kept);
    spinlock_release(&pool.lock, state);
}

static void drain_this_cpu(void *unused)
{
    (void)unused;
    cache_drain(0);
}

void frames_drain_caches(void)
{
    if (!context_is_interrupt() && hal_interrupts_enabled() && cpu_online_count() > 1) {
        cpu_call(cpu_online_mask(), drain_this_cpu, NULL);
    } else {
        cache_drain(0);
    }
}

void frames_give_back(uint32_t cpu)
{
    hal_interrupt_state state = spinlock_acquire(&pool.lock);
    struct frame_cache *cache = &caches[cpu];

    for (uint32_t i = 0; i < cache_count(cache); i++) {
        block_put_locked(index_of(cache->frames[i]), 0);
    }
    cache_set_count(cache, 0);
    spinlock_release(&pool.lock, state);
}

/* --- allocation ------------------------------------------------------------------------------- */

/* Whether this allocation is the one frames_fail_nth named. */
static bool is_made_to_fail(void)
{
    uint64_t left = atomic_load_explicit(&pool.fail_countdown, memory_order_relaxed);

    while (left != 0 &&
           !atomic_compare_exchange_weak_explicit(&pool.fail_countdown, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return left == 1;
}

static hx_err take_block(unsigned order, owner_tag owner, uint64_t *physical)
{
    hal_interrupt_state state = spinlock_acquire(&pool.lock);
    uint32_t index = block_take_locked(order);

    if (index == INDEX_NONE) {
        spinlock_release(&pool.lock, state);
        return HX_ENOMEM;
    }

    struct frame *frame = &pool.frames[index];

    /* Before the lock is released, so that a neighbour's merge finds the block taken. */
    set_state(frame, FRAME_ALLOCATED + order);
    count_allocation(&caches[hal_cpu_id()]);
    spinlock_release(&pool.lock, state);
    *physical = address_of(frame);
    check_poison(frame, *physical, order);
    block_claim(frame, order, owner, 0);
    return HX_OK;
}

/* Everything but a single frame that lies in the cache. */
static HX_NOINLINE hx_err allocate_slow(unsigned order, owner_tag owner, uint64_t *physical)
{
    *physical = FRAME_NONE;
    if (order > FRAME_ORDER_MAX || owner == OWNER_NONE) {
        return HX_EINVAL;
    }
    if (!is_made_to_fail()) {
        if (order == 0) {
            cache_refill();
            if (cache_take(owner, 0, physical)) {
                return HX_OK;
            }
        }
        if (take_block(order, owner, physical) == HX_OK) {
            return HX_OK;
        }
        frames_drain_caches();
        if (take_block(order, owner, physical) == HX_OK) {
            return HX_OK;
        }
    }
    atomic_fetch_add_explicit(&pool.failures, 1, memory_order_relaxed);
    return HX_ENOMEM;
}

hx_err frames_allocate(unsigned order, owner_tag owner, uint64_t *physical)
{
    uint64_t countdown = atomic_load_explicit(&pool.fail_countdown, memory_order_relaxed);

    if (HX_LIKELY((order | countdown) == 0 && owner != OWNER_NONE &&
                  cache_take(owner, 0, physical))) {
        return HX_OK;
    }
    return allocate_slow(order, owner, physical);
}

static HX_NOINLINE hx_err allocate_slow_with(uint64_t private_word, owner_tag owner,
                                             uint64_t *physical)
{
    hx_err error = allocate_slow(0, owner, physical);

    if (error == HX_OK) {
        frames_set_private(*physical, private_word);
    }
    return error;
}

hx_err frames_allocate_with(uint64_t private_word, owner_tag owner, uint64_t *physical)
{
    uint64_t countdown = atomic_load_explicit(&pool.fail_countdown, memory_order_relaxed);

    if (HX_LIKELY(countdown == 0 && owner != OWNER_NONE &&
                  cache_take(owner, private_word, physical))) {
        return HX_OK;
    }
    return allocate_slow_with(private_word, owner, physical);
}

static void free_block(struct frame *frame, uint64_t physical, unsigned order)
{
    poison_block(frame, physical, order);
    for (uint32_t i = 1; i < 1U << order; i++) {
        set_state(&frame[i], FRAME_UNUSED);
    }

    hal_interrupt_state state = spinlock_acquire(&pool.lock);

    block_put_locked(index_of(frame), order);
    spinlock_release(&pool.lock, state);
}

/* Everything but a single frame of the first zone that finds room in the cache. */
static HX_NOINLINE void free_slow(uint64_t physical, unsigned order)
{
    struct frame *frame = frame_at(physical);

    HX_ASSERT(frame != &no_frame, "a block is freed by the address of its first frame");
    HX_ASSERT(state_of(frame) == FRAME_ALLOCATED + order,
              "a block is freed once, with the address and order of its allocation");
    if (order != 0) {
        free_block(frame, physical, order);
        return;
    }
    while (!cache_put(frame, physical)) {
        cache_drain(CACHE_CAPACITY - CACHE_BATCH);
    }
}

void frames_free(uint64_t physical, unsigned order)
{
    uint64_t number = number_of(physical);

    if (HX_LIKELY(order == 0 && is_in_zone(&pool.zones[0], number))) {
        struct frame *frame = frame_in_zone(&pool.zones[0], number);

        if (HX_LIKELY(state_of(frame) == FRAME_ALLOCATED && cache_put(frame, physical))) {
            return;
        }
    }
    free_slow(physical, order);
}

void frames_fail_nth(uint64_t n)
{
    atomic_store_explicit(&pool.fail_countdown, n, memory_order_relaxed);
}

/* --- questions -------------------------------------------------------------------------------- */

/* Whether a frame is the first of an allocated block. */
static bool is_allocated(const struct frame *frame)
{
    unsigned state = state_of(frame);

    return state >= FRAME_ALLOCATED && state < FRAME_INSIDE;
}

owner_tag frames_owner(uint64_t physical)
{
    const struct frame *frame = frame_around(physical);

    return is_allocated(frame) ? atomic_load_explicit(&frame->owner, memory_order_relaxed)
                               : OWNER_NONE;
}

void frames_give(uint64_t physical, owner_tag owner)
{
    struct frame *frame = frame_around(physical);

    HX_ASSERT(is_allocated(frame) && owner != OWNER_NONE, "what is allocated has an owner");
    set_owner(frame, owner);
}

void frames_set_private(uint64_t physical, uint64_t value)
{
    struct frame *frame = frame_around(physical);

    HX_ASSERT(state_of(frame) >= FRAME_ALLOCATED, "a private word is set for an allocated frame");
    set_private(frame, value);
}

uint64_t frames_private(uint64_t physical)
{
    const struct frame *frame = frame_around(physical);

    return state_of(frame) >= FRAME_ALLOCATED
               ? atomic_load_explicit(&frame->private_word, memory_order_relaxed)
               : 0;
}

_Atomic uint64_t *frames_find_private_word(uint64_t physical)
{
    struct frame *frame = frame_around(physical);

    HX_DEBUG_ASSERT(state_of(frame) >= FRAME_ALLOCATED, "a free frame has no private word");
    return &frame->private_word;
}

void frames_statistics(struct frame_statistics *statistics)
{
    *statistics = (struct frame_statistics){.metadata_bytes = pool.metadata.size};
    statistics->failures = atomic_load_explicit(&pool.failures, memory_order_relaxed);
    for (size_t i = 0; i < HX_ARRAY_SIZE(caches); i++) {
        statistics->cached += atomic_load_explicit(&caches[i].count, memory_order_relaxed);
        statistics->allocations +=
            atomic_load_explicit(&caches[i].allocations, memory_order_relaxed);
    }
    statistics->free = statistics->cached;

    hal_interrupt_state state = spinlock_acquire(&pool.lock);

    statistics->total = pool.total;
    for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
        statistics->free_blocks[order] = pool.blocks[order];
        statistics->free += pool.blocks[order] << order;
    }
    spinlock_release(&pool.lock, state);
}

/* Takes no lock: a block that changes hands meanwhile counts or does not. */
uint64_t frames_owned(owner_tag owner)
{
    uint64_t owned = 0;

    for (uint64_t index = 0; index < pool.frame_count; index++) {
        const struct frame *frame = &pool.frames[index];
        /* Read once: the block may be freed between two looks. */
        unsigned state = state_of(frame);

        if (state >= FRAME_ALLOCATED && state < FRAME_INSIDE &&
            atomic_load_explicit(&frame->owner, memory_order_relaxed) == owner) {
            owned += 1ULL << (state - FRAME_ALLOCATED);
        }
    }
    return owned;
}

/* --- start ------------------------------------------------------------------------------------ */

/*
 * Cut the usable ranges into zones, their metadata still without a place; returns how many entries
 * they need.
 */
static uint64_t zones_build(const struct frame_range *usable, size_t count, struct zone *zones,
                            uint32_t *zone_count)
{
    uint64_t entries = 0;
    uint32_t used = 0;

    for (size_t i = 0; i < count; i++) {
        struct frame_span span = frame_map_within(&usable[i]);
        uint64_t first = span.first / CHUNK_FRAMES * CHUNK_FRAMES;
        uint64_t end = (span.end + CHUNK_FRAMES - 1) / CHUNK_FRAMES * CHUNK_FRAMES;
        struct zone *last = used == 0 ? NULL : &zones[used - 1];
        uint64_t last_end = last == NULL ? 0 : last->first + last->count;

        if (span.first == span.end) {
            continue;
        }
        if (last != NULL && first < last_end + ZONE_GAP) {
            entries += end - last_end;
            last->count = end - last->first;
        } else if (used < ZONE_MAX) {
            zones[used++] = (struct zone){.first = first, .count = end - first};
            entries += end - first;
        }
    }
    *zone_count = used;
    return entries;
}

/* Find room for the metadata in the first span that has it; false: there is none. */
static bool metadata_place(struct frame_map map, uint64_t bytes, struct frame_range *place)
{
    struct frame_span span;

    while (frame_map_next(&map, &span)) {
        if ((span.end - span.first) << HAL_PAGE_SHIFT >= bytes) {
            *place = (struct frame_range){.base = span.first << HAL_PAGE_SHIFT, .size = bytes};
            return true;
        }
    }
    return false;
}

static void counters_reset(void)
{
    atomic_store_explicit(&pool.failures, 0, memory_order_relaxed);
    atomic_store_explicit(&pool.fail_countdown, 0, memory_order_relaxed);
    for (size_t i = 0; i < HX_ARRAY_SIZE(caches); i++) {
        atomic_store_explicit(&caches[i].count, 0, memory_order_relaxed);
        atomic_store_explicit(&caches[i].allocations, 0, memory_order_relaxed);
    }
}

/* An allocator with these zones and no free frame. */
static void pool_reset(const struct zone *zones, uint32_t zone_count, struct frame_range metadata)
{
    struct frame *frames = hal_direct_map(metadata.base);

    pool.frames = frames;
    pool.frame_count = metadata.size / sizeof(struct frame);
    pool.metadata = metadata;
    memset(frames, 0, metadata.size);
    pool.zone_count = zone_count;
    for (uint32_t i = 0; i < zone_count; i++) {
        pool.zones[i] = zones[i];
        pool.zones[i].frames = frames;
        frames += zones[i].count;
    }
    frame_words =
        (struct frame_words){zones[0].first, QUICK_WORDS(zones[0].count), (void *)pool.frames};
    pool.orders = 0;
    pool.total = 0;
    for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
        pool.first[order] = INDEX_NONE;
        pool.blocks[order] = 0;
    }
    counters_reset();
}

/* Give a span, or the part of it that is not the metadata, to the free blocks. */
static void span_release_locked(struct frame_span span)
{
    if (span.first == pool.metadata.base >> HAL_PAGE_SHIFT) {
        span.first += pool.metadata.size >> HAL_PAGE_SHIFT;
    }

    const struct frame *frame = frame_at(span.first << HAL_PAGE_SHIFT);

    if (span.first < span.end && frame != &no_frame) {
        span_put_locked(index_of(frame), index_of(frame) + (uint32_t)(span.end - span.first));
        pool.total += span.end - span.first;
    }
}

hx_err frames_init(const struct frame_range *usable, size_t usable_count,
                   const struct frame_range *reserved, size_t reserved_count)
{
    struct frame_map map = {.usable = usable,
                            .usable_count = usable_count,
                            .reserved = reserved,
                            .reserved_count = reserved_count};
    struct zone zones[ZONE_MAX];
    uint32_t zone_count;
    struct frame_range metadata;
    struct frame_span span;

    if (!frame_map_is_valid(&map)) {
        return HX_EINVAL;
    }

    uint64_t entries = zones_build(usable, usable_count, zones, &zone_count);

    /* Whole frames: a chunk's metadata is four of them. */
    if (entries == 0 || entries > INDEX_NONE ||
        !metadata_place(map, entries * sizeof(struct frame), &metadata)) {
        return HX_ENOMEM;
    }
    pool_reset(zones, zone_count, metadata);

    hal_interrupt_state state = spinlock_acquire(&pool.lock);

    while (frame_map_next(&map, &span)) {
        span_release_locked(span);
    }
    spinlock_release(&pool.lock, state);
    return HX_OK;
}

/* Whether a frame is allocated, cached, free, or used by the metadata itself. */
static bool is_managed(const struct frame *frame)
{
    uint32_t index = index_of(frame);

    if (address_of(frame) - pool.metadata.base < pool.metadata.size ||
        state_of(frame) != FRAME_UNUSED) {
        return true;
    }
    for (unsigned order = 1; order <= FRAME_ORDER_MAX; order++) {
        unsigned state = state_of(&pool.frames[index & ~((1U << order) - 1)]);

        if (state >= FRAME_FREE + order && state <= FRAME_FREE + FRAME_ORDER_MAX) {
            return true;
        }
    }
    return false;
}

void frames_release_range(uint64_t base, uint64_t size)
{
    struct frame_range range = {.base = base, .size = size};
    struct frame_span span = frame_map_within(&range);

    for (uint64_t number = span.first; number < span.end; number++) {
        const struct frame *frame = frame_at(number << HAL_PAGE_SHIFT);

        HX_ASSERT(frame != &no_frame && !is_managed(frame),
                  "frames released after boot were reserved");
    }

    hal_interrupt_state state = spinlock_acquire(&pool.lock);

    for (uint64_t number = span.first; number < span.end; number++) {
        block_put_locked(index_of(frame_at(number << HAL_PAGE_SHIFT)), 0);
    }
    pool.total += span.end - span.first;
    spinlock_release(&pool.lock, state);
}
