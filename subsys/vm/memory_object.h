/*
 * Memory object: pages by number that can be mapped and read: the contents of a file, or memory
 * that processes share.
 *
 * Rules:
 * - Reference counted; the last put releases pages and calls ops->release.
 * - Pages are frames with references (shared_frame.h). A page that is there stays the same frame
 *   until it is cut off by memory_object_resize, so mappings and read/write see the same bytes.
 * - Locks: a mutex of its own inside; callers hold no spinlock. Context: thread, may block.
 */
#ifndef SUBSYS_VM_MEMORY_OBJECT_H
#define SUBSYS_VM_MEMORY_OBJECT_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_object;

struct memory_object_ops {
    /*
     * Fill a page that is not there yet: HAL_PAGE_SIZE bytes at `page`, which is zeroed.
     * NULL: pages begin as zeros.
     */
    hx_err (*fill)(struct memory_object *object, uint64_t index, void *page);
    /* So many pages were released: cut off, dropped, or at the end. NULL: nobody counts. */
    void (*released)(struct memory_object *object, uint64_t pages);
    /* The last reference is gone; pages have been released. NULL: nothing more to do. */
    void (*release)(struct memory_object *object);
};

/*
 * size is in bytes and may grow; `context` is the maker's.
 * Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err memory_object_create(const struct memory_object_ops *ops, void *context,
                                        uint64_t size, owner_tag owner,
                                        struct memory_object **object);
void memory_object_get(struct memory_object *object);
void memory_object_put(struct memory_object *object);
void *memory_object_context(const struct memory_object *object);
/* Whether pages that are not there have contents all the same, by ops->fill. */
bool memory_object_is_filled(const struct memory_object *object);
uint64_t memory_object_size(const struct memory_object *object);
uint64_t memory_object_resident_pages(const struct memory_object *object);

/*
 * Change the size. Pages wholly beyond it are cut off (their mappings are removed: who touches them
 * gets SIGBUS), the rest of the last page is zeroed.
 */
void memory_object_resize(struct memory_object *object, uint64_t size);

/*
 * The frame of a page, with a reference for the caller; made and filled if it is not there yet.
 * Errors: HX_ENXIO beyond the size, HX_ENOMEM, what fill answers.
 */
HX_MUST_USE hx_err memory_object_page(struct memory_object *object, uint64_t index,
                                      uint64_t *physical);

/* The same, but only if it is there: HX_ENOENT otherwise (a hole, for SEEK_HOLE and reading). */
HX_MUST_USE hx_err memory_object_present_page(struct memory_object *object, uint64_t index,
                                              uint64_t *physical);

/*
 * The frames of those of the pages [index, index + count) that are there and that `wanted` names
 * (bit i: index + i), each with a reference for the caller; 0 for the others. count is at most 64.
 */
void memory_object_present_pages(struct memory_object *object, uint64_t index, unsigned count,
                                 uint64_t wanted, uint64_t *frames);

/* The first page at or after *index that is there; false: there is none. */
bool memory_object_next_page(struct memory_object *object, uint64_t *index);

/* Drop whole pages inside [first, first + count): they read as zeros again (punching holes). */
void memory_object_drop(struct memory_object *object, uint64_t first, uint64_t count);

#endif
