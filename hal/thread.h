/*
 * The machine's half of a thread.
 *
 * Rules:
 * - struct thread belongs to kern; the port only keeps a pointer to the running one per CPU.
 * - struct hal_thread (in hal_port.h) is embedded in struct thread as its first member `hal`; the
 * word user_work follows it, so that the port can look at it on the way to user mode.
 */
#ifndef HAL_THREAD_H
#define HAL_THREAD_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct thread;
struct hal_thread;

/*
 * The running thread. For the code that runs on a thread this is a constant, however often it
 * migrates, so the compiler may keep it.  Context: any.  (inline in the port)
 */
static inline struct thread *hal_thread_current(void);

/*
 * Prepare a thread so that the first switch to it calls entry(arg) on its own stack with interrupts
 * off. entry never returns. stack is the lowest byte, stack_size a multiple of 16.
 */
void hal_thread_init(struct hal_thread *hal, void *stack, size_t stack_size,
                     void (*entry)(void *arg), void *arg);

/* Give back what hal_thread_init took (hosted fibers). The thread is not running. */
void hal_thread_fini(struct hal_thread *hal);

/*
 * Save the calling thread and go on in `to`. Returns in `from` when someone switches back, perhaps
 * on another CPU, and gives the thread that ran there just before.
 * Context: thread, interrupts off.
 */
struct thread *hal_thread_switch(struct thread *from, struct thread *to);

/*
 * Where a thread goes on that was switched away from, and its frame pointer there, for
 * hal_frame_walk. Of one that runs meanwhile the answer is worthless but harmless; false: nothing
 * can be said. Context: any; the thread stays.
 */
bool hal_thread_saved_place(const struct hal_thread *hal, uintptr_t *pc, uintptr_t *fp);

#include <hal_port.h>

#endif
