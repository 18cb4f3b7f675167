/*
 * Modules as a subsystem: makes the slots, fills them from the initrd, and changes what is in them.
 *
 * Rules:
 * - At boot a slot is filled with the module of its row in modules.c, or the one that
 * module.SLOT=NAME on the command line names; with none, if there is none of that name.
 * - Changes are asked for by who has PERMISSION_CONTROL on the slot; the callers see to that, but
 * for modules_reload.
 * - Every slot is a member of the healer (core/self_heal/healer.h), which is started and stopped
 *   here, and takes the files that it needs from the store.
 */
#ifndef SUBSYS_MODULES_MODULES_H
#define SUBSYS_MODULES_MODULES_H

#include <core/capability/capability.h>
#include <core/gate/slot.h>
#include <core/hot_reload/hot_reload.h>
#include <core/orchestrator/subsystem.h>
#include <helix/error.h>
#include <subsys/modules/module_store.h>

extern const struct subsystem modules_subsystem;

/* The slot as something to have rights on.  Context: any. */
resource_id modules_slot_resource(const struct slot *slot);

/*
 * On behalf of a subject, begin anew with the module that is in the slot, or belongs there: the old
 * instance is unloaded with its state, the new one enters behind that gate.
 * Context: thread, may block.
 * Errors: HX_EPERM the subject has no PERMISSION_CONTROL on the slot, nothing has changed;
 * HX_ENOENT no such module, those of hot_reload_unload and hot_reload_fill.
 */
HX_MUST_USE hx_err modules_reload(subject_id subject, struct slot *slot,
                                  enum hal_gate_backend backend);

/*
 * End what is in the slot and let the healer put a fresh instance of it there, at once and without
 * a state; what was tried before is forgotten, and so are the checkpoints. An empty slot gets what
 * belongs there.
 * Context: thread, may block.
 * Errors: HX_ETIMEDOUT nothing serves after a second, those of modules_reload.
 */
HX_MUST_USE hx_err modules_renew(subject_id subject, struct slot *slot);

/*
 * Add a module file for a slot to those known; its bytes, from heap_allocate, are taken over,
 * freed on an error. *file is a copy of its entry. Context: thread. Errors: HX_EVERSION it is of
 * another category than the slot's, those of module_store_add.
 */
HX_MUST_USE hx_err modules_add(struct slot *slot, void *bytes, size_t size,
                               struct module_file *file);

/*
 * Put a known module into the slot, with the state of what is there, behind the slot's gate; an
 * empty slot is filled. A trial that is under way is judged before. version NULL: the youngest.
 * Context: thread, may block. Errors: HX_ENOENT
 * no such module is known, those of hot_reload_swap and hot_reload_fill.
 */
HX_MUST_USE hx_err modules_swap(struct slot *slot, const char *name,
                                const struct hx_module_version *version);

/*
 * Put back what was in the slot before, with the state of now: by ending a trial, or by a swap.
 * Context: thread, may block.
 * Errors: HX_ENOENT nothing is known to have been there before; those of the two.
 */
HX_MUST_USE hx_err modules_rollback(struct slot *slot);

/*
 * Number index of those that what is in the slot counts (a scheduler enum hx_scheduler_statistic, a
 * driver of a disk enum hx_block_number, the console's enum hx_console_number), and what it is
 * called; false: it counts no such thing, or cannot be asked.  Context: thread.
 */
bool modules_statistic_at(struct slot *slot, uint32_t index, const char **name, uint64_t *value);

/* How many threads wait for a CPU, as its scheduler says.  Context: thread. */
uint64_t modules_waiting_at(struct slot *slot, uint32_t cpu);

/* Take out what is in the slot.  Context: thread, may block.  Errors: those of hot_reload_unload.
 */
HX_MUST_USE hx_err modules_unload(struct slot *slot);

/* How swaps in a slot are done from now on.  Context: thread. */
void modules_set_options(struct slot *slot, const struct swap_options *options);
struct swap_options modules_options(struct slot *slot);

/* --- what there is ---------------------------------------------------------------------------- */

/* What is in a slot at one moment. */
struct modules_content {
    bool is_filled;
    char name[HX_MODULE_NAME_MAX]; /* "" for an empty one; so is the version */
    char version[16];
    enum hal_gate_backend backend; /* of an empty slot: what its next instance gets */
    enum slot_status status;
    uint64_t deaths;
};

/* Context: thread, may block while the slot is being changed. */
struct modules_content modules_content_of(struct slot *slot);

#define MODULES_HISTORY 12U

/* One change of a slot. */
struct modules_change {
    uint64_t number;  /* 1.. for each slot */
    uint64_t time_ns; /* when it had ended, since the start */
    const char *what; /* "fill", "swap", "settle", "rollback", "unload" */
    enum swap_state state;
    enum swap_state failed_in; /* with an error: where in it that happened */
    hx_err error;
    bool is_migrated;
    uint64_t pause_ns;
    char from[HX_MODULE_NAME_MAX + 16];
    char to[HX_MODULE_NAME_MAX + 16];
    char why[SWAP_WHY_MAX];
};

/* The change before which there were index younger ones; false: none such is remembered. */
bool modules_change_at(struct slot *slot, size_t index, struct modules_change *change);

/* Who kept the last change that was called off waiting: lines, "" if nobody. */
void modules_blockers(struct slot *slot, char text[SWAP_BLOCKERS_MAX]);

/* One line per slot.  Context: thread. */
void modules_report(void);

#endif
