/*
 * Ordering, starting, stopping and suspending subsystems, in sets of the tests' own; and
 * components. What is called is noted in a diary, in letters: the test reads it in one breath.
 */
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <kern/thread.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

#define LIMIT_NS  (500 * HAL_NS_PER_MS)
#define TEXT_SIZE 512

/* --- a diary ---------------------------------------------------------------------------------- */

static char diary[64];
static const struct boot_configuration *given; /* to the last init */

static void note(const char *word)
{
    size_t length = string_length(diary);

    (void)string_copy(diary + length, sizeof diary - length, word);
}

static void expect_diary(int line, const char *wanted)
{
    if (!string_equal(diary, wanted)) {
        selftest_fail(__FILE__, line, "the diary says \"%s\", wanted \"%s\"", diary, wanted);
    }
    diary[0] = '\0';
}

#define EXPECT_DIARY(wanted) expect_diary(__LINE__, wanted)

/* Subsystems a, b, c …: init notes "+a", shutdown "-a", suspend "(a", resume ")a". */
#define MEMBER_FUNCTIONS(letter)                                                                   \
    static hx_err letter##_init(const struct boot_configuration *config)                           \
    {                                                                                              \
        given = config;                                                                            \
        note("+" #letter);                                                                         \
        return HX_OK;                                                                              \
    }                                                                                              \
    static hx_err letter##_shutdown(void)                                                          \
    {                                                                                              \
        note("-" #letter);                                                                         \
        return HX_OK;                                                                              \
    }                                                                                              \
    static hx_err letter##_suspend(void)                                                           \
    {                                                                                              \
        note("(" #letter);                                                                         \
        return HX_OK;                                                                              \
    }                                                                                              \
    static hx_err letter##_resume(void)                                                            \
    {                                                                                              \
        note(")" #letter);                                                                         \
        return HX_OK;                                                                              \
    }

MEMBER_FUNCTIONS(a)
MEMBER_FUNCTIONS(b)
MEMBER_FUNCTIONS(c)
MEMBER_FUNCTIONS(d)

#define MEMBER(letter, ...)                                                                        \
    {                                                                                              \
        .name = #letter, .version = "1.0.0",                                                       \
        .dependencies = (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL},                    \
        .init = letter##_init, .shutdown = letter##_shutdown, .suspend = letter##_suspend,         \
        .resume = letter##_resume                                                                  \
    }

/* a needs c and d, c needs d: registered as a, b, c, d they start as b, d, c, a. */
static const struct subsystem knot[] = {
    MEMBER(a, "c", "d"),
    MEMBER(b),
    MEMBER(c, "d"),
    MEMBER(d),
};

static struct subsystem_set set;
static struct subsystem_failure failure;

static void fill_set(const struct subsystem *members, size_t count)
{
    subsystem_id id = 0;

    memset(&set, 0, sizeof set);
    memset(&failure, 0, sizeof failure);
    diary[0] = '\0';
    given = NULL;
    for (size_t i = 0; i < count; i++) {
        EXPECT_EQUAL(subsystem_set_add(&set, &members[i], &id), HX_OK);
        EXPECT_EQUAL(id, i + 1);
    }
}

static void start_knot(void)
{
    fill_set(knot, HX_ARRAY_SIZE(knot));
    EXPECT_EQUAL(subsystem_set_init(&set, kernel_boot_configuration(), &failure), HX_OK);
    EXPECT_DIARY("+b+d+c+a");
}

/* --- registering ------------------------------------------------------------------------------ */

/* SPEC: O1 */
static void a_bad_or_taken_name_is_refused(void)
{
    static const struct subsystem bad[] = {
        {.name = "", .version = "1"},
        {.name = "Big", .version = "1"},
        {.name = "two words", .version = "1"},
        {.name = "a-name-that-is-longer-than-names-may-be", .version = "1"},
        {.name = NULL, .version = "1"},
        {.name = "no-version"},
    };
    subsystem_id id = 77;

    fill_set(knot, HX_ARRAY_SIZE(knot));
    for (size_t i = 0; i < HX_ARRAY_SIZE(bad); i++) {
        EXPECT_EQUAL(subsystem_set_add(&set, &bad[i], &id), HX_EINVAL);
    }
    EXPECT_EQUAL(subsystem_set_add(&set, &knot[2], &id), HX_EEXIST);
    EXPECT_EQUAL(id, 77);
    EXPECT_EQUAL(set.count, HX_ARRAY_SIZE(knot));
}

/* SPEC: O1 */
static void registration_after_the_start_is_refused(void)
{
    uint32_t before = orchestrator_subsystems()->count;
    subsystem_id id = 77;

    EXPECT_EQUAL(orchestrator_register(&knot[1], &id), HX_ESTATE);
    EXPECT_EQUAL(orchestrator_subsystems()->count, before);
    EXPECT_EQUAL(id, 77);
}

/* --- order ------------------------------------------------------------------------------------ */

static const struct subsystem equals[] = {MEMBER(d), MEMBER(a), MEMBER(c), MEMBER(b)};

/* SPEC: O2 S1 */
static void dependencies_come_first_and_equals_keep_their_order(void)
{

    start_knot();
    EXPECT_EQUAL(set.up, HX_ARRAY_SIZE(knot));
    fill_set(equals, HX_ARRAY_SIZE(equals));
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_OK);
    EXPECT_DIARY("+d+a+c+b");
}

/* SPEC: O2 */
static void the_order_of_this_boot_respects_every_dependency(void)
{
    const struct subsystem_set *running = orchestrator_subsystems();

    EXPECT_EQUAL(running->up, running->count);
    for (uint32_t place = 0; place < running->ordered; place++) {
        const char *const *name = running->members[running->order[place]]->dependencies;

        for (; name != NULL && *name != NULL; name++) {
            bool earlier = false;

            for (uint32_t before = 0; before < place; before++) {
                earlier |= string_equal(running->members[running->order[before]]->name, *name);
            }
            EXPECT(earlier);
        }
    }
}

static const struct subsystem ring[] = {MEMBER(d), MEMBER(a, "d", "b"), MEMBER(b, "c"),
                                        MEMBER(c, "a")};

/* SPEC: O3 K6 */
static void a_cycle_is_named_in_order_and_nothing_starts(void)
{

    fill_set(ring, HX_ARRAY_SIZE(ring));
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_ECYCLE);
    EXPECT(string_equal(failure.text, "dependency cycle: a -> b -> c -> a"));
    EXPECT(string_equal(failure.subsystem, "a"));
    EXPECT_DIARY("");
}

static const struct subsystem torn[] = {MEMBER(d), MEMBER(a, "d", "nobody")};

/* SPEC: O3 K6 */
static void a_missing_dependency_names_both_ends_and_nothing_starts(void)
{

    fill_set(torn, HX_ARRAY_SIZE(torn));
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_EMISSING);
    EXPECT(string_matches(failure.text, "*a*nobody*"));
    EXPECT(string_equal(failure.subsystem, "a"));
    EXPECT_DIARY("");
}

/* SPEC: O4 B4 */
static void each_init_gets_the_boot_configuration(void)
{
    const struct boot_configuration *config = kernel_boot_configuration();

    for (size_t i = 0; i < HX_ARRAY_SIZE(knot); i++) {
        const struct subsystem alone = {.name = "alone", .version = "1", .init = knot[i].init};

        fill_set(&alone, 1);
        EXPECT_EQUAL(subsystem_set_init(&set, config, &failure), HX_OK);
        EXPECT_EQUAL((uintptr_t)given, (uintptr_t)config);
    }
}

/* --- failing ---------------------------------------------------------------------------------- */

/* SPEC: O5 O9 */
static void a_failed_init_unwinds_in_reverse_and_is_named(void)
{
    fill_set(knot, HX_ARRAY_SIZE(knot));
    failpoint_arm(3);
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_EIO);
    failpoint_arm(0);
    EXPECT_DIARY("+b+d-d-b");
    EXPECT(string_equal(failure.subsystem, "c"));
    EXPECT_EQUAL(set.up, 0);
}

static hx_err fail_to_stop(void)
{
    note("!");
    return HX_EBUSY;
}

static _Atomic bool hangs;

static hx_err hang(void)
{
    note("~");
    while (hangs) {
        thread_sleep(HAL_NS_PER_MS);
    }
    return HX_OK;
}

/* SPEC: O6 K6 */
static void one_failing_and_one_hanging_shutdown_do_not_stop_the_others(void)
{
    struct subsystem members[] = {MEMBER(a), MEMBER(b), MEMBER(c), MEMBER(d)};

    members[1].shutdown = hang;
    members[2].shutdown = fail_to_stop;
    hangs = true;
    fill_set(members, HX_ARRAY_SIZE(members));
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_OK);
    EXPECT_DIARY("+a+b+c+d");
    EXPECT_EQUAL(subsystem_set_shutdown(&set, LIMIT_NS, &failure), HX_EBUSY);
    EXPECT_DIARY("-d!~-a");
    EXPECT(string_equal(failure.subsystem, "c"));
    EXPECT(string_matches(failure.text, "*shutdown of c failed*HX_EBUSY*"));
    EXPECT_EQUAL(set.failures, 2);
    hangs = false;
}

/* --- suspending ------------------------------------------------------------------------------- */

/* SPEC: O7 S1 */
static void suspend_runs_in_reverse_and_resume_in_order(void)
{
    start_knot();
    EXPECT_EQUAL(subsystem_set_suspend(&set, &failure), HX_OK);
    EXPECT_DIARY("(a(c(d(b");
    EXPECT_EQUAL(subsystem_set_resume(&set, &failure), HX_OK);
    EXPECT_DIARY(")b)d)c)a");
    EXPECT_EQUAL(subsystem_set_shutdown(&set, LIMIT_NS, &failure), HX_OK);
    EXPECT_DIARY("-a-c-d-b");
}

/* SPEC: O7 O9 */
static void a_failed_suspend_resumes_those_already_suspended(void)
{
    start_knot();
    failpoint_arm(3);
    EXPECT_EQUAL(subsystem_set_suspend(&set, &failure), HX_EIO);
    failpoint_arm(0);
    EXPECT_DIARY("(a(c)c)a");
    EXPECT(string_equal(failure.subsystem, "d"));
}

/* SPEC: S1 */
static void a_subsystem_without_operations_does_by_default(void)
{
    static const struct subsystem plain = {.name = "plain", .version = "1"};

    fill_set(&plain, 1);
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_OK);
    EXPECT_EQUAL(subsystem_set_suspend(&set, &failure), HX_OK);
    EXPECT_EQUAL(subsystem_set_resume(&set, &failure), HX_OK);
    EXPECT(subsystem_is_healthy(&plain));
    EXPECT_EQUAL(subsystem_set_shutdown(&set, LIMIT_NS, &failure), HX_OK);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* SPEC: O8 */
static void order_and_graph_can_be_read(void)
{
    char text[TEXT_SIZE];

    start_knot();
    EXPECT(subsystem_set_text(&set, text, sizeof text) < sizeof text);
    EXPECT(string_equal(text, "1 b 1.0.0\n2 d 1.0.0\n3 c 1.0.0 <- d\n4 a 1.0.0 <- c d\n"));
    EXPECT(subsystem_set_dot(&set, text, sizeof text) < sizeof text);
    EXPECT(string_matches(text, "digraph*\"a\" -> \"c\";*\"a\" -> \"d\";*}\n"));
    EXPECT(string_matches(text, "*\"c\" -> \"d\";*"));
}

/* --- components ------------------------------------------------------------------------------- */

static unsigned inits;
static bool is_well;

static hx_err component_init(void)
{
    inits++;
    return HX_OK;
}

static void component_shutdown(void)
{
    note("-");
}

static bool component_health(void)
{
    return is_well;
}

static void component_stats(struct component_stats *numbers)
{
    numbers->operations = 42;
    numbers->last_error = HX_EIO;
}

static const struct component sample = {
    .name = "sample",
    .version = "1.2.3",
    .init = component_init,
    .shutdown = component_shutdown,
    .health_check = component_health,
    .stats = component_stats,
};

static void count_samples(const struct component *component, void *argument)
{
    *(unsigned *)argument += component == &sample ? 1U : 0U;
}

static unsigned samples_listed(void)
{
    unsigned count = 0;

    component_for_each(count_samples, &count);
    return count;
}

/* SPEC: C1 */
static void a_component_is_initialised_once_listed_and_shut_down(void)
{
    inits = 0;
    diary[0] = '\0';
    EXPECT_EQUAL(component_register(&sample), HX_OK);
    EXPECT_EQUAL(component_register(&sample), HX_EEXIST);
    EXPECT_EQUAL(inits, 1);
    EXPECT_EQUAL(samples_listed(), 1);
    EXPECT_EQUAL(component_unregister(&sample), HX_OK);
    EXPECT_EQUAL(component_unregister(&sample), HX_ENOENT);
    EXPECT_DIARY("-");
    EXPECT_EQUAL(samples_listed(), 0);
}

/* SPEC: C1 */
static void health_and_numbers_are_asked_for_or_default(void)
{
    static const struct component plain = {.name = "plain", .version = "1"};

    EXPECT(component_is_healthy(&plain));
    EXPECT_EQUAL(component_get_stats(&plain).operations, 0);
    is_well = false;
    EXPECT(!component_is_healthy(&sample));
    is_well = true;
    EXPECT(component_is_healthy(&sample));
    EXPECT_EQUAL(component_register(&sample), HX_OK);
    thread_sleep(HAL_NS_PER_MS);
    EXPECT_EQUAL(component_get_stats(&sample).operations, 42);
    EXPECT_EQUAL(component_get_stats(&sample).last_error, HX_EIO);
    EXPECT(component_get_stats(&sample).uptime_ns >= HAL_NS_PER_MS);
    EXPECT_EQUAL(component_unregister(&sample), HX_OK);
}

static void expect_real(const struct component *component, void *argument)
{
    struct component_stats numbers = component_get_stats(component);

    if (component->name[0] == '\0' || component->version[0] == '\0' ||
        (component->stats != NULL && numbers.uptime_ns == 0) || !component_is_healthy(component)) {
        selftest_fail(__FILE__, __LINE__, "component %s has no real numbers", component->name);
    }
    ++*(unsigned *)argument;
}

/* SPEC: C1 */
static void every_running_component_is_healthy_and_has_been_up(void)
{
    unsigned count = 0;

    component_for_each(expect_real, &count);
    EXPECT(count >= 5);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_subsystems." #function, .run = function                                      \
    }

const struct selftest core_subsystems_tests[] = {
    TEST(a_bad_or_taken_name_is_refused),
    TEST(registration_after_the_start_is_refused),
    TEST(dependencies_come_first_and_equals_keep_their_order),
    TEST(the_order_of_this_boot_respects_every_dependency),
    TEST(a_cycle_is_named_in_order_and_nothing_starts),
    TEST(a_missing_dependency_names_both_ends_and_nothing_starts),
    TEST(each_init_gets_the_boot_configuration),
    TEST(a_failed_init_unwinds_in_reverse_and_is_named),
    TEST(one_failing_and_one_hanging_shutdown_do_not_stop_the_others),
    TEST(suspend_runs_in_reverse_and_resume_in_order),
    TEST(a_failed_suspend_resumes_those_already_suspended),
    TEST(a_subsystem_without_operations_does_by_default),
    TEST(order_and_graph_can_be_read),
    TEST(a_component_is_initialised_once_listed_and_shut_down),
    TEST(health_and_numbers_are_asked_for_or_default),
    TEST(every_running_component_is_healthy_and_has_been_up),
    {.name = NULL},
};
