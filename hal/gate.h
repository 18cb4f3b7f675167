/*
 * The machine's half of the gate: calls into modules that can be abandoned.
 *
 * Rules:
 * - The whole fast path is here, because it is the price of every call into a module: it takes no
 *   lock, no atomic instruction and no fence. core/gate owns what the structures mean.
 * - A thread has a stack of activation records in its own structure; the record's instance is
 *   published before the slot is looked at again, and cleared on the way out. So whoever empties a
 *   slot and then makes every CPU pass a barrier finds each call that still got in.
 * - A call that is abandoned comes back through kernel_gate_failed (hal/entry.h); everything the
 * ABI says a callee preserves is restored, and so is the interrupt flag.
 * - Unprivileged calls exist where hal_user_module_window() is not empty.
 */
#ifndef HAL_GATE_H
#define HAL_GATE_H

#include <hal/memory.h>
#include <hal/thread.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct hal_frame;

#define HAL_GATE_OPERATIONS 40

/* How an instance is called. */
enum hal_gate_backend {
    HAL_GATE_OPEN,     /* in the kernel's mode and space */
    HAL_GATE_USER,     /* unprivileged, in page tables of its own */
    HAL_GATE_NONE,     /* no instance: what an empty slot points to */
    HAL_GATE_DIVERTED, /* no instance either: calls go to kernel_gate_diverted (hal/entry.h) */
};

/* Stacks of an unprivileged instance: stack n ends at stack_tops + n * stride, its guard page
 * first. */
#define HAL_GATE_STACK_STRIDE (4 * HAL_PAGE_SIZE)
#define HAL_GATE_STACK_MAX    64

/* What a call reads of an instance; immutable but for free_stacks. The port knows the offsets. */
struct hal_gate_instance {
    uintptr_t operations[HAL_GATE_OPERATIONS]; /* 0   0 or hal_gate_no_operation(): there is none */
    uint32_t backend;                          /* 320 enum hal_gate_backend */
    uint32_t reserved;
    _Atomic uint64_t
        free_stacks;      /* 328 bit n: stack n is free; the rest is for HAL_GATE_USER too */
    uint64_t root;        /* 336 hal_space_root of its space */
    uintptr_t stack_tops; /* 344 */
    uintptr_t trampoline; /* 352 where hal_gate_trampoline() was copied to */
};

/* What a call reads of a slot. */
struct hal_gate_slot {
    _Atomic(struct hal_gate_instance *) active; /* 0  never NULL */
    uint32_t deadline_ticks;                    /* 8  timer ticks in module code a call may take */
    uint32_t zero;                              /* 12 copied to callout_depth with it */
};

/*
 * The record of one call. Keys: O = the thread and interrupts on its CPU, W = as O, read by anyone
 */
struct hal_activation {
    _Atomic(struct hal_gate_instance *) instance; /* 0  W  NULL: no call */
    uint32_t ticks_left;                          /* 8  O  until the deadline */
    uint32_t callout_depth;                       /* 12 O  not 0: core code runs on its behalf */
    hx_err outcome;                               /* 16 O  why it failed, HX_OK before */
    uint32_t has_effects;                         /* 20 O  an effectful callout was begun */
    uint64_t machine[12]; /* 24 O  the port's: registers to come back with */
};

/* What came of a call. */
struct hal_gate_result {
    uint64_t value; /* what the operation returned; 0 with an error */
    hx_err error;
    bool may_have_run; /* with an error: effects may have happened */
};

/*
 * Call operation number `operation` (below HAL_GATE_OPERATIONS) of what the slot holds. The
 * caller's record stack has room (core/gate sees to that: nesting happens only through callouts).
 * Context: thread.
 */
struct hal_gate_result hal_gate_call(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                                     struct hal_gate_slot *slot, uint64_t operation);

/* Not 0: somebody drains an instance, so a call that leaves tells kernel_gate_left.  core/gate's.
 */
extern _Atomic uint32_t hal_gate_drains;

/* Give a new thread its record stack, empty. */
void hal_gate_init_thread(struct hal_thread *hal, struct hal_activation *records);

/* Where the next record of a thread goes: the innermost call's is the one below.  Context: any. */
struct hal_activation *hal_gate_top(const struct hal_thread *hal);

/* Take the innermost record off.  Called by kernel_gate_failed. */
void hal_gate_pop(struct hal_thread *hal);

/* The target that stands for a missing operation of an open instance. */
uintptr_t hal_gate_no_operation(void);

/* What the port loads to make a space current; goes into hal_gate_instance.root. */
uint64_t hal_space_root(const struct hal_space *space);

/* Position-independent code to be mapped executable in every unprivileged instance's arena. */
struct hal_range hal_gate_trampoline(void);

/*
 * Code for one import in an unprivileged instance: a call of it is a callout with that number
 * (1 or more). HAL_GATE_THUNK_SIZE bytes are written.
 */
#define HAL_GATE_THUNK_SIZE 16
void hal_gate_write_thunk(void *place, uint32_t number);

/* The callout in a frame given to kernel_callout: number, arguments 0..3, where its result goes. */
uint32_t hal_callout_number(const struct hal_frame *frame);
uint64_t hal_callout_argument(const struct hal_frame *frame, unsigned index);
void hal_callout_set_result(struct hal_frame *frame, uint64_t result);

/*
 * Make an interrupted module call, the innermost of the running thread, end as failed: the frame
 * is redirected. outcome is set.  Context: exception, irq or nmi, of the thread that made the call.
 */
void hal_gate_abandon_frame(struct hal_frame *frame, struct hal_activation *activation);

/* The same for the calling thread itself, out of a callout of an open call. */
HX_NORETURN void hal_gate_abandon(struct hal_activation *activation);

#include <hal_port.h>

#endif
