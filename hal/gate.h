/*
 * The machine's half of the gate: calls into modules that can be abandoned.
 *
 * Rules:
 * - struct hal_activation (in hal_port.h) is written by the call functions here and says where and
 *   with which stack the call resumes if it is abandoned. It lives in the caller's frame.
 * - A resumed call returns an unspecified value: the caller learns from its own record that the
 *   module died. Everything the ABI says a callee preserves is restored.
 * - What else was changed meanwhile (preemption depth, the interrupt flag) is the caller's to restore.
 * - Unprivileged calls exist where hal_user_module_window() is not empty.
 */
#ifndef HAL_GATE_H
#define HAL_GATE_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <stdint.h>

struct hal_frame;
struct hal_activation;

/*
 * Call target(a0, a1, a2, a3) in the kernel's own mode and space.
 * Context: thread or irq.  (inline in the port)
 */
static HX_ALWAYS_INLINE uint64_t hal_gate_call_open(struct hal_activation *activation,
                                                    uintptr_t target, uint64_t a0, uint64_t a1,
                                                    uint64_t a2, uint64_t a3);

/* What an unprivileged call needs to know about an instance and the stack chosen for the call. */
struct hal_user_gate {
    uint64_t root;        /* 0  hal_space_root of the instance's space */
    uintptr_t stack_top;  /* 8  in the instance's arena, 16-byte aligned */
    uintptr_t trampoline; /* 16 address of the trampoline's copy in the arena */
};

/*
 * Call target(a0, a1, a2, a3) in unprivileged mode, in the instance's space, on the calling thread,
 * with the caller's interrupt flag.
 * Context: thread or irq.
 */
uint64_t hal_gate_call_user(struct hal_activation *activation, uintptr_t target,
                            const struct hal_user_gate *gate, uint64_t a0, uint64_t a1, uint64_t a2,
                            uint64_t a3);

/* What the port loads to make a space current; goes into hal_user_gate.root. */
uint64_t hal_space_root(const struct hal_space *space);

/* Position-independent code to be mapped executable in every unprivileged instance's arena. */
struct hal_range hal_gate_trampoline(void);

/*
 * Code for one import in an unprivileged instance: a call of it is a callout with that number
 * (1 or more). At most HAL_GATE_THUNK_SIZE bytes are written.
 */
#define HAL_GATE_THUNK_SIZE 16
void hal_gate_write_thunk(void *place, uint32_t number);

/* The callout in a frame given to kernel_callout: number, arguments 0..3, where its result goes. */
uint32_t hal_callout_number(const struct hal_frame *frame);
uint64_t hal_callout_argument(const struct hal_frame *frame, unsigned index);
void hal_callout_set_result(struct hal_frame *frame, uint64_t result);

/*
 * Make an interrupted module call resume in its caller: the frame is redirected. user says which
 * call function made the activation.  Context: exception or irq, of the thread that made the call.
 */
void hal_gate_abandon_frame(struct hal_frame *frame, struct hal_activation *activation, bool user);

/* The same for the calling thread itself, out of a callout of a call made by hal_gate_call_open. */
HX_NORETURN void hal_gate_abandon(struct hal_activation *activation);

#include <hal_port.h>

#endif
