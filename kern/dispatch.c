#include <base/assert.h>
#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/user.h>
#include <kern/cpu.h>
#include <kern/cpu_hotplug.h>
#include <kern/dispatch.h>
#include <kern/displaced.h>
#include <kern/hand_over.h>
#include <kern/inheritance.h>
#include <kern/read_section.h>
#include <kern/recorder.h>
#include <kern/scheduler.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <stddef.h>

/* Keys: I = immutable after dispatch_init, W = written by the CPU itself, read by anyone (relaxed)
 */
struct dispatch_cpu {
    struct thread *idle;         /* I  runs when nothing else can */
    _Atomic uint64_t ticks;      /* W */
    _Atomic uint64_t idle_clock; /* W  see idle_clock_start */
} HX_ALIGNED(HX_CACHE_LINE);

static struct dispatch_cpu cpus[HAL_CPU_MAX];

/*
 * CPUs in their idle loop with nothing to run. Set before the last look into the queue, which takes
 * its lock; so whoever queues a thread (under that lock) and then finds the bit clear has been
 * seen.
 */
static _Atomic uint64_t idle_cpus;

static _Atomic(const struct scheduler_ops *) chosen_policy = &scheduler_fifo;

static HX_ALWAYS_INLINE const struct scheduler_ops *policy(void)
{
    return atomic_load_explicit(&chosen_policy, memory_order_acquire);
}

/* What a wake-up, by token or by deadline, makes of a state. */
static const uint32_t after_wake[] = {
    [THREAD_NEW] = THREAD_NEW,           [THREAD_RUNNABLE] = THREAD_RUNNABLE,
    [THREAD_RUNNING] = THREAD_RUNNING,   [THREAD_PARKING] = THREAD_NOTIFIED,
    [THREAD_NOTIFIED] = THREAD_NOTIFIED, [THREAD_PARKED] = THREAD_RUNNABLE,
    [THREAD_EXITED] = THREAD_EXITED,     [THREAD_IDLE] = THREAD_IDLE,
};

void dispatch_set_policy(const struct scheduler_ops *ops)
{
    static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_SCHEDULER, "scheduling policy");
    hal_interrupt_state state = spinlock_acquire(&lock);

    atomic_store_explicit(&chosen_policy, displaced_wrap_locked(ops), memory_order_release);
    spinlock_release(&lock, state);
}

void dispatch_init(struct thread *(*idle_of)(uint32_t cpu))
{
    dispatch_set_policy(&scheduler_fifo);
    displaced_watch(false);
    policy()->init();
    atomic_store_explicit(&idle_cpus, 0, memory_order_relaxed);
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        cpus[cpu].idle = idle_of(cpu);
        atomic_store_explicit(&cpus[cpu].ticks, 0, memory_order_relaxed);
        atomic_store_explicit(&cpus[cpu].idle_clock, 0, memory_order_relaxed);
    }
}

static uint32_t state_of(const struct thread *thread)
{
    return atomic_load_explicit(&thread->state, memory_order_relaxed) & THREAD_STATE_MASK;
}

/*
 * Move a thread between two states that only its CPU leaves, keeping a token that arrives
 * meanwhile. Relaxed: the run queue's lock orders what goes with it.
 */
static void change_state(struct thread *thread, enum thread_state from, enum thread_state to)
{
    uint32_t old = atomic_fetch_add_explicit(&thread->state, (uint32_t)to - (uint32_t)from,
                                             memory_order_relaxed);

    HX_DEBUG_ASSERT((old & THREAD_STATE_MASK) == from, "a thread is in the state it is moved from");
    (void)old;
}

/* --- where a thread goes ---------------------------------------------------------------------- */

/* Where it ran last it may not go on: to one of those, one that is idle before others. */
static HX_NOINLINE uint32_t choose_other_cpu(struct thread *thread, uint64_t allowed, uint64_t idle,
                                             uint32_t last)
{
    if (allowed == 0) {
        allowed = displaced_begin(thread);
        idle = allowed & atomic_load_explicit(&idle_cpus, memory_order_relaxed);
    }
    return cpu_next(idle != 0 ? idle : allowed, last);
}

/* The last CPU while it is idle or nobody is; else one that is idle; all within the affinity. */
static uint32_t choose_cpu(struct thread *thread)
{
    uint64_t allowed = thread_affinity(thread) & cpu_open_mask();
    uint64_t idle = allowed & atomic_load_explicit(&idle_cpus, memory_order_relaxed);
    uint32_t last = atomic_load_explicit(&thread->cpu, memory_order_relaxed);

    if ((allowed >> last & 1) == 0) {
        return choose_other_cpu(thread, allowed, idle, last);
    }
    if (idle == 0 || (idle >> last & 1) != 0) {
        return last;
    }
    return cpu_next(idle, last);
}

/* Have a CPU look into its queue. */
static void call_attention(uint32_t cpu)
{
    if (cpu == hal_cpu_id()) {
        thread_current()->reschedule = true;
    } else {
        hal_interrupt_send(cpu, HAL_VECTOR_RESCHEDULE);
    }
}

void dispatch_enqueue(struct thread *thread)
{
    uint32_t cpu = choose_cpu(thread);

    atomic_store_explicit(&thread->cpu, cpu, memory_order_relaxed);

    bool preempts = policy()->enqueue(thread, cpu);

    /* Pairs with enter_idle; see idle_cpus. */
    if (preempts || (atomic_load_explicit(&idle_cpus, memory_order_relaxed) >> cpu & 1) != 0) {
        call_attention(cpu);
    }
}

void dispatch_tell_priority(struct thread *thread)
{
    hal_interrupt_state state = hal_interrupts_save();
    bool (*tell)(struct thread *) = policy()->reprioritize;

    if (tell != NULL && tell(thread)) {
        call_attention(atomic_load_explicit(&thread->cpu, memory_order_relaxed));
    }
    hal_interrupts_restore(state);
}

void dispatch_change_priority(struct thread *thread, uint8_t priority)
{
    thread_set_priority(thread, priority);
    dispatch_tell_priority(thread);
}

/* --- the switch ------------------------------------------------------------------------------- */

static void settle_parked(struct thread *previous)
{
    if (dispatch_try_settle_parked(previous)) {
        return;
    }
    change_state(previous, THREAD_NOTIFIED, THREAD_RUNNABLE);
    dispatch_enqueue(previous);
}

/*
 * A CPU's idle clock is one word, so that others read it whole: twice the cycles it has run for.
 * While it runs, it is odd, and what it will show lacks twice the time when it was started.
 */
static void idle_clock_start(uint32_t cpu)
{
    uint64_t shown = atomic_load_explicit(&cpus[cpu].idle_clock, memory_order_relaxed);

    atomic_store_explicit(&cpus[cpu].idle_clock, shown - 2 * hal_clock_cycles() + 1,
                          memory_order_relaxed);
}

static void idle_clock_stop(uint32_t cpu)
{
    uint64_t shown = atomic_load_explicit(&cpus[cpu].idle_clock, memory_order_relaxed);

    if (shown % 2 != 0) {
        atomic_store_explicit(&cpus[cpu].idle_clock, shown - 1 + 2 * hal_clock_cycles(),
                              memory_order_relaxed);
    }
}

static uint64_t idle_clock_read(uint32_t cpu)
{
    uint64_t shown = atomic_load_explicit(&cpus[cpu].idle_clock, memory_order_relaxed);

    return (shown % 2 != 0 ? shown - 1 + 2 * hal_clock_cycles() : shown) / 2;
}

/* This CPU has work again: no longer idle, and ticking. */
static void leave_idle(void)
{
    uint32_t cpu = hal_cpu_id();

    idle_clock_stop(cpu);
    atomic_fetch_and_explicit(&idle_cpus, ~(1ULL << cpu), memory_order_relaxed);
    timer_tick_start();
}

/* What finish_switch does about a thread that did not just yield or lose its turn. */
static HX_NOINLINE void finish_rare_switch(struct thread *previous, uint32_t state)
{
    switch (state) {
    case THREAD_IDLE:
        leave_idle();
        break;
    case THREAD_EXITED:
        thread_bury(previous);
        break;
    default:
        settle_parked(previous);
        break;
    }
}

/* Move the thread that ran here before on to where it belongs; then it may run elsewhere at once.
 */
static HX_ALWAYS_INLINE void finish_switch(struct thread *previous)
{
    uint32_t state = state_of(previous);

    if (HX_UNLIKELY(state != THREAD_RUNNING)) {
        finish_rare_switch(previous, state);
        return;
    }
    change_state(previous, THREAD_RUNNING, THREAD_RUNNABLE);
    policy()->requeue(previous, hal_cpu_id());
}

void dispatch_finish_switch(struct thread *previous)
{
    finish_switch(previous);
}

void dispatch_make_detour(const struct thread *self, const struct thread *next)
{
    read_report_quiescent();
    if (next != NULL) {
        recorder_note(RECORDER_SWITCH, 0, next->id, state_of(self));
    }
}

static HX_ALWAYS_INLINE void switch_to(struct thread *self, struct thread *next, uint32_t cpu)
{
    finish_switch(dispatch_leave_to(self, next, cpu, 0));
}

/* Nobody waits for the CPU: the idle thread's turn if the caller cannot go on, or not here. */
static HX_NOINLINE void schedule_idle(struct thread *self, uint32_t cpu)
{
    uint32_t state = state_of(self);

    if (state != THREAD_IDLE && (state != THREAD_RUNNING || displaced_must_go(self, cpu))) {
        recorder_note(RECORDER_SWITCH, 0, cpus[cpu].idle->id, state);
        switch_to(self, cpus[cpu].idle, cpu);
    }
}

/*
 * Give the CPU to the next thread, if there is one or the caller cannot go on. Interrupts are off,
 * now and on return, which is perhaps on another CPU.
 */
static HX_ALWAYS_INLINE void schedule_fast(void)
{
    struct thread *next = policy()->pick(hal_cpu_id());
    /* Read after the call, so that no register has to be kept over it; nor over the switch. */
    struct thread *self = thread_current();
    uint32_t cpu = hal_cpu_id();

    self->reschedule = false;
    if (read_makes_detour(cpu)) {
        dispatch_make_detour(self, next);
    }
    if (HX_UNLIKELY(next == NULL)) {
        schedule_idle(self, cpu);
        return;
    }
    change_state(next, THREAD_RUNNABLE, THREAD_RUNNING);
    switch_to(self, next, cpu);
}

static HX_NOINLINE void schedule(void)
{
    schedule_fast();
}

void dispatch_arrive(void)
{
    finish_switch(thread_current()->previous);
}

void dispatch_exit(void)
{
    struct thread *self = thread_current();

    HX_ASSERT(self->preempt_depth == 0 && state_of(self) != THREAD_IDLE,
              "a thread exits outside read sections, and is no boot thread");
    hal_interrupts_disable();
    atomic_store_explicit(&self->state, THREAD_EXITED, memory_order_relaxed);
    schedule();
    HX_ASSERT(false, "an exited thread does not run");
    __builtin_unreachable();
}

void thread_yield(void)
{
    HX_DEBUG_ASSERT(context_can_block(), "a thread yields where it may block");
    hal_interrupts_disable();
    schedule_fast();
    hal_interrupts_enable();
}

void thread_preempt(void)
{
    if (!context_can_block()) {
        return;
    }
    hal_interrupts_disable();
    if (thread_current()->reschedule) {
        schedule();
    }
    hal_interrupts_enable();
}

void thread_preempt_interrupted(void)
{
    if (thread_current()->preempt_depth == 0 && !context_is_interrupt()) {
        schedule();
    }
}

/* --- parking ---------------------------------------------------------------------------------- */

/*
 * Wake a thread; returns the state it was in. Always writes, even when nothing changes: the release
 * makes what the caller did before visible to the park that consumes the token; skipping it because
 * a token is there already would lose a wake-up.
 */
static uint32_t wake(struct thread *thread, uint32_t token)
{
    hal_interrupt_state interrupts = hal_interrupts_save();
    uint32_t old = atomic_load_explicit(&thread->state, memory_order_relaxed);
    uint32_t woken;

    /* Acquire pairs with settle_parked; release with the consumption in thread_park. */
    do {
        woken = after_wake[old & THREAD_STATE_MASK] | (old & THREAD_TOKEN) | token;
    } while (!atomic_compare_exchange_weak_explicit(&thread->state, &old, woken,
                                                    memory_order_acq_rel, memory_order_relaxed));
    if ((old & THREAD_STATE_MASK) == THREAD_PARKED) {
        recorder_note(RECORDER_WAKE, 0, thread->id,
                      atomic_load_explicit(&thread->cpu, memory_order_relaxed));
        dispatch_enqueue(thread);
    }
    hal_interrupts_restore(interrupts);
    return old;
}

void thread_unpark(struct thread *thread)
{
    (void)wake(thread, THREAD_TOKEN);
    if (HX_UNLIKELY(thread_current()->reschedule)) {
        thread_preempt();
    }
}

/*
 * A thread that is not Running in the very state that wake replaces looks at user_work later,
 * behind the state's change to Running. One that is may be on its way to user mode, having looked:
 * its CPU gets a message. The CPU's number may be old only before the switch to the thread is
 * finished, and finishing it is an atomic exchange that orders the number's store before the look.
 */
void thread_interrupt(struct thread *thread, uint32_t reasons)
{
    hal_interrupt_state interrupts = hal_interrupts_save();

    /* Pairs with the port's look on the way to user mode, and thread_is_interrupted. */
    atomic_fetch_or_explicit(&thread->user_work, reasons, memory_order_seq_cst);

    uint32_t old = wake(thread, THREAD_TOKEN);
    uint32_t cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed);

    if ((old & THREAD_STATE_MASK) == THREAD_RUNNING && cpu != hal_cpu_id()) {
        hal_interrupt_send(cpu, HAL_VECTOR_RESCHEDULE);
    }
    hal_interrupts_restore(interrupts);
    if (HX_UNLIKELY(thread_current()->reschedule)) {
        thread_preempt();
    }
}

/* A deadline wakes without leaving a token: that is how thread_park tells the two apart. */
void dispatch_park_expired(struct timer *timer)
{
    (void)wake(HX_CONTAINER_OF(timer, struct thread, park_timer), 0);
}

/* Switch away until something wakes the thread, which is Parking. Interrupts off. */
static void wait_parked(struct thread *self, uint64_t deadline_ns)
{
    if (deadline_ns == THREAD_NO_DEADLINE) {
        schedule();
        return;
    }
    timer_start(&self->park_timer, deadline_ns, 0);
    schedule();
    timer_cancel(&self->park_timer);
}

static bool is_past(uint64_t deadline_ns)
{
    return deadline_ns != THREAD_NO_DEADLINE && deadline_ns <= hal_clock_now();
}

hx_err thread_park(uint64_t deadline_ns)
{
    struct thread *self = thread_current();
    bool too_late = is_past(deadline_ns);

    HX_ASSERT(context_can_block() && state_of(self) != THREAD_IDLE,
              "only a thread that may block parks");
    hal_interrupts_disable();
    if (!too_late && dispatch_begin_parking(self)) {
        wait_parked(self, deadline_ns);
    }
    return dispatch_finish_parking(self);
}

static bool may_run_here(uint64_t affinity)
{
    return (affinity >> hal_cpu_id() & 1) != 0;
}

static void set_own_affinity(struct thread *self, uint64_t affinity)
{
    atomic_store_explicit(&self->affinity, affinity, memory_order_relaxed);
    atomic_store_explicit(&self->displaced_from, 0, memory_order_relaxed);
}

/*
 * Interrupts are off from the change until the thread is parked: one that loses its turn is queued
 * where it is. Who wakes it sends it to a CPU that is allowed, or displaces it. Returns whether one
 * of both has happened.
 */
static bool try_move_within(struct thread *self, uint64_t affinity, uint64_t before)
{
    bool is_displaced;

    hal_interrupts_disable();
    set_own_affinity(self, affinity);
    if (may_run_here(affinity)) {
        hal_interrupts_enable();
        return true;
    }
    if (dispatch_begin_parking(self)) {
        wait_parked(self, hal_clock_now() + TIMER_TICK_NS);
    } else {
        set_own_affinity(self, before); /* a token, which is consumed below */
    }
    is_displaced = thread_displaced_from(self) == affinity;
    (void)!dispatch_finish_parking(self);
    return is_displaced;
}

void dispatch_move_within(uint64_t affinity)
{
    struct thread *self = thread_current();
    uint64_t displaced_from = thread_displaced_from(self);
    uint64_t before = displaced_from != 0 ? displaced_from : thread_affinity(self);

    while (!try_move_within(self, affinity, before)) {
    }
}

hx_err dispatch_wake_and_park(struct thread *next, _Atomic uint32_t *word, uint32_t value,
                              struct spinlock *lock, uint64_t deadline_ns)
{
    struct thread *self = thread_current();

    (void)wake(next, THREAD_TOKEN);
    atomic_store_explicit(word, value, memory_order_release); /* as in thread_hand_over_inline */
    spinlock_release_nested(lock);
    if (!is_past(deadline_ns) && dispatch_begin_parking(self)) {
        wait_parked(self, deadline_ns);
    }
    return dispatch_finish_parking(self);
}

hx_err dispatch_give_back(struct thread *next)
{
    change_state(next, THREAD_RUNNING, THREAD_RUNNABLE);
    dispatch_enqueue(next);
    return dispatch_finish_parking(thread_current());
}

hx_err thread_hand_over(struct thread *next, _Atomic uint32_t *word, uint32_t value,
                        struct spinlock *lock, uint64_t deadline_ns)
{
    HX_DEBUG_ASSERT(thread_current()->preempt_depth == 0 && !context_is_interrupt(),
                    "only a thread that may block hands the processor over");
    if (is_past(deadline_ns)) {
        return dispatch_wake_and_park(next, word, value, lock, deadline_ns);
    }
    return deadline_ns == THREAD_NO_DEADLINE
               ? dispatch_hand_over(next, word, value, lock, THREAD_NO_DEADLINE)
               : dispatch_hand_over(next, word, value, lock, deadline_ns);
}

void thread_wait(void)
{
    hx_err error = thread_park(THREAD_NO_DEADLINE);

    HX_ASSERT(error == HX_OK, "a wait without a deadline does not time out");
}

void thread_sleep(uint64_t nanoseconds)
{
    uint64_t now = hal_clock_now();
    uint64_t deadline =
        nanoseconds < THREAD_NO_DEADLINE - now ? now + nanoseconds : THREAD_NO_DEADLINE;

    while (thread_park(deadline) != HX_ETIMEDOUT) {
    }
}

/* --- idling ----------------------------------------------------------------------------------- */

static bool is_idle(uint32_t cpu)
{
    return (atomic_load_explicit(&idle_cpus, memory_order_relaxed) >> cpu & 1) != 0;
}

/* Announce this CPU as idle, look once more, and wait for an interrupt if there is still nothing.
 */
static void idle_once(uint32_t cpu)
{
    hal_interrupts_disable();
    if (!is_idle(cpu)) {
        idle_clock_start(cpu);
    }
    /* Pairs with dispatch_enqueue; see idle_cpus. */
    atomic_fetch_or_explicit(&idle_cpus, 1ULL << cpu, memory_order_relaxed);
    schedule();
    if (is_idle(cpu)) {
        hal_cpu_idle();
    } else {
        hal_interrupts_enable();
    }
}

void dispatch_end(void)
{
    uint32_t cpu = hal_cpu_id();

    if (!is_idle(cpu)) {
        idle_clock_start(cpu); /* until dispatch_begin: it does nothing meanwhile */
    }
    atomic_fetch_and_explicit(&idle_cpus, ~(1ULL << cpu), memory_order_relaxed);
    timer_stop_cpu();
    hal_space_activate(hal_space_kernel());
}

void dispatch_kick(uint32_t cpu)
{
    hal_interrupt_state state = hal_interrupts_save();

    call_attention(cpu);
    hal_interrupts_restore(state);
}

void dispatch_begin(void)
{
    struct thread *self = thread_current();
    hal_interrupt_state state = hal_interrupts_save();

    HX_ASSERT(state_of(self) == THREAD_IDLE, "it is a CPU's boot thread that lets others run");
    thread_adopt_boot();
    idle_clock_stop(hal_cpu_id());
    self->preempt_depth = 0;
    timer_tick_start();
    hal_interrupts_restore(state);
}

void thread_idle(void)
{
    dispatch_begin();
    for (;;) {
        idle_once(hal_cpu_id());
        cpu_leave_if_asked();
    }
}

/* --- interrupts ------------------------------------------------------------------------------- */

/* Threads wait here while another CPU has nothing to do: have it come and steal. */
static void call_for_help(uint64_t ticks)
{
    uint64_t idle = atomic_load_explicit(&idle_cpus, memory_order_relaxed) & cpu_open_mask();

    if (idle != 0) {
        hal_interrupt_send(cpu_next(idle, (uint32_t)(ticks % HAL_CPU_MAX)), HAL_VECTOR_RESCHEDULE);
    }
}

static _Atomic(void (*)(struct thread *)) tick_hook;

void thread_set_tick_hook(void (*hook)(struct thread *thread))
{
    atomic_store_explicit(&tick_hook, hook, memory_order_release); /* pairs with call_tick_hook */
}

static void call_tick_hook(struct thread *self)
{
    void (*hook)(struct thread *) = atomic_load_explicit(&tick_hook, memory_order_acquire);

    if (hook != NULL) {
        hook(self);
    }
}

static void tick(struct thread *self, uint32_t cpu)
{
    uint64_t ticks = atomic_load_explicit(&cpus[cpu].ticks, memory_order_relaxed) + 1;
    uint64_t cycles = hal_clock_cycles();

    atomic_store_explicit(&cpus[cpu].ticks, ticks, memory_order_relaxed);
    dispatch_charge(self, cycles);
    self->run_since = cycles;
    self->slice_ticks++;
    if (self->user != NULL) {
        call_tick_hook(self);
    }
    if (policy()->length(cpu) != 0) {
        self->reschedule |= state_of(self) == THREAD_IDLE || policy()->is_over(self, cpu);
        call_for_help(ticks);
    }
    if (HX_UNLIKELY(inheritance_is_any())) {
        inheritance_remind();
    }
    if (self->preempt_depth == 0 && self->interrupt_depth <= 1) {
        read_quiescent(cpu);
    }
}

void thread_timer_interrupt(void)
{
    uint32_t cpu = hal_cpu_id();

    if (timer_run_due(!is_idle(cpu))) {
        tick(thread_current(), cpu);
    }
}

void thread_reschedule_interrupt(void)
{
    thread_current()->reschedule = true;
}

uint64_t thread_idle_cycles(uint32_t cpu)
{
    return cpu < HAL_CPU_MAX ? idle_clock_read(cpu) : 0;
}

uint64_t thread_tick_count(uint32_t cpu)
{
    return cpu < HAL_CPU_MAX ? atomic_load_explicit(&cpus[cpu].ticks, memory_order_relaxed) : 0;
}
