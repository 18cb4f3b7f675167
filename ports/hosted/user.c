/*
 * Unprivileged mode, as far as it exists here: checked copies. They ask the page table and copy
 * through the direct map, so no address can make them fault.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <hal/signal.h>
#include <hal/user.h>
#include <ports/hosted/machine.h>

/* struct hal_thread is the first member of struct thread (hal/thread.h). */
static struct hal_thread *machine_half(struct thread *thread)
{
    return (struct hal_thread *)thread;
}

static const struct hal_space *current_space(void)
{
    const struct hal_thread *self = machine_half(hal_thread_current());

    return self->space != NULL ? self->space : hal_space_kernel();
}

/* Where the byte at a mapped address lies in the direct map; NULL when a wanted right is missing.
 */
static char *reach(uintptr_t address, unsigned wanted)
{
    uint64_t physical;
    unsigned protection;

    if (!hal_space_lookup(current_space(), address, &physical, &protection) ||
        (protection & wanted) != wanted) {
        return NULL;
    }
    return (char *)hal_direct_map(physical) + address % HAL_PAGE_SIZE;
}

/* Copy page by page, as much as is there; `user` is the address that is checked. */
static size_t copy_partly(char *kernel, uintptr_t user, size_t size, unsigned wanted, bool is_out)
{
    size_t done = 0;

    while (done < size) {
        size_t rest_of_page = HAL_PAGE_SIZE - (user + done) % HAL_PAGE_SIZE;
        size_t part = size - done < rest_of_page ? size - done : rest_of_page;
        char *reached = reach(user + done, wanted);

        if (reached == NULL) {
            break;
        }
        hosted_begin_copy(reached - (uintptr_t)reached % HAL_PAGE_SIZE);
        memcpy(is_out ? reached : kernel + done, is_out ? kernel + done : reached, part);
        hosted_end_copy(reached - (uintptr_t)reached % HAL_PAGE_SIZE);
        done += part;
    }
    return done;
}

static hx_err copy(char *kernel, uintptr_t user, size_t size, unsigned wanted, bool is_out)
{
    return copy_partly(kernel, user, size, wanted, is_out) == size ? HX_OK : HX_EFAULT;
}

static bool is_in_user_window(uintptr_t address, size_t size)
{
    struct hal_range window = hal_user_window();
    uintptr_t offset = address - window.base;

    return offset <= window.size && size <= window.size - offset;
}

bool hosted_user_is_range(uintptr_t address, size_t size)
{
    struct hal_range window = hal_user_window();

    return size <= window.size && address <= window.base + window.size - size;
}

hx_err hal_user_copy_in(void *to, uintptr_t from, size_t size)
{
    if (!is_in_user_window(from, size)) {
        return HX_EFAULT;
    }
    return copy(to, from, size, HAL_READ | HAL_USER, false);
}

hx_err hal_user_copy_out(uintptr_t to, const void *from, size_t size)
{
    if (!is_in_user_window(to, size)) {
        return HX_EFAULT;
    }
    return copy((char *)from, to, size, HAL_WRITE | HAL_USER, true);
}

hx_err hal_user_copy_in_unchecked(void *to, uintptr_t from, size_t size)
{
    return copy(to, from, size, HAL_READ, false);
}

hx_err hal_user_copy_out_unchecked(uintptr_t to, const void *from, size_t size)
{
    return copy((char *)from, to, size, HAL_WRITE, true);
}

/* How many of size bytes from address on lie in the user window. */
static size_t user_part(uintptr_t address, size_t size)
{
    struct hal_range window = hal_user_window();
    size_t offset = address - window.base;

    if (offset >= window.size) {
        return 0;
    }
    return size <= window.size - offset ? size : window.size - offset;
}

size_t hal_user_copy_in_partly(void *to, uintptr_t from, size_t size)
{
    return copy_partly(to, from, user_part(from, size), HAL_READ | HAL_USER, false);
}

size_t hal_user_copy_out_partly(uintptr_t to, const void *from, size_t size)
{
    return copy_partly((char *)from, to, user_part(to, size), HAL_WRITE | HAL_USER, true);
}

size_t hal_user_clear_partly(uintptr_t to, size_t size)
{
    static const char zeros[HAL_PAGE_SIZE];
    size_t part = user_part(to, size);
    size_t done = 0;
    size_t moved = 1;

    while (done < part && moved > 0) {
        size_t rest = part - done;

        moved =
            hal_user_copy_out_partly(to + done, zeros, rest < sizeof(zeros) ? rest : sizeof(zeros));
        done += moved;
    }
    return done;
}

hx_err hal_user_clear(uintptr_t to, size_t size)
{
    return is_in_user_window(to, size) && hal_user_clear_partly(to, size) == size ? HX_OK
                                                                                  : HX_EFAULT;
}

hx_err hal_user_copy_text(char *to, uintptr_t from, size_t size, size_t *length)
{
    for (size_t i = 0; i < size; i++) {
        if (hal_user_copy_in(to + i, from + i, 1) != HX_OK) {
            return HX_EFAULT;
        }
        if (to[i] == '\0') {
            *length = i;
            return HX_OK;
        }
    }
    return HX_ERANGE;
}

/* The word itself, NULL when it cannot be reached so. */
static hx_err reach_word(uintptr_t address, unsigned wanted, _Atomic uint32_t **word)
{
    if (address % sizeof(uint32_t) != 0) {
        return HX_EINVAL;
    }
    *word = is_in_user_window(address, sizeof(uint32_t))
                ? (_Atomic uint32_t *)(void *)reach(address, wanted | HAL_USER)
                : NULL;
    return *word != NULL ? HX_OK : HX_EFAULT;
}

hx_err hal_user_load_u32(uintptr_t address, uint32_t *value)
{
    _Atomic uint32_t *word;
    hx_err error = reach_word(address, HAL_READ, &word);

    if (error == HX_OK) {
        *value = atomic_load(word);
    }
    return error;
}

hx_err hal_user_compare_exchange_u32(uintptr_t address, uint32_t *expected, uint32_t desired)
{
    _Atomic uint32_t *word;
    hx_err error = reach_word(address, HAL_READ | HAL_WRITE, &word);

    if (error == HX_OK) {
        (void)atomic_compare_exchange_strong(word, expected, desired);
    }
    return error;
}

/* --- what a Linux process cannot imitate ------------------------------------------------------ */

size_t hal_user_state_size(void)
{
    return 0;
}

void hal_user_attach(struct hal_thread *hal, void *state)
{
    (void)hal;
    (void)state;
}

void hal_user_detach(void)
{
}

struct hal_range hal_user_code(void)
{
    return (struct hal_range){.size = 0};
}

void hal_user_state_copy(void *to)
{
    (void)to;
}

void hal_user_state_reset(void)
{
}

static HX_NORETURN void refuse(const char *function)
{
    assert_failed("there is no user mode on the hosted port", function, __FILE__, __LINE__);
}

struct hal_frame *hal_user_frame(void)
{
    refuse("hal_user_frame");
}

void hal_user_dump(const struct hal_thread *hal, struct hal_user_dump *dump)
{
    (void)hal;
    (void)dump;
    refuse("hal_user_dump");
}

void hal_user_frame_init(struct hal_frame *frame, uintptr_t pc, uintptr_t sp)
{
    *frame = (struct hal_frame){.interrupts_enabled = true, .rip = pc, .rsp = sp};
}

void hal_user_resume(const struct hal_frame *frame)
{
    (void)frame;
    refuse("hal_user_resume");
}

void hal_frame_set_sp(struct hal_frame *frame, uintptr_t sp)
{
    frame->rsp = sp;
}

hx_err hal_signal_deliver(struct hal_frame *frame, const struct hal_signal_delivery *delivery)
{
    (void)frame;
    (void)delivery;
    refuse("hal_signal_deliver");
}

hx_err hal_signal_return(struct hal_frame *frame, uint64_t *mask, struct hal_signal_stack *stack)
{
    (void)frame;
    (void)mask;
    (void)stack;
    refuse("hal_signal_return");
}

void hal_space_activate(struct hal_space *space)
{
    machine_half(hal_thread_current())->space = space;
}

/* None that would have to flush: mapping acts on all CPUs at once. */
uint64_t hal_space_cpus(const struct hal_space *space)
{
    (void)space;
    return 0;
}

void hal_user_set_thread_pointer(uintptr_t pointer)
{
    (void)pointer;
}

uintptr_t hal_user_thread_pointer(void)
{
    return 0;
}

void hal_user_prepare_thread_pointer(struct hal_thread *hal, uintptr_t pointer)
{
    (void)hal;
    (void)pointer;
}

/* No frame comes from user mode, so none holds a system call; the registers are those of Linux. */
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

/* `syscall` is two bytes long. */
void hal_syscall_restart(struct hal_frame *frame, uint64_t number)
{
    frame->rip -= 2;
    frame->rax = number;
}

bool hal_frame_is_syscall(const struct hal_frame *frame, uint64_t *number, int64_t *result)
{
    (void)frame;
    *number = 0;
    *result = 0;
    return false;
}
