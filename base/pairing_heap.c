/* Pairing heap, two-pass variant. */
#include <base/pairing_heap.h>

/* Join two heaps; either may be NULL. The result is a root: no sibling, no prev. */
static struct heap_node *heap_merge(struct heap_node *a, struct heap_node *b)
{
    struct heap_node *parent = a;
    struct heap_node *child = b;

    if (a == NULL) {
        return b;
    }
    if (b == NULL) {
        return a;
    }
    if (b->key < a->key) {
        parent = b;
        child = a;
    }
    child->prev = parent;
    child->sibling = parent->child;
    if (parent->child != NULL) {
        parent->child->prev = child;
    }
    parent->child = child;
    return parent;
}

/* Take the first node off a list of siblings and make it a root. */
static struct heap_node *sibling_take(struct heap_node **list)
{
    struct heap_node *node = *list;

    if (node != NULL) {
        *list = node->sibling;
        node->sibling = NULL;
        node->prev = NULL;
    }
    return node;
}

/*
 * Join a list of siblings into one heap. The first pass joins neighbours from left to right and
 * stacks the pairs (through `sibling`), the second joins the stack from right to left: this order
 * is what gives remove its O(log n) amortised.
 */
static struct heap_node *heap_merge_siblings(struct heap_node *first)
{
    struct heap_node *pairs = NULL;
    struct heap_node *root = NULL;

    while (first != NULL) {
        struct heap_node *left = sibling_take(&first);
        struct heap_node *pair = heap_merge(left, sibling_take(&first));

        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs != NULL) {
        root = heap_merge(root, sibling_take(&pairs));
    }
    return root;
}

/* Unlink a node that is not the root, with all below it. */
static void heap_cut(struct heap_node *node)
{
    if (node->prev->child == node) {
        node->prev->child = node->sibling;
    } else {
        node->prev->sibling = node->sibling;
    }
    if (node->sibling != NULL) {
        node->sibling->prev = node->prev;
    }
}

void pairing_heap_insert(struct pairing_heap *heap, struct heap_node *node)
{
    node->child = NULL;
    node->sibling = NULL;
    node->prev = NULL;
    heap->root = heap_merge(heap->root, node);
}

void pairing_heap_remove(struct pairing_heap *heap, struct heap_node *node)
{
    struct heap_node *rest = heap_merge_siblings(node->child);

    if (node == heap->root) {
        heap->root = rest;
    } else {
        heap_cut(node);
        heap->root = heap_merge(heap->root, rest);
    }
    node->child = NULL;
    node->sibling = NULL;
    node->prev = NULL;
}
