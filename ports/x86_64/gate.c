/* The machine's half of the gate (hal/gate.h); the calls themselves are in hal_port.h and entry.S. */
#include <base/memory.h>
#include <hal/frame.h>
#include <hal/gate.h>
#include <ports/x86_64/layout.h>

extern char gate_trampoline_start[];
extern char gate_trampoline_end[];
extern char gate_leave_user[];

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
    uint8_t code[HAL_GATE_THUNK_SIZE] = {0xb8, 0, 0, 0, 0, 0x49, 0x89, 0xca, 0x0f, 0x05, 0xc3,
                                         0xcc, 0xcc, 0xcc, 0xcc, 0xcc};

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

void hal_gate_abandon_frame(struct hal_frame *frame, struct hal_activation *activation, bool user)
{
    frame->cs = SELECTOR_KERNEL_CODE;
    frame->ss = SELECTOR_KERNEL_DATA;
    if (user) {
        /* Leaves with interrupts off; the caller's flags are popped there. */
        frame->rip = (uint64_t)gate_leave_user;
        frame->rdi = (uint64_t)activation;
        frame->rsp = activation->sp;
        frame->rflags = 2;
        return;
    }
    frame->rip = activation->pc;
    frame->rsp = activation->sp;
    frame->rbp = activation->fp;
    frame->rflags = (frame->rflags & X86_RFLAGS_IF) | 2;
}
