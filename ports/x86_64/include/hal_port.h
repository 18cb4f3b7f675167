/*
 * x86_64: the inline half of the HAL and the port's structures that others embed.
 * The contract of each function stands in hal/; this file is included last by every header there.
 *
 * GS holds the CPU's block (struct x86_cpu in ports/x86_64/cpu_local.h) whenever kernel code runs.
 * The offsets used here are asserted against that structure in ports/x86_64/start.c.
 */
#ifndef PORTS_X86_64_HAL_PORT_H
#define PORTS_X86_64_HAL_PORT_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;
struct hal_space;
struct x86_fpu;

#define HAL_VECTOR_FIRST      48
#define HAL_VECTOR_LAST       239
#define HAL_VECTOR_SYSCALL    128 /* `int $0x80`, between the two, is not free */
#define HAL_VECTOR_TIMER      240
#define HAL_VECTOR_RESCHEDULE 241
#define HAL_VECTOR_CALL       242
#define X86_VECTOR_ERROR      254
#define X86_VECTOR_SPURIOUS   255

#define X86_CPU_CURRENT 8
#define X86_CPU_ID      16

#define X86_DIRECT_MAP  0xffff800000000000UL
#define X86_KERNEL_BASE 0xffffffff80000000UL
#define X86_USER_END    0x00007fffffff0000UL

/*
 * What entry.S pushes, lowest address first. The frame of an exception (vector below 32) is
 * preceded by two words, of which the lower is CR2.
 */
struct hal_frame {
    uint64_t rax; /* the number, on a system call */
    uint64_t r15, r14, r13, r12, rbp, rbx;
    uint64_t r11, r10, r9, r8, rcx, rdx, rsi, rdi;
    uint64_t vector; /* or FRAME_IS_PLAIN … (layout.h) */
    uint64_t error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The port's part of a thread; context_switch in entry.S knows the offsets. */
struct hal_thread {
    uint64_t sp;             /* 0  saved stack pointer while not running */
    uint64_t kernel_sp;      /* 8  where entries from user mode start on the kernel stack */
    uint64_t cr3;            /* 16 address space */
    void *user_activation;   /* 24 call into an unprivileged module that is under way, NULL: none */
    struct x86_fpu *fpu;     /* 32 user-mode registers; NULL for a kernel thread */
    uint64_t thread_pointer; /* 40 FS base of user mode */
    struct hal_space *space; /* 48 */
    struct hal_activation *gate_top; /* 56 where the next call's record goes */
    uint64_t stack_top;              /* 64 end of the kernel stack, where the user frame ends */
};

/* --- cpu -------------------------------------------------------------------------------------- */

static inline uint32_t hal_cpu_id(void)
{
    uint64_t id;

    /* The bound is for the compiler: with it, the number is an index without being extended. */
    __asm__ volatile("movl %%gs:%c1, %k0" : "=r"(id) : "i"(X86_CPU_ID));
    if (id > UINT8_MAX) {
        __builtin_unreachable();
    }
    return (uint32_t)id;
}

static inline void hal_cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}

/* --- interrupt flag --------------------------------------------------------------------------- */

#define X86_RFLAGS_IF     0x200UL
#define X86_RFLAGS_ALWAYS 0x2UL /* a bit that is always set */

static inline unsigned long hal_interrupts_save(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq\n\tpopq %0\n\tcli" : "=r"(flags)::"memory");
    return flags & X86_RFLAGS_IF;
}

static inline void hal_interrupts_restore(unsigned long state)
{
    if (state != 0) {
        __asm__ volatile("sti" ::: "memory");
    }
}

static inline bool hal_interrupts_enabled(void)
{
    unsigned long flags;

    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
    return (flags & X86_RFLAGS_IF) != 0;
}

static inline void hal_interrupts_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void hal_interrupts_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}

/* The local APIC's registers, the same address on every CPU (apic.h); index of EOI (SDM 3A 10.8.5).
 */
extern volatile uint32_t *x86_apic;
#define X86_APIC_EOI (0xb0 / 4)

static inline void hal_interrupt_acknowledge(void)
{
    x86_apic[X86_APIC_EOI] = 0;
}

/* --- thread ----------------------------------------------------------------------------------- */

static inline struct thread *hal_thread_current(void)
{
    struct thread *thread;

    /* Not volatile: a constant for the code that runs on the thread. */
    __asm__("movq %%gs:%c1, %0" : "=r"(thread) : "i"(X86_CPU_CURRENT));
    return thread;
}

/* --- clock ------------------------------------------------------------------------------------ */

static inline uint64_t hal_clock_cycles(void)
{
    uint64_t low; /* rdtsc clears the upper halves */
    uint64_t high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return high << 32 | low;
}

/* --- memory ----------------------------------------------------------------------------------- */

static inline void *hal_direct_map(uint64_t physical)
{
    return (void *)(physical + X86_DIRECT_MAP);
}

static inline uint64_t hal_direct_physical(const void *pointer)
{
    return (uint64_t)pointer - X86_DIRECT_MAP;
}

static inline bool hal_user_is_range(uintptr_t address, size_t size)
{
    return size <= X86_USER_END && address <= X86_USER_END - size;
}

#endif
