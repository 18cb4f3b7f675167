/* The policy that asks a module. */
#include <core/gate/callout.h>
#include <core/gate/gate.h>
#include <core/scheduling/scheduler_slot.h>
#include <hal/gate.h>
#include <helix/scheduler.h>
#include <kern/cpu.h>
#include <kern/dispatch.h>
#include <kern/scheduler.h>
#include <kern/thread.h>

static struct slot *slot;

/* An instance has asked for the runnable threads: it has some of them. */
static _Atomic bool is_served;

static uint64_t priority_word(const struct thread *thread)
{
    return thread->priority | (uint64_t)(thread_nice(thread) + 20) << 8;
}

static struct hal_gate_result ask(enum hx_scheduler_operation operation, uint64_t a0, uint64_t a1,
                                  uint64_t a2, uint64_t a3)
{
    return hal_gate_call(a0, a1, a2, a3, &slot->gate, operation);
}

/* --- when the module is not there, or not to be trusted ----------------------------------------
 */

static uint32_t waiting_place(const struct thread *thread)
{
    uint32_t cpu = atomic_load_explicit(&thread->cpu, memory_order_relaxed);

    return (thread->affinity >> cpu & 1) != 0 ? cpu
                                              : cpu_next(thread->affinity & cpu_online_mask(), cpu);
}

static bool rescue_one(struct thread *thread, uint64_t handle, void *argument)
{
    (void)argument;
    if (thread_place_withdraw(thread->place, handle)) {
        (void)scheduler_fifo.enqueue(thread, waiting_place(thread));
    }
    return true;
}

static void rescue(void)
{
    uint32_t cursor = 0;

    thread_table_each_offered(&cursor, rescue_one, NULL);
}

void scheduler_slot_rescue(void)
{
    hal_interrupt_state state = hal_interrupts_save();

    if (slot_instance(slot) == NULL) {
        rescue();
    }
    hal_interrupts_restore(state);
}

static HX_NOINLINE bool enqueue_refused(struct thread *thread, uint32_t cpu)
{
    return thread_place_withdraw(thread->place, thread->handle) &&
           scheduler_fifo.enqueue(thread, cpu);
}

/* It named a thread that is not its own. */
static HX_COLD void distrust(void)
{
    struct module_instance *instance = slot_instance(slot);

    if (instance != NULL) {
        instance_doom(instance, DEATH_LIE, 0, 0, 0);
        slot_instance_died(instance);
    }
}

/* Without a module, or as it has no answer. Called by the dispatcher, which holds no lock. */
static HX_NOINLINE struct thread *pick_alone(uint32_t cpu, hx_err error)
{
    if (error == HX_ENOENT || error == HX_EDIED) {
        if (atomic_exchange_explicit(&is_served, false, memory_order_relaxed)) {
            rescue();
        }
        slot_tell_troubles();
    }
    return scheduler_fifo.pick(cpu);
}

static HX_COLD struct thread *pick_again(struct thread *thread, uint32_t cpu)
{
    distrust();
    if (thread != NULL) {
        (void)scheduler_fifo.enqueue(thread, waiting_place(thread));
    }
    return pick_alone(cpu, HX_EDIED);
}

/* --- the policy ------------------------------------------------------------------------------- */

static void slot_init(void)
{
    scheduler_fifo.init();
}

static bool slot_enqueue(struct thread *thread, uint32_t cpu)
{
    struct hal_gate_result result;

    if (HX_UNLIKELY(!atomic_load_explicit(&is_served, memory_order_relaxed))) {
        return scheduler_fifo.enqueue(thread, cpu);
    }
    thread_place_offer(thread->place, thread->handle);
    result = ask(SCHEDULER_ENQUEUE, thread->handle, cpu, priority_word(thread), thread->affinity);
    if (HX_UNLIKELY(result.error != HX_OK || result.value == HX_SCHEDULER_REFUSED)) {
        return enqueue_refused(thread, cpu);
    }
    return result.value == HX_SCHEDULER_PREEMPTS;
}

static struct thread *slot_pick(uint32_t cpu)
{
    struct hal_gate_result result;
    struct thread *thread;

    if (HX_UNLIKELY(scheduler_fifo.length(cpu) != 0 ||
                    !atomic_load_explicit(&is_served, memory_order_relaxed))) {
        return scheduler_fifo.pick(cpu);
    }
    result = ask(SCHEDULER_PICK, cpu, 0, 0, 0);
    if (HX_UNLIKELY(result.error != HX_OK || result.value == 0)) {
        return pick_alone(cpu, result.error);
    }
    thread = thread_table_take(result.value);
    if (HX_UNLIKELY(thread == NULL || (thread->affinity >> cpu & 1) == 0)) {
        return pick_again(thread, cpu);
    }
    return thread;
}

static uint32_t slot_length(uint32_t cpu)
{
    uint32_t length = scheduler_fifo.length(cpu);
    struct hal_gate_result result;

    if (length != 0 || !atomic_load_explicit(&is_served, memory_order_relaxed)) {
        return length;
    }
    result = ask(SCHEDULER_LENGTH, cpu, 0, 0, 0);
    return result.error == HX_OK ? (uint32_t)result.value : 0;
}

static bool slot_is_over(const struct thread *running, uint32_t cpu)
{
    struct hal_gate_result result;

    if (!atomic_load_explicit(&is_served, memory_order_relaxed)) {
        return scheduler_fifo.is_over(running, cpu);
    }
    result = ask(SCHEDULER_IS_OVER, cpu, running->slice_ticks, priority_word(running), 0);
    return result.error == HX_OK ? result.value != 0 : scheduler_fifo.is_over(running, cpu);
}

static const struct scheduler_ops slot_policy = {
    .name = "slot",
    .init = slot_init,
    .enqueue = slot_enqueue,
    .pick = slot_pick,
    .length = slot_length,
    .is_over = slot_is_over,
};

void scheduler_slot_install(struct slot *scheduler)
{
    slot = scheduler;
    atomic_store_explicit(&is_served, false, memory_order_relaxed);
    dispatch_set_policy(&slot_policy);
}

/* --- the module's side ------------------------------------------------------------------------ */

#define RUNNABLE_MAX 32U

struct runnables {
    struct hx_runnable threads[RUNNABLE_MAX];
    uint64_t count;
    uint64_t max;
};

static bool add_runnable(struct thread *thread, uint64_t handle, void *argument)
{
    struct runnables *all = argument;

    if (all->count == all->max) {
        return false;
    }
    all->threads[all->count++] = (struct hx_runnable){.thread = handle,
                                                      .affinity = thread->affinity,
                                                      .cpu = waiting_place(thread),
                                                      .priority = (uint32_t)priority_word(thread)};
    return true;
}

uint64_t callout_runnable_threads(struct hal_activation *activation, const uint64_t arguments[4])
{
    struct runnables all = {.max = arguments[2]};
    uint64_t place;
    uint32_t cursor;
    hx_err error = callout_copy_in(activation, &place, arguments[0], sizeof(place));

    if (error != HX_OK) {
        return error;
    }
    if (all.max == 0 || all.max > RUNNABLE_MAX) {
        return HX_EINVAL;
    }
    atomic_store_explicit(&is_served, true, memory_order_relaxed);
    cursor = (uint32_t)place;
    thread_table_each_offered(&cursor, add_runnable, &all);
    place = cursor;
    error =
        callout_copy_out(activation, arguments[1], all.threads, all.count * sizeof(all.threads[0]));
    if (error == HX_OK) {
        error = callout_copy_out(activation, arguments[3], &all.count, sizeof(all.count));
    }
    return error == HX_OK ? callout_copy_out(activation, arguments[0], &place, sizeof(place))
                          : error;
}
