#include <kern/read_section.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

/*
 * A waker takes the waiter off the queue and unparks it under the queue's lock: the waiter cannot
 * leave, and its thread cannot exit, before the lock is released. A waiter that finds itself taken
 * off has received a wake-up.
 */

void wait_queue_init(struct wait_queue *queue, const char *name)
{
    spinlock_init(&queue->lock, LOCK_RANK_WAIT_QUEUE, name);
    list_init(&queue->waiters);
    queue->listeners = NULL;
}

void wait_queue_prepare(struct wait_queue *queue, struct waiter *waiter)
{
    waiter->thread = thread_current();

    hal_interrupt_state state = spinlock_acquire(&queue->lock);

    list_push_back(&queue->waiters, &waiter->link);
    spinlock_release(&queue->lock, state);
}

static bool is_queued_locked(const struct waiter *waiter)
{
    return !list_is_empty(&waiter->link);
}

bool wait_queue_was_woken(struct wait_queue *queue, const struct waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool was_woken = !is_queued_locked(waiter);

    spinlock_release(&queue->lock, state);
    return was_woken;
}

hx_err wait_queue_wait(struct wait_queue *queue, struct waiter *waiter, uint64_t deadline_ns)
{
    /* The look at the condition may have blocked (a mutex) and used up the token of a wake-up. */
    hx_err error = wait_queue_was_woken(queue, waiter) ? HX_OK : thread_park(deadline_ns);
    hal_interrupt_state state = spinlock_acquire(&queue->lock);

    /* Woken, even if the deadline came first: the caller has to look, or the wake-up is lost. */
    if (!is_queued_locked(waiter)) {
        list_push_back(&queue->waiters, &waiter->link);
        error = HX_OK;
    }
    spinlock_release(&queue->lock, state);
    return error;
}

hx_err wait_queue_wait_interruptible(struct wait_queue *queue, struct waiter *waiter,
                                     uint64_t deadline_ns)
{
    /* What comes between this look and the park leaves a token, and the caller comes back here. */
    return thread_is_interrupted() ? HX_EINTR : wait_queue_wait(queue, waiter, deadline_ns);
}

hx_err wait_queue_park(struct wait_queue *queue, struct waiter *waiter)
{
    hx_err error = thread_is_interrupted() ? HX_EINTR : thread_park(THREAD_NO_DEADLINE);
    hal_interrupt_state state = spinlock_acquire(&queue->lock);

    if (HX_LIKELY(!is_queued_locked(waiter))) {
        error = HX_OK;
    } else {
        list_remove(&waiter->link);
    }
    spinlock_release(&queue->lock, state);
    return error;
}

hx_err wait_queue_step(struct wait_queue *queue, wait_step step, void *argument)
{
    struct waiter waiter;
    hx_err refusal;
    hx_err error = HX_OK;

    wait_queue_prepare(queue, &waiter);
    while ((refusal = step(argument)) == HX_EAGAIN && error == HX_OK) {
        error = wait_queue_wait_interruptible(queue, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(queue, &waiter);
    return refusal == HX_EAGAIN ? error : refusal;
}

static bool wake_first_locked(struct list *waiters)
{
    struct list *node = list_pop_front(waiters);

    if (node == NULL) {
        return false;
    }
    thread_unpark(LIST_ENTRY(node, struct waiter, link)->thread);
    return true;
}

void wait_queue_finish(struct wait_queue *queue, struct waiter *waiter)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);

    if (is_queued_locked(waiter)) {
        list_remove(&waiter->link);
    } else {
        /* A wake-up came that this waiter has no use for any more: it is the next one's. */
        wake_first_locked(&queue->waiters);
    }
    spinlock_release(&queue->lock, state);
}

/* --- listening -------------------------------------------------------------------------------- */

void wait_queue_listen(struct wait_queue *queue, struct wait_listener *listener)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);

    atomic_store_explicit(&listener->next, queue->listeners, memory_order_relaxed);
    queue->listeners = listener;
    spinlock_release(&queue->lock, state);
}

/* The listener's own next stays: who has come to it goes on from there. */
void wait_queue_stop_listening(struct wait_queue *queue, struct wait_listener *listener)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    struct wait_listener *next = atomic_load_explicit(&listener->next, memory_order_relaxed);
    struct wait_listener *before = queue->listeners;

    if (before == listener) {
        queue->listeners = next;
    }
    for (; before != NULL && before != listener;
         before = atomic_load_explicit(&before->next, memory_order_relaxed)) {
        if (atomic_load_explicit(&before->next, memory_order_relaxed) == listener) {
            /* release: pairs with the acquire in tell_listeners */
            atomic_store_explicit(&before->next, next, memory_order_release);
        }
    }
    spinlock_release(&queue->lock, state);
}

/* From the first one there was, under the lock, when the queue was woken. Not under the lock: one
 * that hears may wake another queue. The queue may be gone by now, if it had no listeners. */
static HX_NOINLINE void tell_listeners(struct wait_listener *listener)
{
    for (; listener != NULL;
         /* acquire: pairs with the release in wait_queue_stop_listening */
         listener = atomic_load_explicit(&listener->next, memory_order_acquire)) {
        listener->heard(listener);
    }
}

/* --- waking ----------------------------------------------------------------------------------- */

/* The section begins under the lock: so a listener that is found there stays. */
static HX_NOINLINE unsigned wake_one_and_tell(struct wait_queue *queue, hal_interrupt_state state)
{
    struct wait_listener *first = queue->listeners;
    bool woke = wake_first_locked(&queue->waiters);

    read_enter();
    spinlock_release(&queue->lock, state);
    tell_listeners(first);
    read_leave();
    return woke ? 1 : 0;
}

unsigned wait_queue_wake_one(struct wait_queue *queue)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool woke;

    if (HX_UNLIKELY(queue->listeners != NULL)) {
        return wake_one_and_tell(queue, state);
    }
    woke = wake_first_locked(&queue->waiters);
    spinlock_release(&queue->lock, state);
    return woke ? 1 : 0;
}

/* Move all waiters to a list of the waker's own, where they stay under the queue's lock. */
static void take_all_locked(struct wait_queue *queue, struct list *taken)
{
    list_insert_between(taken, queue->waiters.prev, &queue->waiters);
    list_remove(&queue->waiters);
}

/* One at a time, so that the lock is held for a bounded time, and who joins again is not woken. */
static unsigned wake_rest(struct wait_queue *queue, struct list *taken)
{
    unsigned woken = 0;
    bool more = true;

    while (more) {
        hal_interrupt_state state = spinlock_acquire(&queue->lock);

        more = wake_first_locked(taken);
        spinlock_release(&queue->lock, state);
        woken += more ? 1U : 0U;
    }
    return woken;
}

static HX_NOINLINE unsigned wake_several(struct wait_queue *queue, hal_interrupt_state state)
{
    struct wait_listener *first = queue->listeners;
    struct list taken;

    take_all_locked(queue, &taken);
    read_enter();
    spinlock_release(&queue->lock, state);
    tell_listeners(first);
    read_leave();
    return wake_rest(queue, &taken);
}

unsigned wait_queue_wake_all(struct wait_queue *queue)
{
    hal_interrupt_state state = spinlock_acquire(&queue->lock);
    bool woke;

    if (HX_UNLIKELY(queue->waiters.next != queue->waiters.prev) ||
        HX_UNLIKELY(queue->listeners != NULL)) {
        return wake_several(queue, state);
    }
    woke = wake_first_locked(&queue->waiters);
    spinlock_release(&queue->lock, state);
    return woke ? 1 : 0;
}
