#include <base/assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tests/explore/explore.h>
#include <tests/explore/threads.h>
#include <tests/host/random.h>

#include <cmocka.h>

#define RANDOM_FEW  1000U
#define RANDOM_MANY 200000U
#define CHANGES_MAX 4U /* of priorities in a random schedule */

/* A point at which several could go on. */
struct choice {
    uint8_t options;
    uint8_t chosen;
};

/* The schedules of one scenario. */
static struct {
    struct choice choices[STEPS_MAX];
    unsigned depth;  /* choices of this schedule so far */
    unsigned prefix; /* of these, from the one before */
    unsigned bound;  /* of preemptions */
    unsigned change_count;
    unsigned changes[CHANGES_MAX]; /* decisions at which a priority changes, of a random schedule */
    uint32_t priorities[THREADS];  /* of a random schedule */
    const char *again;             /* what is left of a schedule to be repeated */
} search;

/* --- all schedules up to a bound -------------------------------------------------------------- */

/* Depth first: what the last schedule chose up to `prefix`, then the default. */
static unsigned choose_next(struct virtual_thread *const *options, unsigned count, bool self_can)
{
    struct choice *choice = &search.choices[search.depth];

    (void)options;
    if (self_can && explore_run.preemptions >= search.bound) {
        return 0;
    }
    if (search.depth++ >= search.prefix) {
        *choice = (struct choice){(uint8_t)count, 0};
    }
    HX_ASSERT(choice->options == count, "a schedule depends on nothing but its choices");
    return choice->chosen;
}

/* Change the last choice that has an option left. */
static bool next_schedule(void)
{
    while (search.depth != 0) {
        struct choice *last = &search.choices[search.depth - 1];

        if (last->chosen + 1U < last->options) {
            last->chosen++;
            search.prefix = search.depth;
            return true;
        }
        search.depth--;
    }
    return false;
}

/* --- random schedules ------------------------------------------------------------------------- */

static void draw_priorities(unsigned longest)
{
    for (unsigned i = 0; i < THREADS; i++) {
        search.priorities[i] = CHANGES_MAX + (uint32_t)random_below(1U << 20);
    }
    search.change_count = 1 + (unsigned)random_below(CHANGES_MAX);
    for (unsigned i = 0; i < search.change_count; i++) {
        search.changes[i] = (unsigned)random_below(longest + 1);
    }
}

static uint32_t priority_of(const struct virtual_thread *thread)
{
    return search.priorities[explore_index(thread)];
}

/* At a change the running thread comes behind all others. */
static unsigned choose_by_priority(struct virtual_thread *const *options, unsigned count,
                                   bool self_can)
{
    unsigned best = 0;

    for (unsigned i = 0; i < search.change_count; i++) {
        if (self_can && search.changes[i] == explore_run.decision_count) {
            search.priorities[explore_index(options[0])] = i;
        }
    }
    for (unsigned i = 1; i < count; i++) {
        if (priority_of(options[i]) > priority_of(options[best])) {
            best = i;
        }
    }
    return best;
}

/* --- a schedule again ------------------------------------------------------------------------- */

/* The text's next deviation is at this decision: its thread, which must be an option. */
static unsigned choose_again(struct virtual_thread *const *options, unsigned count, bool self_can)
{
    unsigned decision;
    unsigned thread;

    (void)self_can;
    if (sscanf(search.again, "%u:%u", &decision, &thread) != 2 ||
        decision != explore_run.decision_count) {
        return 0;
    }
    search.again += strcspn(search.again, ",");
    search.again += *search.again == ',' ? 1 : 0;
    for (unsigned i = 0; i < count; i++) {
        if (explore_index(options[i]) == thread) {
            return i;
        }
    }
    explore_fail("the schedule is not one of this scenario");
}

static void write_schedule(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < explore_run.deviation_count && used < size; i++) {
        used +=
            (size_t)snprintf(text + used, size - used, "%s%u:%u", i != 0 ? "," : "",
                             explore_run.deviations[i].decision, explore_run.deviations[i].thread);
    }
}

/* --- exploring -------------------------------------------------------------------------------- */

static bool note_outcome(struct explore_outcome *outcome)
{
    if (explore_run.step_count > outcome->longest) {
        outcome->longest = explore_run.step_count;
    }
    if (explore_run.failure == NULL) {
        return true;
    }
    outcome->has_failed = true;
    (void)snprintf(outcome->why, sizeof(outcome->why), "%s", explore_run.failure);
    write_schedule(outcome->schedule, sizeof(outcome->schedule));
    return false;
}

static bool run_all(const struct explore_scenario *scenario, unsigned bound, int64_t blocks,
                    struct explore_outcome *outcome)
{
    bool goes_on = true;

    search.bound = bound;
    search.prefix = 0;
    outcome->preemptions = bound;
    outcome->schedules = 0;
    do {
        search.depth = 0;
        outcome->schedules++;
        explore_run_schedule(scenario, choose_next, blocks);
        goes_on = note_outcome(outcome);
    } while (goes_on && next_schedule());
    return goes_on;
}

static void run_random(const struct explore_scenario *scenario, unsigned count, int64_t blocks,
                       struct explore_outcome *outcome)
{
    bool goes_on = true;

    for (unsigned i = 0; i < count && goes_on; i++) {
        draw_priorities(outcome->longest);
        explore_run_schedule(scenario, choose_by_priority, blocks);
        outcome->random++;
        goes_on = note_outcome(outcome);
    }
}

/*
 * The default schedule: what it leaves in the heap is there for good, as tables that only grow.
 * Returns whether it holds.
 */
static bool warm_up(const struct explore_scenario *scenario, struct explore_outcome *outcome)
{
    *outcome = (struct explore_outcome){.seed = random_start()};
    search.again = "";
    explore_run_schedule(scenario, choose_again, ANY_BLOCKS);
    return note_outcome(outcome);
}

void explore_quietly(const struct explore_scenario *scenario, struct explore_outcome *outcome)
{
    bool is_soak = getenv("HELIX_SOAK") != NULL;
    bool goes_on = warm_up(scenario, outcome);
    int64_t blocks = explore_heap_blocks();

    for (unsigned i = 0; i <= scenario->preemptions + (is_soak ? 1 : 0) && goes_on; i++) {
        goes_on = run_all(scenario, i, blocks, outcome);
    }
    if (goes_on) {
        run_random(scenario, is_soak ? RANDOM_MANY : RANDOM_FEW, blocks, outcome);
    }
}

void explore_again(const struct explore_scenario *scenario, const char *schedule,
                   struct explore_outcome *outcome)
{
    if (warm_up(scenario, outcome)) {
        search.again = schedule;
        explore_run_schedule(scenario, choose_again, explore_heap_blocks());
        (void)note_outcome(outcome);
    }
}

/* --- saying it -------------------------------------------------------------------------------- */

static void print_steps(void)
{
    for (unsigned i = 0; i < explore_run.step_count; i++) {
        printf("#   thread %u  %s:%d\n", explore_run.steps[i].thread, explore_run.steps[i].file,
               explore_run.steps[i].line);
    }
}

static void print_counts(const struct explore_scenario *scenario,
                         const struct explore_outcome *outcome)
{
    printf(
        "# explore: %s: %lu schedules with at most %u preemptions and up to %u steps, %lu random "
        "ones (HELIX_SEED=%lu)\n",
        scenario->name, outcome->schedules, outcome->preemptions, outcome->longest, outcome->random,
        outcome->seed);
}

static void fail_if_failed(const struct explore_scenario *scenario,
                           const struct explore_outcome *outcome)
{
    if (outcome->has_failed) {
        print_steps();
        printf("# HELIX_SCHEDULE='%s %s' does it again\n", scenario->name, outcome->schedule);
        fail_msg("%s: %s", scenario->name, outcome->why);
    }
}

/* The schedule that HELIX_SCHEDULE has for the scenario, NULL: it is for another one. */
static const char *schedule_of(const char *text, const struct explore_scenario *scenario)
{
    size_t length = strlen(scenario->name);

    if (strncmp(text, scenario->name, length) != 0 ||
        (text[length] != ' ' && text[length] != '\0')) {
        return NULL;
    }
    return text + length + (text[length] == ' ' ? 1 : 0);
}

void explore(const struct explore_scenario *scenario)
{
    const char *text = getenv("HELIX_SCHEDULE");
    struct explore_outcome outcome;

    if (text == NULL) {
        explore_quietly(scenario, &outcome);
        print_counts(scenario, &outcome);
        fail_if_failed(scenario, &outcome);
    } else if (schedule_of(text, scenario) != NULL) {
        explore_again(scenario, schedule_of(text, scenario), &outcome);
        fail_if_failed(scenario, &outcome);
        print_steps();
    }
}
