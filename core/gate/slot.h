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
#include <helix/error.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOT_MAX              32
#define SLOT_NAME_MAX         24
#define SLOT_DEADLINE_DEFAULT 100U /* ticks of 1 ms spent in module code */

struct slot {
    _Atomic(struct module_instance *) active; /* read in a read section; NULL: empty */
    uint32_t deadline_ticks;
    enum gate_backend backend;    /* for the next instance; gate.NAME= on the command line */
    char name[SLOT_NAME_MAX];
    _Atomic uint64_t deaths;
    _Atomic bool is_draining;     /* slot_drain waits: calls that leave wake it */
    struct wait_queue drained;
};

/*
 * Make a slot. Its backend is what gate.NAME on the command line says, else open.
 * Context: boot or thread.  Errors: HX_EINVAL name, HX_EEXIST, HX_ENOSPC.
 */
HX_MUST_USE hx_err slot_create(const char *name, struct slot **slot);

/* A slot by name, or by number 0.. ; NULL: none.  Context: any. */
struct slot *slot_find(const char *name);
struct slot *slot_at(size_t index);

/*
 * Put a live instance into an empty slot. Context: thread.
 * Errors: HX_EBUSY it holds one, HX_EDIED the instance is doomed already.
 */
HX_MUST_USE hx_err slot_fill(struct slot *slot, struct module_instance *instance);

/*
 * Take the instance out of a slot: when this returns, no new call enters it; calls may still be
 * inside. NULL when the slot was empty.  Context: thread, may block (a grace period).
 */
struct module_instance *slot_empty(struct slot *slot);

/*
 * Wait until no thread is inside an instance that was taken out of this slot. Afterwards nothing
 * but the caller's pointer refers to it.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT at the absolute deadline.
 */
HX_MUST_USE hx_err slot_drain(struct slot *slot, const struct module_instance *instance,
                              uint64_t deadline_ns);

#endif
