/*
 * Virtual threads, and one schedule of them: what the search in explore.c is made of. Private to
 * tests/explore.
 */
#ifndef TESTS_EXPLORE_THREADS_H
#define TESTS_EXPLORE_THREADS_H

#include <kern/thread.h>
#include <stdbool.h>
#include <stdint.h>
#include <tests/explore/explore.h>

#define HELPER        EXPLORE_THREADS /* the thread that starts and finishes a schedule */
#define THREADS       (HELPER + 4U)   /* behind it: those that explored code makes */
#define STEPS_MAX     5000U           /* a schedule that has more does not end */
#define DEVIATION_MAX 60U
#define ANY_BLOCKS    (-1)

struct virtual_thread;

/* The number of a thread. */
unsigned explore_index(const struct virtual_thread *thread);

/* Who goes on: an index of the options, of which there are several. */
typedef unsigned chooser(struct virtual_thread *const *options, unsigned count, bool can_go_on);

struct step {
    const char *file;
    int line;
    unsigned thread;
};

/* Where a schedule leaves the default, which is to go on, or else the first option. */
struct deviation {
    unsigned decision;
    unsigned thread;
};

/* The schedule that runs. */
struct explore_run {
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
};
extern struct explore_run explore_run;

/*
 * Run the scenario once: its start, its threads as choose has it, its finish. explore_run then says
 * how it went. blocks: of the heap, that there are afterwards; or ANY_BLOCKS.
 */
void explore_run_schedule(const struct explore_scenario *scenario, chooser *choose, int64_t blocks);

#endif
