/*
 * Where things are in the x86_64 address space; also read by assembly and the linker script's
 * reader.
 *
 *   0000000000010000  user programs
 *   ffff800000000000  direct map of all RAM (64 TiB, in which it lies elsewhere at each boot)
 *   ffffc00000000000  virtual areas of kern (2 TiB)
 *   ffffffff40000000  device registers (1 GiB)
 *   ffffffff80000000  kernel image (physical address + this + a slide, in 512 MiB)
 *   ffffffffa0000000  modules called through the open gate (512 MiB)
 *   ffffffffc0000000  modules called through the user gate (1 GiB - 2 MiB), each in its own space
 * only
 *
 * Everything from the device window up is within 2 GiB of the kernel's text, as -mcmodel=kernel
 * needs.
 */
#ifndef PORTS_X86_64_LAYOUT_H
#define PORTS_X86_64_LAYOUT_H

#define KERNEL_BASE      0xffffffff80000000
#define KERNEL_LOAD      0x100000
#define DIRECT_MAP       0xffff800000000000
#define AREA_BASE        0xffffc00000000000
#define AREA_SIZE        0x0000020000000000
#define DEVICE_BASE      0xffffffff40000000
#define DEVICE_SIZE      0x40000000
#define MODULE_BASE      0xffffffffa0000000
#define MODULE_SIZE      0x20000000
#define USER_MODULE_BASE 0xffffffffc0000000
#define USER_MODULE_SIZE 0x3fe00000
#define USER_BASE        0x10000
#define USER_SIZE        0x7ffffffe0000

/* Where secondary CPUs start: a page below 1 MiB that the frame allocator never gets. */
#define AP_TRAMPOLINE 0x8000

/* What a reset leaves as it is (retained.c). The image ends before it (kernel.lds). */
#define RETAINED_BASE 0x7f8000
#define RETAINED_SIZE 0x8000

/* Segment selectors; the order of the user pair is what sysretq expects (AMD APM 2, 6.1.1). */
#define SELECTOR_KERNEL_CODE 0x08
#define SELECTOR_KERNEL_DATA 0x10
#define SELECTOR_USER_DATA   0x1b
#define SELECTOR_USER_CODE   0x23
#define SELECTOR_TSS         0x28

/* Interrupt stack table entries. */
#define IST_DOUBLE_FAULT  1
#define IST_NMI           2
#define IST_MACHINE_CHECK 3
#define IST_DEBUG         4

/* Offsets in struct x86_cpu. */
#define CPU_SELF            0
#define CPU_CURRENT         8
#define CPU_ID              16
#define CPU_SCRATCH         24
#define CPU_USER_ACTIVATION 32
#define CPU_CANARY          40
#define CPU_KERNEL_SP       52
#define CPU_ROOT            208
#define CPU_ROOT_NEXT       216

/* Offsets in struct hal_thread. */
#define THREAD_SP              0
#define THREAD_KERNEL_SP       8
#define THREAD_CR3             16
#define THREAD_USER_ACTIVATION 24
#define THREAD_FPU             32
#define THREAD_POINTER         40

#define THREAD_GATE_TOP  56
#define THREAD_STACK_TOP 64

/* Right behind it in struct thread (hal/thread.h). */
#define THREAD_USER_WORK 72

/* The vector of `int $0x80`. */
#define VECTOR_SYSCALL 0x80

/* What hal_frame.vector holds in a frame that is no exception's or interrupt's. */
#define FRAME_IS_PLAIN   256 /* captured, or made, or a system call's and changed since */
#define FRAME_IS_SYSCALL 257 /* of `syscall`, as it came */
#define FRAME_IS_REPLACED                                                                          \
    258 /* of a system call that has put other registers, rax too, in its place */

/* Offsets in the gate's structures (hal/gate.h), and what a record's machine words hold. */
#define INSTANCE_BACKEND     320
#define INSTANCE_FREE_STACKS 328
#define INSTANCE_ROOT        336
#define INSTANCE_STACKS      344
#define INSTANCE_TRAMPOLINE  352
#define SLOT_BUDGET          8

#define RECORD_SIZE      120
#define RECORD_INSTANCE  0
#define RECORD_BUDGET    8
#define RECORD_OUTCOME   16 /* and has_effects, cleared with it */
#define RECORD_RSP       24
#define RECORD_RBP       32
#define RECORD_RBX       40
#define RECORD_R12       48
#define RECORD_R13       56
#define RECORD_R14       64
#define RECORD_R15       72
#define RECORD_RFLAGS    80
#define RECORD_KERNEL_SP 88 /* user backend: what hal_thread had outside the call, */
#define RECORD_CR3       96
#define RECORD_PREVIOUS  104
#define RECORD_STACK     112 /* and the number of the stack in use */

#endif
