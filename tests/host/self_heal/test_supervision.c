/* Supervision: who is restarted with whom, rule by rule and beside a model. */
#include <core/self_heal/supervision.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <tests/host/random.h>

#define TREES       300U
#define SOAK_TREES  30000U
#define DEATHS      300U
#define SECOND      1000000000ULL
#define UNLIMITED   SUPERVISION_UNLIMITED
#define ONE_FOR_ONE SUPERVISION_ONE_FOR_ONE

static struct supervision_tree tree;
static struct supervision_verdict verdict;

static uint32_t group(uint32_t parent, const char *name, enum supervision_strategy strategy,
                      uint32_t intensity)
{
    uint32_t node = SUPERVISION_NONE;

    assert_int_equal(
        supervision_add_group(&tree, parent, name, strategy, intensity, 10 * SECOND, &node), HX_OK);
    return node;
}

static uint32_t member(uint32_t parent, const char *name)
{
    uint32_t node = SUPERVISION_NONE;

    assert_int_equal(supervision_add_member(&tree, parent, name, &node), HX_OK);
    return node;
}

/* Names of who is restarted, with blanks between; "!" before them if it is beyond. */
static const char *restarted(const char *dead, uint64_t now_ns)
{
    static char names[SUPERVISION_NODES_MAX * SUPERVISION_NAME_MAX + 2];

    supervision_died(&tree, supervision_find(&tree, dead), now_ns, &verdict);
    (void)snprintf(names, sizeof(names), "%s", verdict.is_beyond ? "!" : "");
    for (uint32_t i = 0; i < verdict.count; i++) {
        size_t length = strlen(names);

        (void)snprintf(names + length, sizeof(names) - length, "%s%s", i == 0 ? "" : " ",
                       tree.nodes[verdict.members[i]].name);
    }
    return names;
}

/*
 * system: log, storage (a b c), network (x, drivers (d e), y), clock
 * Of what is between, some is added late: the order of the tree counts, not that of adding.
 */
static void plant(enum supervision_strategy strategy, uint32_t intensity)
{
    uint32_t storage;
    uint32_t network;
    uint32_t drivers;

    assert_int_equal(supervision_init(&tree, UNLIMITED, 10 * SECOND), HX_OK);
    (void)member(SUPERVISION_ROOT, "log");
    storage = group(SUPERVISION_ROOT, "storage", strategy, intensity);
    network = group(SUPERVISION_ROOT, "network", strategy, intensity);
    (void)member(network, "x");
    drivers = group(network, "drivers", strategy, intensity);
    (void)member(network, "y");
    (void)member(SUPERVISION_ROOT, "clock");
    (void)member(drivers, "d");
    (void)member(drivers, "e");
    (void)member(storage, "a");
    (void)member(storage, "b");
    (void)member(storage, "c");
}

/* SPEC: H7 */
static void one_for_one_restarts_the_one_that_died(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE, UNLIMITED);
    assert_string_equal(restarted("a", 0), "a");
    assert_string_equal(restarted("b", 0), "b");
    assert_string_equal(restarted("log", 0), "log");
    assert_string_equal(restarted("e", 0), "e");
    assert_int_equal(verdict.group, supervision_find(&tree, "drivers"));
}

/* SPEC: H7 */
static void one_for_all_restarts_the_group(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ALL, UNLIMITED);
    assert_string_equal(restarted("b", 0), "a b c");
    assert_string_equal(restarted("y", 0), "x d e y");
    assert_string_equal(restarted("d", 0), "d e");
    assert_string_equal(restarted("clock", 0), "clock");
}

/* SPEC: H7 */
static void rest_for_one_restarts_those_that_came_after(void **unused)
{
    (void)unused;
    plant(SUPERVISION_REST_FOR_ONE, UNLIMITED);
    assert_string_equal(restarted("a", 0), "a b c");
    assert_string_equal(restarted("b", 0), "b c");
    assert_string_equal(restarted("c", 0), "c");
    assert_string_equal(restarted("x", 0), "x d e y");
    assert_string_equal(restarted("y", 0), "y");
    assert_string_equal(restarted("e", 0), "e");
}

/* SPEC: H7 */
static void a_group_whose_intensity_is_passed_dies_in_its_parents_eyes(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE, 2);
    assert_string_equal(restarted("d", 0), "d");
    assert_string_equal(restarted("e", 1 * SECOND), "e");
    assert_string_equal(restarted("d", 2 * SECOND), "d e"); /* the group's first death */
    assert_int_equal(verdict.group, supervision_find(&tree, "network"));
    assert_string_equal(restarted("d", 3 * SECOND), "d"); /* its intensity began anew */
    assert_string_equal(restarted("d", 3 * SECOND), "d");
    assert_string_equal(restarted("d", 3 * SECOND), "d e"); /* its second */
    assert_string_equal(restarted("x", 4 * SECOND),
                        "x d e y"); /* the third of network's children */
    assert_int_equal(verdict.group, SUPERVISION_ROOT);
    assert_string_equal(restarted("a", 4 * SECOND), "a");
}

/* SPEC: H7 */
static void the_window_of_intensity_slides(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE, 2);
    assert_string_equal(restarted("a", 1 * SECOND), "a");
    assert_string_equal(restarted("b", 8 * SECOND), "b");
    assert_string_equal(restarted("a", 11 * SECOND + 1), "a"); /* the first is out */
    assert_string_equal(restarted("a", 18 * SECOND), "a b c"); /* the second just not */
    plant(SUPERVISION_ONE_FOR_ONE, 0);
    assert_string_equal(restarted("a", 0), "a b c");
}

/* SPEC: H7 */
static void a_group_that_is_restarted_by_its_parent_begins_anew(void **unused)
{
    uint32_t both;
    uint32_t inner;

    (void)unused;
    assert_int_equal(supervision_init(&tree, UNLIMITED, 0), HX_OK);
    both = group(SUPERVISION_ROOT, "both", SUPERVISION_ONE_FOR_ALL, UNLIMITED);
    inner = group(both, "inner", SUPERVISION_ONE_FOR_ONE, 1);
    (void)member(both, "a");
    (void)member(inner, "b");
    assert_string_equal(restarted("b", 0), "b");
    assert_string_equal(restarted("a", 0), "b a");
    assert_string_equal(restarted("b", 0), "b");
    assert_string_equal(restarted("b", 0), "b a");
}

/* SPEC: H7 */
static void what_the_root_cannot_bear_is_beyond(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE, 0);
    tree.nodes[SUPERVISION_ROOT].intensity = 1;
    assert_string_equal(restarted("b", 0), "a b c");
    assert_string_equal(restarted("e", 0), "!log a b c x d e y clock");
    assert_string_equal(restarted("e", 0), "x d e y"); /* all of it began anew */
}

/* SPEC: H7 */
static void what_cannot_be_added_is_refused_and_changes_nothing(void **unused)
{
    static struct supervision_tree before;
    uint32_t node = 77;

    (void)unused;
    assert_int_equal(supervision_init(&tree, 17, 0), HX_ERANGE);
    plant(SUPERVISION_ONE_FOR_ONE, 16);
    before = tree;
    assert_int_equal(supervision_add_member(&tree, 0, "", &node), HX_EINVAL);
    assert_int_equal(supervision_add_member(&tree, 0, "a-name-of-24-characters-", &node),
                     HX_EINVAL);
    assert_int_equal(supervision_add_member(&tree, 1, "new", &node), HX_EINVAL);
    assert_int_equal(supervision_add_member(&tree, tree.count, "new", &node), HX_EINVAL);
    assert_int_equal(supervision_add_member(&tree, SUPERVISION_NONE, "new", &node), HX_EINVAL);
    assert_int_equal(supervision_add_member(&tree, 0, "a", &node), HX_EEXIST);
    assert_int_equal(supervision_add_group(&tree, 0, "system", ONE_FOR_ONE, 1, 1, &node),
                     HX_EEXIST);
    assert_int_equal(supervision_add_group(&tree, 0, "new", ONE_FOR_ONE, 17, 1, &node), HX_ERANGE);
    assert_memory_equal(&tree, &before, sizeof(tree));
    assert_int_equal(node, 77);
    assert_int_equal(supervision_find(&tree, "new"), SUPERVISION_NONE);
    assert_int_equal(supervision_add_member(&tree, 0, "a-name-of-23-characters", &node), HX_OK);
}

/* SPEC: H7 */
static void a_full_tree_is_walked_to_its_end(void **unused)
{
    uint32_t parent = SUPERVISION_ROOT;
    char name[8];

    (void)unused;
    assert_int_equal(supervision_init(&tree, 0, 0), HX_OK);
    for (unsigned i = 1; i < SUPERVISION_NODES_MAX - 1; i++) {
        (void)snprintf(name, sizeof(name), "n%u", i);
        parent = group(parent, name, SUPERVISION_REST_FOR_ONE, 0);
    }
    (void)member(parent, "leaf");
    assert_int_equal(tree.count, SUPERVISION_NODES_MAX);
    assert_int_equal(supervision_add_member(&tree, 0, "more", &parent), HX_ENOSPC);
    assert_string_equal(restarted("leaf", 0), "!leaf");
}

/* SPEC: H7 */
static void strategies_have_names(void **unused)
{
    (void)unused;
    assert_string_equal(supervision_strategy_name(SUPERVISION_ONE_FOR_ONE), "one_for_one");
    assert_string_equal(supervision_strategy_name(SUPERVISION_ONE_FOR_ALL), "one_for_all");
    assert_string_equal(supervision_strategy_name(SUPERVISION_REST_FOR_ONE), "rest_for_one");
}

/* --- the model: children by pointer, and a recursion ------------------------------------------ */

struct model {
    struct model *parent;
    struct model *children[SUPERVISION_NODES_MAX];
    unsigned child_count;
    bool is_group;
    enum supervision_strategy strategy;
    uint32_t intensity;
    uint64_t window_ns;
    uint64_t deaths_ns[DEATHS + 1]; /* all since it was restarted as a whole */
    unsigned death_count;
    bool is_to_be_restarted;
};

static struct model models[SUPERVISION_NODES_MAX];

static void mark(struct model *node)
{
    node->is_to_be_restarted = true;
    node->death_count = 0;
    for (unsigned i = 0; i < node->child_count; i++) {
        mark(node->children[i]);
    }
}

static bool is_too_much(struct model *node, uint64_t now_ns)
{
    unsigned recent = 0;

    node->deaths_ns[node->death_count++] = now_ns;
    for (unsigned i = 0; i < node->death_count; i++) {
        recent += node->deaths_ns[i] + node->window_ns >= now_ns ? 1 : 0;
    }
    return node->intensity != UNLIMITED && recent > node->intensity;
}

/* Returns whether it is beyond. */
static bool model_died(struct model *dead, uint64_t now_ns)
{
    struct model *parent = dead->parent;
    bool is_after = false;

    if (parent == NULL) {
        mark(dead);
        return true;
    }
    if (is_too_much(parent, now_ns)) {
        return model_died(parent, now_ns);
    }
    for (unsigned i = 0; i < parent->child_count; i++) {
        struct model *child = parent->children[i];

        is_after |= child == dead;
        if (child == dead || parent->strategy == SUPERVISION_ONE_FOR_ALL ||
            (is_after && parent->strategy == SUPERVISION_REST_FOR_ONE)) {
            mark(child);
        }
    }
    return false;
}

/* Compare the marked members, in the tree's order, with the verdict from a place on; clears them.
 */
static unsigned expect_marked(struct model *node, unsigned place)
{
    if (!node->is_group && node->is_to_be_restarted) {
        assert_true(place < verdict.count);
        assert_int_equal(verdict.members[place], node - models);
        place++;
    }
    node->is_to_be_restarted = false;
    for (unsigned i = 0; i < node->child_count; i++) {
        place = expect_marked(node->children[i], place);
    }
    return place;
}

static uint32_t random_intensity(void)
{
    return random_below(6) == 0 ? UNLIMITED : (uint32_t)random_below(6);
}

static void set_model(uint32_t node, struct model *parent)
{
    const struct supervision_node *from = &tree.nodes[node];

    models[node] = (struct model){.parent = parent,
                                  .is_group = from->is_group,
                                  .strategy = from->strategy,
                                  .intensity = from->intensity,
                                  .window_ns = from->window_ns};
    if (parent != NULL) {
        parent->children[parent->child_count++] = &models[node];
    }
}

static uint32_t random_group(void)
{
    uint32_t node;

    do {
        node = (uint32_t)random_below(tree.count);
    } while (!tree.nodes[node].is_group);
    return node;
}

static void plant_random(void)
{
    uint32_t size = (uint32_t)(2 + random_below(SUPERVISION_NODES_MAX - 1));

    assert_int_equal(supervision_init(&tree, random_intensity(), random_below(20)), HX_OK);
    set_model(SUPERVISION_ROOT, NULL);
    for (uint32_t i = 1; i < size; i++) {
        uint32_t parent = random_group();
        uint32_t node;
        char name[8];

        (void)snprintf(name, sizeof(name), "n%u", i);
        if (random_below(3) == 0 && i + 1 < size) {
            assert_int_equal(supervision_add_group(&tree, parent, name,
                                                   (enum supervision_strategy)random_below(3),
                                                   random_intensity(), random_below(40), &node),
                             HX_OK);
        } else {
            assert_int_equal(supervision_add_member(&tree, parent, name, &node), HX_OK);
        }
        set_model(node, &models[parent]);
    }
}

/* Returns how many verdicts were not of the member's own group. */
static unsigned kill_at_random(void)
{
    uint64_t now = 0;
    unsigned higher = 0;

    for (unsigned i = 0; i < DEATHS; i++) {
        uint32_t dead;
        bool is_beyond;

        do {
            dead = (uint32_t)random_below(tree.count);
        } while (tree.nodes[dead].is_group);
        now += random_below(4);
        supervision_died(&tree, dead, now, &verdict);
        is_beyond = model_died(&models[dead], now);
        assert_int_equal(verdict.is_beyond, is_beyond);
        assert_int_equal(expect_marked(&models[SUPERVISION_ROOT], 0), verdict.count);
        higher += verdict.group != tree.nodes[dead].parent ? 1 : 0;
    }
    return higher;
}

/* SPEC: H7 */
static void random_trees_are_restarted_as_a_model_says(void **unused)
{
    unsigned trees = getenv("HELIX_SOAK") != NULL ? SOAK_TREES : TREES;
    unsigned higher = 0;

    (void)unused;
    print_message("# seed %llu, %u trees\n", (unsigned long long)random_start(), trees);
    for (unsigned i = 0; i < trees; i++) {
        plant_random();
        higher += kill_at_random();
    }
    assert_true(higher > trees);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_for_one_restarts_the_one_that_died),
        cmocka_unit_test(one_for_all_restarts_the_group),
        cmocka_unit_test(rest_for_one_restarts_those_that_came_after),
        cmocka_unit_test(a_group_whose_intensity_is_passed_dies_in_its_parents_eyes),
        cmocka_unit_test(the_window_of_intensity_slides),
        cmocka_unit_test(a_group_that_is_restarted_by_its_parent_begins_anew),
        cmocka_unit_test(what_the_root_cannot_bear_is_beyond),
        cmocka_unit_test(what_cannot_be_added_is_refused_and_changes_nothing),
        cmocka_unit_test(a_full_tree_is_walked_to_its_end),
        cmocka_unit_test(strategies_have_names),
        cmocka_unit_test(random_trees_are_restarted_as_a_model_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
