/* The ladder's table, and how it is walked. */
#include <core/self_heal/ladder.h>

struct rung_row {
    const char *name;
    enum heal_kind kind;
    enum heal_rung next;
};

static const struct rung_row rows[HEAL_RUNG_COUNT] = {
#define RUNG_ROW(rung, text, rung_kind, rung_next, needs)                                          \
    [rung] = {.name = (text), .kind = HEAL_KIND_##rung_kind, .next = (rung_next)},
    HEAL_RUNG_LIST(RUNG_ROW)
#undef RUNG_ROW
};

const char *heal_rung_name(enum heal_rung rung)
{
    return rows[rung].name;
}

enum heal_kind heal_rung_kind(enum heal_rung rung)
{
    return rows[rung].kind;
}

/* --- which rung ------------------------------------------------------------------------------- */

/* The newest checkpoint that is older than a poisoned one, 0: there is none. */
static uint64_t newest_checkpoint(const struct ladder_means *means, uint64_t poisoned)
{
    for (unsigned i = 0; i < HEAL_CHECKPOINTS_MAX && means->checkpoints[i] != 0; i++) {
        if (poisoned == 0 || means->checkpoints[i] < poisoned) {
            return means->checkpoints[i];
        }
    }
    return 0;
}

/* Of two and more attempts the last one is kept for a clean restart: state is not trusted to the
 * end. */
static bool may_restart_with_state(uint32_t attempts, uint64_t most)
{
    return attempts < most && (attempts + 1 < most || attempts == 0);
}

static bool may_take(const struct ladder *ladder, const struct heal_policy *policy,
                     const struct ladder_means *means, enum heal_rung rung, uint64_t checkpoint)
{
    switch (rung) {
    case HEAL_RESTART_WITH_STATE:
        return checkpoint != 0 && may_restart_with_state(ladder->attempts, policy->attempts);
    case HEAL_RESTART_CLEAN:
        return ladder->attempts < policy->attempts;
    case HEAL_PREVIOUS_VERSION:
        return means->has_previous_version;
    case HEAL_BACKUP:
        return means->has_backup;
    case HEAL_QUARANTINE:
        return !means->is_essential;
    case HEAL_PANIC:
        return true;
    case HEAL_REST:
    case HEAL_RUNG_COUNT:
        break;
    }
    return false;
}

/* --- when ------------------------------------------------------------------------------------- */

/* Keep those of the window, and one more. */
static void remember_death(struct ladder *ladder, const struct heal_policy *policy, uint64_t now_ns)
{
    uint32_t kept = 0;
    uint32_t first = ladder->death_count == LADDER_DEATHS_MAX ? 1 : 0;

    for (uint32_t i = first; i < ladder->death_count; i++) {
        if (now_ns - ladder->deaths_ns[i] <= policy->window) {
            ladder->deaths_ns[kept++] = ladder->deaths_ns[i];
        }
    }
    ladder->deaths_ns[kept] = now_ns;
    ladder->death_count = kept + 1;
}

/* The second death of a window waits for the cooldown, each further one for twice as long. */
static uint64_t cooldown_ns(const struct ladder *ladder, const struct heal_policy *policy)
{
    uint64_t cooldown = policy->cooldown;

    for (uint32_t i = 2; i < ladder->death_count && cooldown < policy->cooldown_most; i++) {
        cooldown *= 2;
    }
    return cooldown < policy->cooldown_most ? cooldown : policy->cooldown_most;
}

static uint64_t cooled_down_ns(const struct ladder *ladder, const struct heal_policy *policy,
                               uint64_t now_ns)
{
    uint64_t cooled = ladder->ended_ns + cooldown_ns(ladder, policy);

    return ladder->has_ended && cooled > now_ns ? cooled : now_ns;
}

/* --- deciding --------------------------------------------------------------------------------- */

/* Take the first rung, from one on downwards, that can be taken. */
static struct ladder_decision take(struct ladder *ladder, const struct heal_policy *policy,
                                   const struct ladder_means *means, enum heal_rung rung,
                                   uint64_t poisoned)
{
    uint64_t checkpoint = newest_checkpoint(means, poisoned);
    struct ladder_decision decision = {.quarantine = poisoned, .attempt = 1};

    while (!may_take(ladder, policy, means, rung, checkpoint)) {
        rung = rows[rung].next;
    }
    if (rows[rung].kind == HEAL_KIND_RESTART) {
        decision.attempt = ++ladder->attempts;
    }
    decision.rung = rung;
    decision.checkpoint = rung == HEAL_RESTART_WITH_STATE ? checkpoint : 0;
    ladder->rung = rung;
    ladder->restored = decision.checkpoint;
    ladder->is_recovering = true;
    ladder->is_well = false;
    return decision;
}

static void end_recovery(struct ladder *ladder, uint64_t now_ns)
{
    if (ladder->is_recovering) {
        ladder->is_recovering = false;
        ladder->has_ended = true;
        ladder->ended_ns = now_ns;
    }
}

struct ladder_decision ladder_died(struct ladder *ladder, const struct heal_policy *policy,
                                   const struct ladder_means *means, heal_fingerprint fault,
                                   uint64_t now_ns)
{
    enum heal_kind kind = rows[ladder->rung].kind;
    bool is_again = kind == HEAL_KIND_RESTART || kind == HEAL_KIND_LAST;
    uint64_t poisoned = fault != 0 && fault == ladder->fault ? ladder->restored : 0;
    struct ladder_decision decision;

    end_recovery(ladder, now_ns);
    remember_death(ladder, policy, now_ns);
    ladder->fault = fault;
    decision =
        take(ladder, policy, means, is_again ? ladder->rung : rows[ladder->rung].next, poisoned);
    decision.not_before_ns = rows[decision.rung].kind == HEAL_KIND_LAST
                                 ? now_ns
                                 : cooled_down_ns(ladder, policy, now_ns);
    decision.deadline_ns = decision.not_before_ns + policy->limit;
    return decision;
}

struct ladder_decision ladder_failed(struct ladder *ladder, const struct heal_policy *policy,
                                     const struct ladder_means *means, uint64_t now_ns)
{
    bool is_last = rows[ladder->rung].kind == HEAL_KIND_LAST;
    struct ladder_decision decision = {.rung = HEAL_REST};

    if (ladder->is_recovering) {
        end_recovery(ladder, now_ns);
        decision = take(ladder, policy, means, is_last ? ladder->rung : rows[ladder->rung].next, 0);
    }
    decision.not_before_ns = now_ns;
    decision.deadline_ns = now_ns + policy->limit;
    return decision;
}

/* --- being well ------------------------------------------------------------------------------- */

void ladder_recovered(struct ladder *ladder, uint64_t now_ns)
{
    end_recovery(ladder, now_ns);
}

void ladder_is_well(struct ladder *ladder, const struct heal_policy *policy, uint64_t now_ns)
{
    if (ladder->is_recovering || rows[ladder->rung].kind == HEAL_KIND_LAST) {
        return;
    }
    if (!ladder->is_well) {
        ladder->is_well = true;
        ladder->well_since_ns = now_ns;
    }
    if (now_ns - ladder->well_since_ns >= policy->healthy) {
        ladder->rung = HEAL_REST;
        ladder->attempts = 0;
        ladder->fault = 0;
        ladder->restored = 0;
    }
}

void ladder_is_unwell(struct ladder *ladder)
{
    ladder->is_well = false;
}

void ladder_forget(struct ladder *ladder)
{
    *ladder = (struct ladder){0};
}
