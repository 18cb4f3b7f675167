/* Registers in core files: struct user_regs_struct of Linux's arch/x86/include/asm/user_64.h. */
#include <base/memory.h>
#include <hal/interrupt.h>
#include <hal/thread.h>
#include <hal/user.h>
#include <ports/x86_64/xsave.h>

struct user_registers {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10;
    uint64_t r9, r8, rax, rcx, rdx, rsi, rdi, original_rax;
    uint64_t rip, cs, rflags, rsp, ss;
    uint64_t fs_base, gs_base;
    uint64_t ds, es, fs, gs;
};
_Static_assert(sizeof(struct user_registers) == HAL_DUMP_WORDS * sizeof(uint64_t), "NT_PRSTATUS");
_Static_assert(HAL_DUMP_FLOATS == X86_FPU_LEGACY_SIZE, "NT_FPREGSET");

#define NO_CALL UINT64_MAX /* no debugger is to do the call again */

static struct user_registers registers_of(const struct hal_thread *hal)
{
    const struct hal_frame *frame = (const struct hal_frame *)hal->stack_top - 1;

    return (struct user_registers){
        .r15 = frame->r15,
        .r14 = frame->r14,
        .r13 = frame->r13,
        .r12 = frame->r12,
        .rbp = frame->rbp,
        .rbx = frame->rbx,
        .r11 = frame->r11,
        .r10 = frame->r10,
        .r9 = frame->r9,
        .r8 = frame->r8,
        .rax = frame->rax,
        .rcx = frame->rcx,
        .rdx = frame->rdx,
        .rsi = frame->rsi,
        .rdi = frame->rdi,
        .original_rax = NO_CALL,
        .rip = frame->rip,
        .cs = frame->cs,
        .rflags = frame->rflags,
        .rsp = frame->rsp,
        .ss = frame->ss,
        .fs_base = hal->thread_pointer,
    };
}

void hal_user_dump(const struct hal_thread *hal, struct hal_user_dump *dump)
{
    const struct user_registers registers = registers_of(hal);

    memcpy(dump->words, &registers, sizeof(registers));
    if (hal == (const struct hal_thread *)hal_thread_current()) {
        hal_interrupt_state state = hal_interrupts_save();

        x86_fpu_save(hal->fpu);
        hal_interrupts_restore(state);
    }
    memcpy(dump->floats, hal->fpu, sizeof(dump->floats));
}
