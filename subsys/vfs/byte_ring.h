/*
 * A ring of bytes in pages that are taken as it fills: what a pipe, and each direction of a stream
 * socket, is made of.
 *
 * Rules:
 * - No locking: the mutex of who has it covers all calls. Copies to and from user memory are made
 *   under it, and may block.
 * - Pages stay until byte_ring_free.
 */
#ifndef SUBSYS_VFS_BYTE_RING_H
#define SUBSYS_VFS_BYTE_RING_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/transfer.h>

struct page_charge;

/* Keys: I = immutable, W = the mutex to write, read by anyone, M = the mutex */
struct byte_ring {
    _Atomic uint64_t head;      /* W  bytes taken out so far */
    _Atomic uint64_t tail;      /* W  bytes put in so far */
    uint64_t *pages;            /* M  frames, FRAME_NONE: not taken yet */
    uint32_t page_count;        /* I  a power of two */
    owner_tag owner;            /* I  of the frames */
    struct page_charge *charge; /* I  who is charged for them; NULL: nobody */
};

/* An empty one; pages has room for page_count frames. */
void byte_ring_init(struct byte_ring *ring, uint64_t *pages, uint32_t page_count, owner_tag owner,
                    struct page_charge *charge);
/* Give the pages back. */
void byte_ring_free(struct byte_ring *ring);

static inline uint64_t byte_ring_used(const struct byte_ring *ring)
{
    return atomic_load_explicit(&ring->tail, memory_order_relaxed) -
           atomic_load_explicit(&ring->head, memory_order_relaxed);
}

/*
 * Move size bytes, at least one, which are there or for which there is room.
 * Context: thread, may block.  Errors: HX_EFAULT, HX_ENOMEM; *done more bytes were moved all the
 * same.
 */
HX_MUST_USE hx_err byte_ring_take(struct byte_ring *ring, struct transfer *transfer, size_t size,
                                  size_t *done);
HX_MUST_USE hx_err byte_ring_put(struct byte_ring *ring, struct transfer *transfer, size_t size,
                                 size_t *done);
/* The same as byte_ring_take from a position on, and the bytes stay. */
HX_MUST_USE hx_err byte_ring_copy(const struct byte_ring *ring, uint64_t position,
                                  struct transfer *transfer, size_t size, size_t *done);

/* --- written out in the caller: for the few hottest paths ---------------------------------------
 */

static inline char *byte_ring_bytes(uint64_t page, uint64_t position)
{
    return (char *)hal_direct_map(page) + position % HAL_PAGE_SIZE;
}

/* Whether size bytes from a position on are of one page, and of one piece of the program's. */
static inline bool byte_ring_is_simple(const struct transfer *transfer, uint64_t position,
                                       size_t size)
{
    return transfer_is_simple(transfer, size) && position % HAL_PAGE_SIZE + size <= HAL_PAGE_SIZE;
}

#endif
