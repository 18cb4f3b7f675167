/*
 * The life of one instance: its lifecycle operations, called through its own door whether it is in
 * a slot or not, and its state, out and in.
 *
 * Rules:
 * - An operation that the module does not have is HX_OK.
 * - One thread at a time exports or imports an instance's state; operations may run meanwhile.
 */
#ifndef CORE_HOT_RELOAD_LIFE_H
#define CORE_HOT_RELOAD_LIFE_H

#include <core/gate/instance.h>
#include <core/gate/module_state.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Call a lifecycle operation.
 * Context: thread, may block as the operation may.
 * Errors: what the operation answers (a number that is no error: HX_EIO), HX_EDIED, HX_EAGAIN.
 */
HX_MUST_USE hx_err life_call(struct module_instance *instance, enum instance_lifecycle operation,
                             uint64_t argument);

/* Whether it has state to hand on. */
bool life_has_state(const struct module_instance *instance);

/*
 * Whether an instance may take over from another: both have no state, or the same kind and major,
 * and the old one's minor or the one before it is one that the new one knows. *minor is how the old
 * one is to write it. *why: NULL or a sentence, a constant. Errors: HX_EVERSION.
 */
HX_MUST_USE hx_err life_can_follow(const struct module_instance *from,
                                   const struct module_instance *to, uint16_t *minor,
                                   const char **why);

/*
 * Have the instance write its state as a minor version; what it carries along is added, and all
 * sealed. *state is the caller's. Context: thread.  Errors: those of life_call, HX_ENOMEM.
 */
HX_MUST_USE hx_err life_export(struct module_instance *instance, uint16_t minor,
                               struct module_state **state);

/*
 * Have the instance take over a state. What it does not know but may leave unknown it carries along
 * from now on. On an error it is to be thrown away, or to be given another state. Context: thread.
 * Errors: those of life_call, HX_EFORMAT the checksum is wrong, HX_EVERSION another kind or major,
 * too young a minor, or a record that it does not know and must.
 */
HX_MUST_USE hx_err life_import(struct module_instance *instance, struct module_state *state);

#endif
