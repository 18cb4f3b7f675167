#include "machine.h"

#include "../random.h"

#include <core/orchestrator/bounded_call.h>
#include <core/orchestrator/failpoint.h>
#include <core/orchestrator/orchestrator.h>
#include <core/panic/panic.h>
#include <hal/clock.h>
#include <stdlib.h>

static struct subsystem_set set;
static struct subsystem_failure failure;
static const struct boot_configuration *const configuration = (const void *)&set;

/* --- subsystems that note what is done to them ------------------------------------------------ */

#define ACTORS 6U

static char heard[1024];
static char failing[8]; /* operation and actor that fails: "i2" */
static int alive[ACTORS];
static bool suspended[ACTORS];

static hx_err act(char operation, unsigned actor)
{
    size_t used = strlen(heard);

    snprintf(heard + used, sizeof heard - used, "%c%u ", operation, actor);
    if (failing[0] == operation && failing[1] == (char)('0' + actor)) {
        return HX_EBUSY;
    }
    switch (operation) {
    case 'i':
        alive[actor]++;
        break;
    case 'd':
        alive[actor]--;
        break;
    case 's':
        CHECK(!suspended[actor]);
        suspended[actor] = true;
        break;
    default:
        CHECK(suspended[actor]);
        suspended[actor] = false;
        break;
    }
    return HX_OK;
}

#define ACTOR(n)                                                                                   \
    static hx_err init_##n(const struct boot_configuration *config)                                \
    {                                                                                              \
        CHECK(config == configuration);                                                            \
        return act('i', n);                                                                        \
    }                                                                                              \
    static hx_err shutdown_##n(void)                                                               \
    {                                                                                              \
        return act('d', n);                                                                        \
    }                                                                                              \
    static hx_err suspend_##n(void)                                                                \
    {                                                                                              \
        return act('s', n);                                                                        \
    }                                                                                              \
    static hx_err resume_##n(void)                                                                 \
    {                                                                                              \
        return act('r', n);                                                                        \
    }
#define ACTOR_RECORD(n, needs)                                                                     \
    {                                                                                              \
        .name = "s" #n, .version = "1." #n, .dependencies = (needs), .init = init_##n,             \
        .shutdown = shutdown_##n, .suspend = suspend_##n, .resume = resume_##n                     \
    }

ACTOR(0)
ACTOR(1)
ACTOR(2)
ACTOR(3)
ACTOR(4)
ACTOR(5)

static const char *const needs_2[] = {"s2", NULL};
static const char *const needs_0_and_4[] = {"s0", "s4", NULL};

/* Registered 0..5; the order has to be 1 2 0 4 3 5: 0 waits for 2, 3 for 0 and 4. */
static const struct subsystem actors[ACTORS] = {
    ACTOR_RECORD(0, needs_2),       ACTOR_RECORD(1, NULL), ACTOR_RECORD(2, NULL),
    ACTOR_RECORD(3, needs_0_and_4), ACTOR_RECORD(4, NULL), ACTOR_RECORD(5, NULL),
};

static void reset(void)
{
    memset(&set, 0, sizeof set);
    memset(heard, 0, sizeof heard);
    memset(failing, 0, sizeof failing);
    memset(alive, 0, sizeof alive);
    memset(suspended, 0, sizeof suspended);
    failpoint_arm(0);
}

static void fresh_actors(void)
{
    subsystem_id id;

    reset();
    for (unsigned i = 0; i < ACTORS; i++) {
        CHECK(subsystem_set_add(&set, &actors[i], &id) == HX_OK && id == i + 1);
    }
}

static void forget(void)
{
    memset(heard, 0, sizeof heard);
}

static bool was_heard(const char *text)
{
    bool same = strcmp(heard, text) == 0;

    if (!same) {
        fprintf(stderr, "heard %s, wanted %s\n", heard, text);
    }
    forget();
    return same;
}

static bool nothing_is_alive(void)
{
    for (unsigned i = 0; i < ACTORS; i++) {
        if (alive[i] != 0) {
            return false;
        }
    }
    return true;
}

/* --- registration ----------------------------------------------------------------------------- */

/* SPEC: O1 */
static void bad_double_and_too_many_records_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "Upper", "with blank", "sl/ash", "\xc3\xa4", NULL, "a-name-that-is-longer-than-31-byt"};
    static struct subsystem many[SUBSYSTEM_MAX + 1];
    static char names[SUBSYSTEM_MAX + 1][8];
    struct subsystem record = {.version = "1"};
    subsystem_id id = 77;

    (void)state;
    reset();
    for (size_t i = 0; i < HX_ARRAY_SIZE(bad); i++) {
        record.name = bad[i];
        assert_int_equal(subsystem_set_add(&set, &record, &id), HX_EINVAL);
    }
    assert_int_equal(subsystem_set_add(&set, NULL, &id), HX_EINVAL);
    record = (struct subsystem){.name = "no-version"};
    assert_int_equal(subsystem_set_add(&set, &record, &id), HX_EINVAL);
    assert_int_equal(id, 77);
    for (unsigned i = 0; i <= SUBSYSTEM_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%u", i);
        many[i] = (struct subsystem){.name = names[i], .version = "1"};
        assert_int_equal(subsystem_set_add(&set, &many[i], &id),
                         i < SUBSYSTEM_MAX ? HX_OK : HX_ENOSPC);
    }
    assert_int_equal(id, SUBSYSTEM_MAX);
    record = (struct subsystem){.name = "n3", .version = "2"};
    assert_int_equal(subsystem_set_add(&set, &record, &id), HX_EEXIST);
}

static void register_late(void)
{
    static const struct subsystem one = {.name = "one", .version = "1"};
    static const struct subsystem two = {.name = "two", .version = "1"};
    subsystem_id id;

    machine_boot(1);
    CHECK(lifecycle_advance(PHASE_EARLY_INIT) == HX_OK);
    CHECK(orchestrator_register(&one, &id) == HX_OK && id == 1);
    CHECK(orchestrator_register(&one, &id) == HX_EEXIST);
    CHECK(orchestrator_init_all(NULL, &failure) == HX_OK);
    CHECK(orchestrator_register(&two, &id) == HX_ESTATE);
    CHECK(orchestrator_init_all(NULL, &failure) == HX_ESTATE);
    CHECK(orchestrator_subsystems()->count == 1);
}

/* SPEC: O1 S1 */
static void a_late_registration_is_refused(void **state)
{
    (void)state;
    passes_in_child(register_late);
}

/* --- order ------------------------------------------------------------------------------------ */

#define GRAPH_MAX                                                                                  \
    80U /* more than one word of bits, and than the members of a ring that are named */

struct random_graph {
    struct subsystem members[GRAPH_MAX];
    char names[GRAPH_MAX][8];
    const char *needs[GRAPH_MAX][GRAPH_MAX + 1];
    bool edge[GRAPH_MAX][GRAPH_MAX]; /* first depends on second */
    unsigned count;
};

static struct random_graph graph;

static void add_edge(unsigned from, unsigned to)
{
    if (!graph.edge[from][to]) {
        unsigned used = 0;

        while (graph.needs[from][used] != NULL) {
            used++;
        }
        graph.needs[from][used] = graph.names[to];
        graph.edge[from][to] = true;
    }
}

/* Edges lead from higher to lower places of a random permutation, so there is no cycle. */
static void make_graph(void)
{
    unsigned place[GRAPH_MAX];
    unsigned density = (unsigned)random_below(40);

    memset(&graph, 0, sizeof graph);
    graph.count = 1 + (unsigned)random_below(GRAPH_MAX);
    for (unsigned i = 0; i < graph.count; i++) {
        unsigned other = (unsigned)random_below(i + 1);

        snprintf(graph.names[i], sizeof graph.names[i], "m%u", i);
        graph.members[i] = (struct subsystem){
            .name = graph.names[i], .version = "1", .dependencies = graph.needs[i]};
        place[i] = place[other];
        place[other] = i;
    }
    for (unsigned high = 1; high < graph.count; high++) {
        for (unsigned low = 0; low < high; low++) {
            if (random_below(100) < density) {
                add_edge(place[high], place[low]);
            }
        }
    }
}

static void register_graph(void)
{
    subsystem_id id;

    reset();
    for (unsigned i = 0; i < graph.count; i++) {
        CHECK(subsystem_set_add(&set, &graph.members[i], &id) == HX_OK);
    }
}

/* The plain way: again and again the first one registered all of whose needs are met. */
static unsigned reference_order(uint32_t *order)
{
    bool done[GRAPH_MAX] = {false};
    unsigned placed = 0;
    bool found = true;

    while (found) {
        found = false;
        for (unsigned i = 0; i < graph.count && !found; i++) {
            bool ready = !done[i];

            for (unsigned j = 0; j < graph.count; j++) {
                ready = ready && !(graph.edge[i][j] && !done[j]);
            }
            if (ready) {
                done[i] = true;
                order[placed++] = i;
                found = true;
            }
        }
    }
    return placed;
}

static unsigned rounds(void)
{
    return getenv("HELIX_SOAK") != NULL ? 30000 : 3000;
}

/* End the child; the seed repeats what was found. */
static void fail_round(uint64_t seed, unsigned round, const char *text)
{
    printf("HELIX_SEED=%llu round %u: %s\n", (unsigned long long)seed, round, text);
    fflush(stdout);
    _exit(CHILD_FAILED);
}

static void sort_random_graphs(void)
{
    uint64_t seed = random_start();
    uint32_t order[GRAPH_MAX];

    machine_boot(1);
    for (unsigned round = 0; round < rounds(); round++) {
        make_graph();
        register_graph();
        if (subsystem_set_sort(&set, &failure) != HX_OK || reference_order(order) != graph.count ||
            set.ordered != graph.count ||
            memcmp(order, set.order, graph.count * sizeof order[0]) != 0) {
            fail_round(seed, round, "not the order that the plain way gives");
        }
    }
}

/* SPEC: O2 */
static void thousands_of_random_graphs_are_ordered_as_the_plain_way_does(void **state)
{
    (void)state;
    passes_in_child(sort_random_graphs);
}

/* Whether the text names a ring of the graph, each followed by one it depends on, and no more. */
static bool names_a_ring(const char *text)
{
    unsigned ring[GRAPH_MAX + 1];
    unsigned length = 0;
    int used;

    if (strncmp(text, "dependency cycle: ", 18) != 0) {
        return false;
    }
    text += 18;
    while (length <= GRAPH_MAX && sscanf(text, "m%u%n", &ring[length], &used) == 1) {
        text += used;
        length++;
        if (strncmp(text, " -> ", 4) != 0) {
            break;
        }
        text += 4;
    }
    if (length < 2 || *text != '\0' || ring[0] != ring[length - 1]) {
        return false;
    }
    for (unsigned i = 0; i + 1 < length; i++) {
        if (!graph.edge[ring[i]][ring[i + 1]]) {
            return false;
        }
        for (unsigned j = 0; j < i; j++) {
            if (ring[i] == ring[j]) {
                return false;
            }
        }
    }
    return true;
}

static void sort_graphs_with_cycles(void)
{
    uint64_t seed = random_start();
    uint32_t order[GRAPH_MAX];
    unsigned cycles = 0;

    machine_boot(1);
    for (unsigned round = 0; round < rounds(); round++) {
        make_graph();
        for (unsigned i = 0; i < 1 + random_below(3); i++) {
            add_edge((unsigned)random_below(graph.count), (unsigned)random_below(graph.count));
        }
        register_graph();
        bool has_cycle = reference_order(order) != graph.count;
        hx_err error = subsystem_set_sort(&set, &failure);

        cycles += has_cycle ? 1 : 0;
        if (error != (has_cycle ? HX_ECYCLE : HX_OK) ||
            (has_cycle && (!names_a_ring(failure.text) || set.ordered != 0))) {
            fail_round(seed, round, failure.text);
        }
    }
    CHECK(cycles > 100);
}

/* SPEC: O3 */
static void every_cycle_is_refused_and_named_in_order(void **state)
{
    (void)state;
    passes_in_child(sort_graphs_with_cycles);
}

/* A graph with holes: one of the names that somebody needs belongs to nobody. */
static bool leave_out(unsigned missing)
{
    subsystem_id id;
    bool is_needed = false;

    reset();
    for (unsigned i = 0; i < graph.count; i++) {
        if (i != missing) {
            CHECK(subsystem_set_add(&set, &graph.members[i], &id) == HX_OK);
            is_needed = is_needed || graph.edge[i][missing];
        }
    }
    return is_needed;
}

/* Whether the text names both ends of an edge to the missing one. */
static bool names_the_hole(unsigned missing)
{
    unsigned from;
    unsigned to;

    return sscanf(failure.text, "m%u depends on m%u, which", &from, &to) == 2 && to == missing &&
           graph.edge[from][missing] && strcmp(failure.subsystem, graph.names[from]) == 0;
}

static void sort_graphs_with_holes(void)
{
    uint64_t seed = random_start();
    unsigned holes = 0;

    machine_boot(1);
    for (unsigned round = 0; round < rounds(); round++) {
        make_graph();
        unsigned missing = (unsigned)random_below(graph.count);
        bool is_needed = leave_out(missing);
        hx_err error = subsystem_set_sort(&set, &failure);

        holes += is_needed ? 1 : 0;
        if (error != (is_needed ? HX_EMISSING : HX_OK) ||
            (is_needed && (!names_the_hole(missing) || set.ordered != 0))) {
            fail_round(seed, round, failure.text);
        }
    }
    CHECK(holes > 100);
}

/* SPEC: O3 */
static void every_missing_dependency_is_refused_and_both_ends_named(void **state)
{
    (void)state;
    passes_in_child(sort_graphs_with_holes);
}

static void make_ring(unsigned count)
{
    memset(&graph, 0, sizeof graph);
    graph.count = count;
    for (unsigned i = 0; i < graph.count; i++) {
        snprintf(graph.names[i], sizeof graph.names[i], "m%u", i);
        graph.members[i] = (struct subsystem){
            .name = graph.names[i], .version = "1", .dependencies = graph.needs[i]};
    }
    for (unsigned i = 0; i < graph.count; i++) {
        add_edge(i, (i + 1) % graph.count);
    }
    register_graph();
}

static void sort_rings(void)
{
    machine_boot(1);
    make_ring(SUBSYSTEM_CYCLE_NAMED);
    CHECK(subsystem_set_sort(&set, &failure) == HX_ECYCLE);
    CHECK(names_a_ring(failure.text));
    CHECK(strstr(failure.text, " -> m63 -> m0") != NULL);
    make_ring(SUBSYSTEM_CYCLE_NAMED + 1);
    CHECK(subsystem_set_sort(&set, &failure) == HX_ECYCLE);
    CHECK(strstr(failure.text, " -> m63 -> m64 -> ... (65 members)") != NULL);
}

/* SPEC: O3 */
static void the_longest_cycle_is_named_whole_and_longer_ones_are_counted(void **state)
{
    (void)state;
    passes_in_child(sort_rings);
}

static void sort_without_memory(void)
{
    struct heap_statistics before;
    struct heap_statistics after;

    machine_boot(1);
    fresh_actors();
    heap_statistics(&before);
    heap_fail_nth(1);
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_ENOMEM);
    CHECK(was_heard("") && nothing_is_alive() && strstr(failure.text, "no memory") != NULL);
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    heap_statistics(&after);
    CHECK(after.objects == before.objects);
}

/* SPEC: O9 */
static void without_memory_nothing_is_initialised(void **state)
{
    (void)state;
    passes_in_child(sort_without_memory);
}

static void refuse_before_init(void)
{
    static const char *const missing[] = {"s1", "nowhere", NULL};
    static const char *const self[] = {"loop", NULL};
    static const struct subsystem lost = {.name = "lost", .version = "1", .dependencies = missing};
    static const struct subsystem loop = {.name = "loop", .version = "1", .dependencies = self};
    subsystem_id id;

    machine_boot(1);
    fresh_actors();
    CHECK(subsystem_set_add(&set, &lost, &id) == HX_OK);
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_EMISSING);
    CHECK(strcmp(failure.text, "lost depends on nowhere, which is not registered") == 0);
    CHECK(strcmp(failure.subsystem, "lost") == 0);
    CHECK(was_heard("") && set.ordered == 0);
    fresh_actors();
    CHECK(subsystem_set_add(&set, &loop, &id) == HX_OK);
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_ECYCLE);
    CHECK(strcmp(failure.text, "dependency cycle: loop -> loop") == 0);
    CHECK(was_heard("") && nothing_is_alive());
}

/* SPEC: O3 */
static void a_missing_or_circular_dependency_initialises_nothing(void **state)
{
    (void)state;
    passes_in_child(refuse_before_init);
}

/* --- init and shutdown ------------------------------------------------------------------------ */

static void start_and_stop(void)
{
    machine_boot(1);
    fresh_actors();
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    CHECK(was_heard("i1 i2 i0 i4 i3 i5 "));
    CHECK(subsystem_set_shutdown(&set, 1, &failure) == HX_OK);
    CHECK(was_heard("d5 d3 d4 d0 d2 d1 ") && nothing_is_alive());
    CHECK(subsystem_set_shutdown(&set, 1, &failure) == HX_OK && was_heard(""));
}

/* SPEC: O2 O4 O6 S1 */
static void init_goes_in_order_and_shutdown_in_reverse(void **state)
{
    (void)state;
    passes_in_child(start_and_stop);
}

static void fail_init(void)
{
    machine_boot(1);
    fresh_actors();
    strcpy(failing, "i4");
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_EBUSY);
    CHECK(was_heard("i1 i2 i0 i4 d0 d2 d1 ") && nothing_is_alive());
    CHECK(strcmp(failure.subsystem, "s4") == 0);
    CHECK(strstr(failure.text, "init of s4 failed") != NULL);
    CHECK(strstr(failure.text, "HX_EBUSY") != NULL);
}

static unsigned refusals; /* that stubborn_init has left */

static hx_err stubborn_init(const struct boot_configuration *config)
{
    (void)config;
    if (refusals == 0) {
        strcat(heard, "ok ");
        return HX_OK;
    }
    refusals--;
    strcat(heard, "! ");
    return HX_EIO;
}

static void retry_init(void)
{
    static const struct subsystem stubborn = {
        .name = "stubborn", .version = "1", .init = stubborn_init};
    subsystem_id id;

    machine_boot(1);
    reset();
    set.init_retries = 2;
    CHECK(subsystem_set_add(&set, &actors[1], &id) == HX_OK);
    CHECK(subsystem_set_add(&set, &stubborn, &id) == HX_OK);
    refusals = 2;
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    CHECK(was_heard("i1 ! ! ok ") && set.up == 2 && set.failures == 2 && set.steps == 4);
    CHECK(set.last_error == HX_EIO);
    CHECK(subsystem_set_shutdown(&set, 1, &failure) == HX_OK && was_heard("d1 "));
    refusals = 3;
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_EIO);
    CHECK(was_heard("i1 ! ! ! d1 ") && set.up == 0);
    CHECK(strcmp(failure.subsystem, "stubborn") == 0);
}

/* SPEC: O5 */
static void a_failed_init_is_tried_again_so_often_and_no_more(void **state)
{
    (void)state;
    passes_in_child(retry_init);
}

/* SPEC: O5 */
static void a_failed_init_shuts_down_in_reverse_what_was_up(void **state)
{
    (void)state;
    passes_in_child(fail_init);
}

static void fail_start(void)
{
    subsystem_id id;

    machine_boot(1);
    CHECK(console_register(&console_serial) == HX_OK);
    panic_set_action(PANIC_EXIT);
    CHECK(lifecycle_advance(PHASE_EARLY_INIT) == HX_OK);
    for (unsigned i = 0; i < ACTORS; i++) {
        CHECK(orchestrator_register(&actors[i], &id) == HX_OK);
    }
    strcpy(failing, "i0");
    orchestrator_set_init_retries(1);
    orchestrator_start(configuration);
}

/* SPEC: O5 */
static void a_kernel_that_cannot_start_panics_and_names_the_subsystem(void **state)
{
    (void)state;
    in_child(fail_start);
    assert_int_equal(child.status, PANIC_EXIT_STATUS);
    assert_int_equal(printed("Message: the kernel cannot start: init of s0 failed: "), 1);
    assert_int_equal(printed("State: Initializing\r\n"), 1);
    assert_int_equal(printed("init of s0 failed: in use; trying again, 1 of 1\r\n"), 1);
}

static void fail_shutdown(void)
{
    machine_boot(1);
    fresh_actors();
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    forget();
    strcpy(failing, "d3");
    CHECK(subsystem_set_shutdown(&set, 1, &failure) == HX_EBUSY);
    CHECK(was_heard("d5 d3 d4 d0 d2 d1 "));
    CHECK(strcmp(failure.subsystem, "s3") == 0 && set.failures == 1 && set.up == 0);
}

/* SPEC: O6 */
static void a_failed_shutdown_stops_none_of_the_others(void **state)
{
    (void)state;
    passes_in_child(fail_shutdown);
}

static _Atomic bool may_end;

static hx_err hang(void)
{
    while (!atomic_load(&may_end)) {
        thread_sleep(HAL_NS_PER_MS);
    }
    return HX_OK;
}

static const struct subsystem hanging = {.name = "hanging", .version = "1", .shutdown = hang};

/* Returns when no more objects are in use; the child's time limit ends it when that never happens.
 */
static void await_objects(size_t count)
{
    struct heap_statistics now;

    do {
        thread_sleep(HAL_NS_PER_MS);
        heap_statistics(&now);
    } while (now.objects > count);
}

#define SHUTDOWN_LIMIT_NS                                                                          \
    (300 * HAL_NS_PER_MS) /* what does not hang is done by then on any host                        \
                           */

static void shut_down_hanging(void)
{
    struct heap_statistics before;
    subsystem_id id;
    uint64_t start;

    fresh_actors();
    CHECK(subsystem_set_add(&set, &hanging, &id) == HX_OK);
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    forget();
    heap_statistics(&before);
    start = hal_clock_now();
    CHECK(subsystem_set_shutdown(&set, SHUTDOWN_LIMIT_NS, &failure) == HX_ETIMEDOUT);
    CHECK(hal_clock_now() - start >= SHUTDOWN_LIMIT_NS);
    CHECK(was_heard("d5 d3 d4 d0 d2 d1 ") && nothing_is_alive());
    CHECK(strcmp(failure.subsystem, "hanging") == 0);
    atomic_store(&may_end, true);
    await_objects(before.objects); /* the one left behind cleans up */
}

static void run_shut_down_hanging(void)
{
    machine_run(2, shut_down_hanging);
}

/* SPEC: O6 */
static void a_hanging_shutdown_is_left_behind_at_its_time_limit(void **state)
{
    (void)state;
    passes_in_child(run_shut_down_hanging);
}

/* --- suspend and resume ----------------------------------------------------------------------- */

static void suspend_and_resume(void)
{
    machine_boot(1);
    fresh_actors();
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    forget();
    CHECK(subsystem_set_suspend(&set, &failure) == HX_OK);
    CHECK(was_heard("s5 s3 s4 s0 s2 s1 "));
    CHECK(subsystem_set_resume(&set, &failure) == HX_OK);
    CHECK(was_heard("r1 r2 r0 r4 r3 r5 "));
    strcpy(failing, "s0");
    CHECK(subsystem_set_suspend(&set, &failure) == HX_EBUSY);
    CHECK(was_heard("s5 s3 s4 s0 r4 r3 r5 ") && strcmp(failure.subsystem, "s0") == 0);
    for (unsigned i = 0; i < ACTORS; i++) {
        CHECK(!suspended[i]);
    }
    failing[0] = '\0';
    CHECK(subsystem_set_suspend(&set, &failure) == HX_OK);
    forget();
    strcpy(failing, "r4");
    CHECK(subsystem_set_resume(&set, &failure) == HX_EBUSY);
    CHECK(was_heard("r1 r2 r0 r4 s0 s2 s1 "));
    for (unsigned i = 0; i < ACTORS; i++) {
        CHECK(suspended[i]);
    }
}

/* SPEC: O7 */
static void suspend_and_resume_are_all_or_nothing(void **state)
{
    (void)state;
    passes_in_child(suspend_and_resume);
}

static void boot_kernel(void)
{
    subsystem_id id;

    CHECK(lifecycle_advance(PHASE_EARLY_INIT) == HX_OK);
    for (unsigned i = 0; i < ACTORS; i++) {
        CHECK(orchestrator_register(&actors[i], &id) == HX_OK);
    }
    CHECK(orchestrator_suspend(&failure) == HX_ESTATE);
    CHECK(orchestrator_init_all(configuration, &failure) == HX_OK);
    CHECK(orchestrator_resume(&failure) == HX_ESTATE);
    CHECK(kernel_state_current() == KERNEL_INITIALIZING);
    CHECK(orchestrator_run() == HX_ESTATE); /* LateInit has not been */
    CHECK(kernel_state_current() == KERNEL_INITIALIZING);
    CHECK(lifecycle_advance(PHASE_LATE_INIT) == HX_OK);
    CHECK(orchestrator_run() == HX_OK);
}

static void move_states(void)
{
    machine_boot(1);
    boot_kernel();
    forget();
    CHECK(orchestrator_resume(&failure) == HX_ESTATE && was_heard(""));
    strcpy(failing, "s4");
    CHECK(orchestrator_suspend(&failure) == HX_EBUSY);
    CHECK(kernel_state_current() == KERNEL_RUNNING);
    failing[0] = '\0';
    CHECK(orchestrator_suspend(&failure) == HX_OK);
    CHECK(kernel_state_current() == KERNEL_SUSPENDED && lifecycle_phase() == PHASE_RUNNING);
    CHECK(orchestrator_suspend(&failure) == HX_ESTATE);
    strcpy(failing, "r4");
    CHECK(orchestrator_resume(&failure) == HX_EBUSY);
    CHECK(kernel_state_current() == KERNEL_SUSPENDED);
    failing[0] = '\0';
    CHECK(orchestrator_resume(&failure) == HX_OK);
    CHECK(kernel_state_current() == KERNEL_RUNNING);
    forget();
    CHECK(orchestrator_shutdown_all(&failure) == HX_OK);
    CHECK(was_heard("d5 d3 d4 d0 d2 d1 "));
    CHECK(kernel_state_current() == KERNEL_SHUTTING_DOWN && lifecycle_phase() == PHASE_HALTED);
    CHECK(orchestrator_shutdown_all(&failure) == HX_ESTATE);
}

/* SPEC: O6 O7 K2 */
static void the_state_follows_what_succeeded(void **state)
{
    (void)state;
    passes_in_child(move_states);
}

/* --- fail points ------------------------------------------------------------------------------ */

/* One life of the set: up, suspended, resumed, down; as far as it gets. */
static void live_with_failpoint(uint64_t n)
{
    fresh_actors();
    failpoint_arm(n);
    if (subsystem_set_init(&set, configuration, &failure) != HX_OK) {
        CHECK(nothing_is_alive() && set.up == 0);
        return;
    }
    if (subsystem_set_suspend(&set, &failure) == HX_OK &&
        subsystem_set_resume(&set, &failure) != HX_OK) {
        for (unsigned i = 0; i < ACTORS; i++) {
            CHECK(suspended[i]);
        }
        CHECK(subsystem_set_resume(&set, &failure) == HX_OK);
    }
    for (unsigned i = 0; i < ACTORS; i++) {
        CHECK(!suspended[i] && alive[i] == 1);
    }
    CHECK(subsystem_set_shutdown(&set, 1, &failure) == HX_OK || set.failures == 1);
    CHECK(nothing_is_alive() && set.up == 0);
}

static void fail_by_name(void)
{
    machine_boot(1);
    CHECK(failpoint_arm_named("init") == HX_EINVAL && failpoint_arm_named("") == HX_EINVAL);
    CHECK(failpoint_arm_named("init:a subject whose name is longer than any step's") == HX_EINVAL);
    CHECK(failpoint_step("init", "") == HX_OK);
    CHECK(failpoint_arm_named("suspend:s2") == HX_OK);
    CHECK(failpoint_step("init", "s2") == HX_OK && failpoint_step("suspend", "s20") == HX_OK);
    CHECK(failpoint_step("suspend", "s2") == HX_EIO && failpoint_step("suspend", "s2") == HX_OK);
    CHECK(failpoint_arm_named("suspend:s2") == HX_OK);
    failpoint_arm(0);
    CHECK(failpoint_step("suspend", "s2") == HX_OK);
}

/* SPEC: O9 */
static void a_step_fails_by_its_name_once(void **state)
{
    (void)state;
    passes_in_child(fail_by_name);
}

/* Where an init is tried again, one that fails once fails nothing. */
static void heal_with_failpoint(uint64_t n)
{
    fresh_actors();
    set.init_retries = 1;
    failpoint_arm(n);
    CHECK(subsystem_set_init(&set, configuration, &failure) == HX_OK);
    CHECK(set.up == ACTORS && set.failures == 1);
    CHECK(subsystem_set_shutdown(&set, 1, &failure) == HX_OK && nothing_is_alive());
}

static void walk_failpoints(void)
{
    uint64_t steps;

    machine_boot(1);
    live_with_failpoint(0);
    steps = failpoint_steps();
    CHECK(steps == 4 * ACTORS);
    for (uint64_t n = 1; n <= steps; n++) {
        uint64_t lines = log_statistics().written;

        live_with_failpoint(n);
        CHECK(log_statistics().written > lines);
    }
    for (uint64_t n = 1; n <= ACTORS; n++) {
        heal_with_failpoint(n);
    }
}

/* SPEC: O9 */
static void every_fail_point_leaves_nothing_half_done(void **state)
{
    (void)state;
    passes_in_child(walk_failpoints);
}

/* --- for people ------------------------------------------------------------------------------- */

static void show(void)
{
    char text[1024];
    size_t length;

    machine_boot(1);
    fresh_actors();
    CHECK(subsystem_set_sort(&set, &failure) == HX_OK);
    length = subsystem_set_text(&set, text, sizeof text);
    CHECK(length == strlen(text));
    CHECK(strcmp(text, "1 s1 1.1\n2 s2 1.2\n3 s0 1.0 <- s2\n4 s4 1.4\n"
                       "5 s3 1.3 <- s0 s4\n6 s5 1.5\n") == 0);
    (void)subsystem_set_dot(&set, text, sizeof text);
    CHECK(strstr(text, "digraph subsystems {\n") != NULL);
    CHECK(strstr(text, "    \"s3\" -> \"s0\";\n    \"s3\" -> \"s4\";\n") != NULL);
    CHECK(strstr(text, "    \"s0\" [label=\"3 s0\"];\n") != NULL);
}

/* SPEC: O8 */
static void graph_and_order_can_be_read(void **state)
{
    (void)state;
    passes_in_child(show);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_double_and_too_many_records_are_refused),
        cmocka_unit_test(a_late_registration_is_refused),
        cmocka_unit_test(thousands_of_random_graphs_are_ordered_as_the_plain_way_does),
        cmocka_unit_test(every_cycle_is_refused_and_named_in_order),
        cmocka_unit_test(every_missing_dependency_is_refused_and_both_ends_named),
        cmocka_unit_test(the_longest_cycle_is_named_whole_and_longer_ones_are_counted),
        cmocka_unit_test(without_memory_nothing_is_initialised),
        cmocka_unit_test(a_missing_or_circular_dependency_initialises_nothing),
        cmocka_unit_test(init_goes_in_order_and_shutdown_in_reverse),
        cmocka_unit_test(a_failed_init_shuts_down_in_reverse_what_was_up),
        cmocka_unit_test(a_failed_init_is_tried_again_so_often_and_no_more),
        cmocka_unit_test(a_kernel_that_cannot_start_panics_and_names_the_subsystem),
        cmocka_unit_test(a_failed_shutdown_stops_none_of_the_others),
        cmocka_unit_test(a_hanging_shutdown_is_left_behind_at_its_time_limit),
        cmocka_unit_test(suspend_and_resume_are_all_or_nothing),
        cmocka_unit_test(the_state_follows_what_succeeded),
        cmocka_unit_test(every_fail_point_leaves_nothing_half_done),
        cmocka_unit_test(a_step_fails_by_its_name_once),
        cmocka_unit_test(graph_and_order_can_be_read),
    };

    return cmocka_run_group_tests_name("core/orchestrator", tests, NULL, NULL);
}
