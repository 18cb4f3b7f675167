/*
 * Calls of a number of the tests' own, some or many at once, for tests of the modules that hooks
 * of system calls are.
 *
 * Rules:
 * - Between begin and end the number is there, the hook is on, and the youngest version of its
 *   module is in its slot, without trials. One hook at a time.
 */
#ifndef TESTS_SELF_HOOK_LOAD_H
#define TESTS_SELF_HOOK_LOAD_H

#include <core/gate/slot.h>
#include <core/hot_reload/hot_reload.h>
#include <helix/module.h>
#include <stdint.h>

#define HOOK_LOAD_NUMBER 508U /* nobody's */
#define HOOK_LOAD_FEW    300U /* calls */
#define HOOK_LOAD_SWAPS  20U

extern const struct hx_module_version hook_load_old_version;
extern const struct swap_options hook_load_long_trial;

/* NULL: it failed, and that was told.  Context: thread. */
struct slot *hook_load_begin(const char *hook, const char *name, enum hal_gate_backend backend);
void hook_load_end(const char *hook, struct slot *slot);

/* One call that answers what it is told to, if nobody refuses it. */
int64_t hook_load_call(int64_t result);

/* Calls of which each second one fails with EINVAL. */
void hook_load_call_many(uint32_t count);

/* Have several threads make such calls; a refusal other than 0 is what they are to get instead. */
void hook_load_start(int64_t refusal);

/* No more of them; answers how many there were. */
uint32_t hook_load_stop(void);

/* From one version of a hook's module to the other and back, while calls are made. */
void hook_load_swap_often(struct slot *slot, const char *hook);

/* Doom what is in a slot: it dies when somebody inside it calls the kernel or is interrupted. */
void hook_load_kill(struct slot *slot);

#endif
