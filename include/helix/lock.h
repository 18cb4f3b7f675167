/*
 * Locks of the kernel's for modules: who finds one taken sleeps, and nobody waits for ever.
 *
 * Rules:
 * - A lock belongs to the instance that created it and goes with it. Its handle means nothing to
 *   another instance, and does not travel with a state.
 * - It is held by a thread, which says for how long at most. It is released before the operation
 *   returns; one that is kept stays held.
 * - Who finds that a lock has been held for longer than its holder said ends the instance. When the
 *   instance has ended, for whatever reason, all who wait hear HX_EOWNERDEAD at once, and are taken
 *   out of it.
 * - Not handed on in order: who wakes up first has it next.
 * - For operations that may wait. In one that may not, what is free can be acquired.
 */
#ifndef HELIX_LOCK_H
#define HELIX_LOCK_H

#include <helix/error.h>
#include <stdint.h>

#define HX_LOCKS_MAX          32U              /* of one instance at once */
#define HX_LOCK_LIMIT_DEFAULT 1000000000ULL    /* ns; ten times what an operation may run for */
#define HX_LOCK_LIMIT_MAX     3600000000000ULL /* ns; one hour */

/*
 * Make one that nobody holds; *lock is its handle, never 0.
 * Errors: HX_ECONTEXT the call may not wait, HX_EPERM for schedulers, HX_ENOSPC there are
 * HX_LOCKS_MAX, HX_ELIMIT, HX_ENOMEM, HX_EFAULT.
 */
hx_err hx_lock_create(uint64_t *lock);

/*
 * Take it, to hold for limit_ns at most, 0: HX_LOCK_LIMIT_DEFAULT.
 * Errors: HX_EINVAL never was a lock, HX_ESTALE it is destroyed, HX_ERANGE the limit is above
 * HX_LOCK_LIMIT_MAX, HX_EDEADLOCK the thread holds it, HX_EAGAIN another does and the call may not
 * wait, HX_EOWNERDEAD.
 */
hx_err hx_lock_acquire(uint64_t lock, uint64_t limit_ns);

/* Errors: HX_EINVAL, HX_ESTALE as above, HX_EPERM the thread does not hold it. */
hx_err hx_lock_release(uint64_t lock);

/* Errors: HX_EINVAL, HX_ESTALE as above, HX_EBUSY somebody holds it, HX_ECONTEXT the call may not
 * wait. */
hx_err hx_lock_destroy(uint64_t lock);

#endif
