/*
 * Modules as a subsystem: makes the slots and fills them from the initrd.
 *
 * Rules:
 * - A module file /lib/modules/NAME.hxm fills the slot NAME.
 * - A dead or unwanted instance is replaced with modules_reload, by who has PERMISSION_CONTROL on
 *   the slot.
 */
#ifndef SUBSYS_MODULES_MODULES_H
#define SUBSYS_MODULES_MODULES_H

#include <core/capability/capability.h>
#include <core/gate/slot.h>
#include <core/orchestrator/subsystem.h>
#include <helix/error.h>

extern const struct subsystem modules_subsystem;

/* The slot as something to have rights on.  Context: any. */
resource_id modules_slot_resource(const struct slot *slot);

/*
 * On behalf of a subject, load the slot's file again for a backend: the old instance leaves, is
 * drained and freed, the new one enters. One caller at a time.
 * Context: thread, may block.
 * Errors: HX_EPERM the subject has no PERMISSION_CONTROL on the slot, nothing has changed;
 * HX_ENOENT no initrd or file, HX_ETIMEDOUT threads stay inside the old one, those of loader_load;
 * the slot is then empty.
 */
HX_MUST_USE hx_err modules_reload(subject_id subject, struct slot *slot,
                                  enum hal_gate_backend backend);

/* What is in a slot at one moment. */
struct modules_content {
    bool is_filled;
    char name[HX_MODULE_NAME_MAX]; /* "" for an empty one; so is the version */
    char version[16];
    enum hal_gate_backend backend; /* of an empty slot: what its next instance gets */
    uint64_t deaths;
};

/* Context: thread, may block while the slot is being changed. */
struct modules_content modules_content_of(const struct slot *slot);

/* One line per slot.  Context: thread. */
void modules_report(void);

#endif
