/*
 * System calls: the registry of 512 numbers, and the way from the gateway to a handler and back
 * (SPEC Y1 to Y4, Y6, Y7).
 *
 * Rules:
 * - The path: user instruction → the port's gateway → kernel_syscall → pre-hooks → validation →
 *   handler → post-hooks → return. A number that no hook looks at is one load and a jump, with the
 *   arguments still in their registers.
 * - An entry is constant and valid for ever; the registry points to it. A number nobody has points
 *   to an entry that counts and answers -ENOSYS. Look-up is one load, without a lock.
 * - A handler answers a result or a negative errno (-1 .. -4095). It runs in thread context,
 *   interrupts on, on the caller's thread; it may block.
 * - After unregister a call that was under way may still finish in the old handler; code of modules
 *   is called through the gate, which knows how to wait for that.
 */
#ifndef CORE_SYSCALL_SYSCALL_H
#define CORE_SYSCALL_SYSCALL_H

#include <core/syscall/class_list.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/thread.h>
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

#define SYSCALL_CLASS_ENUM(name, number, text, meaning) name = (number),
enum syscall_class { SYSCALL_CLASS_LIST(SYSCALL_CLASS_ENUM) SYSCALL_CLASS_COUNT };
#undef SYSCALL_CLASS_ENUM

/* Numbers from here on are Helix's own. */
#define SYSCALL_NATIVE_FIRST 480U

struct syscall_call;

struct syscall_entry {
    const char *name; /* 1 to SYSCALL_NAME_MAX - 1 of a-z, 0-9 and _ */
    syscall_handler handler;
    uint8_t arguments; /* how many it has, 0..6 */
    uint8_t class;     /* enum syscall_class */
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

/*
 * The class of a number: its entry's; of an entry without one from SYSCALL_NATIVE_FIRST on it is
 * SYSCALL_CLASS_NATIVE.  Context: any.
 */
enum syscall_class syscall_class_of(uint32_t number);

/* "files", "?" for a class that is not in the list.  Context: any. */
const char *syscall_class_name(enum syscall_class class);

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

/* The context of a call (SPEC Y6). */
struct syscall_caller {
    struct process *process; /* NULL: a kernel thread */
    struct thread *thread;
    uint64_t subject;  /* of core/capability; SUBJECT_KERNEL for a kernel thread */
    bool is_from_user; /* the call came through the gateway, not from syscall_invoke */
};
struct syscall_caller syscall_caller(void);

/* The same in numbers, which outlive the caller. */
struct syscall_identity {
    uint64_t subject;
    uint32_t process; /* 0: a kernel thread */
    uint32_t thread;  /* the program's number of it; of a kernel thread: thread->id */
};
/* Context: thread. */
struct syscall_identity syscall_identity(void);

/*
 * Make a call from inside the kernel, with hooks and validation, as a program would (tests, and
 * personalities that map one call on another).  Context: thread, may block.
 */
int64_t syscall_invoke(uint32_t number, const uint64_t arguments[SYSCALL_ARGUMENTS]);

/* --- hooks ------------------------------------------------------------------------------------ */

/* A call as its hooks see it; syscall_caller and syscall_identity say whose it is. */
struct syscall_call {
    uint32_t number;
    bool is_from_user;
    uint64_t arguments[SYSCALL_ARGUMENTS];
    uint64_t started; /* hal_clock_cycles() before the pre-hooks */
    /* for post-hooks: */
    int64_t result;
    uint64_t duration; /* in the same unit */
};

#define SYSCALL_SET_WORDS (SYSCALL_MAX / 64U)

/*
 * A hook sees calls before and after. pre answers 0, or a negative errno that ends the call:
 * handlers and later pre-hooks are left out. post is called exactly once for each pre of the same
 * hook that was called, with the result the caller gets (also when a later hook refused, and when
 * the caller's thread ends inside the call: the result is then -EINTR). A hook without pre counts
 * as called when its turn comes. Either may be NULL.
 * Hooks are called in rising order of `order`, post in reverse; in thread context inside a read
 * section: they do not block.
 */
struct syscall_hook {
    const char *name; /* stays the caller's, and there */
    int32_t order;
    int64_t (*pre)(const struct syscall_call *call, void *argument);
    void (*post)(const struct syscall_call *call, void *argument);
    void *argument;
    /* Bit n: it has to see calls of number n; it may be shown others. NULL: all, those beyond the
     * table too. Copied. */
    const uint64_t *numbers;
};

#define SYSCALL_HOOKS_MAX 8U

/*
 * Add a hook; it sees the calls that begin from now on.
 * Context: thread, may block.  Errors: HX_EINVAL no name or neither function,
 * HX_EEXIST the name is there, HX_ENOSPC, HX_ENOMEM.
 */
HX_MUST_USE hx_err syscall_hook_add(const struct syscall_hook *hook);

/*
 * Take a hook out. When it returns, the hook is not running, all its posts have been called, and it
 * is never called again: it waits for calls under way that the hook has seen, so a caller that
 * blocks inside a call is ended or woken by who wants the hook gone; hence the deadline.
 * Context: thread, may block.  Errors: HX_ENOENT; HX_ETIMEDOUT, HX_ENOMEM it stays.
 */
HX_MUST_USE hx_err syscall_hook_remove(const char *name, uint64_t deadline_ns);

/*
 * Switch a hook off, or on again, without waiting: calls that begin from now on do not see it, and
 * those under way still have their posts. What it is now is no error.
 * Context: thread, may block.  Errors: HX_ENOENT, HX_ENOMEM it is as before.
 */
HX_MUST_USE hx_err syscall_hook_enable(const char *name, bool is_on);

/* Change a hook's place, or the calls it has to see, for calls that begin from now on.  As above.
 */
HX_MUST_USE hx_err syscall_hook_set_order(const char *name, int32_t order);
HX_MUST_USE hx_err syscall_hook_set_numbers(const char *name, const uint64_t *numbers);

struct syscall_hook_info {
    const char *name;
    int32_t order;
    bool is_on;
    bool sees_all;  /* calls of every number */
    uint64_t calls; /* under way that it has seen, and those that hooks beside it have */
};

/* Hook index (below SYSCALL_HOOKS_MAX); false: there is none.  Context: thread, may block. */
bool syscall_hook_info(uint32_t index, struct syscall_hook_info *info);

/*
 * The calling thread ends without returning from its system call (exit, death by a signal): pair
 * its pre-hooks. Nothing outside a call.  Context: thread.
 */
void syscall_abandon(void);

#endif
