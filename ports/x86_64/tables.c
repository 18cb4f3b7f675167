/* Descriptor tables and system call registers (Intel SDM 3A 3.4, 6.14, 8.7; AMD APM 2, 6.1.1). */
#include <base/assert.h>
#include <hal/memory.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/paging.h>

#define MSR_STAR           0xc0000081U
#define MSR_LSTAR          0xc0000082U
#define MSR_FMASK          0xc0000084U
#define MSR_GS_BASE        0xc0000101U
#define MSR_KERNEL_GS_BASE 0xc0000102U

/* Flags cleared on syscall: TF, IF, DF, IOPL, NT, AC. */
#define SYSCALL_FLAG_MASK 0x47700U

#define GATE_INTERRUPT    0x8eU /* present, DPL 0, interrupts off on entry */
#define GATE_FROM_USER    0x60U /* DPL 3 */
#define STUB_SIZE         16U
#define VECTOR_BREAKPOINT 3U

struct gate_descriptor {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} HX_PACKED;

struct x86_cpu x86_cpus[HAL_CPU_MAX];

static struct gate_descriptor idt[256] HX_ALIGNED(16);

extern char entry_stubs[];
extern char helix_syscall_entry[];

static uint8_t vector_stack(unsigned vector)
{
    switch (vector) {
    case 1:
        return IST_DEBUG;
    case 2:
        return IST_NMI;
    case 8:
        return IST_DOUBLE_FAULT;
    case 18:
        return IST_MACHINE_CHECK;
    default:
        return 0;
    }
}

static void fill_idt(void)
{
    for (unsigned vector = 0; vector < HX_ARRAY_SIZE(idt); vector++) {
        uint64_t stub = (uint64_t)entry_stubs + vector * STUB_SIZE;
        bool is_for_user = vector == VECTOR_BREAKPOINT || vector == VECTOR_SYSCALL;

        idt[vector] = (struct gate_descriptor){
            .offset_low = (uint16_t)stub,
            .selector = SELECTOR_KERNEL_CODE,
            .ist = vector_stack(vector),
            .type = (uint8_t)(GATE_INTERRUPT | (is_for_user ? GATE_FROM_USER : 0U)),
            .offset_middle = (uint16_t)(stub >> 16),
            .offset_high = (uint32_t)(stub >> 32),
        };
    }
}

static void fill_gdt(struct x86_cpu *cpu)
{
    uint64_t tss = (uint64_t)&cpu->tss;

    cpu->gdt[0] = 0;
    cpu->gdt[1] = 0x00af9b000000ffff; /* kernel code, 64 bit */
    cpu->gdt[2] = 0x00cf93000000ffff; /* kernel data */
    cpu->gdt[3] = 0x00cff3000000ffff; /* user data */
    cpu->gdt[4] = 0x00affb000000ffff; /* user code, 64 bit */
    cpu->gdt[5] = (sizeof(cpu->tss) - 1) | ((tss & 0xffffff) << 16) | (0x89UL << 40) |
                  ((tss >> 24 & 0xff) << 56);
    cpu->gdt[6] = tss >> 32;
    cpu->tss.io_map = sizeof(cpu->tss);
}

static void load_segments(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovw %w1, %%ds\n\t"
                     "movw %w1, %%es\n\t"
                     "movw %w1, %%ss\n\t"
                     "movw %w2, %%fs\n\t"
                     "movw %w2, %%gs\n\t"
                     :
                     : "i"((uint64_t)SELECTOR_KERNEL_CODE), "r"(SELECTOR_KERNEL_DATA), "r"(0)
                     : "rax", "memory");
}

/* Loading the GS selector clears GS base, and C code may need the canary at any time: one function.
 */
__attribute__((no_stack_protector)) void x86_cpu_load_tables(struct x86_cpu *cpu)
{
    struct table_pointer gdt = {sizeof(cpu->gdt) - 1, (uint64_t)cpu->gdt};
    struct table_pointer interrupts = {sizeof(idt) - 1, (uint64_t)idt};

    cpu->self = cpu;
    atomic_store_explicit(&cpu->root, x86_kernel_cr3(), memory_order_relaxed);
    fill_gdt(cpu);
    if (idt[0].type == 0) {
        fill_idt();
    }
    __asm__ volatile("lgdt %0" ::"m"(gdt));
    load_segments();
    x86_msr_write(MSR_GS_BASE, (uint64_t)cpu);
    x86_msr_write(MSR_KERNEL_GS_BASE, 0);
    __asm__ volatile("lidt %0" ::"m"(interrupts));
    __asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS));
    x86_msr_write(MSR_STAR, ((uint64_t)(SELECTOR_USER_DATA - 8) << 48) |
                                ((uint64_t)SELECTOR_KERNEL_CODE << 32));
    x86_msr_write(MSR_LSTAR, (uint64_t)helix_syscall_entry);
    x86_msr_write(MSR_FMASK, SYSCALL_FLAG_MASK);
}

hx_err x86_cpu_make_stacks(struct x86_cpu *cpu)
{
    static const unsigned used[] = {IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK, IST_DEBUG};

    for (size_t i = 0; i < HX_ARRAY_SIZE(used); i++) {
        char *stack = x86_map_stack(X86_EMERGENCY_STACK_SIZE / HAL_PAGE_SIZE);

        if (stack == NULL) {
            return HX_ENOMEM;
        }
        cpu->tss.ist[used[i] - 1] = (uint64_t)stack + X86_EMERGENCY_STACK_SIZE;
    }
    return HX_OK;
}
