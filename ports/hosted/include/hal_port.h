/*
 * The hosted port: Helix runs inside a Linux process on x86-64. How a machine is imitated:
 *
 * - A CPU is a pthread; HELIX_CPUS says how many (default 2). CPU 0 is the thread that calls
 *   hosted_start(). A kernel thread is a fiber on the stack it was given and migrates between the
 *   pthreads, so nothing here keeps the address of a thread-local variable: every access to the
 *   calling CPU goes through a function call that is never inlined.
 * - Interrupts are not signals. A vector becomes a bit in its CPU's pending set, and is delivered
 *   when interrupts become enabled, in hal_cpu_relax and in hal_cpu_idle; nowhere else. So a given
 *   piece of code is interrupted at its calls of these functions and the sanitizers see ordinary
 *   calls. Non-maskable interrupts and the order to stop come at the same points, flag or not: a
 * CPU that loops without ever passing one of them cannot be reached.
 * - The timer is one helper pthread for all CPUs, which only sets the pending bit.
 * - There are 24 external lines; tests raise them with hosted_raise_line() (ports/hosted/hosted.h).
 * - Physical memory is a memfd of HELIX_MEMORY MiB (default 64), mapped whole: the direct map.
 *   Mapping a page in a window is mmap of its part of the memfd, unmapping puts an inaccessible
 *   reservation back, and the page table is an array of entries per window. mmap acts on all CPUs
 * at once, so flushing has nothing to do.
 * - User mode is not imitated: hal_user_module_window is empty, and no thread ever gets to user
 * mode. A space that hal_space_create makes is a page table and nothing else: no address of the
 * process changes with it. The copy functions ask the page table of the thread's space and copy
 * through the direct map instead of faulting.
 * - Exceptions are SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGTRAP. The handler only puts the frame on
 *   the interrupted stack (the CPU's emergency stack when that has no room) and returns into
 *   code that calls kernel_exception() there, as a processor would.
 */
#ifndef HAL_PORT_H
#define HAL_PORT_H

#include <hal/clock.h>
#include <hal/cpu.h>
#include <hal/flag.h>
#include <hal/frame.h>
#include <hal/interrupt.h>
#include <hal/memory.h>
#include <hal/thread.h>

#define HAL_VECTOR_FIRST      32
#define HAL_VECTOR_LAST       239
#define HAL_VECTOR_SYSCALL    128 /* kept free, as on the machine that is imitated */
#define HAL_VECTOR_TIMER      240
#define HAL_VECTOR_RESCHEDULE 241
#define HAL_VECTOR_CALL       242

/* No thread gets to user mode, and so none is dumped. */
#define HAL_DUMP_WORDS  1U
#define HAL_DUMP_FLOATS 1U

/* A fiber. Keys: O = the thread itself while it runs, I = immutable after hal_thread_init */
struct hal_thread {
    void *sp;                        /* O  everything else it saved lies above */
    void *sanitizer;                 /* I  TSan's fiber, NULL without */
    void *fake_stack;                /* O  ASan's record of the stack, NULL without */
    const void *stack;               /* I  lowest byte */
    size_t stack_size;               /* I */
    void (*entry)(void *argument);   /* I  NULL: was running already when it became a fiber */
    void *argument;                  /* I */
    struct hal_activation *gate_top; /* O  where the next call's record goes */
    struct hal_space *space;         /* O  activated last, NULL: the kernel's */
};

/* switch.S knows the offsets; the last five are what iretq pops (Intel SDM 2A, IRET). */
struct hal_frame {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t exception; /* enum hal_exception */
    uint64_t error_code;
    uint64_t fault_address;
    uint64_t access;             /* enum hal_fault_access */
    uint64_t interrupts_enabled; /* the imitated flag, not the one in rflags */
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The port's own entries behind the inline functions; nobody else calls them. */
uint32_t hosted_cpu_id(void);
struct thread *hosted_thread_current(void);
hal_interrupt_state hosted_interrupts_save(void);
void hosted_interrupts_restore(hal_interrupt_state state);
bool hosted_interrupts_enabled(void);
void hosted_cpu_relax(void);
struct hal_range hosted_user_window(void);
struct hal_page hosted_entry_load(const struct hal_entry *entry);
void hosted_entry_store(struct hal_entry *entry, struct hal_page page);
extern uintptr_t hosted_direct_base;

static inline uint32_t hal_cpu_id(void)
{
    return hosted_cpu_id();
}

static inline struct thread *hal_thread_current(void)
{
    return hosted_thread_current();
}

static inline void hal_cpu_relax(void)
{
    hosted_cpu_relax();
}

/* By the builtin: the schedule explorer, which takes part in C's atomics, is to see no step here.
 */
static inline bool hal_flag_is_set(const _Atomic uint32_t *word, unsigned bit)
{
    return (__atomic_load_n((const uint32_t *)word, __ATOMIC_RELAXED) >> bit & 1) != 0;
}

static inline hal_interrupt_state hal_interrupts_save(void)
{
    return hosted_interrupts_save();
}

static inline void hal_interrupts_restore(hal_interrupt_state state)
{
    hosted_interrupts_restore(state);
}

static inline bool hal_interrupts_enabled(void)
{
    return hosted_interrupts_enabled();
}

static inline void hal_interrupts_enable(void)
{
    hosted_interrupts_restore(1);
}

/* A bit of the pending set is cleared when it is delivered: nothing is left to tell. */
static inline void hal_interrupt_acknowledge(void)
{
}

static inline void hal_interrupts_disable(void)
{
    (void)hosted_interrupts_save();
}

static inline uint64_t hal_clock_cycles(void)
{
    return __builtin_ia32_rdtsc();
}

bool hosted_user_is_range(uintptr_t address, size_t size);

static inline void *hal_direct_map(uint64_t physical)
{
    return (void *)(hosted_direct_base + physical);
}

static inline uint64_t hal_direct_physical(const void *pointer)
{
    return (uintptr_t)pointer - hosted_direct_base;
}

static inline bool hal_user_is_range(uintptr_t address, size_t size)
{
    return hosted_user_is_range(address, size);
}

hx_err hal_user_copy_in(void *to, uintptr_t from, size_t size);
hx_err hal_user_copy_out(uintptr_t to, const void *from, size_t size);

HX_MUST_USE static inline hx_err hal_user_copy_words_in(void *to, uintptr_t from, size_t size)
{
    return hal_user_copy_in(to, from, size);
}

HX_MUST_USE static inline hx_err hal_user_copy_words_out(uintptr_t to, const void *from,
                                                         size_t size)
{
    return hal_user_copy_out(to, from, size);
}

HX_MUST_USE static inline hx_err hal_user_load_word(uintptr_t address, uint64_t *word)
{
    return hal_user_copy_in(word, address, sizeof(*word));
}

HX_MUST_USE static inline hx_err hal_user_store_word(uintptr_t address, uint64_t word)
{
    return hal_user_copy_out(address, &word, sizeof(word));
}

static inline void hal_page_clear(void *page)
{
    uint64_t *words = page;

    for (size_t i = 0; i < HAL_PAGE_SIZE / sizeof(*words); i++) {
        words[i] = 0;
    }
}

static inline struct hal_range hal_user_window(void)
{
    return hosted_user_window();
}

static inline struct hal_entry *hal_entry_beside(struct hal_entry *entry, ptrdiff_t distance)
{
    return (struct hal_entry *)((uint64_t *)(void *)entry + distance);
}

static inline bool hal_entry_is_empty(const struct hal_entry *entry)
{
    return hosted_entry_load(entry).protection == 0;
}

static inline struct hal_page hal_entry_load(const struct hal_entry *entry)
{
    return hosted_entry_load(entry);
}

static inline void hal_entry_store(struct hal_entry *entry, struct hal_page page)
{
    hosted_entry_store(entry, page);
}

static inline enum hal_exception hal_frame_exception(const struct hal_frame *frame)
{
    return (enum hal_exception)frame->exception;
}

static inline uintptr_t hal_frame_fault_address(const struct hal_frame *frame)
{
    return frame->fault_address;
}

static inline unsigned hal_frame_fault_access(const struct hal_frame *frame)
{
    return (unsigned)frame->access;
}

/* There is no user mode. */
static inline bool hal_frame_is_user(const struct hal_frame *frame)
{
    (void)frame;
    return false;
}

static inline bool hal_frame_interrupts_enabled(const struct hal_frame *frame)
{
    return frame->interrupts_enabled != 0;
}

#endif
