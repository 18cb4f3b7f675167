/* The policy that asks a module. */
#include <core/gate/callout.h>
#include <core/gate/gate.h>
#include <core/scheduling/lost_thread.h>
#include <core/scheduling/scheduler_slot.h>
#include <hal/cpu.h>
#include <hal/gate.h>
#include <helix/scheduler.h>
#include <kern/cpu.h>
#include <kern/dispatch.h>
#include <kern/scheduler.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

static struct slot *slot;

/*
 * Threads are offered to what is in the slot. Follows the slot's holder, a little later: changed
 * under the lock, and only after a look at the holder.
 */
static _Atomic bool is_served;
static struct spinlock service_lock;

/* CPUs that had nothing to run because the gate was closed: a bit each. */
static _Atomic uint64_t missed_cpus;

/*
 * Bit 0: all is plain, the module is served and no thread waits in core's own queues, so that who
 * picks has one thing to look at. Whoever has queued a thread there clears the bit and counts the
 * rest up, as one step; so the bit is set, and stays set, only if nobody had when it was seen that
 * there is none (tests/models/plain.pml).
 */
static _Atomic uint64_t plainness;

#define PLAIN 1U

static bool fifo_enqueue(struct thread *thread, uint32_t cpu)
{
    bool preempts = scheduler_fifo.enqueue(thread, cpu);
    uint64_t old = atomic_load_explicit(&plainness, memory_order_relaxed);

    /* Release, behind the length: pairs with look_whether_plain, which reads that after this. */
    while (!atomic_compare_exchange_weak_explicit(&plainness, &old, (old & ~(uint64_t)PLAIN) + 2,
                                                  memory_order_release, memory_order_relaxed)) {
    }
    return preempts;
}

static void look_whether_plain(void)
{
    uint64_t seen = atomic_load_explicit(&plainness, memory_order_acquire);
    uint32_t waiting = 0;

    for (uint64_t cpus = cpu_online_mask(); cpus != 0; cpus &= cpus - 1) {
        waiting |= scheduler_fifo.length((uint32_t)__builtin_ctzll(cpus));
    }
    if (waiting == 0 && atomic_load_explicit(&is_served, memory_order_relaxed)) {
        (void)atomic_compare_exchange_strong_explicit(&plainness, &seen, seen | PLAIN,
                                                      memory_order_acquire, memory_order_relaxed);
    }
}

static struct hal_gate_result ask(enum hx_scheduler_operation operation, uint64_t a0, uint64_t a1,
                                  uint64_t a2, uint64_t a3)
{
    return hal_gate_call(a0, a1, a2, a3, &slot->gate, operation);
}

/* --- when the module is not there, or not to be trusted ----------------------------------------
 */

/* It may run there: its affinity changes only while it runs, or parks. */
static uint32_t waiting_place(const struct thread *thread)
{
    return atomic_load_explicit(&thread->cpu, memory_order_relaxed);
}

/* Have CPUs look for something to run. */
static void call_cpus(uint64_t mask)
{
    uint32_t self = hal_cpu_id();

    for (mask &= cpu_online_mask(); mask != 0; mask &= mask - 1) {
        uint32_t cpu = (uint32_t)__builtin_ctzll(mask);

        if (cpu == self) {
            thread_current()->reschedule = true;
        } else {
            hal_interrupt_send(cpu, HAL_VECTOR_RESCHEDULE);
        }
    }
}

/* Queue a thread in core's own queue of its CPU, or of another while that one leaves; answers the
 * CPU. */
static uint64_t wait_in_core(struct thread *thread)
{
    uint32_t cpu = waiting_place(thread);

    if (HX_UNLIKELY(!cpu_is_open(cpu))) {
        dispatch_enqueue(thread); /* nobody is served: so it comes to core's own queue */
        return 0;
    }
    (void)fifo_enqueue(thread, cpu);
    return 1ULL << cpu;
}

/*
 * Take all offered threads; answers the CPUs that have work now. The lock keeps threads from being
 * offered to the next instance, but for those by a CPU that has looked at is_served before: hence
 * the look at the holder for each.
 */
static uint64_t rescue_all_locked(void)
{
    struct thread_table_walk walk = thread_table_walk_from(0);
    struct thread_place *place;
    uint64_t cpus = 0;
    uint64_t handle;

    while ((place = thread_table_next_offered(&walk, &handle)) != NULL &&
           slot_instance(slot) == NULL) {
        if (thread_place_take(place, handle)) {
            cpus |= wait_in_core(place->thread);
        }
    }
    return cpus;
}

/* Answers the CPUs that have work now. */
static uint64_t rescue_locked(void)
{
    if (slot_instance(slot) != NULL) {
        return 0;
    }
    atomic_store_explicit(&is_served, false, memory_order_relaxed);
    atomic_fetch_and_explicit(&plainness, ~(uint64_t)PLAIN, memory_order_relaxed);
    return rescue_all_locked();
}

void scheduler_slot_rescue(void)
{
    hal_interrupt_state state = spinlock_acquire(&service_lock);
    uint64_t cpus = rescue_locked();

    spinlock_release_nested(&service_lock);
    call_cpus(cpus);
    hal_interrupts_restore(state);
}

void scheduler_slot_hold(void)
{
    mutex_lock(&slot->change);
}

void scheduler_slot_let_go(void)
{
    mutex_unlock(&slot->change);
}

/* There is an instance: threads are offered to it from now on. */
static HX_NOINLINE void begin_service(void)
{
    spinlock_acquire_nested(&service_lock);
    atomic_store_explicit(&is_served, slot_instance(slot) != NULL, memory_order_relaxed);
    spinlock_release_nested(&service_lock);
}

/* With the slot filled or emptied, by a change or a death, threads go elsewhere. */
static void follow_holder(void)
{
    bool is_there = slot_instance(slot) != NULL;

    if (HX_LIKELY(is_there == atomic_load_explicit(&is_served, memory_order_relaxed))) {
        return;
    }
    if (is_there) {
        begin_service();
    } else {
        scheduler_slot_rescue();
    }
}

/* Whoever found the gate closed and went idle is told that it is open. */
static void call_missed_cpus(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&missed_cpus, memory_order_relaxed) != 0) &&
        atomic_load_explicit(&slot->way, memory_order_acquire) != SLOT_WAY_CLOSED) {
        call_cpus(atomic_exchange_explicit(&missed_cpus, 0, memory_order_relaxed));
    }
}

/* Nothing to run while the gate is closed; whether it has been opened meanwhile. */
static bool note_missed(uint32_t cpu)
{
    /* Sequential: pairs with the store in slot.c that opens the gate, and call_missed_cpus of the
     * CPU that did it: one of the two sees the other. */
    atomic_fetch_or_explicit(&missed_cpus, 1ULL << cpu, memory_order_seq_cst);
    return atomic_load_explicit(&slot->way, memory_order_seq_cst) != SLOT_WAY_CLOSED;
}

/*
 * Of a thread that somebody else has taken meanwhile, only its place is still to be looked at. That
 * somebody cannot have offered it again to another instance, which would then name a thread that
 * was taken from it here: an instance begins to serve only when all CPUs have been through
 * wait_for_offers.
 */
static HX_NOINLINE bool enqueue_refused(struct thread *thread, struct thread_place *place,
                                        uint64_t handle, uint32_t cpu)
{
    return thread_place_take(place, handle) && fifo_enqueue(thread, cpu);
}

/* As the module has no answer. Called by the dispatcher, which holds no lock. */
static HX_NOINLINE struct thread *pick_alone(uint32_t cpu, hx_err error)
{
    struct thread *thread;

    if ((error == HX_ENOENT || error == HX_EDIED) &&
        atomic_load_explicit(&is_served, memory_order_relaxed)) {
        scheduler_slot_rescue();
    }
    slot_tell_troubles();
    thread = scheduler_fifo.pick(cpu);
    if (thread == NULL && error == HX_OK && lost_thread_look(cpu)) {
        slot_end(slot, DEATH_LOST_THREAD);
        return pick_alone(cpu, HX_EDIED);
    }
    if (thread == NULL && error == HX_EAGAIN && note_missed(cpu)) {
        call_cpus(1ULL << cpu);
    } else if (error != HX_EAGAIN) {
        call_missed_cpus();
    }
    return thread;
}

/* The module named a thread that is not its own. */
static HX_COLD struct thread *pick_again(struct thread *thread, uint32_t cpu)
{
    slot_distrust(slot);
    if (thread != NULL) {
        (void)fifo_enqueue(thread, waiting_place(thread));
    }
    return pick_alone(cpu, HX_EDIED);
}

/* --- the policy ------------------------------------------------------------------------------- */

static void slot_init(void)
{
    scheduler_fifo.init();
}

/* While the gate is closed nothing is offered: see wait_for_offers. */
static HX_ALWAYS_INLINE bool can_offer(void)
{
    return HX_LIKELY(atomic_load_explicit(&is_served, memory_order_relaxed)) &&
           HX_LIKELY(atomic_load_explicit(&slot->way, memory_order_relaxed) != SLOT_WAY_CLOSED);
}

/* All is read before the thread is offered: from then on another CPU may take it, and it may end.
 */
static HX_ALWAYS_INLINE struct hal_gate_result offer(struct thread *thread, uint32_t cpu,
                                                     struct thread_place *place, uint64_t handle)
{
    uint64_t priority = thread_priority_word(thread);
    uint64_t affinity = thread_affinity(thread);
    struct slot *scheduler = slot; /* read before the place is written */

    thread_place_offer(place, handle, affinity, priority);
    return hal_gate_call(handle, cpu, priority, affinity, &scheduler->gate, SCHEDULER_ENQUEUE);
}

static bool slot_enqueue(struct thread *thread, uint32_t cpu)
{
    struct thread_place *place = thread->place;
    uint64_t handle = thread->handle;
    struct hal_gate_result result;

    if (!can_offer()) {
        return fifo_enqueue(thread, cpu);
    }
    result = offer(thread, cpu, place, handle);
    if (HX_LIKELY(result.error == HX_OK) && HX_LIKELY(result.value < HX_SCHEDULER_REFUSED)) {
        _Static_assert(HX_SCHEDULER_QUEUED == 0 && HX_SCHEDULER_PREEMPTS == 1,
                       "its answer as it is");
        return (result.value & 1) != 0;
    }
    return enqueue_refused(thread, place, handle, cpu);
}

/* Of a CPU by itself; touched by it alone. */
#define PREEMPTIONS_MAX 1000U /* since its last tick */

static struct {
    uint64_t ticks; /* when it was counted last */
    uint32_t count;
} preemptions[HAL_CPU_MAX];

/* Whether the module has ended because it always passes over the same one. */
static bool look_for_passed_over(uint32_t cpu)
{
    bool is_found = passed_over_look(cpu, thread_priority_word(thread_current()));

    if (HX_UNLIKELY(is_found)) {
        slot_end(slot, DEATH_LOST_THREAD);
    }
    return is_found;
}

/* Each is an interrupt of this CPU, and comes before its ticks: a module that wants one at every
 * turn would leave no room for those, and for all that waits for a time. */
static void preempt(uint32_t cpu)
{
    uint64_t ticks = thread_tick_count(cpu);

    if (preemptions[cpu].ticks != ticks) {
        preemptions[cpu].ticks = ticks;
        preemptions[cpu].count = 0;
    }
    if (++preemptions[cpu].count > PREEMPTIONS_MAX) {
        slot_distrust(slot);
    } else {
        hal_interrupt_send(cpu, HAL_VECTOR_RESCHEDULE);
    }
}

static HX_NOINLINE void requeue_otherwise(struct thread *thread, struct thread_place *place,
                                          uint64_t handle, struct hal_gate_result result)
{
    if (result.error == HX_OK && result.value == HX_SCHEDULER_PREEMPTS) {
        preempt(hal_cpu_id());
    } else {
        (void)enqueue_refused(thread, place, handle, hal_cpu_id());
    }
}

static void slot_requeue(struct thread *thread, uint32_t cpu)
{
    struct thread_place *place = thread->place;
    uint64_t handle = thread->handle;
    struct hal_gate_result result;

    if (!can_offer()) {
        (void)fifo_enqueue(thread, cpu);
        return;
    }
    result = offer(thread, cpu, place, handle);
    if (HX_UNLIKELY(result.error != HX_OK) || HX_UNLIKELY(result.value != HX_SCHEDULER_QUEUED)) {
        requeue_otherwise(thread, place, handle, result);
    }
}

/* Whether a pick goes to core's own queue, when all is not plain. */
static HX_NOINLINE bool is_cores_turn(uint32_t cpu)
{
    follow_holder();
    look_whether_plain();
    return scheduler_fifo.length(cpu) != 0 ||
           !atomic_load_explicit(&is_served, memory_order_relaxed);
}

static struct thread *slot_pick(uint32_t cpu)
{
    struct hal_gate_result result;
    struct thread *thread;

    if (HX_UNLIKELY((atomic_load_explicit(&plainness, memory_order_relaxed) & PLAIN) == 0) &&
        is_cores_turn(cpu)) {
        return scheduler_fifo.pick(cpu);
    }
    result = ask(SCHEDULER_PICK, cpu, 0, 0, 0);
    if (HX_UNLIKELY(result.error != HX_OK)) {
        return pick_alone(cpu, result.error);
    }
    if (HX_UNLIKELY(result.value == 0)) {
        return pick_alone(cpu, HX_OK);
    }
    thread = thread_table_take(result.value);
    if (HX_UNLIKELY(thread == NULL || (thread_affinity(thread) >> cpu & 1) == 0)) {
        return pick_again(thread, cpu);
    }
    return thread;
}

static uint32_t slot_length(uint32_t cpu)
{
    uint32_t length = scheduler_fifo.length(cpu);
    struct hal_gate_result result;

    follow_holder();
    call_missed_cpus();
    if (length != 0 || !atomic_load_explicit(&is_served, memory_order_relaxed)) {
        return length;
    }
    result = ask(SCHEDULER_LENGTH, cpu, 0, 0, 0);
    if (HX_UNLIKELY(result.error != HX_OK)) {
        slot_tell_troubles();
        return 0;
    }
    return (uint32_t)result.value;
}

static bool slot_is_over(const struct thread *running, uint32_t cpu)
{
    struct hal_gate_result result;

    if (!atomic_load_explicit(&is_served, memory_order_relaxed)) {
        return scheduler_fifo.is_over(running, cpu);
    }
    if (look_for_passed_over(cpu)) {
        return true;
    }
    result = ask(SCHEDULER_IS_OVER, cpu, running->slice_ticks, thread_priority_word(running), 0);
    return result.error == HX_OK ? result.value != 0 : scheduler_fifo.is_over(running, cpu);
}

/* While the gate is closed nothing is told: kern/inheritance.h does so again. */
static bool slot_reprioritize(struct thread *thread)
{
    struct hal_gate_result result;
    uint32_t state = atomic_load_explicit(&thread->state, memory_order_relaxed);
    bool is_running = (state & THREAD_STATE_MASK) == THREAD_RUNNING;

    if (thread->place == NULL || !atomic_load_explicit(&is_served, memory_order_relaxed)) {
        return false;
    }
    result = ask(SCHEDULER_REPRIORITIZE, thread->handle, waiting_place(thread),
                 thread_priority_word(thread), is_running);
    return result.error == HX_OK && result.value == HX_SCHEDULER_PREEMPTS;
}

static const struct scheduler_ops slot_policy = {
    .name = "slot",
    .init = slot_init,
    .enqueue = slot_enqueue,
    .requeue = slot_requeue,
    .pick = slot_pick,
    .length = slot_length,
    .is_over = slot_is_over,
    .reprioritize = slot_reprioritize,
};

void scheduler_slot_install(struct slot *scheduler)
{
    slot = scheduler;
    spinlock_init(&service_lock, LOCK_RANK_SCHEDULER, "scheduler service");
    atomic_store_explicit(&missed_cpus, 0, memory_order_relaxed);
    atomic_store_explicit(&plainness, 0, memory_order_relaxed);
    atomic_store_explicit(&is_served, false, memory_order_relaxed);
}

/* --- the module's side ------------------------------------------------------------------------ */

static void pass_barrier(void *argument)
{
    (void)argument;
}

/*
 * An instance is about to begin, and from here on no thread is offered until it has: the gate is
 * closed, or nobody is served. Whoever looked before may still be between the offer and taking it
 * back, but has interrupts off, and has answered this when it returns.
 */
static void wait_for_offers(void)
{
    cpu_call(cpu_online_mask(), pass_barrier, NULL);
}

/* The gate is closed, so nobody takes the thread while it is looked at. */
static inline struct hx_runnable describe(const struct thread *thread, uint64_t handle)
{
    return (struct hx_runnable){.thread = handle,
                                .affinity = thread_affinity(thread),
                                .cpu = waiting_place(thread),
                                .priority = thread_priority_word(thread)};
}

/*
 * While the slot is being filled, an instance begins without any: what an instance before it had is
 * core's again. In a swap, the gate is closed and the threads are those of the one that leaves.
 * Returns how many there are.
 */
static uint64_t collect(struct hx_runnable *threads, uint64_t max, uint32_t *cursor)
{
    hal_interrupt_state state = spinlock_acquire(&service_lock);
    bool is_swap = slot_instance(slot) != NULL;
    struct thread_table_walk walk = thread_table_walk_from(is_swap ? *cursor : UINT32_MAX);
    struct thread_place *place;
    uint64_t count = 0;
    uint64_t handle;

    while (count < max && (place = thread_table_next_offered(&walk, &handle)) != NULL) {
        threads[count++] = describe(place->thread, handle);
    }
    spinlock_release(&service_lock, state);
    *cursor = thread_table_walk_index(&walk);
    return count;
}

/* Copy the threads from the module's cursor on out, and the cursor behind them. */
static hx_err tell_runnables(struct hal_activation *activation, const uint64_t arguments[4],
                             uint64_t place)
{
    struct hx_runnable threads[HX_RUNNABLE_MAX]; /* not cleared: it is large */
    uint32_t cursor = (uint32_t)place;
    uint64_t count = collect(threads, arguments[2], &cursor);
    hx_err error = callout_copy_out(activation, arguments[1], threads, count * sizeof(threads[0]));

    place = cursor;
    if (error == HX_OK) {
        error = callout_copy_out(activation, arguments[3], &count, sizeof(count));
    }
    return error == HX_OK ? callout_copy_out(activation, arguments[0], &place, sizeof(place))
                          : error;
}

/* The caller is one that is told to begin, not another module, and no operation of its. */
static bool is_scheduler(const struct hal_activation *activation)
{
    return callout_instance(activation)->category == HX_CATEGORY_SCHEDULER && context_can_block();
}

uint64_t callout_runnable_threads(struct hal_activation *activation, const uint64_t arguments[4])
{
    uint64_t place;
    hx_err error = callout_copy_in(activation, &place, arguments[0], sizeof(place));

    if (error != HX_OK) {
        return error;
    }
    if (arguments[2] == 0 || arguments[2] > HX_RUNNABLE_MAX) {
        return HX_EINVAL;
    }
    if (!is_scheduler(activation)) {
        return HX_ECONTEXT;
    }
    if (place == 0) {
        dispatch_set_policy(&slot_policy); /* the first time; core's own queues are part of it */
        scheduler_slot_rescue();
        wait_for_offers();
    }
    return tell_runnables(activation, arguments, place);
}

uint64_t callout_runnable_refuse(struct hal_activation *activation, const uint64_t arguments[4])
{
    hal_interrupt_state state;
    struct thread *thread;

    if (!is_scheduler(activation) ||
        atomic_load_explicit(&slot->way, memory_order_relaxed) != SLOT_WAY_CLOSED) {
        return HX_ECONTEXT;
    }
    state = hal_interrupts_save();
    thread = thread_table_take(arguments[0]);
    if (thread != NULL) {
        (void)fifo_enqueue(thread, waiting_place(thread));
    }
    hal_interrupts_restore(state);
    return thread != NULL ? HX_OK : HX_ENOENT;
}
