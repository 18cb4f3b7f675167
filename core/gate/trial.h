/*
 * The trial (probation) of an instance that has just taken a slot over: it serves, and what changes
 * its state is journalled, so that the one before can take its place again as if nothing had been.
 *
 * Rules:
 * - While a trial runs, calls enter through the trial's gate. Calls that mutate run one after the
 * other, in the order of the journal; others as they come.
 * - A call in which the instance dies is repeated on the instance before, unless it had begun to
 * have outside effects: then its caller learns of the death.
 * - What a call was lent (core/gate/loan.h) is copied into the journal, and lent again as it was.
 * - The journal is bounded: when it is full, or there is no memory for what was lent, the trial
 *   ends with what is known by then.
 * - begin and end are called by who holds the slot's change mutex.
 */
#ifndef CORE_GATE_TRIAL_H
#define CORE_GATE_TRIAL_H

#include <hal/gate.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRIAL_JOURNAL_MAX 256U /* mutating calls */

struct module_instance;
struct slot;

struct trial_entry {
    uint64_t operation;
    uint64_t arguments[4];
    void *lent; /* what the call was lent, as it was then; NULL: nothing */
    size_t lent_size;
    unsigned lent_as; /* which argument names it */
};

/* Keys: A = atomic, M = mutex */
struct slot_trial {
    struct hal_gate_slot gate;     /* A  leads to the instance, or nowhere */
    struct mutex mutex;            /* mutating calls, one at a time */
    struct trial_entry *journal;   /* M  NULL: no trial */
    uint32_t used;                 /* M */
    _Atomic uint32_t calls;        /* A  calls that came back since the trial began */
    _Atomic uint32_t calls_wanted; /* A  it is over when so many have */
    _Atomic bool is_due; /* A  it is to be ended: full, enough calls, or the instance died */
};

void trial_init(struct slot_trial *trial);

/* Get ready; slot_open_to_trial starts it.  Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err trial_begin(struct slot_trial *trial, uint32_t calls_wanted);

/*
 * Call with the same operation and arguments, in the same order, what the trial's instance was
 * called with to change its state: on another instance, whose outside effects are suppressed. The
 * gate is closed. Context: thread, may block.  Errors: HX_EDIED, HX_ENOSYS: the instance cannot be
 * trusted either.
 */
HX_MUST_USE hx_err trial_replay(struct slot_trial *trial, struct module_instance *instance);

/* No trial any more; the gate is closed and nobody inside.  Context: thread. */
void trial_end(struct slot_trial *trial);

/* A call through a slot that is on trial; see kernel_gate_diverted. Context: that of the call. */
struct hal_gate_result trial_call(struct slot *slot, uint64_t operation,
                                  const uint64_t arguments[4]);

#endif
