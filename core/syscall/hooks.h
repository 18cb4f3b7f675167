/*
 * Hooks of system calls, as the dispatcher uses them. Private to core/syscall.
 *
 * Rules:
 * - What hooks there are stands in a list that never changes: each change makes a new one. A call
 *   keeps to the list there is when it begins, and is counted in it when it begins and when it
 *   ends, on the CPU where it is then, in a read section each. So who has published another list
 * and waited for readers knows how many calls have taken the old one, and when all have ended.
 * - Pre-hooks neither block nor end the thread: where a call ends elsewhere than by a refusal, all
 * of its list's posts are due.
 */
#ifndef CORE_SYSCALL_HOOKS_H
#define CORE_SYSCALL_HOOKS_H

#include <base/list.h>
#include <core/syscall/syscall.h>
#include <hal/cpu.h>
#include <stdatomic.h>

struct hook_post {
    void (*function)(const struct syscall_call *call, void *argument); /* NULL: the end */
    void *argument;
};

struct hook_pre {
    int64_t (*function)(const struct syscall_call *call, void *argument); /* NULL: the end */
    void *argument;
    const struct hook_post *due; /* the first post to be called when this one refuses */
};

/* Written by the CPU itself, in a read section. */
struct hook_count {
    _Atomic uint64_t entered; /* A  calls that have taken the list */
    _Atomic uint64_t left;    /* A  calls that have given it back; release, pairs with has_calls */
} HX_ALIGNED(HX_CACHE_LINE);

/* Immutable once published but for the counts. */
struct hook_list {
    struct hook_pre pres[SYSCALL_HOOKS_MAX + 1];
    struct hook_post posts[SYSCALL_HOOKS_MAX + 1]; /* in the order of calling */
    uint32_t members;                              /* bit n: of slot n */
    struct list link; /* under the mutex  the lists that are not freed */
    struct hook_count counts[HAL_CPU_MAX];
};

/* One call that hooks see, or that was made from inside the kernel: on its thread's stack. */
struct syscall_record {
    struct syscall_record *outer; /* the one in which it was made, unless it is from user mode */
    struct hook_list *list;
    struct syscall_call call;
};

/* Release: pairs with the acquire of who takes it. */
extern _Atomic(struct hook_list *) hook_list_published;

/* How many wait for calls to end. */
extern _Atomic uint32_t hook_removers;

/* A call has ended, and somebody may wait for that.  Context: any but nmi. */
void hook_list_left(void);

#endif
