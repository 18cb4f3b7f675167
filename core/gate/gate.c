/* The ways out of a call into a module that do not lead through its return; see hal/gate.h for the
 * others. */
#include <core/gate/gate.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <kern/thread.h>

struct hal_activation *gate_activation(const struct thread *self)
{
    struct hal_activation *top = hal_gate_top(&self->hal);

    return top == self->gate_records ? NULL : top - 1;
}

/*
 * Whose code a record is of. NULL: of nobody's, also while it names what stands for no instance: an
 * interrupt may come just then.
 */
static struct module_instance *activation_instance(const struct hal_activation *activation)
{
    struct hal_gate_instance *gate =
        atomic_load_explicit(&activation->instance, memory_order_relaxed);

    return gate != NULL && (gate->backend == HAL_GATE_OPEN || gate->backend == HAL_GATE_USER)
               ? instance_of(gate)
               : NULL;
}

/* A call that has failed leaves: hal/entry.h says how it came here. */
struct hal_gate_result kernel_gate_failed(struct hal_activation *activation)
{
    struct module_instance *instance = activation_instance(activation);
    struct thread *self = thread_current();
    struct hal_gate_result result = {.error = activation->outcome,
                                     .may_have_run = activation->has_effects != 0};

    if (activation->outcome == HX_ESTATE) {
        instance_doom(instance, DEATH_INTERRUPTS, 0, 0, 0);
        result.error = HX_EDIED;
    }
    if (result.error == HX_EDIED) {
        slot_instance_died(instance);
    }
    atomic_store_explicit(&activation->instance, NULL, memory_order_release);
    hal_gate_pop(&self->hal);
    if (atomic_load_explicit(&hal_gate_drains, memory_order_relaxed) != 0) {
        kernel_gate_left();
    }
    return result;
}

struct hal_gate_result gate_call_recorded(struct slot *slot, uint32_t operation, uint64_t a0,
                                          uint64_t a1, uint64_t a2, uint64_t a3)
{
    struct hal_gate_result result;

    recorder_write(RECORDER_GATE, (uintptr_t)slot, operation, 0);
    result = hal_gate_call(a0, a1, a2, a3, &slot->gate, operation);
    recorder_write(RECORDER_LEAVE, result.value, operation, (uint32_t)result.error);
    return result;
}

void gate_abandon(struct hal_frame *frame, struct hal_activation *activation)
{
    activation->outcome = HX_EDIED;
    hal_gate_abandon_frame(frame, activation);
}

static bool is_code_of(const struct hal_frame *frame, const struct module_instance *instance)
{
    if (instance->gate.backend == HAL_GATE_USER) {
        return hal_frame_is_user(frame);
    }
    return hal_frame_pc(frame) - instance->text.base < instance->text.size;
}

struct module_instance *gate_interrupted(const struct hal_frame *frame,
                                         const struct hal_activation *activation)
{
    struct module_instance *instance = activation_instance(activation);

    return instance != NULL && activation->callout_depth == 0 && is_code_of(frame, instance)
               ? instance
               : NULL;
}

/* Interrupts call the scheduler's module, and no other. */
static bool was_called_by_interrupt(const struct hal_frame *frame,
                                    const struct hal_activation *activation)
{
    const struct module_instance *instance = gate_interrupted(frame, activation);

    return instance != NULL && instance->category == HX_CATEGORY_SCHEDULER;
}

static _Atomic(gate_trap_handler) trap_handler;

void gate_set_trap_handler(gate_trap_handler handler)
{
    atomic_store_explicit(&trap_handler, handler, memory_order_release);
}

static _Atomic(gate_fault_handler) fault_handler;

void gate_set_fault_handler(gate_fault_handler handler)
{
    atomic_store_explicit(&fault_handler, handler, memory_order_release);
}

bool gate_makes_fault(const struct module_instance *instance, enum gate_fault fault,
                      uint64_t *chance)
{
    gate_fault_handler handler = atomic_load_explicit(&fault_handler, memory_order_acquire);

    return handler != NULL && handler(instance, fault, chance);
}

static bool is_expected_trap(struct module_instance *instance, struct hal_frame *frame)
{
    gate_trap_handler handler = atomic_load_explicit(&trap_handler, memory_order_acquire);

    return handler != NULL && hal_frame_exception(frame) == HAL_EXCEPTION_BREAKPOINT &&
           handler(instance, frame);
}

bool gate_handle_exception(struct hal_frame *frame)
{
    struct thread *self = thread_current();
    struct hal_activation *activation = gate_activation(self);

    /* An interrupt handler's fault, or core's own inside a callout, is not the module's. */
    if (activation == NULL || activation->callout_depth != 0 || self->nmi_depth != 0 ||
        activation_instance(activation) == NULL) {
        return false;
    }
    if (self->interrupt_depth != 0 && !was_called_by_interrupt(frame, activation)) {
        return false;
    }
    if (is_expected_trap(activation_instance(activation), frame)) {
        return true;
    }
    instance_doom(activation_instance(activation), DEATH_EXCEPTION, hal_frame_exception(frame),
                  hal_frame_pc(frame), hal_frame_fault_address(frame));
    gate_abandon(frame, activation);
    return true;
}

/* Somebody wants to know where this thread is. */
static void tell_place(const struct hal_frame *frame, const struct thread *self,
                       struct instance_probe *probe)
{
    uintptr_t pc = hal_frame_pc(frame);
    uintptr_t fp = hal_frame_fp(frame);
    uint32_t depth = 0;

    if (atomic_load_explicit(&probe->thread, memory_order_acquire) != self->id ||
        atomic_load_explicit(&probe->depth, memory_order_relaxed) != 0) {
        return;
    }
    do {
        probe->places[depth++] = pc;
    } while (depth < INSTANCE_PROBE_DEPTH && !hal_frame_is_user(frame) && hal_frame_walk(&fp, &pc));
    atomic_store_explicit(&probe->depth, depth, memory_order_release);
}

void gate_handle_interrupt(struct hal_frame *frame, bool is_tick)
{
    struct thread *self = thread_current();
    struct hal_activation *activation = gate_activation(self);
    struct module_instance *instance;

    if (activation == NULL || self->interrupt_depth != 1) {
        return;
    }
    instance = gate_interrupted(frame, activation);
    if (instance == NULL) {
        return;
    }
    tell_place(frame, self, &instance->probe);
    if (is_tick && --activation->ticks_left == 0) {
        instance_doom(instance, DEATH_DEADLINE, 0, hal_frame_pc(frame), 0);
    }
    if (atomic_load_explicit(&instance->is_doomed, memory_order_relaxed)) {
        gate_abandon(frame, activation);
    }
}
