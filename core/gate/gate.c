/* Calls into modules, and the ways out of them. */
#include <base/assert.h>
#include <core/debug/log.h>
#include <core/gate/activation.h>
#include <core/gate/gate.h>
#include <hal/frame.h>
#include <kern/thread.h>

#define STACK_STRIDE ((INSTANCE_STACK_PAGES + 1) * HAL_PAGE_SIZE) /* a guard page below each */

/* --- leaving ---------------------------------------------------------------------------------------- */

/*
 * The thread is out of the instance, which may be gone from here on; the slot lives for ever. slot_drain
 * sets is_draining before it looks at the threads and makes every CPU pass a barrier in between, so
 * either it sees our store or we see its flag.
 */
static HX_ALWAYS_INLINE void leave(struct thread *self, struct slot *slot,
                                   const struct activation *activation)
{
    self->activation = activation->previous;
    self->gate_depth--;
    atomic_store_explicit(&self->gate_inside[self->gate_depth], NULL, memory_order_release);
    atomic_signal_fence(memory_order_seq_cst);
    if (HX_UNLIKELY(atomic_load_explicit(&slot->is_draining, memory_order_relaxed))) {
        wait_queue_wake_all(&slot->drained);
    }
}

/* The call came to nothing: leave, and say why. */
static HX_NOINLINE struct gate_result failed(struct thread *self, struct slot *slot,
                                             const struct activation *activation)
{
    struct module_instance *instance = activation->instance;

    if (activation->outcome == HX_EDIED) {
        atomic_fetch_add_explicit(&slot->deaths, 1, memory_order_relaxed);
        /* Nobody else shall enter. While we are inside, the instance cannot be another one. */
        atomic_compare_exchange_strong_explicit(&slot->active, &instance, NULL,
                                                memory_order_acq_rel, memory_order_relaxed);
    }
    leave(self, slot, activation);
    return (struct gate_result){.error = activation->outcome,
                                .may_have_run = activation->has_effects};
}

/* An operation came back with interrupts in another state than it was called with. */
static HX_NOINLINE void punish_interrupt_flag(struct activation *activation)
{
    if (activation->interrupts_enabled) {
        hal_interrupts_enable();
    } else {
        hal_interrupts_disable();
    }
    instance_doom(activation->instance, DEATH_INTERRUPTS, 0, activation->hal.pc, 0);
    activation->outcome = HX_EDIED;
}

/* --- calling an unprivileged instance ----------------------------------------------------------------- */

static bool take_stack(struct module_instance *instance, unsigned *index)
{
    uint64_t mask = atomic_load_explicit(&instance->free_stacks, memory_order_relaxed);

    while (mask != 0) {
        unsigned lowest = (unsigned)__builtin_ctzll(mask);

        /* Acquire: pairs with give_stack's release, the last user's writes are done. */
        if (atomic_compare_exchange_weak_explicit(&instance->free_stacks, &mask,
                                                  mask & ~(1ULL << lowest), memory_order_acquire,
                                                  memory_order_relaxed)) {
            *index = lowest;
            return true;
        }
    }
    return false;
}

static void give_stack(struct module_instance *instance, unsigned index)
{
    atomic_fetch_or_explicit(&instance->free_stacks, 1ULL << index, memory_order_release);
}

static HX_NOINLINE uint64_t call_user(struct activation *activation, uintptr_t target, uint64_t a0,
                                      uint64_t a1, uint64_t a2, uint64_t a3)
{
    struct module_instance *instance = activation->instance;
    struct hal_user_gate gate = instance->gate;
    unsigned index;
    uint64_t value;

    if (!take_stack(instance, &index)) {
        activation->outcome = HX_EAGAIN;
        return 0;
    }
    gate.stack_top = instance->stacks + (index + 1) * STACK_STRIDE;
    value = hal_gate_call_user(&activation->hal, target, &gate, a0, a1, a2, a3);
    give_stack(instance, index);
    return value;
}

/* --- calling -------------------------------------------------------------------------------------------- */

static HX_NOINLINE struct gate_result refuse(const struct module_instance *instance,
                                             uint32_t operation)
{
    hx_err error = HX_ERANGE;

    if (instance == NULL) {
        error = HX_ENOENT;
    } else if (operation >= instance->operation_count) {
        error = HX_ENOSYS;
    }
    preempt_enable();
    return (struct gate_result){.error = error};
}

/* No canary: the activation is what protects this frame, and the call is on the hottest paths. */
__attribute__((no_stack_protector)) struct gate_result
gate_call(struct slot *slot, uint32_t operation, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    struct thread *self = thread_current();
    struct activation activation;
    struct module_instance *instance;
    uint64_t value;

    /* Read section: slot_empty waits for it, so whom it misses has published where he is. */
    preempt_disable();
    instance = atomic_load_explicit(&slot->active, memory_order_acquire);
    if (HX_UNLIKELY(instance == NULL || operation >= instance->operation_count ||
                    self->gate_depth >= THREAD_GATE_DEPTH)) {
        return refuse(instance, operation);
    }
    activation.previous = self->activation;
    activation.instance = instance;
    activation.ticks_left = slot->deadline_ticks;
    activation.callout_depth = 0;
    activation.interrupt_depth = self->interrupt_depth;
    activation.has_effects = false;
    activation.outcome = HX_OK;
    activation.interrupts_enabled = hal_interrupts_enabled();
    atomic_store_explicit(&self->gate_inside[self->gate_depth], instance, memory_order_relaxed);
    self->gate_depth++;
    self->activation = &activation;
    preempt_enable();

    if (instance->backend == GATE_OPEN) {
        value = hal_gate_call_open(&activation.hal, instance->operations[operation], a0, a1, a2, a3);
        if (HX_UNLIKELY(hal_interrupts_enabled() != activation.interrupts_enabled)) {
            punish_interrupt_flag(&activation);
        }
    } else {
        value = call_user(&activation, instance->operations[operation], a0, a1, a2, a3);
    }
    if (HX_UNLIKELY(activation.outcome != HX_OK)) {
        return failed(self, slot, &activation);
    }
    leave(self, slot, &activation);
    return (struct gate_result){.error = HX_OK, .value = value};
}

/* --- death ---------------------------------------------------------------------------------------------- */

/*
 * Make the innermost call return to its caller as abandoned. Module code cannot change the thread's
 * depths (callouts are balanced), so they are as they were at entry.
 */
static void abandon(struct hal_frame *frame, struct activation *activation)
{
    activation->outcome = HX_EDIED;
    hal_gate_abandon_frame(frame, &activation->hal, activation->instance->backend == GATE_USER);
}

/* Whether module code, and nothing of core's on top of it, is what the frame interrupted. */
static bool is_module_code(const struct hal_frame *frame, const struct activation *activation)
{
    const struct module_instance *instance = activation->instance;

    if (activation->callout_depth != 0) {
        return false;
    }
    if (instance->backend == GATE_USER) {
        return hal_frame_is_user(frame);
    }
    return hal_frame_pc(frame) - instance->text.base < instance->text.size;
}

bool gate_handle_exception(struct hal_frame *frame)
{
    struct thread *self = thread_current();
    struct activation *activation = self->activation;

    /* An interrupt handler's fault, or core's own inside a callout, is not the module's. */
    if (activation == NULL || activation->callout_depth != 0 ||
        self->interrupt_depth != activation->interrupt_depth || self->nmi_depth != 0) {
        return false;
    }
    instance_doom(activation->instance, DEATH_EXCEPTION, hal_frame_exception(frame),
                  hal_frame_pc(frame), hal_frame_fault_address(frame));
    abandon(frame, activation);
    return true;
}

void gate_handle_interrupt(struct hal_frame *frame, bool is_tick)
{
    struct thread *self = thread_current();
    struct activation *activation = self->activation;

    if (activation == NULL || self->interrupt_depth != activation->interrupt_depth + 1 ||
        !is_module_code(frame, activation)) {
        return;
    }
    if (is_tick && --activation->ticks_left == 0) {
        instance_doom(activation->instance, DEATH_DEADLINE, 0, hal_frame_pc(frame), 0);
    }
    if (atomic_load_explicit(&activation->instance->is_doomed, memory_order_relaxed)) {
        abandon(frame, activation);
    }
}
