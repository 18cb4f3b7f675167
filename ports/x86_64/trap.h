/* The C side of entry.S: called from there and nowhere else, interrupts off, on the kernel stack.
 */
#ifndef PORTS_X86_64_TRAP_H
#define PORTS_X86_64_TRAP_H

#include <stdbool.h>

struct hal_frame;

void x86_exception(struct hal_frame *frame);

/* NMI, debug, double fault, machine check. Returns whether the frame now leads from user mode into
 * the kernel. */
bool x86_paranoid(struct hal_frame *frame);

/* Returns whether the fast return instruction may be used. */
bool x86_syscall(struct hal_frame *frame);
void x86_callout(struct hal_frame *frame);

#endif
