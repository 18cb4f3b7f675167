/*
 * Intrusive balanced tree (Adelson-Velsky and Landis 1962): nodes by key, in order. Each node also
 * carries a value, and the tree finds the last node whose value is at least so large.
 * Insert, remove and every search are O(log n).
 *
 * Rules:
 * - A node is in at most one tree. No two nodes of a tree have the same key.
 * - A key may be changed while the node is in, if its order among the others stays the same.
 * - No locking: the owner of the tree says which lock covers it. No recursion: stack use is
 *   constant.
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include <stddef.h>
#include <stdint.h>

struct tree_node {
    uint64_t key;
    uint64_t value;   /* tree_set_value changes it while the node is in */
    uint64_t largest; /* value in the subtree */
    struct tree_node *parent;
    struct tree_node *children[2]; /* lesser keys, greater keys */
    uint32_t height;               /* a leaf's is 1 */
};

struct tree {
    struct tree_node *root; /* NULL when empty */
};

/* Insert a node whose key and value are set; the other fields are overwritten. */
void tree_insert(struct tree *tree, struct tree_node *node);

/*
 * Copy a tree node by node: insert one in the place its original has in another tree, with the same
 * key and value. The originals come in the order of tree_next_below from the root on, and their
 * tree does not change meanwhile; afterwards both are alike. Only inserting copies and walking is
 * allowed before the last.
 */
void tree_insert_copy(struct tree *tree, struct tree_node *node, const struct tree_node *original);

/* Take out a node that is in this tree. */
void tree_remove(struct tree *tree, struct tree_node *node);

/* Change the value of a node that is in a tree. */
void tree_set_value(struct tree_node *node, uint64_t value);

/* The node with the greatest key not above, and with the least key not below; NULL: none. */
struct tree_node *tree_floor(const struct tree *tree, uint64_t key);
struct tree_node *tree_ceiling(const struct tree *tree, uint64_t key);

/* The node with the greatest key not above `key` among those with a value of at least `least`. */
struct tree_node *tree_floor_with(const struct tree *tree, uint64_t key, uint64_t least);

/* The ends; NULL when empty. */
struct tree_node *tree_first(const struct tree *tree);
struct tree_node *tree_last(const struct tree *tree);

/* Neighbours in the order of keys; NULL at the ends. */
struct tree_node *tree_next(const struct tree_node *node);
struct tree_node *tree_previous(const struct tree_node *node);

/* The node after this one in the order in which each node comes before all below it; NULL: last. */
struct tree_node *tree_next_below(const struct tree_node *node);

#endif
