/* base/tree.h against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/tree.h>
#include <stdbool.h>
#include <stdlib.h>
#include <tests/host/random.h>

#define ITEMS 300U

struct item {
    struct tree_node node;
    bool is_in;
};

static struct item items[ITEMS]; /* item i has key 10 * i + 5 */
static struct tree tree;

static void start(void)
{
    tree.root = NULL;
    for (uint64_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.node.key = 10 * i + 5};
    }
}

static void put(struct item *item, uint64_t value)
{
    item->node.value = value;
    item->is_in = true;
    tree_insert(&tree, &item->node);
}

/* --- the whole structure ---------------------------------------------------------------------- */

static uint32_t height(const struct tree_node *node)
{
    return node == NULL ? 0 : node->height;
}

static void check_node(const struct tree_node *node)
{
    uint32_t highest = 0;
    uint32_t lowest = UINT32_MAX;
    uint64_t largest = node->value;

    for (int side = 0; side < 2; side++) {
        const struct tree_node *child = node->children[side];

        highest = height(child) > highest ? height(child) : highest;
        lowest = height(child) < lowest ? height(child) : lowest;
        if (child != NULL) {
            assert_ptr_equal(child->parent, node);
            assert_true(side == 0 ? child->key < node->key : child->key > node->key);
            largest = child->largest > largest ? child->largest : largest;
        }
    }
    assert_true(highest - lowest <= 1);
    assert_int_equal(node->height, highest + 1);
    assert_int_equal(node->largest, largest);
}

/* In order from both ends: exactly the items that are in. */
static void check_order(void)
{
    const struct tree_node *up = tree_first(&tree);
    const struct tree_node *down = tree_last(&tree);

    for (size_t i = 0; i < ITEMS; i++) {
        if (items[i].is_in) {
            assert_ptr_equal(up, &items[i].node);
            check_node(up);
            up = tree_next(up);
        }
        if (items[ITEMS - 1 - i].is_in) {
            assert_ptr_equal(down, &items[ITEMS - 1 - i].node);
            down = tree_previous(down);
        }
    }
    assert_null(up);
    assert_null(down);
}

/* --- searches --------------------------------------------------------------------------------- */

static const struct tree_node *model_floor_with(uint64_t key, uint64_t least)
{
    for (size_t i = ITEMS; i-- > 0;) {
        if (items[i].is_in && items[i].node.key <= key && items[i].node.value >= least) {
            return &items[i].node;
        }
    }
    return NULL;
}

static const struct tree_node *model_ceiling(uint64_t key)
{
    for (size_t i = 0; i < ITEMS; i++) {
        if (items[i].is_in && items[i].node.key >= key) {
            return &items[i].node;
        }
    }
    return NULL;
}

static void check_searches(uint64_t key, uint64_t least)
{
    assert_ptr_equal(tree_floor(&tree, key), model_floor_with(key, 0));
    assert_ptr_equal(tree_ceiling(&tree, key), model_ceiling(key));
    assert_ptr_equal(tree_floor_with(&tree, key, least), model_floor_with(key, least));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void an_empty_tree_finds_nothing(void **state)
{
    (void)state;
    start();
    assert_null(tree_first(&tree));
    assert_null(tree_last(&tree));
    check_searches(0, 0);
    check_searches(UINT64_MAX, 0);
}

static void one_node_is_found_from_both_sides(void **state)
{
    (void)state;
    start();
    put(&items[3], 7);
    for (uint64_t key = 34; key <= 36; key++) {
        check_searches(key, 7);
        check_searches(key, 8);
    }
    check_order();
    tree_remove(&tree, &items[3].node);
    assert_null(tree.root);
}

static void rising_and_falling_keys_stay_balanced(void **state)
{
    (void)state;
    for (int falling = 0; falling < 2; falling++) {
        start();
        for (size_t i = 0; i < ITEMS; i++) {
            put(&items[falling ? ITEMS - 1 - i : i], i);
            check_order();
        }
    }
}

static void a_key_may_change_within_its_order(void **state)
{
    (void)state;
    start();
    put(&items[1], 1);
    put(&items[2], 1);
    items[2].node.key = 16;
    assert_ptr_equal(tree_floor(&tree, 20), &items[2].node);
    assert_ptr_equal(tree_ceiling(&tree, 16), &items[2].node);
    check_order();
}

static void any_sequence_agrees_with_an_array(void **state)
{
    uint64_t seed = random_start();

    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    start();
    for (uint64_t step = 0; step < 20000; step++) {
        struct item *item = &items[random_below(ITEMS)];

        if (!item->is_in) {
            put(item, random_below(50));
        } else if (random_below(3) == 0) {
            tree_set_value(&item->node, random_below(50));
        } else {
            tree_remove(&tree, &item->node);
            item->is_in = false;
        }
        check_searches(random_below(10 * ITEMS + 20), random_below(55));
        if (step % 16 == 0) {
            check_order();
        }
    }
}

/* Height is at most 1.4405 log2(n + 2): so searches of twice as many nodes grow by a step or two.
 */
static void copies_in_the_order_of_parents_make_the_same_tree(void **state)
{
    static struct tree_node copies[ITEMS];
    struct tree copy = {.root = NULL};
    uint32_t count = 0;

    (void)state;
    start();
    for (uint32_t i = 0; i < ITEMS; i += 3) {
        put(&items[(i * 7) % ITEMS], i);
    }
    for (const struct tree_node *node = tree.root; node != NULL; node = tree_next_below(node)) {
        tree_insert_copy(&copy, &copies[count++], node);
    }
    assert_int_equal(count, ITEMS / 3);
    check_node(copy.root);
    for (const struct tree_node *a = tree_first(&tree), *b = tree_first(&copy);
         a != NULL || b != NULL; a = tree_next(a), b = tree_next(b)) {
        assert_true(a != NULL && b != NULL);
        assert_true(a->key == b->key && a->value == b->value && a->largest == b->largest);
        assert_int_equal(a->height, b->height);
    }
}

static void height_grows_with_the_logarithm(void **state)
{
    const size_t count = 1U << 17;
    struct tree_node *nodes = calloc(count, sizeof *nodes);
    struct tree large = {.root = NULL};

    (void)state;
    assert_non_null(nodes);
    for (size_t i = 0; i < count; i++) {
        nodes[i].key = i;
        nodes[i].value = i == 77 ? 9 : 1;
        tree_insert(&large, &nodes[i]);
        if ((i & (i + 1)) == 0) {
            uint32_t bits = 64 - (uint32_t)__builtin_clzll(i + 2);

            assert_true(large.root->height <= bits * 3 / 2);
        }
    }
    assert_ptr_equal(tree_floor_with(&large, UINT64_MAX, 9), &nodes[77]);
    for (size_t i = 0; i < count; i += 2) {
        tree_remove(&large, &nodes[i]);
    }
    assert_true(large.root->height <= 24);
    free(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_tree_finds_nothing),
        cmocka_unit_test(one_node_is_found_from_both_sides),
        cmocka_unit_test(rising_and_falling_keys_stay_balanced),
        cmocka_unit_test(a_key_may_change_within_its_order),
        cmocka_unit_test(any_sequence_agrees_with_an_array),
        cmocka_unit_test(copies_in_the_order_of_parents_make_the_same_tree),
        cmocka_unit_test(height_grows_with_the_logarithm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
