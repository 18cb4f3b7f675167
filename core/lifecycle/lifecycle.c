#include <base/assert.h>
#include <core/debug/log.h>
#include <core/lifecycle/lifecycle.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stddef.h>

#define BIT(phase) (1U << (phase))

/* SPEC L5. In Panic the phase stays what it was. */
static const uint8_t phases_of_state[KERNEL_STATE_COUNT] = {
    [KERNEL_EARLY_BOOT] = BIT(PHASE_BOOT) | BIT(PHASE_EARLY_INIT),
    [KERNEL_INITIALIZING] = BIT(PHASE_CORE_INIT) | BIT(PHASE_LATE_INIT),
    [KERNEL_RUNNING] = BIT(PHASE_RUNNING),
    [KERNEL_SHUTTING_DOWN] = BIT(PHASE_SHUTTING_DOWN) | BIT(PHASE_HALTED),
    [KERNEL_PANIC] = BIT(PHASE_COUNT) - 1,
    [KERNEL_SUSPENDED] = BIT(PHASE_RUNNING),
};

#define TEXT_OF(name, text) [name] = text,
static const char *const phase_names[PHASE_COUNT] = {LIFECYCLE_PHASE_LIST(TEXT_OF)};
static const char *const reason_names[SHUTDOWN_REASON_COUNT] = {SHUTDOWN_REASON_LIST(TEXT_OF)};
#undef TEXT_OF

/* Keys: L = lock, A = atomic */
static struct {
    struct spinlock lock;
    struct list callbacks;                    /* L  by link, in order of registration */
    uint64_t newest;                          /* L  number of the newest registration */
    struct list *cursor;                      /* L  what the walk calls next */
    const struct lifecycle_callback *running; /* L  being called, NULL: none */
    struct thread *walker;                    /* L  who changes the phase, NULL: nobody */
    struct wait_queue idle;                   /* woken when a callback has returned */
    _Atomic uint32_t phase;                   /* A  enum lifecycle_phase; written by the walker */
    _Atomic uint32_t reason;                  /* A  enum shutdown_reason */
    _Atomic(struct thread *) waiter;          /* A  in lifecycle_wait_shutdown */
    _Atomic bool deferred;                    /* A  an NMI wants the waiter woken */
} lifecycle = {
    .lock = SPINLOCK_INIT(LOCK_RANK_CORE, "lifecycle"),
    .callbacks = LIST_INIT(lifecycle.callbacks),
    .cursor = &lifecycle.callbacks,
    .idle = {.lock = SPINLOCK_INIT(LOCK_RANK_WAIT_QUEUE, "lifecycle callbacks"),
             .waiters = LIST_INIT(lifecycle.idle.waiters)},
};

const char *lifecycle_phase_name(enum lifecycle_phase phase)
{
    return (unsigned)phase < PHASE_COUNT ? phase_names[phase] : "?";
}

const char *shutdown_reason_name(enum shutdown_reason reason)
{
    return (unsigned)reason < SHUTDOWN_REASON_COUNT ? reason_names[reason] : "?";
}

bool lifecycle_phase_fits(enum kernel_state state, enum lifecycle_phase phase)
{
    return (unsigned)state < KERNEL_STATE_COUNT && (unsigned)phase < PHASE_COUNT &&
           (phases_of_state[state] & BIT(phase)) != 0;
}

enum lifecycle_phase lifecycle_phase(void)
{
    return (enum lifecycle_phase)atomic_load_explicit(&lifecycle.phase, memory_order_acquire);
}

/* --- callbacks -------------------------------------------------------------------------------- */

static hx_err append_locked(struct lifecycle_callback *callback)
{
    if (callback->number != 0) {
        return HX_EEXIST;
    }
    callback->number = ++lifecycle.newest;
    list_push_back(&lifecycle.callbacks, &callback->link);
    return HX_OK;
}

hx_err lifecycle_register(struct lifecycle_callback *callback)
{
    hal_interrupt_state state;
    hx_err error;

    if (callback->ops == NULL) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&lifecycle.lock);
    error = append_locked(callback);
    spinlock_release(&lifecycle.lock, state);
    return error;
}

static hx_err unlink_locked(struct lifecycle_callback *callback)
{
    if (callback->number == 0) {
        return HX_ENOENT;
    }
    if (lifecycle.cursor == &callback->link) {
        lifecycle.cursor = callback->link.next;
    }
    callback->number = 0;
    list_remove(&callback->link);
    return HX_OK;
}

/* Whether the caller has to wait: the callback runs, and it is not the callback that asks. */
static bool is_running_elsewhere(const struct lifecycle_callback *callback)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);
    bool running = lifecycle.running == callback && lifecycle.walker != thread_current();

    spinlock_release(&lifecycle.lock, state);
    return running;
}

static void wait_returned(const struct lifecycle_callback *callback)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&lifecycle.idle, &waiter);
    while (is_running_elsewhere(callback) && error == HX_OK) {
        error = wait_queue_wait(&lifecycle.idle, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&lifecycle.idle, &waiter);
}

hx_err lifecycle_remove(struct lifecycle_callback *callback)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);
    hx_err error = unlink_locked(callback);

    spinlock_release(&lifecycle.lock, state);
    if (error == HX_OK && is_running_elsewhere(callback)) {
        wait_returned(callback);
    }
    return error;
}

/* --- changing the phase ----------------------------------------------------------------------- */

/* What a walk tells each callback. */
enum notice { NOTICE_EXIT, NOTICE_ENTER, NOTICE_SHUTDOWN };

struct walk {
    enum notice notice;
    uint32_t value;  /* the phase or the reason */
    uint64_t newest; /* those registered later are left out */
};

static void call(const struct lifecycle_ops *ops, void *argument, const struct walk *walk)
{
    switch (walk->notice) {
    case NOTICE_EXIT:
        if (ops->on_phase_exit != NULL) {
            ops->on_phase_exit(argument, (enum lifecycle_phase)walk->value);
        }
        break;
    case NOTICE_ENTER:
        if (ops->on_phase_enter != NULL) {
            ops->on_phase_enter(argument, (enum lifecycle_phase)walk->value);
        }
        break;
    case NOTICE_SHUTDOWN:
        if (ops->on_shutdown != NULL) {
            ops->on_shutdown(argument, (enum shutdown_reason)walk->value);
        }
        break;
    }
}

/* The callback at the cursor, which moves on; NULL at the end. What it says is copied, because once
 * it is removed by itself its memory may be gone. */
static bool take_next(const struct walk *walk, struct lifecycle_callback *copy)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);
    struct list *node = lifecycle.cursor;
    const struct lifecycle_callback *callback = LIST_ENTRY(node, struct lifecycle_callback, link);
    bool found = node != &lifecycle.callbacks && callback->number <= walk->newest;

    lifecycle.running = found ? callback : NULL;
    if (found) {
        lifecycle.cursor = node->next;
        *copy = *callback;
    }
    spinlock_release(&lifecycle.lock, state);
    return found;
}

static void clear_running(void)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);

    lifecycle.running = NULL;
    spinlock_release(&lifecycle.lock, state);
    wait_queue_wake_all(&lifecycle.idle);
}

/* Tell every callback, in order of registration, with no lock held. */
static void run_walk(const struct walk *walk)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);
    struct lifecycle_callback copy;

    lifecycle.cursor = lifecycle.callbacks.next;
    spinlock_release(&lifecycle.lock, state);
    while (take_next(walk, &copy)) {
        call(copy.ops, copy.argument, walk);
        clear_running();
    }
}

/* Whether the phase may follow now. In Panic none may: the phase stays what it was. */
static bool is_next(enum lifecycle_phase next)
{
    enum kernel_state state = kernel_state_current();

    return (unsigned)next == (unsigned)lifecycle_phase() + 1 && state != KERNEL_PANIC &&
           lifecycle_phase_fits(state, next);
}

/* Become the walker if the step is allowed. */
static hx_err begin_change(enum lifecycle_phase next, uint64_t *newest)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);
    hx_err error = HX_OK;

    if (lifecycle.walker != NULL || !is_next(next)) {
        error = HX_ESTATE;
    } else {
        lifecycle.walker = thread_current();
        *newest = lifecycle.newest;
    }
    spinlock_release(&lifecycle.lock, state);
    return error;
}

static void end_change(void)
{
    hal_interrupt_state state = spinlock_acquire(&lifecycle.lock);

    lifecycle.walker = NULL;
    lifecycle.cursor = &lifecycle.callbacks;
    spinlock_release(&lifecycle.lock, state);
}

hx_err lifecycle_advance(enum lifecycle_phase next)
{
    enum lifecycle_phase old = lifecycle_phase();
    uint64_t newest = 0;
    hx_err error = begin_change(next, &newest);

    if (error != HX_OK) {
        kwarn("lifecycle: %s -> %s is refused in state %s", lifecycle_phase_name(old),
              lifecycle_phase_name(next), kernel_state_name(kernel_state_current()));
        return error;
    }
    run_walk(&(struct walk){NOTICE_EXIT, old, newest});
    /* Release: pairs with lifecycle_phase. */
    atomic_store_explicit(&lifecycle.phase, (uint32_t)next, memory_order_release);
    kinfo("phase: %s", lifecycle_phase_name(next));
    run_walk(&(struct walk){NOTICE_ENTER, next, newest});
    if (next == PHASE_SHUTTING_DOWN) {
        run_walk(&(struct walk){NOTICE_SHUTDOWN, lifecycle_shutdown_reason(), newest});
    }
    end_change();
    return HX_OK;
}

/* --- the request to shut down ----------------------------------------------------------------- */

enum shutdown_reason lifecycle_shutdown_reason(void)
{
    return (enum shutdown_reason)atomic_load_explicit(&lifecycle.reason, memory_order_acquire);
}

static void wake_waiter(void)
{
    /* Pairs with the store in lifecycle_wait_shutdown: either it is seen here, or it sees the
     * reason. */
    struct thread *waiter = atomic_load_explicit(&lifecycle.waiter, memory_order_seq_cst);

    if (waiter != NULL) {
        thread_unpark(waiter);
    }
}

bool lifecycle_request_shutdown(enum shutdown_reason reason)
{
    uint32_t expected = SHUTDOWN_NONE;

    if ((unsigned)reason == SHUTDOWN_NONE || (unsigned)reason >= SHUTDOWN_REASON_COUNT ||
        !atomic_compare_exchange_strong_explicit(&lifecycle.reason, &expected, (uint32_t)reason,
                                                 memory_order_seq_cst, memory_order_relaxed)) {
        return false;
    }
    kinfo("shutdown requested: %s", shutdown_reason_name(reason));
    if (thread_current()->nmi_depth != 0) {
        atomic_store_explicit(&lifecycle.deferred, true, memory_order_relaxed);
    } else {
        wake_waiter();
    }
    return true;
}

void lifecycle_deferred(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&lifecycle.deferred, memory_order_relaxed)) &&
        atomic_exchange_explicit(&lifecycle.deferred, false, memory_order_relaxed)) {
        wake_waiter();
    }
}

void lifecycle_state_changed(void)
{
    wake_waiter();
}

static bool is_due(void)
{
    return atomic_load_explicit(&lifecycle.reason, memory_order_seq_cst) != SHUTDOWN_NONE &&
           kernel_state_current() == KERNEL_RUNNING;
}

enum shutdown_reason lifecycle_wait_shutdown(void)
{
    struct thread *previous =
        atomic_exchange_explicit(&lifecycle.waiter, thread_current(), memory_order_seq_cst);

    HX_ASSERT(previous == NULL, "one thread at a time waits for the shutdown");
    while (!is_due()) {
        thread_wait();
    }
    atomic_store_explicit(&lifecycle.waiter, NULL, memory_order_seq_cst);
    return lifecycle_shutdown_reason();
}
