/*
 * A guest that executes a known number of costly instructions between the marks of
 * tools/plugins/cost.c, and as many outside of them, then powers off.
 */
    .section .note.pvh, "a", @note
    .long 4, 4, 18 /* Xen's note 18: the 32-bit entry point */
    .asciz "Xen"
    .long start

#define APIC_COMMAND_LOW  0xfee00300
#define APIC_COMMAND_HIGH 0xfee00310
#define MSR_FS_BASE       0xc0000100

    .text
    .code32
    .globl start
start:
    call costly
    call bench_mark_begin
    call costly
    call costly
    call bench_mark_end
    call costly
    call bench_mark_take
    movw $0x604, %dx
    movw $0x2000, %ax
    outw %ax, %dx
stop:
    hlt
    jmp stop

bench_mark_begin:
    ret
bench_mark_end:
    ret
bench_mark_take:
    ret

/* cr3 1, wrmsr 1, invlpg 1, locked 3, fence 3, ipi 1, pio 4; the rest looks similar. */
costly:
    movl %cr3, %eax
    movl %eax, %cr3
    movl $MSR_FS_BASE, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    rdmsr
    invlpg word
    lock addl $1, word
    xchgl %eax, word
    lock cmpxchgl %ecx, word
    addl $1, word
    xchgl %eax, %ecx
    mfence
    lfence
    sfence
    clflush word
    movl APIC_COMMAND_LOW, %eax
    movl $0, APIC_COMMAND_HIGH
    movl $0x00044031, APIC_COMMAND_LOW /* vector 0x31, to itself: stays pending */
    movw $0x80, %dx
    outb %al, %dx
    outb %al, $0x80
    inb $0x80, %al
    movl $word, %esi
    outsb
    ret

    .data
word: .long 0

    .section .note.GNU-stack, "", @progbits
