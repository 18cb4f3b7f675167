#include <base/assert.h>
#include <base/memory.h>
#include <kern/frames.h>
#include <kern/slab.h>

/* --- one slab --------------------------------------------------------------------------------- */

static uint64_t *slab_bits(struct slab *slab)
{
    return (uint64_t *)(slab->owners + slab->class->end);
}

#ifdef HX_DEBUG
uint16_t *slab_requested(struct slab *slab)
{
    return (uint16_t *)(slab_bits(slab) + (slab->class->end + 63) / 64);
}
#endif

static bool is_empty(const struct slab *slab)
{
    return slab->free == slab->class->end - slab->class->first;
}

static uint32_t take_from(struct slab *slab, void **objects, uint32_t count)
{
    uint64_t *words = slab_bits(slab);
    uint32_t taken = 0;

    for (uint32_t word = 0; taken < count && taken < slab->free; word++) {
        while (words[word] != 0 && taken < count) {
            uint32_t bit = (uint32_t)__builtin_ctzll(words[word]);

            words[word] &= words[word] - 1;
            objects[taken++] = slab_object(slab, word * 64 + bit);
        }
    }
    slab->free = (uint16_t)(slab->free - taken);
    return taken;
}

static void put_into(struct slab *slab, const void *object)
{
    size_t index = slab_index(slab, object);
    uint64_t *word = &slab_bits(slab)[index / 64];
    uint64_t bit = 1ULL << index % 64;

    HX_ASSERT((*word & bit) == 0, "an object is returned to its slab once");
    *word |= bit;
    slab->free++;
}

/* --- life of slabs ---------------------------------------------------------------------------- */

static void set_private(const struct slab *slab, uint64_t value)
{
    uint64_t physical = hal_direct_physical(slab);

    for (uint64_t offset = 0; offset < SLAB_SIZE; offset += HAL_PAGE_SIZE) {
        frames_set_private(physical + offset, value);
    }
}

static void slab_init(struct slab *slab, struct slab_class *class)
{
    memset(slab, 0, (size_t) class->first << class->shift);
    slab->class = class;
    slab->magazines = class->magazines;
    slab->shift = class->shift;
    slab->free = (uint16_t)(class->end - class->first);
    for (uint32_t index = class->first; index < class->end; index++) {
        slab_bits(slab)[index / 64] |= 1ULL << index % 64;
    }
#ifdef HX_DEBUG
    memset(slab_object(slab, class->first), SLAB_FREED,
           SLAB_SIZE - ((size_t) class->first << class->shift));
#endif
    slab->self = slab;
}

static bool slab_create(struct slab_class *class)
{
    uint64_t physical;

    if (frames_allocate(SLAB_ORDER, OWNER_CORE, &physical) != HX_OK) {
        return false;
    }

    struct slab *slab = hal_direct_map(physical);

    slab_init(slab, class);
    set_private(slab, (uintptr_t)slab | SLAB_PRIVATE_SLAB);

    hal_interrupt_state state = spinlock_acquire(&class->lock);

    list_push_front(&class->partial, &slab->partial_link);
    list_push_front(&class->slabs, &slab->link);
    class->slab_count++;
    spinlock_release(&class->lock, state);
    return true;
}

/*
 * Decide about a slab whose objects are all free and which no walk needs: one is kept. Returns the
 * slab when it was taken off the lists, for slab_destroy after the lock.
 */
static struct slab *retire_locked(struct slab_class *class, struct slab *slab)
{
    if (!is_empty(slab) || slab->pins != 0 || class->spare == slab) {
        return NULL;
    }
    list_remove(&slab->partial_link);
    if (class->spare == NULL) {
        class->spare = slab;
        list_push_back(&class->partial, &slab->partial_link);
        return NULL;
    }
    list_remove(&slab->link);
    class->slab_count--;
    return slab;
}

static void slab_destroy(struct slab *slab)
{
    if (slab != NULL) {
        slab->self = NULL;
        frames_free(hal_direct_physical(slab), SLAB_ORDER);
    }
}

/* --- classes ---------------------------------------------------------------------------------- */

void slab_class_init(struct slab_class *class, uint32_t shift, struct magazine **magazines)
{
    uint32_t end = (uint32_t)(SLAB_SIZE >> shift);
    size_t header = sizeof(struct slab) + end * sizeof(owner_tag) + (end + 63) / 64 * 8;

#ifdef HX_DEBUG
    header += end * sizeof(uint16_t);
#endif
    *class = (struct slab_class){.magazines = magazines,
                                 .shift = shift,
                                 .first = (uint32_t)((header + (1UL << shift) - 1) >> shift),
                                 .end = end};
    spinlock_init(&class->lock, LOCK_RANK_HEAP, "slabs");
    list_init(&class->partial);
    list_init(&class->slabs);
}

/* From one slab, so that the time under the lock is bounded. */
static uint32_t take_from_partial(struct slab_class *class, void **objects, uint32_t count)
{
    hal_interrupt_state state = spinlock_acquire(&class->lock);
    uint32_t taken = 0;

    if (!list_is_empty(&class->partial)) {
        struct slab *slab = LIST_ENTRY(class->partial.next, struct slab, partial_link);

        if (class->spare == slab) {
            class->spare = NULL;
        }
        taken = take_from(slab, objects, count);
        class->taken += taken;
        if (slab->free == 0) {
            list_remove(&slab->partial_link);
        }
    }
    spinlock_release(&class->lock, state);
    return taken;
}

uint32_t slab_take(struct slab_class *class, void **objects, uint32_t count)
{
    uint32_t taken = take_from_partial(class, objects, count);

    while (taken == 0 && slab_create(class)) {
        taken = take_from_partial(class, objects, count);
    }
    return taken;
}

static struct slab *put_locked(struct slab_class *class, void *object)
{
    struct slab *slab = slab_of(object);

    if (slab->free == 0) {
        list_push_front(&class->partial, &slab->partial_link);
    }
    put_into(slab, object);
    class->taken--;
    return retire_locked(class, slab);
}

void slab_put(struct slab_class *class, void *const *objects, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hal_interrupt_state state = spinlock_acquire(&class->lock);
        struct slab *retired = put_locked(class, objects[i]);

        while (retired == NULL && i + 1 < count) {
            retired = put_locked(class, objects[++i]);
        }
        spinlock_release(&class->lock, state);
        slab_destroy(retired);
    }
}

/* New slabs come first in the list, so a walk ends however many are created meanwhile. */
struct slab *slab_next(struct slab_class *class, struct slab *slab)
{
    hal_interrupt_state state = spinlock_acquire(&class->lock);
    struct list *node = slab == NULL ? class->slabs.next : slab->link.next;
    struct slab *next = node == &class->slabs ? NULL : LIST_ENTRY(node, struct slab, link);
    struct slab *retired = NULL;

    if (next != NULL) {
        next->pins++;
    }
    if (slab != NULL) {
        slab->pins--;
        retired = retire_locked(class, slab);
    }
    spinlock_release(&class->lock, state);
    slab_destroy(retired);
    return next;
}

uint64_t slab_private(const void *pointer)
{
    uint64_t value = frames_private(hal_direct_physical(pointer));

    return (value & SLAB_PRIVATE_MASK) != 0 ? value : 0;
}
