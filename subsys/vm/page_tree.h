/*
 * The pages of a memory object by number: a tree of tables with 64 places each, as high as the
 * greatest number needs, with tables only where there are pages. Internal to subsys/vm.
 *
 * Rules:
 * - What is stored is a frame's physical address, never 0.
 * - Find, insert and remove take at most PAGE_TREE_HEIGHT steps.
 * - No locking: the object's mutex covers it.
 */
#ifndef SUBSYS_VM_PAGE_TREE_H
#define SUBSYS_VM_PAGE_TREE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define PAGE_TREE_HEIGHT 6U /* 36 bits of page number: 2^48 bytes */
#define PAGE_TREE_LIMIT  (1ULL << 36)

struct page_table;

struct page_tree {
    struct page_table *root; /* NULL: empty */
    uint32_t height;         /* tables on the way to a page */
};

/* The frame of a page, 0: there is none. */
uint64_t page_tree_find(const struct page_tree *tree, uint64_t index);

/* Store the frame of a page that has none.  Errors: HX_ENOMEM; nothing has changed. */
HX_MUST_USE hx_err page_tree_insert(struct page_tree *tree, uint64_t index, uint64_t physical);

/* Take a page out; returns its frame, 0: there was none. */
uint64_t page_tree_remove(struct page_tree *tree, uint64_t index);

/* The first page that is there at or after *index; false: there is none. */
bool page_tree_next(const struct page_tree *tree, uint64_t *index);

#endif
