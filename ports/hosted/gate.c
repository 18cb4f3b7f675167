/* The machine's half of the gate: calls in the kernel's own mode only. */
#include <base/assert.h>
#include <hal/entry.h>
#include <hal/gate.h>
#include <ports/hosted/machine.h>
#include <ports/hosted/sanitizers.h>
#include <setjmp.h>

/* What the port keeps in hal_activation.machine. */
enum {
    MACHINE_SP,            /* where hosted_gate_enter saved the callee-saved registers */
    MACHINE_INTERRUPTS_ON, /* the caller's flag */
};

_Atomic uint32_t hal_gate_drains;

void hal_gate_init_thread(struct hal_thread *hal, struct hal_activation *records)
{
    hal->gate_top = records;
}

struct hal_activation *hal_gate_top(const struct hal_thread *hal)
{
    return hal->gate_top;
}

void hal_gate_pop(struct hal_thread *hal)
{
    hal->gate_top--;
}

/* The target that stands for a missing operation: called like one, fails like one. */
static uint64_t no_operation(void)
{
    struct hal_activation *record = ((struct hal_thread *)hal_thread_current())->gate_top - 1;

    record->outcome = HX_ENOSYS;
    hal_gate_abandon(record);
}

uintptr_t hal_gate_no_operation(void)
{
    return (uintptr_t)no_operation;
}

/* Store the instance in the record, then look at the slot again: see the rules of hal/gate.h. */
static struct hal_gate_instance *publish(struct hal_activation *record, struct hal_gate_slot *slot)
{
    struct hal_gate_instance *instance = atomic_load_explicit(&slot->active, memory_order_acquire);
    struct hal_gate_instance *seen;

    for (;;) {
        atomic_store_explicit(&record->instance, instance, memory_order_release);
        seen = atomic_load_explicit(&slot->active, memory_order_acquire);
        if (seen == instance) {
            return instance;
        }
        instance = seen;
    }
}

static struct hal_gate_result fail(struct hal_activation *record)
{
    hosted_interrupts_restore((hal_interrupt_state)record->machine[MACHINE_INTERRUPTS_ON]);
    return kernel_gate_failed(record);
}

static struct hal_gate_result leave(struct hal_activation *record, uint64_t value)
{
    /* Release: who finds no call any more may take away what the call has used. */
    atomic_store_explicit(&record->instance, NULL, memory_order_release);
    hal_gate_pop((struct hal_thread *)hal_thread_current());
    if (HX_UNLIKELY(atomic_load_explicit(&hal_gate_drains, memory_order_relaxed) != 0)) {
        kernel_gate_left();
    }
    return (struct hal_gate_result){.error = HX_OK, .value = value};
}

/*
 * Record, call, and look how it came back. An unprivileged instance cannot exist here.
 * TSan counts on each stack how many functions have been entered and not left, and its count runs
 * over after many calls that were abandoned in the middle of some. A longjmp within this function
 * has it forget them.
 */
struct hal_gate_result hal_gate_call(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                     struct hal_gate_slot *slot, uint64_t operation)
{
    struct hal_thread *self = (struct hal_thread *)hal_thread_current();
    struct hal_activation *record = self->gate_top;
    const struct hal_gate_instance *instance;
    struct hosted_gate_return result;
    jmp_buf entered;

    self->gate_top = record + 1; /* first: an interrupt's own call goes on top */
    instance = publish(record, slot);
    if (instance->backend == HAL_GATE_DIVERTED) {
        atomic_store_explicit(&record->instance, NULL, memory_order_release);
        hal_gate_pop(self);
        return kernel_gate_diverted(a0, a1, a2, a3, slot, operation);
    }
    record->ticks_left = slot->deadline_ticks;
    record->callout_depth = 0;
    record->outcome = HX_OK;
    record->has_effects = 0;
    record->machine[MACHINE_INTERRUPTS_ON] = hal_interrupts_enabled() ? 1 : 0;
    if (instance->backend != HAL_GATE_OPEN) {
        record->outcome = HX_ENOENT;
        return fail(record);
    }
    if (HOSTED_TSAN && _setjmp(entered) != 0) {
        return fail(record);
    }
    result = hosted_gate_enter(&record->machine[MACHINE_SP], instance->operations[operation], a0,
                               a1, a2, a3);
    if (result.is_abandoned) {
        if (HOSTED_TSAN) {
            longjmp(entered, 1);
        }
        return fail(record);
    }
    if (record->machine[MACHINE_INTERRUPTS_ON] != (hal_interrupts_enabled() ? 1U : 0U)) {
        record->outcome = HX_ESTATE;
        return fail(record);
    }
    return leave(record, result.value);
}

void hal_gate_abandon_frame(struct hal_frame *frame, struct hal_activation *activation)
{
    hosted_unpoison(frame->rsp, activation->machine[MACHINE_SP]);
    frame->rip = (uint64_t)hosted_gate_abandoned;
    frame->rsp = activation->machine[MACHINE_SP];
    frame->interrupts_enabled = 0; /* until fail() restores the caller's */
}

void hal_gate_abandon(struct hal_activation *activation)
{
    hosted_unpoison((uintptr_t)__builtin_frame_address(0), activation->machine[MACHINE_SP]);
    hosted_gate_abandon(activation->machine[MACHINE_SP]);
}

/* --- what a Linux process cannot imitate: calls in unprivileged mode -------------------------- */

static HX_NORETURN void refuse(const char *function)
{
    assert_failed("there is no user gate on the hosted port", function, __FILE__, __LINE__);
}

uint64_t hal_space_root(const struct hal_space *space)
{
    (void)space;
    return 0;
}

struct hal_range hal_gate_trampoline(void)
{
    return (struct hal_range){.size = 0};
}

void hal_gate_write_thunk(void *place, uint32_t number)
{
    (void)place, (void)number;
    refuse(__func__);
}

uint32_t hal_callout_number(const struct hal_frame *frame)
{
    (void)frame;
    refuse(__func__);
}

uint64_t hal_callout_argument(const struct hal_frame *frame, unsigned index)
{
    (void)frame, (void)index;
    refuse(__func__);
}

void hal_callout_set_result(struct hal_frame *frame, uint64_t result)
{
    (void)frame, (void)result;
    refuse(__func__);
}
