/*
 * Supervision: who is restarted with whom (SPEC H7).
 *
 * Rules:
 * - Members are the leaves of a tree; a group has a strategy for its children, in the order in
 *   which they were added, which is the order in which they depend on each other.
 * - A restart of a group is one of all members in it, and its intensity starts from nothing.
 * - Pure and fixed in size: no memory is allocated, nothing is locked; the caller says what time it
 *   is, and never an earlier one than before.
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

#define SUPERVISION_NODES_MAX     64U
#define SUPERVISION_NAME_MAX      24U /* with the NUL */
#define SUPERVISION_INTENSITY_MAX 16U
#define SUPERVISION_NONE          UINT32_MAX
#define SUPERVISION_ROOT          0U
#define SUPERVISION_UNLIMITED     UINT32_MAX /* an intensity that nothing passes */

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

const char *supervision_strategy_name(enum supervision_strategy strategy);

struct supervision_node {
    char name[SUPERVISION_NAME_MAX];
    uint32_t parent; /* SUPERVISION_NONE: the root; always below the node's own number */
    bool is_group;
    /* Of a group: */
    enum supervision_strategy strategy; /* for its children */
    uint32_t intensity; /* so many deaths of children within window_ns are borne, … */
    uint64_t window_ns; /* … one more makes the group itself die (its parent decides) */
    uint64_t deaths_ns[SUPERVISION_INTENSITY_MAX]; /* those borne, oldest first */
    uint32_t death_count;
};

struct supervision_tree {
    struct supervision_node nodes[SUPERVISION_NODES_MAX]; /* in the order of being added */
    uint32_t count;
};

/*
 * A tree with a root group "system", one_for_one, of an intensity.
 * Context: any.  Errors: HX_ERANGE intensity above SUPERVISION_INTENSITY_MAX and not UNLIMITED.
 */
HX_MUST_USE hx_err supervision_init(struct supervision_tree *tree, uint32_t intensity,
                                    uint64_t window_ns);

/*
 * Context: any.
 * Errors: HX_EINVAL the name is empty or too long, or the parent is no group; HX_EEXIST a node has
 * the name; HX_ERANGE as supervision_init; HX_ENOSPC. Nothing is changed then.
 */
HX_MUST_USE hx_err supervision_add_group(struct supervision_tree *tree, uint32_t parent,
                                         const char *name, enum supervision_strategy strategy,
                                         uint32_t intensity, uint64_t window_ns, uint32_t *node);
HX_MUST_USE hx_err supervision_add_member(struct supervision_tree *tree, uint32_t parent,
                                          const char *name, uint32_t *node);

/* SUPERVISION_NONE: there is none of that name.  Context: any. */
uint32_t supervision_find(const struct supervision_tree *tree, const char *name);

/* Who is restarted, in the order in which they are to be started: a group's members where the group
 * stands among its siblings. Stopped in the reverse order. */
struct supervision_verdict {
    uint32_t members[SUPERVISION_NODES_MAX];
    uint32_t count;
    uint32_t group; /* whose strategy decided: the member's own, or one above it */
    bool is_beyond; /* the root's own intensity was passed: the system cannot be held together;
                       members are then all that there are */
};

/*
 * A member, by its node, has died at now_ns: who is restarted. When the group's intensity is passed
 * the group counts as having died in its parent's eyes, and so on up.  Context: any.
 */
void supervision_died(struct supervision_tree *tree, uint32_t member, uint64_t now_ns,
                      struct supervision_verdict *verdict);

#endif
