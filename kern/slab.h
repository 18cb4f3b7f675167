/*
 * Slabs: 16 KiB of frames, aligned to their size, cut into objects of one class. For the heap, and
 * for kern's own records that must not count as heap objects.
 *
 * Rules:
 * - A slab begins with its header: which objects are free (a bit each), and the owner of each one
 *   that is allocated. So an object's header is found by masking its address, without any table,
 *   and an owner tag of 0 tells an object that nobody has from an allocated one.
 * - An object is in the slab (bit set), with whoever took it (a magazine; owner 0), or allocated.
 * - Every frame's private word names the slab: with it, any address can be looked up safely.
 */
#ifndef KERN_SLAB_H
#define KERN_SLAB_H

#include <base/list.h>
#include <hal/memory.h>
#include <helix/attributes.h>
#include <kern/owner.h>
#include <kern/spinlock.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_ORDER 2U
#define SLAB_SIZE  (HAL_PAGE_SIZE << SLAB_ORDER)

/* Debug builds: what memory in no use is filled with. */
#define SLAB_FREED 0xddU

/* Low bits of a frame's private word, which holds a pointer: what the pointer points to. */
#define SLAB_PRIVATE_SLAB  1U
#define SLAB_PRIVATE_LARGE 2U
#define SLAB_PRIVATE_MASK  3U

struct magazine;

/* Keys: I = immutable after init, L = lock */
struct slab_class {
    struct spinlock lock;
    struct list partial;         /* L  slabs with free objects, the spare one last */
    struct list slabs;           /* L  all of them */
    struct slab *spare;          /* L  the one slab that is kept though all its objects are free */
    uint64_t slab_count;         /* L */
    uint64_t taken;              /* L  objects that are not in their slabs */
    struct magazine **magazines; /* I  the heap's, by CPU; NULL for others */
    uint32_t shift;              /* I  object size 2^shift */
    uint32_t first;              /* I  index of the first object behind the header */
    uint32_t end;                /* I  index behind the last one */
};

/* Keys: I = immutable after creation, L = the class's lock, A = atomic, relaxed */
struct slab {
    struct slab *self;           /* I  its own address: marks a slab */
    struct slab_class *class;    /* I */
    struct magazine **magazines; /* I  copy of the class's */
    uint32_t shift;              /* I  copy of the class's */
    uint16_t free;               /* L  bits set */
    uint16_t pins;               /* L  walks that stand here */
    struct list partial_link;    /* L */
    struct list link;            /* L */
    _Atomic owner_tag owners[];  /* A  by object index; then the bits; then debug builds' sizes */
};
_Static_assert(sizeof(struct slab) == 64, "the header's fixed part is one cache line");

static inline struct slab *slab_of(const void *object)
{
    return (struct slab *)((uintptr_t)object & ~(uintptr_t)(SLAB_SIZE - 1));
}

static inline size_t slab_index(const struct slab *slab, const void *object)
{
    return ((uintptr_t)object - (uintptr_t)slab) >> slab->shift;
}

/* Where an object's owner stands. */
static inline _Atomic owner_tag *slab_owner(struct slab *slab, const void *object)
{
    return &slab->owners[slab_index(slab, object)];
}

static inline void *slab_object(struct slab *slab, uint32_t index)
{
    return (char *)slab + ((size_t)index << slab->shift);
}

#ifdef HX_DEBUG
/* The sizes that were asked for, by object index. */
uint16_t *slab_requested(struct slab *slab);
#endif

void slab_class_init(struct slab_class *class, uint32_t shift, struct magazine **magazines);

/*
 * Take up to count objects, from a new slab when no other has any. Returns how many: 0 when there
 * is no memory.  Context: any but nmi.
 */
HX_MUST_USE uint32_t slab_take(struct slab_class *class, void **objects, uint32_t count);

/* Return objects of the class; their owners are 0.  Context: any but nmi. */
void slab_put(struct slab_class *class, void *const *objects, uint32_t count);

/*
 * Walk the class's slabs: the one after `slab` (NULL: the first), NULL at the end. The slab that is
 * returned stays until the walk goes on; a walk goes on to the end.
 */
struct slab *slab_next(struct slab_class *class, struct slab *slab);

/* The private word of the frame at an address, 0 for memory that is not the heap's.  Context: any.
 */
uint64_t slab_private(const void *pointer);

#endif
