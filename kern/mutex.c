#include <base/assert.h>
#include <kern/mutex.h>
#include <kern/thread.h>

struct mutex_waiter {
    struct list link; /* under the mutex's lock */
    struct thread *thread;
};

void mutex_init(struct mutex *mutex, const char *name)
{
    atomic_init(&mutex->owner, NULL);
    spinlock_init(&mutex->lock, LOCK_RANK_MUTEX, name);
    list_init(&mutex->waiters);
}

bool mutex_is_mine(const struct mutex *mutex)
{
    return atomic_load_explicit(&mutex->owner, memory_order_relaxed) == thread_current();
}

/* Take it if nobody has it. Acquire pairs with the release in mutex_unlock. */
static bool take(struct mutex *mutex)
{
    struct thread *nobody = NULL;

    return atomic_compare_exchange_strong_explicit(&mutex->owner, &nobody, thread_current(),
                                                   memory_order_acquire, memory_order_relaxed);
}

bool mutex_try_lock(struct mutex *mutex)
{
    HX_DEBUG_ASSERT(!context_is_interrupt(), "a mutex belongs to a thread");
    return take(mutex);
}

/* Take it or queue up. Who unlocks holds the lock too, so it sees either the waiter or its taking.
 */
static bool take_or_join(struct mutex *mutex, struct mutex_waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    bool taken = take(mutex);

    if (!taken) {
        list_push_back(&mutex->waiters, &waiter->link);
    }
    spinlock_release(&mutex->lock, state);
    return taken;
}

/* After a wait that has timed out or not: whether the mutex was handed over; if it has timed out,
 * leave. */
static bool was_handed_over(struct mutex *mutex, struct mutex_waiter *waiter, bool timed_out)
{
    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    bool mine = mutex_is_mine(mutex);

    if (!mine && timed_out) {
        list_remove(&waiter->link);
    }
    spinlock_release(&mutex->lock, state);
    return mine;
}

hx_err mutex_lock_until(struct mutex *mutex, uint64_t deadline_ns)
{
    struct mutex_waiter waiter = {.thread = thread_current()};
    hx_err error = HX_OK;

    HX_ASSERT(context_can_block() && !mutex_is_mine(mutex),
              "a mutex is locked where blocking is allowed, and once by a thread");
    if (take(mutex) || take_or_join(mutex, &waiter)) {
        return HX_OK;
    }
    do {
        error = thread_park(deadline_ns);
        if (was_handed_over(mutex, &waiter, error != HX_OK)) {
            return HX_OK;
        }
    } while (error == HX_OK);
    return error;
}

void mutex_lock(struct mutex *mutex)
{
    hx_err error = mutex_lock_until(mutex, THREAD_NO_DEADLINE);

    HX_ASSERT(error == HX_OK, "a wait without a deadline does not time out");
}

void mutex_unlock(struct mutex *mutex)
{
    HX_ASSERT(mutex_is_mine(mutex), "a mutex is unlocked by the thread that locked it");

    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    struct list *node = list_pop_front(&mutex->waiters);
    struct thread *heir = node != NULL ? LIST_ENTRY(node, struct mutex_waiter, link)->thread : NULL;

    /* Release pairs with the acquire in take; an heir takes the lock to look. */
    atomic_store_explicit(&mutex->owner, heir, memory_order_release);
    if (heir != NULL) {
        thread_unpark(heir); /* under the lock: it cannot exit before */
    }
    spinlock_release(&mutex->lock, state);
}
