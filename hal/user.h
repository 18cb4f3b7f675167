/*
 * Unprivileged mode.
 *
 * Rules:
 * - User memory is touched only through the copy functions here, which never fault: they return
 *   HX_EFAULT. Supervisor access prevention is lifted inside them alone. A page that is missing but
 *   can be brought in is brought in by the exception's handlers (EXCEPTION_ORDER_MEMORY), so they
 *   may block.
 * - A thread of a process has one user frame, at the top of its kernel stack: its registers in user
 *   mode as long as it is in the kernel.
 * - The numbers of registers, and who passes what in them, are Linux's on the machine.
 */
#ifndef HAL_USER_H
#define HAL_USER_H

#include <hal/frame.h>
#include <hal/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

struct hal_thread;

/* --- user memory ------------------------------------------------------------------------------ */

/*
 * Copy size bytes from or to the user addresses of the current space. The whole range must lie in
 * the user window (or, for a callout, in the calling instance's arena: the caller has checked it
 * and uses the _unchecked form). On a fault in the middle some bytes may have been copied.
 * Context: thread, may block.  Errors: HX_EFAULT.
 */
HX_MUST_USE hx_err hal_user_copy_in(void *to, uintptr_t from, size_t size);
HX_MUST_USE hx_err hal_user_copy_out(uintptr_t to, const void *from, size_t size);
HX_MUST_USE hx_err hal_user_copy_in_unchecked(void *to, uintptr_t from, size_t size);
HX_MUST_USE hx_err hal_user_copy_out_unchecked(uintptr_t to, const void *from, size_t size);

/* The same for a few whole words, written out in the caller: size is a constant, a multiple of 8.
 * (inline in the port) */
static inline hx_err hal_user_copy_words_in(void *to, uintptr_t from, size_t size);
static inline hx_err hal_user_copy_words_out(uintptr_t to, const void *from, size_t size);

/* The same for one word, which stays in a register. (inline in the port) */
static inline hx_err hal_user_load_word(uintptr_t address, uint64_t *word);
static inline hx_err hal_user_store_word(uintptr_t address, uint64_t word);

/* The same, but says how many bytes were copied before a fault (size: all of them). */
HX_MUST_USE size_t hal_user_copy_in_partly(void *to, uintptr_t from, size_t size);
HX_MUST_USE size_t hal_user_copy_out_partly(uintptr_t to, const void *from, size_t size);

/* Store size zero bytes.  Context: thread, may block.  Errors: HX_EFAULT. */
HX_MUST_USE hx_err hal_user_clear(uintptr_t to, size_t size);
/* The same, but says how many bytes at least were stored before a fault (size: all of them). */
HX_MUST_USE size_t hal_user_clear_partly(uintptr_t to, size_t size);

/*
 * Copy a text with its NUL, at most size bytes; *length is without the NUL.
 * Context: thread, may block.  Errors: HX_EFAULT, HX_ERANGE there is no NUL within size bytes.
 */
HX_MUST_USE hx_err hal_user_copy_text(char *to, uintptr_t from, size_t size, size_t *length);

/*
 * Atomic access to an aligned 32-bit word (for futexes). compare_exchange stores desired when the
 * word is *expected, and puts what it found into *expected; sequentially consistent.
 * Context: thread, may block.  Errors: HX_EFAULT, HX_EINVAL not aligned.
 */
HX_MUST_USE hx_err hal_user_load_u32(uintptr_t address, uint32_t *value);
HX_MUST_USE hx_err hal_user_compare_exchange_u32(uintptr_t address, uint32_t *expected,
                                                 uint32_t desired);

/* --- registers -------------------------------------------------------------------------------- */

/*
 * Bytes of 64-byte aligned memory that a thread needs for its user-mode registers (floating point
 * and vectors), and giving them to a thread that has not started: it then has the registers a
 * program starts with. The memory is the caller's and outlives the thread.
 */
size_t hal_user_state_size(void);
void hal_user_attach(struct hal_thread *hal, void *state);

/* Copy the calling thread's present floating point and vector registers into another's memory, as
 * hal_user_attach left it. */
void hal_user_state_copy(void *to);

/* Give the calling thread the floating point registers a program starts with (exec). */
void hal_user_state_reset(void);

/*
 * A thread's registers as a core file has them: those of its user frame, with what the machine adds
 * to them, in the order of the machine's NT_PRSTATUS; and the floating point ones as in
 * NT_FPREGSET. The thread is the caller's own, or parked on its way to user mode. Context: thread.
 */
struct hal_user_dump {
    uint64_t words[HAL_DUMP_WORDS];
    uint8_t floats[HAL_DUMP_FLOATS];
};
void hal_user_dump(const struct hal_thread *hal, struct hal_user_dump *dump);

/* The calling thread will not return to user mode: its register memory may be freed.  Context:
 * thread. */
void hal_user_detach(void);

/* The calling thread's user frame; only in a thread that came from user mode, or is about to go. */
struct hal_frame *hal_user_frame(void);

/*
 * Fill in a frame for a program's first instruction: pc, sp, all other registers zero, interrupts
 * on.
 */
void hal_user_frame_init(struct hal_frame *frame, uintptr_t pc, uintptr_t sp);

/*
 * Go to user mode with the registers of *frame (which may be anywhere: it is copied to the top of
 * the kernel stack, and what is on the stack now is given up). kernel_return_to_user is called
 * first if user_work asks for it. The calling thread has its registers attached.
 * Context: thread, may block.
 */
HX_NORETURN void hal_user_resume(const struct hal_frame *frame);

/*
 * The code for programs that the port's image carries: an ELF shared object to be mapped as it
 * stands, with the page of helix/clock_page.h right behind its whole pages. Empty: there is none.
 */
struct hal_range hal_user_code(void);

/* Change the stack pointer of a frame (hal_frame_set_pc is in hal/frame.h). */
void hal_frame_set_sp(struct hal_frame *frame, uintptr_t sp);

/* Make space the current one of the calling thread and CPU.  Context: thread. */
void hal_space_activate(struct hal_space *space);

/*
 * CPUs on which a thread with this space runs now, as a mask. A CPU that comes to run one after the
 * call sees every table entry changed before the call.  Context: any.
 */
uint64_t hal_space_cpus(const struct hal_space *space);

/* The system call in a frame: its number, arguments 0..5, and where the result goes. */
uint64_t hal_syscall_number(const struct hal_frame *frame);
uint64_t hal_syscall_argument(const struct hal_frame *frame, unsigned index);
void hal_syscall_set_result(struct hal_frame *frame, int64_t result);

/*
 * Whether the frame is that of a system call whose result has been stored and that nobody has
 * replaced since (by a signal's frame, say): its number and result.
 */
bool hal_frame_is_syscall(const struct hal_frame *frame, uint64_t *number, int64_t *result);

/*
 * Make the frame do its system call again when it returns to user mode, with the number and
 * arguments it had. The frame is that of a system call whose result has been stored or not.
 */
void hal_syscall_restart(struct hal_frame *frame, uint64_t number);

/* The thread pointer register of user mode (FS base on x86-64): the calling thread's, and that of
 * one that does not run. */
void hal_user_set_thread_pointer(uintptr_t pointer);
uintptr_t hal_user_thread_pointer(void);
void hal_user_prepare_thread_pointer(struct hal_thread *hal, uintptr_t pointer);

#include <hal_port.h>

#endif
