/* Entries from assembly, and the frame accessors of hal/frame.h. */
#include <base/memory.h>
#include <hal/entry.h>
#include <hal/frame.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <ports/x86_64/apic.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/smp.h>
#include <ports/x86_64/trap.h>
#include <ports/x86_64/watchdog.h>

#define VECTOR_NMI          2
#define VECTOR_DOUBLE_FAULT 8
#define VECTOR_PROTECTION   13
#define VECTOR_PAGE_FAULT   14
_Static_assert(VECTOR_DOUBLE_FAULT == X86_VECTOR_DOUBLE_FAULT &&
                   VECTOR_PAGE_FAULT == X86_VECTOR_PAGE_FAULT,
               "the port's inline half has the same numbers");

/* --- from entry.S ----------------------------------------------------------------------------- */

/* Whether the frame was redirected from user mode into the kernel. */
bool x86_paranoid(struct hal_frame *frame)
{
    bool from_user = hal_frame_is_user(frame);

    if (frame->vector != VECTOR_NMI) {
        kernel_exception(frame);
    } else if (atomic_load_explicit(&x86_stop_requested, memory_order_acquire)) {
        x86_cpu_stopped();
    } else {
        watchdog_pass_on();
        kernel_nmi(frame);
    }
    return from_user && !hal_frame_is_user(frame);
}

void x86_callout(struct hal_frame *frame)
{
    hal_interrupts_restore(frame->rflags & X86_RFLAGS_IF);
    kernel_callout(frame);
    hal_interrupts_disable();
}

void x86_bad_return(struct hal_frame *frame)
{
    frame->vector = VECTOR_PROTECTION;
    frame->error = 0;
    kernel_exception(frame);
    hal_interrupts_disable();
}

void x86_frame_changed(struct hal_frame *frame)
{
    if (frame->vector == FRAME_IS_SYSCALL) {
        frame->vector = FRAME_IS_PLAIN;
    }
}

/* --- accessors -------------------------------------------------------------------------------- */

enum hal_exception x86_frame_exception(const struct hal_frame *frame)
{
    static const uint8_t names[] = {
        [0] = HAL_EXCEPTION_DIVIDE,         [1] = HAL_EXCEPTION_DEBUG,
        [2] = HAL_EXCEPTION_OTHER,          [3] = HAL_EXCEPTION_BREAKPOINT,
        [4] = HAL_EXCEPTION_OVERFLOW,       [5] = HAL_EXCEPTION_BOUNDS,
        [6] = HAL_EXCEPTION_INVALID_OPCODE, [7] = HAL_EXCEPTION_NO_FPU,
        [8] = HAL_EXCEPTION_DOUBLE_FAULT,   [9] = HAL_EXCEPTION_OTHER,
        [10] = HAL_EXCEPTION_INVALID_TSS,   [11] = HAL_EXCEPTION_SEGMENT,
        [12] = HAL_EXCEPTION_STACK,         [13] = HAL_EXCEPTION_PROTECTION,
        [14] = HAL_EXCEPTION_PAGE,          [15] = HAL_EXCEPTION_OTHER,
        [16] = HAL_EXCEPTION_FPU,           [17] = HAL_EXCEPTION_ALIGNMENT,
        [18] = HAL_EXCEPTION_MACHINE_CHECK, [19] = HAL_EXCEPTION_SIMD,
    };

    if (frame->vector == VECTOR_DOUBLE_FAULT) {
        /* A push onto a guard page: CR2 lies just below the stack pointer. */
        uintptr_t below = frame->rsp - hal_frame_fault_address(frame);

        return below <= HAL_PAGE_SIZE || below >= -HAL_PAGE_SIZE ? HAL_EXCEPTION_STACK_OVERFLOW
                                                                 : HAL_EXCEPTION_DOUBLE_FAULT;
    }
    return frame->vector < HX_ARRAY_SIZE(names) ? names[frame->vector] : HAL_EXCEPTION_OTHER;
}

uint64_t hal_frame_error_code(const struct hal_frame *frame)
{
    return frame->error;
}

uintptr_t hal_frame_pc(const struct hal_frame *frame)
{
    return frame->rip;
}

uintptr_t hal_frame_sp(const struct hal_frame *frame)
{
    return frame->rsp;
}

uintptr_t hal_frame_fp(const struct hal_frame *frame)
{
    return frame->rbp;
}

void hal_frame_set_pc(struct hal_frame *frame, uintptr_t pc)
{
    frame->rip = pc;
    x86_frame_changed(frame);
}

void hal_frame_set_sp(struct hal_frame *frame, uintptr_t sp)
{
    frame->rsp = sp;
    x86_frame_changed(frame);
}

/* The first sixteen are the general ones: hal/code.h counts on their order. */
static const struct {
    const char *name;
    size_t offset;
} registers[] = {
    {"RAX", offsetof(struct hal_frame, rax)},     {"RBX", offsetof(struct hal_frame, rbx)},
    {"RCX", offsetof(struct hal_frame, rcx)},     {"RDX", offsetof(struct hal_frame, rdx)},
    {"RSI", offsetof(struct hal_frame, rsi)},     {"RDI", offsetof(struct hal_frame, rdi)},
    {"RBP", offsetof(struct hal_frame, rbp)},     {"RSP", offsetof(struct hal_frame, rsp)},
    {"R8", offsetof(struct hal_frame, r8)},       {"R9", offsetof(struct hal_frame, r9)},
    {"R10", offsetof(struct hal_frame, r10)},     {"R11", offsetof(struct hal_frame, r11)},
    {"R12", offsetof(struct hal_frame, r12)},     {"R13", offsetof(struct hal_frame, r13)},
    {"R14", offsetof(struct hal_frame, r14)},     {"R15", offsetof(struct hal_frame, r15)},
    {"RIP", offsetof(struct hal_frame, rip)},     {"RFLAGS", offsetof(struct hal_frame, rflags)},
    {"CS", offsetof(struct hal_frame, cs)},       {"SS", offsetof(struct hal_frame, ss)},
    {"ERROR", offsetof(struct hal_frame, error)},
};

const char *hal_frame_register(const struct hal_frame *frame, unsigned index, uint64_t *value)
{
    if (index < HX_ARRAY_SIZE(registers)) {
        memcpy(value, (const char *)frame + registers[index].offset, sizeof(*value));
        return registers[index].name;
    }
    if (index == HX_ARRAY_SIZE(registers)) {
        *value = hal_frame_fault_address(frame);
        return "CR2";
    }
    if (index == HX_ARRAY_SIZE(registers) + 1) {
        __asm__ volatile("movq %%cr3, %0" : "=r"(*value));
        return "CR3";
    }
    return NULL;
}

void hal_frame_set_register(struct hal_frame *frame, unsigned index, uint64_t value)
{
    memcpy((char *)frame + registers[index].offset, &value, sizeof(value));
    x86_frame_changed(frame);
}

/* Read a word of the current space without touching it: through the tables and the direct map. */
static bool peek_word(uintptr_t address, uint64_t *word)
{
    uint64_t root;
    uint64_t physical;

    __asm__ volatile("movq %%cr3, %0" : "=r"(root));
    if ((address & 7) != 0 ||
        !hal_space_lookup(hal_direct_map(root & ~(HAL_PAGE_SIZE - 1)), address, &physical, NULL)) {
        return false;
    }
    *word = *(const uint64_t *)hal_direct_map(physical + address % HAL_PAGE_SIZE);
    return true;
}

bool hal_frame_walk(uintptr_t *fp, uintptr_t *return_address)
{
    uint64_t next;
    uint64_t address;

    if (!peek_word(*fp, &next) || !peek_word(*fp + 8, &address) || address == 0) {
        return false;
    }
    /* Stacks grow down: a chain that does not climb is broken, or loops. */
    if (next != 0 && next <= *fp) {
        next = 0;
    }
    *fp = next;
    *return_address = address;
    return true;
}

struct fault_fixup {
    uint64_t first, last; /* instructions that may fault */
    uint64_t fixup;
};

extern const struct fault_fixup fault_fixups_start[];
extern const struct fault_fixup fault_fixups_end[];

/* The fix-up of the instruction that faulted; NULL: it has none. */
static const struct fault_fixup *find_fixup(const struct hal_frame *frame)
{
    for (const struct fault_fixup *entry = fault_fixups_start; entry < fault_fixups_end; entry++) {
        if (frame->rip >= entry->first && frame->rip <= entry->last) {
            return entry;
        }
    }
    return NULL;
}

bool hal_frame_may_fault(const struct hal_frame *frame)
{
    return find_fixup(frame) != NULL;
}

bool hal_frame_fixup(struct hal_frame *frame)
{
    const struct fault_fixup *entry = find_fixup(frame);

    if (entry != NULL) {
        frame->rip = entry->fixup;
    }
    return entry != NULL;
}
