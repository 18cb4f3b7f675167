/*
 * A set of subsystems and the walks over it: ordering, starting, stopping, suspending.
 * The mechanism under the orchestrator; knows nothing of the kernel's state.
 *
 * Rules:
 * - Not locked: one thread at a time, by its owner's arrangement. A set of zeroes is empty.
 * - Order: a stable topological sort (Kahn 1962): among those that are ready, the one registered
 *   first. O(V + E): names are hashed, the ready ones are a bit set of two levels.
 */
#ifndef CORE_ORCHESTRATOR_SUBSYSTEM_SET_H
#define CORE_ORCHESTRATOR_SUBSYSTEM_SET_H

#include <core/orchestrator/subsystem.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUBSYSTEM_MAX               1024U
#define SUBSYSTEM_NAME_PLACES       2048U /* a power of two, twice SUBSYSTEM_MAX */
#define SUBSYSTEM_SHUTDOWN_LIMIT_NS 5000000000ULL
#define SUBSYSTEM_INIT_RETRIES      2U

/* 1..SUBSYSTEM_MAX in order of registration; 0 is none. */
typedef uint32_t subsystem_id;

/* A longer dependency cycle has its first members named, and all counted. */
#define SUBSYSTEM_CYCLE_NAMED 64U

/* Room for a sentence with the names of so many members, " -> " between them. */
#define SUBSYSTEM_FAILURE_TEXT ((SUBSYSTEM_CYCLE_NAMED + 1) * (SUBSYSTEM_NAME_MAX + 4) + 128)

/* What went wrong, for people: which subsystem, and a sentence. */
struct subsystem_failure {
    char subsystem[SUBSYSTEM_NAME_MAX];
    char text[SUBSYSTEM_FAILURE_TEXT];
};

struct subsystem_set {
    const struct subsystem *members[SUBSYSTEM_MAX]; /* by id - 1 */
    uint16_t names[SUBSYSTEM_NAME_PLACES];          /* ids, hashed by name; 0: free */
    uint32_t order[SUBSYSTEM_MAX];                  /* indices into members */
    uint32_t count;
    uint32_t ordered;           /* length of order; 0 before subsystem_set_sort */
    uint32_t up;                /* order[0..up) are initialised */
    uint32_t init_retries;      /* how often a failed init is tried again */
    _Atomic uint32_t steps;     /* inits, shutdowns, suspends and resumes; anybody may read */
    _Atomic uint32_t failures;  /* those of them that failed */
    _Atomic(hx_err) last_error; /* of the last that failed */
};

/* Errors: HX_EINVAL bad record or name, HX_EEXIST the name is taken, HX_ENOSPC. */
HX_MUST_USE hx_err subsystem_set_add(struct subsystem_set *set, const struct subsystem *subsystem,
                                     subsystem_id *id);

/* The member of that name; 0: there is none. */
subsystem_id subsystem_set_find(const struct subsystem_set *set, const char *name);

/* Errors: HX_EMISSING (both ends named), HX_ECYCLE (members named in order), HX_ENOMEM. */
HX_MUST_USE hx_err subsystem_set_sort(struct subsystem_set *set, struct subsystem_failure *failure);

/*
 * Sort, then initialise in order. An init that fails is tried again, init_retries times at most;
 * then what was initialised is shut down in reverse.
 */
HX_MUST_USE hx_err subsystem_set_init(struct subsystem_set *set,
                                      const struct boot_configuration *config,
                                      struct subsystem_failure *failure);

/*
 * Shut down in reverse what is up, each within limit_ns where the caller can block. Returns the
 * first failure, HX_ETIMEDOUT for one that hangs; goes on to the end in any case.
 */
HX_MUST_USE hx_err subsystem_set_shutdown(struct subsystem_set *set, uint64_t limit_ns,
                                          struct subsystem_failure *failure);

/* All or nothing: see orchestrator_suspend and orchestrator_resume. */
HX_MUST_USE hx_err subsystem_set_suspend(struct subsystem_set *set,
                                         struct subsystem_failure *failure);
HX_MUST_USE hx_err subsystem_set_resume(struct subsystem_set *set,
                                        struct subsystem_failure *failure);

/*
 * Graph and order as text ("1 heap 0.1.0 <- frames") and the graph for Graphviz. Return the bytes
 * of the whole text without the NUL, as format_text() does.  Context: any, once sorted.
 */
size_t subsystem_set_text(const struct subsystem_set *set, char *buffer, size_t size);
size_t subsystem_set_dot(const struct subsystem_set *set, char *buffer, size_t size);

#endif
