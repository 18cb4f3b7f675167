/* The C side of entry.S: called from there and nowhere else, interrupts off, on the kernel stack.
 */
#ifndef PORTS_X86_64_TRAP_H
#define PORTS_X86_64_TRAP_H

#include <hal/frame.h>
#include <ports/x86_64/layout.h>
#include <stdbool.h>

/* NMI, debug, double fault, machine check. Returns whether the frame now leads from user mode into
 * the kernel. */
bool x86_paranoid(struct hal_frame *frame);

void x86_callout(struct hal_frame *frame);

/*
 * The frame leads to an address that the return instruction would fault on in the kernel: do as if
 * the program had faulted there.
 */
void x86_bad_return(struct hal_frame *frame);

/*
 * C code has changed, or replaced, registers in a frame: it leaves through iretq. Replaced: a
 * system call's result is not stored either.
 */
void x86_frame_changed(struct hal_frame *frame);
static inline void x86_frame_replaced(struct hal_frame *frame)
{
    if (frame->vector >= FRAME_IS_PLAIN) {
        frame->vector = FRAME_IS_REPLACED;
    }
}

#endif
