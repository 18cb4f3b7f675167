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
 *   [D] `syscall` from a module that was entered through the user gate is a callout or its return;
 *   [E] a process's thread looks at user_work before it goes back to user mode.
 *
 * Stack alignment: the CPU aligns the frame's top to 16; the frame is 22 words, so calls are aligned.
 */
#include <ports/x86_64/layout.h>

/* Numbers of hx_err (include/helix/error.h; asserted in start.c). */
#define HX_ENOENT 3
#define HX_EAGAIN 6
#define HX_ESTATE 9
#define HX_EFAULT 12
#define HX_ENOSYS 13

#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

    .macro PUSH_REGISTERS
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
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
    pushq %rax                    /* last: on a system call it is kernel_syscall's seventh argument */
    .endm

    .macro POP_REGISTERS
    popq %rax
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
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
    .endm

/* Offsets in struct hal_frame. */
#define FRAME_RAX    0
#define FRAME_R15    8
#define FRAME_R14    16
#define FRAME_R13    24
#define FRAME_R12    32
#define FRAME_RBP    40
#define FRAME_RBX    48
#define FRAME_R11    56
#define FRAME_R10    64
#define FRAME_R9     72
#define FRAME_R8     80
#define FRAME_RCX    88
#define FRAME_RDX    96
#define FRAME_RSI    104
#define FRAME_RDI    112
#define FRAME_VECTOR 120
#define FRAME_RIP    136
#define FRAME_CS     144
#define FRAME_RFLAGS 152
#define FRAME_RSP    160
#define FRAME_SIZE   176

/* Extended registers in a signal's frame: of xsave.c. */
#define FPU_MXCSR_OFFSET  24
#define FPU_NOTE_OFFSET   464
#define FPU_HEADER_OFFSET 512
#define FPU_UNSAVED_SIZE  112
#define FPU_STATES_LEGACY 3
#define FPU_END_MAGIC     0x46505845

/* Trap and resume flag: sysretq traps one instruction early, and cannot load the other. */
#define RFLAGS_TF_RF 0x10100

/* User addresses lie below 2^47; iretq faults in the kernel on what lies between them and the kernel's. */
#define USER_ADDRESS_BITS 47

/*
 * Supervisor access prevention is off while AC is set, that is inside a checked copy. An entry that
 * interrupts one runs with it on again. Both are three bytes of no-op here, patched to `clac` and
 * `stac` (x86_user_init tells them apart by the last byte) on CPUs that have them.
 */
    .macro PATCHED last_byte
771:
    .byte 0x0f, 0x1f, \last_byte /* nopl (%rax), nopl (%rbx) */
    .pushsection .text_patches, "a"
    .quad 771b
    .popsection
    .endm

    .macro CLEAR_AC
    PATCHED 0x00
    .endm

    .macro SET_AC
    PATCHED 0x03
    .endm

    .section .text.entry, "ax"

/* --- stubs: 256 entries of 16 bytes ----------------------------------------------------------- */

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
    .elseif vector == 1
    pushq $0
    pushq $vector
    jmp entry_debug
    .elseif vector == 18
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
    .elseif vector == VECTOR_SYSCALL
    pushq %rax
    pushq $FRAME_IS_PLAIN
    jmp entry_int80
    .elseif vector == 255
    iretq                         /* spurious: neither handled nor acknowledged (SDM 3A 10.9) */
    .else
    pushq $0
    pushq $vector
    jmp entry_interrupt
    .endif
    .set vector, vector + 1
    .endr

/* --- interrupts ------------------------------------------------------------------------------- */

    .balign 16
entry_interrupt:
    testb $3, 24(%rsp)            /* [A] */
    jz 1f
    swapgs
1:  CLEAR_AC
    PUSH_REGISTERS
    cld
    movzbl FRAME_VECTOR(%rsp), %edi
    movq %rsp, %rsi
    call kernel_interrupt
    .globl entry_return
entry_return:
    testb $3, FRAME_CS(%rsp)      /* [A] [B] the frame decides, not where we came from */
    jnz entry_return_to_user
    POP_REGISTERS
    addq $16, %rsp
    iretq
entry_return_to_user:             /* interrupts are off */
    cmpq $0, %gs:CPU_USER_ACTIVATION
    jne 2f                        /* to a module: the process's work waits */
1:  movq %gs:CPU_CURRENT, %rcx    /* [E] */
    cmpl $0, THREAD_USER_WORK(%rcx)
    jne 3f
    movq FRAME_RIP(%rsp), %rcx
    shrq $USER_ADDRESS_BITS, %rcx
    jnz 4f
2:  POP_REGISTERS
    addq $16, %rsp
    swapgs
    iretq
3:  sti
    movq %rsp, %rdi
    call kernel_return_to_user
    cli
    jmp 1b
4:  movq %rsp, %rdi
    call x86_bad_return
    jmp 1b

/* --- exceptions ------------------------------------------------------------------------------- */

    .balign 16
entry_exception:
    testb $3, 24(%rsp)            /* [A] */
    jz entry_exception_swapped
    swapgs
entry_exception_swapped:
    CLEAR_AC
    PUSH_REGISTERS
    cld
    movq %cr2, %rax               /* [B] before anything can fault again */
    pushq %rax
    pushq %rax
    leaq 16(%rsp), %rdi
    call kernel_exception
    cli
    addq $16, %rsp
    jmp entry_return

/* --- NMI, machine check, debug, double fault -------------------------------------------------- */

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

/*
 * A debug exception of user mode cannot have hit before [A] was decided, and its handlers may block:
 * it goes on as an ordinary exception, on the thread's stack.
 */
    .balign 16
entry_debug:
    testb $3, 24(%rsp)
    jz entry_paranoid
    swapgs
    movq %rdi, %gs:CPU_SCRATCH
    movq %rsp, %rdi
    movq %gs:CPU_KERNEL_SP, %rsp
    pushq 48(%rdi)                /* ss, rsp, rflags, cs, rip, error, vector */
    pushq 40(%rdi)
    pushq 32(%rdi)
    pushq 24(%rdi)
    pushq 16(%rdi)
    pushq 8(%rdi)
    pushq 0(%rdi)
    movq %gs:CPU_SCRATCH, %rdi
    jmp entry_exception_swapped

/* --- system calls ----------------------------------------------------------------------------- */

/*
 * rcx = user rip, r11 = user rflags; interrupts, direction and AC are off (MSR_FMASK).
 *
 * The frame is whole, because signals and fork need it, but what the kernel's code preserves is not
 * loaded again while the frame is marked as it came (FRAME_IS_SYSCALL). Whoever changes it in C marks
 * it otherwise (x86_frame_changed), and it leaves through iretq, which can load anything.
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
    pushq %rax                    /* the number, for who does the call again */
    pushq $FRAME_IS_SYSCALL
    PUSH_REGISTERS
entry_system_call:
    movq %r10, %rcx               /* the C function's fourth argument; the seventh is at rsp */
    sti
    call kernel_syscall
    cli
    movq %gs:CPU_CURRENT, %rcx    /* [E] */
    cmpl $0, THREAD_USER_WORK(%rcx)
    jne 1f
    cmpl $FRAME_IS_SYSCALL, FRAME_VECTOR(%rsp)
    jne 1f
    movq FRAME_RFLAGS(%rsp), %r11
    testl $RFLAGS_TF_RF, %r11d
    jnz 1f
    movq FRAME_RIP(%rsp), %rcx    /* where `syscall` was: a user address */
    movq FRAME_R10(%rsp), %r10
    movq FRAME_R9(%rsp), %r9
    movq FRAME_R8(%rsp), %r8
    movq FRAME_RDX(%rsp), %rdx
    movq FRAME_RSI(%rsp), %rsi
    movq FRAME_RDI(%rsp), %rdi
    movq FRAME_RSP(%rsp), %rsp    /* user stack; no interrupt can come: the flag is off */
    swapgs
    sysretq
1:  cmpl $FRAME_IS_REPLACED, FRAME_VECTOR(%rsp)
    je entry_return_to_user       /* its rax is not this call's result */
    movq %rax, FRAME_RAX(%rsp)
    jmp entry_return_to_user

/* `int $0x80`: the same call with the same registers, of which only rax changes. */
    .balign 16
entry_int80:
    testb $3, 24(%rsp)
    jz 2f
    swapgs
    cmpq $0, %gs:CPU_USER_ACTIVATION
    jne 1f
    CLEAR_AC
    PUSH_REGISTERS
    cld
    jmp entry_system_call
1:  swapgs                        /* neither modules nor the kernel make calls this way */
2:  movq $VECTOR_SYSCALL, (%rsp)
    jmp entry_exception

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
    pushq $FRAME_IS_PLAIN
    PUSH_REGISTERS
    movq %rsp, %rdi
    call x86_callout
    jmp entry_return

/*
 * Use page tables, and let hal_space_cpus know: it counts a CPU in from before it walks the tables until
 * after it has stopped to. `mov cr3` lets no walk pass the store before it (SDM 3A 8.3: it serialises).
 */
    .macro LOAD_ROOT root
    movq \root, %gs:CPU_ROOT_NEXT
    movq \root, %cr3
    movq \root, %gs:CPU_ROOT
    .endm

/*
 * Back to the kernel's view: rcx = thread, r10 = its top of records, both stay; rsi and r11 are
 * overwritten. Interrupts are off.
 */
    .macro LEAVE_USER_CALL
    movq RECORD_PREVIOUS - RECORD_SIZE(%r10), %rsi
    movq %rsi, %gs:CPU_USER_ACTIVATION
    movq %rsi, THREAD_USER_ACTIVATION(%rcx)
    movq RECORD_KERNEL_SP - RECORD_SIZE(%r10), %rsi
    movq %rsi, %gs:CPU_KERNEL_SP
    movq %rsi, THREAD_KERNEL_SP(%rcx)
    movq RECORD_CR3 - RECORD_SIZE(%r10), %rsi
    movq %rsi, THREAD_CR3(%rcx)
    LOAD_ROOT %rsi
    movq RECORD_STACK - RECORD_SIZE(%r10), %rsi
    movq RECORD_INSTANCE - RECORD_SIZE(%r10), %r11
    lock btsq %rsi, INSTANCE_FREE_STACKS(%r11)
    .endm

/* What a call's caller must find again; r10 as above. */
    .macro RESTORE_CALLER
    movq RECORD_RSP - RECORD_SIZE(%r10), %rsp
    movq RECORD_RBP - RECORD_SIZE(%r10), %rbp
    movq RECORD_RBX - RECORD_SIZE(%r10), %rbx
    movq RECORD_R12 - RECORD_SIZE(%r10), %r12
    movq RECORD_R13 - RECORD_SIZE(%r10), %r13
    movq RECORD_R14 - RECORD_SIZE(%r10), %r14
    movq RECORD_R15 - RECORD_SIZE(%r10), %r15
    pushq RECORD_RFLAGS - RECORD_SIZE(%r10)
    popfq
    .endm

/* Take the record off, r10 and rcx as above; rax = what the operation returned. */
    .macro LEAVE_CALL
    movq $0, RECORD_INSTANCE - RECORD_SIZE(%r10)
    addq $-RECORD_SIZE, THREAD_GATE_TOP(%rcx)
    cmpl $0, hal_gate_drains
    jne gate_tell_drainer
    xorl %edx, %edx
    ret
    .endm

entry_module_return:              /* rdx = result */
    movq %rdx, %rax
    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_GATE_TOP(%rcx), %r10
    LEAVE_USER_CALL
    RESTORE_CALLER
    LEAVE_CALL

/* Where the frame of an abandoned call leads, in the kernel's mode, interrupts off. */
    .globl gate_user_abandoned
gate_user_abandoned:
    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_GATE_TOP(%rcx), %r10
    LEAVE_USER_CALL
    jmp gate_fail

/* --- the gate --------------------------------------------------------------------------------- */

/*
 * struct hal_gate_result hal_gate_call(a0 rdi, a1 rsi, a2 rdx, a3 rcx, slot r8, operation r9)
 *
 * The record is published (its instance stored) before the slot is read again: see hal/gate.h. What
 * the callee should preserve is stored, but restored only when the call is abandoned.
 */
    .balign 16
    .globl hal_gate_call
hal_gate_call:
    movq %gs:CPU_CURRENT, %rax
    movq THREAD_GATE_TOP(%rax), %r10
    addq $RECORD_SIZE, THREAD_GATE_TOP(%rax) /* first: an interrupt's own call goes on top */
1:  movq (%r8), %r11
    movq %r11, RECORD_INSTANCE(%r10)
    cmpq %r11, (%r8)
    jne 1b                        /* it changed under us: look again */
    movq SLOT_BUDGET(%r8), %rax
    movq %rax, RECORD_BUDGET(%r10)
    movq $0, RECORD_OUTCOME(%r10)
    pushfq
    popq RECORD_RFLAGS(%r10)
    movq %rsp, RECORD_RSP(%r10)
    movq %rbp, RECORD_RBP(%r10)
    movq %rbx, RECORD_RBX(%r10)
    movq %r12, RECORD_R12(%r10)
    movq %r13, RECORD_R13(%r10)
    movq %r14, RECORD_R14(%r10)
    movq %r15, RECORD_R15(%r10)
    cmpl $0, INSTANCE_BACKEND(%r11)
    jne gate_not_open
    callq *(%r11, %r9, 8)

    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_GATE_TOP(%rcx), %r10
    pushfq
    popq %rdx
    xorl RECORD_RFLAGS - RECORD_SIZE(%r10), %edx
    testl $0x200, %edx
    jnz gate_flag_changed
    LEAVE_CALL

gate_tell_drainer:
    pushq %rax
    call kernel_gate_left
    popq %rax
    xorl %edx, %edx
    ret

/* An operation came back with interrupts switched: the caller's registers are in place all the same. */
gate_flag_changed:
    movl $HX_ESTATE, RECORD_OUTCOME - RECORD_SIZE(%r10)
    jmp gate_fail

/* The target of an open instance's missing operations: called like one, fails like one. */
    .globl gate_no_operation
gate_no_operation:
    movq %gs:CPU_CURRENT, %rcx
    movq THREAD_GATE_TOP(%rcx), %r10
gate_refuse_operation:
    movl $HX_ENOSYS, RECORD_OUTCOME - RECORD_SIZE(%r10)
    jmp gate_fail
gate_refuse_empty:
    movl $HX_ENOENT, RECORD_OUTCOME - RECORD_SIZE(%r10)
    jmp gate_fail
gate_refuse_stack:
    movl $HX_EAGAIN, RECORD_OUTCOME - RECORD_SIZE(%r10)

/* A failed call, its outcome noted: r10 = top of records. Ends as a return from hal_gate_call. */
gate_fail:
    RESTORE_CALLER
    leaq -RECORD_SIZE(%r10), %rdi
    jmp kernel_gate_failed

/* The same with the record in rdi: hal_gate_abandon, and where abandoned frames of open calls lead. */
    .globl gate_abandoned
    .globl hal_gate_abandon
hal_gate_abandon:
gate_abandoned:
    leaq RECORD_SIZE(%rdi), %r10
    jmp gate_fail

/* Take the record off again, and let core decide where the call goes: all arguments are in place. */
gate_not_user:
    cmpl $3, INSTANCE_BACKEND(%r11)
    jne gate_refuse_empty
    movq %gs:CPU_CURRENT, %rax
    movq $0, RECORD_INSTANCE - RECORD_SIZE(%r10)
    addq $-RECORD_SIZE, THREAD_GATE_TOP(%rax)
    jmp kernel_gate_diverted

/*
 * Unprivileged: from here on entries from user mode use the kernel stack below this frame, and the
 * module runs in its own space, on a stack of its own, with the caller's interrupt flag. Registers that
 * it has no business with are cleared.
 */
gate_not_open:
    addq $RECORD_SIZE, %r10       /* as in the paths that fail: the top of records */
    cmpl $1, INSTANCE_BACKEND(%r11)
    jne gate_not_user
    movq (%r11, %r9, 8), %rax
    testq %rax, %rax
    jz gate_refuse_operation
1:  bsfq INSTANCE_FREE_STACKS(%r11), %rbx
    jz gate_refuse_stack
    lock btrq %rbx, INSTANCE_FREE_STACKS(%r11)
    jnc 1b
    movq %rbx, RECORD_STACK - RECORD_SIZE(%r10)
    shlq $14, %rbx                /* HAL_GATE_STACK_STRIDE */
    addq INSTANCE_STACKS(%r11), %rbx
    cli
    movq %gs:CPU_CURRENT, %r9
    movq THREAD_KERNEL_SP(%r9), %r12
    movq %r12, RECORD_KERNEL_SP - RECORD_SIZE(%r10)
    movq THREAD_CR3(%r9), %r12
    movq %r12, RECORD_CR3 - RECORD_SIZE(%r10)
    movq THREAD_USER_ACTIVATION(%r9), %r12
    movq %r12, RECORD_PREVIOUS - RECORD_SIZE(%r10)
    leaq -8(%rsp), %r12           /* aligned, as the ABI aligns it before a call */
    movq %r12, THREAD_KERNEL_SP(%r9)
    movq %r12, %gs:CPU_KERNEL_SP
    movq %r10, THREAD_USER_ACTIVATION(%r9)
    movq %r10, %gs:CPU_USER_ACTIVATION
    movq INSTANCE_ROOT(%r11), %r12
    movq %r12, THREAD_CR3(%r9)
    movq %r12, %cr3
    movl RECORD_RFLAGS - RECORD_SIZE(%r10), %r12d
    movq %rcx, %r10               /* a3: the trampoline moves it back */
    movq INSTANCE_TRAMPOLINE(%r11), %rcx
    movl %r12d, %r11d
    andl $0x200, %r11d            /* of the caller's flags, only the interrupt flag */
    movq %rbx, %rsp
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

/* --- switching threads ------------------------------------------------------------------------ */

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
3:  LOAD_ROOT %rax
    jmp 1b
/* Registers of user mode: rdi's are stored, rsi's are loaded, if they have some. */
4:  movq THREAD_FPU(%rdi), %rcx
    xorl %edx, %edx
    movl x86_fpu_format, %eax
    testl %eax, %eax
    jz 8f
    testq %rcx, %rcx
    jz 5f
    xsave64 (%rcx)
5:  movq THREAD_FPU(%rsi), %r8
    testq %r8, %r8
    jz 2b
    xrstor64 (%r8)
6:  movq THREAD_POINTER(%rsi), %rax
    testq %rcx, %rcx              /* then the processor has the thread pointer of the one before */
    jz 7f
    cmpq %rax, THREAD_POINTER(%rdi)
    je 2b
7:  movq %rax, %rdx
    shrq $32, %rdx
    movl $MSR_FS_BASE, %ecx
    wrmsr
    jmp 2b
8:  testq %rcx, %rcx
    jz 9f
    fxsave64 (%rcx)
9:  movq THREAD_FPU(%rsi), %r8
    testq %r8, %r8
    jz 2b
    fxrstor64 (%r8)
    jmp 6b

/* First switch to a new thread: r12 = entry, r13 = argument (placed by hal_thread_init). */
    .balign 16
    .globl thread_first_entry
thread_first_entry:
    movq %r13, %rdi
    xorl %ebp, %ebp
    pushq $0                      /* no return address */
    jmpq *%r12

/* --- user memory ------------------------------------------------------------------------------ */

/* A fault of an instruction from label `first` to label `last` goes on at label `to`, access prevention
 * still lifted. */
    .macro FIXUP_ALL first, last, to
    .pushsection .fault_fixups, "a"
    .quad \first, \last, \to
    .popsection
    .endm

    .macro FIXUP at, to
    FIXUP_ALL \at, \at, \to
    .endm

/*
 * Copy from rsi to rdi, size rdx; rcx: bytes not copied. A word that faults is tried again byte by
 * byte, so that every byte before the fault is copied.
 */
    .macro COPY_CHECKED
    movq %rdx, %rcx
    shrq $3, %rcx
    andl $7, %edx
    SET_AC
10: rep movsq
    movl %edx, %ecx
11: rep movsb
12: CLEAR_AC
    FIXUP 10b, 13f
    FIXUP 11b, 12b
    FIXUP 14f, 12b
    .endm

/* Behind its return: a word has faulted. */
    .macro COPY_BYTES
13: leaq (%rdx, %rcx, 8), %rcx
14: rep movsb
    jmp 12b
    .endm

/* size_t x86_copy_checked(uintptr_t to rdi, uintptr_t from rsi, size_t size rdx): bytes copied. */
    .globl x86_copy_checked
x86_copy_checked:
    movq %rdx, %rax
    COPY_CHECKED
    subq %rcx, %rax
    ret
    COPY_BYTES

/* The same: bytes not copied. */
    .globl x86_copy_all_checked
x86_copy_all_checked:
    COPY_CHECKED
    movq %rcx, %rax
    ret
    COPY_BYTES

/*
 * hx_err hal_user_copy_in(void *to rdi, uintptr_t from rsi, size_t size rdx), and _out. What
 * hal_user_is_range says of the user's half; what is not mapped in it faults.
 */
    .macro COPY_USER address
    movq \address, %rax
    leaq (\address, %rdx), %rcx
    orq %rdx, %rax
    orq %rcx, %rax
    shrq $USER_ADDRESS_BITS, %rax
    jnz user_copy_refused
    COPY_CHECKED
    testq %rcx, %rcx
    jnz user_copy_refused
    xorl %eax, %eax
    ret
    COPY_BYTES
    .endm

    .globl hal_user_copy_in
hal_user_copy_in:
    COPY_USER %rsi

    .globl hal_user_copy_out
hal_user_copy_out:
    COPY_USER %rdi

user_copy_refused:
    movl $HX_EFAULT, %eax
    ret

/* Clear rsi bytes at rdi: rcx = bytes not cleared, at most; rax = 0. */
    .macro CLEAR_CHECKED
    xorl %eax, %eax
    movq %rsi, %rcx
    cmpq $8, %rsi
    jae 22f
    SET_AC
20: rep stosb
21: CLEAR_AC
    .endm

/* Its other half, for behind the function's return. */
    .macro CLEAR_WORDS
22: movl %esi, %edx
    shrq $3, %rcx
    andl $7, %edx
    SET_AC
23: rep stosq
    movl %edx, %ecx
    jmp 20b
24: leaq (%rdx, %rcx, 8), %rcx
    jmp 21b
    FIXUP 20b, 21b
    FIXUP 23b, 24b
    .endm

/* size_t x86_clear_checked(uintptr_t to rdi, size_t size rsi): bytes cleared, at least. */
    .globl x86_clear_checked
x86_clear_checked:
    CLEAR_CHECKED
    movq %rsi, %rax
    subq %rcx, %rax
    ret
    CLEAR_WORDS

/* hx_err hal_user_clear(uintptr_t to rdi, size_t size rsi); as hal_user_copy_in. */
    .globl hal_user_clear
hal_user_clear:
    movq %rdi, %rax
    leaq (%rdi, %rsi), %rcx
    orq %rsi, %rax
    orq %rcx, %rax
    shrq $USER_ADDRESS_BITS, %rax
    jnz user_copy_refused
    CLEAR_CHECKED
    testq %rcx, %rcx
    jnz user_copy_refused
    ret
    CLEAR_WORDS

/*
 * unsigned x86_copy_text_checked(char *to rdi, const char *from rsi, size_t size rdx,
 *                                size_t *length rcx)
 * 0: copied with its NUL, 1: there is none within size bytes, 2: a fault; *length: bytes before
 * that. Up to 7 bytes behind the NUL are stored too, within size. Words that lie in one page are
 * loaded whole, what lies across its end, and a word that faults, byte by byte.
 * (w - 0x01...) & ~w & 0x80... has its lowest bit in the first byte that is zero; without ~w it has
 * bits of bytes above 0x80, too, so that is looked at only when there is one.
 */
    .globl x86_copy_text_checked
x86_copy_text_checked:
    pushq %rcx
    movq %rsi, %r8              /* where the text begins */
    addq %rsi, %rdx             /* where it may not go on */
    subq %rsi, %rdi             /* from there to where it is stored */
    movabsq $0x8080808080808080, %r9
    movabsq $0xfefefefefefefeff, %r10
    SET_AC
30: movq %rsi, %r11
    orq $4095, %r11
    subq $7, %r11               /* the last whole word of the page, or of the text */
    leaq -8(%rdx), %rax
    cmpq %rax, %r11
    cmovaq %rax, %r11
    cmpq %r11, %rsi
    ja 34f
31: movq (%rsi), %rax
    movq %rax, (%rdi, %rsi)
    leaq (%rax, %r10), %rcx
    testq %r9, %rcx
    jnz 33f
32: addq $8, %rsi
    cmpq %r11, %rsi
    jbe 31b
    jmp 34f
33: notq %rax
    andq %r9, %rcx
    andq %rax, %rcx
    jz 32b
    bsfq %rcx, %rcx
    shrl $3, %ecx
    addq %rcx, %rsi
    xorl %eax, %eax
    jmp 38f
34: cmpq %rdx, %rsi
    jae 36f
35: movzbl (%rsi), %eax
    movb %al, (%rdi, %rsi)
    testl %eax, %eax
    jz 38f
    incq %rsi
    testl $4095, %esi
    jnz 34b
    jmp 30b
36: movl $1, %eax
    jmp 38f
37: movl $2, %eax
38: CLEAR_AC
    popq %rcx
    subq %r8, %rsi
    movq %rsi, (%rcx)
    ret
    FIXUP 31b, 34b
    FIXUP 35b, 37b

/* bool x86_load_checked(const uint32_t *address rdi, uint32_t *value rsi): whether it could be read. */
    .globl x86_load_checked
x86_load_checked:
    SET_AC
40: movl (%rdi), %ecx
    CLEAR_AC
    movl %ecx, (%rsi)
    movl $1, %eax
    ret
    FIXUP 40b, 43f

/* bool x86_exchange_checked(uint32_t *address rdi, uint32_t *expected rsi, uint32_t desired edx) */
    .globl x86_exchange_checked
x86_exchange_checked:
    movl (%rsi), %eax
    SET_AC
41: lock cmpxchgl %edx, (%rdi)
    CLEAR_AC
    movl %eax, (%rsi)
    movl $1, %eax
    ret
    FIXUP 41b, 43f

43: CLEAR_AC
    xorl %eax, %eax
    ret

/*
 * bool x86_fpu_save_checked(uintptr_t to rdi, const struct unsaved *unsaved rsi, uint64_t states rdx,
 *                           size_t size rcx)
 * The registers, what XSAVE leaves out of the area, the word behind it; and the states that old
 * readers expect are marked as there. Whether all could be stored.
 */
    .globl x86_fpu_save_checked
x86_fpu_save_checked:
    movl %edx, %eax
    shrq $32, %rdx
    movq %rdi, %r8
    movq %rcx, %r9
    addq $FPU_NOTE_OFFSET, %rdi
    movl $(FPU_UNSAVED_SIZE / 8), %ecx
    SET_AC
44: rep movsq
45: xsave64 (%r8)
46: orb $FPU_STATES_LEGACY, FPU_HEADER_OFFSET(%r8)
47: movl $FPU_END_MAGIC, (%r8, %r9)
    CLEAR_AC
    movl $1, %eax
    ret
    FIXUP 44b, 43b
    FIXUP 45b, 43b
    FIXUP 46b, 43b
    FIXUP 47b, 43b

/*
 * bool x86_fpu_load_checked(uintptr_t from rdi, const struct unsaved *unsaved rsi, uint64_t states rdx,
 *                           uint32_t bad_mxcsr ecx)
 * What the processor would refuse it does refuse, here and now; a bad MXCSR not every emulator does.
 */
    .globl x86_fpu_load_checked
x86_fpu_load_checked:
    movl %edx, %eax
    shrq $32, %rdx
    SET_AC
50: movq FPU_NOTE_OFFSET(%rdi), %r8
    cmpq %r8, (%rsi)              /* its magic number, and the size of all */
    jne 43b
    movl 16(%rsi), %r9d           /* the size of the area */
51: cmpl $FPU_END_MAGIC, (%rdi, %r9)
    jne 43b
52: testl FPU_MXCSR_OFFSET(%rdi), %ecx
    jnz 43b
    movq (FPU_HEADER_OFFSET + 24)(%rdi), %r8 /* reserved, but XRSTOR does not mind */
    orq (FPU_HEADER_OFFSET + 32)(%rdi), %r8
    orq (FPU_HEADER_OFFSET + 40)(%rdi), %r8
    orq (FPU_HEADER_OFFSET + 48)(%rdi), %r8
    orq (FPU_HEADER_OFFSET + 56)(%rdi), %r8
    jnz 43b
53: xrstor64 (%rdi)
    CLEAR_AC
    movl $1, %eax
    ret
    FIXUP_ALL 50b, 53b, 43b

/* struct signal_frame and struct signal_words (signal.c): of the first, registers as Linux orders them. */
    .macro FOR_SIGNAL_REGISTERS move
    \move FRAME_R8, 48
    \move FRAME_R9, 56
    \move FRAME_R10, 64
    \move FRAME_R11, 72
    \move FRAME_R12, 80
    \move FRAME_R13, 88
    \move FRAME_R14, 96
    \move FRAME_R15, 104
    \move FRAME_RDI, 112
    \move FRAME_RSI, 120
    \move FRAME_RBP, 128
    \move FRAME_RBX, 136
    \move FRAME_RDX, 144
    \move FRAME_RAX, 152
    \move FRAME_RCX, 160
    \move FRAME_RSP, 168
    .endm

    .macro FOR_SIGNAL_WORDS move
    \move 8, 24                   /* the alternate stack */
    \move 16, 32
    \move 24, 40
    \move 32, 176                 /* rip */
    \move 40, 184                 /* rflags */
    \move 48, 232                 /* where the extended registers are */
    \move 56, 304                 /* the mask */
    .endm

    .macro STORE_REGISTER from, to
    movq \from(%rsi), %rax
    movq %rax, \to(%rdi)
    .endm

    .macro STORE_WORD from, to
    movq \from(%rdx), %rax
    movq %rax, \to(%rdi)
    .endm

/*
 * bool x86_signal_store_checked(uintptr_t to rdi, const struct hal_frame *frame rsi,
 *                               const struct signal_words *words rdx)
 */
    .globl x86_signal_store_checked
x86_signal_store_checked:
    SET_AC
60: FOR_SIGNAL_REGISTERS STORE_REGISTER
    FOR_SIGNAL_WORDS STORE_WORD
    STORE_WORD 0, 0               /* what only the kernel writes: the restorer, */
    STORE_WORD 64, 8              /* flags, */
    STORE_WORD 56, 216            /* the mask once more, */
    STORE_WORD 72, 192            /* segments, */
    STORE_WORD 80, 200            /* the fault: its error code, */
    STORE_WORD 88, 208            /* its vector, */
    STORE_WORD 96, 224            /* its address; */
    xorl %eax, %eax
61: movq %rax, 16(%rdi)           /* no other context */
    CLEAR_AC
    movl $1, %eax
    ret
    FIXUP_ALL 60b, 61b, 43b

/* Of a signal frame whose first word is gone: the words that the program may have changed. */
    .macro LOAD_WORD to, from
    movq (\from - 8)(%rsi), %rax
    movq %rax, \to(%rdi)
    .endm

    .macro LOAD_REGISTER to, from
    movq (\from - 8)(%rsi), %rax
    movq %rax, \to(%rdi)
    .endm

/* bool x86_signal_words_checked(struct signal_words *words rdi, uintptr_t from rsi) */
    .globl x86_signal_words_checked
x86_signal_words_checked:
    SET_AC
62: FOR_SIGNAL_WORDS LOAD_WORD
63: CLEAR_AC
    movl $1, %eax
    ret
    FIXUP_ALL 62b, 63b, 43b

/* bool x86_signal_load_checked(struct hal_frame *frame rdi, uintptr_t from rsi) */
    .globl x86_signal_load_checked
x86_signal_load_checked:
    SET_AC
64: FOR_SIGNAL_REGISTERS LOAD_REGISTER
65: CLEAR_AC
    movl $1, %eax
    ret
    FIXUP_ALL 64b, 65b, 43b

/* --- leaving for user mode -------------------------------------------------------------------- */

/*
 * hal_user_resume(const struct hal_frame *frame rdi): the frame may lie partly where it goes to, and
 * this function's own stack too, so nothing is on the stack while it is moved, from its end down.
 */
    .globl hal_user_resume
hal_user_resume:
    cli
    movq %gs:CPU_CURRENT, %rax
    movq THREAD_STACK_TOP(%rax), %rdx
    leaq FRAME_SIZE - 8(%rdi), %rsi
    leaq -8(%rdx), %rdi
    movl $FRAME_SIZE / 8, %ecx
    std
    rep movsq
    cld
    leaq -FRAME_SIZE(%rdx), %rsp
    jmp entry_return_to_user

/* --- a frame of the caller's own registers ---------------------------------------------------- */

/* void hal_frame_capture(struct hal_frame *rdi) */
    .globl hal_frame_capture
hal_frame_capture:
    movq %rax, 0(%rdi)
    movq %r15, 8(%rdi)
    movq %r14, 16(%rdi)
    movq %r13, 24(%rdi)
    movq %r12, 32(%rdi)
    movq %rbp, 40(%rdi)
    movq %rbx, 48(%rdi)
    movq %r11, 56(%rdi)
    movq %r10, 64(%rdi)
    movq %r9, 72(%rdi)
    movq %r8, 80(%rdi)
    movq %rcx, 88(%rdi)
    movq %rdx, 96(%rdi)
    movq %rsi, 104(%rdi)
    movq %rdi, 112(%rdi)
    movq $FRAME_IS_PLAIN, 120(%rdi)
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

/* --- the page that unprivileged modules enter and leave through ------------------------------- */

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
