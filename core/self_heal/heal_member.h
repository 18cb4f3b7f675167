/*
 * Members of the healer, and what is done for one of them. Private to core/self_heal.
 *
 * Rules:
 * - The healer's thread alone decides and acts, or who triggers a recovery: one at a time, under
 *   the member's turn. Its lock is for the record, and is held for moments.
 * - Every step of member_tend is a fail point: HX_EIO from it is the end of the thread that took
 *   it, with nothing held.
 */
#ifndef CORE_SELF_HEAL_HEAL_MEMBER_H
#define CORE_SELF_HEAL_HEAL_MEMBER_H

#include <core/self_heal/heal_event.h>
#include <core/self_heal/heal_group.h>
#include <core/self_heal/healer.h>
#include <kern/mutex.h>
#include <stdatomic.h>

enum member_phase {
    MEMBER_UP,      /* it serves, or the slot is empty by intent */
    MEMBER_DOWN,    /* it died; decision says what is to be done */
    MEMBER_GIVEN_UP /* in quarantine, until somebody fills the slot */
};

/* Keys: L = lock, T = turn, I = immutable once registered */
struct heal_member {
    struct slot *slot;                  /* I */
    const struct heal_factory *factory; /* L */
    bool is_essential;                  /* L */
    struct mutex turn;                  /* who decides and acts */
    struct mutex lock;
    enum member_phase phase;            /* L  written in T */
    bool is_acting;                     /* L */
    struct hot_reload_death death;      /* T  the last one */
    struct ladder ladder;               /* L  written in T */
    struct ladder_decision decision;    /* L  written in T */
    struct heal_companions companions;  /* L  to be restarted with it once it serves again */
    enum heal_health seen;              /* L  at the last look */
    uint32_t bad_looks;                 /* T  in a row */
    uint64_t died_ns;                   /* L */
    uint64_t recovered_after_ns;        /* L */
    uint64_t next_look_ns;              /* T */
    uint64_t next_checkpoint_ns;        /* T */
    uint64_t deaths;                    /* L */
    uint64_t recoveries;                /* L */
    struct checkpoint_ring checkpoints; /* its own lock */
};

/* What all members have in common. */
struct healer_numbers {
    _Atomic uint64_t deaths;
    _Atomic uint64_t recoveries;
    _Atomic uint64_t failures;
    _Atomic uint64_t quarantines;
    _Atomic uint64_t looks;
};

extern struct healer_numbers healer_numbers;

/* Tell an event of a slot; data with all but its name.  Context: thread. */
void heal_event_publish(const struct slot *slot, enum heal_event_id id,
                        const struct heal_event *data);

/* The member of a slot, NULL: it is none.  Context: any. */
struct heal_member *member_of(const struct slot *slot);

/* Its states are kept no longer, if it is a member.  Context: thread, may block. */
void member_drop_checkpoints(struct slot *slot);

/* The times until its next look and checkpoint are not waited for: they may have changed.
 * Context: thread, may block. */
void member_be_due(struct slot *slot);

/*
 * Look after a slot: end its trial, bury its dead, and, if it is a member and healing is on,
 * recover it and those that are restarted with it, look at its health, take a checkpoint, as far as
 * each is due. *again_ns is when to
 * look again. Context: thread, may block.  Errors: HX_EIO a fail point: the thread is to end.
 */
HX_MUST_USE hx_err member_tend(struct slot *slot, uint64_t *again_ns);

#endif
