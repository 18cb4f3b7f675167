/*
 * Interval timers (setitimer(2)): three of a process that send it a signal after a time, and again
 * and again if wanted.
 *
 * Rules:
 * - They live on over exec, are not inherited by fork, and end with the process.
 * - Time that a process has run is looked at when it is counted: these timers may be some ticks
 * late.
 */
#ifndef SUBSYS_PROCESS_INTERVAL_H
#define SUBSYS_PROCESS_INTERVAL_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

struct process;

/* What is measured; Linux's numbers. */
enum interval_kind {
    INTERVAL_REAL = 0,    /* time that passes: SIGALRM */
    INTERVAL_VIRTUAL = 1, /* time that the process runs: SIGVTALRM, SIGPROF */
    INTERVAL_PROFILE = 2,
};
#define INTERVAL_KINDS 3U

struct interval {
    uint64_t left_ns;   /* until the signal; 0: the timer does not run */
    uint64_t period_ns; /* of further ones, 0: none */
};

/*
 * Tell one of the calling process's, and set it if wanted is not NULL.
 * Context: thread of a process.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err interval_exchange(enum interval_kind kind, const struct interval *wanted,
                                     struct interval *old);

/* --- called by the rest of subsys/process ------------------------------------------------------
 */

/* The calling process has run for so long.  Locks: process_mutex. */
void interval_check_locked(struct process *process, uint64_t used_ns);

/* The process ends: its timers do.  Context: thread; not under process_mutex. */
void interval_stop(struct process *process);

#endif
