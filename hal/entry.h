/*
 * The functions a port calls in the kernel.
 *
 * Rules:
 * - The port calls them with the running thread set and the direction flag clear.
 */
#ifndef HAL_ENTRY_H
#define HAL_ENTRY_H

#include <hal/gate.h>
#include <helix/attributes.h>
#include <stdint.h>

struct boot_configuration;
struct hal_frame;

/*
 * The kernel's main: on the boot CPU, on the boot stack, interrupts off, machine described by
 * config (which stays valid for ever).
 */
HX_NORETURN void kernel_main(const struct boot_configuration *config);

/* A secondary CPU has arrived: own stack, interrupts off. */
HX_NORETURN void kernel_secondary_main(void);

/* The thread that a CPU's first flow of control is; supplied by kern/thread.c.  Context: any. */
struct thread;
struct thread *thread_boot(uint32_t cpu);

/*
 * An interrupt: its handlers run, hal_interrupt_acknowledge is called, and another thread may run
 * before this returns. Interrupts off.  Context: irq.
 */
void kernel_interrupt(uint8_t vector, struct hal_frame *frame);

/* A synchronous exception. Returning resumes at what the frame then says. */
void kernel_exception(struct hal_frame *frame);

/* A non-maskable interrupt.  Context: nmi. */
void kernel_nmi(struct hal_frame *frame);

/*
 * A system call of a process (not a module's callout): the six argument registers and the number,
 * as the program gave them; what it returns goes to the result register. The frame is
 * hal_user_frame(). Interrupts on. Implemented by core/syscall; the arguments come in registers so
 * that the handler is called with them as they are.
 */
int64_t kernel_syscall(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5,
                       uint64_t number);

/*
 * A process's thread is about to go on in user mode at what the frame says, and its user_work is
 * not 0. Called before every such return (from a system call, exception or interrupt; never inside
 * a call into a module), again until user_work is 0. Interrupts on, context thread: it may block,
 * change the frame, and not return.
 */
void kernel_return_to_user(struct hal_frame *frame);

/*
 * A call through the gate failed: activation->outcome says how (HX_ENOENT the slot is empty,
 * HX_ENOSYS no such operation, HX_EAGAIN no stack is free, HX_ESTATE it came back with the
 * interrupt flag changed, HX_EDIED it was abandoned). The record is still on the thread's stack.
 */
struct hal_gate_result kernel_gate_failed(struct hal_activation *activation);

/*
 * A call met a slot that points to an instance of HAL_GATE_DIVERTED; it has no record. Same
 * arguments, same answers as hal_gate_call.
 */
struct hal_gate_result kernel_gate_diverted(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                            struct hal_gate_slot *slot, uint64_t operation);

/* A call has left its instance while hal_gate_drains was not 0. */
void kernel_gate_left(void);

/* A callout of an unprivileged module; hal/gate.h reads the frame. Interrupts as the module had
 * them. */
void kernel_callout(struct hal_frame *frame);

#endif
