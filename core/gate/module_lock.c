/* Locks of instances: places, holders, and what is done about one that is kept. */
#include <core/gate/gate.h>
#include <core/gate/instance.h>
#include <core/gate/module_lock.h>
#include <hal/clock.h>
#include <helix/lock.h>
#include <kern/heap.h>
#include <kern/thread.h>

void module_locks_init(struct module_locks *locks)
{
    spinlock_init(&locks->guard, LOCK_RANK_CORE, "module locks");
    wait_queue_init(&locks->waiters, "module locks");
    atomic_init(&locks->places, NULL);
}

void module_locks_fini(struct module_locks *locks)
{
    heap_free(atomic_load_explicit(&locks->places, memory_order_relaxed));
}

void module_locks_tell_death(struct module_locks *locks)
{
    wait_queue_wake_all(&locks->waiters);
}

/* --- handles ---------------------------------------------------------------------------------- */

static uint64_t handle_of(const struct module_lock *lock, uint32_t index)
{
    return (uint64_t)lock->generation << 32 | (index + 1);
}

static hx_err find_locked(struct module_locks *locks, uint64_t handle, struct module_lock **lock)
{
    /* Acquire: pairs with the release in have_places. */
    struct module_lock *places = atomic_load_explicit(&locks->places, memory_order_acquire);
    uint32_t index = (uint32_t)handle - 1; /* of 0: above all of them */

    if (places == NULL || index >= HX_LOCKS_MAX) {
        return HX_EINVAL;
    }
    *lock = &places[index];
    return (*lock)->is_there && handle_of(*lock, index) == handle ? HX_OK : HX_ESTALE;
}

/* --- creating and destroying ------------------------------------------------------------------ */

/* Several threads may create the instance's first lock at once; one of them makes the places. */
static hx_err have_places(struct module_instance *instance)
{
    struct module_lock *nothing = NULL;
    struct module_lock *places;

    if (atomic_load_explicit(&instance->locks.places, memory_order_relaxed) != NULL) {
        return HX_OK;
    }
    places = heap_allocate_zeroed(HX_LOCKS_MAX * sizeof(*places), instance->owner);
    if (places == NULL) {
        return HX_ENOMEM;
    }
    /* Release: who sees the places sees them empty. */
    if (!atomic_compare_exchange_strong_explicit(&instance->locks.places, &nothing, places,
                                                 memory_order_release, memory_order_relaxed)) {
        heap_free(places);
    }
    return HX_OK;
}

static hx_err claim_locked(struct module_locks *locks, resource_handle charge, uint64_t *handle)
{
    struct module_lock *places = atomic_load_explicit(&locks->places, memory_order_acquire);

    for (uint32_t i = 0; i < HX_LOCKS_MAX; i++) {
        if (!places[i].is_there) {
            places[i].is_there = true;
            places[i].charge = charge;
            places[i].holder = 0;
            *handle = handle_of(&places[i], i);
            return HX_OK;
        }
    }
    return HX_ENOSPC;
}

hx_err module_lock_create(struct module_instance *instance, uint64_t *handle)
{
    hal_interrupt_state state;
    resource_handle charge;
    hx_err error = have_places(instance);

    if (error == HX_OK) {
        error = resource_allocate(instance->owner, RESOURCE_LOCKS, 1, &charge);
    }
    if (error != HX_OK) {
        return error;
    }
    state = spinlock_acquire(&instance->locks.guard);
    error = claim_locked(&instance->locks, charge, handle);
    spinlock_release(&instance->locks.guard, state);
    if (error != HX_OK) {
        (void)!resource_release(charge, instance->owner);
    }
    return error;
}

static hx_err vacate_locked(struct module_lock *lock, resource_handle *charge)
{
    if (lock->holder != 0) {
        return HX_EBUSY;
    }
    lock->is_there = false;
    lock->generation++;
    *charge = lock->charge;
    return HX_OK;
}

hx_err module_lock_destroy(struct module_instance *instance, uint64_t handle)
{
    struct module_lock *lock;
    resource_handle charge;
    hal_interrupt_state state = spinlock_acquire(&instance->locks.guard);
    hx_err error = find_locked(&instance->locks, handle, &lock);

    if (error == HX_OK) {
        error = vacate_locked(lock, &charge);
    }
    spinlock_release(&instance->locks.guard, state);
    if (error == HX_OK) {
        (void)!resource_release(charge, instance->owner);
    }
    return error;
}

/* --- acquiring and releasing ------------------------------------------------------------------ */

/* Errors: HX_EAGAIN, HX_EDEADLOCK, HX_ETIMEDOUT it has been held for too long. */
static hx_err take_locked(struct module_lock *lock, uint64_t limit_ns)
{
    uint64_t now = hal_clock_now();
    uint32_t self = thread_current()->id;

    if (lock->holder == 0) {
        lock->holder = self;
        lock->overdue_ns = now + limit_ns;
        return HX_OK;
    }
    if (now >= lock->overdue_ns) {
        return HX_ETIMEDOUT;
    }
    return lock->holder == self ? HX_EDEADLOCK : HX_EAGAIN;
}

/* With HX_EAGAIN it is to be tried again at *again_ns, if nobody wakes this thread before. */
static hx_err try_acquire(struct module_instance *instance, uint64_t handle, uint64_t limit_ns,
                          uint64_t *again_ns)
{
    struct module_lock *lock;
    hal_interrupt_state state;
    hx_err error;

    /* Acquire: pairs with instance_doom's release. Who dooms it wakes after that. */
    if (atomic_load_explicit(&instance->is_doomed, memory_order_acquire)) {
        return HX_EOWNERDEAD;
    }
    state = spinlock_acquire(&instance->locks.guard);
    error = find_locked(&instance->locks, handle, &lock);
    if (error == HX_OK) {
        error = take_locked(lock, limit_ns);
        *again_ns = lock->overdue_ns;
    }
    spinlock_release(&instance->locks.guard, state);
    return error;
}

static hx_err wait_and_acquire(struct module_instance *instance, uint64_t handle, uint64_t limit_ns)
{
    struct waiter waiter;
    uint64_t again_ns;
    hx_err error;

    wait_queue_prepare(&instance->locks.waiters, &waiter);
    while ((error = try_acquire(instance, handle, limit_ns, &again_ns)) == HX_EAGAIN) {
        (void)!wait_queue_wait(&instance->locks.waiters, &waiter, again_ns);
    }
    wait_queue_finish(&instance->locks.waiters, &waiter);
    return error;
}

hx_err module_lock_acquire(struct module_instance *instance, uint64_t handle, uint64_t limit_ns,
                           bool may_wait)
{
    uint64_t again_ns;
    hx_err error;

    if (limit_ns > HX_LOCK_LIMIT_MAX) {
        return HX_ERANGE;
    }
    limit_ns = limit_ns != 0 ? limit_ns : HX_LOCK_LIMIT_DEFAULT;
    error = try_acquire(instance, handle, limit_ns, &again_ns);
    if (error == HX_EAGAIN && may_wait) {
        error = wait_and_acquire(instance, handle, limit_ns);
    }
    if (error == HX_ETIMEDOUT) {
        instance_doom(instance, DEATH_LOCK_KEPT, 0, 0, 0);
        error = HX_EOWNERDEAD; /* the others hear of it when this thread is taken out */
    }
    return error;
}

static hx_err give_up_locked(struct module_lock *lock)
{
    if (lock->holder != thread_current()->id) {
        return HX_EPERM;
    }
    lock->holder = 0;
    return HX_OK;
}

hx_err module_lock_release(struct module_instance *instance, uint64_t handle)
{
    struct module_lock *lock;
    hal_interrupt_state state;
    uint64_t chance;
    hx_err error;

    if (gate_makes_fault(instance, GATE_FAULT_LOCK, &chance)) {
        return HX_OK;
    }
    state = spinlock_acquire(&instance->locks.guard);
    error = find_locked(&instance->locks, handle, &lock);
    if (error == HX_OK) {
        error = give_up_locked(lock);
    }
    spinlock_release(&instance->locks.guard, state);
    if (error == HX_OK) {
        wait_queue_wake_all(&instance->locks.waiters);
    }
    return error;
}
