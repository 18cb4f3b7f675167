/* base/pairing_heap.h against a plain array. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <base/pairing_heap.h>
#include <stdbool.h>
#include <stdlib.h>
#include <tests/host/random.h>

#define NODES 256U

struct item {
    struct heap_node node;
    bool is_in;
};

/* The whole structure: keys in order, links both ways, every node once. Returns the nodes seen. */
static size_t check_links(const struct pairing_heap *heap)
{
    const struct heap_node *stack[NODES + 1];
    size_t depth = 0;
    size_t seen = 0;

    if (heap->root != NULL) {
        assert_null(heap->root->prev);
        assert_null(heap->root->sibling);
        stack[depth++] = heap->root;
    }
    while (depth > 0) {
        const struct heap_node *parent = stack[--depth];
        const struct heap_node *before = parent;

        seen++;
        for (const struct heap_node *child = parent->child; child != NULL; child = child->sibling) {
            assert_ptr_equal(child->prev, before);
            assert_true(child->key >= parent->key);
            assert_true(depth < NODES);
            stack[depth++] = child;
            before = child;
        }
    }
    return seen;
}

static void check_against(const struct pairing_heap *heap, const struct item *items, uint64_t seed)
{
    const struct heap_node *least = pairing_heap_least(heap);
    size_t count = 0;

    for (size_t i = 0; i < NODES; i++) {
        if (items[i].is_in) {
            count++;
            if (least == NULL || least->key > items[i].node.key) {
                fail_msg("seed %llu: a lesser key exists", (unsigned long long)seed);
            }
        }
    }
    if (check_links(heap) != count) {
        fail_msg("seed %llu: nodes lost or doubled", (unsigned long long)seed);
    }
}

static void an_empty_heap_has_no_least(void **state)
{
    struct pairing_heap heap = {.root = NULL};

    (void)state;
    assert_null(pairing_heap_least(&heap));
}

static void random_inserts_and_removes_keep_the_least_in_front(void **state)
{
    static struct item items[NODES];
    struct pairing_heap heap = {.root = NULL};
    uint64_t seed = random_start();

    (void)state;
    for (unsigned i = 0; i < 30000; i++) {
        struct item *item = &items[random_below(NODES)];

        if (item->is_in) {
            pairing_heap_remove(&heap, &item->node);
        } else {
            /* Few distinct keys, so that there are many equal ones. */
            item->node.key = random_below(i % 3 == 0 ? 8 : UINT64_MAX);
            pairing_heap_insert(&heap, &item->node);
        }
        item->is_in = !item->is_in;
        check_against(&heap, items, seed);
        if (i % 5000 == 4999) {
            while (pairing_heap_least(&heap) != NULL) {
                item = (struct item *)pairing_heap_least(&heap);
                pairing_heap_remove(&heap, &item->node);
                item->is_in = false;
                check_against(&heap, items, seed);
            }
        }
    }
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static void draining_sorts(void **state)
{
    enum { COUNT = 20000 };
    struct heap_node *nodes = calloc(COUNT, sizeof(*nodes));
    uint64_t *keys = calloc(COUNT, sizeof(*keys));
    struct pairing_heap heap = {.root = NULL};
    uint64_t seed = random_start();

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        keys[i] = nodes[i].key = random_any_size();
        pairing_heap_insert(&heap, &nodes[i]);
    }
    qsort(keys, COUNT, sizeof(*keys), compare_keys);
    for (size_t i = 0; i < COUNT; i++) {
        struct heap_node *least = pairing_heap_least(&heap);

        if (least == NULL || least->key != keys[i]) {
            fail_msg("seed %llu: wrong at %zu", (unsigned long long)seed, i);
        }
        pairing_heap_remove(&heap, least);
    }
    assert_null(pairing_heap_least(&heap));
    free(nodes);
    free(keys);
}

/* Rising keys make one parent of all, falling ones a chain: a recursive merge would end the stack.
 */
static void a_million_nodes_in_the_worst_shapes_need_no_stack(void **state)
{
    enum { COUNT = 1000000 };
    struct heap_node *nodes = calloc(COUNT, sizeof(*nodes));

    (void)state;
    for (unsigned falling = 0; falling < 2; falling++) {
        struct pairing_heap heap = {.root = NULL};

        for (size_t i = 0; i < COUNT; i++) {
            nodes[i].key = falling ? COUNT - 1 - i : i;
            pairing_heap_insert(&heap, &nodes[i]);
        }
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(pairing_heap_least(&heap)->key == i);
            pairing_heap_remove(&heap, pairing_heap_least(&heap));
        }
    }
    free(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_heap_has_no_least),
        cmocka_unit_test(random_inserts_and_removes_keep_the_least_in_front),
        cmocka_unit_test(draining_sorts),
        cmocka_unit_test(a_million_nodes_in_the_worst_shapes_need_no_stack),
    };

    return cmocka_run_group_tests_name("base/pairing_heap", tests, NULL, NULL);
}
