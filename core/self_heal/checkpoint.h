/*
 * Checkpoints: the last good states of a member, newest first (SPEC H4, H8).
 *
 * Rules:
 * - Each has a number, 1, 2, … in the order in which they were taken: places move, numbers do not.
 * - What is kept has been verified: module_state_read has accepted it. It is verified again before
 *   it is given out, so memory that somebody has scribbled over is not restored.
 * - A state equal to the newest one is not kept twice, that one counts as taken now: a member at
 *   rest costs nothing.
 * - A poisoned one stays, listed, while there is room, and is never given out (H8); nor is a state
 *   kept again that equals one.
 * - One lock for each ring; memory is the kernel's, at most HEAL_CHECKPOINTS_MAX states.
 */
#ifndef CORE_SELF_HEAL_CHECKPOINT_H
#define CORE_SELF_HEAL_CHECKPOINT_H

#include <core/gate/module_state.h>
#include <core/self_heal/heal_policy.h>
#include <kern/mutex.h>
#include <stdbool.h>

struct checkpoint {
    struct module_state *state; /* NULL: the place is free, and so are those after it */
    uint64_t number;
    uint64_t taken_ns;
    uint32_t size;     /* of the state's bytes, … */
    uint32_t checksum; /* … and of all of them, header included */
    bool is_poisoned;
};

/* All of it is the mutex's. */
struct checkpoint_ring {
    struct mutex mutex;
    struct checkpoint places[HEAL_CHECKPOINTS_MAX]; /* newest first */
    uint64_t taken;                                 /* ever; the newest one's number */
    uint64_t unchanged;                             /* not kept, because nothing had changed */
    uint64_t refused; /* not kept: damaged, or equal to a poisoned one */
};

void checkpoint_ring_init(struct checkpoint_ring *ring);
/* Nobody uses it any more.  Context: thread. */
void checkpoint_ring_fini(struct checkpoint_ring *ring);

/* Keep none of them any longer.  Context: thread. */
void checkpoint_drop(struct checkpoint_ring *ring);

/*
 * Keep a sealed state, whose owner the ring becomes in any case. More than keep good ones (0: none
 * is kept, at most HEAL_CHECKPOINTS_MAX): the oldest of them goes. No place left: the oldest
 * poisoned one goes.  Context: thread.
 * Errors: HX_EFORMAT it does not verify; HX_EPERM it equals a poisoned one.
 */
HX_MUST_USE hx_err checkpoint_keep(struct checkpoint_ring *ring, struct module_state *state,
                                   uint32_t keep, uint64_t now_ns);

/*
 * Numbers of the good ones that a version can take over, as life_import says, newest first, then 0;
 * NULL: any version. What does not verify any more is poisoned then. For struct ladder_means.
 * Context: thread.
 */
void checkpoint_good(struct checkpoint_ring *ring, const struct hx_module_version *reader,
                     uint64_t numbers[HEAL_CHECKPOINTS_MAX]);

/*
 * A copy of one's state, verified; the caller destroys it.  Context: thread.
 * Errors: HX_ENOENT there is none of that number any more, HX_EPERM poisoned, HX_EFORMAT it does
 * not verify any more (it is poisoned then), HX_ENOMEM.
 */
HX_MUST_USE hx_err checkpoint_copy(struct checkpoint_ring *ring, uint64_t number,
                                   struct module_state **state);

/* Never give this one out again, nor any newer one (H8): those came from it. 0: none.
 * Context: thread. */
void checkpoint_quarantine(struct checkpoint_ring *ring, uint64_t number);

/* How many were ever taken, and how often nothing had changed.  Context: thread. */
void checkpoint_counts(struct checkpoint_ring *ring, uint64_t *taken, uint64_t *unchanged);

/* What is to be listed of the one at a place; place 0 is the newest.
 * Returns false past the last one.  Context: thread. */
struct checkpoint_info {
    uint64_t number;
    uint64_t taken_ns;
    uint32_t size;
    bool is_poisoned;
};
bool checkpoint_info(struct checkpoint_ring *ring, uint32_t place, struct checkpoint_info *info);

#endif
