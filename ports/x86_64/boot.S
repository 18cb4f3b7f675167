/*
 * From the loader to C in the higher half. Two entries, which share all but their first instruction;
 * both are in 32-bit protected mode with paging off, and ebx is the address of what the loader says:
 *
 *   PVH          start info (Xen docs/misc/pvh)
 *   Multiboot2   boot information, eax = a magic number (Multiboot2 Specification 2.0, 3.3)
 *
 * Builds the boot page tables:
 *
 *   identity     first 8 MiB, read and execute, only until the jump
 *   direct map   first 4 GiB in 2 MiB pages, no execute (paging.c narrows it to RAM)
 *   kernel image 4 KiB pages: text executable, rodata read only, data writable
 *
 * so that no page is writable and executable from the first instruction of C on (the direct map's alias of
 * the image apart: paging.c makes that read only).
 */
#include <ports/x86_64/layout.h>

#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)

/* Entries at (edi) on, the first one eax, each a step further. */
    .macro FILL_ENTRIES count, step
    movl $\count, %ecx
1:  movl %eax, (%edi)
    addl $8, %edi
    addl $\step, %eax
    decl %ecx
    jnz 1b
    .endm

#define PTE_PRESENT 0x001
#define PTE_WRITE   0x002
#define PTE_LARGE   0x080
#define PTE_GLOBAL  0x100
#define PTE_NX_HIGH 0x80000000 /* bit 63, in the upper half of the entry */

#define CR0_PE_ET_NE_WP_PG 0x80010031
#define CR4_PAE_PGE        0x0a0
#define EFER               0xc0000080
#define EFER_SCE_LME_NXE   0x901

    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18 /* name size, value size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad PHYSICAL(pvh_entry)

/*
 * Multiboot2 (3.1): looked for in the first 32 KiB of the file. Each tag is aligned to 8 bytes; flag 1
 * says that a loader which cannot do it may start the kernel nevertheless.
 */
#define MULTIBOOT2_HEADER_MAGIC 0xe85250d6
#define MULTIBOOT2_I386         0
#define TAG_OPTIONAL            1

    .section .multiboot2, "a"
    .balign 8
multiboot2_header:
    .long MULTIBOOT2_HEADER_MAGIC, MULTIBOOT2_I386, multiboot2_header_end - multiboot2_header
    .long -(MULTIBOOT2_HEADER_MAGIC + MULTIBOOT2_I386 + (multiboot2_header_end - multiboot2_header))
    .balign 8
1:  .short 1, TAG_OPTIONAL        /* wanted: command line, modules, memory map, screen, ACPI root */
    .long 2f - 1b, 1, 3, 6, 8, 14, 15
2:  .balign 8
1:  .short 3, 0                   /* the entry, instead of the 64-bit one that the ELF header names */
    .long 2f - 1b, PHYSICAL(multiboot2_entry)
2:  .balign 8
1:  .short 5, TAG_OPTIONAL        /* the screen that is preferred */
    .long 2f - 1b, 1024, 768, 32
2:  .balign 8
    .short 6, 0                   /* modules begin at pages */
    .long 8
    .short 0, 0                   /* the end */
    .long 8
multiboot2_header_end:

    .section .text.boot, "ax"
    .code32
    .globl pvh_entry
multiboot2_entry:
    movl %eax, %esi               /* the loader's magic number, for x86_start */
    jmp boot_entry
pvh_entry:
    xorl %esi, %esi
boot_entry:
    cld
    cli
    rdtsc
    movl %eax, PHYSICAL(boot_cycles)
    movl %edx, PHYSICAL(boot_cycles) + 4
    movl %ebx, %ebp               /* what the loader says, kept through cpuid */
    movl %ebx, PHYSICAL(boot_loader)
    movl %esi, PHYSICAL(boot_loader) + 4
    movl $PHYSICAL(boot_stack_top), %esp

    /* Long mode and NX are required; everything else is optional. */
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb boot_refuse
    movl $0x80000001, %eax
    cpuid
    testl $(1 << 29), %edx
    jz boot_refuse
    testl $(1 << 20), %edx
    jz boot_refuse

    /* Top level. */
    movl $PHYSICAL(boot_pml4), %edi
    movl $(PHYSICAL(boot_pdpt_identity) + PTE_PRESENT), (%edi)
    movl $(PHYSICAL(boot_pdpt_direct) + PTE_PRESENT + PTE_WRITE), 256 * 8(%edi)
    movl $(PHYSICAL(boot_pdpt_high) + PTE_PRESENT + PTE_WRITE), 511 * 8(%edi)

    /* Identity: four large pages, not writable. */
    movl $(PHYSICAL(boot_pd_identity) + PTE_PRESENT), PHYSICAL(boot_pdpt_identity)
    movl $PHYSICAL(boot_pd_identity), %edi
    movl $(PTE_PRESENT + PTE_LARGE), %eax
    FILL_ENTRIES 4, 0x200000

    /* Direct map: 2048 large pages through four directories. */
    movl $PHYSICAL(boot_pdpt_direct), %edi
    movl $(PHYSICAL(boot_pd_direct) + PTE_PRESENT + PTE_WRITE), %eax
    FILL_ENTRIES 4, 4096
    movl $PHYSICAL(boot_pd_direct), %edi
    movl $(PTE_PRESENT + PTE_WRITE + PTE_LARGE + PTE_GLOBAL), %eax
    movl $2048, %ecx
1:  movl %eax, (%edi)
    movl $PTE_NX_HIGH, 4(%edi)
    addl $8, %edi
    addl $0x200000, %eax
    decl %ecx
    jnz 1b

    /* Kernel image: four page tables cover physical 0..8 MiB. */
    movl $(PHYSICAL(boot_pd_image) + PTE_PRESENT + PTE_WRITE), PHYSICAL(boot_pdpt_high) + 510 * 8
    movl $PHYSICAL(boot_pd_image), %edi
    movl $(PHYSICAL(boot_pt_image) + PTE_PRESENT + PTE_WRITE), %eax
    FILL_ENTRIES 4, 4096

    movl $PHYSICAL(kernel_image_start), %eax
    movl %eax, %edi
    shrl $9, %edi                 /* page number * 8 */
    addl $PHYSICAL(boot_pt_image), %edi
    movl $PHYSICAL(text_end), %ecx
    movl $(PTE_PRESENT + PTE_GLOBAL), %edx
    xorl %ebx, %ebx
    call boot_map_image
    movl $PHYSICAL(rodata_end), %ecx
    movl $PTE_NX_HIGH, %ebx
    call boot_map_image
    movl $PHYSICAL(data_end), %ecx
    movl $(PTE_PRESENT + PTE_WRITE + PTE_GLOBAL), %edx
    call boot_map_image

    movl $CR4_PAE_PGE, %eax
    movl %eax, %cr4
    movl $PHYSICAL(boot_pml4), %eax
    movl %eax, %cr3
    movl $EFER, %ecx
    movl $EFER_SCE_LME_NXE, %eax
    xorl %edx, %edx
    wrmsr
    movl $CR0_PE_ET_NE_WP_PG, %eax
    movl %eax, %cr0
    lgdtl PHYSICAL(boot_gdt_pointer)
    ljmpl $SELECTOR_KERNEL_CODE, $PHYSICAL(boot_long)

/* Map [eax, ecx) at (edi) on with low flags edx and high flags ebx; eax and edi move on. */
boot_map_image:
1:  cmpl %ecx, %eax
    jae 2f
    movl %eax, (%edi)
    orl %edx, (%edi)
    movl %ebx, 4(%edi)
    addl $4096, %eax
    addl $8, %edi
    jmp 1b
2:  ret

/* No 64-bit mode or no NX: say so on COM1 and stop. */
boot_refuse:
    movl $PHYSICAL(boot_refusal), %esi
1:  lodsb
    testb %al, %al
    jz 2f
    movw $0x3f8, %dx
    outb %al, %dx
    jmp 1b
2:  hlt
    jmp 2b

    .code64
boot_long:
    movabsq $boot_high, %rax
    jmpq *%rax
boot_high:
    lgdtq boot_gdt_pointer_high
    movw $SELECTOR_KERNEL_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    /* GS base = the boot CPU's block, before any C (the stack protector reads it). */
    movl $0xc0000101, %ecx
    movq $x86_cpus, %rax
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
    movq $boot_stack_top, %rsp
    movl %ebp, %edi
    xorl %ebp, %ebp               /* the end of every stack trace */
    pushq $0
    call x86_start
    ud2

/* slide.c; reading CR3 anew makes the processor forget code that was changed through another address. */
    .globl boot_again
boot_again:
    movl boot_loader(%rip), %ebp
    movl boot_loader + 4(%rip), %esi
    movq %cr3, %rax
    movq %rax, %cr3
    jmp boot_high

    .section .rodata.boot, "a"
boot_refusal:
    .asciz "helix: this processor has no 64-bit mode with NX; it cannot run here\r\n"
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff      /* 64-bit code, ring 0 */
    .quad 0x00cf93000000ffff      /* data, ring 0 */
boot_gdt_end:
boot_gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .long PHYSICAL(boot_gdt)
boot_gdt_pointer_high:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

    .section .bss.boot, "aw", @nobits
    .balign 4096
    .globl boot_pml4, boot_pdpt_direct, boot_pdpt_high, boot_pd_direct, boot_pd_image
boot_pml4:          .skip 4096
boot_pdpt_identity: .skip 4096
boot_pd_identity:   .skip 4096
boot_pdpt_direct:   .skip 4096
boot_pd_direct:     .skip 4 * 4096
boot_pdpt_high:     .skip 4096
boot_pd_image:      .skip 4096
boot_pt_image:      .skip 4 * 4096
    .globl boot_stack_guard, boot_stack_top
boot_stack_guard:   .skip 4096 /* unmapped by paging.c */
                    .skip 16384
boot_stack_top:
    .globl boot_cycles
boot_cycles:        .skip 8
boot_loader:        .skip 8 /* x86_start's two, for boot_again */

    .section .note.GNU-stack, "", @progbits
