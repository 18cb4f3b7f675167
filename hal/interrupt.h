/*
 * Interrupts: the flag, the vectors, the external lines, messages between CPUs.
 *
 * Rules:
 * - There are 256 vectors. The port reserves some (HAL_VECTOR_*, in hal_port.h): HAL_VECTOR_FIRST
 *   to HAL_VECTOR_LAST are free for external lines, but for HAL_VECTOR_SYSCALL, by which programs
 *   enter the kernel.
 * - The kernel acknowledges each interrupt after its handlers, before it may switch threads.
 * - The hosted port delivers a pending interrupt when interrupts become enabled, in hal_cpu_relax
 *   and in hal_cpu_idle; nowhere else.
 */
#ifndef HAL_INTERRUPT_H
#define HAL_INTERRUPT_H

#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define HAL_VECTOR_COUNT 256

/* Whether interrupts were on. */
typedef unsigned long hal_interrupt_state;

/* Disable interrupts; returns what to give to restore.  Context: any.  (inline in the port) */
static inline hal_interrupt_state hal_interrupts_save(void);
static inline void hal_interrupts_restore(hal_interrupt_state state);
static inline bool hal_interrupts_enabled(void);
static inline void hal_interrupts_enable(void);
static inline void hal_interrupts_disable(void);

/* Tell the controller that the interrupt being served is done.  Context: irq.  (inline in the port)
 */
static inline void hal_interrupt_acknowledge(void);

/* How an external line signals. */
struct hal_line_mode {
    bool level;      /* level-triggered, else edge */
    bool active_low; /* else active high */
};

/* External lines there are: numbers 0..count-1 (ACPI global system interrupts on x86). */
uint32_t hal_line_count(void);

/*
 * The line and mode of a legacy ISA interrupt 0..15 (MADT overrides applied on x86).
 * Errors: HX_EINVAL, HX_ENOSYS on a machine without them.
 */
HX_MUST_USE hx_err hal_line_of_isa(uint32_t isa, uint32_t *line, struct hal_line_mode *mode);

/*
 * Program the controller: line -> vector on the CPUs of the mask (bit n = CPU n). With one bit set
 * that CPU gets every interrupt; with several, all of them do (broadcast), and on x86_64, where the
 * mask names a CPU above 7, all others that run. The line stays masked or unmasked as it was
 * (masked at first).
 * Context: any, serialised by the caller.  Errors: HX_EINVAL line, vector or an empty mask.
 */
HX_MUST_USE hx_err hal_line_route(uint32_t line, uint8_t vector, uint64_t cpu_mask,
                                  struct hal_line_mode mode);
void hal_line_mask(uint32_t line);
void hal_line_unmask(uint32_t line);

/* Raise a vector on a CPU, this one too. Never waits for its handling.  Context: any. */
void hal_interrupt_send(uint32_t cpu, uint8_t vector);

/* Raise a non-maskable interrupt on a CPU. Errors: HX_ENOSYS where the machine has none. */
HX_MUST_USE hx_err hal_interrupt_send_nmi(uint32_t cpu);

#include <hal_port.h>

#endif
