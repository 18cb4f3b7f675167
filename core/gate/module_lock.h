/*
 * The locks of one instance, the kernel's side (helix/lock.h).
 *
 * Rules:
 * - What a module holds is a handle: the number of a place, and how often that place was given out.
 * - Holders are known by the ids of their threads, which are only compared: one may have ended.
 * - All who wait for any lock of the instance are in one queue: a release wakes them all, and each
 *   looks at its own. So does a death.
 * - Each lock is charged to the instance; what is left of them is given back when its owner ends.
 */
#ifndef CORE_GATE_MODULE_LOCK_H
#define CORE_GATE_MODULE_LOCK_H

#include <core/resource/resource.h>
#include <helix/error.h>
#include <kern/spinlock.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct module_instance;

/* One place. Keys: G = guard */
struct module_lock {
    uint64_t overdue_ns;    /* G  when it will have been held for too long */
    resource_handle charge; /* G */
    uint32_t generation;    /* G  one more each time a lock in this place is destroyed */
    uint32_t holder;        /* G  thread's id; 0: nobody */
    bool is_there;          /* G */
};

/* Keys: A = atomic */
struct module_locks {
    struct spinlock guard; /* nothing else is taken under it */
    struct wait_queue waiters;
    _Atomic(struct module_lock *) places; /* A  HX_LOCKS_MAX; NULL: there never was a lock */
};

/* Begin without locks; whoever is inside must have left before the end.  Context: thread. */
void module_locks_init(struct module_locks *locks);
void module_locks_fini(struct module_locks *locks);

/* The instance has died: all who wait shall look.  Context: any but nmi, none of core's locks held.
 */
void module_locks_tell_death(struct module_locks *locks);

/*
 * What the callouts of these names do, for the running thread; may_wait says whether it may wait
 * for another to release it. The errors are those of helix/lock.h that are not of the call.
 * Context: thread.
 */
HX_MUST_USE hx_err module_lock_create(struct module_instance *instance, uint64_t *handle);
HX_MUST_USE hx_err module_lock_acquire(struct module_instance *instance, uint64_t handle,
                                       uint64_t limit_ns, bool may_wait);
HX_MUST_USE hx_err module_lock_release(struct module_instance *instance, uint64_t handle);
HX_MUST_USE hx_err module_lock_destroy(struct module_instance *instance, uint64_t handle);

#endif
