/*
 * Slots: the named positions of the kernel that modules fill.
 *
 * Rules:
 * - A slot is made once, at boot, and lives for ever; what is in it changes.
 * - Callers hold the slot, never the instance.
 */
#ifndef CORE_GATE_SLOT_H
#define CORE_GATE_SLOT_H

#include <core/gate/instance.h>
#include <hal/gate.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_MAX              32
#define SLOT_NAME_MAX         24
#define SLOT_DEADLINE_DEFAULT 100U /* ticks of 1 ms spent in module code */

/* Keys: I = immutable after slot_create, A = atomic */
struct slot {
    struct hal_gate_slot gate;     /* A  first: the gate finds it here */
    enum hal_gate_backend backend; /* I  for its instances; gate.NAME= on the command line */
    _Atomic uint64_t deaths;       /* A  calls that ended with the death of the instance */
    char name[SLOT_NAME_MAX];      /* I */
};

/*
 * Make an empty slot. Its backend is what gate.NAME on the command line says, else open.
 * Context: boot or thread, one at a time.  Errors: HX_EINVAL name, HX_EEXIST, HX_ENOSPC.
 */
HX_MUST_USE hx_err slot_create(const char *name, struct slot **slot);

/* A slot by name, or by number 0.. ; NULL: none.  Context: any. */
struct slot *slot_find(const char *name);
struct slot *slot_at(size_t index);

/* What is in it now, NULL: nothing. Only a hint unless the caller keeps it from changing.  Context:
 * any. */
struct module_instance *slot_instance(const struct slot *slot);

/*
 * Put a live instance into an empty slot.  Context: thread.
 * Errors: HX_EBUSY it holds one, HX_EDIED the instance is doomed already.
 */
HX_MUST_USE hx_err slot_fill(struct slot *slot, struct module_instance *instance);

/*
 * Take the instance out, so that no new call enters it; calls may still be inside. NULL: it was
 * empty. Context: any.
 */
struct module_instance *slot_empty(struct slot *slot);

/* The same if it still holds just this instance; returns whether it did. */
bool slot_empty_of(struct slot *slot, struct module_instance *instance);

/*
 * Wait until no thread is inside an instance that no slot holds any more. Afterwards nothing
 * but the caller's pointer refers to it.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT at the absolute deadline.
 */
HX_MUST_USE hx_err slot_drain(const struct module_instance *instance, uint64_t deadline_ns);

#endif
