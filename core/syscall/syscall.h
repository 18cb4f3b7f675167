/*
 * System calls: the registry of 512 numbers, and the way from the gateway to a handler and back
 * (SPEC Y1 to Y4, Y6, Y7).
 *
 * Rules:
 * - The path: user instruction → the port's gateway → kernel_syscall → pre-hooks → validation →
 *   handler → post-hooks → return. Without hooks it is one load and a jump with the arguments still
 *   in their registers.
 * - An entry is constant and valid for ever; the registry points to it. A number nobody has points
 *   to an entry that counts and answers -ENOSYS. Look-up is one load, without a lock.
 * - A handler answers a result or a negative errno (-1 .. -4095). It runs in thread context,
 *   interrupts on, on the caller's thread; it may block.
 * - After unregister a call that was under way may still finish in the old handler; code of modules
 *   is called through the gate, which knows how to wait for that.
 */
#ifndef CORE_SYSCALL_SYSCALL_H
#define CORE_SYSCALL_SYSCALL_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

#define SYSCALL_MAX       512U
#define SYSCALL_NAME_MAX  32U
#define SYSCALL_ARGUMENTS 6U

/* Called with all six argument registers; a handler that has fewer parameters is cast to it by
 * SYSCALL_HANDLER, which the calling conventions of all ports allow. */
typedef int64_t (*syscall_handler)(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                                   uint64_t a5);
#define SYSCALL_HANDLER(function) ((syscall_handler)(void (*)(void))(function))

struct syscall_call;

struct syscall_entry {
    const char *name; /* 1 to SYSCALL_NAME_MAX - 1 of a-z, 0-9 and _ */
    syscall_handler handler;
    uint8_t arguments; /* how many it has, 0..6 */
    /* Look at the arguments before the handler: 0, or a negative errno that ends the call. NULL:
     * nothing to look at. */
    int64_t (*validate)(const struct syscall_call *call);
};

/* --- registry --------------------------------------------------------------------------------- */

/*
 * Give a number to an entry.
 * Context: boot or thread.  Errors: HX_ERANGE the number, HX_EINVAL no name or handler, a bad name,
 * more than 6 arguments; HX_EEXIST the number is taken.
 */
HX_MUST_USE hx_err syscall_register(uint32_t number, const struct syscall_entry *entry);

/* Take a number back.  Context: boot or thread.  Errors: HX_ERANGE, HX_ENOENT nobody has it. */
HX_MUST_USE hx_err syscall_unregister(uint32_t number);

/* The entry of a number, NULL: nobody has it.  Context: any. */
const struct syscall_entry *syscall_lookup(uint32_t number);

/* Calls of a number that nobody has (or beyond the table, all as SYSCALL_MAX), so far. */
uint64_t syscall_absent_count(uint32_t number);

/*
 * Names of numbers that nobody has, for the log's line about the first call of each and for the
 * report; the table stays the caller's, and there. NULL, as a table or in it: no name.  Context:
 * any.
 */
void syscall_set_absent_names(const char *const names[SYSCALL_MAX]);

/* Print each number that was called and that nobody has: name, number, how often.  Context: thread.
 */
void syscall_report_absent(void);

/* --- who calls -------------------------------------------------------------------------------- */

struct process;
struct thread;

/* The context of a call (SPEC Y6). */
struct syscall_caller {
    struct process *process; /* NULL: a kernel thread */
    struct thread *thread;
    uint64_t subject;  /* of core/capability; SUBJECT_KERNEL for a kernel thread */
    bool is_from_user; /* the call came through the gateway, not from syscall_invoke */
};
struct syscall_caller syscall_caller(void);

/* How core finds a process's subject; set once by who has processes. NULL: all are the kernel's. */
void syscall_set_subject_source(uint64_t (*subject_of)(const struct process *process));

/*
 * Make a call from inside the kernel, with hooks and validation, as a program would (tests, and
 * personalities that map one call on another).  Context: thread, may block.
 */
int64_t syscall_invoke(uint32_t number, const uint64_t arguments[SYSCALL_ARGUMENTS]);

/* --- hooks ------------------------------------------------------------------------------------ */

struct syscall_call {
    uint32_t number;
    uint64_t arguments[SYSCALL_ARGUMENTS];
    struct syscall_caller caller;
    uint64_t started_ns; /* hal_clock_now() before the pre-hooks */
    /* for post hooks: */
    int64_t result;
    uint64_t duration_ns;
};

/*
 * A hook sees every call before and after. pre answers 0, or a negative errno that ends the call:
 * handlers and later pre-hooks are left out. post is called exactly once for each pre of the same
 * hook that was called, with the result the caller gets (also when a later hook refused, and when
 * the caller's thread ends inside the call: the result is then -EINTR). Either may be NULL.
 * Hooks are called in rising order of `order`, post in reverse; in thread context, they may block
 * but neither add nor remove hooks.
 */
struct syscall_hook {
    const char *name;
    int32_t order;
    int64_t (*pre)(const struct syscall_call *call, void *argument);
    void (*post)(const struct syscall_call *call, void *argument);
    void *argument;
};

#define SYSCALL_HOOKS_MAX 8U

/*
 * Add a hook; it sees the calls that begin from now on.
 * Context: thread, may block.  Errors: HX_EINVAL no name or neither function,
 * HX_EEXIST the name is there, HX_ENOSPC.
 */
HX_MUST_USE hx_err syscall_hook_add(const struct syscall_hook *hook);

/*
 * Take a hook out. When it returns, the hook is not running, all its posts have been called, and it
 * is never called again: it waits for calls under way that the hook has seen, so a caller that
 * blocks inside a call is ended or woken by who wants the hook gone; hence the deadline.
 * Context: thread, may block.  Errors: HX_ENOENT, HX_ETIMEDOUT it stays.
 */
HX_MUST_USE hx_err syscall_hook_remove(const char *name, uint64_t deadline_ns);

/*
 * The calling thread ends without returning from its system call (exit, death by a signal): pair
 * its pre-hooks. Nothing outside a call.  Context: thread.
 */
void syscall_abandon(void);

#endif
