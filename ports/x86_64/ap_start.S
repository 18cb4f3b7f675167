/*
 * A secondary CPU's way from the start-up message (real mode, CS:IP at the page's first byte) to
 * x86_ap_main. smp.c copies these bytes to AP_TRAMPOLINE, which is mapped at its own address,
 * read-only and executable, and fills in the mailbox; nothing runs where it is linked.
 */
#include <ports/x86_64/layout.h>

#define AT(label) (AP_TRAMPOLINE + (label) - ap_start)

#define SELECTOR_32_BIT_CODE 0x18

#define CR0_PE_ET          0x00000011 /* and caches on: INIT leaves them off */
#define CR0_PE_ET_NE_WP_PG 0x80010031
#define CR4_PAE            0x20
#define MSR_EFER           0xc0000080
#define MSR_GS_BASE        0xc0000101
#define APIC_ID_SHIFT      24

    .section .rodata.ap_start, "a"
    .balign 16
    .globl ap_start
    .code16
ap_start:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ds
    lgdtl AT(ap_gdt_pointer)
    movl $CR0_PE_ET, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_32_BIT_CODE, $AT(ap_protected)

    .code32
ap_protected:
    movw $SELECTOR_KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss

    /* Take the ticket, while paging is off: the page is not writable. */
    movl $1, %eax
    cpuid
    shrl $APIC_ID_SHIFT, %ebx
    leal 1(%ebx), %eax
    xorl %ecx, %ecx
    lock cmpxchgl %ecx, AT(ap_ticket)
    jne ap_late

    movl $CR4_PAE, %eax
    movl %eax, %cr4
    movl AT(ap_cr3), %eax
    movl %eax, %cr3
    movl $MSR_EFER, %ecx
    movl AT(ap_efer), %eax
    xorl %edx, %edx
    wrmsr
    movl $CR0_PE_ET_NE_WP_PG, %eax
    movl %eax, %cr0
    ljmpl $SELECTOR_KERNEL_CODE, $AT(ap_long)

    /* Somebody has stopped waiting for this CPU. */
ap_late:
    cli
    hlt
    jmp ap_late

    .code64
ap_long:
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movq AT(ap_cpu), %rdi
    movl $MSR_GS_BASE, %ecx
    movl %edi, %eax
    movq %rdi, %rdx
    shrq $32, %rdx
    wrmsr
    movq AT(ap_stack_top), %rsp
    xorl %ebp, %ebp               /* the end of every stack trace */
    pushq $0
    movq AT(ap_main), %rax
    jmpq *%rax

    /* The accessed bits are set: the processor need not write them. */
    .balign 8
ap_gdt:
    .quad 0
    .quad 0x00af9b000000ffff      /* 64-bit code, ring 0 */
    .quad 0x00cf93000000ffff      /* data, ring 0 */
    .quad 0x00cf9b000000ffff      /* 32-bit code, ring 0 */
ap_gdt_pointer:
    .word ap_gdt_pointer - ap_gdt - 1
    .long AT(ap_gdt)

    /* struct ap_mailbox */
    .balign 8
    .globl ap_mailbox
ap_mailbox:
ap_cr3:
    .quad 0
ap_efer:
    .quad 0
ap_stack_top:
    .quad 0
ap_cpu:
    .quad 0
ap_main:
    .quad 0
ap_ticket:
    .long 0
    .globl ap_end
ap_end:
