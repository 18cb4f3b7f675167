/* The machine's half of the gate (hal/gate.h); the calls themselves are in entry.S. */
#include <base/memory.h>
#include <hal/frame.h>
#include <hal/gate.h>
#include <ports/x86_64/layout.h>

#define RFLAGS_ALWAYS 2U

extern char gate_trampoline_start[];
extern char gate_trampoline_end[];
extern char gate_abandoned[];
extern char gate_user_abandoned[];
extern char gate_no_operation[];

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

uintptr_t hal_gate_no_operation(void)
{
    return (uintptr_t)gate_no_operation;
}

struct hal_range hal_gate_trampoline(void)
{
    return (struct hal_range){(uintptr_t)gate_trampoline_start,
                              (size_t)(gate_trampoline_end - gate_trampoline_start)};
}

uint64_t hal_space_root(const struct hal_space *space)
{
    return hal_direct_physical(space);
}

/* movl $number, %eax; movq %rcx, %r10 (syscall overwrites rcx); syscall; ret */
void hal_gate_write_thunk(void *place, uint32_t number)
{
    uint8_t code[HAL_GATE_THUNK_SIZE] = {0xb8, 0,    0,    0,    0,    0x49, 0x89, 0xca,
                                         0x0f, 0x05, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc};

    memcpy(code + 1, &number, sizeof(number));
    memcpy(place, code, sizeof(code));
}

uint32_t hal_callout_number(const struct hal_frame *frame)
{
    return (uint32_t)frame->rax;
}

uint64_t hal_callout_argument(const struct hal_frame *frame, unsigned index)
{
    const uint64_t arguments[] = {frame->rdi, frame->rsi, frame->rdx, frame->r10};

    return index < HX_ARRAY_SIZE(arguments) ? arguments[index] : 0;
}

void hal_callout_set_result(struct hal_frame *frame, uint64_t result)
{
    frame->rax = result;
}

void hal_gate_abandon_frame(struct hal_frame *frame, struct hal_activation *activation)
{
    const struct hal_gate_instance *instance =
        atomic_load_explicit(&activation->instance, memory_order_relaxed);

    /* Interrupts stay off until the caller's flags are restored there. */
    frame->rip =
        (uint64_t)(instance->backend == HAL_GATE_USER ? gate_user_abandoned : gate_abandoned);
    frame->cs = SELECTOR_KERNEL_CODE;
    frame->ss = SELECTOR_KERNEL_DATA;
    frame->rdi = (uint64_t)activation;
    frame->rsp = activation->machine[0];
    frame->rflags = RFLAGS_ALWAYS;
}
