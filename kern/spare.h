/*
 * One heap object kept for the next who wants such a one: for large ones that are used for a short
 * time, mostly by one at once. Who finds it taken allocates.
 *
 * Rules:
 * - All objects of a spare have the same size. Contents are unspecified.
 */
#ifndef KERN_SPARE_H
#define KERN_SPARE_H

#include <kern/heap.h>
#include <stdatomic.h>
#include <stddef.h>

struct spare {
    _Atomic(void *) object; /* NULL: none is kept */
};

/* NULL: out of memory.  Context: as heap_allocate. */
static inline void *spare_take(struct spare *spare, size_t size)
{
    /* Acquire pairs with the release in spare_put: nobody uses it any more. */
    void *object = atomic_exchange_explicit(&spare->object, NULL, memory_order_acquire);

    return object != NULL ? object : heap_allocate(size, OWNER_CORE);
}

/* Context: as heap_free. */
static inline void spare_put(struct spare *spare, void *object)
{
    void *other = atomic_exchange_explicit(&spare->object, object, memory_order_acq_rel);

    if (other != NULL) {
        heap_free(other);
    }
}

#endif
