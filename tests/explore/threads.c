#include <base/assert.h>
#include <kern/read_section.h>
#include <kern/spinlock.h>
#include <ports/hosted/machine.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <tests/explore/point.h>
#include <tests/explore/threads.h>

#define STACK_SIZE (128U * 1024U)

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
    void (*entry)(void *argument);
    void *argument;
    void *stack; /* NULL: none yet */
    bool is_fiber;
};

static struct thread main_thread;
static struct virtual_thread threads[THREADS];
struct explore_run explore_run;

/* --- what the imitated kernel asks ------------------------------------------------------------ */

unsigned explore_index(const struct virtual_thread *thread)
{
    return (unsigned)(thread - threads);
}

uint32_t explore_cpu(void)
{
    return explore_run.current != NULL ? explore_index(explore_run.current) : explore_run.cpu;
}

unsigned explore_self(void)
{
    return explore_index(explore_run.current);
}

struct thread *explore_thread(void)
{
    return explore_run.current != NULL ? &explore_run.current->thread : &main_thread;
}

struct thread *explore_thread_at(unsigned index)
{
    return &threads[index].thread;
}

bool *explore_interrupts_off(void)
{
    static bool off;

    return explore_run.current != NULL ? &explore_run.current->interrupts_off : &off;
}

uint64_t explore_now(void)
{
    return explore_run.now;
}

void explore_join_grace_periods(unsigned count)
{
    struct virtual_thread *caller = explore_run.current;

    explore_run.current = NULL;
    for (explore_run.cpu = 0; explore_run.cpu < count; explore_run.cpu++) {
        read_section_join();
    }
    explore_run.cpu = 0;
    explore_run.current = caller;
}

/* --- switching -------------------------------------------------------------------------------- */

static void switch_to(struct virtual_thread *next)
{
    struct virtual_thread *self = explore_run.current;

    if (next == self) {
        return;
    }
    explore_run.current = next;
    (void)hosted_fiber_switch(self != NULL ? &self->thread.hal : &main_thread.hal,
                              next != NULL ? &next->thread.hal : &main_thread.hal, NULL);
}

void explore_fail(const char *why)
{
    if (explore_run.current == NULL) {
        fprintf(stderr, "outside of a schedule: %s\n", why);
        abort();
    }
    explore_run.failure = why;
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
        options[count++] = explore_run.current;
    }
    count = add_options(options, count, can_go_on);
    count = add_options(options, count, can_time_out);
    return count != 0 ? count : add_options(options, 0, has_yielded);
}

static void note_deviation(const struct virtual_thread *thread)
{
    if (explore_run.deviation_count < DEVIATION_MAX) {
        explore_run.deviations[explore_run.deviation_count++] =
            (struct deviation){explore_run.decision_count, explore_index(thread)};
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
    if (count > 1 && explore_run.choose != NULL) {
        chosen = explore_run.choose(options, count, self_can);
        if (chosen != 0) {
            note_deviation(options[chosen]);
            explore_run.preemptions += self_can ? 1 : 0;
        }
        explore_run.decision_count++;
    }
    options[chosen]->has_yielded = false;
    switch_to(options[chosen]);
}

/* --- points ----------------------------------------------------------------------------------- */

static void note_step(const char *file, int line)
{
    if (explore_run.step_count == STEPS_MAX) {
        explore_fail("the schedule does not end");
    }
    explore_run.steps[explore_run.step_count++] = (struct step){file, line, explore_self()};
    for (unsigned i = 0; i < THREADS && explore_run.have_yielded; i++) {
        threads[i].has_yielded = threads[i].has_yielded && &threads[i] == explore_run.current;
    }
    explore_run.have_yielded = explore_run.current->has_yielded;
}

void explore_point(const char *file, int line)
{
    if (explore_run.current == NULL) {
        return;
    }
    note_step(file, line);
    if (explore_run.current->thread.reschedule && context_can_block()) {
        explore_on_interrupt();
    }
    if (explore_run.choose != NULL) {
        reschedule(true);
    }
}

void explore_lock_wait(const struct spinlock *lock, const char *file, int line)
{
    explore_point(file, line);
    if (explore_run.current == NULL) {
        return;
    }
    explore_run.current->wanted = lock;
    while (!is_free(lock)) {
        reschedule(false);
    }
    explore_run.current->wanted = NULL;
}

void explore_yield(void)
{
    if (explore_run.current != NULL) {
        note_step(__FILE__, __LINE__);
        explore_run.current->has_yielded = true;
        explore_run.have_yielded = true;
        reschedule(false);
    }
}

hx_err explore_park(uint64_t deadline_ns)
{
    struct virtual_thread *self = explore_run.current;

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
            explore_run.now = deadline_ns > explore_run.now ? deadline_ns : explore_run.now;
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
    explore_run.awaited++;
    explore_on_interrupt();
    explore_run.awaited--;
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
        explore_run.awaited--;
    }
    while (self->state == IDLE) {
        if (explore_run.awaited == 0) {
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
    explore_run.awaited++;
}

/* Let the threads run until all that are awaited have returned, or one fails. */
static bool run_phase(chooser *choose)
{
    explore_run.choose = choose;
    if (explore_run.awaited != 0) {
        reschedule(false);
    }
    explore_run.choose = NULL;
    return explore_run.failure == NULL;
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
    for (unsigned i = 0; i < THREADS && explore_run.failure == NULL; i++) {
        explore_run.failure =
            has_stopped(&threads[i]) ? NULL : "a thread goes on after the schedule";
    }
    if (explore_run.failure == NULL && blocks != ANY_BLOCKS && blocks != explore_heap_blocks()) {
        explore_run.failure = "memory is left over, or freed twice";
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

void explore_run_schedule(const struct explore_scenario *scenario, chooser *choose, int64_t blocks)
{
    memset(&explore_run, 0, offsetof(struct explore_run, deviations));
    forget_wake_ups();
    if (main_thread.hal.stack == NULL) {
        hosted_fiber_adopt(&main_thread.hal);
    }
    if (run_alone(&scenario->start)) {
        for (unsigned i = 0; i < EXPLORE_THREADS && scenario->threads[i] != NULL; i++) {
            await(&threads[i], &scenario->threads[i]);
        }
        if (run_phase(choose) && finish(scenario)) {
            check_leftovers(blocks);
        }
    }
    if (explore_run.failure != NULL) {
        abandon_threads();
    }
}
