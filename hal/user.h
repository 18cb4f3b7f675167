/*
 * Unprivileged mode.
 *
 * Rules:
 * - User memory is touched only through the copy functions here, which never fault: they return
 *   HX_EFAULT. Supervisor access prevention is lifted inside them alone.
 */
#ifndef HAL_USER_H
#define HAL_USER_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

struct hal_frame;

/*
 * Copy size bytes from or to the user addresses of the current space. The whole range must lie in
 * the user window (or, for a callout, in the calling instance's arena: the caller has checked it
 * and uses the _unchecked form). On a fault in the middle some bytes may have been copied.
 * Context: thread, may fault pages in.  Errors: HX_EFAULT.
 */
HX_MUST_USE hx_err hal_user_copy_in(void *to, uintptr_t from, size_t size);
HX_MUST_USE hx_err hal_user_copy_out(uintptr_t to, const void *from, size_t size);
HX_MUST_USE hx_err hal_user_copy_in_unchecked(void *to, uintptr_t from, size_t size);
HX_MUST_USE hx_err hal_user_copy_out_unchecked(uintptr_t to, const void *from, size_t size);

/*
 * Bytes of 64-byte aligned memory that a thread needs for its user-mode registers, and giving them
 * to a thread that has not started: it then has the registers a program starts with. The memory is
 * the caller's and outlives the thread.
 */
struct hal_thread;
size_t hal_user_state_size(void);
void hal_user_attach(struct hal_thread *hal, void *state);

/* The calling thread will not return to user mode: its register memory may be freed.  Context:
 * thread. */
void hal_user_detach(void);

/*
 * Leave for user mode at pc with stack pointer sp, all other registers zero, interrupts on.
 * The calling thread, which has its registers attached, starts over with its kernel stack.
 * Context: thread.
 */
HX_NORETURN void hal_user_enter(uintptr_t pc, uintptr_t sp);

/* Make space the current one of the calling thread and CPU.  Context: thread. */
void hal_space_activate(struct hal_space *space);

/* The system call in a frame: its number, arguments 0..5, and where the result goes. */
uint64_t hal_syscall_number(const struct hal_frame *frame);
uint64_t hal_syscall_argument(const struct hal_frame *frame, unsigned index);
void hal_syscall_set_result(struct hal_frame *frame, int64_t result);

/* The thread pointer register of user mode (FS base on x86-64). */
void hal_user_set_thread_pointer(uintptr_t pointer);

#endif
