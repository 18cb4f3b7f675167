/*
 * x86_64: the inline half of the HAL and the port's structures that others embed.
 * The contract of each function stands in hal/; this file is included last by every header there.
 *
 * GS holds the CPU's block (struct x86_cpu in ports/x86_64/cpu_local.h) whenever kernel code runs.
 * The offsets used here are asserted against that structure in ports/x86_64/start.c.
 */
#ifndef PORTS_X86_64_HAL_PORT_H
#define PORTS_X86_64_HAL_PORT_H

#include <hal/frame.h>
#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
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

#define X86_VECTOR_DOUBLE_FAULT 8
#define X86_VECTOR_PAGE_FAULT   14
#define X86_FAULT_USER          (1U << 2) /* in a page fault's error code */
#define X86_FAULT_FETCH         (1U << 4)

#define X86_PTE_PRESENT (1UL << 0)
#define X86_PTE_WRITE   (1UL << 1)
#define X86_PTE_USER    (1UL << 2)
#define X86_PTE_MARK    (1UL << 9)
#define X86_PTE_NX      (1UL << 63)
#define X86_PTE_ADDRESS 0x000ffffffffff000UL

#define X86_USER_BASE 0x10000UL
#define X86_USER_SIZE 0x7ffffffe0000UL
#define X86_USER_BITS 47

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

/* In a core file: struct user_regs_struct, and what FXSAVE stores. */
#define HAL_DUMP_WORDS  27U
#define HAL_DUMP_FLOATS 512U

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

/* --- flags that are nearly always off --------------------------------------------------------- */

static HX_ALWAYS_INLINE bool hal_flag_is_set(const _Atomic uint32_t *word, unsigned bit)
{
    __asm__ goto("testb %1, %0\n\tjnz %l[is_set]"
                 :
                 : "m"(((const uint8_t *)word)[bit / 8]), "i"((uint8_t)(1U << bit % 8))
                 : "cc"
                 : is_set);
    return false;
is_set:
    return true;
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

/* A constant in the code, which slide.c changes. */
static HX_ALWAYS_INLINE uint64_t x86_direct_base(void)
{
    uint64_t base;

    __asm__("movabsq $direct_map, %0" : "=r"(base));
    return base;
}

static inline void *hal_direct_map(uint64_t physical)
{
    return (void *)(physical + x86_direct_base());
}

static inline uint64_t hal_direct_physical(const void *pointer)
{
    return (uint64_t)pointer - x86_direct_base();
}

static inline bool hal_user_is_range(uintptr_t address, size_t size)
{
    /* No bit from 47 on in either, and none in the sum: it neither wraps nor leaves the lower half.
     * The pages between the window's end and that half's are never mapped. */
    return (address | size | (address + size)) >> X86_USER_BITS == 0;
}

/* As COPY_CHECKED in entry.S, of words alone; words not copied. */
static inline size_t x86_copy_words(uintptr_t to, uintptr_t from, size_t words)
{
    __asm__ volatile("771: .byte 0x0f, 0x1f, 0x03\n" /* stac, see PATCHED in entry.S */
                     "10: rep movsq\n"
                     "772: .byte 0x0f, 0x1f, 0x00\n" /* clac */
                     ".pushsection .text_patches, \"a\"\n"
                     ".quad 771b, 772b\n"
                     ".popsection\n"
                     ".pushsection .fault_fixups, \"a\"\n"
                     ".quad 10b, 10b, 772b\n" /* first, last, fix-up */
                     ".popsection"
                     : "+D"(to), "+S"(from), "+c"(words)
                     :
                     : "memory");
    return words;
}

HX_MUST_USE static inline hx_err hal_user_copy_words_in(void *to, uintptr_t from, size_t size)
{
    return hal_user_is_range(from, size) && x86_copy_words((uintptr_t)to, from, size / 8) == 0
               ? HX_OK
               : HX_EFAULT;
}

HX_MUST_USE static inline hx_err hal_user_copy_words_out(uintptr_t to, const void *from,
                                                         size_t size)
{
    return hal_user_is_range(to, size) && x86_copy_words(to, (uintptr_t)from, size / 8) == 0
               ? HX_OK
               : HX_EFAULT;
}

/*
 * One instruction between stac and clac, with its fix-up behind the latter: what faults comes to
 * `fault` with AC still set, and has it cleared there.
 */
#define X86_WORD_ACCESS(instruction)                                                               \
    "771: .byte 0x0f, 0x1f, 0x03\n" /* stac, see PATCHED in entry.S */                             \
    "10: " instruction "\n"                                                                        \
    "772: .byte 0x0f, 0x1f, 0x00\n" /* clac */                                                     \
    ".pushsection .text_patches, \"a\"\n"                                                          \
    ".quad 771b, 772b\n"                                                                           \
    ".popsection\n"                                                                                \
    ".pushsection .fault_fixups, \"a\"\n"                                                          \
    ".quad 10b, 10b, %l[fault]\n" /* first, last, fix-up */                                        \
    ".popsection"

static inline void x86_clear_ac(void)
{
    __asm__ volatile("772: .byte 0x0f, 0x1f, 0x00\n" /* clac */
                     ".pushsection .text_patches, \"a\"\n"
                     ".quad 772b\n"
                     ".popsection" ::
                         : "memory");
}

HX_MUST_USE static inline hx_err hal_user_load_word(uintptr_t address, uint64_t *word)
{
    uint64_t loaded;

    if (!hal_user_is_range(address, sizeof(loaded))) {
        return HX_EFAULT;
    }
    __asm__ goto(X86_WORD_ACCESS("movq (%1), %0") : "=r"(loaded) : "r"(address) : "memory" : fault);
    *word = loaded;
    return HX_OK;
fault:
    x86_clear_ac();
    return HX_EFAULT;
}

HX_MUST_USE static inline hx_err hal_user_store_word(uintptr_t address, uint64_t word)
{
    if (!hal_user_is_range(address, sizeof(word))) {
        return HX_EFAULT;
    }
    __asm__ goto(X86_WORD_ACCESS("movq %0, (%1)") : : "r"(word), "r"(address) : "memory" : fault);
    return HX_OK;
fault:
    x86_clear_ac();
    return HX_EFAULT;
}

static inline void hal_page_clear(void *page)
{
    uint64_t words = HAL_PAGE_SIZE / sizeof(uint64_t);

    __asm__ volatile("rep stosq" : "+D"(page), "+c"(words) : "a"(0) : "memory");
}

static inline struct hal_range hal_user_window(void)
{
    return (struct hal_range){X86_USER_BASE, X86_USER_SIZE};
}

/*
 * Protection and entry have the same rights in other places, and none depends on another; so both
 * ways are a few shifts. An entry that is not present but marked keeps its frame (NX is set in it,
 * and so says that it may not be executed).
 */
#define X86_PTE_SAME_PLACE (X86_PTE_PRESENT | X86_PTE_WRITE)
_Static_assert(HAL_READ == X86_PTE_PRESENT && HAL_WRITE == X86_PTE_WRITE,
               "these stand in the same place");
_Static_assert(HAL_USER >> 1 == X86_PTE_USER && HAL_MARK << 4 == X86_PTE_MARK &&
                   (uint64_t)HAL_EXECUTE << 61 == X86_PTE_NX,
               "these are shifted");

static inline struct hal_entry *hal_entry_beside(struct hal_entry *entry, ptrdiff_t distance)
{
    return (struct hal_entry *)((uint64_t *)(void *)entry + distance);
}

static inline bool hal_entry_is_empty(const struct hal_entry *entry)
{
    return *(const volatile uint64_t *)entry == 0;
}

static inline struct hal_page hal_entry_load(const struct hal_entry *entry)
{
    uint64_t value = *(const volatile uint64_t *)entry;
    uint64_t protection = (value & X86_PTE_SAME_PLACE) | (value & X86_PTE_USER) << 1 |
                          (value & X86_PTE_MARK) >> 4 | (~value & X86_PTE_NX) >> 61;

    return (struct hal_page){.physical = value & X86_PTE_ADDRESS,
                             .protection = value != 0 ? (unsigned)protection : 0};
}

/* One store: other processors walk the table meanwhile. */
static inline void hal_entry_store(struct hal_entry *entry, struct hal_page page)
{
    uint64_t protection = page.protection;
    uint64_t value = page.physical | (protection & X86_PTE_SAME_PLACE) |
                     (protection & HAL_USER) >> 1 | (protection & HAL_MARK) << 4 |
                     (~protection & HAL_EXECUTE) << 61;

    *(volatile uint64_t *)entry = protection != 0 ? value : 0;
}

/* --- frame ------------------------------------------------------------------------------------ */

/* By the vector; page faults are the ones that happen all the time. */
enum hal_exception x86_frame_exception(const struct hal_frame *frame);

static inline enum hal_exception hal_frame_exception(const struct hal_frame *frame)
{
    return HX_LIKELY(frame->vector == X86_VECTOR_PAGE_FAULT) ? HAL_EXCEPTION_PAGE
                                                             : x86_frame_exception(frame);
}

static inline uintptr_t hal_frame_fault_address(const struct hal_frame *frame)
{
    bool has_address =
        frame->vector == X86_VECTOR_PAGE_FAULT || frame->vector == X86_VECTOR_DOUBLE_FAULT;

    /* entry.S pushed CR2 twice (for alignment) before the frame. */
    return has_address ? ((const uint64_t *)frame)[-1] : 0;
}

/* The error code has four of its bits (Intel SDM 3A 4.7) in the order of enum hal_fault_access. */
static inline unsigned hal_frame_fault_access(const struct hal_frame *frame)
{
    unsigned error = (unsigned)frame->error;
    unsigned access = (error & (HAL_FAULT_PRESENT | HAL_FAULT_WRITE)) |
                      ((error & X86_FAULT_FETCH) != 0 ? (unsigned)HAL_FAULT_EXECUTE : 0U) |
                      ((error & X86_FAULT_USER) != 0 ? (unsigned)HAL_FAULT_USER : 0U);

    return frame->vector == X86_VECTOR_PAGE_FAULT ? access : 0;
}

static inline bool hal_frame_is_user(const struct hal_frame *frame)
{
    return (frame->cs & 3) != 0;
}

static inline bool hal_frame_interrupts_enabled(const struct hal_frame *frame)
{
    return (frame->rflags & X86_RFLAGS_IF) != 0;
}

#endif
