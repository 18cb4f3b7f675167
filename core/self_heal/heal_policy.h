/*
 * The numbers that self-healing goes by (SPEC H2), for all members or for one.
 *
 * Rules:
 * - Times are in ticks of 1 ms in the options that people write, in nanoseconds here.
 * - A policy is plain data: who uses one copies it, so a change holds from the next decision on.
 */
#ifndef CORE_SELF_HEAL_HEAL_POLICY_H
#define CORE_SELF_HEAL_HEAL_POLICY_H

#include <core/self_heal/supervision.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/* What one of an option is, here: a tick is 1 ms (SPEC H2), a count is a count. */
#define HEAL_TICK_NS 1000000ULL
#define HEAL_COUNT   1ULL

#define HEAL_CHECKPOINTS_MAX 8U

/*
 * X(member, option, unit, default, least, most, meaning). attempts, check, limit and cooldown have
 * the defaults of SPEC H2; the others are chosen so that a member that crashes at once every time
 * has gone down the whole ladder inside one window.
 */
#define HEAL_POLICY_LIST(X)                                                                        \
    X(attempts, "attempts", HEAL_COUNT, 3, 0, 100,                                                 \
      "restarts that are tried before the rungs below them")                                       \
    X(check, "check", HEAL_TICK_NS, 1000, 1, 3600000, "between two looks at a member's health")    \
    X(limit, "limit", HEAL_TICK_NS, 5000, 1, 3600000,                                              \
      "for one recovery; past it the next rung is taken")                                          \
    X(cooldown, "cooldown", HEAL_TICK_NS, 2000, 0, 3600000,                                        \
      "from a recovery to the next of the same member; twice as long for each further death "      \
      "inside the window")                                                                         \
    X(cooldown_most, "cooldown_most", HEAL_TICK_NS, 60000, 0, 86400000,                            \
      "the longest that the cooldown grows to")                                                    \
    X(window, "window", HEAL_TICK_NS, 60000, 1, 86400000,                                          \
      "sliding: a death longer ago than that does not lengthen the cooldown any more")             \
    X(healthy, "healthy", HEAL_TICK_NS, 30000, 1, 86400000,                                        \
      "so long well without a break, and the attempts are forgotten")                              \
    X(interval, "interval", HEAL_TICK_NS, 1000, 0, 86400000,                                       \
      "between two checkpoints of a state; 0: none are taken")                                     \
    X(group_deaths, "group_deaths", HEAL_COUNT, 5, 1, SUPERVISION_DEATHS_MAX,                      \
      "deaths of a group's members inside the window that it bears; one more, and the group "      \
      "above decides")                                                                             \
    X(checkpoints, "checkpoints", HEAL_COUNT, 4, 0, HEAL_CHECKPOINTS_MAX,                          \
      "good checkpoints that are kept of a member, the newest ones")

struct heal_policy {
#define HEAL_POLICY_MEMBER(member, option, unit, value, least, most, meaning) uint64_t member;
    HEAL_POLICY_LIST(HEAL_POLICY_MEMBER)
#undef HEAL_POLICY_MEMBER
};

/* Context: any. */
struct heal_policy heal_policy_default(void);

/*
 * Set one of the options, "attempts" for example, from a number in ticks or a count.
 * Context: any.  Errors: HX_ENOENT no such option; HX_ERANGE below the least or above the most;
 * *policy is then unchanged.
 */
HX_MUST_USE hx_err heal_policy_set(struct heal_policy *policy, const char *option, uint64_t value);

#endif
