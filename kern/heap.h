/*
 * The kernel heap: slabs (Bonwick 1994) of power-of-two classes 16..4096 bytes, with per-CPU
 * magazines of free objects; larger sizes take 2^n whole frames, at least four.
 *
 * Rules:
 * - Every allocation carries its owner's tag; sums per owner are computed on demand.
 * - Alignment: 16, or the size rounded up to a power of two where that is larger (up to 4096).
 * - Never from interrupt context: HX_ECONTEXT-grade refusal (NULL, counted, and an assertion in
 *   debug builds); a free is then left undone.
 * - Freeing twice is always a failed assertion.
 * - Debug builds: fresh memory is filled with 0xA5, freed with 0xDD and checked for writes at
 *   reuse, a redzone follows the requested size, and foreign pointers are failed assertions.
 */
#ifndef KERN_HEAP_H
#define KERN_HEAP_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_SIZE_MAX (4UL << 20)

HX_MUST_USE hx_err heap_init(void);

/* NULL when size is 0 or above HEAP_SIZE_MAX, or out of memory.  Context: thread. */
HX_MUST_USE void *heap_allocate(size_t size, owner_tag owner);
HX_MUST_USE void *heap_allocate_zeroed(size_t size, owner_tag owner);

/* NULL is allowed.  Context: thread. */
void heap_free(void *pointer);

/*
 * The bytes really usable at a pointer that heap_allocate returned (>= requested; the requested
 * size in debug builds).
 */
size_t heap_usable_size(const void *pointer);

/*
 * The owner of what heap_allocate returned as this pointer; OWNER_NONE for any other address, even
 * of memory that is not there: with this, a pointer from outside is checked.  Context: any.
 */
owner_tag heap_owner(const void *pointer);

struct heap_statistics {
    uint64_t bytes_in_use; /* object sizes, class rounded */
    uint64_t objects;
    uint64_t frames;      /* taken from the frame allocator */
    uint64_t allocations; /* that succeeded */
    uint64_t failures;    /* that found no memory or were made to fail */
    uint64_t refused_in_interrupt;
};
/* Exact while nobody allocates or frees.  Context: thread. */
void heap_statistics(struct heap_statistics *statistics);

/* Return the free objects that a CPU which is off line had for itself; it stays so meanwhile.
 * Context: thread. */
void heap_give_back(uint32_t cpu);

/* Bytes and objects the owner holds: a walk over all slabs.  Context: thread. */
struct heap_owned {
    uint64_t bytes;
    uint64_t objects;
};
struct heap_owned heap_owned(owner_tag owner);

/* Free everything the owner holds; returns what it was.  The owner is no longer running. */
struct heap_owned heap_free_owner(owner_tag owner);

/* Make the n-th heap_allocate from now return NULL (1 = the next one), once; 0: off. */
void heap_fail_nth(uint64_t n);

#endif
