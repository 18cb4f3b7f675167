#include <base/assert.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <ports/hosted/machine.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tests/explore/explore.h>
#include <tests/explore/point.h>
#include <tests/host/random.h>

#include <cmocka.h>

#define STACK_SIZE    (128U * 1024U)
#define HELPER        EXPLORE_THREADS /* the thread that starts and finishes a schedule */
#define THREADS       (HELPER + 4U)   /* behind it: those that explored code makes */
#define STEPS_MAX     5000U           /* a schedule that has more does not end */
#define ANY_BLOCKS    (-1)
#define RANDOM_FEW    1000U
#define RANDOM_MANY   200000U
#define CHANGES_MAX   4U /* of priorities in a random schedule */
#define DEVIATION_MAX 60U

enum state {
    UNUSED,
    CREATED, /* not started */
    READY,
    PARKED,
    IDLE, /* its function has returned: a CPU without work, which has interrupts still */
};

struct virtual_thread {
    struct thread thread; /* first: thread_unpark gets a pointer to it. Its hal is the fiber */
    enum state state;
    bool has_token;
    bool has_yielded; /* until another one has made a step */
    bool interrupts_off;
    bool is_awaited;               /* the phase ends when those that are have returned */
    uint64_t deadline;             /* while parked */
    const struct spinlock *wanted; /* NULL, or waits until nobody holds it */
    uint32_t priority;             /* in a random schedule */
    void (*entry)(void *argument);
    void *argument;
    void *stack; /* NULL: none yet */
    bool is_fiber;
};

struct step {
    const char *file;
    int line;
    unsigned thread;
};

/* A point at which several could go on. */
struct choice {
    uint8_t options;
    uint8_t chosen;
};

/* Who goes on: an index of the options, of which there are several. */
typedef unsigned chooser(struct virtual_thread *const *options, unsigned count, bool can_go_on);

/* Where a schedule leaves the default, which is to go on, or else the first option. */
struct deviation {
    unsigned decision;
    unsigned thread;
};

static struct thread main_thread;
static struct virtual_thread threads[THREADS];

/* The schedule that runs. */
static struct {
    struct virtual_thread *current; /* NULL: outside of virtual threads */
    chooser *choose;                /* NULL: no preemption, the first option */
    bool have_yielded;              /* some have, perhaps */
    unsigned awaited;               /* threads that have not returned */
    unsigned step_count;
    unsigned decision_count;
    unsigned preemptions;
    unsigned deviation_count;
    uint64_t now;
    const char *failure; /* NULL: none */
    uint32_t cpu;        /* while current is NULL */
    struct deviation deviations[DEVIATION_MAX];
    struct step steps[STEPS_MAX];
} run;

/* The schedules of one scenario. */
static struct {
    struct choice choices[STEPS_MAX];
    unsigned depth;  /* choices of this schedule so far */
    unsigned prefix; /* of these, from the one before */
    unsigned bound;  /* of preemptions */
    unsigned change_count;
    unsigned changes[CHANGES_MAX]; /* decisions at which a priority changes, of a random schedule */
    const char *again;             /* what is left of a schedule to be repeated */
} search;

/* --- what the imitated kernel asks ------------------------------------------------------------ */

static unsigned index_of(const struct virtual_thread *thread)
{
    return (unsigned)(thread - threads);
}

uint32_t explore_cpu(void)
{
    return run.current != NULL ? index_of(run.current) : run.cpu;
}

unsigned explore_self(void)
{
    return index_of(run.current);
}

struct thread *explore_thread(void)
{
    return run.current != NULL ? &run.current->thread : &main_thread;
}

bool *explore_interrupts_off(void)
{
    static bool off;

    return run.current != NULL ? &run.current->interrupts_off : &off;
}

uint64_t explore_now(void)
{
    return run.now;
}

void explore_join_grace_periods(unsigned count)
{
    struct virtual_thread *caller = run.current;

    run.current = NULL;
    for (run.cpu = 0; run.cpu < count; run.cpu++) {
        read_section_join();
    }
    run.cpu = 0;
    run.current = caller;
}

/* --- switching -------------------------------------------------------------------------------- */

static void switch_to(struct virtual_thread *next)
{
    struct virtual_thread *self = run.current;

    if (next == self) {
        return;
    }
    run.current = next;
    (void)hosted_fiber_switch(self != NULL ? &self->thread.hal : &main_thread.hal,
                              next != NULL ? &next->thread.hal : &main_thread.hal, NULL);
}

void explore_fail(const char *why)
{
    if (run.current == NULL) {
        fprintf(stderr, "outside of a schedule: %s\n", why);
        abort();
    }
    run.failure = why;
    switch_to(NULL);
    abort(); /* nobody switches back */
}

static bool is_free(const struct spinlock *lock)
{
    return lock == NULL || atomic_load(&lock->next) == atomic_load(&lock->serving);
}

static bool can_go_on(const struct virtual_thread *thread)
{
    switch (thread->state) {
    case READY:
        return is_free(thread->wanted) && !thread->has_yielded;
    case PARKED:
        return thread->has_token || thread->thread.reschedule;
    case IDLE:
        return thread->thread.reschedule;
    default:
        return false;
    }
}

static bool can_time_out(const struct virtual_thread *thread)
{
    return thread->state == PARKED && !can_go_on(thread) && thread->deadline != THREAD_NO_DEADLINE;
}

/* Add those that may go on, but for self, which is there already if it may. */
static unsigned add_options(struct virtual_thread **options, unsigned count,
                            bool may(const struct virtual_thread *thread))
{
    for (unsigned i = 0; i < THREADS; i++) {
        if ((count == 0 || options[0] != &threads[i]) && may(&threads[i])) {
            options[count++] = &threads[i];
        }
    }
    return count;
}

static bool has_yielded(const struct virtual_thread *thread)
{
    return thread->state == READY && thread->has_yielded;
}

static unsigned list_options(struct virtual_thread **options, bool self_can)
{
    unsigned count = 0;

    if (self_can) {
        options[count++] = run.current;
    }
    count = add_options(options, count, can_go_on);
    count = add_options(options, count, can_time_out);
    return count != 0 ? count : add_options(options, 0, has_yielded);
}

static void note_deviation(const struct virtual_thread *thread)
{
    if (run.deviation_count < DEVIATION_MAX) {
        run.deviations[run.deviation_count++] =
            (struct deviation){run.decision_count, index_of(thread)};
    }
}

/* Let somebody go on; self_can: the running thread as well. */
static void reschedule(bool self_can)
{
    struct virtual_thread *options[THREADS];
    unsigned count = list_options(options, self_can);
    unsigned chosen = 0;

    if (count == 0) {
        explore_fail("everybody waits, and nobody can be woken");
    }
    if (count > 1 && run.choose != NULL) {
        chosen = run.choose(options, count, self_can);
        if (chosen != 0) {
            note_deviation(options[chosen]);
            run.preemptions += self_can ? 1 : 0;
        }
        run.decision_count++;
    }
    options[chosen]->has_yielded = false;
    switch_to(options[chosen]);
}

/* --- points ----------------------------------------------------------------------------------- */

static void note_step(const char *file, int line)
{
    if (run.step_count == STEPS_MAX) {
        explore_fail("the schedule does not end");
    }
    run.steps[run.step_count++] = (struct step){file, line, explore_self()};
    for (unsigned i = 0; i < THREADS && run.have_yielded; i++) {
        threads[i].has_yielded = threads[i].has_yielded && &threads[i] == run.current;
    }
    run.have_yielded = run.current->has_yielded;
}

void explore_point(const char *file, int line)
{
    if (run.current == NULL) {
        return;
    }
    note_step(file, line);
    if (run.current->thread.reschedule && context_can_block()) {
        explore_on_interrupt();
    }
    if (run.choose != NULL) {
        reschedule(true);
    }
}

void explore_lock_wait(const struct spinlock *lock, const char *file, int line)
{
    explore_point(file, line);
    if (run.current == NULL) {
        return;
    }
    run.current->wanted = lock;
    while (!is_free(lock)) {
        reschedule(false);
    }
    run.current->wanted = NULL;
}

void explore_yield(void)
{
    if (run.current != NULL) {
        note_step(__FILE__, __LINE__);
        run.current->has_yielded = true;
        run.have_yielded = true;
        reschedule(false);
    }
}

hx_err explore_park(uint64_t deadline_ns)
{
    struct virtual_thread *self = run.current;

    self->deadline = deadline_ns;
    for (;;) {
        if (!self->has_token) {
            self->state = PARKED;
            reschedule(false);
            self->state = READY;
        }
        if (self->has_token) {
            self->has_token = false;
            return HX_OK;
        }
        if (!self->thread.reschedule) {
            run.now = deadline_ns > run.now ? deadline_ns : run.now;
            return HX_ETIMEDOUT;
        }
        explore_on_interrupt();
    }
}

void explore_unpark(struct thread *thread)
{
    ((struct virtual_thread *)(void *)thread)->has_token = true;
}

void explore_interrupt(uint32_t cpu)
{
    threads[cpu].thread.reschedule = true;
}

/* --- threads ---------------------------------------------------------------------------------- */

/* A CPU without work has interrupts; the phase waits for their end, too. */
static void handle_interrupt_idle(struct virtual_thread *self)
{
    self->state = READY;
    run.awaited++;
    explore_on_interrupt();
    run.awaited--;
    self->state = IDLE;
}

/* Until a new schedule gives it work. */
static void idle(struct virtual_thread *self)
{
    explore_check(self->thread.preempt_depth == 0 && !self->interrupts_off,
                  "a thread returns with preemption and interrupts on");
    self->state = IDLE;
    if (self->is_awaited) {
        self->is_awaited = false;
        run.awaited--;
    }
    while (self->state == IDLE) {
        if (run.awaited == 0) {
            switch_to(NULL);
        } else if (self->thread.reschedule) {
            handle_interrupt_idle(self);
        } else {
            reschedule(false);
        }
    }
}

static void run_fiber(void *argument)
{
    struct virtual_thread *self = argument;

    for (;;) {
        self->entry(self->argument);
        idle(self);
    }
}

static void give_work(struct virtual_thread *thread, void (*entry)(void *argument), void *argument)
{
    if (thread->stack == NULL) {
        thread->stack =
            mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (thread->stack == MAP_FAILED) {
            abort();
        }
    }
    if (!thread->is_fiber) {
        hal_thread_init(&thread->thread.hal, thread->stack, STACK_SIZE, run_fiber, thread);
        thread->is_fiber = true;
    }
    thread->entry = entry;
    thread->argument = argument;
}

struct thread *explore_create(void (*entry)(void *argument), void *argument)
{
    for (unsigned i = HELPER + 1; i < THREADS; i++) {
        if (threads[i].state == UNUSED || threads[i].state == IDLE) {
            give_work(&threads[i], entry, argument);
            threads[i].state = CREATED;
            return &threads[i].thread;
        }
    }
    return NULL;
}

void explore_start(struct thread *thread)
{
    ((struct virtual_thread *)(void *)thread)->state = READY;
}

/* After a failure: threads stand anywhere in their functions, and never go on. */
static void abandon_threads(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        void *stack = threads[i].stack;

        threads[i] = (struct virtual_thread){.stack = stack};
    }
}

static bool has_stopped(const struct virtual_thread *thread)
{
    return thread->state == IDLE || thread->state == UNUSED;
}

/* Threads that explored code has made may have to come to their end still. */
static void await_created(void)
{
    for (unsigned i = HELPER + 1; i < THREADS; i++) {
        for (unsigned steps = 0; steps < STEPS_MAX / 10 && !has_stopped(&threads[i]); steps++) {
            explore_yield();
        }
    }
}

/* --- one schedule ----------------------------------------------------------------------------- */

static void call(void *argument)
{
    (*(void (*const *)(void))argument)();
}

static void await(struct virtual_thread *thread, void (*const *function)(void))
{
    give_work(thread, call, (void *)(uintptr_t)function);
    thread->state = READY;
    thread->is_awaited = true;
    run.awaited++;
}

/* Let the threads run until all that are awaited have returned, or one fails. */
static bool run_phase(chooser *choose)
{
    run.choose = choose;
    if (run.awaited != 0) {
        reschedule(false);
    }
    run.choose = NULL;
    return run.failure == NULL;
}

static bool run_alone(void (*const *function)(void))
{
    if (*function == NULL) {
        return true;
    }
    await(&threads[HELPER], function);
    return run_phase(NULL);
}

static bool finish(const struct explore_scenario *scenario)
{
    static void (*const last)(void) = await_created;

    return run_alone(&scenario->finish) && run_alone(&last);
}

static void check_leftovers(int64_t blocks)
{
    for (unsigned i = 0; i < THREADS && run.failure == NULL; i++) {
        run.failure = has_stopped(&threads[i]) ? NULL : "a thread goes on after the schedule";
    }
    if (run.failure == NULL && blocks != ANY_BLOCKS && blocks != explore_heap_blocks()) {
        run.failure = "memory is left over, or freed twice";
    }
}

/* What the schedule before may have left undelivered. */
static void forget_wake_ups(void)
{
    for (unsigned i = 0; i < THREADS; i++) {
        threads[i].has_token = false;
        threads[i].thread.reschedule = false;
    }
}

/* blocks: of the heap, that there are after the schedule; or ANY_BLOCKS. */
static void run_schedule(const struct explore_scenario *scenario, chooser *choose, int64_t blocks)
{
    memset(&run, 0, offsetof(typeof(run), deviations));
    forget_wake_ups();
    if (run_alone(&scenario->start)) {
        for (unsigned i = 0; i < EXPLORE_THREADS && scenario->threads[i] != NULL; i++) {
            await(&threads[i], &scenario->threads[i]);
        }
        if (run_phase(choose) && finish(scenario)) {
            check_leftovers(blocks);
        }
    }
    if (run.failure != NULL) {
        abandon_threads();
    }
}

/* --- all schedules up to a bound -------------------------------------------------------------- */

/* Depth first: what the last schedule chose up to `prefix`, then the default. */
static unsigned choose_next(struct virtual_thread *const *options, unsigned count, bool self_can)
{
    struct choice *choice = &search.choices[search.depth];

    (void)options;
    if (self_can && run.preemptions >= search.bound) {
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
        threads[i].priority = CHANGES_MAX + (uint32_t)random_below(1U << 20);
    }
    search.change_count = 1 + (unsigned)random_below(CHANGES_MAX);
    for (unsigned i = 0; i < search.change_count; i++) {
        search.changes[i] = (unsigned)random_below(longest + 1);
    }
}

/* At a change the running thread comes behind all others. */
static unsigned choose_by_priority(struct virtual_thread *const *options, unsigned count,
                                   bool self_can)
{
    unsigned best = 0;

    for (unsigned i = 0; i < search.change_count; i++) {
        if (self_can && search.changes[i] == run.decision_count) {
            options[0]->priority = i;
        }
    }
    for (unsigned i = 1; i < count; i++) {
        if (options[i]->priority > options[best]->priority) {
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
    if (sscanf(search.again, "%u:%u", &decision, &thread) != 2 || decision != run.decision_count) {
        return 0;
    }
    search.again += strcspn(search.again, ",");
    search.again += *search.again == ',' ? 1 : 0;
    for (unsigned i = 0; i < count; i++) {
        if (index_of(options[i]) == thread) {
            return i;
        }
    }
    explore_fail("the schedule is not one of this scenario");
}

static void write_schedule(char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < run.deviation_count && used < size; i++) {
        used += (size_t)snprintf(text + used, size - used, "%s%u:%u", i != 0 ? "," : "",
                                 run.deviations[i].decision, run.deviations[i].thread);
    }
}

/* --- exploring -------------------------------------------------------------------------------- */

static bool note_outcome(struct explore_outcome *outcome)
{
    if (run.step_count > outcome->longest) {
        outcome->longest = run.step_count;
    }
    if (run.failure == NULL) {
        return true;
    }
    outcome->has_failed = true;
    (void)snprintf(outcome->why, sizeof(outcome->why), "%s", run.failure);
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
        run_schedule(scenario, choose_next, blocks);
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
        run_schedule(scenario, choose_by_priority, blocks);
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
    if (main_thread.hal.stack == NULL) {
        hosted_fiber_adopt(&main_thread.hal);
    }
    search.again = "";
    run_schedule(scenario, choose_again, ANY_BLOCKS);
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
        run_schedule(scenario, choose_again, explore_heap_blocks());
        (void)note_outcome(outcome);
    }
}

/* --- saying it -------------------------------------------------------------------------------- */

static void print_steps(void)
{
    for (unsigned i = 0; i < run.step_count; i++) {
        printf("#   thread %u  %s:%d\n", run.steps[i].thread, run.steps[i].file, run.steps[i].line);
    }
}

static void report(const struct explore_scenario *scenario, const struct explore_outcome *outcome)
{
    printf(
        "# explore: %s: %lu schedules with at most %u preemptions and up to %u steps, %lu random "
        "ones (HELIX_SEED=%lu)\n",
        scenario->name, outcome->schedules, outcome->preemptions, outcome->longest, outcome->random,
        outcome->seed);
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
        report(scenario, &outcome);
    } else if (schedule_of(text, scenario) != NULL) {
        explore_again(scenario, schedule_of(text, scenario), &outcome);
        print_steps();
        report(scenario, &outcome);
    }
}
