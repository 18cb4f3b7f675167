/*
 * Small objects come from slabs (slab.h) by way of magazines: each CPU has one stack of free
 * objects per class, touched by that CPU alone with preemption off (interrupts never allocate). So
 * the hot paths take no lock and have no locked instruction; what others may read meanwhile
 * (counts, owners) is atomic and relaxed: plain loads and stores. A magazine that runs empty or
 * full exchanges half of its objects with the slabs under the class's lock.
 *
 * Larger sizes take whole frames, tagged with the owner, at least as many as a slab has; a
 * descriptor for each, an object of a class of its own, is linked in one list and found through the
 * frame's private word.
 *
 * heap_free decides by the address: a multiple of SLAB_SIZE is a large block (or NULL), for there a
 * slab has its header; anything else is an object of the slab around it, recognised by its first
 * word. That is cheap, but reads memory that a foreign pointer's neighbourhood may not have: debug
 * builds, and heap_owner always, use the frame's metadata instead, which is safe for any pointer.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <hal/cpu.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/heap_debug.h>
#include <kern/slab.h>
#include <kern/thread.h>

#define CLASS_FIRST      3U  /* 16 bytes */
#define CLASS_END        12U /* behind 4096 bytes */
#define SMALL_MAX        (HAL_PAGE_SIZE - HEAP_REDZONE)
#define DESCRIPTOR_SHIFT 6U
#define BATCH_MAX        15U

/*
 * A CPU's free objects of one class. Two words each: the object, and where its owner stands, which
 * the hot path would otherwise have to work out again (see owner_word).
 *
 * How many words are used and how many allocations were served change together, so they share a
 * word: one addition does both. 56 bits of allocations last for decades.
 *
 * Keys: C = the CPU, preemption off; W = written so, read by anyone (relaxed); I = immutable
 */
struct magazine {
    _Atomic uint64_t counts; /* W  words in use; times ALLOCATION: allocations */
    uint64_t capacity;       /* I  words */
    void *words[];           /* C  the last two are the warmest object's */
};

#define OBJECT_WORDS 2U
#define ALLOCATION   256U
_Static_assert(2 * BATCH_MAX * OBJECT_WORDS < ALLOCATION, "the words of a magazine leave no carry");

/* A block of whole frames. Keys: L = large.lock, I = immutable */
struct large {
    struct list link; /* L */
    void *base;       /* I */
    size_t size;      /* I  asked for */
    owner_tag owner;  /* I */
    unsigned order;   /* I */
};
_Static_assert(sizeof(struct large) <= 1U << DESCRIPTOR_SHIFT, "a descriptor fits its class");

/* Keys: I = immutable after heap_init, A = atomic, L = lock */
static struct magazine *magazines[CLASS_END][HAL_CPU_MAX]; /* I  all of a CPU's in one frame */
static struct slab_class classes[CLASS_END];
static struct slab_class descriptors;

static struct {
    struct spinlock lock;
    struct list blocks;   /* L */
    uint64_t frames;      /* L */
    uint64_t count;       /* L */
    uint64_t allocations; /* L */
} large = {.lock = SPINLOCK_INIT(LOCK_RANK_HEAP, "large heap blocks")};

/*
 * Sizes up to here may be served by the hot path: SMALL_MAX, or 0 before heap_init and while a
 * failure is ordered. So one comparison covers all that needs the slow path.
 */
static _Atomic size_t fast_size_max;           /* A */
static _Atomic uint64_t fail_countdown;        /* A  0: off */
static _Atomic uint64_t failures;              /* A */
static _Atomic uint64_t refused_in_interrupts; /* A */

/* --- magazines -------------------------------------------------------------------------------- */

/* The class of a size from 1 to SMALL_MAX: the number of the top bit of size - 1. */
static inline size_t class_of(size_t size)
{
    unsigned long below = (size + HEAP_REDZONE - 1) | ((2UL << CLASS_FIRST) - 1);

    return 63UL ^ (unsigned long)__builtin_clzl(below);
}

/* The size of a class's objects is 2 to the power of this. */
static inline uint32_t shift_of(size_t class)
{
    return (uint32_t) class + 1;
}

/* For anyone; exact while the magazine's CPU neither allocates nor frees. */
static inline uint64_t magazine_counts(const struct magazine *magazine)
{
    return atomic_load_explicit(&magazine->counts, memory_order_relaxed);
}

/*
 * The words in use, for the CPU itself. Nobody else writes them, so this read is not atomic:
 * compilers then load the one byte instead of the word and its part.
 */
static inline size_t magazine_used(const struct magazine *magazine)
{
    return *(const uint64_t *)&magazine->counts % ALLOCATION;
}

/* A load and a store, which compilers make one instruction of; only this CPU writes. */
static inline void magazine_change(struct magazine *magazine, uint64_t change)
{
    atomic_store_explicit(&magazine->counts, magazine_counts(magazine) + change,
                          memory_order_relaxed);
}

/*
 * A magazine's word for where an object's owner stands: the address less the fixed part of the
 * slab's header. Added back, that part is an offset within the instruction that uses the address;
 * here it would be an addition.
 */
static inline void *owner_word(struct slab *slab, const void *object)
{
    return (char *)slab + slab_index(slab, object) * sizeof(owner_tag);
}

static inline _Atomic owner_tag *owner_of_word(void *word)
{
    return (_Atomic owner_tag *)((char *)word + offsetof(struct slab, owners));
}

/* Put an object on top of a magazine that has room behind its `used` words. */
static inline void magazine_push(struct magazine *magazine, size_t used, void *object, void *owner)
{
    magazine->words[used] = object;
    magazine->words[used + 1] = owner;
    magazine_change(magazine, OBJECT_WORDS);
}

/*
 * Whether nobody has an object that is being freed. Only who has it writes its owner, so this read
 * is not atomic: compilers then make it part of the comparison.
 */
static inline bool is_unowned(const _Atomic owner_tag *owner)
{
    return *(const owner_tag *)owner == OWNER_NONE;
}

/*
 * Allocate from this CPU's magazine; false: it is empty. *switching says whether the caller has to
 * call thread_preempt, last.
 */
static inline bool magazine_take(size_t class, owner_tag owner, void **object, bool *switching)
{
    preempt_disable();

    struct magazine *magazine = magazines[class][hal_cpu_id()];
    size_t used = magazine_used(magazine);

    if (HX_UNLIKELY(used == 0)) {
        *switching = preempt_enable_deferred();
        return false;
    }

    _Atomic owner_tag *tag = owner_of_word(magazine->words[used - 1]);

    *object = magazine->words[used - 2];
    magazine_change(magazine, ALLOCATION - OBJECT_WORDS);
    atomic_store_explicit(tag, owner, memory_order_relaxed);
    *switching = preempt_enable_deferred();
    return true;
}

/* Free into this CPU's magazine; false: it is full, or nobody owns the object. */
static inline bool magazine_put(struct slab *slab, void *object, bool *switching)
{
    void *word = owner_word(slab, object);
    _Atomic owner_tag *owner = owner_of_word(word);

    preempt_disable();

    struct magazine *magazine = slab->magazines[hal_cpu_id()];
    size_t used = magazine_used(magazine);

    if (HX_UNLIKELY(is_unowned(owner) || used == magazine->capacity)) {
        *switching = preempt_enable_deferred();
        return false;
    }
    atomic_store_explicit(owner, OWNER_NONE, memory_order_relaxed);
    magazine_push(magazine, used, object, word);
    *switching = preempt_enable_deferred();
    return true;
}

/* Half of the objects that fit. */
static uint32_t magazine_batch(const struct magazine *magazine)
{
    return (uint32_t)magazine->capacity / OBJECT_WORDS / 2;
}

/* Fill this CPU's magazine half when it is empty; false: no memory. */
static bool magazine_refill(size_t class)
{
    void *objects[BATCH_MAX];

    preempt_disable();

    struct magazine *magazine = magazines[class][hal_cpu_id()];

    if (magazine_used(magazine) == 0) {
        uint32_t count = slab_take(&classes[class], objects, magazine_batch(magazine));

        for (uint32_t i = 0; i < count; i++) {
            magazine_push(magazine, 2 * i, objects[i], owner_word(slab_of(objects[i]), objects[i]));
        }
    }

    bool filled = magazine_used(magazine) != 0;

    preempt_enable();
    return filled;
}

/* Return the coldest half of this CPU's magazine when it is full; what stays moves down. */
static void magazine_drain(size_t class)
{
    void *objects[BATCH_MAX];

    preempt_disable();

    struct magazine *magazine = magazines[class][hal_cpu_id()];
    size_t used = magazine_used(magazine);
    uint32_t count = magazine_batch(magazine);

    if (used == magazine->capacity) {
        for (uint32_t i = 0; i < count; i++) {
            objects[i] = magazine->words[2 * i];
        }
        memmove(magazine->words, magazine->words + 2 * count,
                (used - 2 * count) * sizeof(magazine->words[0]));
        magazine_change(magazine, -(uint64_t)count * OBJECT_WORDS);
        slab_put(&classes[class], objects, count);
    }
    preempt_enable();
}

/* All that is in the magazine of a CPU that is off line. */
static void magazine_empty(size_t class, struct magazine *magazine)
{
    size_t used = magazine_used(magazine);

    for (; used != 0; used -= OBJECT_WORDS) {
        void *object = magazine->words[used - 2];

        slab_put(&classes[class], &object, 1);
        magazine_change(magazine, -(uint64_t)OBJECT_WORDS);
    }
}

void heap_give_back(uint32_t cpu)
{
    for (size_t class = CLASS_FIRST; class < CLASS_END; class ++) {
        magazine_empty(class, magazines[class][cpu]);
    }
}

/* --- large blocks ----------------------------------------------------------------------------- */

static size_t large_room(const struct large *block)
{
    return HAL_PAGE_SIZE << block->order;
}

/* At least a slab's, so that the block is aligned as no object of a slab ever is. */
static unsigned order_of(size_t size)
{
    size_t pages = (size + HAL_PAGE_SIZE - 1) / HAL_PAGE_SIZE;

    return size <= SLAB_SIZE ? SLAB_ORDER : 64U - (unsigned)__builtin_clzl(pages - 1);
}

static void large_link(struct large *block)
{
    hal_interrupt_state state = spinlock_acquire(&large.lock);

    list_push_back(&large.blocks, &block->link);
    large.frames += 1ULL << block->order;
    large.count++;
    large.allocations++;
    spinlock_release(&large.lock, state);
}

static void *allocate_large(size_t size, owner_tag owner)
{
    unsigned order = order_of(size);
    uint64_t physical;
    void *descriptor;

    if (frames_allocate(order, owner, &physical) != HX_OK) {
        return NULL;
    }
    if (slab_take(&descriptors, &descriptor, 1) == 0) {
        frames_free(physical, order);
        return NULL;
    }

    struct large *block = descriptor;

    *block = (struct large){
        .base = hal_direct_map(physical), .size = size, .owner = owner, .order = order};
    frames_set_private(physical, (uintptr_t)block | SLAB_PRIVATE_LARGE);
    large_link(block);
    debug_large_allocated(block->base, size, large_room(block));
    return block->base;
}

static void large_unlink_locked(struct large *block)
{
    list_remove(&block->link);
    large.frames -= 1ULL << block->order;
    large.count--;
}

/* An unlinked block. */
static void large_release(struct large *block)
{
    void *descriptor = block;

    debug_large_freed(block->base, block->size, large_room(block));
    frames_free(hal_direct_physical(block->base), block->order);
    slab_put(&descriptors, &descriptor, 1);
}

static void free_large(struct large *block)
{
    hal_interrupt_state state = spinlock_acquire(&large.lock);

    large_unlink_locked(block);
    spinlock_release(&large.lock, state);
    large_release(block);
}

/* --- looking pointers up ---------------------------------------------------------------------- */

/* What a pointer is: an allocated object of a slab, a large block's first byte, or neither. */
struct lookup {
    struct slab *slab;
    struct large *block;
};

static bool is_object(const struct slab *slab, const void *pointer)
{
    uintptr_t offset = (uintptr_t)pointer - (uintptr_t)slab;

    return offset % (1UL << slab->shift) == 0 && offset >> slab->shift >= slab->class->first;
}

/* Safe for any pointer. */
static struct lookup look_up(const void *pointer)
{
    uint64_t value = slab_private(pointer);
    uintptr_t address = (uintptr_t)(value & ~(uint64_t)SLAB_PRIVATE_MASK);

    if ((value & SLAB_PRIVATE_MASK) == SLAB_PRIVATE_LARGE) {
        struct large *block = (struct large *)address;

        return (struct lookup){.block = block->base == pointer ? block : NULL};
    }
    if (value != 0 && is_object((struct slab *)address, pointer)) {
        return (struct lookup){.slab = (struct slab *)address};
    }
    return (struct lookup){.slab = NULL};
}

owner_tag heap_owner(const void *pointer)
{
    struct lookup found = look_up(pointer);

    if (found.slab != NULL) {
        return atomic_load_explicit(slab_owner(found.slab, pointer), memory_order_relaxed);
    }
    return found.block != NULL ? found.block->owner : OWNER_NONE;
}

size_t heap_usable_size(const void *pointer)
{
    struct lookup found = look_up(pointer);

    HX_ASSERT(heap_owner(pointer) != OWNER_NONE, "a pointer that is asked about is heap memory");
#ifdef HX_DEBUG
    return found.slab != NULL ? *debug_size(found.slab, pointer) : found.block->size;
#else
    return found.slab != NULL ? (size_t)1 << found.slab->shift : large_room(found.block);
#endif
}

/* --- allocation ------------------------------------------------------------------------------- */

static void refuse_in_interrupt(void)
{
    atomic_fetch_add_explicit(&refused_in_interrupts, 1, memory_order_relaxed);
    HX_DEBUG_ASSERT(false, "the heap is not used in interrupt context");
}

/* Whether this allocation is the one heap_fail_nth named; after it the hot path is open again. */
static bool is_made_to_fail(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left != 0 &&
           !atomic_compare_exchange_weak_explicit(&fail_countdown, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    if (left == 1) {
        atomic_store_explicit(&fast_size_max, SMALL_MAX, memory_order_relaxed);
    }
    return left == 1;
}

static void *allocate_small(size_t size, owner_tag owner)
{
    size_t class = class_of(size);
    bool switching;
    void *object;

    while (!magazine_take(class, owner, &object, &switching)) {
        if (!magazine_refill(class)) {
            return NULL;
        }
    }
    debug_allocated(object, size);
    if (switching) {
        thread_preempt();
    }
    return object;
}

/* Everything but a small size that the magazine has. */
static HX_NOINLINE void *allocate_slow(size_t size, owner_tag owner)
{
    void *pointer = NULL;

    if (context_is_interrupt()) {
        refuse_in_interrupt();
        return NULL;
    }
    HX_DEBUG_ASSERT(owner != OWNER_NONE, "heap memory has an owner");
    if (size == 0 || size > HEAP_SIZE_MAX) {
        return NULL;
    }
    if (!is_made_to_fail()) {
        pointer = size <= SMALL_MAX ? allocate_small(size, owner) : allocate_large(size, owner);
    }
    if (pointer == NULL) {
        atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
    }
    return pointer;
}

/*
 * A tail call for the hot path, which so saves no registers. Volatile, because a compiler that sees
 * that the argument comes back keeps it in the caller.
 */
static HX_NOINLINE void *switch_and_return(void *object)
{
    void *volatile kept = object;

    thread_preempt();
    return kept;
}

void *heap_allocate(size_t size, owner_tag owner)
{
    bool switching;
    void *object;

    if (HX_UNLIKELY(size - 1 >= atomic_load_explicit(&fast_size_max, memory_order_relaxed) ||
                    context_is_interrupt())) {
        return allocate_slow(size, owner);
    }
    if (HX_UNLIKELY(!magazine_take(class_of(size), owner, &object, &switching))) {
        return allocate_slow(size, owner);
    }
    debug_allocated(object, size);
    if (HX_UNLIKELY(switching)) {
        return switch_and_return(object);
    }
    return object;
}

void *heap_allocate_zeroed(size_t size, owner_tag owner)
{
    void *pointer = heap_allocate(size, owner);

    if (pointer != NULL) {
        memset(pointer, 0, size);
    }
    return pointer;
}

static void free_small(struct slab *slab, void *object)
{
    size_t class = slab->shift - 1;
    bool switching;

    HX_ASSERT(heap_owner(object) != OWNER_NONE, "heap memory is freed once");
    debug_freed(slab, object);
    while (!magazine_put(slab, object, &switching)) {
        magazine_drain(class);
    }
    if (switching) {
        thread_preempt();
    }
}

/* Everything but an object of a slab that the magazine has room for. */
static HX_NOINLINE void free_slow(void *pointer)
{
    struct lookup found;

    if (pointer == NULL) {
        return;
    }
    if (context_is_interrupt()) {
        refuse_in_interrupt();
        return;
    }
    found = look_up(pointer);
    HX_ASSERT(found.slab != NULL || found.block != NULL, "memory that is freed came from the heap");
    if (found.block != NULL) {
        free_large(found.block);
    } else {
        free_small(found.slab, pointer);
    }
}

/* Whether a pointer is an object of the slab around it, as far as its address and that slab tell.
 */
static inline bool is_plainly_small(const void *pointer)
{
#ifdef HX_DEBUG
    (void)pointer;
    return false;
#else
    return (uintptr_t)pointer % SLAB_SIZE != 0 && slab_of(pointer)->self == slab_of(pointer);
#endif
}

void heap_free(void *pointer)
{
    bool switching;

    if (HX_UNLIKELY(!is_plainly_small(pointer) || context_is_interrupt() ||
                    !magazine_put(slab_of(pointer), pointer, &switching))) {
        free_slow(pointer);
    } else if (switching) {
        thread_preempt();
    }
}

void heap_fail_nth(uint64_t n)
{
    atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
    atomic_store_explicit(&fast_size_max, n == 0 ? SMALL_MAX : 0, memory_order_relaxed);
}

/* --- owners and numbers ----------------------------------------------------------------------- */

/* Call for every object of the slab that the owner has. */
static struct heap_owned slab_owned(struct slab *slab, owner_tag owner, void (*function)(void *))
{
    struct heap_owned owned = {0, 0};

    for (uint32_t index = slab->class->first; index < slab->class->end; index++) {
        if (atomic_load_explicit(&slab->owners[index], memory_order_relaxed) == owner) {
            owned.objects++;
            owned.bytes += 1ULL << slab->shift;
            function(slab_object(slab, index));
        }
    }
    return owned;
}

static struct heap_owned small_owned(owner_tag owner, void (*function)(void *))
{
    struct heap_owned owned = {0, 0};

    for (size_t class = CLASS_FIRST; class < CLASS_END; class ++) {
        struct slab *slab = NULL;

        while ((slab = slab_next(&classes[class], slab)) != NULL) {
            struct heap_owned here = slab_owned(slab, owner, function);

            owned.objects += here.objects;
            owned.bytes += here.bytes;
        }
    }
    return owned;
}

static void leave_alone(void *object)
{
    (void)object;
}

static void large_count(struct heap_owned *owned, const struct large *block)
{
    owned->objects++;
    owned->bytes += large_room(block);
}

struct heap_owned heap_owned(owner_tag owner)
{
    struct heap_owned owned = small_owned(owner, leave_alone);
    hal_interrupt_state state = spinlock_acquire(&large.lock);

    LIST_FOR_EACH (node, &large.blocks) {
        const struct large *block = LIST_ENTRY(node, struct large, link);

        if (block->owner == owner) {
            large_count(&owned, block);
        }
    }
    spinlock_release(&large.lock, state);
    return owned;
}

/* Unlink the owner's large blocks, into a list of their own. */
static void large_collect(owner_tag owner, struct list *collected)
{
    hal_interrupt_state state = spinlock_acquire(&large.lock);
    struct list *next;

    for (struct list *node = large.blocks.next; node != &large.blocks; node = next) {
        struct large *block = LIST_ENTRY(node, struct large, link);

        next = node->next;
        if (block->owner == owner) {
            large_unlink_locked(block);
            list_push_back(collected, &block->link);
        }
    }
    spinlock_release(&large.lock, state);
}

struct heap_owned heap_free_owner(owner_tag owner)
{
    struct heap_owned owned = small_owned(owner, heap_free);
    struct list collected = LIST_INIT(collected);
    struct list *node;

    large_collect(owner, &collected);
    while ((node = list_pop_front(&collected)) != NULL) {
        struct large *block = LIST_ENTRY(node, struct large, link);

        large_count(&owned, block);
        large_release(block);
    }
    return owned;
}

static void add_class(struct heap_statistics *statistics, size_t class)
{
    uint64_t objects;
    hal_interrupt_state state = spinlock_acquire(&classes[class].lock);

    objects = classes[class].taken;
    statistics->frames += classes[class].slab_count << SLAB_ORDER;
    spinlock_release(&classes[class].lock, state);
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        uint64_t counts = magazine_counts(magazines[class][cpu]);

        objects -= counts % ALLOCATION / OBJECT_WORDS;
        statistics->allocations += counts / ALLOCATION;
    }
    statistics->objects += objects;
    statistics->bytes_in_use += objects << classes[class].shift;
}

void heap_statistics(struct heap_statistics *statistics)
{
    *statistics = (struct heap_statistics){
        .frames = hal_cpu_count(),
        .failures = atomic_load_explicit(&failures, memory_order_relaxed),
        .refused_in_interrupt = atomic_load_explicit(&refused_in_interrupts, memory_order_relaxed)};
    for (size_t class = CLASS_FIRST; class < CLASS_END; class ++) {
        add_class(statistics, class);
    }

    hal_interrupt_state state = spinlock_acquire(&descriptors.lock);

    statistics->frames += descriptors.slab_count << SLAB_ORDER;
    spinlock_release(&descriptors.lock, state);
    state = spinlock_acquire(&large.lock);
    statistics->frames += large.frames;
    statistics->bytes_in_use += large.frames << HAL_PAGE_SHIFT;
    statistics->objects += large.count;
    statistics->allocations += large.allocations;
    spinlock_release(&large.lock, state);
}

/* --- start ------------------------------------------------------------------------------------ */

/* How many objects of a class a magazine holds: about 8 KiB, at least 4, at most 2 * BATCH_MAX. */
static uint32_t magazine_objects(size_t class)
{
    uint32_t objects = 8192U >> shift_of(class);

    return objects < 4 ? 4 : objects > 2 * BATCH_MAX ? 2 * BATCH_MAX : objects;
}

/* Lay out a CPU's magazines in a frame. */
static void magazines_init(uint32_t cpu, void *frame)
{
    char *next = frame;

    memset(frame, 0, HAL_PAGE_SIZE);
    for (size_t class = CLASS_FIRST; class < CLASS_END; class ++) {
        struct magazine *magazine = (struct magazine *)next;

        magazine->capacity = OBJECT_WORDS * magazine_objects(class);
        magazines[class][cpu] = magazine;
        next += sizeof(*magazine) + magazine->capacity * sizeof(magazine->words[0]);
    }
    HX_ASSERT(next <= (char *)frame + HAL_PAGE_SIZE, "a CPU's magazines fit a frame");
}

static void magazines_fini(uint32_t cpus)
{
    for (uint32_t cpu = 0; cpu < cpus; cpu++) {
        frames_free(hal_direct_physical(magazines[CLASS_FIRST][cpu]), 0);
    }
}

hx_err heap_init(void)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        uint64_t physical;

        if (frames_allocate(0, OWNER_CORE, &physical) != HX_OK) {
            magazines_fini(cpu);
            return HX_ENOMEM;
        }
        magazines_init(cpu, hal_direct_map(physical));
    }
    for (size_t class = CLASS_FIRST; class < CLASS_END; class ++) {
        slab_class_init(&classes[class], shift_of(class), magazines[class]);
    }
    slab_class_init(&descriptors, DESCRIPTOR_SHIFT, NULL);
    list_init(&large.blocks);
    large.frames = 0;
    large.count = 0;
    large.allocations = 0;
    atomic_store_explicit(&failures, 0, memory_order_relaxed);
    atomic_store_explicit(&refused_in_interrupts, 0, memory_order_relaxed);
    heap_fail_nth(0);
    return HX_OK;
}
