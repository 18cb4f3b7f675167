/*
 * The schedule explorer: runs the kernel's own code on a few virtual threads, in one schedule after
 * the other, and says which schedule breaks it.
 *
 * - A virtual thread is a fiber, and a CPU of its own. At each point (tests/explore/atomics.h) it
 * goes on, or another one does; nothing else decides who runs, so a schedule can be repeated.
 * - First come all schedules with no preemption, then all with at most one, and so on up to the
 *   scenario's bound (iterative context bounding: Musuvathi and Qadeer 2007); then random ones by
 *   priorities that change a few times (PCT: Burckhardt, Kothari, Musuvathi and Nagarakatte 2010).
 *   Who waits leaves without being preempted: which thread goes on then is tried out at no cost.
 * - Time is virtual: a deadline may pass at any point from the start of the wait on.
 * - A schedule fails when explore_check does, when an assertion of the kernel does, when everybody
 *   waits and nobody can be woken, when it does not end, or when a thread or memory is left over.
 *   What is printed then repeats it: HELIX_SCHEDULE='NAME CHOICE:THREAD,…' runs that schedule
 * alone. Locks are left as they were, so what the same program says of later scenarios means
 * nothing.
 * - HELIX_SEED repeats the random schedules; HELIX_SOAK=1 explores one preemption more, and more of
 *   the random ones.
 */
#ifndef TESTS_EXPLORE_EXPLORE_H
#define TESTS_EXPLORE_EXPLORE_H

#include <helix/attributes.h>
#include <kern/thread.h>
#include <stdbool.h>
#include <stdint.h>

#define EXPLORE_THREADS 4U

/* What hal_cpu_entropy() always is. */
#define EXPLORE_ENTROPY 0x0200000000010007ULL

struct explore_scenario {
    const char *name;    /* one word */
    void (*start)(void); /* before each schedule: makes everything new. Runs without preemption, as
                            finish does; both may block. NULL: nothing */
    void (*threads[EXPLORE_THREADS])(void); /* those that are interleaved; the rest NULL */
    void (*finish)(void); /* after each schedule: checks what came of it, frees. NULL: nothing */
    unsigned preemptions; /* the bound */
};

struct explore_outcome {
    uint64_t schedules; /* with at most so many preemptions: all, unless one failed */
    unsigned preemptions;
    uint64_t random;  /* random ones */
    unsigned longest; /* steps of the longest one */
    uint64_t seed;    /* of the random ones */
    bool has_failed;
    char why[200];
    char schedule[400]; /* the one that failed: CHOICE:THREAD,… */
};

/* Explore, print what was done, and fail the running cmocka test if a schedule fails. */
void explore(const struct explore_scenario *scenario);

/* Explore and only say what came of it: for the explorer's own tests. */
void explore_quietly(const struct explore_scenario *scenario, struct explore_outcome *outcome);

/* Run one schedule, written as in an outcome. */
void explore_again(const struct explore_scenario *scenario, const char *schedule,
                   struct explore_outcome *outcome);

/* --- in a scenario ---------------------------------------------------------------------------- */

/* End the schedule as failed.  Context: a virtual thread. */
HX_NORETURN void explore_fail(const char *why);

static inline void explore_check(bool holds, const char *sentence)
{
    if (!holds) {
        explore_fail(sentence);
    }
}

/* The number of the running thread: its index in the scenario. */
unsigned explore_self(void);

/* The CPUs of the first so many threads take part in grace periods from now on. */
void explore_join_grace_periods(unsigned count);

/* --- what the imitated kernel needs of the threads -------------------------------------------- */

/* Make a thread beyond the scenario's; it runs once it is started.  NULL: too many. */
struct thread *explore_create(void (*entry)(void *argument), void *argument);
void explore_start(struct thread *thread);

/* A thread of the scenario. */
struct thread *explore_thread_at(unsigned index);

hx_err explore_park(uint64_t deadline_ns);
void explore_unpark(struct thread *thread);
void explore_yield(void);

/* Interrupt a CPU: at its next point with interrupts on, in no section without preemption. */
void explore_interrupt(uint32_t cpu);

/* What an interrupt does.  The imitated kernel's. */
void explore_on_interrupt(void);

/* Blocks of the heap that are not freed.  The imitated kernel's. */
int64_t explore_heap_blocks(void);

uint64_t explore_now(void);
uint32_t explore_cpu(void);
struct thread *explore_thread(void);
bool *explore_interrupts_off(void);

#endif
