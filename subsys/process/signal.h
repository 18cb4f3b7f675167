/*
 * Signals (POSIX 2.4, signal(7)).
 *
 * Rules:
 * - Numbers, default actions and siginfo are Linux's. Bit n - 1 of a mask stands for signal n.
 * - A standard signal is pending once; real-time ones (32..64) queue, each with its information.
 * - A signal is acted upon by a thread of the process that does not block it, on its way to user
 * mode (kernel_return_to_user, implemented in signal_delivery.c). Sending wakes such a thread out
 * of interruptible waits.
 * - SIGKILL and SIGSTOP can be neither blocked, caught nor ignored; process 1 gets only signals it
 * has handlers for.
 */
#ifndef SUBSYS_PROCESS_SIGNAL_H
#define SUBSYS_PROCESS_SIGNAL_H

#include <base/list.h>
#include <hal/signal.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

struct process;
struct user_thread;

#define SIGNAL_COUNT           64U
#define SIGNAL_REAL_TIME_FIRST 32U

enum signal_number {
    SIGNAL_HANGUP = 1,
    SIGNAL_INTERRUPT = 2,
    SIGNAL_QUIT = 3,
    SIGNAL_ILLEGAL = 4,
    SIGNAL_TRAP = 5,
    SIGNAL_ABORT = 6,
    SIGNAL_BUS = 7,
    SIGNAL_FLOAT = 8,
    SIGNAL_KILL = 9,
    SIGNAL_USER_1 = 10,
    SIGNAL_SEGMENT = 11,
    SIGNAL_USER_2 = 12,
    SIGNAL_PIPE = 13,
    SIGNAL_ALARM = 14,
    SIGNAL_TERMINATE = 15,
    SIGNAL_CHILD = 17,
    SIGNAL_CONTINUE = 18,
    SIGNAL_STOP = 19,
    SIGNAL_TERMINAL_STOP = 20,
    SIGNAL_TERMINAL_IN = 21,
    SIGNAL_TERMINAL_OUT = 22,
    SIGNAL_URGENT = 23,
    SIGNAL_CPU_LIMIT = 24,
    SIGNAL_FILE_LIMIT = 25,
    SIGNAL_VIRTUAL_ALARM = 26,
    SIGNAL_PROFILE = 27,
    SIGNAL_WINDOW = 28,
    SIGNAL_IO = 29,
    SIGNAL_POWER = 30,
    SIGNAL_SYSTEM_CALL = 31,
};

/* What wait4 tells of a process that a signal ended, and of one that left a core file. */
#define SIGNAL_STATUS_DUMPED 0x80
static inline int signal_status(unsigned number)
{
    return (int)number;
}
static inline int exit_code_status(unsigned code)
{
    return (int)((code & 0xff) << 8);
}

/* What is kept of a pending signal's information. */
struct signal_detail {
    int32_t code;
    int32_t error;
    uint64_t fields[2]; /* of struct hal_signal_info */
};

#define SIGNAL_STANDARD  (SIGNAL_REAL_TIME_FIRST - 1)
#define SIGNAL_QUEUE_MAX 1024U /* real-time ones in one queue: more answer HX_EAGAIN */

/* Signals that wait to be taken: one detail for each standard one, a queue of real-time ones. */
struct signal_pending {
    uint64_t mask;
    struct list queued; /* struct signal_entry, oldest first */
    uint32_t count;
    struct signal_detail standard[SIGNAL_STANDARD]; /* of those in the mask; else unspecified */
};

enum signal_action_flags { /* Linux's */
                           SIGNAL_NO_CHILD_STOP = 1,
                           SIGNAL_NO_CHILD_WAIT = 2,
                           SIGNAL_INFO = 4,
                           SIGNAL_RESTORER = 0x04000000,
                           SIGNAL_ON_STACK = 0x08000000,
                           SIGNAL_RESTART = 0x10000000,
                           SIGNAL_NO_DEFER = 0x40000000,
                           SIGNAL_RESET_HANDLER = (int)0x80000000,
};
#define SIGNAL_DEFAULT 0UL
#define SIGNAL_IGNORE  1UL

/* struct sigaction as the system call has it (x86-64: struct kernel_sigaction). */
struct signal_action {
    uintptr_t handler;
    uint64_t flags;
    uintptr_t restorer;
    uint64_t mask;
};

/* A process's part. */
struct signal_state {
    bool has_actions; /* else all actions are the default, and these unspecified */
    struct signal_action actions[SIGNAL_COUNT];
    struct signal_pending pending;
};

static inline struct signal_action signal_action_of(const struct signal_state *signals,
                                                    unsigned number)
{
    return signals->has_actions ? signals->actions[number - 1] : (struct signal_action){0};
}

/* An action to be changed. */
struct signal_action *signal_own_action(struct signal_state *signals, unsigned number);

/* --- sending ---------------------------------------------------------------------------------- */

/* info for kill(2) from the calling process: SI_USER with its id and user. */
struct hal_signal_info signal_info_user(unsigned number);
/* info from the kernel. */
struct hal_signal_info signal_info_kernel(unsigned number);

/* Whether the calling process may signal that one, which has not been waited for (kill(2)).
 * Locks: process_mutex.  Errors: HX_EPERM. */
HX_MUST_USE hx_err signal_may_send_locked(const struct process *to, unsigned number);

/*
 * Number 0 sends nothing. Context: thread, or any but nmi for signal_send with a process that
 * cannot go away meanwhile.  Errors: HX_EINVAL number, HX_EAGAIN too many are queued.
 */
HX_MUST_USE hx_err signal_send(struct process *process, const struct hal_signal_info *info);
HX_MUST_USE hx_err signal_send_thread(struct user_thread *thread,
                                      const struct hal_signal_info *info);
/*
 * What the calling process sends, if it may: to the process of an id, to a thread of an id
 * (process: of which, 0: any).  Errors: also HX_ESRCH, HX_EPERM.
 */
HX_MUST_USE hx_err signal_send_by_id(uint32_t id, const struct hal_signal_info *info);
HX_MUST_USE hx_err signal_send_by_thread_id(uint32_t process, uint32_t id,
                                            const struct hal_signal_info *info);
/*
 * A system call by which the calling process sends itself a signal, or its only thread: if a
 * handler of the thread's is to take it at once, the user frame calls the handler, with the call's
 * result 0. Answers whether that is so: the call then has nothing more to do.  Context: thread, in
 * that call.
 */
HX_MUST_USE bool signal_raise(const struct hal_signal_info *info);
/* To every process of a group; without permission checks (terminals).  Errors: HX_ESRCH none. */
HX_MUST_USE hx_err signal_send_group(uint32_t group_id, unsigned number);

/* The calling thread caused a fault: it gets the signal even if it is blocked or ignored (then it
 * ends). */
void signal_force(unsigned number, int32_t code, uintptr_t address);

/* --- the calling thread's own ------------------------------------------------------------------
 */

/* Whether a signal is pending that it does not block.  Context: thread. */
bool signal_is_pending(void);
uint64_t signal_pending_mask(void);

/* Set the mask (SIGKILL and SIGSTOP are left out). */
void signal_set_blocked(uint64_t mask);
/* The same until the system call ends: sigsuspend, ppoll, pselect, epoll_pwait. */
void signal_set_blocked_for_call(uint64_t mask);

/* Errors: HX_EINVAL number, or SIGKILL, SIGSTOP with a new action. Either may be NULL. */
HX_MUST_USE hx_err signal_act(unsigned number, const struct signal_action *action,
                              struct signal_action *old);

/* Wait for one of these and take it (sigtimedwait).  Errors: HX_EAGAIN time is over, HX_EINTR. */
HX_MUST_USE hx_err signal_wait(uint64_t mask, uint64_t deadline_ns, struct hal_signal_info *info);

/*
 * A system call was interrupted: what its handler answers so that it is done again after handlers
 * with SA_RESTART (and after stops), and else fails with EINTR. Not an errno a program sees.
 */
#define SYSCALL_RESTART (-512)
/* Done again in any case (fork). */
#define SYSCALL_RESTART_ALWAYS (-513)
/* The same, but never after a handler (pause, sigsuspend, poll, nanosleep: -EINTR then). */
#define SYSCALL_RESTART_NO_HANDLER (-514)

/* As NO_HANDLER, but it goes on by SYSCALL_RESTART_NUMBER where it was (a sleep: until when it
 * would have ended). */
#define SYSCALL_RESTART_REST   (-516)
#define SYSCALL_RESTART_NUMBER 219U

/* rt_sigreturn: restores registers and mask; answers what the result register must hold. */
int64_t signal_return(void);

/* exec: handlers become default, ignored stays; alternate stack forgotten. */
void signal_exec(struct process *process);
/* The child's state of a fork: actions and mask as the parent's, nothing pending. */
void signal_fork(struct process *child, struct process *parent);
/* Exceptions in user mode become signals from now on.  Context: boot, once. */
HX_MUST_USE hx_err signal_init(void);

/* Nothing pending; and forget what is queued. */
void signal_pending_init(struct signal_pending *pending);
void signal_pending_fini(struct signal_pending *pending);

#endif
