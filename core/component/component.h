/*
 * Component: anything in the kernel that has a name, a health and numbers (SPEC C1, C2).
 *
 * Rules:
 * - The record is constant and valid while registered.
 * - health_check and stats are called inside a read section: they neither block nor wait.
 */
#ifndef CORE_COMPONENT_COMPONENT_H
#define CORE_COMPONENT_COMPONENT_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COMPONENT_MAX 64

struct component_stats {
    uint64_t operations;
    uint64_t errors;
    uint64_t memory_bytes;
    uint64_t
        uptime_ns; /* 0 as returned: component_get_stats fills in the time since registration */
    hx_err last_error;
};

struct component {
    const char *name;
    const char *version;
    hx_err (*init)(void);                           /* NULL: nothing to do */
    void (*shutdown)(void);                         /* NULL: nothing to do */
    bool (*health_check)(void);                     /* NULL: healthy */
    void (*stats)(struct component_stats *numbers); /* NULL: none; *numbers is zero at the call */
};

/*
 * Initialise a component, this once, and list it.
 * Context: boot or thread.  Errors: HX_EINVAL no name, HX_EEXIST, HX_ENOSPC, what init returned.
 */
HX_MUST_USE hx_err component_register(const struct component *component);

/*
 * Unlist a component, wait until nobody looks at it, shut it down.
 * Context: thread, may block.  Errors: HX_ENOENT.
 */
HX_MUST_USE hx_err component_unregister(const struct component *component);

/* Call back for every component, in order of registration.  Context: any but nmi. */
void component_for_each(void (*callback)(const struct component *component, void *argument),
                        void *argument);

bool component_is_healthy(const struct component *component);

/* Zeroes where it keeps none.  Context: any but nmi. */
struct component_stats component_get_stats(const struct component *component);

#endif
