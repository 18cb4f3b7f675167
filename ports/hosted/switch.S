/*
 * The instructions C cannot say: exchange two stacks, abandon a call, return from an
 * exception.
 * System V AMD64 ABI 1.0, 3.2.1: rbx, rbp, r12 to r15, the MXCSR control bits and the x87 control
 * word belong to the caller.
 */
        .text

/* void *hosted_context_switch(void **save, void *load, void *token) */
        .globl  hosted_context_switch
        .type   hosted_context_switch, @function
hosted_context_switch:
        pushq   %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $8, %rsp
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rsp
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        movq    %rdx, %rax
        ret
        .size   hosted_context_switch, . - hosted_context_switch

        .globl  hosted_fiber_entry
        .type   hosted_fiber_entry, @function
hosted_fiber_entry:
        movq    %r12, %rdi
        jmp     hosted_fiber_main       /* with the return address 0 that ends a walk */
        .size   hosted_fiber_entry, . - hosted_fiber_entry

/*
 * struct hosted_gate_return hosted_gate_enter(uint64_t *sp rdi, uintptr_t target rsi, a0 rdx,
 * a1 rcx, a2 r8, a3 r9): a call that can be abandoned. What the caller must find again is on the stack;
 * whoever comes to hosted_gate_abandoned with that stack pointer returns from here.
 */
        .globl  hosted_gate_enter
        .type   hosted_gate_enter, @function
hosted_gate_enter:
        pushq   %rbp
        movq    %rsp, %rbp
        pushq   %rbx
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        subq    $8, %rsp
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movq    %rsp, (%rdi)
        movq    %rsi, %rax
        movq    %rdx, %rdi
        movq    %rcx, %rsi
        movq    %r8, %rdx
        movq    %r9, %rcx
        call    *%rax
        xorl    %edx, %edx
1:      ldmxcsr (%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbx
        popq    %rbp
        ret

/* void hosted_gate_abandon(uint64_t sp) */
        .globl  hosted_gate_abandon
        .globl  hosted_gate_abandoned
hosted_gate_abandon:
        movq    %rdi, %rsp
hosted_gate_abandoned:
        movl    $1, %edx
        jmp     1b
        .size   hosted_gate_enter, . - hosted_gate_enter

/*
 * rdi = struct hal_frame, which lies on the present stack above rsp. The floating-point and vector
 * registers are saved here because the handler, unlike a kernel on metal, is compiled to use them:
 * x87, SSE, AVX and AVX-512 (components 0, 1, 2, 5, 6, 7; Intel SDM 1, 13.1), at most 2696 bytes.
 */
        .set    FRAME_RIP, 160
        .set    XSAVE_SIZE, 2752
        .set    XSAVE_COMPONENTS, 0xe7

        .globl  hosted_exception_entry
        .type   hosted_exception_entry, @function
hosted_exception_entry:
        movq    %rdi, %rbx
        subq    $XSAVE_SIZE, %rsp
        andq    $-64, %rsp
        xorl    %eax, %eax
        movl    $8, %ecx
        leaq    512(%rsp), %rdi         /* xrstor wants the header's reserved bytes zero */
        rep stosq
        movl    $XSAVE_COMPONENTS, %eax
        xorl    %edx, %edx
        xsave64 (%rsp)
        movq    %rbx, %rdi
        movq    48(%rbx), %rbp          /* the interrupted frame pointer: backtraces go on there */
        call    hosted_exception_dispatch
        movl    $XSAVE_COMPONENTS, %eax
        xorl    %edx, %edx
        xrstor64 (%rsp)
        movq    %rbx, %rsp
        popq    %rax
        popq    %rbx
        popq    %rcx
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %rbp
        popq    %r8
        popq    %r9
        popq    %r10
        popq    %r11
        popq    %r12
        popq    %r13
        popq    %r14
        popq    %r15
        addq    $(FRAME_RIP - 15 * 8), %rsp
        iretq
        .size   hosted_exception_entry, . - hosted_exception_entry

        .section .note.GNU-stack, "", @progbits
