/*
 * SecurityHook: whether the caller may make a call of that class (SPEC Y5).
 *
 * Rules:
 * - A policy (policy.h) says for each class, and for single calls, whether everyone may make them,
 *   nobody, or who holds PERMISSION_EXECUTE on the resource of type `calls` whose number is the
 *   class. Who may not gets the policy's error, and nothing else happens.
 * - The module in the slot hook.security judges (modules/call_policy.h). While there is none that
 *   answers, who holds PERMISSION_CONTROL on the slot may make calls that are not everyone's, so as
 *   to put that right; all others get EPERM. While its gate is closed, callers wait.
 * - It stands before hooks of a higher order, so those do not see what it refuses.
 * - Calls that are everyone's are not looked at: with a policy of such alone the hook costs
 * nothing.
 * - A policy is replaced as a whole: each call is judged by one policy, and the calls that begin
 *   after the replacement by the new one.
 * - `nobody` is nobody, the kernel's own calls included; the kernel holds every capability.
 * - Who gives a number to a call of another class than the one it had replaces the policy
 * afterwards (with what security_show writes).
 */
#ifndef SUBSYS_HOOKS_SECURITY_H
#define SUBSYS_HOOKS_SECURITY_H

#include <base/text.h>
#include <core/syscall/syscall.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Have a policy, under which everyone may do everything; nothing when repeated.
 * Context: thread, may block.  Errors: HX_ENOMEM, HX_ENOENT there is no slot for it.
 */
HX_MUST_USE hx_err security_prepare(void);

/* Add the hook, at a place.  Context: thread, may block.  Errors: those of syscall_hook_add. */
HX_MUST_USE hx_err security_start(int32_t order);

/*
 * Replace the policy, as a whole or not at all. On error a sentence is in error[error_size].
 * Context: thread, may block.  Errors: HX_EFORMAT, HX_ENOMEM, what the module says against it.
 */
HX_MUST_USE hx_err security_replace(const char *text, size_t length, char *error,
                                    size_t error_size);

/* Write the policy in force.  Context: thread, may block. */
void security_show(struct text *text);

#define SECURITY_HOOK "security"
#define SECURITY_SLOT "hook.security"

struct security_statistics {
    uint64_t checked; /* calls that are not everyone's */
    uint64_t refused;
    uint64_t alone; /* of the checked ones, those judged without a module */
};
/* Context: any. */
struct security_statistics security_statistics(void);

/* Refused calls of a class; 0 with a module that does not count them.  Context: thread, may block.
 */
uint64_t security_refused_of(enum syscall_class class);

#endif
