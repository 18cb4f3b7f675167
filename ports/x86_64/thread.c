/* The port's half of threads, address spaces of threads, user mode (hal/thread.h, hal/user.h). */
#include <base/memory.h>
#include <hal/frame.h>
#include <hal/gate.h>
#include <hal/interrupt.h>
#include <hal/thread.h>
#include <hal/user.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/trap.h>
#include <ports/x86_64/user.h>
#include <ports/x86_64/xsave.h>

#define MSR_FS_BASE 0xc0000100U

_Static_assert(USER_BASE + USER_SIZE <= 1UL << X86_USER_BITS, "hal_user_is_range knows the window");

/* struct hal_thread is the first member of struct thread (hal/thread.h). */
static struct hal_thread *machine_half(struct thread *thread)
{
    return (struct hal_thread *)thread;
}

extern char thread_first_entry[];

/* What hal_thread_switch pops, lowest address first. */
struct switch_frame {
    uint64_t rflags;
    uint64_t r15, r14, r13, r12, rbx, rbp;
    uint64_t return_address;
};

void hal_thread_init(struct hal_thread *hal, void *stack, size_t stack_size,
                     void (*entry)(void *arg), void *arg)
{
    uint64_t top = (uint64_t)stack + stack_size;
    /* Below the place of the user frame, which the thread may fill in before it leaves the kernel.
     */
    struct switch_frame *frame =
        (struct switch_frame *)(top - sizeof(struct hal_frame) - sizeof(*frame));

    *frame = (struct switch_frame){
        .rflags = 2, /* the bit that is always set; interrupts off */
        .r12 = (uint64_t)entry,
        .r13 = (uint64_t)arg,
        .return_address = (uint64_t)thread_first_entry,
    };
    *hal = (struct hal_thread){
        .sp = (uint64_t)frame,
        .kernel_sp = top,
        .cr3 = x86_kernel_cr3(),
        .space = hal_space_kernel(),
        .stack_top = top,
    };
}

bool hal_thread_saved_place(const struct hal_thread *hal, uintptr_t *pc, uintptr_t *fp)
{
    const struct switch_frame *frame = (const struct switch_frame *)hal->sp;
    uintptr_t link = (uintptr_t)&frame->rbp;

    /* rbp and the return address lie as in a frame: one step of the walk reads both, checked. */
    if (!hal_frame_walk(&link, pc)) {
        return false;
    }
    *fp = link;
    return true;
}

void hal_thread_fini(struct hal_thread *hal)
{
    (void)hal; /* nothing was taken */
}

/* The C side of LOAD_ROOT in entry.S. */
static void load_root(uint64_t root)
{
    struct x86_cpu *cpu = x86_cpu_this();

    atomic_store_explicit(&cpu->root_next, root, memory_order_relaxed);
    __asm__ volatile("movq %0, %%cr3" ::"r"(root) : "memory");
    atomic_store_explicit(&cpu->root, root, memory_order_relaxed);
}

void hal_space_activate(struct hal_space *space)
{
    struct hal_thread *self = machine_half(hal_thread_current());
    hal_interrupt_state state = hal_interrupts_save();

    self->space = space;
    self->cr3 = hal_space_root(space);
    load_root(self->cr3);
    hal_interrupts_restore(state);
}

uint64_t hal_space_cpus(const struct hal_space *space)
{
    uint64_t root = hal_space_root(space);
    uint32_t count = hal_cpu_count();
    uint64_t cpus = 0;

    /* Between the caller's change of the tables and these loads; pairs with `mov cr3` of LOAD_ROOT.
     */
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t cpu = 0; cpu < count; cpu++) {
        if (atomic_load_explicit(&x86_cpus[cpu].root, memory_order_relaxed) == root ||
            atomic_load_explicit(&x86_cpus[cpu].root_next, memory_order_relaxed) == root) {
            cpus |= 1ULL << cpu;
        }
    }
    return cpus;
}

/* --- user memory ------------------------------------------------------------------------------ */

/* entry.S says what they return. */
size_t x86_copy_checked(uintptr_t to, uintptr_t from, size_t size);
size_t x86_copy_all_checked(uintptr_t to, uintptr_t from, size_t size);
size_t x86_clear_checked(uintptr_t to, size_t size);
unsigned x86_copy_text_checked(char *to, uintptr_t from, size_t size, size_t *length);
bool x86_load_checked(uintptr_t address, uint32_t *value);
bool x86_exchange_checked(uintptr_t address, uint32_t *expected, uint32_t desired);

extern const uint64_t text_patches_start[];
extern const uint64_t text_patches_end[];

void x86_user_init(bool smap)
{
    static const uint8_t clac[] = {0x0f, 0x01, 0xca};
    static const uint8_t stac[] = {0x0f, 0x01, 0xcb};

    for (const uint64_t *site = text_patches_start; smap && site < text_patches_end; site++) {
        /* Through the direct map: the text itself is read only already. */
        uint8_t *code = hal_direct_map(x86_image_physical((const void *)*site));

        memcpy(code, code[2] == 0 ? clac : stac, sizeof(clac));
    }
}

static bool is_user_range(uintptr_t address, size_t size)
{
    const uintptr_t end = USER_BASE + USER_SIZE;

    return address >= USER_BASE && address <= end && size <= end - address;
}

hx_err hal_user_copy_in_unchecked(void *to, uintptr_t from, size_t size)
{
    return x86_copy_all_checked((uintptr_t)to, from, size) == 0 ? HX_OK : HX_EFAULT;
}

hx_err hal_user_copy_out_unchecked(uintptr_t to, const void *from, size_t size)
{
    return x86_copy_all_checked(to, (uintptr_t)from, size) == 0 ? HX_OK : HX_EFAULT;
}

/* How many of size bytes from address on are the user's. */
static size_t user_part(uintptr_t address, size_t size)
{
    size_t offset = address - USER_BASE;

    if (address < USER_BASE || offset >= USER_SIZE) {
        return 0;
    }
    return size <= USER_SIZE - offset ? size : USER_SIZE - offset;
}

size_t hal_user_copy_in_partly(void *to, uintptr_t from, size_t size)
{
    return HX_LIKELY(hal_user_is_range(from, size))
               ? x86_copy_checked((uintptr_t)to, from, size)
               : x86_copy_checked((uintptr_t)to, from, user_part(from, size));
}

size_t hal_user_copy_out_partly(uintptr_t to, const void *from, size_t size)
{
    return HX_LIKELY(hal_user_is_range(to, size))
               ? x86_copy_checked(to, (uintptr_t)from, size)
               : x86_copy_checked(to, (uintptr_t)from, user_part(to, size));
}

size_t hal_user_clear_partly(uintptr_t to, size_t size)
{
    return HX_LIKELY(hal_user_is_range(to, size)) ? x86_clear_checked(to, size)
                                                  : x86_clear_checked(to, user_part(to, size));
}

/* A text that may not be followed to the end of size bytes: they are not all the user's. */
HX_NOINLINE static hx_err copy_last_text(char *to, uintptr_t from, size_t size, size_t *length)
{
    size_t part = user_part(from, size);

    return part > 0 && x86_copy_text_checked(to, from, part, length) == 0 ? HX_OK : HX_EFAULT;
}

hx_err hal_user_copy_text(char *to, uintptr_t from, size_t size, size_t *length)
{
    unsigned stop;

    if (HX_UNLIKELY(!is_user_range(from, size))) {
        return copy_last_text(to, from, size, length);
    }
    stop = x86_copy_text_checked(to, from, size, length);
    if (HX_LIKELY(stop == 0)) {
        return HX_OK;
    }
    return stop == 1 ? HX_ERANGE : HX_EFAULT;
}

static hx_err check_word(uintptr_t address)
{
    if (address % sizeof(uint32_t) != 0) {
        return HX_EINVAL;
    }
    return is_user_range(address, sizeof(uint32_t)) ? HX_OK : HX_EFAULT;
}

hx_err hal_user_load_u32(uintptr_t address, uint32_t *value)
{
    if (HX_UNLIKELY(check_word(address) != HX_OK)) {
        return check_word(address);
    }
    return HX_LIKELY(x86_load_checked(address, value)) ? HX_OK : HX_EFAULT;
}

hx_err hal_user_compare_exchange_u32(uintptr_t address, uint32_t *expected, uint32_t desired)
{
    hx_err error = check_word(address);

    return error == HX_OK && !x86_exchange_checked(address, expected, desired) ? HX_EFAULT : error;
}

/* --- registers -------------------------------------------------------------------------------- */

size_t hal_user_state_size(void)
{
    return x86_fpu_area_size();
}

void hal_user_attach(struct hal_thread *hal, void *state)
{
    x86_fpu_clear(state);
    hal->fpu = state;
}

/* Set in assembly: vdso.S. */
extern const char vdso_image[];
extern const char vdso_image_end[];

struct hal_range hal_user_code(void)
{
    return (struct hal_range){.base = (uintptr_t)vdso_image,
                              .size = (size_t)(vdso_image_end - vdso_image)};
}

void hal_user_detach(void)
{
    machine_half(hal_thread_current())->fpu = NULL;
}

void hal_user_state_copy(void *to)
{
    const struct hal_thread *self = machine_half(hal_thread_current());

    /* What is not saved stays as hal_user_attach cleared it: nothing of the heap gets to user mode.
     */
    if (self->fpu != NULL) {
        x86_fpu_save(to);
    }
}

void hal_user_state_reset(void)
{
    x86_fpu_reset();
}

struct hal_frame *hal_user_frame(void)
{
    return (struct hal_frame *)machine_half(hal_thread_current())->stack_top - 1;
}

void hal_user_frame_init(struct hal_frame *frame, uintptr_t pc, uintptr_t sp)
{
    *frame = (struct hal_frame){
        .vector = FRAME_IS_PLAIN,
        .rip = pc,
        .cs = SELECTOR_USER_CODE,
        .rflags = X86_RFLAGS_IF | X86_RFLAGS_ALWAYS,
        .rsp = sp,
        .ss = SELECTOR_USER_DATA,
    };
}

/* In this order: who is switched away from in between gets the new value back. */
void hal_user_set_thread_pointer(uintptr_t pointer)
{
    machine_half(hal_thread_current())->thread_pointer = pointer;
    x86_msr_write(MSR_FS_BASE, pointer);
}

uintptr_t hal_user_thread_pointer(void)
{
    return machine_half(hal_thread_current())->thread_pointer;
}

void hal_user_prepare_thread_pointer(struct hal_thread *hal, uintptr_t pointer)
{
    hal->thread_pointer = pointer;
}

/* --- system calls ----------------------------------------------------------------------------- */

/* Linux x86-64 system call registers: rax; rdi rsi rdx r10 r8 r9. */
uint64_t hal_syscall_number(const struct hal_frame *frame)
{
    return frame->rax;
}

uint64_t hal_syscall_argument(const struct hal_frame *frame, unsigned index)
{
    const uint64_t arguments[] = {frame->rdi, frame->rsi, frame->rdx,
                                  frame->r10, frame->r8,  frame->r9};

    return index < HX_ARRAY_SIZE(arguments) ? arguments[index] : 0;
}

void hal_syscall_set_result(struct hal_frame *frame, int64_t result)
{
    frame->rax = (uint64_t)result;
}

/* Both instructions that enter, `syscall` and `int $0x80`, are two bytes long. */
#define SYSCALL_INSTRUCTION_SIZE 2

bool hal_frame_is_syscall(const struct hal_frame *frame, uint64_t *number, int64_t *result)
{
    *number = frame->error;
    *result = (int64_t)frame->rax;
    return frame->vector == FRAME_IS_SYSCALL || frame->vector == FRAME_IS_PLAIN;
}

void hal_syscall_restart(struct hal_frame *frame, uint64_t number)
{
    frame->rip -= SYSCALL_INSTRUCTION_SIZE;
    frame->rax = number;
    x86_frame_replaced(frame);
}
