#include <base/tree.h>
#include <stdbool.h>

enum { LESSER, GREATER };

/* --- keeping heights -------------------------------------------------------------------------- */

static uint32_t height_of(const struct tree_node *node)
{
    return node == NULL ? 0 : node->height;
}

static uint64_t largest_of(const struct tree_node *node)
{
    return node == NULL ? 0 : node->largest;
}

/* Compute what a node says of its subtree.  Returns whether that is new. */
static bool sum_up(struct tree_node *node)
{
    uint32_t height = height_of(node->children[LESSER]);
    uint64_t largest = largest_of(node->children[LESSER]);
    bool is_new;

    if (height_of(node->children[GREATER]) > height) {
        height = height_of(node->children[GREATER]);
    }
    if (largest_of(node->children[GREATER]) > largest) {
        largest = node->children[GREATER]->largest;
    }
    largest = node->value > largest ? node->value : largest;
    is_new = node->height != height + 1 || node->largest != largest;
    node->height = height + 1;
    node->largest = largest;
    return is_new;
}

/* Put `node` (may be NULL) where `old` hangs: below its parent, or at the root. */
static void replace_below(struct tree *tree, struct tree_node *parent, const struct tree_node *old,
                          struct tree_node *node)
{
    if (parent == NULL) {
        tree->root = node;
    } else {
        parent->children[parent->children[GREATER] == old] = node;
    }
    if (node != NULL) {
        node->parent = parent;
    }
}

/* Move the child on a side up into its parent's place; returns it. */
static struct tree_node *rotate(struct tree *tree, struct tree_node *node, int side)
{
    struct tree_node *child = node->children[side];
    struct tree_node *inner = child->children[!side];

    replace_below(tree, node->parent, node, child);
    node->children[side] = inner;
    if (inner != NULL) {
        inner->parent = node;
    }
    child->children[!side] = node;
    node->parent = child;
    (void)sum_up(node);
    (void)sum_up(child);
    return child;
}

/* Make a side that is two higher than the other only one higher; returns the subtree's new top. */
static struct tree_node *lower(struct tree *tree, struct tree_node *node, int side)
{
    struct tree_node *child = node->children[side];

    if (height_of(child->children[!side]) > height_of(child->children[side])) {
        rotate(tree, child, !side);
    }
    return rotate(tree, node, side);
}

/* Restore heights and balance from a node up: as far as anything is new, or to the root. */
static void balance_from(struct tree *tree, struct tree_node *node, bool to_root)
{
    bool goes_on = true;

    for (; node != NULL && goes_on; node = node->parent) {
        uint32_t lesser = height_of(node->children[LESSER]);
        uint32_t greater = height_of(node->children[GREATER]);

        if (lesser > greater + 1) {
            node = lower(tree, node, LESSER);
        } else if (greater > lesser + 1) {
            node = lower(tree, node, GREATER);
        } else {
            goes_on = sum_up(node) || to_root;
        }
    }
}

/* --- changing --------------------------------------------------------------------------------- */

/* Hang a node where its key belongs, as a leaf. */
static void hang(struct tree *tree, struct tree_node *node)
{
    struct tree_node *parent = NULL;
    struct tree_node **link = &tree->root;

    while (*link != NULL) {
        parent = *link;
        link = &parent->children[node->key > parent->key];
    }
    node->parent = parent;
    node->children[LESSER] = NULL;
    node->children[GREATER] = NULL;
    *link = node;
}

void tree_insert(struct tree *tree, struct tree_node *node)
{
    hang(tree, node);
    node->height = 1;
    node->largest = node->value;
    balance_from(tree, node->parent, false);
}

/* Nodes that come after their parents hang as they did, without being balanced. */
void tree_insert_copy(struct tree *tree, struct tree_node *node, const struct tree_node *original)
{
    node->key = original->key;
    node->value = original->value;
    node->largest = original->largest;
    node->height = original->height;
    hang(tree, node);
}

/* The least node of a subtree that is not empty. */
static struct tree_node *outermost(struct tree_node *node, int side)
{
    while (node->children[side] != NULL) {
        node = node->children[side];
    }
    return node;
}

/* Put the next node in the place of one that has two children; returns where balance is lost. */
static struct tree_node *replace_by_next(struct tree *tree, const struct tree_node *node)
{
    struct tree_node *next = outermost(node->children[GREATER], LESSER);
    struct tree_node *from = next->parent;

    if (from == node) {
        from = next;
    } else {
        replace_below(tree, from, next, next->children[GREATER]);
        next->children[GREATER] = node->children[GREATER];
        next->children[GREATER]->parent = next;
    }
    next->children[LESSER] = node->children[LESSER];
    next->children[LESSER]->parent = next;
    replace_below(tree, node->parent, node, next);
    return from;
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    struct tree_node *from = node->parent;

    if (node->children[LESSER] != NULL && node->children[GREATER] != NULL) {
        from = replace_by_next(tree, node);
    } else {
        replace_below(tree, node->parent, node, node->children[node->children[LESSER] == NULL]);
    }
    /* To the root: one further up may be another node than before. */
    balance_from(tree, from, true);
}

void tree_set_value(struct tree_node *node, uint64_t value)
{
    node->value = value;
    while (node != NULL && sum_up(node)) {
        node = node->parent;
    }
}

/* --- searching -------------------------------------------------------------------------------- */

struct tree_node *tree_floor(const struct tree *tree, uint64_t key)
{
    struct tree_node *found = NULL;

    for (struct tree_node *node = tree->root; node != NULL;) {
        if (node->key <= key) {
            found = node;
            node = node->children[GREATER];
        } else {
            node = node->children[LESSER];
        }
    }
    return found;
}

struct tree_node *tree_ceiling(const struct tree *tree, uint64_t key)
{
    struct tree_node *found = NULL;

    for (struct tree_node *node = tree->root; node != NULL;) {
        if (node->key >= key) {
            found = node;
            node = node->children[LESSER];
        } else {
            node = node->children[GREATER];
        }
    }
    return found;
}

/* The last node of a subtree with a large enough value; NULL: none. */
static struct tree_node *last_with(struct tree_node *node, uint64_t least)
{
    while (node != NULL && node->largest >= least) {
        if (largest_of(node->children[GREATER]) >= least && node->children[GREATER] != NULL) {
            node = node->children[GREATER];
        } else if (node->value >= least) {
            return node;
        } else {
            node = node->children[LESSER];
        }
    }
    return NULL;
}

/*
 * Along the path to the key: of the last node not above it whose own value, or whose lesser
 * subtree, has what is wanted, the answer is there and nowhere else.
 */
struct tree_node *tree_floor_with(const struct tree *tree, uint64_t key, uint64_t least)
{
    struct tree_node *found = NULL;

    for (struct tree_node *node = tree->root; node != NULL;) {
        if (node->key > key) {
            node = node->children[LESSER];
            continue;
        }
        if (node->value >= least ||
            (node->children[LESSER] != NULL && node->children[LESSER]->largest >= least)) {
            found = node;
        }
        node = node->children[GREATER];
    }
    if (found == NULL || found->value >= least) {
        return found;
    }
    return last_with(found->children[LESSER], least);
}

struct tree_node *tree_first(const struct tree *tree)
{
    return tree->root == NULL ? NULL : outermost(tree->root, LESSER);
}

struct tree_node *tree_last(const struct tree *tree)
{
    return tree->root == NULL ? NULL : outermost(tree->root, GREATER);
}

static struct tree_node *neighbour(const struct tree_node *node, int side)
{
    if (node->children[side] != NULL) {
        return outermost(node->children[side], !side);
    }
    while (node->parent != NULL && node->parent->children[side] == node) {
        node = node->parent;
    }
    return node->parent;
}

struct tree_node *tree_next(const struct tree_node *node)
{
    return neighbour(node, GREATER);
}

struct tree_node *tree_previous(const struct tree_node *node)
{
    return neighbour(node, LESSER);
}

struct tree_node *tree_next_below(const struct tree_node *node)
{
    const struct tree_node *from = NULL;

    if (node->children[LESSER] != NULL) {
        return node->children[LESSER];
    }
    /* Up to where there is a greater side that has not been walked. */
    while (node != NULL && (node->children[GREATER] == NULL || node->children[GREATER] == from)) {
        from = node;
        node = node->parent;
    }
    return node != NULL ? node->children[GREATER] : NULL;
}
