/* A slot for tests of what is in it: emptied, filled, begun with just that module. */
#ifndef TESTS_SELF_MODULE_SLOT_H
#define TESTS_SELF_MODULE_SLOT_H

#include <core/gate/slot.h>
#include <core/hot_reload/hot_reload.h>
#include <helix/module.h>
#include <stdbool.h>
#include <stdint.h>

/* Take out what is there, if anything is; else the test fails.  Context: thread, may block. */
void module_slot_empty(struct slot *slot);

/* Put a module there, NULL: its youngest version; in place of another with its state.  Context:
 * thread, may block. */
void module_slot_put(struct slot *slot, const char *module,
                     const struct hx_module_version *version);

/* Whether more than so many deaths have been counted there in time.  Context: thread, blocks. */
bool module_slot_await_death(struct slot *slot, uint64_t deaths);

/*
 * A slot with that module, which begins without a state, behind that gate, to be swapped in that
 * way. NULL, and the test fails: there is no slot of that name.  Context: thread, may block.
 */
struct slot *module_slot_begin(const char *name, const char *module,
                               const struct hx_module_version *version,
                               enum hal_gate_backend backend, const struct swap_options *options);

#endif
