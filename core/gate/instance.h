/*
 * One loaded copy of a module: its memory, its operations, and whether it still lives.
 *
 * Rules:
 * - Made by the loader, put into a slot, called through the gate.
 * - Its state goes from Live to Doomed once, for whatever reason, and never back.
 * - It is destroyed when no slot names it and no thread is inside (slot_drain).
 */
#ifndef CORE_GATE_INSTANCE_H
#define CORE_GATE_INSTANCE_H

#include <core/gate/arena.h>
#include <core/gate/module_heap.h>
#include <core/gate/module_lock.h>
#include <core/resource/resource.h>
#include <hal/gate.h>
#include <helix/error.h>
#include <helix/module.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, what happened) */
#define DEATH_CAUSE_LIST(X)                                                                        \
    X(DEATH_NONE, "alive")                                                                         \
    X(DEATH_EXCEPTION, "exception")                                                                \
    X(DEATH_DEADLINE, "missed its deadline")                                                       \
    X(DEATH_ASSERTION, "failed an assertion")                                                      \
    X(DEATH_INTERRUPTS, "returned with the interrupt flag changed")                                \
    X(DEATH_CALLOUT, "called a function that does not exist")                                      \
    X(DEATH_LIE, "answered what cannot be")                                                        \
    X(DEATH_UNWELL, "was not well, time and again")                                                \
    X(DEATH_ORDERED, "was ended on purpose")                                                       \
    X(DEATH_UNINTERRUPTIBLE, "looped with interrupts off")                                         \
    X(DEATH_LOCK_KEPT, "kept a lock too long")                                                     \
    X(DEATH_LOST_THREAD, "lost a thread that it was to order")                                     \
    X(DEATH_STORM, "has a device that interrupts without end")

#define DEATH_CAUSE_ENUM(name, text) name,
enum death_cause { DEATH_CAUSE_LIST(DEATH_CAUSE_ENUM) DEATH_CAUSE_COUNT };
#undef DEATH_CAUSE_ENUM

/* What an instance may do outside of itself: see struct module_instance's stage. */
enum instance_stage {
    INSTANCE_PREPARING, /* nothing: a callout with an effect is refused with HX_ESTATE */
    INSTANCE_SERVING,   /* everything */
    INSTANCE_REPLAYING, /* nothing again: the effects of what it repeats have happened, HX_OK */
};

/* The members of struct hx_module_lifecycle as operations, behind those of the category. */
enum instance_lifecycle {
    LIFECYCLE_INIT = 32,
    LIFECYCLE_IMPORT_STATE,
    LIFECYCLE_ACTIVATE,
    LIFECYCLE_PREPARE_UNLOAD,
    LIFECYCLE_CANCEL_UNLOAD,
    LIFECYCLE_EXPORT_STATE,
    LIFECYCLE_CAN_UNLOAD,
    LIFECYCLE_CHECK_HEALTH,
    LIFECYCLE_END,
};
_Static_assert(LIFECYCLE_END == HAL_GATE_OPERATIONS, "the table of operations ends with them");
_Static_assert(sizeof(struct hx_module_lifecycle) ==
                   (LIFECYCLE_END - LIFECYCLE_INIT) * sizeof(uintptr_t),
               "one operation for each member");

#define INSTANCE_STACKS 8 /* calls that can be inside an unprivileged instance at once */

struct module_state;
struct slot;

#define INSTANCE_PROBE_DEPTH 12

/* Where a thread in the instance's code is, taken down by a tick that finds it there. */
struct instance_probe {
    _Atomic uint32_t thread; /* of whom it is wanted, by id; 0: of nobody */
    _Atomic uint32_t depth;  /* 0: not yet */
    uintptr_t places[INSTANCE_PROBE_DEPTH];
};

/* Keys: I = immutable after load, A = atomic, E = who holds its slot's change
 *       mutex, D = written once by whoever dooms it, before is_doomed */
struct module_instance {
    struct hal_gate_instance gate;         /* I  first: the gate finds it here */
    struct hal_gate_slot door;             /* I  for calls to just this instance */
    struct slot *slot;                     /* E  whose it is; NULL: not yet anybody's */
    uint32_t operation_count;              /* I  of its category */
    enum hx_category category;             /* I */
    _Atomic uint32_t stage;                /* A  enum instance_stage */
    _Atomic bool has_cause;                /* A  somebody dooms it, and says why below */
    _Atomic bool is_doomed;                /* A */
    struct arena arena;                    /* I */
    struct hal_range text;                 /* I  where its code is */
    owner_tag owner;                       /* I  opened for it, closed when it is unloaded */
    resource_handle place;                 /* I  the kernel's: one of its module instances */
    uint64_t load_cycles;                  /* I  what loading cost */
    struct module_heap heap;               /* I */
    struct module_locks locks;             /* its own rules */
    struct module_state *state;            /* E  what hx_state_… work on, in this thread: */
    _Atomic(struct thread *) state_thread; /* A  NULL: none */
    bool state_is_output;                  /* E */
    struct module_state *carried;       /* E  records that it does not know, for the next export */
    char state_kind[HX_STATE_KIND_MAX]; /* I  "": it has no state */
    struct hx_module_version version;   /* I */
    char name[HX_MODULE_NAME_MAX];      /* I */

    struct instance_probe probe;  /* A */
    enum death_cause death_cause; /* D */
    uint32_t death_exception;     /* D  enum hal_exception, for DEATH_EXCEPTION */
    uintptr_t death_pc;           /* D */
    uintptr_t death_address;      /* D */
};

/*
 * End an instance: it gets no new calls' results, threads inside are taken out at their next
 * interrupt or callout. The first cause is kept. Returns whether this call was the first.
 * Context: any.
 */
bool instance_doom(struct module_instance *instance, enum death_cause cause, uint32_t exception,
                   uintptr_t pc, uintptr_t address);

/* The instance whose gate half this is. */
static inline struct module_instance *instance_of(struct hal_gate_instance *gate)
{
    return (struct module_instance *)gate;
}

const char *death_cause_name(enum death_cause cause);

#endif
