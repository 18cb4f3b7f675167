/*
 * Physical frames: a binary buddy allocator (Knowlton 1965) with a cache of single frames per CPU.
 *
 * Rules:
 * - A block of order n is 2^n frames, aligned to its size. Orders 0..FRAME_ORDER_MAX.
 * - 16 bytes of metadata a frame, in one array that frames_init places.
 * - Every block carries its owner's tag; freeing wants the address and order it was allocated with.
 * - Debug builds fill freed frames with a pattern and check it at the next allocation (order 0),
 *   and refuse double frees loudly.
 */
#ifndef KERN_FRAMES_H
#define KERN_FRAMES_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_ORDER_MAX 10U
#define FRAME_NONE      UINT64_MAX

/* A range of usable physical memory; both ends are rounded inwards to whole frames. */
struct frame_range {
    uint64_t base;
    uint64_t size;
};

/*
 * Take over the usable ranges (sorted, not overlapping), except the reserved ones (any order, may
 * overlap each other or lie outside). The metadata array is placed in the first usable hole big
 * enough. Frame 0, frames above 16 TiB, and islands after the first 64 are left unused. Called once
 * at boot.  Errors: HX_EINVAL unsorted, overlapping or wrapping; HX_ENOMEM no room for the
 * metadata. On error nothing has changed.
 */
HX_MUST_USE hx_err frames_init(const struct frame_range *usable, size_t usable_count,
                               const struct frame_range *reserved, size_t reserved_count);

/*
 * Allocate a block; contents unspecified. *physical is FRAME_NONE on failure.
 * Context: any but nmi.  Blocks: no.  Errors: HX_ENOMEM, HX_EINVAL order or owner.
 */
HX_MUST_USE hx_err frames_allocate(unsigned order, owner_tag owner, uint64_t *physical);

/* The same for one frame, whose private word (below) is that from the start. */
HX_MUST_USE hx_err frames_allocate_with(uint64_t private_word, owner_tag owner, uint64_t *physical);

/* Free a block. A wrong address, order or a double free is a failed assertion.  Context: any but
 * nmi. */
void frames_free(uint64_t physical, unsigned order);

/*
 * Give frames that were reserved at init (boot code, the boot's own data) to the allocator; the
 * range is rounded inwards. A frame that is managed already, or lies in no usable range, is a
 * failed assertion.  Context: any but nmi.
 */
void frames_release_range(uint64_t base, uint64_t size);

/*
 * Return the frames in the CPUs' caches to the free blocks, so that they can merge: of all CPUs in
 * thread context with interrupts on, else of this one. Done by itself before an allocation fails.
 * Context: any but nmi.
 */
void frames_drain_caches(void);

/* The same for a CPU that is off line, and stays so meanwhile.  Context: thread. */
void frames_give_back(uint32_t cpu);

/* An allocated frame, or the first of a block, is another owner's from now on.  Context: any but
 * nmi. */
void frames_give(uint64_t physical, owner_tag owner);

/* The owner of an allocated block's first frame, OWNER_NONE for a free or foreign one.  Context:
 * any. */
owner_tag frames_owner(uint64_t physical);

/*
 * A word of the user's own with every frame of an allocated block (the slab it belongs to, say); 0
 * after allocation. Reading is safe for any address: 0 for what is no allocated frame.  Context:
 * any.
 */
void frames_set_private(uint64_t physical, uint64_t value);
uint64_t frames_private(uint64_t physical);

/* The same word, for atomic operations of the block's owner; of an allocated block only. The lowest
 * two bits are to stay 0 where the heap must not take the frame for its own (kern/slab.h).
 * Context: any. */
static inline _Atomic uint64_t *frames_private_word(uint64_t physical);

struct frame_statistics {
    uint64_t total;  /* frames under management */
    uint64_t free;   /* caches included */
    uint64_t cached; /* in per-CPU caches */
    uint64_t metadata_bytes;
    uint64_t allocations; /* that succeeded */
    uint64_t failures;    /* that found no memory or were made to fail */
    uint64_t free_blocks[FRAME_ORDER_MAX + 1];
};
/* Exact while nobody allocates or frees.  Context: any but nmi. */
void frames_statistics(struct frame_statistics *statistics);

/* Frames the owner holds: a walk over the metadata, O(frames).  Context: thread. */
uint64_t frames_owned(owner_tag owner);

/*
 * Make the n-th allocation from now fail (1 = the next one), once; 0 switches it off. Counts
 * frames_allocate calls.
 */
void frames_fail_nth(uint64_t n);

/* --- for frames_private_word ---------------------------------------------------------------------
 */

/* Where the words of most frames are: numbers [first, first + count). Immutable after frames_init.
 */
struct frame_words {
    uint64_t first;
    uint64_t count;
    _Atomic uint64_t (*words)[2]; /* a frame's metadata; the first is its word */
};
extern struct frame_words frame_words;
_Atomic uint64_t *frames_find_private_word(uint64_t physical);

static inline _Atomic uint64_t *frames_private_word(uint64_t physical)
{
    uint64_t index = (physical >> HAL_PAGE_SHIFT) - frame_words.first;

    return HX_LIKELY(index < frame_words.count) ? &frame_words.words[index][0]
                                                : frames_find_private_word(physical);
}

#endif
