#include <kern/mutex.h>
#include <kern/recorder.h>

struct mutex_waiter {
    struct list link; /* under the mutex's lock */
    struct thread *thread;
};

bool mutex_is_mine(const struct mutex *mutex)
{
    uintptr_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

    return (word & ~MUTEX_HAS_WAITERS) == (uintptr_t)thread_current();
}

bool mutex_try_lock(struct mutex *mutex)
{
    HX_DEBUG_ASSERT(!context_is_interrupt(), "a mutex belongs to a thread");
    return mutex_take(mutex);
}

/* Have who owns it look at the waiters when it unlocks; or, if nobody does, take it. */
static bool take_or_mark_locked(struct mutex *mutex)
{
    uintptr_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);
    uintptr_t wanted;

    do {
        wanted = word != 0 ? word | MUTEX_HAS_WAITERS : (uintptr_t)thread_current();
        /* Acquire pairs with the release in mutex_unlock. */
    } while (!atomic_compare_exchange_weak_explicit(&mutex->word, &word, wanted,
                                                    memory_order_acquire, memory_order_relaxed));
    return word == 0;
}

/* Take it or queue up. Who unlocks a mutex that is marked holds the lock too, so it sees the
 * waiter. */
static bool take_or_join(struct mutex *mutex, struct mutex_waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    bool taken = take_or_mark_locked(mutex);

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

static HX_NOINLINE hx_err wait_for(struct mutex *mutex, uint64_t deadline_ns)
{
    struct mutex_waiter waiter = {.thread = thread_current()};
    hx_err error = HX_OK;

    HX_ASSERT(context_can_block() && !mutex_is_mine(mutex),
              "a mutex is locked where blocking is allowed, and once by a thread");
    if (take_or_join(mutex, &waiter)) {
        return HX_OK;
    }
    recorder_note(RECORDER_CONTENTION, (uintptr_t)mutex, true, 0);
    do {
        error = thread_park(deadline_ns);
        if (was_handed_over(mutex, &waiter, error != HX_OK)) {
            return HX_OK;
        }
    } while (error == HX_OK);
    return error;
}

hx_err mutex_lock_until(struct mutex *mutex, uint64_t deadline_ns)
{
    HX_DEBUG_ASSERT(context_can_block(), "a mutex is locked where blocking is allowed");
    return HX_LIKELY(mutex_take(mutex)) ? HX_OK : wait_for(mutex, deadline_ns);
}

HX_PRESERVE_REGISTERS void mutex_wait(struct mutex *mutex)
{
    hx_err error = wait_for(mutex, THREAD_NO_DEADLINE);

    HX_ASSERT(error == HX_OK, "a wait without a deadline does not time out");
}

void mutex_lock(struct mutex *mutex)
{
    mutex_lock_inline(mutex);
}

/* Hand it to the longest waiter. */
HX_PRESERVE_REGISTERS void mutex_hand_over(struct mutex *mutex)
{
    HX_ASSERT(mutex_is_mine(mutex), "a mutex is unlocked by the thread that locked it");

    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    struct list *node = list_pop_front(&mutex->waiters);
    struct thread *heir = node != NULL ? LIST_ENTRY(node, struct mutex_waiter, link)->thread : NULL;
    uintptr_t mark = list_is_empty(&mutex->waiters) ? 0 : MUTEX_HAS_WAITERS;

    /* Release pairs with the acquire in mutex_take; an heir takes the lock to look. */
    atomic_store_explicit(&mutex->word, (uintptr_t)heir | mark, memory_order_release);
    if (heir != NULL) {
        thread_unpark(heir); /* under the lock: it cannot exit before */
    }
    spinlock_release(&mutex->lock, state);
}

void mutex_unlock(struct mutex *mutex)
{
    mutex_unlock_inline(mutex);
}
