/*
 * The hooks of system calls that come with the kernel, as a subsystem and by name: security, audit
 * and metrics (SPEC Y4 Y5).
 *
 * Rules:
 * - `hooks=LIST` on the command line says which are on when process 1 starts. Without it security
 *   is, with the policy in /etc/helix/policy of the initial file system: calls that are everyone's
 *   cost nothing then.
 * - Each is switched on and off, and moved, while calls are made. Calls under way keep to what
 * there was when they began.
 */
#ifndef SUBSYS_HOOKS_HOOKS_H
#define SUBSYS_HOOKS_HOOKS_H

#include <base/text.h>
#include <core/orchestrator/subsystem.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const struct subsystem hooks_subsystem;

/*
 * Switch a hook on or off; any that was added to core/syscall, not only those here.
 * Context: thread, may block.  Errors: HX_ENOENT no hook has that name, HX_ENOMEM, HX_ENOSPC.
 */
HX_MUST_USE hx_err hooks_set(const char *name, bool is_on);

/* Change a hook's place: lower ones come first.  Context: thread, may block.  Errors: as above. */
HX_MUST_USE hx_err hooks_set_order(const char *name, int32_t order);

#define HOOKS_NAME_MAX   32U
#define HOOKS_COUNTS_MAX 192U

/* One hook, as people see it. */
struct hooks_row {
    char name[HOOKS_NAME_MAX];
    bool is_on;
    int32_t order;
    uint64_t calls;                /* under way, that it has seen */
    char counts[HOOKS_COUNTS_MAX]; /* "refused=3 …", "" if it counts nothing */
};

/* The hook at a place in their order, from 0; false: there are no more.  Context: thread, may
 * block. */
bool hooks_row(size_t index, struct hooks_row *row);

/* The policy in force, as a text that hooks_policy_replace takes.  Context: thread, may block. */
void hooks_policy_show(struct text *text);

/*
 * Replace the policy, as a whole or not at all. On error a sentence is in error[error_size].
 * Context: thread, may block.  Errors: HX_EFORMAT, HX_ENOMEM.
 */
HX_MUST_USE hx_err hooks_policy_replace(const char *text, size_t length, char *error,
                                        size_t error_size);

#endif
