/*
 * Unprivileged mode, as far as it exists here: checked copies. They ask the page table and copy
 * through the direct map, so no address can make them fault.
 */
#include <base/assert.h>
#include <base/memory.h>
#include <hal/user.h>
#include <ports/hosted/machine.h>

/* Where the byte at a mapped address lies in the direct map; NULL when a wanted right is missing.
 */
static char *reach(uintptr_t address, unsigned wanted)
{
    uint64_t physical;
    unsigned protection;

    if (!hal_space_lookup(hal_space_kernel(), address, &physical, &protection) ||
        (protection & wanted) != wanted) {
        return NULL;
    }
    return (char *)hal_direct_map(physical) + address % HAL_PAGE_SIZE;
}

/* Copy page by page; `user` is the address that is checked. */
static hx_err copy(char *kernel, uintptr_t user, size_t size, unsigned wanted, bool is_out)
{
    while (size > 0) {
        size_t rest_of_page = HAL_PAGE_SIZE - user % HAL_PAGE_SIZE;
        size_t part = size < rest_of_page ? size : rest_of_page;
        char *reached = reach(user, wanted);

        if (reached == NULL) {
            return HX_EFAULT;
        }
        memcpy(is_out ? reached : kernel, is_out ? kernel : reached, part);
        kernel += part;
        user += part;
        size -= part;
    }
    return HX_OK;
}

static bool is_in_user_window(uintptr_t address, size_t size)
{
    struct hal_range window = hal_user_window();
    uintptr_t offset = address - window.base;

    return offset <= window.size && size <= window.size - offset;
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

void hal_user_enter(uintptr_t pc, uintptr_t sp)
{
    (void)pc;
    (void)sp;
    assert_failed("there is no user mode on the hosted port", "hal_user_enter", __FILE__, __LINE__);
}

void hal_space_activate(struct hal_space *space)
{
    (void)space;
}

void hal_user_set_thread_pointer(uintptr_t pointer)
{
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
