/*
 * Signal frames: a program's registers on its own stack while a handler runs, in the layout that
 * Linux programs of the machine expect (struct rt_sigframe; on x86-64: siginfo and ucontext with
 * the extended registers behind them).
 *
 * Rules:
 * - Only for the calling thread, which is about to return to user mode with the frame given.
 * - Nothing read back from the stack is believed: registers that a program could not have set
 * itself keep their values, and the extended registers are checked before they are loaded.
 */
#ifndef HAL_SIGNAL_H
#define HAL_SIGNAL_H

#include <hal/frame.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/* Linux's siginfo_t, the same on every machine: what a program gets has zeros up to 128 bytes. */
struct hal_signal_info {
    int32_t number;
    int32_t error;
    int32_t code;
    int32_t padding;
    /* By code: pid and uid, address, value … (include/uapi/asm-generic/siginfo.h in Linux). */
    uint64_t fields[2];
};
#define HAL_SIGNAL_INFO_SIZE 128U

struct hal_signal_stack {
    uint64_t base; /* ss_sp */
    int32_t flags; /* ss_flags */
    int32_t padding;
    uint64_t size; /* ss_size */
};

struct hal_signal_delivery {
    const struct hal_signal_info *info;
    bool wants_info; /* the handler looks at more than the number (SA_SIGINFO) */
    uintptr_t handler;
    uintptr_t restorer;            /* where the handler returns to (SA_RESTORER) */
    uint64_t old_mask;             /* to be restored by sigreturn */
    uint64_t fault_address;        /* CR2 for the context, 0: none */
    struct hal_signal_stack stack; /* the alternate stack as sigaltstack would tell it */
    uintptr_t switch_to; /* top of the alternate stack to use, 0: stay on the present one */
};

/*
 * Build the frame on the user's stack and make *frame call the handler with (number, info,
 * context). Context: thread, may block.  Errors: HX_EFAULT the stack cannot be written: nothing has
 * changed.
 */
HX_MUST_USE hx_err hal_signal_deliver(struct hal_frame *frame,
                                      const struct hal_signal_delivery *delivery);

/*
 * The handler has returned (rt_sigreturn): restore *frame, the extended registers, and say which
 * mask and alternate stack to restore.
 * To be called by the system call's handler with hal_user_frame(): the result register is restored
 * like the others, so what the handler returns is not stored. Context: thread, may block.  Errors:
 * HX_EFAULT the frame cannot be read or is malformed; the registers then have any values that a
 * program can have.
 */
HX_MUST_USE hx_err hal_signal_return(struct hal_frame *frame, uint64_t *mask,
                                     struct hal_signal_stack *stack);

#endif
