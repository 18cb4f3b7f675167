/*
 * Supervision: who is restarted with whom (SPEC H7).
 *
 * Rules:
 * - Members are the leaves of a tree of groups. A group has a strategy for its children, members or
 *   groups, in an order, which is that in which they depend on each other. At the top is "system".
 * - A group bears so many deaths of its children inside a sliding window; with one more it counts
 *   as having died itself, in the eyes of the group above it. The topmost bears all: how often one
 *   member is restarted is the ladder's.
 * - A restart of a group is one of all members in it, and it begins counting from nothing.
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

#define SUPERVISION_MEMBERS_MAX  32U /* numbered by the caller, from 0 */
#define SUPERVISION_GROUPS_MAX   16U
#define SUPERVISION_CHILDREN_MAX (SUPERVISION_MEMBERS_MAX + SUPERVISION_GROUPS_MAX)
#define SUPERVISION_NAME_MAX     24U /* with the NUL; letters, digits and . _ - */
#define SUPERVISION_DEATHS_MAX   16U /* that a group can be told to bear */
#define SUPERVISION_NONE         UINT32_MAX
#define SUPERVISION_ROOT         0U
#define SUPERVISION_ROOT_NAME    "system"

/* X(enumerator, text, who is restarted) */
#define SUPERVISION_STRATEGY_LIST(X)                                                               \
    X(ONE_FOR_ONE, "one_for_one", "who died")                                                      \
    X(ONE_FOR_ALL, "one_for_all", "all of the group")                                              \
    X(REST_FOR_ONE, "rest_for_one", "who died, and those after it")

#define SUPERVISION_STRATEGY_ENUM(name, text, whom) SUPERVISION_##name,
enum supervision_strategy {
    SUPERVISION_STRATEGY_LIST(SUPERVISION_STRATEGY_ENUM) SUPERVISION_STRATEGY_COUNT
};
#undef SUPERVISION_STRATEGY_ENUM

const char *supervision_strategy_name(enum supervision_strategy strategy);

/* The strategy of that name; false: there is none. */
HX_MUST_USE bool supervision_strategy_parse(const char *text, size_t length,
                                            enum supervision_strategy *strategy);

/* A child of a group: a member's number, or a group's with this beside it. */
#define SUPERVISION_GROUP 0x80U

struct supervision_group {
    char name[SUPERVISION_NAME_MAX]; /* "": no group */
    enum supervision_strategy strategy;
    uint32_t parent; /* the root's: SUPERVISION_NONE */
    uint8_t children[SUPERVISION_CHILDREN_MAX];
    uint32_t child_count;
    uint64_t deaths_ns[SUPERVISION_DEATHS_MAX]; /* those borne, oldest first */
    uint32_t death_count;
};

struct supervision_tree {
    struct supervision_group groups[SUPERVISION_GROUPS_MAX];
    uint32_t parent_of[SUPERVISION_MEMBERS_MAX]; /* a group; SUPERVISION_NONE: no member */
};

/* Only the topmost group, one_for_one, without members.  Context: any. */
void supervision_init(struct supervision_tree *tree);

/* A member, at the end of the topmost group; one that is there already stays where it is.
 * Context: any. */
void supervision_add(struct supervision_tree *tree, uint32_t member);

/*
 * A member needs another one: it comes behind that one, into a group of its own name, one_for_one,
 * which is made if the other one is in the topmost group.
 * Context: any.  Errors: HX_ENOSPC; HX_EINVAL, HX_EEXIST the name. Nothing is changed then.
 */
HX_MUST_USE hx_err supervision_depend(struct supervision_tree *tree, uint32_t member,
                                      uint32_t needed, const char *name);

/*
 * Make a group, below the topmost one, or change one: its strategy and its children, which leave
 * the groups they were in. Whoever is not among them any more goes to the group above; a group
 * without children goes. No children: only the strategy is changed, that of the topmost too.
 * Context: any.
 * Errors: HX_EINVAL the name, no children of a new group, children of the topmost, the same child
 * twice, or one that the group is in itself; HX_ENOENT no such child; HX_ENOSPC. Nothing is changed
 * then.
 */
HX_MUST_USE hx_err supervision_set(struct supervision_tree *tree, const char *name,
                                   enum supervision_strategy strategy, const uint8_t *children,
                                   uint32_t count);

/* A group's children go to the one above it, and it goes.
 * Context: any.  Errors: HX_ENOENT, HX_EINVAL the topmost. */
HX_MUST_USE hx_err supervision_dissolve(struct supervision_tree *tree, const char *name);

/* A group by its name; SUPERVISION_NONE: there is none.  Context: any. */
uint32_t supervision_find(const struct supervision_tree *tree, const char *name);

/* Who is restarted, in the order in which it is to be done: a group's members where the group
 * stands among its siblings. */
struct supervision_verdict {
    uint8_t members[SUPERVISION_MEMBERS_MAX]; /* the one that died among them */
    uint32_t count;
    uint32_t group; /* whose strategy decided: the member's own, or one above it */
};

/*
 * A member has died at now_ns: who is restarted, if a group bears so many deaths (1 to
 * SUPERVISION_DEATHS_MAX) within window_ns.  Context: any.
 */
void supervision_died(struct supervision_tree *tree, uint32_t member, uint32_t borne,
                      uint64_t window_ns, uint64_t now_ns, struct supervision_verdict *verdict);

#endif
