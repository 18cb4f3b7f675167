/*
 * The gate: the only way to call a module.
 *
 * Rules:
 * - A call runs on the caller's thread and returns exactly once: with the module's answer, or with
 * an error that says whether the call may have had effects.
 * - Core code is never abandoned: a module dies only while its own code is on the processor; inside
 *   a callout the death takes effect when the callout is done.
 * - No lock is held across a call, in either direction.
 * - Calls nest (a callout may call another slot) up to THREAD_GATE_DEPTH deep.
 */
#ifndef CORE_GATE_GATE_H
#define CORE_GATE_GATE_H

#include <base/assert.h>
#include <core/gate/slot.h>
#include <helix/error.h>
#include <kern/recorder.h>
#include <kern/thread.h>
#include <stdbool.h>
#include <stdint.h>

struct hal_frame;

/* Whether the thread's stack of records has room for one more call.  Context: any. */
static inline bool gate_can_nest(const struct thread *self)
{
    return hal_gate_top(&self->hal) < self->gate_records + THREAD_GATE_DEPTH;
}

/* gate_call while calls of modules are recorded. */
struct hal_gate_result gate_call_recorded(struct slot *slot, uint32_t operation, uint64_t a0,
                                          uint64_t a1, uint64_t a2, uint64_t a3);

/*
 * Call an operation (below HAL_GATE_OPERATIONS) of the slot's instance.
 * Context: thread; blocks if the operation's callouts do.
 * Errors: HX_ENOENT the slot is empty, HX_ENOSYS no such operation, HX_EAGAIN all stacks of an
 * unprivileged instance are in use, HX_EDIED the instance died.
 */
static inline struct hal_gate_result gate_call(struct slot *slot, uint32_t operation, uint64_t a0,
                                               uint64_t a1, uint64_t a2, uint64_t a3)
{
    HX_DEBUG_ASSERT(operation < HAL_GATE_OPERATIONS, "an operation is one of the table's");
    HX_DEBUG_ASSERT(gate_can_nest(thread_current()), "calls nest at most THREAD_GATE_DEPTH deep");
    if (recorder_wants(RECORDER_GATE)) {
        return gate_call_recorded(slot, operation, a0, a1, a2, a3);
    }
    return hal_gate_call(a0, a1, a2, a3, &slot->gate, operation);
}

/* The record of the running thread's innermost call, NULL: it is in none.  Context: any. */
struct hal_activation *gate_activation(const struct thread *self);

/*
 * The instance whose code the frame interrupted, with nothing of core's on top of it, in the
 * running thread's innermost call. NULL: it was core's code, or a callout.  Context: irq or nmi.
 */
struct module_instance *gate_interrupted(const struct hal_frame *frame,
                                         const struct hal_activation *activation);

/* End a call whose instance is doomed and whose code the frame interrupted.  Context: exception,
 * irq or nmi. */
void gate_abandon(struct hal_frame *frame, struct hal_activation *activation);

/*
 * An exception happened: if module code caused it, doom the instance, redirect the frame to the
 * caller of the gate and return true. False: it is not a module's.  Context: exception.
 */
bool gate_handle_exception(struct hal_frame *frame);

/*
 * Who is asked about a breakpoint in a module's code before the module dies of it: true, the frame
 * goes on as it is now. NULL: nobody. Set once, before there are any (core/fault_injection).
 */
typedef bool (*gate_trap_handler)(struct module_instance *instance, struct hal_frame *frame);
void gate_set_trap_handler(gate_trap_handler handler);

/* What the kernel can get wrong on an instance's behalf, as if the instance had. */
enum gate_fault {
    GATE_FAULT_LOCK,  /* a lock that it gives back stays held */
    GATE_FAULT_STATE, /* a bit of what it exports is the other one, and it ends */
};

/*
 * Whether that is to happen, now and this once; *chance picks what of it. NULL: never. Set once,
 * before there are instances (core/fault_injection).  Context: thread.
 */
typedef bool (*gate_fault_handler)(const struct module_instance *instance, enum gate_fault fault,
                                   uint64_t *chance);
void gate_set_fault_handler(gate_fault_handler handler);
bool gate_makes_fault(const struct module_instance *instance, enum gate_fault fault,
                      uint64_t *chance);

/*
 * A timer tick (is_tick) or another interrupt is about to return to the frame: charge the tick to
 * the call's deadline, and take the thread out of a doomed instance.  Context: irq, interrupts off.
 */
void gate_handle_interrupt(struct hal_frame *frame, bool is_tick);

#endif
