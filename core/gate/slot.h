/*
 * Slots: the named positions of the kernel that modules fill.
 *
 * Rules:
 * - A slot is made once, at boot, and lives for ever; what is in it changes.
 * - Callers hold the slot, never the instance. They enter through its gate, which is open, closed
 * (they wait), or leads to an instance on trial (core/gate/trial.h).
 * - Who changes what is in a slot holds its change mutex; a death empties it without.
 */
#ifndef CORE_GATE_SLOT_H
#define CORE_GATE_SLOT_H

#include <core/gate/category.h>
#include <core/gate/instance.h>
#include <core/gate/trial.h>
#include <hal/gate.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_MAX              32
#define SLOT_NAME_MAX         24
#define SLOT_DEADLINE_DEFAULT 100U /* ticks of 1 ms spent in module code */

/* X(enumerator, text) */
#define SLOT_STATUS_LIST(X)                                                                        \
    X(SLOT_EMPTY, "Empty")                                                                         \
    X(SLOT_LOADING, "Loading")                                                                     \
    X(SLOT_ACTIVE, "Active")                                                                       \
    X(SLOT_UNLOADING, "Unloading")                                                                 \
    X(SLOT_SWAPPING, "Swapping")                                                                   \
    X(SLOT_FAILED, "Failed")

#define SLOT_STATUS_ENUM(name, text) name,
enum slot_status { SLOT_STATUS_LIST(SLOT_STATUS_ENUM) SLOT_STATUS_COUNT };
#undef SLOT_STATUS_ENUM

/* Where calls go. */
enum slot_way {
    SLOT_WAY_DIRECT, /* to what gate.active points to, an instance or nothing */
    SLOT_WAY_CLOSED, /* nowhere: who may block waits, who may not gets HX_EAGAIN */
    SLOT_WAY_TRIAL,  /* through the trial's gate */
};

/* Keys: I = immutable after slot_create, A = atomic, C = change, R = read by anyone, written under
 * C */
struct slot {
    struct hal_gate_slot gate;       /* A  first: the gate finds it here */
    enum hal_gate_backend backend;   /* I  for its instances; gate.NAME= on the command line */
    const struct category *category; /* I */
    struct mutex change;             /* who loads, swaps or unloads */
    _Atomic(struct module_instance *) holder; /* R  what is in it, whatever the gate says */
    _Atomic uint32_t status;                  /* A  enum slot_status */
    _Atomic uint32_t way;                     /* R  enum slot_way */
    struct wait_queue entrants;               /* callers that wait for the way to change */
    struct slot_trial trial;                  /* its own rules */
    _Atomic uint64_t deaths;  /* A  calls that ended with the death of the instance */
    char name[SLOT_NAME_MAX]; /* I */
};

/*
 * Make an empty slot. Its backend is what gate.NAME on the command line says, else open.
 * Context: boot or thread, one at a time.
 * Errors: HX_EINVAL name or no such category, HX_EEXIST, HX_ENOSPC.
 */
HX_MUST_USE hx_err slot_create(const char *name, enum hx_category category, struct slot **slot);

/* A slot by name, or by number 0.. ; NULL: none.  Context: any. */
struct slot *slot_find(const char *name);
struct slot *slot_at(size_t index);

/* Its number: slot_at(slot_index(slot)) is the slot. */
size_t slot_index(const struct slot *slot);

/* The slot that a gate, its own or its trial's, is of.  Context: any. */
struct slot *slot_of_gate(const struct hal_gate_slot *gate);

const char *slot_status_name(enum slot_status status);

/* What is being done with it, for people; opening and closing its gate sets it too.  Context: any.
 */
void slot_set_status(struct slot *slot, enum slot_status status);

/* What is in it now, NULL: nothing. Only a hint unless the caller keeps it from changing.  Context:
 * any. */
struct module_instance *slot_instance(const struct slot *slot);

/* --- changing what is in it: the caller holds slot->change -------------------------------------
 */

/*
 * Put a live instance into an empty slot, or one whose gate is closed, and let callers in.
 * Context: thread.  Errors: HX_EBUSY it holds one, HX_EDIED the instance is doomed already.
 */
HX_MUST_USE hx_err slot_fill(struct slot *slot, struct module_instance *instance);

/*
 * Take the instance out, so that no new call enters it; calls may still be inside. NULL: it was
 * empty. Whoever calls now finds it empty.  Context: any.
 */
struct module_instance *slot_empty(struct slot *slot);

/*
 * Close the gate: new callers wait; calls may still be inside the instance, which stays the holder.
 * Context: thread.
 */
void slot_close(struct slot *slot);

/*
 * Open a closed gate again to an instance, which is the holder then; NULL: the slot is empty. An
 * instance that has died meanwhile leaves it empty too.  Context: thread.
 */
void slot_open(struct slot *slot, struct module_instance *instance);

/*
 * Open a closed gate to an instance on trial, which is the holder then. slot->trial has begun.
 * Context: thread.
 */
void slot_open_to_trial(struct slot *slot, struct module_instance *instance);

/* Open a closed gate to nothing, because nothing can be put there any more: Failed.  Context:
 * thread. */
void slot_fail(struct slot *slot);

/* --- the rest ----------------------------------------------------------------------------------
 */

/*
 * A call of the instance ended with its death: its slot, if it has one, lets nobody else in.
 * Context: any but nmi; the instance cannot have gone, as the call is still inside.
 */
void slot_instance_died(struct module_instance *instance);

/* Wait until something is in it.  Context: thread, may block.  Errors: HX_ETIMEDOUT, HX_EINTR. */
HX_MUST_USE hx_err slot_wait_filled(struct slot *slot, uint64_t deadline_ns);

/*
 * What is in the slot has answered what cannot be: it dies. While it is being exchanged at the same
 * moment, the one that came may be taken for the one that lied.  Context: any but nmi.
 */
void slot_distrust(struct slot *slot);

/* What is in the slot dies, of that cause; as slot_distrust otherwise. */
void slot_end(struct slot *slot, enum death_cause cause);

/* Wake-ups come here when an instance has died or a trial is to be ended; core/self_heal waits. */
extern struct wait_queue slot_troubles;

/* There is something to look after. Who cannot wake anybody now, as it may hold any lock, leaves it
 * to the next slot_tell_troubles.  Context: any. */
void slot_note_trouble(void);

/* Wake who waits if something was left unsaid.  Context: any but nmi, no lock held. */
void slot_tell_troubles(void);

/*
 * Wait until no thread is inside an instance that no gate leads to any more. Afterwards nothing
 * but the caller's pointer refers to it.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT at the absolute deadline.
 */
HX_MUST_USE hx_err slot_drain(const struct module_instance *instance, uint64_t deadline_ns);

/*
 * Each thread that is inside an instance, until found returns false: what its records say is a
 * moment old. found is called with the thread list locked.  Context: thread.
 */
struct thread;
void slot_find_inside(const struct module_instance *instance,
                      bool (*found)(struct thread *thread, void *argument), void *argument);

#endif
