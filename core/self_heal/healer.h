/*
 * The healer: what dies in a slot is replaced, as the ladder says (SPEC H1 to H9).
 *
 * Rules:
 * - A slot that is registered is a member. Its factory knows the files that can be put into it.
 * - One thread, the healer, does all recoveries. It is watched by another, the guardian, which
 *   makes a new one when it has ended; the healer watches the guardian, and of two that end at once
 *   the later one makes the other again. What has been decided
 *   stands in the member's record before it is acted upon, and what is done to a slot is a
 *   transaction of core/hot_reload: whoever comes after goes on from there.
 * - It also ends trials that are due and buries who has died, in every slot.
 * - No lock of the healer's is held while a module is called.
 */
#ifndef CORE_SELF_HEAL_HEALER_H
#define CORE_SELF_HEAL_HEALER_H

#include <core/gate/slot.h>
#include <core/hot_reload/hot_reload.h>
#include <core/self_heal/checkpoint.h>
#include <core/self_heal/heal_policy.h>
#include <core/self_heal/ladder.h>
#include <core/self_heal/supervision.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/* --- members ---------------------------------------------------------------------------------- */

/* What a factory is asked for. */
enum heal_wanted {
    HEAL_WANT_SAME,     /* the version that died */
    HEAL_WANT_PREVIOUS, /* another version of the same module: the youngest older one */
    HEAL_WANT_BACKUP,   /* the module that is to stand in for it */
};

/* A file that can be loaded, until it is closed. */
struct heal_product {
    struct hot_reload_image image;
    struct module_file *held; /* the factory's */
};

struct heal_factory {
    /* Errors: HX_ENOENT there is none, HX_ENOMEM.  Context: thread. */
    hx_err (*open)(struct slot *slot, const struct hot_reload_death *death, enum heal_wanted wanted,
                   struct heal_product *product);
    void (*close)(struct heal_product *product);
    /* Something was done in a slot: "recover", "restart" with its group, or "settle" of a trial.
     * Context: thread. */
    void (*note)(struct slot *slot, const char *what, const struct swap_report *report);
};

/*
 * Make a slot a member; is_essential: without it the system makes no sense, at the ladder's end it
 * panics. Again: the factory is replaced.
 * Context: boot or thread.  Errors: HX_ENOMEM.
 */
HX_MUST_USE hx_err healer_register(struct slot *slot, const struct heal_factory *factory,
                                   bool is_essential);

/*
 * Somebody has put something into the slot by hand: what was tried there is forgotten, and, unless
 * it goes on with the state there was, so are the checkpoints.  Context: thread, may block.
 */
void healer_forget(struct slot *slot, bool keeps_state);

/* X(enumerator, text): SPEC H1 */
#define HEAL_HEALTH_LIST(X)                                                                        \
    X(HEAL_UNKNOWN, "Unknown") /* no member, or nothing is in the slot by intent */                \
    X(HEAL_HEALTHY, "Healthy")                                                                     \
    X(HEAL_DEGRADED, "Degraded") /* it says that it serves, but not as well as it should */        \
    X(HEAL_UNRESPONSIVE, "Unresponsive") /* it says that it is not well, or says nothing */        \
    X(HEAL_CRASHED, "Crashed")           /* it has died, and waits to be recovered */              \
    X(HEAL_RECOVERING, "Recovering")                                                               \
    X(HEAL_FAILED, "Failed") /* given up: in quarantine */

#define HEAL_HEALTH_ENUM(name, text) name,
enum heal_health { HEAL_HEALTH_LIST(HEAL_HEALTH_ENUM) HEAL_HEALTH_COUNT };
#undef HEAL_HEALTH_ENUM

const char *heal_health_name(enum heal_health health);

/* How the member in a slot is, asking it.  Context: thread, may block. */
enum heal_health healer_check_health(struct slot *slot);

/* SPEC H1 */
enum heal_action { HEAL_ACTION_NONE, HEAL_ACTION_RESTART, HEAL_ACTION_FAILOVER, HEAL_ACTION_PANIC };

/*
 * Do now what is to be done about a member, without waiting for its cooldown; what that is. One
 * that is well: nothing. Context: thread, may block.
 */
enum heal_action healer_trigger_recovery(struct slot *slot);

/*
 * Keep the state that the member has now, without waiting for its time. Nothing changed since the
 * last one: that counts as taken now.
 * Context: thread, may block.
 * Errors: HX_ENOENT no member, nothing is in the slot, or it has no state; HX_ESTATE no checkpoints
 * are kept; those of hot_reload_export and checkpoint_keep.
 */
HX_MUST_USE hx_err healer_take_checkpoint(struct slot *slot);

/* --- numbers ---------------------------------------------------------------------------------- */

struct healer_stats {
    uint64_t deaths;
    uint64_t recoveries;
    uint64_t failures;    /* of recoveries */
    uint64_t quarantines; /* of members */
    uint64_t looks;       /* at members' health */
    uint64_t healers;     /* made by the guardian in place of one that had ended */
    uint64_t guardians;   /* made by the healer */
};

struct healer_stats healer_stats(void);

/* What there is to tell of a member. */
struct heal_member_info {
    enum heal_health health;
    bool is_essential;
    struct ladder ladder;
    struct ladder_decision decision; /* the last one; rung HEAL_REST: none */
    uint64_t died_ns;                /* 0: never */
    uint64_t recovered_after_ns;     /* the last recovery, from the death on; 0: none */
    uint64_t deaths;
    uint64_t recoveries;
    uint64_t checkpoints_taken;
    uint64_t checkpoints_unchanged;
};

/* Context: thread, may block.  Errors: HX_ENOENT the slot is no member. */
HX_MUST_USE hx_err healer_member_info(struct slot *slot, struct heal_member_info *info);

/* One of the member's checkpoints, as checkpoint_info says.  Context: thread. */
bool healer_checkpoint_info(struct slot *slot, uint32_t place, struct checkpoint_info *info);

/* --- groups: who is restarted with whom --------------------------------------------------------
 */

/*
 * A slot works only while another one does: both are in a group of that one's name, in this order,
 * one_for_one unless it is set otherwise.
 * Context: boot.  Errors: HX_ENOSPC, HX_EEXIST.
 */
HX_MUST_USE hx_err healer_needs(struct slot *slot, struct slot *needed);

/*
 * Set a group, as group.NAME=TEXT on the command line: STRATEGY:MEMBER,MEMBER…, where a member is a
 * slot's name or @ and a group's; STRATEGY alone for a group there is; none to dissolve it.
 * supervision.h says who is where then.
 * Context: thread, may block.  Errors: HX_EINVAL no such strategy; those of supervision_set.
 */
HX_MUST_USE hx_err healer_set_group(const char *name, const char *text);

#define HEAL_GROUP_TEXT_MAX 512U

struct heal_group_info {
    char name[SUPERVISION_NAME_MAX];
    char above[SUPERVISION_NAME_MAX]; /* the group that decides when it has borne too many deaths */
    enum supervision_strategy strategy;
    uint32_t deaths;                    /* borne, inside the window */
    char children[HEAL_GROUP_TEXT_MAX]; /* as healer_set_group takes them */
};

/* The group at a place 0…; false: there are no more.  Context: thread. */
bool healer_group_info(uint32_t place, struct heal_group_info *info);

/* The name of a group by its number; "": there is none any more.  Context: thread. */
void healer_group_name(uint32_t group, char name[SUPERVISION_NAME_MAX]);

/* --- the policy, for all members -------------------------------------------------------------- */

struct heal_policy healer_policy(void);

/* As heal_policy_set; what was to come at the old times is done at once.  Context: thread, may
 * block. */
HX_MUST_USE hx_err healer_set_policy(const char *option, uint64_t value);

/* Whether members are recovered; heal=off on the command line: they are not.  Context: any. */
bool healer_is_on(void);

/* Off: who dies stays dead, also when it is on again, nobody is looked at, and all checkpoints are
 * dropped.  Context: thread, may block. */
void healer_set_on(bool on);

/* --- the threads ------------------------------------------------------------------------------ */

/*
 * Begin, with the policy of heal.OPTION= on the command line.
 * Context: boot or thread.  Errors: those of thread_create.
 */
HX_MUST_USE hx_err healer_start(void);

/* Both threads have ended when it returns.  Context: thread, may block. */
void healer_stop(void);

/* Something has changed that it should look at: a trial has begun.  Context: any but nmi. */
void healer_wake(void);

#endif
