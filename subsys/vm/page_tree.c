#include <kern/heap.h>
#include <stddef.h>
#include <subsys/vm/page_tree.h>

#define PLACE_BITS 6U
#define PLACES     (1U << PLACE_BITS)

struct page_table {
    uint64_t used; /* bit n: place n is not empty */
    union {
        struct page_table *table;
        uint64_t physical; /* in the lowest tables */
    } places[PLACES];
};

/* Which place of a table so many levels above the pages leads to a page. */
static uint32_t place_of(uint64_t index, uint32_t level)
{
    return (uint32_t)(index >> (level * PLACE_BITS)) & (PLACES - 1);
}

static bool is_within(const struct page_tree *tree, uint64_t index)
{
    return tree->root != NULL && index >> (tree->height * PLACE_BITS) == 0;
}

static bool is_used(const struct page_table *table, uint32_t place)
{
    return (table->used >> place & 1) != 0;
}

uint64_t page_tree_find(const struct page_tree *tree, uint64_t index)
{
    const struct page_table *table = tree->root;

    if (!is_within(tree, index)) {
        return 0;
    }
    for (uint32_t level = tree->height - 1; level > 0; level--) {
        uint32_t place = place_of(index, level);

        if (!is_used(table, place)) {
            return 0;
        }
        table = table->places[place].table;
    }
    return table->places[place_of(index, 0)].physical;
}

/* --- removing --------------------------------------------------------------------------------- */

/* Take a place out; true: the table has become empty. */
static bool clear_place(struct page_table *table, uint32_t place)
{
    table->used &= ~(1ULL << place);
    table->places[place].physical = 0;
    return table->used == 0;
}

/* The tables on the way to a page, from the root (path[height - 1]) down; how far they exist. */
static uint32_t find_path(const struct page_tree *tree, uint64_t index, struct page_table **path)
{
    struct page_table *table = tree->root;
    uint32_t level = tree->height;

    while (level > 0) {
        level--;
        path[level] = table;
        if (level == 0 || !is_used(table, place_of(index, level))) {
            return level;
        }
        table = table->places[place_of(index, level)].table;
    }
    return level;
}

/* Free the tables that have become empty, from a level up. */
static void trim(struct page_tree *tree, uint64_t index, struct page_table **path, uint32_t level)
{
    while (path[level]->used == 0) {
        heap_free(path[level]);
        level++;
        if (level == tree->height) {
            *tree = (struct page_tree){.root = NULL};
            return;
        }
        (void)clear_place(path[level], place_of(index, level));
    }
}

uint64_t page_tree_remove(struct page_tree *tree, uint64_t index)
{
    struct page_table *path[PAGE_TREE_HEIGHT];
    uint64_t physical = page_tree_find(tree, index);

    if (physical == 0) {
        return 0;
    }
    (void)find_path(tree, index, path);
    if (clear_place(path[0], place_of(index, 0))) {
        trim(tree, index, path, 0);
    }
    return physical;
}

/* --- inserting -------------------------------------------------------------------------------- */

static struct page_table *make_table(void)
{
    return heap_allocate_zeroed(sizeof(struct page_table), OWNER_CORE);
}

/* Tables that lead to a number. */
static uint32_t height_for(uint64_t index)
{
    uint32_t height = 1;

    while (index >> (height * PLACE_BITS) != 0) {
        height++;
    }
    return height;
}

/* Put tables on top until the number fits; false: out of memory, the tree is as good as before. */
static bool grow(struct page_tree *tree, uint64_t index)
{
    while (!is_within(tree, index)) {
        struct page_table *table = make_table();

        if (table == NULL) {
            return false;
        }
        if (tree->root == NULL) {
            tree->height = height_for(index);
        } else {
            table->places[0].table = tree->root;
            table->used = 1;
            tree->height++;
        }
        tree->root = table;
    }
    return true;
}

/* Make the tables below path[level] down to the page's. */
static bool make_path(struct page_table **path, uint64_t index, uint32_t level)
{
    while (level > 0) {
        struct page_table *below = make_table();

        if (below == NULL) {
            return false;
        }
        path[level]->places[place_of(index, level)].table = below;
        path[level]->used |= 1ULL << place_of(index, level);
        path[--level] = below;
    }
    return true;
}

/* Free the tables made for a page that then could not be stored. */
static void discard_empty(struct page_tree *tree, uint64_t index)
{
    struct page_table *path[PAGE_TREE_HEIGHT];

    if (is_within(tree, index)) {
        trim(tree, index, path, find_path(tree, index, path));
    }
}

hx_err page_tree_insert(struct page_tree *tree, uint64_t index, uint64_t physical)
{
    struct page_table *path[PAGE_TREE_HEIGHT];

    if (index >= PAGE_TREE_LIMIT) {
        return HX_ENOMEM;
    }
    if (!grow(tree, index) || !make_path(path, index, find_path(tree, index, path))) {
        discard_empty(tree, index);
        return HX_ENOMEM;
    }
    path[0]->places[place_of(index, 0)].physical = physical;
    path[0]->used |= 1ULL << place_of(index, 0);
    return HX_OK;
}

/* --- walking ---------------------------------------------------------------------------------- */

/*
 * The first used place at or after *index in a table; *index is set to the first number it stands
 * for. False: there is none.
 */
static bool next_place(const struct page_table *table, uint32_t level, uint64_t *index)
{
    uint32_t place = place_of(*index, level);
    uint64_t rest = table->used >> place << place;
    uint32_t shift = level * PLACE_BITS;

    if (rest == 0) {
        return false;
    }
    if (!is_used(table, place)) {
        uint64_t found = (uint64_t)__builtin_ctzll(rest);

        *index = (*index >> (shift + PLACE_BITS) << PLACE_BITS | found) << shift;
    }
    return true;
}

/* To the first number behind a table's; false: there is none that fits the tree. */
static bool skip_table(const struct page_tree *tree, uint32_t level, uint64_t *index)
{
    uint32_t shift = (level + 1) * PLACE_BITS;

    *index = ((*index >> shift) + 1) << shift;
    return is_within(tree, *index);
}

bool page_tree_next(const struct page_tree *tree, uint64_t *index)
{
    const struct page_table *table = tree->root;
    uint32_t level = tree->height;

    if (!is_within(tree, *index)) {
        return false;
    }
    while (level > 0) {
        level--;
        if (!next_place(table, level, index)) {
            if (!skip_table(tree, level, index)) {
                return false;
            }
            level = tree->height;
            table = tree->root;
        } else if (level > 0) {
            table = table->places[place_of(*index, level)].table;
        }
    }
    return true;
}
