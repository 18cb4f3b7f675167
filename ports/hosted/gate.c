/* The gate in a process (hal/gate.h): calls in the kernel's own mode only. */
#include <base/assert.h>
#include <hal/entry.h>
#include <hal/gate.h>
#include <hal/interrupt.h>
#include <ports/hosted/machine.h>

/* What the port keeps in hal_activation.machine. */
enum record_word {
    RECORD_SP,         /* callee-saved registers lie there: switch.S */
    RECORD_INTERRUPTS, /* the caller's flag */
};

_Atomic uint32_t hal_gate_drains;

/* struct hal_thread is the first member of struct thread (hal/thread.h). */
static struct hal_thread *machine_half(struct thread *thread)
{
    return (struct hal_thread *)thread;
}

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

static void restore_flag(const struct hal_activation *record)
{
    if (record->machine[RECORD_INTERRUPTS] != 0) {
        hal_interrupts_enable();
    } else {
        hal_interrupts_disable();
    }
}

/* Publish the record, then see whether the slot still says the same (hal/gate.h says why). */
static struct hal_gate_instance *push_record(struct hal_thread *self, struct hal_gate_slot *slot)
{
    struct hal_activation *record = self->gate_top;
    struct hal_gate_instance *instance;

    do {
        instance = atomic_load_explicit(&slot->active, memory_order_acquire);
        atomic_store_explicit(&record->instance, instance, memory_order_seq_cst);
    } while (instance != atomic_load_explicit(&slot->active, memory_order_seq_cst));
    record->ticks_left = slot->deadline_ticks;
    record->callout_depth = slot->zero;
    record->slot = slot;
    record->outcome = HX_OK;
    record->has_effects = 0;
    record->machine[RECORD_INTERRUPTS] = hal_interrupts_enabled() ? 1 : 0;
    self->gate_top++;
    return instance;
}

struct hal_gate_result hal_gate_call(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                     struct hal_gate_slot *slot, uint64_t operation)
{
    struct hal_thread *self = machine_half(hal_thread_current());
    struct hal_gate_instance *instance = push_record(self, slot);
    struct hal_activation *record = self->gate_top - 1;
    uint64_t value = 0;

    if (instance->backend != HAL_GATE_OPEN) {
        record->outcome = HX_ENOENT;
    } else {
        value = hosted_gate_call(&record->machine[RECORD_SP], instance->operations[operation], a0, a1,
                                 a2, a3);
    }
    if (hal_interrupts_enabled() != (record->machine[RECORD_INTERRUPTS] != 0)) {
        record->outcome = record->outcome == HX_OK ? HX_ESTATE : record->outcome;
        restore_flag(record);
    }
    if (record->outcome != HX_OK) {
        return kernel_gate_failed(slot, record);
    }
    atomic_store_explicit(&record->instance, NULL, memory_order_seq_cst);
    self->gate_top--;
    if (atomic_load_explicit(&hal_gate_drains, memory_order_seq_cst) != 0) {
        kernel_gate_left();
    }
    return (struct hal_gate_result){.error = HX_OK, .value = value};
}

/* Called like an operation, fails like one. */
static uint64_t no_operation(void)
{
    (machine_half(hal_thread_current())->gate_top - 1)->outcome = HX_ENOSYS;
    return 0;
}

uintptr_t hal_gate_no_operation(void)
{
    return (uintptr_t)no_operation;
}

void hal_gate_abandon_frame(struct hal_frame *frame, struct hal_activation *activation)
{
    frame->rip = (uint64_t)hosted_gate_resume;
    frame->rsp = activation->machine[RECORD_SP];
}

void hal_gate_abandon(struct hal_activation *activation)
{
    hosted_stack_unwind((uintptr_t)__builtin_frame_address(0), activation->machine[RECORD_SP]);
    hosted_gate_abandon((void *)activation->machine[RECORD_SP]);
}

/* --- what a Linux process cannot imitate: calls in unprivileged mode ----------------------------- */

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
