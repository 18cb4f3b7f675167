/*
 * The functions a port calls in the kernel.
 *
 * Rules:
 * - The port calls them with the running thread set and the direction flag clear.
 */
#ifndef HAL_ENTRY_H
#define HAL_ENTRY_H

#include <helix/attributes.h>
#include <stdint.h>

struct boot_configuration;
struct hal_frame;

/*
 * The kernel's main: on the boot CPU, on the boot stack, interrupts off, machine described by config
 * (which stays valid for ever).
 */
HX_NORETURN void kernel_main(const struct boot_configuration *config);

/* A secondary CPU has arrived: own stack, interrupts off. */
HX_NORETURN void kernel_secondary_main(void);

/* An interrupt, acknowledged. Interrupts off.  Context: irq. */
void kernel_interrupt(uint8_t vector, struct hal_frame *frame);

/* A synchronous exception. Returning resumes at what the frame then says. */
void kernel_exception(struct hal_frame *frame);

/* A non-maskable interrupt.  Context: nmi. */
void kernel_nmi(struct hal_frame *frame);

/* A system call of a process (not a module's callout). The frame holds number and arguments. */
void kernel_syscall(struct hal_frame *frame);

#endif
