#include <hal/cpu.h>
#include <hal/interrupt.h>
#include <kern/cpu.h>
#include <kern/dispatch.h>
#include <kern/displaced.h>
#include <kern/scheduler.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <stdatomic.h>
#include <stddef.h>

/* A policy loses no thread; one that claims to have this many left is not asked any more. */
#define SWEEP_MAX 100000U

static _Atomic(const struct scheduler_ops *) inner = &scheduler_fifo;
static _Atomic bool is_watching;

static const struct scheduler_ops *policy(void)
{
    return atomic_load_explicit(&inner, memory_order_acquire);
}

/* Of a displaced thread that is to be queued: whether it may have its own affinity again. */
static bool may_return(const struct thread *thread)
{
    return (thread_displaced_from(thread) & cpu_open_mask()) != 0;
}

uint64_t displaced_begin(struct thread *thread)
{
    atomic_store_explicit(&thread->displaced_from, thread_affinity(thread), memory_order_relaxed);
    atomic_store_explicit(&thread->affinity, UINT64_MAX, memory_order_relaxed);
    return cpu_open_mask();
}

static void displaced_end(struct thread *thread)
{
    atomic_store_explicit(&thread->affinity, thread_displaced_from(thread), memory_order_relaxed);
    atomic_store_explicit(&thread->displaced_from, 0, memory_order_relaxed);
}

/* --- on the way to the policy ----------------------------------------------------------------- */

static bool watched_enqueue(struct thread *thread, uint32_t cpu)
{
    if (!may_return(thread)) {
        return policy()->enqueue(thread, cpu);
    }
    displaced_end(thread);
    dispatch_enqueue(thread); /* which calls this again, with another CPU */
    return false;
}

static void watched_requeue(struct thread *thread, uint32_t cpu)
{
    if (may_return(thread)) {
        displaced_end(thread);
    }
    if ((thread_affinity(thread) & cpu_open_mask()) >> cpu & 1) {
        policy()->requeue(thread, cpu);
    } else {
        dispatch_enqueue(thread);
    }
}

/* One that has its affinity again, and is not to run here by that, is queued where it may. */
static struct thread *watched_pick(uint32_t cpu)
{
    struct thread *thread;

    while (cpu_is_open(cpu) && (thread = policy()->pick(cpu)) != NULL) {
        if (may_return(thread)) {
            displaced_end(thread);
        }
        if ((thread_affinity(thread) >> cpu & 1) != 0) {
            return thread;
        }
        dispatch_enqueue(thread);
    }
    return NULL;
}

static uint32_t watched_length(uint32_t cpu)
{
    return policy()->length(cpu);
}

static bool watched_is_over(const struct thread *running, uint32_t cpu)
{
    return policy()->is_over(running, cpu);
}

static bool watched_reprioritize(struct thread *thread)
{
    bool (*tell)(struct thread *) = policy()->reprioritize;

    return tell != NULL && tell(thread);
}

static void watched_init(void)
{
    policy()->init();
}

static const struct scheduler_ops watching = {
    .name = "watching",
    .init = watched_init,
    .enqueue = watched_enqueue,
    .requeue = watched_requeue,
    .pick = watched_pick,
    .length = watched_length,
    .is_over = watched_is_over,
    .reprioritize = watched_reprioritize,
};

const struct scheduler_ops *displaced_wrap_locked(const struct scheduler_ops *ops)
{
    if (ops != &watching) {
        atomic_store_explicit(&inner, ops, memory_order_release);
    }
    return atomic_load_explicit(&is_watching, memory_order_relaxed) ? &watching : policy();
}

void displaced_watch(bool watches)
{
    atomic_store_explicit(&is_watching, watches, memory_order_relaxed);
    dispatch_set_policy(&watching); /* the policy behind it stays */
}

bool displaced_must_go(const struct thread *self, uint32_t cpu)
{
    return atomic_load_explicit(&is_watching, memory_order_relaxed) &&
           (!cpu_is_open(cpu) || may_return(self));
}

/* --- all at once ------------------------------------------------------------------------------ */

static bool sweep_one(uint32_t cpu)
{
    hal_interrupt_state state = hal_interrupts_save();
    struct thread *thread = policy()->length(cpu) != 0 ? policy()->pick(cpu) : NULL;

    if (thread != NULL) {
        dispatch_enqueue(thread);
    }
    hal_interrupts_restore(state);
    return thread != NULL;
}

void displaced_sweep(uint32_t cpu)
{
    for (uint32_t i = 0; i < SWEEP_MAX && sweep_one(cpu); i++) {
    }
}

/* Runs on each CPU, on top of the thread that it looks at. */
static void look(void *unused)
{
    (void)unused;
    if (may_return(thread_current())) {
        thread_current()->reschedule = true;
    }
}

void displaced_call_back(void)
{
    cpu_call(UINT64_MAX, look, NULL);
}

static bool note_displaced(struct thread *thread, void *argument)
{
    bool *is_any = argument;

    *is_any = thread_displaced_from(thread) != 0;
    return !*is_any;
}

bool displaced_is_any(void)
{
    bool is_any = false;

    thread_for_each(note_displaced, &is_any);
    return is_any;
}
