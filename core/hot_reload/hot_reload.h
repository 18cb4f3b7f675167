/*
 * Hot reload: what is in a slot is filled, exchanged with its state, taken back, or removed, as a
 * transaction, while the slot is in use.
 *
 * Rules:
 * - Every function takes the slot's change mutex: two slots change at once, one slot does one thing
 * at a time.
 * - A swap goes through the states below. What fails before the new instance serves leads back to
 * the old one, which was only kept waiting; what fails while the new one is on trial leads back as
 *   hot_reload_settle says. Only when the old one cannot go on either is the slot left Failed.
 * - Every step is a fail point.
 * - What a report says was migrated has been taken over by an import that answered HX_OK.
 */
#ifndef CORE_HOT_RELOAD_HOT_RELOAD_H
#define CORE_HOT_RELOAD_HOT_RELOAD_H

#include <core/gate/module_state.h>
#include <core/gate/slot.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(enumerator, text): SPEC R2 */
#define SWAP_STATE_LIST(X)                                                                         \
    X(SWAP_IDLE, "Idle")                                                                           \
    X(SWAP_PREPARING, "Preparing")                                                                 \
    X(SWAP_SAVING_STATE, "SavingState")                                                            \
    X(SWAP_UNLOADING, "Unloading")                                                                 \
    X(SWAP_LOADING, "Loading")                                                                     \
    X(SWAP_RESTORING_STATE, "RestoringState")                                                      \
    X(SWAP_COMPLETED, "Completed")                                                                 \
    X(SWAP_ROLLBACK, "Rollback")                                                                   \
    X(SWAP_ROLLBACK_FAILED, "RollbackFailed")

#define SWAP_STATE_ENUM(name, text) name,
enum swap_state { SWAP_STATE_LIST(SWAP_STATE_ENUM) SWAP_STATE_COUNT };
#undef SWAP_STATE_ENUM

#define SWAP_WHY_MAX      160U
#define SWAP_BLOCKERS_MAX 2048U

#define SWAP_DRAIN_LIMIT_NS_DEFAULT (500 * 1000000ULL)
#define SWAP_TRIAL_CALLS_DEFAULT    1000U
#define SWAP_TRIAL_NS_DEFAULT       (2000 * 1000000ULL)

/* A module's file and how it is to be loaded. */
struct hot_reload_image {
    const void *file; /* unchanged until the function returns */
    size_t size;
    enum hal_gate_backend backend;
};

struct swap_options {
    uint64_t drain_limit_ns; /* how long callers may keep the swap waiting, and be kept waiting */
    uint32_t trial_calls;    /* the trial ends after so many calls … */
    uint64_t trial_ns;       /* … or so long; 0: there is no trial */
};

/* What became of a change. */
struct swap_report {
    enum swap_state state;     /* how it ended: Completed, Rollback, RollbackFailed, or Preparing:
                                  nothing changed */
    enum swap_state failed_in; /* with an error: the state in which it happened */
    hx_err error;
    char why[SWAP_WHY_MAX];             /* with an error: one sentence */
    char from[HX_MODULE_NAME_MAX + 16]; /* name and version, "" for none */
    char to[HX_MODULE_NAME_MAX + 16];
    bool is_migrated;                 /* the new instance has the old one's state */
    uint64_t pause_ns;                /* from closing the gate until it was open again */
    char blockers[SWAP_BLOCKERS_MAX]; /* with HX_ETIMEDOUT: who stayed inside; lines */
};

/*
 * Fill an empty slot: load, init, activate, open. *report is filled in.
 * Context: thread, may block.
 * Errors: HX_EBUSY there is something in it, HX_EVERSION a module of another category, those of
 * loader_load and of the module's operations; nothing has changed.
 */
HX_MUST_USE hx_err hot_reload_fill(struct slot *slot, const struct hot_reload_image *image,
                                   struct swap_report *report);

/*
 * Fill an empty slot with one that goes on from a state before it serves: whoever was there has
 * died. *report says whether the state was taken over; it stays the caller's.
 * Context: thread, may block.
 * Errors: those of hot_reload_fill and life_import, HX_ETIMEDOUT threads are still inside the dead
 * one; nothing has changed.
 */
HX_MUST_USE hx_err hot_reload_revive(struct slot *slot, const struct hot_reload_image *image,
                                     struct module_state *state, struct swap_report *report);

/* Who died in a slot, and of what. */
struct hot_reload_death {
    char name[HX_MODULE_NAME_MAX];
    struct hx_module_version version;
    enum hal_gate_backend backend;
    enum death_cause cause;
    uint32_t exception; /* enum hal_exception, of DEATH_EXCEPTION */
    uintptr_t offset;   /* from the module's first instruction to the one it died at; 0: none */
};

/*
 * The instance that died in the slot and has not been buried.
 * Context: thread, may block.  Errors: HX_ENOENT none did; HX_EBUSY it was on trial, which
 * hot_reload_settle ends.
 */
HX_MUST_USE hx_err hot_reload_find_death(struct slot *slot, struct hot_reload_death *death);

/*
 * Who serves in the slot, as of one that had died.
 * Context: thread, may block.  Errors: HX_ENOENT nobody, HX_EBUSY it is on trial.
 */
HX_MUST_USE hx_err hot_reload_find_serving(struct slot *slot, struct hot_reload_death *who);

/*
 * The state of what is in the slot, as its version writes it, while it serves; the caller's.
 * Context: thread, may block.  Errors: HX_ENOENT the slot is empty, or it has no state; HX_EBUSY it
 * is on trial; those of life_export.
 */
HX_MUST_USE hx_err hot_reload_export(struct slot *slot, struct module_state **state);

/*
 * Ask what is in the slot how it is.
 * Context: thread, may block.
 * Errors: HX_ENOENT the slot is empty, HX_EBUSY it is on trial, HX_EDIED, HX_EAGAIN it serves, but
 * not as well as it should, what else it answers.
 */
HX_MUST_USE hx_err hot_reload_check_health(struct slot *slot);

/*
 * Exchange what is in a slot for another module or version, with its state. *report is filled in.
 * Context: thread, may block.
 * Errors: HX_ENOENT the slot is empty, HX_EBUSY a trial is under way, HX_EVERSION it cannot take
 * over from what is there, HX_ETIMEDOUT callers stayed inside (report->blockers), HX_EDIED one of
 * the two died, HX_EIO a fail point, those of loader_load and of the modules' operations.
 */
HX_MUST_USE hx_err hot_reload_swap(struct slot *slot, const struct hot_reload_image *image,
                                   const struct swap_options *options, struct swap_report *report);

/* Whether an instance is on trial in the slot, and until when.  Context: thread. */
bool hot_reload_on_trial(struct slot *slot, uint64_t *until_ns);

enum hot_reload_verdict {
    HOT_RELOAD_JUDGE,  /* ask its health; if it has died, or is not healthy, the one before comes
                          back */
    HOT_RELOAD_REJECT, /* the one before comes back, with the state of now */
};

/*
 * End the trial in a slot. A healthy instance stays and the one before is unloaded. One that is not
 * is replaced by the one before, which takes over its state; one that has died, or whose state
 * cannot be had, by the one before with its own state, and what was journalled is done again.
 * *report says which: Completed or Rollback (HX_OK both), or RollbackFailed.
 * Context: thread, may block.  Errors: HX_ENOENT there is no trial; what made a rollback fail.
 */
HX_MUST_USE hx_err hot_reload_settle(struct slot *slot, enum hot_reload_verdict verdict,
                                     struct swap_report *report);

/*
 * Take out of a slot what is in it, and unload it; a trial is settled before.
 * Context: thread, may block.
 * Errors: HX_ENOENT, HX_ETIMEDOUT or what prepare_unload and can_unload answer: it stays.
 */
HX_MUST_USE hx_err hot_reload_unload(struct slot *slot, uint64_t drain_limit_ns,
                                     struct swap_report *report);

/* Unload the instance that died in a slot; HX_OK: there is none any more.  Context: thread, may
 * block. Errors: HX_ETIMEDOUT threads are still inside, HX_EBUSY a trial is under way. */
HX_MUST_USE hx_err hot_reload_bury(struct slot *slot, uint64_t drain_limit_ns);

const char *swap_state_name(enum swap_state state);

#endif
