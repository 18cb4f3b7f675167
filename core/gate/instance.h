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
    X(DEATH_CALLOUT, "called a function that does not exist")

#define DEATH_CAUSE_ENUM(name, text) name,
enum death_cause { DEATH_CAUSE_LIST(DEATH_CAUSE_ENUM) DEATH_CAUSE_COUNT };
#undef DEATH_CAUSE_ENUM

#define INSTANCE_STACKS 8 /* calls that can be inside an unprivileged instance at once */

/* Keys: I = immutable after load, A = atomic, D = written once by whoever dooms it */
struct module_instance {
    struct hal_gate_instance gate;    /* I  first: the gate finds it here */
    uint32_t operation_count;         /* I */
    _Atomic bool is_doomed;           /* A */
    struct arena arena;               /* I */
    struct hal_range text;            /* I  where its code is */
    owner_tag owner;                  /* I  opened for it, closed when it is unloaded */
    resource_handle place;            /* I  the kernel's: one of its module instances */
    uint64_t load_cycles;             /* I  what loading cost */
    struct hx_module_version version; /* I */
    char name[HX_MODULE_NAME_MAX];    /* I */

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
