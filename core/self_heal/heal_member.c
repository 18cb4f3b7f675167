/* What is done for one member: it is seen to have died, decided on, and acted upon. */
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/orchestrator/failpoint.h>
#include <core/panic/panic.h>
#include <core/scheduling/scheduler_slot.h>
#include <core/self_heal/heal_event.h>
#include <core/self_heal/heal_member.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>

#define BURY_LIMIT_NS (10 * HAL_NS_PER_MS) /* who is still inside is looked for again */
#define LOOK_AGAIN_NS (100 * HAL_NS_PER_MS)
#define BAD_LOOKS_MAX 3U /* in a row: then it counts as dead */

struct healer_numbers healer_numbers;

static _Atomic(struct heal_member *) members[SLOT_MAX]; /* release; pairs with member_of */

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* --- the record ------------------------------------------------------------------------------- */

struct heal_member *member_of(const struct slot *slot)
{
    return atomic_load_explicit(&members[slot_index(slot)], memory_order_acquire);
}

static struct heal_member *make_member(struct slot *slot)
{
    struct heal_member *member = heap_allocate_zeroed(sizeof(*member), OWNER_CORE);

    if (member != NULL) {
        member->slot = slot;
        mutex_init(&member->turn, "healer's turn");
        mutex_init(&member->lock, "member of the healer");
        checkpoint_ring_init(&member->checkpoints);
    }
    return member;
}

hx_err healer_register(struct slot *slot, const struct heal_factory *factory, bool is_essential)
{
    struct heal_member *member = member_of(slot);

    if (member == NULL) {
        member = make_member(slot);
    }
    if (member == NULL) {
        return HX_ENOMEM;
    }
    mutex_lock(&member->lock);
    member->factory = factory;
    member->is_essential = is_essential;
    mutex_unlock(&member->lock);
    atomic_store_explicit(&members[slot_index(slot)], member, memory_order_release);
    heal_group_add((uint32_t)slot_index(slot));
    return HX_OK;
}

static void note(const struct heal_member *member, const char *what,
                 const struct swap_report *report)
{
    if (member != NULL) {
        member->factory->note(member->slot, what, report);
    }
}

/* --- what is told ----------------------------------------------------------------------------- */

void heal_event_publish(const struct slot *slot, enum heal_event_id id,
                        const struct heal_event *data)
{
    struct kernel_event event = {
        .kind = EVENT_CUSTOM,
        .topic = EVENT_TOPIC_SUBSYSTEM_HEALTH,
        .custom = {.id = id, .length = sizeof(*data)},
    };

    memcpy(event.custom.data, data, sizeof(*data));
    (void)string_copy((char *)event.custom.data + offsetof(struct heal_event, name),
                      HEAL_EVENT_NAME_MAX, slot->name);
    (void)event_publish(&event);
}

static void publish(const struct heal_member *member, enum heal_event_id id)
{
    const struct heal_event data = {
        .duration_us = (uint32_t)((hal_clock_now() - member->died_ns) / 1000),
        .attempt = (uint16_t)member->decision.attempt,
        .cause = (uint8_t)member->death.cause,
        .action = (uint8_t)member->decision.rung,
    };

    heal_event_publish(member->slot, id, &data);
}

/* --- deciding --------------------------------------------------------------------------------- */

/* Two deaths are of the same fault if they are of the same cause at the same place. FNV-1a, as in
 * RFC 9923, over the numbers. */
static heal_fingerprint fingerprint_of(const struct hot_reload_death *death)
{
    const uint64_t numbers[] = {death->cause, death->exception, death->offset,
                                (uint64_t)death->version.major << 32 | death->version.minor};
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < HX_ARRAY_SIZE(numbers); i++) {
        hash = (hash ^ numbers[i]) * 0x100000001b3ULL;
    }
    return hash != 0 ? hash : 1;
}

static bool has(const struct heal_member *member, enum heal_wanted wanted)
{
    struct heal_product product;

    if (member->factory->open(member->slot, &member->death, wanted, &product) != HX_OK) {
        return false;
    }
    member->factory->close(&product);
    return true;
}

static struct ladder_means means_of(struct heal_member *member)
{
    struct ladder_means means = {.has_previous_version = has(member, HEAL_WANT_PREVIOUS),
                                 .has_backup = has(member, HEAL_WANT_BACKUP),
                                 .is_essential = member->is_essential};

    checkpoint_good(&member->checkpoints, &member->death.version, means.checkpoints);
    return means;
}

static void set_decision(struct heal_member *member, const struct ladder_decision *decision)
{
    member->decision = *decision;
    checkpoint_quarantine(&member->checkpoints, decision->quarantine);
}

static void decide_on_death(struct heal_member *member)
{
    const struct ladder_means means = means_of(member);
    const struct heal_policy policy = healer_policy();
    struct heal_companions companions;
    struct ladder_decision decision;

    heal_group_died(member, hal_clock_now(), &companions);
    mutex_lock(&member->lock);
    member->died_ns = hal_clock_now();
    member->deaths++;
    member->companions = companions;
    decision = ladder_died(&member->ladder, &policy, &means, fingerprint_of(&member->death),
                           member->died_ns);
    set_decision(member, &decision);
    member->phase = MEMBER_DOWN;
    mutex_unlock(&member->lock);
    count(&healer_numbers.deaths);
    kwarn("heal: %s (%s) died: %s; next: %s", member->slot->name, member->death.name,
          death_cause_name(member->death.cause), heal_rung_name(decision.rung));
    publish(member, HEAL_EVENT_DIED);
}

static void decide_on_failure(struct heal_member *member)
{
    const struct ladder_means means = means_of(member);
    const struct heal_policy policy = healer_policy();
    struct ladder_decision decision;

    publish(member, HEAL_EVENT_FAILED);
    count(&healer_numbers.failures);
    mutex_lock(&member->lock);
    decision = ladder_failed(&member->ladder, &policy, &means, hal_clock_now());
    set_decision(member, &decision);
    mutex_unlock(&member->lock);
    kwarn("heal: %s is not recovered; next: %s", member->slot->name, heal_rung_name(decision.rung));
}

/* --- acting ----------------------------------------------------------------------------------- */

/* Load what the factory has, and let it serve. */
static hx_err put_in(const struct heal_member *member, enum heal_wanted wanted,
                     struct module_state *state)
{
    struct swap_report *report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    struct heal_product product;
    hx_err error = HX_ENOMEM;

    if (report != NULL) {
        error = member->factory->open(member->slot, &member->death, wanted, &product);
    }
    if (error == HX_OK) {
        error = hot_reload_revive(member->slot, &product.image, state, report);
        member->factory->close(&product);
        note(member, "recover", report);
    }
    heap_free(report);
    return error;
}

static hx_err put_in_with_state(struct heal_member *member)
{
    struct module_state *state;
    hx_err error = checkpoint_copy(&member->checkpoints, member->decision.checkpoint, &state);

    if (error == HX_OK) {
        error = put_in(member, HEAL_WANT_SAME, state);
        module_state_destroy(state);
    }
    return error;
}

static void be_up(struct heal_member *member, bool by_the_healer)
{
    mutex_lock(&member->lock);
    member->phase = MEMBER_UP;
    member->is_acting = false;
    member->seen = HEAL_HEALTHY;
    member->bad_looks = 0;
    if (by_the_healer) {
        ladder_recovered(&member->ladder, hal_clock_now());
        member->recoveries++;
        member->recovered_after_ns = hal_clock_now() - member->died_ns;
    } else {
        ladder_forget(&member->ladder);
        member->companions.count = 0;
    }
    mutex_unlock(&member->lock);
}

static void give_up(struct heal_member *member)
{
    mutex_lock(&member->lock);
    member->companions.count = 0;
    member->phase = MEMBER_GIVEN_UP;
    mutex_unlock(&member->lock);
    count(&healer_numbers.quarantines);
    slot_set_status(member->slot, SLOT_FAILED);
    kerror("heal: %s is in quarantine: fill the slot to go on", member->slot->name);
    publish(member, HEAL_EVENT_GIVEN_UP);
}

static hx_err take_rung(struct heal_member *member)
{
    switch (member->decision.rung) {
    case HEAL_RESTART_WITH_STATE:
        return put_in_with_state(member);
    case HEAL_RESTART_CLEAN:
        return put_in(member, HEAL_WANT_SAME, NULL);
    case HEAL_PREVIOUS_VERSION:
        return put_in(member, HEAL_WANT_PREVIOUS, NULL);
    case HEAL_BACKUP:
        return put_in(member, HEAL_WANT_BACKUP, NULL);
    case HEAL_PANIC:
        panic("the essential slot %s cannot be healed", member->slot->name);
    case HEAL_REST:
    case HEAL_QUARANTINE:
    case HEAL_RUNG_COUNT:
        break;
    }
    return HX_EINVAL;
}

static void set_acting(struct heal_member *member, bool is_acting)
{
    mutex_lock(&member->lock);
    member->is_acting = is_acting;
    mutex_unlock(&member->lock);
}

static void tell_recovered(const struct heal_member *member)
{
    count(&healer_numbers.recoveries);
    kinfo("heal: %s serves again after %llu us: %s", member->slot->name,
          (unsigned long long)(member->recovered_after_ns / 1000),
          heal_rung_name(member->decision.rung));
    publish(member, HEAL_EVENT_RECOVERED);
}

/* A point at which the thread that heals can be made to end: HX_EIO. */
static hx_err pass(const struct heal_member *member, const char *point)
{
    return failpoint_step_by_name(point, member->slot->name);
}

static void serve_again(struct heal_member *member)
{
    be_up(member, true);
    tell_recovered(member);
}

/* While is_acting stands in the record, what is found in the slot is the healer's, also if the
 * thread that put it there has ended.  Errors: HX_EIO it has. */
static hx_err act(struct heal_member *member)
{
    hx_err error;

    if (member->decision.rung == HEAL_QUARANTINE) {
        give_up(member);
        return HX_OK;
    }
    set_acting(member, true);
    error = hal_clock_now() <= member->decision.deadline_ns ? take_rung(member) : HX_ETIMEDOUT;
    if (pass(member, "heal-acted") != HX_OK) {
        return HX_EIO;
    }
    if (error == HX_OK) {
        serve_again(member);
        return HX_OK;
    }
    set_acting(member, false);
    if (error != HX_EBUSY) { /* else somebody has filled the slot meanwhile */
        decide_on_failure(member);
    }
    return HX_OK;
}

/* --- its health and its state ----------------------------------------------------------------- */

static enum heal_health health_of(hx_err answer)
{
    switch (answer) {
    case HX_OK:
    case HX_EBUSY: /* it is on trial, which looks at its health by itself */
        return HEAL_HEALTHY;
    case HX_ENOENT:
        return HEAL_UNKNOWN;
    case HX_EAGAIN:
        return HEAL_DEGRADED;
    default:
        return HEAL_UNRESPONSIVE;
    }
}

/* One that is not well time and again is ended, and so comes to be recovered. */
static void judge(struct heal_member *member, enum heal_health health,
                  const struct heal_policy *policy)
{
    mutex_lock(&member->lock);
    member->seen = health;
    if (health == HEAL_UNRESPONSIVE) {
        ladder_is_unwell(&member->ladder);
    } else {
        ladder_is_well(&member->ladder, policy, hal_clock_now());
    }
    mutex_unlock(&member->lock);
    member->bad_looks = health == HEAL_UNRESPONSIVE ? member->bad_looks + 1 : 0;
    if (member->bad_looks == BAD_LOOKS_MAX) {
        member->bad_looks = 0;
        slot_end(member->slot, DEATH_UNWELL);
    }
}

static enum heal_health look(struct heal_member *member)
{
    const struct heal_policy policy = healer_policy();
    enum heal_health health = health_of(hot_reload_check_health(member->slot));

    count(&healer_numbers.looks);
    judge(member, health, &policy);
    member->next_look_ns = hal_clock_now() + policy.check;
    return health;
}

/* A state is worth keeping if the one who has it is well. */
static hx_err take_checkpoint(struct heal_member *member)
{
    const struct heal_policy policy = healer_policy();
    struct module_state *state;
    hx_err error;

    member->next_checkpoint_ns =
        policy.interval != 0 ? hal_clock_now() + policy.interval : THREAD_NO_DEADLINE;
    if (policy.interval == 0 || !healer_is_on()) {
        return HX_ESTATE;
    }
    error = hot_reload_export(member->slot, &state);
    return error == HX_OK ? checkpoint_keep(&member->checkpoints, state,
                                            (uint32_t)policy.checkpoints, hal_clock_now())
                          : error;
}

hx_err healer_take_checkpoint(struct slot *slot)
{
    struct heal_member *member = member_of(slot);
    hx_err error;

    if (member == NULL) {
        return HX_ENOENT;
    }
    mutex_lock(&member->turn);
    error = take_checkpoint(member);
    mutex_unlock(&member->turn);
    return error;
}

void member_drop_checkpoints(struct slot *slot)
{
    struct heal_member *member = member_of(slot);

    if (member != NULL) {
        mutex_lock(&member->turn);
        checkpoint_drop(&member->checkpoints);
        member->next_checkpoint_ns = 0;
        mutex_unlock(&member->turn);
    }
}

void member_be_due(struct slot *slot)
{
    struct heal_member *member = member_of(slot);

    if (member != NULL) {
        mutex_lock(&member->turn);
        member->next_look_ns = 0;
        member->next_checkpoint_ns = 0;
        mutex_unlock(&member->turn);
    }
}

void healer_forget(struct slot *slot, bool keeps_state)
{
    struct heal_member *member = member_of(slot);

    if (member == NULL) {
        return;
    }
    if (!keeps_state) {
        member_drop_checkpoints(slot);
    }
    mutex_lock(&member->turn);
    be_up(member, false);
    mutex_unlock(&member->turn);
}

/* --- one turn --------------------------------------------------------------------------------- */

/* A member that serves, as far as is known. */
static uint64_t tend_up(struct heal_member *member)
{
    uint64_t now = hal_clock_now();
    enum heal_health health = member->seen;

    if (now >= member->next_look_ns) {
        health = look(member);
    }
    if (now >= member->next_checkpoint_ns && health == HEAL_HEALTHY) {
        (void)!take_checkpoint(member);
    }
    return sooner(member->next_look_ns, member->next_checkpoint_ns > now
                                            ? member->next_checkpoint_ns
                                            : member->next_look_ns);
}

/* A member that is down: what was decided on is done when it is time. */
static hx_err tend_down(struct heal_member *member, uint64_t *again_ns)
{
    hx_err error = pass(member, "heal");

    *again_ns = hal_clock_now();
    if (error != HX_OK) {
        return error;
    }
    if (slot_instance(member->slot) != NULL) {
        if (member->is_acting) {
            serve_again(member); /* a thread that has ended since put it there */
        } else {
            be_up(member, false); /* somebody has filled the slot */
        }
    } else if (*again_ns < member->decision.not_before_ns) {
        *again_ns = member->decision.not_before_ns;
    } else {
        error = act(member);
        *again_ns = hal_clock_now();
    }
    return error;
}

/* Who has died, and is not yet known to. */
static bool has_died(struct heal_member *member)
{
    return member->phase == MEMBER_UP &&
           hot_reload_find_death(member->slot, &member->death) == HX_OK;
}

/* A death is noted, and what is to be done about it. */
static hx_err note_death(struct heal_member *member)
{
    hx_err error;

    if (!has_died(member)) {
        return HX_OK;
    }
    error = pass(member, "heal-died");
    if (error != HX_OK) {
        return error;
    }
    decide_on_death(member);
    return pass(member, "heal-decided");
}

/* Nobody is put into the place of who died here. */
static hx_err bury_only(struct slot *slot, uint64_t *again_ns)
{
    *again_ns = hot_reload_bury(slot, BURY_LIMIT_NS) == HX_ETIMEDOUT
                    ? hal_clock_now() + LOOK_AGAIN_NS
                    : THREAD_NO_DEADLINE;
    return HX_OK;
}

static hx_err tend_in_turn(struct heal_member *member, uint64_t *again_ns)
{
    hx_err error;

    *again_ns = hal_clock_now();
    if (!healer_is_on()) {
        return bury_only(member->slot, again_ns);
    }
    error = note_death(member);
    if (error != HX_OK) {
        return error;
    }
    if (hot_reload_bury(member->slot, BURY_LIMIT_NS) == HX_ETIMEDOUT) {
        *again_ns += LOOK_AGAIN_NS;
        return HX_OK;
    }
    switch (member->phase) {
    case MEMBER_UP:
        *again_ns = tend_up(member);
        return HX_OK;
    case MEMBER_DOWN:
        return tend_down(member, again_ns);
    case MEMBER_GIVEN_UP:
        break;
    }
    if (slot_instance(member->slot) != NULL) {
        be_up(member, false);
    }
    *again_ns = THREAD_NO_DEADLINE;
    return HX_OK;
}

static hx_err tend_member(struct heal_member *member, uint64_t *again_ns)
{
    hx_err error;

    mutex_lock(&member->turn);
    error = tend_in_turn(member, again_ns);
    mutex_unlock(&member->turn);
    return error == HX_OK && healer_is_on() ? heal_group_restart(member) : error;
}

/* A trial that has come to its end is judged. Returns whether there is one that has not. */
static bool settle_trial(struct slot *slot, uint64_t *until_ns)
{
    struct swap_report *report;
    const struct module_instance *instance = slot_instance(slot);
    bool is_dead =
        instance != NULL && atomic_load_explicit(&instance->is_doomed, memory_order_acquire);

    if (!hot_reload_on_trial(slot, until_ns)) {
        return false;
    }
    if (!atomic_load_explicit(&slot->trial.is_due, memory_order_relaxed) && !is_dead &&
        hal_clock_now() < *until_ns) {
        return true;
    }
    report = heap_allocate_zeroed(sizeof(*report), OWNER_CORE);
    if (report == NULL) {
        *until_ns = hal_clock_now() + LOOK_AGAIN_NS;
        return true;
    }
    if (hot_reload_settle(slot, HOT_RELOAD_JUDGE, report) != HX_ENOENT) {
        note(member_of(slot), "settle", report);
    }
    heap_free(report);
    return false;
}

hx_err member_tend(struct slot *slot, uint64_t *again_ns)
{
    struct heal_member *member = member_of(slot);
    hx_err error;

    if (settle_trial(slot, again_ns)) {
        return HX_OK;
    }
    error = member != NULL ? tend_member(member, again_ns) : bury_only(slot, again_ns);
    if (slot->category->number == HX_CATEGORY_SCHEDULER) {
        scheduler_slot_rescue();
    }
    return error;
}

/* --- what others ask -------------------------------------------------------------------------- */

const char *heal_health_name(enum heal_health health)
{
    static const char *const names[] = {
#define HEAL_HEALTH_TEXT(name, text) [name] = (text),
        HEAL_HEALTH_LIST(HEAL_HEALTH_TEXT)
#undef HEAL_HEALTH_TEXT
    };

    return (unsigned)health < HEAL_HEALTH_COUNT ? names[health] : "?";
}

static enum heal_health health_now(struct heal_member *member)
{
    enum heal_health health;

    mutex_lock(&member->lock);
    health = member->seen;
    if (member->phase == MEMBER_DOWN) {
        health = member->is_acting ? HEAL_RECOVERING : HEAL_CRASHED;
    } else if (member->phase == MEMBER_GIVEN_UP) {
        health = HEAL_FAILED;
    }
    mutex_unlock(&member->lock);
    return health;
}

enum heal_health healer_check_health(struct slot *slot)
{
    struct heal_member *member = member_of(slot);
    enum heal_health health;

    if (member == NULL) {
        return HEAL_UNKNOWN;
    }
    health = health_now(member);
    return health == HEAL_CRASHED || health == HEAL_RECOVERING || health == HEAL_FAILED
               ? health
               : health_of(hot_reload_check_health(slot));
}

static enum heal_action action_of(enum heal_rung rung)
{
    switch (rung) {
    case HEAL_RESTART_WITH_STATE:
    case HEAL_RESTART_CLEAN:
        return HEAL_ACTION_RESTART;
    case HEAL_PREVIOUS_VERSION:
    case HEAL_BACKUP:
        return HEAL_ACTION_FAILOVER;
    case HEAL_PANIC:
        return HEAL_ACTION_PANIC;
    case HEAL_REST:
    case HEAL_QUARANTINE:
    case HEAL_RUNG_COUNT:
        break;
    }
    return HEAL_ACTION_NONE;
}

enum heal_action healer_trigger_recovery(struct slot *slot)
{
    struct heal_member *member = member_of(slot);
    enum heal_action action = HEAL_ACTION_NONE;

    if (member == NULL) {
        return HEAL_ACTION_NONE;
    }
    mutex_lock(&member->turn);
    if (has_died(member)) {
        decide_on_death(member);
    }
    if (member->phase == MEMBER_DOWN && slot_instance(slot) == NULL) {
        action = action_of(member->decision.rung);
        (void)!act(member);
    }
    mutex_unlock(&member->turn);
    healer_wake(); /* if that has failed, the next rung is due at once */
    return action;
}

hx_err healer_member_info(struct slot *slot, struct heal_member_info *info)
{
    struct heal_member *member = member_of(slot);

    if (member == NULL) {
        return HX_ENOENT;
    }
    info->health = healer_check_health(slot);
    mutex_lock(&member->lock);
    info->is_essential = member->is_essential;
    info->ladder = member->ladder;
    info->decision = member->decision;
    info->died_ns = member->died_ns;
    info->recovered_after_ns = member->recovered_after_ns;
    info->deaths = member->deaths;
    info->recoveries = member->recoveries;
    mutex_unlock(&member->lock);
    checkpoint_counts(&member->checkpoints, &info->checkpoints_taken, &info->checkpoints_unchanged);
    return HX_OK;
}

bool healer_checkpoint_info(struct slot *slot, uint32_t place, struct checkpoint_info *info)
{
    struct heal_member *member = member_of(slot);

    return member != NULL && checkpoint_info(&member->checkpoints, place, info);
}
