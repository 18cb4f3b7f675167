/*
 * How nice threads are to others (setpriority(2)): -20 to 19, each thread's own, inherited by what
 * it makes. What it changes is in kern/thread.h (thread_set_nice).
 */
#ifndef SUBSYS_PROCESS_PRIORITY_H
#define SUBSYS_PROCESS_PRIORITY_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>

/* Whose; an id of 0 is the caller, its group or its user. Linux's numbers. */
enum priority_of {
    PRIORITY_OF_THREAD = 0,
    PRIORITY_OF_GROUP = 1,
    PRIORITY_OF_USER = 2, /* by the real user id */
};

/* The least nice of them.  Context: thread.  Errors: HX_EINVAL which, HX_ESRCH nobody is meant. */
HX_MUST_USE hx_err priority_get(uint32_t which, uint32_t id, int *nice);

/*
 * Change all of them that may be changed; out of range is cut.
 * Context: thread.  Errors: those above; HX_EPERM some are another user's, HX_EACCES some would be
 * less nice than they are and RLIMIT_NICE allows.
 */
HX_MUST_USE hx_err priority_set(uint32_t which, uint32_t id, int nice);

#endif
