/*
 * Intrusive pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986): the least key first.
 * Insert and find-least O(1), remove O(log n) amortised. Equal keys leave in no set order.
 *
 * Rules:
 * - A node is in at most one heap; its key does not change while it is in.
 * - No locking: the owner of the heap says which lock covers it. No recursion: stack use is
 * constant.
 */
#ifndef BASE_PAIRING_HEAP_H
#define BASE_PAIRING_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    struct heap_node *child;   /* first child */
    struct heap_node *sibling; /* next in the parent's list of children */
    struct heap_node
        *prev; /* parent for a first child, else the sibling before; NULL for the root */
};

struct pairing_heap {
    struct heap_node *root; /* NULL when empty */
};

/* Insert a node whose key is set; the other fields are overwritten. */
void pairing_heap_insert(struct pairing_heap *heap, struct heap_node *node);

/* The node with the least key, NULL when empty. */
static inline struct heap_node *pairing_heap_least(const struct pairing_heap *heap)
{
    return heap->root;
}

/* Take out a node that is in this heap. */
void pairing_heap_remove(struct pairing_heap *heap, struct heap_node *node);

#endif
