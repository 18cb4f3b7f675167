/*
 * The per-CPU block that GS points to, and the descriptor tables in it.
 *
 * Rules:
 * - A CPU touches only its own block, except while it starts another one.
 * - The first fields' offsets are known to entry.S and hal_port.h (layout.h; asserted in start.c).
 */
#ifndef PORTS_X86_64_CPU_LOCAL_H
#define PORTS_X86_64_CPU_LOCAL_H

#include <hal/cpu.h>
#include <helix/attributes.h>
#include <stdatomic.h>
#include <stdint.h>

/* Intel SDM 3A 8.7, 64-bit task-state segment. */
struct x86_tss {
    uint32_t reserved0;
    uint64_t rsp[3]; /* rsp[0]: the stack for entries from user mode */
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t io_map; /* beyond the limit: no port is open to user mode */
} HX_PACKED;

#define X86_EMERGENCY_STACK_SIZE 8192

struct x86_cpu {
    struct x86_cpu *self;   /* 0 */
    struct thread *current; /* 8 */
    uint32_t id;            /* 16 */
    uint32_t apic_id;       /* 20 */
    uint64_t scratch;       /* 24 user stack pointer during system call entry */
    void *user_activation;  /* 32 the running thread's, see hal_thread */
    uint64_t canary;        /* 40 where -fstack-protector looks */
    struct x86_tss tss;     /* 48: tss.rsp[0] is at 52 */
    uint64_t
        gdt[7] HX_ALIGNED(8);   /* null, kernel code, kernel data, user data, user code, TSS (2) */
    _Atomic uint64_t root;      /* 208 page tables in use, written by LOAD_ROOT in entry.S */
    _Atomic uint64_t root_next; /* 216 and those that are about to be */
    bool present;               /* ACPI says the CPU exists and is enabled */
    _Atomic bool arrived;       /* it runs kernel code */
} HX_ALIGNED(HX_CACHE_LINE);

extern struct x86_cpu x86_cpus[HAL_CPU_MAX];

static inline struct x86_cpu *x86_cpu_this(void)
{
    struct x86_cpu *cpu;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/*
 * Load the block's GDT, TSS, the IDT, GS base, and the system call MSRs on the calling CPU.
 * The emergency stacks (double fault, NMI, machine check, debug) must be set in tss.ist before.
 */
void x86_cpu_load_tables(struct x86_cpu *cpu);

/* Allocate guarded emergency stacks for a CPU and put them into its TSS. Errors: HX_ENOMEM. */
HX_MUST_USE hx_err x86_cpu_make_stacks(struct x86_cpu *cpu);

/* Set when all other CPUs shall halt in their next NMI. */
extern _Atomic bool x86_stop_requested;

#endif
