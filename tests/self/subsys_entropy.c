/*
 * The source of entropy: asked each time that the generator is keyed, exchanged while numbers are
 * drawn, dead, lying and not there: there are random numbers all the time.
 */
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/gate/gate.h>
#include <helix/entropy.h>
#include <subsys/modules/modules.h>
#include <subsys/random/entropy_source.h>
#include <subsys/random/random.h>
#include <tests/self/crew.h>
#include <tests/self/module_slot.h>
#include <tests/self/selftest.h>
#include <tests/self/suites.h>

#define TEST(function) "subsys_entropy." #function, function

static const struct swap_options no_trial = {.drain_limit_ns = CREW_PATIENCE_NS};
static const struct hx_module_version version_1_0 = {.major = 1, .minor = 0};
static const struct hx_module_version version_1_1 = {.major = 1, .minor = 1};

/* As it is after the start. */
static void restore(struct slot *slot)
{
    module_slot_empty(slot);
    EXPECT_EQUAL(modules_reload(SUBJECT_KERNEL, slot, HAL_GATE_OPEN), HX_OK);
    random_rekey();
}

static uint64_t number(struct slot *slot, uint64_t index)
{
    struct hal_gate_result result = gate_call(slot, ENTROPY_NUMBER, index, 0, 0, 0);

    EXPECT_EQUAL(result.error, HX_OK);
    return result.value;
}

/* --- random numbers, as the kernel uses them -------------------------------------------------- */

struct key {
    uint64_t words[8];
};

/* A request of a key of its own, after the generator was keyed. */
static struct key keyed_anew(void)
{
    struct random_stream stream;
    struct key key;

    random_rekey();
    random_stream_init(&stream);
    random_stream_fill(&stream, &key, sizeof(key));
    random_stream_fini(&stream);
    return key;
}

/* No two words of the two are the same: that would be an accident of one in 2^57. */
static bool are_unlike(const struct key *a, const struct key *b)
{
    for (unsigned i = 0; i < HX_ARRAY_SIZE(a->words); i++) {
        for (unsigned j = 0; j < HX_ARRAY_SIZE(b->words); j++) {
            if (a->words[i] == b->words[j]) {
                return false;
            }
        }
    }
    return true;
}

static void expect_random_numbers(void)
{
    struct key first = keyed_anew();
    struct key second = keyed_anew();

    EXPECT(are_unlike(&first, &second));
}

/* --- the tests -------------------------------------------------------------------------------- */

static void check_asked(enum hal_gate_backend backend)
{
    struct slot *slot = module_slot_begin("entropy", "entropy", NULL, backend, &no_trial);

    EXPECT_EQUAL(number(slot, HX_ENTROPY_DRAWS), 0);
    expect_random_numbers();
    EXPECT_EQUAL(number(slot, HX_ENTROPY_DRAWS), 2 * ENTROPY_SOURCE_WORDS);
    EXPECT_EQUAL(number(slot, HX_ENTROPY_FAILURES), 0);
    EXPECT(gate_call(slot, ENTROPY_DRAW, 0, 0, 0, 0).value !=
           gate_call(slot, ENTROPY_DRAW, 0, 0, 0, 0).value);
    restore(slot);
}

/* SPEC: R6 */
static void the_source_is_asked_each_time_the_generator_is_keyed_behind_the_open_gate(void)
{
    check_asked(HAL_GATE_OPEN);
}

/* SPEC: R6 */
static void the_source_is_asked_each_time_the_generator_is_keyed_behind_the_user_gate(void)
{
    check_asked(HAL_GATE_USER);
}

/* SPEC: R6 */
static void without_a_source_there_are_random_numbers_too(void)
{
    struct slot *slot = module_slot_begin("entropy", "entropy", NULL, HAL_GATE_OPEN, &no_trial);

    module_slot_empty(slot);
    expect_random_numbers();
    restore(slot);
}

/* SPEC: R5 */
static void draws_are_counted_on_from_version_to_version(void)
{
    struct slot *slot =
        module_slot_begin("entropy", "entropy", &version_1_1, HAL_GATE_OPEN, &no_trial);

    expect_random_numbers();
    module_slot_put(slot, "entropy", &version_1_0);
    expect_random_numbers();
    EXPECT_EQUAL(number(slot, HX_ENTROPY_DRAWS), 4 * ENTROPY_SOURCE_WORDS);
    module_slot_put(slot, "entropy", &version_1_1);
    expect_random_numbers();
    EXPECT_EQUAL(number(slot, HX_ENTROPY_DRAWS), 6 * ENTROPY_SOURCE_WORDS);
    restore(slot);
}

/* --- lies ------------------------------------------------------------------------------------- */

static void tell(struct slot *slot, enum hx_entropy_lie lie)
{
    (void)number(slot, HX_ENTROPY_LIE | (uint64_t)lie);
}

struct search {
    const char *name;
    bool is_healthy;
};

static void look(const struct component *component, void *argument)
{
    struct search *search = argument;

    if (string_equal(component->name, search->name)) {
        search->is_healthy = component_is_healthy(component);
    }
}

static bool is_random_healthy(void)
{
    struct search search = {.name = "random"};

    component_for_each(look, &search);
    return search.is_healthy;
}

static void check_death(enum hal_gate_backend backend, enum hx_entropy_lie lie)
{
    struct slot *slot = module_slot_begin("entropy", "entropy_liar", NULL, backend, &no_trial);
    uint64_t deaths = modules_content_of(slot).deaths;

    tell(slot, lie);
    expect_random_numbers();
    EXPECT_EQUAL(modules_content_of(slot).deaths, deaths + 1);
    EXPECT(!modules_content_of(slot).is_filled);
    expect_random_numbers();
    restore(slot);
}

/* SPEC: R6 */
static void a_source_that_lies_or_traps_dies_and_takes_no_randomness_along(void)
{
    check_death(HAL_GATE_OPEN, HX_ENTROPY_LIE_TOO_GOOD);
    check_death(HAL_GATE_OPEN, HX_ENTROPY_LIE_TRAP);
}

/* SPEC: R6 */
static void an_unprivileged_source_that_lies_or_traps_dies_too(void)
{
    check_death(HAL_GATE_USER, HX_ENTROPY_LIE_TOO_GOOD);
    check_death(HAL_GATE_USER, HX_ENTROPY_LIE_TRAP);
}

/* It gives the same word for ever: that adds nothing, and takes nothing. */
static void a_source_that_says_that_it_does_not_work_makes_the_component_ill(void)
{
    struct slot *slot =
        module_slot_begin("entropy", "entropy_liar", NULL, HAL_GATE_OPEN, &no_trial);

    expect_random_numbers();
    EXPECT(is_random_healthy());
    tell(slot, HX_ENTROPY_LIE_BROKEN);
    expect_random_numbers();
    EXPECT(!is_random_healthy());
    tell(slot, HX_ENTROPY_LIE_NONE);
    expect_random_numbers();
    EXPECT(is_random_healthy());
    restore(slot);
}

/* --- swaps ------------------------------------------------------------------------------------ */

#define USERS 4U

static struct crew crew;
static _Atomic bool shall_stop;
static _Atomic uint32_t wrong;

static void draw_on(void *argument)
{
    (void)argument;
    while (!atomic_load_explicit(&shall_stop, memory_order_relaxed)) {
        struct key first = keyed_anew();
        struct key second = keyed_anew();

        if (!are_unlike(&first, &second)) {
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        }
        thread_yield();
    }
}

/* SPEC: R6 */
static void sources_are_exchanged_while_numbers_are_drawn(void)
{
    struct slot *slot =
        module_slot_begin("entropy", "entropy", &version_1_1, HAL_GATE_OPEN, &no_trial);
    uint32_t wanted = command_line_has(kernel_command_line(), "soak") ? 10000U : 100U;

    atomic_store_explicit(&shall_stop, false, memory_order_relaxed);
    atomic_store_explicit(&wrong, 0, memory_order_relaxed);
    crew_open(&crew);
    for (unsigned i = 0; i < USERS; i++) {
        (void)crew_start(&crew, draw_on, NULL, 0);
    }
    for (uint32_t i = 0; i < wanted; i++) {
        module_slot_put(slot, "entropy", i % 2 == 0 ? &version_1_0 : &version_1_1);
    }
    atomic_store_explicit(&shall_stop, true, memory_order_relaxed);
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    restore(slot);
}

const struct selftest subsys_entropy_tests[] = {
    {TEST(the_source_is_asked_each_time_the_generator_is_keyed_behind_the_open_gate), 0},
    {TEST(the_source_is_asked_each_time_the_generator_is_keyed_behind_the_user_gate),
     SELFTEST_METAL_ONLY},
    {TEST(without_a_source_there_are_random_numbers_too), 0},
    {TEST(draws_are_counted_on_from_version_to_version), 0},
    {TEST(a_source_that_lies_or_traps_dies_and_takes_no_randomness_along),
     SELFTEST_NEEDS_ENTROPY_LIAR},
    {TEST(an_unprivileged_source_that_lies_or_traps_dies_too),
     SELFTEST_METAL_ONLY | SELFTEST_NEEDS_ENTROPY_LIAR},
    {TEST(a_source_that_says_that_it_does_not_work_makes_the_component_ill),
     SELFTEST_NEEDS_ENTROPY_LIAR},
    {TEST(sources_are_exchanged_while_numbers_are_drawn), 0},
    {0},
};
