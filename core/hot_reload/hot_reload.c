/*
 * Changes of what is in a slot. One zeroed struct change records what was done; each way out of it
 * is one function.
 */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <base/text.h>
#include <core/debug/log.h>
#include <core/hot_reload/blocker.h>
#include <core/hot_reload/hot_reload.h>
#include <core/hot_reload/life.h>
#include <core/hot_reload/loader.h>
#include <core/orchestrator/failpoint.h>
#include <hal/clock.h>
#include <kern/thread.h>

/* What is known of each slot beside what is in it. Keys: C = the slot's change mutex */
struct reload_record {
    struct module_instance *resident; /* C  loaded for the slot, in it unless it died; NULL: none */
    struct module_instance *corpse;   /* C  died on trial, threads may be inside; NULL: none */
    struct module_instance *previous; /* C  while a trial runs: the one before, out of the slot */
    uint64_t trial_end_ns;            /* C */
};

static struct reload_record records[SLOT_MAX];

static struct reload_record *record_of(const struct slot *slot)
{
    return &records[slot_index(slot)];
}

const char *swap_state_name(enum swap_state state)
{
#define SWAP_STATE_TEXT(name, text) [name] = (text),
    static const char *const names[] = {SWAP_STATE_LIST(SWAP_STATE_TEXT)};
#undef SWAP_STATE_TEXT

    return (unsigned)state < SWAP_STATE_COUNT ? names[state] : "unknown";
}

/* --- one change ------------------------------------------------------------------------------- */

struct change {
    struct slot *slot;
    struct reload_record *record;
    struct swap_report *report;
    const struct hot_reload_image *image;
    const struct swap_options *options;
    struct module_instance *old;
    struct module_instance *fresh;
    struct module_state *state; /* the old one's, as it was when the gate was closed */
    uint16_t minor;             /* as which it is written */
    bool is_closed;
    bool old_was_asked; /* prepare_unload was called */
    uint64_t closed_at_ns;
};

static void enter(const struct change *change, enum swap_state state)
{
    change->report->state = state;
}

/* Keep the first thing that went wrong. */
static hx_err fail(const struct change *change, hx_err error, const char *what, const char *why)
{
    struct swap_report *report = change->report;

    if (report->error == HX_OK) {
        report->error = error;
        report->failed_in = report->state;
        (void)format_text(report->why, sizeof(report->why), "%s: %s", what, why);
    }
    return error;
}

static hx_err check(const struct change *change, hx_err error, const char *what)
{
    return error == HX_OK ? HX_OK : fail(change, error, what, hx_error_text(error));
}

/* A step that can be made to fail before it is taken. */
static hx_err begin_step(const struct change *change, const char *what)
{
    return check(change, failpoint_step(what, change->slot->name), what);
}

static hx_err step_life(const struct change *change, struct module_instance *instance,
                        enum instance_lifecycle operation, uint64_t argument, const char *what)
{
    hx_err error = begin_step(change, what);

    return error == HX_OK ? check(change, life_call(instance, operation, argument), what) : error;
}

static void describe(const struct module_instance *instance, char *text, size_t size)
{
    text[0] = '\0';
    if (instance != NULL) {
        (void)format_text(text, size, "%s %u.%u.%u", instance->name, instance->version.major,
                          instance->version.minor, instance->version.patch);
    }
}

static void set_stage(struct module_instance *instance, enum instance_stage stage)
{
    atomic_store_explicit(&instance->stage, stage, memory_order_relaxed);
}

/* --- preparing: the old one serves ------------------------------------------------------------ */

static hx_err load(const struct change *change, struct module_instance **instance)
{
    char why[LOADER_WHY_MAX];
    hx_err error = begin_step(change, "load");

    if (error != HX_OK) {
        return error;
    }
    error = loader_load(change->image->file, change->image->size, change->image->backend, instance,
                        why);
    if (error != HX_OK) {
        return fail(change, error, "load", why[0] != '\0' ? why : hx_error_text(error));
    }
    describe(*instance, change->report->to, sizeof(change->report->to));
    if ((*instance)->category != change->slot->category->number) {
        error = fail(change, HX_EVERSION, "load", "a module of another category than the slot's");
        loader_unload(*instance);
        *instance = NULL;
    }
    return error;
}

/* An instance that has been initialised and is not in any slot. */
static hx_err make(const struct change *change, struct module_instance **instance)
{
    hx_err error = load(change, instance);

    if (error != HX_OK) {
        return error;
    }
    error = step_life(change, *instance, LIFECYCLE_INIT, 0, "module-init");
    if (error != HX_OK) {
        loader_unload(*instance);
        *instance = NULL;
    }
    return error;
}

/* The old one's state, written and read again as one from elsewhere would be. */
static hx_err copy_state(const struct change *change, struct module_state **copy)
{
    struct module_state *state;
    const void *bytes;
    const char *why;
    size_t size;
    hx_err error =
        check(change, life_export(change->old, change->minor, &state), "rehearsal: export");

    if (error != HX_OK) {
        return error;
    }
    bytes = module_state_bytes(state, &size);
    error = check(change, module_state_read(bytes, size, copy, &why), "rehearsal: reading");
    module_state_destroy(state);
    return error;
}

static hx_err rehearse_import(const struct change *change, struct module_instance *scratch)
{
    struct module_state *state;
    hx_err error = begin_step(change, "rehearsal");

    if (error != HX_OK) {
        return error;
    }
    error = copy_state(change, &state);
    if (error != HX_OK) {
        return error;
    }
    error = check(change, life_import(scratch, state), "rehearsal: import");
    module_state_destroy(state);
    if (error == HX_OK) {
        error = check(change, life_call(scratch, LIFECYCLE_CHECK_HEALTH, 0), "rehearsal: health");
    }
    return error;
}

/* The new module takes a copy of the state over, in an instance that is thrown away. */
static hx_err rehearse(struct change *change)
{
    struct module_instance *scratch;
    const char *why;
    hx_err error = make(change, &scratch);

    if (error != HX_OK) {
        return error;
    }
    error = life_can_follow(change->old, scratch, &change->minor, &why);
    if (error != HX_OK) {
        (void)fail(change, error, "it cannot take over", why);
    } else if (life_has_state(change->old)) {
        error = rehearse_import(change, scratch);
    }
    loader_unload(scratch);
    return error;
}

static hx_err prepare(struct change *change)
{
    hx_err error;

    enter(change, SWAP_PREPARING);
    error = rehearse(change);
    if (error == HX_OK) {
        error = make(change, &change->fresh);
    }
    if (error == HX_OK && change->options->trial_ns != 0) {
        error = begin_step(change, "trial");
        if (error == HX_OK) {
            error = check(change, trial_begin(&change->slot->trial, change->options->trial_calls),
                          "trial");
        }
    }
    return error;
}

/* --- the pause: the gate is closed ------------------------------------------------------------ */

static void close_gate(struct change *change)
{
    change->closed_at_ns = hal_clock_now();
    change->is_closed = true;
    slot_close(change->slot);
}

/* Just before callers are let in again. */
static void end_pause(const struct change *change)
{
    change->report->pause_ns = hal_clock_now() - change->closed_at_ns;
}

static hx_err drain(const struct change *change, struct module_instance *instance)
{
    struct swap_report *report = change->report;
    struct text text;
    hx_err error = begin_step(change, "drain");

    if (error != HX_OK) {
        return error;
    }
    error = slot_drain(instance, hal_clock_now() + change->options->drain_limit_ns);
    if (error != HX_OK) {
        text = text_into(report->blockers, sizeof(report->blockers));
        blocker_report(instance, &text);
        return fail(change, error, "drain", "somebody stays inside");
    }
    return HX_OK;
}

static hx_err save_state(struct change *change)
{
    hx_err error;

    enter(change, SWAP_SAVING_STATE);
    close_gate(change);
    change->old_was_asked = true;
    error = step_life(change, change->old, LIFECYCLE_PREPARE_UNLOAD, 0, "prepare_unload");
    if (error == HX_OK) {
        error = drain(change, change->old);
    }
    if (error == HX_OK) {
        error = step_life(change, change->old, LIFECYCLE_CAN_UNLOAD, 0, "can_unload");
    }
    if (error == HX_OK && life_has_state(change->old)) {
        error = begin_step(change, "export");
        error =
            error == HX_OK
                ? check(change, life_export(change->old, change->minor, &change->state), "export")
                : error;
    }
    return error;
}

/* It may do everything from now on; what it takes of devices is its slot's. */
static hx_err activate(const struct change *change)
{
    change->fresh->slot = change->slot;
    set_stage(change->fresh, INSTANCE_SERVING);
    return step_life(change, change->fresh, LIFECYCLE_ACTIVATE, 0, "activate");
}

static hx_err restore_state(struct change *change)
{
    hx_err error = HX_OK;

    enter(change, SWAP_RESTORING_STATE);
    if (change->state != NULL) {
        error = begin_step(change, "import");
        error = error == HX_OK ? check(change, life_import(change->fresh, change->state), "import")
                               : error;
    }
    if (error == HX_OK) {
        error = activate(change);
    }
    /* Of one that does not serve after all, nothing has been migrated. */
    change->report->is_migrated = error == HX_OK && change->state != NULL;
    return error;
}

static hx_err exchange(struct change *change)
{
    hx_err error = save_state(change);

    if (error == HX_OK) {
        enter(change, SWAP_UNLOADING);
        error = begin_step(change, "leave");
    }
    if (error == HX_OK) {
        enter(change, SWAP_LOADING);
        error = begin_step(change, "enter");
    }
    return error == HX_OK ? restore_state(change) : error;
}

/* --- the ends --------------------------------------------------------------------------------- */

static void complete(struct change *change)
{
    struct reload_record *record = change->record;

    record->resident = change->fresh;
    end_pause(change);
    if (change->options->trial_ns != 0) {
        record->previous = change->old;
        record->trial_end_ns = hal_clock_now() + change->options->trial_ns;
        change->old->slot = NULL;
        slot_open_to_trial(change->slot, change->fresh);
    } else {
        slot_open(change->slot, change->fresh);
        loader_unload(change->old);
    }
    enter(change, SWAP_COMPLETED);
}

/* The old one goes on, if it can. */
static void go_back(struct change *change)
{
    hx_err error = HX_OK;

    enter(change, SWAP_ROLLBACK);
    if (change->old_was_asked) {
        error = life_call(change->old, LIFECYCLE_CANCEL_UNLOAD, 0);
    }
    end_pause(change);
    if (error == HX_OK) {
        slot_open(change->slot, change->old);
    } else {
        (void)fail(change, error, "cancel_unload", hx_error_text(error));
        slot_fail(change->slot);
        enter(change, SWAP_ROLLBACK_FAILED);
    }
}

/* After an error: everything that was taken goes, the old one serves. */
static void unwind(struct change *change)
{
    if (change->is_closed) {
        go_back(change);
    }
    if (change->fresh != NULL) {
        loader_unload(change->fresh); /* only this thread was ever inside, through its door */
    }
    trial_end(&change->slot->trial);
}

static hx_err start(struct change *change)
{
    struct swap_report *report = change->report;

    *report = (struct swap_report){.state = SWAP_IDLE};
    change->record = record_of(change->slot);
    change->old = slot_instance(change->slot);
    describe(change->old, report->from, sizeof(report->from));
    return change->record->previous == NULL
               ? HX_OK
               : fail(change, HX_EBUSY, "swap", "the one before is still on trial");
}

static void finish(const struct change *change)
{
    module_state_destroy(change->state);
    mutex_unlock(&change->slot->change);
}

static hx_err bury_one(struct module_instance **dead, uint64_t deadline_ns)
{
    hx_err error = *dead != NULL ? slot_drain(*dead, deadline_ns) : HX_OK;

    if (error == HX_OK && *dead != NULL) {
        loader_unload(*dead);
        *dead = NULL;
    }
    return error;
}

/* Whoever died in the slot, or on trial in it. */
static hx_err bury(const struct change *change, uint64_t drain_limit_ns)
{
    struct reload_record *record = change->record;
    uint64_t deadline_ns = hal_clock_now() + drain_limit_ns;
    hx_err error = bury_one(&record->corpse, deadline_ns);

    if (error == HX_OK && slot_instance(change->slot) != record->resident) {
        error = bury_one(&record->resident, deadline_ns);
    }
    return error;
}

static hx_err run_swap(struct change *change)
{
    hx_err error = prepare(change);

    if (error == HX_OK) {
        error = exchange(change);
    }
    if (error == HX_OK) {
        complete(change);
    } else {
        unwind(change);
    }
    return error;
}

hx_err hot_reload_swap(struct slot *slot, const struct hot_reload_image *image,
                       const struct swap_options *options, struct swap_report *report)
{
    struct change change = {.slot = slot, .report = report, .image = image, .options = options};
    hx_err error;

    mutex_lock(&slot->change);
    error = start(&change);
    if (error == HX_OK && change.old == NULL) {
        error = fail(&change, HX_ENOENT, "swap", "there is nothing in the slot");
    }
    if (error == HX_OK) {
        /* Who died on trial here before: there is room for one such. */
        error = check(&change, bury(&change, options->drain_limit_ns), "bury");
    }
    if (error == HX_OK) {
        error = run_swap(&change);
    }
    finish(&change);
    return error;
}

/* --- filling and emptying --------------------------------------------------------------------- */

static hx_err fill(struct change *change)
{
    hx_err error;

    enter(change, SWAP_LOADING);
    slot_set_status(change->slot, SLOT_LOADING);
    error = make(change, &change->fresh);
    if (error != HX_OK) {
        slot_set_status(change->slot, SLOT_EMPTY);
        return error;
    }
    error = change->state != NULL ? restore_state(change) : activate(change);
    if (error == HX_OK) {
        change->record->resident = change->fresh;
        error = check(change, slot_fill(change->slot, change->fresh), "fill");
    }
    if (error != HX_OK) {
        slot_set_status(change->slot, SLOT_EMPTY);
        change->record->resident = NULL;
        loader_unload(change->fresh);
        return error;
    }
    enter(change, SWAP_COMPLETED);
    return HX_OK;
}

hx_err hot_reload_revive(struct slot *slot, const struct hot_reload_image *image,
                         struct module_state *state, struct swap_report *report)
{
    struct change change = {.slot = slot, .report = report, .image = image, .state = state};
    hx_err error;

    mutex_lock(&slot->change);
    error = start(&change);
    if (error == HX_OK && change.old != NULL) {
        error = fail(&change, HX_EBUSY, "fill", "there is something in the slot");
    }
    if (error == HX_OK) {
        error = check(&change, bury(&change, SWAP_DRAIN_LIMIT_NS_DEFAULT), "bury");
    }
    if (error == HX_OK) {
        error = fill(&change);
    }
    change.state = NULL; /* the caller's */
    finish(&change);
    return error;
}

hx_err hot_reload_fill(struct slot *slot, const struct hot_reload_image *image,
                       struct swap_report *report)
{
    return hot_reload_revive(slot, image, NULL, report);
}

hx_err hot_reload_bury(struct slot *slot, uint64_t drain_limit_ns)
{
    struct change change = {.slot = slot, .record = record_of(slot)};
    hx_err error;

    mutex_lock(&slot->change);
    error = change.record->previous == NULL ? bury(&change, drain_limit_ns) : HX_EBUSY;
    mutex_unlock(&slot->change);
    return error;
}

/* As the first half of a swap, without a successor. */
static hx_err unload(struct change *change)
{
    hx_err error;

    enter(change, SWAP_UNLOADING);
    close_gate(change);
    slot_set_status(change->slot, SLOT_UNLOADING);
    change->old_was_asked = true;
    error = step_life(change, change->old, LIFECYCLE_PREPARE_UNLOAD, 0, "prepare_unload");
    if (error == HX_OK) {
        error = drain(change, change->old);
    }
    if (error == HX_OK) {
        error = step_life(change, change->old, LIFECYCLE_CAN_UNLOAD, 0, "can_unload");
    }
    if (error != HX_OK) {
        go_back(change);
        return error;
    }
    end_pause(change);
    (void)slot_empty(change->slot);
    change->record->resident = NULL;
    loader_unload(change->old);
    enter(change, SWAP_COMPLETED);
    return HX_OK;
}

hx_err hot_reload_unload(struct slot *slot, uint64_t drain_limit_ns, struct swap_report *report)
{
    const struct swap_options options = {.drain_limit_ns = drain_limit_ns};
    struct change change = {.slot = slot, .report = report, .options = &options};
    hx_err error;

    (void)!hot_reload_settle(slot, HOT_RELOAD_JUDGE, report);
    mutex_lock(&slot->change);
    error = start(&change);
    if (error == HX_OK && change.old == NULL) {
        error = bury(&change, drain_limit_ns);
        error = error == HX_OK ? fail(&change, HX_ENOENT, "unload", "there is nothing in the slot")
                               : check(&change, error, "bury");
    } else if (error == HX_OK) {
        error = unload(&change);
    }
    finish(&change);
    return error;
}

/* --- the end of a trial ----------------------------------------------------------------------- */

bool hot_reload_on_trial(struct slot *slot, uint64_t *until_ns)
{
    struct reload_record *record = record_of(slot);
    bool is_on_trial;

    mutex_lock(&slot->change);
    is_on_trial = record->previous != NULL;
    *until_ns = record->trial_end_ns;
    mutex_unlock(&slot->change);
    return is_on_trial;
}

/* The instance on trial stays. Calls go on while the way changes. */
static hx_err promote(struct change *change)
{
    struct module_instance *previous = change->record->previous;

    slot_open(change->slot, change->fresh);
    trial_end(&change->slot->trial);
    change->record->previous = NULL;
    loader_unload(previous);
    enter(change, SWAP_COMPLETED);
    return HX_OK;
}

/* Its state, as the one before knows it, moves back. */
static hx_err migrate_back(struct change *change)
{
    const char *why;
    hx_err error = life_can_follow(change->fresh, change->old, &change->minor, &why);

    if (error != HX_OK) {
        return fail(change, error, "it cannot take over again", why);
    }
    if (!life_has_state(change->old)) {
        return HX_OK;
    }
    error = check(change, life_export(change->fresh, change->minor, &change->state), "export");
    if (error == HX_OK) {
        error = check(change, life_import(change->old, change->state), "import");
    }
    change->report->is_migrated = error == HX_OK;
    return error;
}

/* The one before has the state of when it left: what has changed since is in the journal. */
static hx_err resume_previous(struct change *change, bool may_migrate)
{
    hx_err error = HX_EDIED;

    if (may_migrate) {
        error = migrate_back(change);
    }
    if (error != HX_OK) {
        error = check(change, trial_replay(&change->slot->trial, change->old), "replay");
    }
    if (error == HX_OK) {
        error = check(change, life_call(change->old, LIFECYCLE_CANCEL_UNLOAD, 0), "cancel_unload");
    }
    return error;
}

static hx_err revert(struct change *change, bool may_migrate)
{
    struct reload_record *record = change->record;
    hx_err error;

    enter(change, SWAP_ROLLBACK);
    close_gate(change);
    if (may_migrate) {
        may_migrate = life_call(change->fresh, LIFECYCLE_PREPARE_UNLOAD, 0) == HX_OK;
    }
    error = drain(change, change->fresh);
    if (error != HX_OK && may_migrate) {
        /* It lives, and somebody is inside: it goes on, still on trial. */
        (void)!life_call(change->fresh, LIFECYCLE_CANCEL_UNLOAD, 0);
        end_pause(change);
        slot_open_to_trial(change->slot, change->fresh);
        return error;
    }
    if (error != HX_OK) {
        record->corpse = change->fresh;
        change->fresh = NULL;
    }
    error = resume_previous(change, may_migrate);
    record->previous = NULL;
    record->resident = change->old;
    end_pause(change);
    if (error == HX_OK) {
        slot_open(change->slot, change->old);
    } else {
        slot_fail(change->slot); /* the old one is buried as one that died */
        enter(change, SWAP_ROLLBACK_FAILED);
    }
    if (change->fresh != NULL) {
        loader_unload(change->fresh);
    }
    trial_end(&change->slot->trial);
    return error;
}

static hx_err settle(struct change *change, enum hot_reload_verdict verdict)
{
    hx_err health = HX_EDIED;

    change->fresh = change->record->resident;
    change->old = change->record->previous;
    describe(change->old, change->report->to, sizeof(change->report->to));
    if (!atomic_load_explicit(&change->fresh->is_doomed, memory_order_acquire)) {
        health = life_call(change->fresh, LIFECYCLE_CHECK_HEALTH, 0);
    }
    if (verdict == HOT_RELOAD_JUDGE && (health == HX_OK || health == HX_EAGAIN)) {
        return promote(change);
    }
    (void)format_text(change->report->why, sizeof(change->report->why), "trial: %s",
                      verdict == HOT_RELOAD_REJECT ? "rejected" : hx_error_text(health));
    return revert(change, health != HX_EDIED);
}

hx_err hot_reload_settle(struct slot *slot, enum hot_reload_verdict verdict,
                         struct swap_report *report)
{
    static const struct swap_options options = {.drain_limit_ns = SWAP_DRAIN_LIMIT_NS_DEFAULT};
    struct change change = {.slot = slot, .report = report, .options = &options};
    hx_err error = HX_ENOENT;

    mutex_lock(&slot->change);
    *report = (struct swap_report){.state = SWAP_IDLE};
    change.record = record_of(slot);
    describe(slot_instance(slot), report->from, sizeof(report->from));
    if (change.record->previous != NULL) {
        error = settle(&change, verdict);
    }
    finish(&change);
    return error;
}

/* --- how it is -------------------------------------------------------------------------------- */

/* Lock, and find who serves and is not on trial; NULL, and not locked: *error says why. */
static struct module_instance *lock_serving(struct slot *slot, hx_err *error)
{
    struct module_instance *instance;

    mutex_lock(&slot->change);
    instance = slot_instance(slot);
    *error = record_of(slot)->previous != NULL ? HX_EBUSY : HX_ENOENT;
    if (instance == NULL || *error == HX_EBUSY) {
        mutex_unlock(&slot->change);
        return NULL;
    }
    return instance;
}

static void describe_death(const struct module_instance *dead, struct hot_reload_death *death)
{
    *death = (struct hot_reload_death){.version = dead->version,
                                       .backend = dead->gate.backend,
                                       .cause = dead->death_cause,
                                       .exception = dead->death_exception};
    memcpy(death->name, dead->name, sizeof(death->name));
    if (dead->death_pc - dead->text.base < dead->text.size) {
        death->offset = dead->death_pc - dead->text.base;
    }
}

hx_err hot_reload_find_death(struct slot *slot, struct hot_reload_death *death)
{
    struct reload_record *record = record_of(slot);
    hx_err error = HX_ENOENT;

    mutex_lock(&slot->change);
    if (record->previous != NULL) {
        error = HX_EBUSY;
    } else if (record->resident != NULL && slot_instance(slot) != record->resident) {
        describe_death(record->resident, death);
        error = HX_OK;
    }
    mutex_unlock(&slot->change);
    return error;
}

hx_err hot_reload_find_serving(struct slot *slot, struct hot_reload_death *who)
{
    hx_err error;
    const struct module_instance *instance = lock_serving(slot, &error);

    if (instance == NULL) {
        return error;
    }
    describe_death(instance, who);
    mutex_unlock(&slot->change);
    return HX_OK;
}

hx_err hot_reload_export(struct slot *slot, struct module_state **state)
{
    hx_err error;
    struct module_instance *instance = lock_serving(slot, &error);

    if (instance == NULL) {
        return error;
    }
    error = life_has_state(instance) ? life_export(instance, instance->version.minor, state)
                                     : HX_ENOENT;
    mutex_unlock(&slot->change);
    return error;
}

hx_err hot_reload_check_health(struct slot *slot)
{
    hx_err error;
    struct module_instance *instance = lock_serving(slot, &error);

    if (instance == NULL) {
        return error;
    }
    error = life_call(instance, LIFECYCLE_CHECK_HEALTH, 0);
    mutex_unlock(&slot->change);
    return error;
}
