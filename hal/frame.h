/*
 * What the processor saved when it was interrupted, and the exceptions by portable names.
 *
 * Rules:
 * - struct hal_frame is the port's; others use these accessors. It lives on the interrupted
 *   thread's kernel stack (or an emergency stack) until the handler returns.
 */
#ifndef HAL_FRAME_H
#define HAL_FRAME_H

#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hal_frame;

/* X(enumerator, name for people) */
#define HAL_EXCEPTION_LIST(X)                                                                      \
    X(HAL_EXCEPTION_DIVIDE, "divide error")                                                        \
    X(HAL_EXCEPTION_DEBUG, "debug")                                                                \
    X(HAL_EXCEPTION_BREAKPOINT, "breakpoint")                                                      \
    X(HAL_EXCEPTION_OVERFLOW, "overflow")                                                          \
    X(HAL_EXCEPTION_BOUNDS, "bound range")                                                         \
    X(HAL_EXCEPTION_INVALID_OPCODE, "invalid opcode")                                              \
    X(HAL_EXCEPTION_NO_FPU, "device not available")                                                \
    X(HAL_EXCEPTION_DOUBLE_FAULT, "double fault")                                                  \
    X(HAL_EXCEPTION_INVALID_TSS, "invalid task segment")                                           \
    X(HAL_EXCEPTION_SEGMENT, "segment not present")                                                \
    X(HAL_EXCEPTION_STACK, "stack segment fault")                                                  \
    X(HAL_EXCEPTION_PROTECTION, "general protection")                                              \
    X(HAL_EXCEPTION_PAGE, "page fault")                                                            \
    X(HAL_EXCEPTION_FPU, "floating point")                                                         \
    X(HAL_EXCEPTION_ALIGNMENT, "alignment")                                                        \
    X(HAL_EXCEPTION_MACHINE_CHECK, "machine check")                                                \
    X(HAL_EXCEPTION_SIMD, "SIMD floating point")                                                   \
    X(HAL_EXCEPTION_STACK_OVERFLOW, "stack overflow")                                              \
    X(HAL_EXCEPTION_OTHER, "unknown exception")

#define HAL_EXCEPTION_ENUM(name, text) name,
enum hal_exception { HAL_EXCEPTION_LIST(HAL_EXCEPTION_ENUM) HAL_EXCEPTION_COUNT };
#undef HAL_EXCEPTION_ENUM

static inline enum hal_exception hal_frame_exception(const struct hal_frame *frame);
uint64_t hal_frame_error_code(const struct hal_frame *frame);

/* The address that faulted; valid for HAL_EXCEPTION_PAGE and HAL_EXCEPTION_STACK_OVERFLOW. (This
 * and the others that are inline come from the port.) */
static inline uintptr_t hal_frame_fault_address(const struct hal_frame *frame);

enum hal_fault_access {
    HAL_FAULT_PRESENT = 1U << 0, /* a protection fault, else nothing is mapped */
    HAL_FAULT_WRITE = 1U << 1,
    HAL_FAULT_EXECUTE = 1U << 2,
    HAL_FAULT_USER = 1U << 3,
};
static inline unsigned hal_frame_fault_access(const struct hal_frame *frame);

uintptr_t hal_frame_pc(const struct hal_frame *frame);
uintptr_t hal_frame_sp(const struct hal_frame *frame);
uintptr_t hal_frame_fp(const struct hal_frame *frame);
static inline bool hal_frame_is_user(const struct hal_frame *frame);
static inline bool hal_frame_interrupts_enabled(const struct hal_frame *frame);

/* Step a breakpoint's frame past its instruction, or any frame to another address. */
void hal_frame_set_pc(struct hal_frame *frame, uintptr_t pc);

/* Registers for a dump: index 0.. until it returns NULL; *value is set. */
const char *hal_frame_register(const struct hal_frame *frame, unsigned index, uint64_t *value);

/* Give one of the general registers, of an index below 16, another value.  Context: exception. */
void hal_frame_set_register(struct hal_frame *frame, unsigned index, uint64_t value);

/*
 * Fill frame with the caller's own registers, for a panic that no exception caused.
 * Context: any.
 */
void hal_frame_capture(struct hal_frame *frame);

/*
 * One step of a frame-pointer walk: given *fp, produce the return address and the caller's fp.
 * Touches memory only after checking that it is mapped and readable; false at the end of the chain
 * or at a bad pointer.  Context: any.
 */
bool hal_frame_walk(uintptr_t *fp, uintptr_t *return_address);

/*
 * When the faulting instruction is one that may fault (a checked copy), redirect the frame to its
 * fix-up and return true.  Context: exception.
 */
bool hal_frame_fixup(struct hal_frame *frame);

/* Whether the instruction is one of those; nothing changes.  Context: exception. */
bool hal_frame_may_fault(const struct hal_frame *frame);

#include <hal_port.h>

#endif
