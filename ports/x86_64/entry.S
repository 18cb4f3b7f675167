/*
 * The one way into the kernel, and out of it.
 *
 * Everything that enters builds the same frame (struct hal_frame): interrupts and exceptions, whether
 * they hit the kernel, a process or an unprivileged module; system calls of processes; callouts of
 * unprivileged modules. What differs is decided in a few places, marked below:
 *
 *   [A] from user mode (a process or an unprivileged module)? then GS must be swapped;
 *   [B] exceptions also save CR2 and may be redirected: the frame they leave through need not be the
 *       state they came from (checked copies, abandoned calls into modules);
 *   [C] NMI, machine check, debug and double fault may hit before [A] was decided: they look at GS
 *       base itself instead of the saved code segment, on stacks of their own (IST);
 *   [D] `syscall` from a module that was entered through the user gate is a callout or its return.
 *
 * Stack alignment: the CPU aligns the frame's top to 16; the frame is 22 words, so calls are aligned.
 */
#include <ports/x86_64/layout.h>

#define MSR_GS_BASE 0xc0000101

    .macro PUSH_REGISTERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    pushq %rax
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    .endm

    .macro POP_REGISTERS
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    .endm

/* Offsets in struct hal_frame. */
#define FRAME_VECTOR 120
#define FRAME_CS     144

/*
 * Supervisor access prevention is off while AC is set, that is inside a checked copy. An entry that
 * interrupts one runs with it on again: three bytes of no-op here, patched to `clac` on CPUs that have it.
 */
    .macro CLEAR_AC
771:
    .byte 0x0f, 0x1f, 0x00 /* nopl (%rax) */
    .pushsection .text_patches, "a"
    .quad 771b
    .popsection
    .endm

    .section .text.entry, "ax"

/* --- stubs: 256 entries of 16 bytes ------------------------------------------------------------- */

    .balign 16
    .globl entry_stubs
entry_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .if vector == 2
    pushq $0
    pushq $vector
    jmp entry_paranoid
    .elseif vector == 8
    pushq $vector
    jmp entry_paranoid
    .elseif vector == 1 || vector == 18
    pushq $0
    pushq $vector
    jmp entry_paranoid
    .elseif vector == 10 || vector == 11 || vector == 12 || vector == 13 || vector == 14 || vector == 17 || vector == 21 || vector == 29 || vector == 30
    pushq $vector
    jmp entry_exception
    .elseif vector < 32
    pushq $0
    pushq $vector
    jmp entry_exception
    .else
    pushq $0
    pushq $vector
    jmp entry_interrupt
    .endif
    .set vector, vector + 1
    .endr

/* --- interrupts --------------------------------------------------------------------------------- */

    .balign 16
entry_interrupt:
    testb $3, 24(%rsp)            /* [A] */
    jz 1f
    swapgs
1:  CLEAR_AC
    PUSH_REGISTERS
    cld
    movq %rsp, %rdi
    call x86_interrupt
    .globl entry_return
entry_return:
    testb $3, FRAME_CS(%rsp)      /* [A] [B] the frame decides, not where we came from */
    jnz entry_return_to_user
    POP_REGISTERS
    addq $16, %rsp
    iretq
entry_return_to_user:
    POP_REGISTERS
    addq $16, %rsp
    swapgs
    iretq

/* --- exceptions --------------------------------------------------------------------------------- */

    .balign 16
entry_exception:
    testb $3, 24(%rsp)            /* [A] */
    jz 1f
    swapgs
1:  CLEAR_AC
    PUSH_REGISTERS
    cld
    movq %cr2, %rax               /* [B] before anything can fault again */
    pushq %rax
    pushq %rax
    leaq 16(%rsp), %rdi
    call x86_exception
    addq $16, %rsp
    jmp entry_return

/* --- NMI, machine check, debug, double fault ----------------------------------------------------- */

/*
 * [C] GS base is a kernel address exactly when the kernel's block is in place (user mode cannot set
 * it: CR4.FSGSBASE stays off and no system call accepts one). ebx remembers whether to swap back. A
 * frame that was redirected [B] to the kernel keeps the kernel's GS.
 */
    .balign 16
entry_paranoid:
    CLEAR_AC
    PUSH_REGISTERS
    cld
    xorl %ebx, %ebx
    movl $MSR_GS_BASE, %ecx
    rdmsr
    testl %edx, %edx
    js 1f
    swapgs
    movl $1, %ebx
1:  movq %cr2, %rax
    pushq %rax
    pushq %rax
    leaq 16(%rsp), %rdi
    call x86_paranoid
    addq $16, %rsp
    testl %ebx, %ebx
    jz 2f
    testb %al, %al                /* redirected: stays with the kernel's GS */
    jnz 2f
    swapgs
2:  POP_REGISTERS
    addq $16, %rsp
    iretq

/* --- system calls ------------------------------------------------------------------------------- */

/*
 * rcx = user rip, r11 = user rflags; interrupts, direction and AC are off (MSR_FMASK).
 */
    .balign 16
    .globl helix_syscall_entry
helix_syscall_entry:
    swapgs
    movq %rsp, %gs:CPU_SCRATCH
    cmpq $0, %gs:CPU_USER_ACTIVATION /* [D] */
    jne entry_from_module
    movq %gs:CPU_KERNEL_SP, %rsp
    pushq $SELECTOR_USER_DATA
    pushq %gs:CPU_SCRATCH
    pushq %r11
    pushq $SELECTOR_USER_CODE
    pushq %rcx
    pushq $0
    pushq $256
    PUSH_REGISTERS
    movq %rsp, %rdi
    call x86_syscall
    /* iretq, not sysretq, when rip is not canonical user or anything was changed: x86_syscall says. */
    testb %al, %al
    jz entry_return
    POP_REGISTERS
    movq 16(%rsp), %rcx           /* rip */
    movq 32(%rsp), %r11           /* rflags */
    movq 40(%rsp), %rsp           /* user stack; no interrupt can come: the flag is off */
    swapgs
    sysretq

/*
 * [D] A module behind the user gate. rax = 0: its operation has returned (rdx = result);
 * otherwise rax is the number of an imported function, arguments in rdi rsi rdx r10 r8 r9.
 */
    .balign 16
entry_from_module:
    testl %eax, %eax
    jz entry_module_return
    movq %gs:CPU_KERNEL_SP, %rsp
    pushq $SELECTOR_USER_DATA
    pushq %gs:CPU_SCRATCH
    pushq %r11
    pushq $SELECTOR_USER_CODE
    pushq %rcx
    pushq $0
    pushq $256
    PUSH_REGISTERS
    movq %rsp, %rdi
    call x86_callout
    jmp entry_return

entry_module_return:
    movq %rdx, %rax
    movq %gs:CPU_USER_ACTIVATION, %rdi
/*
 * Leave the innermost user-gate call: activation in rdi, result in rax. Also where a dead module's
 * call resumes (hal_gate_resume_user, reached by iretq with the activation in rdi).
 */
    .globl gate_leave_user
gate_leave_user:
    movq ACTIVATION_PREVIOUS(%rdi), %rcx
    movq ACTIVATION_KERNEL_SP(%rdi), %rdx
    movq %gs:CPU_CURRENT, %rsi
    movq %rcx, %gs:CPU_USER_ACTIVATION
    movq %rcx, THREAD_USER_ACTIVATION(%rsi)
    movq %rdx, %gs:CPU_KERNEL_SP
    movq %rdx, THREAD_KERNEL_SP(%rsi)
    movq ACTIVATION_CR3(%rdi), %rcx
    movq %rcx, THREAD_CR3(%rsi)
    movq %rcx, %cr3
    movq ACTIVATION_SP(%rdi), %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    popfq                         /* the caller's interrupt flag */
    ret

/*
 * uint64_t hal_gate_call_user(struct hal_activation *rdi, uintptr_t target rsi,
 *                             const struct hal_user_gate *rdx, uint64_t a0 rcx, a1 r8, a2 r9, a3 stack)
 *
 * On the caller's thread: from here on entries from user mode use the stack below this frame, and
 * the module runs in its own space, on a stack of its own, with the caller's interrupt flag. Registers that the
 * module has no business with are cleared.
 */
    .balign 16
    .globl hal_gate_call_user
hal_gate_call_user:
    movq 8(%rsp), %r10            /* a3 */
    pushfq
    popq %rax
    pushq %rax
    cli
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, ACTIVATION_SP(%rdi)
    movq %gs:CPU_CURRENT, %rbx
    movq THREAD_KERNEL_SP(%rbx), %r12
    movq THREAD_CR3(%rbx), %r13
    movq THREAD_USER_ACTIVATION(%rbx), %r14
    movq %r12, ACTIVATION_KERNEL_SP(%rdi)
    movq %r13, ACTIVATION_CR3(%rdi)
    movq %r14, ACTIVATION_PREVIOUS(%rdi)
    movq %rsp, %r12
    andq $-16, %r12
    movq %r12, THREAD_KERNEL_SP(%rbx)
    movq %r12, %gs:CPU_KERNEL_SP
    movq %rdi, THREAD_USER_ACTIVATION(%rbx)
    movq %rdi, %gs:CPU_USER_ACTIVATION
    movq 0(%rdx), %r12            /* hal_user_gate.cr3 */
    movq %r12, THREAD_CR3(%rbx)
    movq %r12, %cr3
    movl %eax, %r11d              /* rflags: only the interrupt flag of the caller's, and bit 1 */
    andl $0x200, %r11d
    orl $2, %r11d
    movq 8(%rdx), %rsp            /* hal_user_gate.stack_top */
    movq 16(%rdx), %rbx           /* hal_user_gate.trampoline */
    movq %rsi, %rax
    movq %rcx, %rdi
    movq %r8, %rsi
    movq %r9, %rdx
    movq %rbx, %rcx
    xorl %ebx, %ebx
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    swapgs
    sysretq

/* --- switching threads -------------------------------------------------------------------------- */

/*
 * struct thread *hal_thread_switch(struct thread *from rdi, struct thread *to rsi)
 * struct hal_thread is the first member of struct thread. Interrupts are off.
 */
    .balign 16
    .globl hal_thread_switch
hal_thread_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushfq                        /* AC: the thread may be inside a checked copy */
    movq %rsp, THREAD_SP(%rdi)
    movq THREAD_SP(%rsi), %rsp
    movq %rsi, %gs:CPU_CURRENT
    movq THREAD_KERNEL_SP(%rsi), %rax
    movq %rax, %gs:CPU_KERNEL_SP
    movq THREAD_USER_ACTIVATION(%rsi), %rax
    movq %rax, %gs:CPU_USER_ACTIVATION
    movq THREAD_CR3(%rsi), %rax
    cmpq %rax, THREAD_CR3(%rdi)
    jne 3f
1:  movq THREAD_FPU(%rdi), %rax
    orq THREAD_FPU(%rsi), %rax
    jnz 4f
2:  movq %rdi, %rax
    popfq
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
3:  movq %rax, %cr3
    jmp 1b
4:  pushq %rdi
    subq $8, %rsp
    call x86_switch_user_state
    addq $8, %rsp
    popq %rdi
    jmp 2b

/* First switch to a new thread: r12 = entry, r13 = argument (placed by hal_thread_init). */
    .balign 16
    .globl thread_first_entry
thread_first_entry:
    movq %r13, %rdi
    xorl %ebp, %ebp
    pushq $0                      /* no return address */
    jmpq *%r12

/* --- checked copies ------------------------------------------------------------------------------ */

/*
 * size_t x86_copy_checked(void *to rdi, const void *from rsi, size_t size rdx): bytes not copied.
 * Faults inside go to the fix-up. x86_copy_checked_smap lifts access prevention for the copy.
 */
    .globl x86_copy_checked
x86_copy_checked:
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
10: rep movsq
    movl %edx, %ecx
11: rep movsb
    xorl %eax, %eax
    ret
12: leaq (%rdx, %rcx, 8), %rax
    ret
13: movq %rcx, %rax
    ret
    .globl x86_copy_checked_smap
x86_copy_checked_smap:
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
    stac
20: rep movsq
    movl %edx, %ecx
21: rep movsb
    clac
    xorl %eax, %eax
    ret
22: clac
    leaq (%rdx, %rcx, 8), %rax
    ret
23: clac
    movq %rcx, %rax
    ret
    .pushsection .fault_fixups, "a"
    .quad 10b, 12b
    .quad 11b, 13b
    .quad 20b, 22b
    .quad 21b, 23b
    .popsection

/* --- leaving for user mode for the first time ------------------------------------------------------ */

/* x86_enter_user(rip rdi, rsp rsi): everything else zero, interrupts on. */
    .globl x86_enter_user
x86_enter_user:
    cli
    movq %rdi, %rcx
    movl $0x202, %r11d
    movq %rsi, %rsp
    xorl %eax, %eax
    xorl %ebx, %ebx
    xorl %edx, %edx
    xorl %esi, %esi
    xorl %edi, %edi
    xorl %ebp, %ebp
    xorl %r8d, %r8d
    xorl %r9d, %r9d
    xorl %r10d, %r10d
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    swapgs
    sysretq

/* --- a frame of the caller's own registers ---------------------------------------------------------- */

/* void hal_frame_capture(struct hal_frame *rdi) */
    .globl hal_frame_capture
hal_frame_capture:
    movq %r15, 0(%rdi)
    movq %r14, 8(%rdi)
    movq %r13, 16(%rdi)
    movq %r12, 24(%rdi)
    movq %rbp, 32(%rdi)
    movq %rbx, 40(%rdi)
    movq %r11, 48(%rdi)
    movq %r10, 56(%rdi)
    movq %r9, 64(%rdi)
    movq %r8, 72(%rdi)
    movq %rax, 80(%rdi)
    movq %rcx, 88(%rdi)
    movq %rdx, 96(%rdi)
    movq %rsi, 104(%rdi)
    movq %rdi, 112(%rdi)
    movq $256, 120(%rdi)          /* X86_VECTOR_NONE */
    movq $0, 128(%rdi)
    movq (%rsp), %rax
    movq %rax, 136(%rdi)
    movq $SELECTOR_KERNEL_CODE, 144(%rdi)
    pushfq
    popq 152(%rdi)
    leaq 8(%rsp), %rax
    movq %rax, 160(%rdi)
    movq $SELECTOR_KERNEL_DATA, 168(%rdi)
    ret

/* --- abandoning a call into a module from inside a callout --------------------------------------------- */

/* void hal_gate_abandon(struct hal_activation *rdi): resume after the call in hal_gate_call_open. */
    .globl hal_gate_abandon
hal_gate_abandon:
    movq ACTIVATION_SP(%rdi), %rsp
    movq ACTIVATION_FP(%rdi), %rbp
    jmpq *ACTIVATION_PC(%rdi)

/* --- the page that unprivileged modules enter and leave through ------------------------------------- */

/*
 * Copied into each instance's arena. Entered with rax = operation, r10 = fourth argument, rcx free.
 */
    .section .rodata.gate_trampoline, "a"
    .balign 16
    .globl gate_trampoline_start, gate_trampoline_end
gate_trampoline_start:
    movq %r10, %rcx
    callq *%rax
    movq %rax, %rdx
    xorl %eax, %eax
    syscall
    ud2
gate_trampoline_end:

    .section .note.GNU-stack, "", @progbits
