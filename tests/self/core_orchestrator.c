/*
 * The orchestrator in the running kernel: what a failing step leaves behind, what suspending really
 * stops, what starting many costs, and the numbers of every component.
 */
#include <base/memory.h>
#include <base/string.h>
#include <core/component/component.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/interrupts/dispatcher.h>
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/orchestrator.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <tests/bench/subsystem_chain.h>
#include <tests/self/crew.h>
#include <tests/self/log_lines.h>
#include <tests/self/suites.h>

#define LIMIT_NS (30 * HAL_NS_PER_S)

static struct subsystem_set set;
static struct subsystem_failure failure;

/* --- what starting many costs ----------------------------------------------------------------- */

#define FEW   100U
#define MANY  1000U
#define TRIES 10U
#define GROWTH                                                                                     \
    4U /* one of many may cost so many times one of few; squared growth is 10                      \
        */

/* The least of some tries, so that an interruption counts for nothing. */
static uint64_t cost_of_one(uint32_t count)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < TRIES; i++) {
        uint64_t cycles = subsystem_chain_start(count);

        EXPECT(cycles != 0);
        least = cycles < least ? cycles : least;
    }
    return least / count;
}

/* SPEC: O2 */
static void the_cost_of_starting_a_thousand_grows_in_proportion(void)
{
    uint64_t few = cost_of_one(FEW);
    uint64_t many = cost_of_one(MANY);

    if (many > GROWTH * few) {
        selftest_fail(__FILE__, __LINE__, "one of %u costs %llu cycles, one of %u costs %llu", MANY,
                      (unsigned long long)many, FEW, (unsigned long long)few);
    }
    EXPECT(subsystem_chain_start(SUBSYSTEM_MAX) != 0);
}

/* --- random graphs ---------------------------------------------------------------------------- */

#define GRAPH_MAX 24U
#define NEEDS_MAX 4U

static struct {
    struct subsystem members[GRAPH_MAX];
    char names[GRAPH_MAX][2];
    const char *needs[GRAPH_MAX][NEEDS_MAX + 1];
    uint32_t edges[GRAPH_MAX]; /* a bit for each member it needs */
    uint32_t count;
} graph;

static uint32_t random_below(uint64_t *random, uint32_t limit)
{
    return (uint32_t)(crew_random(random) >> 32) % limit;
}

/* Members need later ones, and now and then any, so that some graphs have a cycle. */
static void make_graph(uint64_t *random)
{
    memset(&graph, 0, sizeof graph);
    graph.count = 2 + random_below(random, GRAPH_MAX - 1);
    for (uint32_t i = 0; i < graph.count; i++) {
        uint32_t needs = random_below(random, NEEDS_MAX + 1);

        graph.names[i][0] = (char)('a' + i);
        for (uint32_t k = 0; k < needs && i + 1 < graph.count; k++) {
            bool is_any = random_below(random, 64) == 0;
            uint32_t first = is_any ? 0 : i + 1;
            uint32_t to = first + random_below(random, graph.count - first);

            graph.needs[i][k] = graph.names[to];
            graph.edges[i] |= 1U << to;
        }
        graph.members[i] = (struct subsystem){
            .name = graph.names[i], .version = "1", .dependencies = graph.needs[i]};
    }
}

/* The plain way: again and again the first registered all of whose needs are met. */
static uint32_t order_plainly(uint32_t *order)
{
    uint32_t done = 0;
    uint32_t placed = 0;

    for (uint32_t i = 0; i < graph.count; i++) {
        if ((done >> i & 1) == 0 && (graph.edges[i] & ~done) == 0) {
            done |= 1U << i;
            order[placed++] = i;
            i = UINT32_MAX; /* from the first again */
        }
    }
    return placed;
}

/* Whether the text names members each of which needs the next, and comes back to the first. */
static bool names_a_ring(const char *text)
{
    static const char start[] = "dependency cycle: ";
    const char *at = text + sizeof start - 1;
    char first = *at;

    for (; at[1] == ' '; at += sizeof "a -> " - 1) {
        if ((graph.edges[at[0] - 'a'] >> (at[5] - 'a') & 1) == 0) {
            return false;
        }
    }
    return at[1] == '\0' && *at == first && at > text + sizeof start - 1;
}

static bool is_sorted_as_it_should(void)
{
    uint32_t order[GRAPH_MAX];
    uint32_t placed = order_plainly(order);
    hx_err error;

    memset(&set, 0, sizeof set);
    for (uint32_t i = 0; i < graph.count; i++) {
        subsystem_id id;

        EXPECT_EQUAL(subsystem_set_add(&set, &graph.members[i], &id), HX_OK);
    }
    error = subsystem_set_sort(&set, &failure);
    if (placed != graph.count) {
        return error == HX_ECYCLE && names_a_ring(failure.text);
    }
    return error == HX_OK && memcmp(order, set.order, placed * sizeof order[0]) == 0;
}

/* SPEC: O2 O3 */
static void random_graphs_are_ordered_as_the_plain_way_does_or_their_ring_is_named(void)
{
    uint64_t random = selftest_seed() | 1;
    bool is_soak = command_line_has(kernel_command_line(), "soak");

    for (uint32_t round = 0; round < (is_soak ? 100000U : 1000U); round++) {
        make_graph(&random);
        if (!is_sorted_as_it_should()) {
            selftest_fail(__FILE__, __LINE__, "round %u of seed %llu: %s", (unsigned)round,
                          (unsigned long long)selftest_seed(), failure.text);
            return;
        }
    }
}

/* --- every step fails once -------------------------------------------------------------------- */

#define ACTORS 4U
#define ALL    ((1U << ACTORS) - 1)

static uint32_t alive;  /* a bit for each actor whose init has been, and whose shutdown has not */
static uint32_t asleep; /* the same for suspend and resume */
static bool is_orderly; /* each came when it should */

/* The bits of those before an actor, and of those behind it. */
static uint32_t before(uint32_t actor)
{
    return (1U << actor) - 1;
}

static uint32_t behind(uint32_t actor)
{
    return ALL & ~before(actor + 1);
}

static hx_err come_alive(uint32_t actor)
{
    is_orderly = is_orderly && alive == before(actor);
    alive |= 1U << actor;
    return HX_OK;
}

static hx_err pass_away(uint32_t actor)
{
    is_orderly = is_orderly && alive == before(actor + 1);
    alive &= ~(1U << actor);
    return HX_OK;
}

static hx_err fall_asleep(uint32_t actor)
{
    is_orderly = is_orderly && alive == ALL && asleep == behind(actor);
    asleep |= 1U << actor;
    return HX_OK;
}

static hx_err wake_up(uint32_t actor)
{
    is_orderly = is_orderly && alive == ALL && asleep == (behind(actor) | 1U << actor);
    asleep &= ~(1U << actor);
    return HX_OK;
}

#define ACTOR(n)                                                                                   \
    static hx_err init_##n(const struct boot_configuration *config)                                \
    {                                                                                              \
        (void)config;                                                                              \
        return come_alive(n);                                                                      \
    }                                                                                              \
    static hx_err shutdown_##n(void)                                                               \
    {                                                                                              \
        return pass_away(n);                                                                       \
    }                                                                                              \
    static hx_err suspend_##n(void)                                                                \
    {                                                                                              \
        return fall_asleep(n);                                                                     \
    }                                                                                              \
    static hx_err resume_##n(void)                                                                 \
    {                                                                                              \
        return wake_up(n);                                                                         \
    }
#define ACTOR_RECORD(n)                                                                            \
    {                                                                                              \
        .name = "actor-" #n, .version = "1", .init = init_##n, .shutdown = shutdown_##n,           \
        .suspend = suspend_##n, .resume = resume_##n                                               \
    }

ACTOR(0)
ACTOR(1)
ACTOR(2)
ACTOR(3)

static const struct subsystem actors[ACTORS] = {
    ACTOR_RECORD(0),
    ACTOR_RECORD(1),
    ACTOR_RECORD(2),
    ACTOR_RECORD(3),
};

static void gather_actors(void)
{
    memset(&set, 0, sizeof set);
    alive = 0;
    asleep = 0;
    is_orderly = true;
    for (size_t i = 0; i < ACTORS; i++) {
        subsystem_id id;

        EXPECT_EQUAL(subsystem_set_add(&set, &actors[i], &id), HX_OK);
    }
}

/* Up, asleep, awake, down, where step n fails. Returns which operation it failed in. */
static const char *live_with_failpoint(uint64_t n)
{
    const char *failed = "none";

    gather_actors();
    failpoint_arm(n);
    if (subsystem_set_init(&set, NULL, &failure) != HX_OK) {
        EXPECT(alive == 0 && set.up == 0);
        return "init";
    }
    EXPECT_EQUAL(alive, ALL);
    if (subsystem_set_suspend(&set, &failure) != HX_OK) {
        failed = "suspend";
        EXPECT_EQUAL(asleep, 0);
    } else if (subsystem_set_resume(&set, &failure) != HX_OK) {
        failed = "resume";
        EXPECT_EQUAL(asleep, ALL);
        EXPECT_EQUAL(subsystem_set_resume(&set, &failure), HX_OK);
    }
    EXPECT_EQUAL(asleep, 0);
    if (subsystem_set_shutdown(&set, LIMIT_NS, &failure) != HX_OK) {
        failed = "shutdown";
    }
    EXPECT(alive == 0 && set.up == 0);
    return failed;
}

/* SPEC: O9 */
static void whichever_step_fails_what_was_begun_is_taken_back_in_reverse(void)
{
    static const char *const operations[] = {"init", "suspend", "resume", "shutdown"};

    EXPECT(string_equal(live_with_failpoint(0), "none"));
    EXPECT_EQUAL(failpoint_steps(), ACTORS * HX_ARRAY_SIZE(operations));
    for (uint64_t n = 1; n <= ACTORS * HX_ARRAY_SIZE(operations); n++) {
        const char *wanted = operations[(n - 1) / ACTORS];

        if (!string_equal(live_with_failpoint(n), wanted) || !is_orderly) {
            selftest_fail(__FILE__, __LINE__, "step %u: wanted %s to fail, in order", (unsigned)n,
                          wanted);
        }
    }
    failpoint_arm(0);
}

/* SPEC: O5 O9 */
static void an_init_that_fails_once_is_tried_again(void)
{
    for (uint64_t n = 1; n <= ACTORS; n++) {
        gather_actors();
        set.init_retries = 1;
        failpoint_arm(n);
        EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_OK);
        EXPECT(alive == ALL && is_orderly);
        EXPECT_EQUAL(set.failures, 1);
        EXPECT_EQUAL(set.last_error, HX_EIO);
        EXPECT_EQUAL(subsystem_set_shutdown(&set, LIMIT_NS, &failure), HX_OK);
    }
    failpoint_arm(0);
}

static uint32_t attempts;

static hx_err always_fail(const struct boot_configuration *config)
{
    (void)config;
    attempts++;
    return HX_EBUSY;
}

/* SPEC: O5 */
static void an_init_that_goes_on_failing_is_given_up_and_named(void)
{
    static const struct subsystem stubborn = {
        .name = "stubborn", .version = "1", .init = always_fail};
    subsystem_id id;

    gather_actors();
    set.init_retries = 2;
    attempts = 0;
    EXPECT_EQUAL(subsystem_set_add(&set, &stubborn, &id), HX_OK);
    EXPECT_EQUAL(subsystem_set_init(&set, NULL, &failure), HX_EBUSY);
    EXPECT_EQUAL(attempts, 3);
    EXPECT(alive == 0 && is_orderly);
    EXPECT(string_matches(failure.text, "init of stubborn failed: *HX_EBUSY*"));
}

/* --- this kernel suspends --------------------------------------------------------------------- */

/* SPEC: O7 O9 */
static void whichever_step_of_suspending_this_kernel_fails_it_runs_on(void)
{
    uint32_t count = orchestrator_subsystems()->count;
    uint32_t up = orchestrator_subsystems()->up;

    for (uint32_t n = 1; n <= count; n++) {
        failpoint_arm(n);
        EXPECT_EQUAL(orchestrator_suspend(&failure), HX_EIO);
        EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    }
    failpoint_arm(0);
    for (uint32_t n = 1; n <= count; n++) {
        EXPECT_EQUAL(orchestrator_suspend(&failure), HX_OK);
        failpoint_arm(n);
        EXPECT_EQUAL(orchestrator_resume(&failure), HX_EIO);
        EXPECT_EQUAL(kernel_state_current(), KERNEL_SUSPENDED);
        failpoint_arm(0);
        EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
        EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
    }
    EXPECT_EQUAL(orchestrator_subsystems()->up, up);
}

static _Atomic uint32_t heard;

static enum event_answer hear(void *argument, const struct kernel_event *event)
{
    (void)argument;
    (void)event;
    atomic_fetch_add_explicit(&heard, 1, memory_order_release);
    return EVENT_CONTINUE;
}

/* SPEC: O7 S1 */
static void while_suspended_no_copy_is_delivered_and_afterwards_all_are(void)
{
    const struct event_subscriber subscriber = {.topics = EVENT_TOPIC_SET(EVENT_TOPIC_PROCESS),
                                                .callback = hear,
                                                .contexts = EVENT_IN_WORKER};
    const struct kernel_event event = {.kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_PROCESS};
    event_subscription id;
    uint64_t copied;

    atomic_store_explicit(&heard, 0, memory_order_relaxed);
    EXPECT_EQUAL(event_subscribe(&subscriber, &id), HX_OK);
    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_OK);
    copied = event_bus_statistics().copied;
    for (unsigned i = 0; i < 10; i++) {
        EXPECT_EQUAL(event_publish(&event).delivered, 1);
        thread_sleep(HAL_NS_PER_MS);
    }
    EXPECT_EQUAL(event_bus_statistics().copied, copied);
    EXPECT_EQUAL(atomic_load_explicit(&heard, memory_order_acquire), 0);
    EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
    EXPECT(crew_sleep_until(&heard, 10));
    EXPECT_EQUAL(event_unsubscribe(id), HX_OK);
}

/* SPEC: O7 */
static void time_says_how_long_the_kernel_was_suspended(void)
{
    uint64_t from = log_lines_next();

    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_OK);
    thread_sleep(2 * HAL_NS_PER_MS);
    EXPECT_EQUAL(orchestrator_resume(&failure), HX_OK);
    EXPECT_EQUAL(log_lines_count(from, "*time: suspended for * ms, * seconds since 1970"), 1);
    EXPECT_EQUAL(log_lines_count(from, "*time: suspended for 0 ms*"), 0);
}

static _Atomic uint32_t wrong_turns;

/* Somebody else may be in between, so only the error may be one that says so. */
static void suspend_and_resume(void *argument)
{
    struct subsystem_failure *mine = argument;

    for (unsigned i = 0; i < 50; i++) {
        hx_err suspended = orchestrator_suspend(mine);
        hx_err resumed = orchestrator_resume(mine);

        if ((suspended != HX_OK && suspended != HX_ESTATE) ||
            (resumed != HX_OK && resumed != HX_ESTATE)) {
            atomic_fetch_add_explicit(&wrong_turns, 1, memory_order_relaxed);
        }
    }
}

/* SPEC: K2 O7 */
static void who_suspends_while_another_does_waits_for_its_turn(void)
{
    static struct subsystem_failure failures[3];
    static struct crew crew;

    atomic_store_explicit(&wrong_turns, 0, memory_order_relaxed);
    crew_open(&crew);
    for (size_t i = 0; i < HX_ARRAY_SIZE(failures); i++) {
        (void)crew_start(&crew, suspend_and_resume, &failures[i], 0);
    }
    EXPECT(crew_join(&crew));
    EXPECT_EQUAL(atomic_load_explicit(&wrong_turns, memory_order_relaxed), 0);
    EXPECT_EQUAL(kernel_state_current(), KERNEL_RUNNING);
}

/* --- the numbers of every component ----------------------------------------------------------- */

static struct {
    const char *name;
    struct component_stats numbers;
    bool is_found;
} wanted;

static void look(const struct component *component, void *argument)
{
    (void)argument;
    if (string_equal(component->name, wanted.name)) {
        wanted.numbers = component_get_stats(component);
        wanted.is_found = true;
    }
}

static struct component_stats stats_of(const char *name)
{
    wanted.name = name;
    wanted.is_found = false;
    component_for_each(look, NULL);
    EXPECT(wanted.is_found);
    return wanted.numbers;
}

static void use_memory(void)
{
    heap_free(heap_allocate(64, OWNER_CORE));
}

static void use_time(void)
{
    uint64_t ticks = thread_tick_count(hal_cpu_id());
    uint64_t deadline = hal_clock_now() + LIMIT_NS;

    while (thread_tick_count(hal_cpu_id()) == ticks && hal_clock_now() < deadline) {
        hal_cpu_relax();
    }
}

static void use_events(void)
{
    (void)event_publish(&(struct kernel_event){.kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_PROCESS});
}

static void misuse_events(void)
{
    (void)event_publish(&(struct kernel_event){.kind = EVENT_CUSTOM, .topic = EVENT_TOPIC_MAX});
}

static void use_mailboxes(void)
{
    struct router_message request = {.length = 5, .data = "state"};
    struct router_message response;
    router_mailbox monitor;

    EXPECT_EQUAL(router_find("monitor", &monitor), HX_OK);
    EXPECT_EQUAL(router_send(monitor, ROUTER_NORMAL, &request, &response, THREAD_NO_DEADLINE).error,
                 HX_OK);
}

static void use_console(void)
{
    kinfo("a line that is counted");
}

static void use_threads(void)
{
    thread_sleep(HAL_NS_PER_MS);
}

static void misuse_interrupts(void)
{
    uint8_t vector = interrupt_free_vector();
    uint64_t before_it = interrupt_statistics(vector, hal_cpu_id()).unhandled;
    uint64_t deadline = hal_clock_now() + LIMIT_NS;

    hal_interrupt_send(hal_cpu_id(), vector);
    while (interrupt_statistics(vector, hal_cpu_id()).unhandled == before_it &&
           hal_clock_now() < deadline) {
        hal_cpu_relax();
    }
}

static void misuse_orchestrator(void)
{
    failpoint_arm(1);
    EXPECT_EQUAL(orchestrator_suspend(&failure), HX_EIO);
    failpoint_arm(0);
}

static const struct {
    const char *component;
    void (*use)(void);
    bool is_error; /* as such it is counted, too */
    hx_err last_error;
} uses[] = {
    {"memory", use_memory, false, HX_OK},
    {"time", use_time, false, HX_OK},
    {"events", use_events, false, HX_OK},
    {"events", misuse_events, true, HX_EINVAL},
    {"mailboxes", use_mailboxes, false, HX_OK},
    {"console", use_console, false, HX_OK},
    {"threads", use_threads, false, HX_OK},
    {"interrupts", misuse_interrupts, true, HX_ENOENT},
    {"orchestrator", misuse_orchestrator, true, HX_EIO},
};

/* SPEC: C2 */
static void every_component_counts_what_it_does_and_what_fails(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(uses); i++) {
        struct component_stats earlier = stats_of(uses[i].component);
        struct component_stats later;

        uses[i].use();
        later = stats_of(uses[i].component);
        if ((uses[i].is_error ? later.errors <= earlier.errors
                              : later.operations <= earlier.operations) ||
            later.uptime_ns <= earlier.uptime_ns || later.memory_bytes > (1ULL << 32) ||
            (uses[i].is_error && later.last_error != uses[i].last_error)) {
            selftest_fail(__FILE__, __LINE__, "%s, use %u: %llu operations, %llu errors, last %s",
                          uses[i].component, (unsigned)i, (unsigned long long)later.operations,
                          (unsigned long long)later.errors, hx_error_name(later.last_error));
        }
    }
    EXPECT_EQUAL(stats_of("processors").operations, cpu_online_count());
}

static void expect_numbers(const struct component *component, void *argument)
{
    (void)argument;
    if (component->stats == NULL || component_get_stats(component).uptime_ns == 0) {
        selftest_fail(__FILE__, __LINE__, "%s has no numbers", component->name);
    }
}

/* SPEC: C2 */
static void no_component_is_without_numbers(void)
{
    component_for_each(expect_numbers, NULL);
    EXPECT(stats_of("events").memory_bytes > 0);
    EXPECT(stats_of("memory").memory_bytes > 0);
    EXPECT(stats_of("threads").memory_bytes >= thread_count() * THREAD_STACK_SIZE);
    EXPECT(stats_of("mailboxes").memory_bytes > 0);
}

#define TEST(function)                                                                             \
    {                                                                                              \
        .name = "core_orchestrator." #function, .run = function                                    \
    }

const struct selftest core_orchestrator_tests[] = {
    TEST(the_cost_of_starting_a_thousand_grows_in_proportion),
    TEST(random_graphs_are_ordered_as_the_plain_way_does_or_their_ring_is_named),
    TEST(whichever_step_fails_what_was_begun_is_taken_back_in_reverse),
    TEST(an_init_that_fails_once_is_tried_again),
    TEST(an_init_that_goes_on_failing_is_given_up_and_named),
    TEST(whichever_step_of_suspending_this_kernel_fails_it_runs_on),
    TEST(while_suspended_no_copy_is_delivered_and_afterwards_all_are),
    TEST(time_says_how_long_the_kernel_was_suspended),
    TEST(who_suspends_while_another_does_waits_for_its_turn),
    TEST(every_component_counts_what_it_does_and_what_fails),
    TEST(no_component_is_without_numbers),
    {.name = NULL},
};
