/* Supervision: who is restarted with whom, rule by rule, and in trees that are changed at random.
 */
#include <core/self_heal/supervision.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <tests/host/random.h>

#define SECOND      1000000000ULL
#define WINDOW      (10 * SECOND)
#define MEMBERS     8U
#define TREES       200U
#define SOAK_TREES  20000U
#define CHANGES     60U
#define ONE_FOR_ONE SUPERVISION_ONE_FOR_ONE
#define GROUP(name) ((uint8_t)(supervision_find(&tree, name) | SUPERVISION_GROUP))

static struct supervision_tree tree;
static struct supervision_verdict verdict;

/* --- saying it in letters: members are a to h --------------------------------------------------
 */

/* Letters are members; a digit n is the group "gn". */
static hx_err set(const char *name, enum supervision_strategy strategy, const char *children)
{
    uint8_t list[SUPERVISION_CHILDREN_MAX];
    uint32_t count = 0;

    for (; children[count] != '\0'; count++) {
        char group[3] = {'g', children[count], '\0'};

        list[count] = children[count] >= 'a' ? (uint8_t)(children[count] - 'a') : GROUP(group);
    }
    return supervision_set(&tree, name, strategy, list, count);
}

static const char *children_of(const char *name)
{
    static char letters[SUPERVISION_CHILDREN_MAX + 1];
    const struct supervision_group *group = &tree.groups[supervision_find(&tree, name)];

    for (uint32_t i = 0; i < group->child_count; i++) {
        uint32_t child = group->children[i];

        letters[i] = (child & SUPERVISION_GROUP) != 0
                         ? tree.groups[child & ~SUPERVISION_GROUP].name[1]
                         : (char)('a' + child);
    }
    letters[group->child_count] = '\0';
    return letters;
}

/* Who is restarted when a member has died. */
static const char *restarted(char dead, uint32_t borne, uint64_t now_ns)
{
    static char letters[SUPERVISION_MEMBERS_MAX + 1];

    supervision_died(&tree, (uint32_t)(dead - 'a'), borne, WINDOW, now_ns, &verdict);
    for (uint32_t i = 0; i < verdict.count; i++) {
        letters[i] = (char)('a' + verdict.members[i]);
    }
    letters[verdict.count] = '\0';
    return letters;
}

/* system: h, g1 (a, g2 (c b), d), g3 (e f g) */
static void plant(enum supervision_strategy strategy)
{
    supervision_init(&tree);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        supervision_add(&tree, i);
    }
    assert_int_equal(set("g2", strategy, "cb"), HX_OK);
    assert_int_equal(set("g1", strategy, "a2d"), HX_OK);
    assert_int_equal(set("g3", strategy, "efg"), HX_OK);
    assert_string_equal(children_of("system"), "h13");
}

/* --- strategies ------------------------------------------------------------------------------- */

/* SPEC: H7 */
static void one_for_one_restarts_who_died(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE);
    assert_string_equal(restarted('a', 16, 0), "a");
    assert_string_equal(restarted('b', 16, 0), "b");
    assert_int_equal(verdict.group, supervision_find(&tree, "g2"));
    assert_string_equal(restarted('h', 16, 0), "h");
    assert_int_equal(verdict.group, SUPERVISION_ROOT);
}

/* SPEC: H7 */
static void one_for_all_restarts_the_group_in_its_order(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ALL);
    assert_string_equal(restarted('f', 16, 0), "efg");
    assert_string_equal(restarted('b', 16, 0), "cb");
    assert_string_equal(restarted('d', 16, 0), "acbd");
    assert_string_equal(restarted('h', 16, 0), "h");
    assert_int_equal(set("system", SUPERVISION_ONE_FOR_ALL, ""), HX_OK);
    assert_string_equal(restarted('h', 16, 0), "hacbdefg");
}

/* SPEC: H7 */
static void rest_for_one_restarts_who_died_and_those_after_it(void **unused)
{
    (void)unused;
    plant(SUPERVISION_REST_FOR_ONE);
    assert_string_equal(restarted('e', 16, 0), "efg");
    assert_string_equal(restarted('f', 16, 0), "fg");
    assert_string_equal(restarted('g', 16, 0), "g");
    assert_string_equal(restarted('a', 16, 0), "acbd");
    assert_string_equal(restarted('c', 16, 0), "cb");
}

/* --- intensity -------------------------------------------------------------------------------- */

/* SPEC: H7 */
static void a_death_too_many_is_one_of_the_group_itself(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE);
    assert_string_equal(restarted('b', 2, 0), "b");
    assert_string_equal(restarted('c', 2, 1), "c");
    assert_string_equal(restarted('b', 2, 2), "cb"); /* g1 restarts g2 */
    assert_int_equal(verdict.group, supervision_find(&tree, "g1"));
    /* Which then bears as many again. */
    assert_string_equal(restarted('b', 2, 3), "b");
    assert_string_equal(restarted('b', 2, 4), "b");
    assert_string_equal(restarted('b', 2, 5), "cb");
    assert_string_equal(restarted('b', 2, 6), "b");
    assert_string_equal(restarted('b', 2, 7), "b");
    assert_string_equal(restarted('b', 2, 8), "acbd"); /* the third of g1: system restarts it */
    assert_int_equal(verdict.group, SUPERVISION_ROOT);
}

/* SPEC: H7 */
static void deaths_slide_out_of_the_window(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE);
    for (uint64_t i = 0; i < 100; i++) {
        assert_string_equal(restarted('e', 2, i * (WINDOW / 2 + 1)), "e");
    }
    assert_string_equal(restarted('e', 2, 100 * (WINDOW / 2 + 1) - 2), "efg");
}

/* SPEC: H7 */
static void the_topmost_group_bears_all(void **unused)
{
    (void)unused;
    plant(SUPERVISION_ONE_FOR_ONE);
    for (uint64_t i = 0; i < 100; i++) {
        assert_string_equal(restarted('h', 1, i), "h");
    }
}

/* --- changing --------------------------------------------------------------------------------- */

/* SPEC: H7 */
static void who_needs_another_is_behind_it_in_a_group_of_its_name(void **unused)
{
    (void)unused;
    supervision_init(&tree);
    for (uint32_t i = 0; i < 4; i++) {
        supervision_add(&tree, i);
    }
    assert_int_equal(supervision_depend(&tree, 3, 1, "gb"), HX_OK);
    assert_int_equal(supervision_depend(&tree, 0, 1, "gb"), HX_OK);
    assert_int_equal(supervision_depend(&tree, 2, 3, "gd"), HX_OK); /* which is in a group */
    assert_string_equal(children_of("gb"), "bdac");
    assert_string_equal(children_of("system"), "b");
    supervision_add(&tree, 2); /* again: it stays */
    assert_string_equal(children_of("gb"), "bdac");
}

/* SPEC: H7 */
static void children_leave_the_groups_they_were_in(void **unused)
{
    (void)unused;
    plant(ONE_FOR_ONE);
    assert_int_equal(set("g4", ONE_FOR_ONE, "hf"), HX_OK);
    assert_string_equal(children_of("g3"), "eg");
    assert_string_equal(children_of("system"), "134");
    assert_int_equal(set("g3", SUPERVISION_REST_FOR_ONE, "ge"), HX_OK);
    assert_string_equal(children_of("g3"), "ge");
    assert_int_equal(set("g1", ONE_FOR_ONE, "bc"), HX_OK); /* g2 is empty, and goes */
    assert_int_equal(supervision_find(&tree, "g2"), SUPERVISION_NONE);
    assert_string_equal(children_of("system"), "134ad");
    assert_int_equal(supervision_dissolve(&tree, "g4"), HX_OK);
    assert_string_equal(children_of("system"), "13adhf");
}

/* SPEC: H7 */
static void what_makes_no_sense_changes_nothing(void **unused)
{
    static const uint8_t nobody[] = {MEMBERS};
    struct supervision_tree before;

    (void)unused;
    plant(ONE_FOR_ONE);
    memcpy(&before, &tree, sizeof(tree));
    assert_int_equal(set("", ONE_FOR_ONE, "a"), HX_EINVAL);
    assert_int_equal(set("a b", ONE_FOR_ONE, "a"), HX_EINVAL);
    assert_int_equal(set("a-name-of-twenty-four-ch", ONE_FOR_ONE, "a"), HX_EINVAL);
    assert_int_equal(set("g4", ONE_FOR_ONE, ""), HX_EINVAL);
    assert_int_equal(set("system", ONE_FOR_ONE, "a"), HX_EINVAL);
    assert_int_equal(set("g4", ONE_FOR_ONE, "aba"), HX_EINVAL);
    assert_int_equal(set("g4", ONE_FOR_ONE, "1a1"), HX_EINVAL);
    assert_int_equal(set("g2", ONE_FOR_ONE, "b1"), HX_EINVAL); /* g1 is above g2 */
    assert_int_equal(set("g2", ONE_FOR_ONE, "2"), HX_EINVAL);
    assert_int_equal(supervision_set(&tree, "g4", ONE_FOR_ONE, nobody, 1), HX_ENOENT);
    assert_int_equal(set("g4", ONE_FOR_ONE, "9"), HX_ENOENT);
    assert_int_equal(supervision_dissolve(&tree, "g4"), HX_ENOENT);
    assert_int_equal(supervision_dissolve(&tree, "system"), HX_EINVAL);
    assert_int_equal(supervision_depend(&tree, 0, 7, "g3"), HX_EEXIST);
    assert_memory_equal(&before, &tree, sizeof(tree));
}

static void there_is_an_end_of_groups(void **unused)
{
    char name[3] = "ga";

    (void)unused;
    supervision_init(&tree);
    for (uint32_t i = 0; i < SUPERVISION_GROUPS_MAX; i++, name[1]++) {
        supervision_add(&tree, i);
        assert_int_equal(supervision_set(&tree, name, ONE_FOR_ONE, &(uint8_t){(uint8_t)i}, 1),
                         i < SUPERVISION_GROUPS_MAX - 1 ? HX_OK : HX_ENOSPC);
    }
}

/* --- at random -------------------------------------------------------------------------------- */

static void expect_a_tree(void)
{
    uint32_t members = 0;

    for (uint32_t i = 0; i < SUPERVISION_GROUPS_MAX; i++) {
        const struct supervision_group *group = &tree.groups[i];

        for (uint32_t k = 0; group->name[0] != '\0' && k < group->child_count; k++) {
            uint32_t child = group->children[k];
            uint32_t parent = (child & SUPERVISION_GROUP) != 0
                                  ? tree.groups[child & ~SUPERVISION_GROUP].parent
                                  : tree.parent_of[child];

            assert_int_equal(parent, i);
            members += (child & SUPERVISION_GROUP) == 0;
        }
        assert_true(i == SUPERVISION_ROOT || group->name[0] == '\0' || group->child_count > 0);
    }
    assert_int_equal(members, MEMBERS);
}

/* Who died is among them, nobody is twice. */
static void expect_a_verdict(char dead)
{
    const char *letters = restarted(dead, 3, 0);

    assert_non_null(strchr(letters, dead));
    for (const char *letter = letters; *letter != '\0'; letter++) {
        assert_ptr_equal(strchr(letters, *letter), letter);
    }
}

static void change_at_random(void)
{
    static const char all[] = "abcdefgh123456";
    char children[5] = "";
    char name[3] = {'g', (char)('1' + random_below(6)), '\0'};

    for (uint64_t i = 0, count = random_below(sizeof(children)); i < count; i++) {
        children[i] = all[random_below(sizeof(all) - 1)];
    }
    if (random_below(8) == 0) {
        (void)!supervision_dissolve(&tree, name);
    } else {
        (void)!set(name, (enum supervision_strategy)random_below(SUPERVISION_STRATEGY_COUNT),
                   children);
    }
}

/* SPEC: H7 */
static void whatever_is_set_everybody_has_one_place(void **unused)
{
    unsigned trees = getenv("HELIX_SOAK") != NULL ? SOAK_TREES : TREES;
    uint64_t seed = random_start();

    (void)unused;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (uint32_t i = 0; i < trees; i++) {
        plant(ONE_FOR_ONE);
        for (uint32_t k = 0; k < CHANGES; k++) {
            change_at_random();
            expect_a_tree();
            expect_a_verdict((char)('a' + random_below(MEMBERS)));
        }
    }
}

static void a_strategy_has_a_name(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < SUPERVISION_STRATEGY_COUNT; i++) {
        const char *name = supervision_strategy_name((enum supervision_strategy)i);
        enum supervision_strategy strategy = SUPERVISION_STRATEGY_COUNT;

        assert_true(supervision_strategy_parse(name, strlen(name), &strategy));
        assert_int_equal(strategy, i);
        assert_false(supervision_strategy_parse(name, strlen(name) - 1, &strategy));
    }
    assert_string_equal(supervision_strategy_name(SUPERVISION_STRATEGY_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_for_one_restarts_who_died),
        cmocka_unit_test(one_for_all_restarts_the_group_in_its_order),
        cmocka_unit_test(rest_for_one_restarts_who_died_and_those_after_it),
        cmocka_unit_test(a_death_too_many_is_one_of_the_group_itself),
        cmocka_unit_test(deaths_slide_out_of_the_window),
        cmocka_unit_test(the_topmost_group_bears_all),
        cmocka_unit_test(who_needs_another_is_behind_it_in_a_group_of_its_name),
        cmocka_unit_test(children_leave_the_groups_they_were_in),
        cmocka_unit_test(what_makes_no_sense_changes_nothing),
        cmocka_unit_test(there_is_an_end_of_groups),
        cmocka_unit_test(whatever_is_set_everybody_has_one_place),
        cmocka_unit_test(a_strategy_has_a_name),
    };

    return cmocka_run_group_tests_name("self_heal/supervision", tests, NULL, NULL);
}
