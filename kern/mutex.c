#include <kern/inheritance.h>
#include <kern/mutex.h>
#include <kern/recorder.h>

/* Keys: M = the mutex's lock */
struct mutex_waiter {
    struct list link; /* M */
    struct thread *thread;
    struct inheritance_lender lender; /* M  to who owns the mutex */
};

static struct thread *owner_of(const struct mutex *mutex)
{
    uintptr_t word = atomic_load_explicit(&mutex->word, memory_order_relaxed);

    return (struct thread *)(word & ~MUTEX_HAS_WAITERS);
}

bool mutex_is_mine(const struct mutex *mutex)
{
    return owner_of(mutex) == thread_current();
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
        /* Acquire pairs with the release in mutex_unlock, and in mutex_take by who owns it;
         * release with the next one that comes here. */
    } while (!atomic_compare_exchange_weak_explicit(&mutex->word, &word, wanted,
                                                    memory_order_acq_rel, memory_order_relaxed));
    return word == 0;
}

static void note_wait(struct thread *self, bool waits)
{
    atomic_store_explicit(&self->waits_for_mutex, waits, memory_order_relaxed);
}

/* Take it or queue up. Who unlocks a mutex that is marked holds the lock too, so it sees the
 * waiter. */
static bool take_or_join(struct mutex *mutex, struct mutex_waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    bool taken = take_or_mark_locked(mutex);

    if (!taken) {
        list_push_back(&mutex->waiters, &waiter->link);
        note_wait(waiter->thread, true);
        inheritance_lend(&waiter->lender, owner_of(mutex));
    }
    spinlock_release(&mutex->lock, state);
    return taken;
}

/* After a wait that has timed out or not: whether the mutex was handed over; if it has timed out,
 * leave; else the waiter's priority may have changed. */
static bool was_handed_over(struct mutex *mutex, struct mutex_waiter *waiter, bool timed_out)
{
    hal_interrupt_state state = spinlock_acquire(&mutex->lock);
    bool mine = mutex_is_mine(mutex);

    if (!mine && timed_out) {
        list_remove(&waiter->link);
        inheritance_end(&waiter->lender);
    } else if (!mine) {
        inheritance_lend(&waiter->lender, owner_of(mutex));
    }
    if (mine || timed_out) {
        note_wait(waiter->thread, false);
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
    inheritance_init(&waiter.lender, waiter.thread);
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

/* The one that gets it lends no more, and those that go on waiting lend to it. */
static void pass_loans_locked(struct mutex *mutex, struct mutex_waiter *heir)
{
    LIST_FOR_EACH (node, &mutex->waiters) {
        inheritance_lend(&LIST_ENTRY(node, struct mutex_waiter, link)->lender, heir->thread);
    }
    inheritance_end(&heir->lender);
}

/* Hand it to the longest waiter. */
static void hand_over_locked(struct mutex *mutex)
{
    struct list *node = list_pop_front(&mutex->waiters);
    struct mutex_waiter *heir = node != NULL ? LIST_ENTRY(node, struct mutex_waiter, link) : NULL;
    struct thread *owner = heir != NULL ? heir->thread : NULL;
    uintptr_t mark = list_is_empty(&mutex->waiters) ? 0 : MUTEX_HAS_WAITERS;

    if (heir != NULL && inheritance_is_any()) {
        pass_loans_locked(mutex, heir);
    }
    /* Release pairs with the acquire in mutex_take; an heir takes the lock to look. */
    atomic_store_explicit(&mutex->word, (uintptr_t)owner | mark, memory_order_release);
    if (owner != NULL) {
        thread_unpark(owner); /* under the lock: it cannot exit before */
    }
}

HX_PRESERVE_REGISTERS void mutex_hand_over(struct mutex *mutex)
{
    hal_interrupt_state state;

    HX_ASSERT(mutex_is_mine(mutex), "a mutex is unlocked by the thread that locked it");
    state = spinlock_acquire(&mutex->lock);
    hand_over_locked(mutex);
    spinlock_release(&mutex->lock, state);
}

void mutex_unlock(struct mutex *mutex)
{
    mutex_unlock_inline(mutex);
}
