/*
 * The ladder: what is done about a member that died, and when (SPEC H2 to H4, H7, H8).
 *
 * Rules:
 * - Pure: no clock, no memory, no thread. Whoever asks says what time it is, so that a test runs
 *   years in a moment, and so that what the kernel does can be compared with the table here.
 * - The rungs are a table. A rung that a member has nothing for (no state, no version before, no
 *   backup) is passed over. It goes down only, until the member has been well for long.
 * - Attempts inside the cooldown are delayed, not dropped (H3). Clients have been told of the death
 *   before anybody asks the ladder (H7).
 * - Members are not locked here: one thread, the healer's, asks about one member at a time.
 */
#ifndef CORE_SELF_HEAL_LADDER_H
#define CORE_SELF_HEAL_LADDER_H

#include <core/self_heal/heal_policy.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What becomes of a rung that was taken:
 * NONE      nothing was taken: a death leads to the next rung
 * RESTART   a death after it takes it again while attempts are left, a failure leads to the next;
 *           all rungs of this kind have the policy's attempts together
 * FAILOVER  a death after it and a failure lead to the next rung
 * LAST      stays: nothing is below it
 */
enum heal_kind { HEAL_KIND_NONE, HEAL_KIND_RESTART, HEAL_KIND_FAILOVER, HEAL_KIND_LAST };

/*
 * X(enumerator, text, kind, next, what it needs): in the order in which they are tried; next is
 * also where it leads to when there is not what it needs.
 */
#define HEAL_RUNG_LIST(X)                                                                          \
    X(HEAL_REST, "none", NONE, HEAL_RESTART_WITH_STATE, "no fault")                                \
    X(HEAL_RESTART_WITH_STATE, "restart with state", RESTART, HEAL_RESTART_CLEAN,                  \
      "a good checkpoint")                                                                         \
    X(HEAL_RESTART_CLEAN, "restart clean", RESTART, HEAL_PREVIOUS_VERSION, "")                     \
    X(HEAL_PREVIOUS_VERSION, "previous version", FAILOVER, HEAL_BACKUP, "a version before it")     \
    X(HEAL_BACKUP, "backup", FAILOVER, HEAL_QUARANTINE, "a backup registered for its slot")        \
    X(HEAL_QUARANTINE, "quarantine", LAST, HEAL_PANIC, "a member that is not essential")           \
    X(HEAL_PANIC, "panic", LAST, HEAL_PANIC, "")

#define HEAL_RUNG_ENUM(name, text, kind, next, needs) name,
enum heal_rung { HEAL_RUNG_LIST(HEAL_RUNG_ENUM) HEAL_RUNG_COUNT };
#undef HEAL_RUNG_ENUM

const char *heal_rung_name(enum heal_rung rung);
enum heal_kind heal_rung_kind(enum heal_rung rung);

/* What a member has that a rung can use, as things are now. */
struct ladder_means {
    uint64_t checkpoints[HEAL_CHECKPOINTS_MAX]; /* numbers of the good ones, newest first, then 0 */
    bool has_previous_version;                  /* another version of it is known */
    bool has_backup;                            /* registered for its slot */
    bool is_essential;                          /* without it the system makes no sense */
};

/* What a fault looks like: two are the same if these are equal. 0: unknown, equal to none. */
typedef uint64_t heal_fingerprint;

#define LADDER_DEATHS_MAX 16U /* remembered of the window; older ones drop out first */

/* A member's place on the ladder. All zero: well, nothing has happened. */
struct ladder {
    enum heal_rung rung; /* the one last decided on */
    uint32_t attempts;   /* restarts since it was last well for long */
    uint64_t deaths_ns[LADDER_DEATHS_MAX];
    uint32_t death_count;   /* in deaths_ns, oldest first */
    bool is_recovering;     /* something was decided on and is not done yet */
    bool has_ended;         /* there is an ended_ns */
    bool is_well;           /* seen to be well since well_since_ns, without a break */
    uint64_t ended_ns;      /* when the last recovery ended, well or not */
    uint64_t well_since_ns; /* after it */
    heal_fingerprint fault; /* of the last death */
    uint64_t restored; /* number of the checkpoint that it runs on since its last death, or 0 */
};

struct ladder_decision {
    enum heal_rung rung;
    uint64_t checkpoint;    /* its number, for HEAL_RESTART_WITH_STATE, else 0 */
    uint64_t quarantine;    /* this checkpoint and all that are newer are poisoned (H8); 0: none */
    uint64_t not_before_ns; /* absolute: act then (cooldown); clients hear EDIED until then */
    uint64_t deadline_ns;   /* absolute: not done by then counts as failed (H2: limit) */
    uint32_t attempt;       /* 1, 2, …: of the restarts together; 1 for other rungs; 0: none */
};

/*
 * A member, or the instance that is just being started for it, has died at now_ns of a fault.
 * Decide what is done about it.
 * H8: the same fault again on a restored checkpoint, before the member was well for long, makes
 * that one poisoned, and with it all newer ones, which came from it; an older one is taken, then
 * none. With attempts for it, the last restart is a clean one in any case.
 * Context: any.
 */
struct ladder_decision ladder_died(struct ladder *ladder, const struct heal_policy *policy,
                                   const struct ladder_means *means, heal_fingerprint fault,
                                   uint64_t now_ns);

/* What was decided on has failed, or its deadline has passed: the next rung, at once. HEAL_REST if
 * nothing was under way.  Context: any. */
struct ladder_decision ladder_failed(struct ladder *ladder, const struct heal_policy *policy,
                                     const struct ladder_means *means, uint64_t now_ns);

/* What was decided on has been done: the member serves again.  Context: any. */
void ladder_recovered(struct ladder *ladder, uint64_t now_ns);

/*
 * It is seen to be well, or not to be. After policy->healthy of being well without a break the
 * attempts are forgotten, and the next death begins at the top (H3); deaths are not, they slide out
 * of the window. Without effect while a recovery is under way, and on a rung of kind LAST.
 * Context: any.
 */
void ladder_is_well(struct ladder *ladder, const struct heal_policy *policy, uint64_t now_ns);
void ladder_is_unwell(struct ladder *ladder);

/* Somebody has filled the slot by hand: all is forgotten, also a quarantine.  Context: any. */
void ladder_forget(struct ladder *ladder);

#endif
