/*
 * Security policies: who may make which system calls, as a text that people read and write.
 *
 * Rules:
 * - One rule a line; blanks part words, and what follows a # is a remark:
 *       class NAME everyone|nobody
 *       class NAME holders [EPERM|EACCES]     who holds the class's capability to execute
 *       call NAME|NUMBER …                    the same for one call, whatever its class says
 *   `nobody` takes an error too; EPERM is meant where none is given. Names of classes are those of
 *   core/syscall/class_list.h, names of calls those of the registry.
 * - A class that is not mentioned is everyone's. Nothing may be said twice.
 * - Reading is a pure function of the text and the registry; nothing is allocated. What comes of it
 *   is what the module in the slot hook.security gets (helix/hook.h).
 */
#ifndef SUBSYS_HOOKS_POLICY_H
#define SUBSYS_HOOKS_POLICY_H

#include <base/text.h>
#include <core/syscall/syscall.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/hook.h>
#include <stddef.h>

_Static_assert(SYSCALL_MAX == HX_HOOK_CALL_MAX, "a module knows as many numbers");
_Static_assert(SYSCALL_CLASS_COUNT <= HX_HOOK_CLASS_MAX, "and classes");

#define POLICY_ERROR_MAX 96U

/*
 * Read a policy. On error, what is wrong and in which line ("line 3: …") is put into
 * error[error_size], cut to fit; *policy is not to be used then.
 * Context: thread.  Errors: HX_EFORMAT.
 */
HX_MUST_USE hx_err policy_read(struct hx_hook_policy *policy, const char *text, size_t length,
                               char *error, size_t error_size);

/* The rule that holds for a number.  Context: any. */
struct hx_hook_rule policy_rule_of(const struct hx_hook_policy *policy, uint32_t number);

/* Write a policy so that reading it gives the same one: every class, then the calls.  Context: any.
 */
void policy_write(const struct hx_hook_policy *policy, struct text *text);

#endif
