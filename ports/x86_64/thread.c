/* The port's half of threads, address spaces of threads, user mode (hal/thread.h, hal/user.h). */
#include <base/memory.h>
#include <hal/gate.h>
#include <hal/interrupt.h>
#include <hal/thread.h>
#include <hal/user.h>
#include <ports/x86_64/cpu_local.h>
#include <ports/x86_64/instructions.h>
#include <ports/x86_64/layout.h>
#include <ports/x86_64/paging.h>
#include <ports/x86_64/user.h>
#include <ports/x86_64/xsave.h>

#define MSR_FS_BASE 0xc0000100U

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
    struct switch_frame *frame = (struct switch_frame *)(top - sizeof(*frame));

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
    };
}

void hal_thread_fini(struct hal_thread *hal)
{
    (void)hal; /* nothing was taken */
}

void hal_space_activate(struct hal_space *space)
{
    struct hal_thread *self = machine_half(hal_thread_current());
    hal_interrupt_state state = hal_interrupts_save();

    self->space = space;
    self->cr3 = hal_space_root(space);
    __asm__ volatile("movq %0, %%cr3" ::"r"(self->cr3) : "memory");
    hal_interrupts_restore(state);
}

/* --- user mode -------------------------------------------------------------------------------- */

size_t x86_copy_checked(void *to, const void *from, size_t size);
size_t x86_copy_checked_smap(void *to, const void *from, size_t size);

extern const uint64_t text_patches_start[];
extern const uint64_t text_patches_end[];

static bool has_smap;

void x86_user_init(bool smap)
{
    static const uint8_t clac[] = {0x0f, 0x01, 0xca};

    has_smap = smap;
    for (const uint64_t *site = text_patches_start; smap && site < text_patches_end; site++) {
        /* Through the direct map: the text itself is read only already. */
        memcpy(hal_direct_map(*site - KERNEL_BASE), clac, sizeof(clac));
    }
}

static hx_err copy_checked(void *to, const void *from, size_t size)
{
    size_t missing =
        has_smap ? x86_copy_checked_smap(to, from, size) : x86_copy_checked(to, from, size);

    return missing == 0 ? HX_OK : HX_EFAULT;
}

static bool is_user_range(uintptr_t address, size_t size)
{
    return address >= USER_BASE && size <= USER_SIZE && address - USER_BASE <= USER_SIZE - size;
}

hx_err hal_user_copy_in(void *to, uintptr_t from, size_t size)
{
    return is_user_range(from, size) ? hal_user_copy_in_unchecked(to, from, size) : HX_EFAULT;
}

hx_err hal_user_copy_out(uintptr_t to, const void *from, size_t size)
{
    return is_user_range(to, size) ? hal_user_copy_out_unchecked(to, from, size) : HX_EFAULT;
}

hx_err hal_user_copy_in_unchecked(void *to, uintptr_t from, size_t size)
{
    return copy_checked(to, (const void *)from, size);
}

hx_err hal_user_copy_out_unchecked(uintptr_t to, const void *from, size_t size)
{
    return copy_checked((void *)to, from, size);
}

void x86_switch_user_state(struct hal_thread *from, struct hal_thread *to)
{
    if (from->fpu != NULL) {
        x86_fpu_save(from->fpu);
    }
    if (to->fpu != NULL) {
        x86_fpu_restore(to->fpu);
        x86_msr_write(MSR_FS_BASE, to->thread_pointer);
    }
}

void x86_enter_user(uintptr_t pc, uintptr_t sp) HX_NORETURN;

size_t hal_user_state_size(void)
{
    return x86_fpu_area_size();
}

void hal_user_attach(struct hal_thread *hal, void *state)
{
    x86_fpu_clear(state);
    hal->fpu = state;
}

void hal_user_detach(void)
{
    machine_half(hal_thread_current())->fpu = NULL;
}

void hal_user_enter(uintptr_t pc, uintptr_t sp)
{
    const struct hal_thread *self = machine_half(hal_thread_current());

    hal_interrupts_disable();
    x86_fpu_restore(self->fpu);
    x86_msr_write(MSR_FS_BASE, self->thread_pointer);
    x86_enter_user(pc, sp);
}

void hal_user_set_thread_pointer(uintptr_t pointer)
{
    machine_half(hal_thread_current())->thread_pointer = pointer;
    x86_msr_write(MSR_FS_BASE, pointer);
}

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
