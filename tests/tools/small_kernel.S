/*
 * The smallest guest that can end in every way tools/run has to tell apart. It says hello on the
 * first serial port, then does what the first letter of its command line asks for:
 * p power off, s leave with status 7, d leave through the debug-exit device, r reset,
 * t triple fault, anything else: stop.
 */
    .section .note.pvh, "a", @note
    .long 4, 4, 18 /* Xen's note 18: the 32-bit entry point */
    .asciz "Xen"
    .long start

    .text
    .code32
    .globl start
start:
    movl 0x18(%ebx), %esi /* start_info.cmdline_paddr */
    movb (%esi), %bl
    movl $hello, %esi
    movw $0x3f8, %dx
1:  lodsb
    testb %al, %al
    jz choose
    outb %al, %dx
    jmp 1b

choose:
    cmpb $'p', %bl
    je power_off
    cmpb $'s', %bl
    je leave
    cmpb $'d', %bl
    je debug_exit
    cmpb $'r', %bl
    je reset
    cmpb $'t', %bl
    je triple_fault
stop:
    hlt
    jmp stop

leave:
    movl $status, %esi
    movl $0xe9, %edx
1:  lodsb
    testb %al, %al
    jz power_off
    outb %al, %dx
    jmp 1b

power_off:
    movw $0x604, %dx
    movw $0x2000, %ax
    outw %ax, %dx
    jmp stop

debug_exit:
    movb $1, %al
    movw $0xf4, %dx
    outb %al, %dx
    jmp stop

reset:
    movb $0xfe, %al
    outb %al, $0x64
    jmp stop

triple_fault:
    lidt no_table
    int3

    .data
hello:    .asciz "hello\n"
status:   .asciz "helix-exit: 7\n"
no_table: .quad 0, 0

    .section .note.GNU-stack, "", @progbits
