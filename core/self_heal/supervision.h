/*
 * Supervision: who is restarted with whom (SPEC H7).
 *
 * Rules:
 * - Members are the nodes of a tree; a group node has a strategy for its children, in the order in
 *   which they were added, which is the order in which they depend on each other.
 * - Pure and fixed in size: no memory is allocated, nothing is locked.
 * - Source of the strategies and of restart intensity: Armstrong, "Making reliable distributed
 *   systems in the presence of software errors" (2003), and Erlang/OTP's supervisor(3).
 */
#ifndef CORE_SELF_HEAL_SUPERVISION_H
#define CORE_SELF_HEAL_SUPERVISION_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUPERVISION_NODES_MAX 64U
#define SUPERVISION_NAME_MAX  24U
#define SUPERVISION_NONE      UINT32_MAX

/* X(enumerator, text) */
#define SUPERVISION_STRATEGY_LIST(X)                                                               \
    X(ONE_FOR_ONE, "one_for_one")   /* the one that died */                                        \
    X(ONE_FOR_ALL, "one_for_all")   /* all of the group */                                         \
    X(REST_FOR_ONE, "rest_for_one") /* it and those that were added after it */

#define SUPERVISION_STRATEGY_ENUM(name, text) SUPERVISION_##name,
enum supervision_strategy {
    SUPERVISION_STRATEGY_LIST(SUPERVISION_STRATEGY_ENUM) SUPERVISION_STRATEGY_COUNT
};
#undef SUPERVISION_STRATEGY_ENUM

struct supervision_node {
    char name[SUPERVISION_NAME_MAX];
    uint32_t parent; /* SUPERVISION_NONE: the root */
    bool is_group;
    enum supervision_strategy strategy; /* of a group, for its children */
    uint32_t intensity; /* of a group: so many restarts within window_ns are borne, … */
    uint64_t window_ns; /* … one more makes the group itself die (its parent decides) */
};

struct supervision_tree {
    struct supervision_node nodes[SUPERVISION_NODES_MAX];
    uint32_t count;
    /* what restart intensity remembers: see supervision.c */
    uint64_t restarts_ns[SUPERVISION_NODES_MAX][16];
    uint32_t restart_counts[SUPERVISION_NODES_MAX];
};

/* A tree with a root group "system", one_for_one. */
void supervision_init(struct supervision_tree *tree);

/* Errors: HX_EINVAL the name is empty or too long, or the parent is no group; HX_EEXIST, HX_ENOSPC.
 */
HX_MUST_USE hx_err supervision_add_group(struct supervision_tree *tree, uint32_t parent,
                                         const char *name, enum supervision_strategy strategy,
                                         uint32_t intensity, uint64_t window_ns, uint32_t *node);
HX_MUST_USE hx_err supervision_add_member(struct supervision_tree *tree, uint32_t parent,
                                          const char *name, uint32_t *node);

uint32_t supervision_find(const struct supervision_tree *tree, const char *name);

/* Who is restarted, in the order in which they are to be: [0, count). Stopped in the reverse order.
 */
struct supervision_verdict {
    uint32_t members[SUPERVISION_NODES_MAX];
    uint32_t count;
    bool is_beyond; /* the root's own intensity was passed: the system cannot be held together */
};

/*
 * A member has died at now_ns: who is restarted. When the group's intensity is passed the group
 * counts as having died in its parent's eyes, and so on up.
 */
void supervision_died(struct supervision_tree *tree, uint32_t member, uint64_t now_ns,
                      struct supervision_verdict *verdict);

#endif
