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
 * - Reading is a pure function of the text and the registry; nothing is allocated.
 */
#ifndef SUBSYS_HOOKS_POLICY_H
#define SUBSYS_HOOKS_POLICY_H

#include <base/text.h>
#include <core/syscall/syscall.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>

enum policy_who { POLICY_EVERYONE, POLICY_HOLDERS, POLICY_NOBODY, POLICY_WHO_COUNT };

struct policy_rule {
    uint8_t who;   /* enum policy_who */
    uint8_t error; /* hx_err of who is refused */
    bool is_given; /* the text has it */
};

struct policy {
    struct policy_rule classes[SYSCALL_CLASS_COUNT];
    struct policy_rule calls[SYSCALL_MAX]; /* those that are given */
};

#define POLICY_ERROR_MAX 96U

/*
 * Read a policy. On error, what is wrong and in which line ("line 3: …") is put into
 * error[error_size], cut to fit; *policy is not to be used then.
 * Context: thread.  Errors: HX_EFORMAT.
 */
HX_MUST_USE hx_err policy_read(struct policy *policy, const char *text, size_t length, char *error,
                               size_t error_size);

/* The rule that holds for a number.  Context: any. */
struct policy_rule policy_rule_of(const struct policy *policy, uint32_t number);

/* Write a policy so that reading it gives the same one: every class, then the calls.  Context: any.
 */
void policy_write(const struct policy *policy, struct text *text);

#endif
