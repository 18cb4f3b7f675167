/*
 * Hooks of system calls, as the dispatcher uses them. Private to core/syscall.
 *
 * Rules:
 * - A call takes the hooks there are when it begins, and counts itself in each of them in a read
 *   section; so whoever has published a list without a hook and then waited for readers finds every
 *   call that has seen it in its count.
 */
#ifndef CORE_SYSCALL_HOOKS_H
#define CORE_SYSCALL_HOOKS_H

#include <core/syscall/syscall.h>
#include <stdatomic.h>

struct hook_slot;

/* One call that hooks see, or that was made from inside the kernel: on its thread's stack. */
struct syscall_record {
    struct syscall_record *outer; /* the one in which it was made, NULL: none */
    bool is_from_user;
    uint32_t taken;   /* how many of slots count this call */
    uint32_t reached; /* of how many the pre-hook has been called */
    struct hook_slot *slots[SYSCALL_HOOKS_MAX];
    struct syscall_call call;
};

/* Whether there are hooks. A stale answer is one of a call that began before the hook was added. */
extern _Atomic bool syscall_has_hooks;

/* Take the hooks there are.  Context: thread. */
void syscall_hooks_take(struct syscall_record *record);

/* Call pre-hooks until one refuses; answers with what it did, or 0.  Context: thread, may block. */
int64_t syscall_hooks_before(struct syscall_record *record);

/* Call the post-hooks that are due, and give the hooks back.  Context: thread, may block. */
void syscall_hooks_after(struct syscall_record *record, int64_t result);

#endif
