/*
 * Processes, their threads, groups and sessions.
 *
 * Rules:
 * - A process is an address space, open files, credentials, signal actions, and threads. Its id is
 * that of its first thread; ids of threads and processes come from one table and are not used again
 *   before PROCESS_ID_MAX others.
 * - process_mutex (one, of the tree) guards parent, children, groups, sessions, and the end of
 *   processes; a process's lock (spinlock) guards its signals and its list of threads.
 * - A process that ends becomes a zombie until its parent has waited for it (or ignores SIGCHLD);
 * its children are process 1's then. What it held (memory, files) is gone before the parent is
 * told.
 * - Every process has an owner at the ResourceBroker, which ends with it, and its ledger is zero
 *   then; and a subject at the CapabilityBroker, shared with others of its user (authority.h).
 * - The calling process is process_current(); NULL in a kernel thread.
 */
#ifndef SUBSYS_PROCESS_PROCESS_H
#define SUBSYS_PROCESS_PROCESS_H

#include <base/list.h>
#include <hal/frame.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/process/id_table.h>
#include <subsys/process/signal.h>
#include <subsys/vfs/credentials.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/path.h>
#include <subsys/vm/address_space.h>

struct authority;
struct interval_timers;
struct terminal; /* subsys/tty */

#define PROCESS_NAME_MAX 16U /* with the NUL, as prctl(PR_SET_NAME) has it */

struct session {
    uint32_t id;
    uint32_t references;       /* process_mutex */
    struct terminal *terminal; /* process_mutex  controlling terminal, NULL */
};

struct process_group {
    uint32_t id;
    struct session *session;
    struct list processes; /* process_mutex  by group_link */
    struct list link;
};

enum process_state { PROCESS_ALIVE, PROCESS_ZOMBIE, PROCESS_REAPED };

/* Numbers of POSIX limits are Linux's (RLIMIT_*). */
#define PROCESS_LIMITS 16U
struct process_limit {
    uint64_t soft;
    uint64_t hard;
};
enum process_limit_number {
    LIMIT_CPU = 0,
    LIMIT_FILE_SIZE = 1,
    LIMIT_DATA = 2,
    LIMIT_STACK = 3,
    LIMIT_CORE = 4,
    LIMIT_PROCESSES = 6,
    LIMIT_FILES = 7,
    LIMIT_MEMORY_LOCKED = 8,
    LIMIT_ADDRESS_SPACE = 9,
    LIMIT_NICE = 13,
    LIMIT_REAL_TIME_PRIORITY = 14,
};

struct process_usage {
    uint64_t user_ns; /* time in user mode and kernel together where the two are not told apart */
    uint64_t system_ns;
    uint64_t peak_pages;
    uint64_t faults;
};

/*
 * Keys: I = immutable, A = atomic, M = process_mutex, L = lock, T = changed by the process's only
 *       thread (exec), read by others under M
 */
struct process {
    uint32_t id;                                  /* I */
    owner_tag owner;                              /* I */
    _Atomic uint64_t subject;                     /* A  of core/capability: authority's */
    struct authority *authority;                  /* M  a reference */
    struct process *parent;                       /* M  NULL: process 1 */
    _Atomic uint32_t parent_id;                   /* A  0: process 1; who asks has no M */
    struct list children;                         /* M  by sibling */
    struct list sibling;                          /* M */
    struct process_group *group;                  /* M */
    struct list group_link;                       /* M */
    enum process_state state;                     /* M */
    uint32_t references;                          /* M  besides life: who looks at it */
    struct address_space *space;                  /* T  NULL once it has ended */
    struct file_table *files;                     /* T */
    struct path_context *paths;                   /* T */
    struct credentials credentials;               /* M  a thread changes them for all */
    struct location executable;                   /* T  what it runs */
    uintptr_t arguments_start, arguments_end;     /* T  for /proc/PID/cmdline */
    uintptr_t environment_start, environment_end; /* T */
    uintptr_t auxiliary_start;                    /* T  its auxiliary vector */
    size_t auxiliary_size;                        /* T */
    char name[PROCESS_NAME_MAX];                  /* M */
    struct process_limit limits[PROCESS_LIMITS];  /* M */
    uint64_t started_ns;                          /* I  hal_clock_now() */

    struct spinlock lock;
    struct list threads;           /* L  by user_thread.link */
    _Atomic uint32_t thread_count; /* L to write; the calling process's: process_is_alone */
    bool is_ending;                /* L  no thread may be added; all are told to end */
    bool is_executing;             /* L  a thread runs exec, the others end */
    bool is_stopped;               /* L  by SIGSTOP and its like */
    bool has_exec;                 /* M  has run exec since fork (setpgid) */
    int exit_status;               /* L  as wait4 tells it, once is_ending */
    uint32_t exit_signal;          /* M  what the parent gets; 0: none */

    struct wait_queue child_changed; /* woken when a child ends, stops or continues */
    struct wait_queue stopped;       /* its stopped threads wait here */
    bool stop_reported;              /* M  wait4 has told of the stop */
    bool has_continued;              /* L  and wait4 has not told of that */
    bool tells_continued;            /* L  and a thread is to tell the parent */
    bool may_stop;                   /* L  a stop signal was taken, and no SIGCONT came since */
    struct user_thread *dumper;      /* L  writes a core file while the others are halted; NULL */
    uint32_t halted;                 /* L  so many are */
    int stop_status;                 /* M */
    struct process_usage usage;      /* L  of threads that have ended */
    struct process_usage children_usage; /* M  of children waited for */
    _Atomic uint64_t cpu_ns;             /* A  CPU time, brought up to date by ticks */
    _Atomic uint64_t cpu_check_ns;       /* A  when cpu_ns is this, a thread is to look at limits */
    uint64_t cpu_tell_ns;                /* M  the next SIGXCPU is not before */
    uint64_t cpu_charge;                 /* M  handle of RESOURCE_CPU_TIME */
    struct interval_timers *intervals;   /* M  NULL: never set */
    struct list timers;                  /* M  of signal_timer.c */
    struct wait_queue *vfork_done;       /* M  its parent waits for exec or end; NULL */
    bool is_dumpable;                    /* A */
    uint32_t personality;                /* A  as the personality's call has it; inherited */
    _Atomic uint32_t barriers;           /* A  what it has registered for; relaxed: flags */
    bool gains_no_rights;                /* M  exec does not look at set-user bits; inherited */
    bool is_subreaper;                   /* M  orphans among its descendants become its children */
    uint32_t death_signal;               /* M  what it gets when its parent ends; 0: none */
    struct signal_state signals;         /* L  last: made in parts, so that most is written once */
};

/* What is kept of a thread beyond the kernel's own struct thread. Keys as above; O = the thread
 * itself */
struct user_thread {
    struct thread *thread;                /* I */
    struct process *process;              /* I */
    uint32_t id;                          /* I */
    struct list link;                     /* L */
    void *registers;                      /* I  hal_user_attach */
    struct hal_frame start;               /* O  registers it starts with */
    uint64_t blocked;                     /* O to write, L to read by others: mask of signals */
    uint64_t saved_blocked;               /* O  to restore after sigsuspend, ppoll */
    uint64_t awaited;                     /* L  signal_wait takes these, blocked or not */
    bool restores_blocked;                /* O */
    uint64_t sleeps_until;                /* O  SYSCALL_RESTART_REST; 0: a handler came between */
    uintptr_t sleep_rest;                 /* O  where what is left of it is told */
    struct hal_signal_stack signal_stack; /* O */
    uintptr_t clear_child_id;      /* O  CLONE_CHILD_CLEARTID: zeroed and futex-woken at the end */
    uintptr_t set_child_id;        /* O  CLONE_CHILD_SETTID, not done yet; 0 */
    uintptr_t robust_list;         /* O */
    void (*entry)(void *argument); /* I  what it runs first, in the kernel; NULL: nothing */
    void *argument;                /* I */
    bool is_discarded;             /* I  it was never meant to run */
    bool is_counted;             /* O  and interrupts on its CPU: its process is told of its time */
    uint64_t counted_ns;         /* O  CPU time its process has been told of; as is_counted */
    uint64_t fault_address;      /* O  of the last fault, for the signal's information */
    char name[PROCESS_NAME_MAX]; /* O */
    struct signal_pending pending; /* L  last, as a process's signals */
};

extern struct mutex process_mutex;

static inline struct process *process_current(void)
{
    return thread_current()->process;
}

/* Whether the calling thread is its process's only one; it stays so while it adds none. */
static inline bool process_is_alone(void)
{
    /* acquire: pairs with the release of a thread that leaves; what it did has been done */
    return atomic_load_explicit(&process_current()->thread_count, memory_order_acquire) == 1;
}

static inline struct user_thread *user_thread_current(void)
{
    return thread_current()->user;
}

/* --- making and ending ------------------------------------------------------------------------ */

/*
 * Make process 1, not yet running: session and group 1, root as user, standard limits, no address
 * space, files or paths yet.  Context: thread.  Errors: HX_EEXIST, HX_ENOMEM.
 */
HX_MUST_USE hx_err process_create_first(struct process **process);

/*
 * Let a process run: files and paths are the process's from now on; its one thread begins in the
 * kernel with entry(argument), which runs exec and returns, and then goes to user mode with what
 * exec has put into hal_user_frame(). For process 1.  Errors: HX_ENOMEM, HX_ELIMIT.
 */
HX_MUST_USE hx_err process_start(struct process *process, struct file_table *files,
                                 struct path_context *paths, void (*entry)(void *argument),
                                 void *argument);

/* What a new process or thread shares and is told (clone(2)); the numbers are Linux's. */
enum clone_flags {
    CLONE_VM = 0x100,
    CLONE_PIDFD = 0x1000, /* the personality's: the child as a file of the parent's */
    CLONE_FS = 0x200,
    CLONE_FILES = 0x400,
    CLONE_SIGHAND = 0x800,
    CLONE_VFORK = 0x4000,
    CLONE_PARENT = 0x8000,
    CLONE_THREAD = 0x10000,
    CLONE_SYSVSEM = 0x40000,
    CLONE_SETTLS = 0x80000,
    CLONE_PARENT_SETTID = 0x100000,
    CLONE_CHILD_CLEARTID = 0x200000,
    CLONE_DETACHED = 0x400000,
    CLONE_CHILD_SETTID = 0x1000000,
};
struct clone_request {
    uint64_t flags;
    uint32_t exit_signal;
    uintptr_t stack_pointer;  /* 0: the caller's */
    uintptr_t parent_id;      /* CLONE_PARENT_SETTID */
    uintptr_t child_id;       /* CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID */
    uintptr_t thread_pointer; /* CLONE_SETTLS */
};

/*
 * fork, vfork, clone: a new process, or with CLONE_THREAD a new thread of the calling one. The
 * child continues from the caller's system call with the result 0. With CLONE_VFORK the caller
 * waits until the child has run exec or ended. Context: thread of a process.  Errors: HX_EINVAL
 * flags that need each other, HX_EAGAIN limits of processes, HX_ENOMEM; *id is the child's.
 */
HX_MUST_USE hx_err process_clone(const struct clone_request *request, uint32_t *id);

/*
 * exec has built a new program: end all other threads of the calling process, replace its address
 * space, reset signal handlers, close what is to be closed, tell a vfork parent. No return to the
 * old program afterwards; the caller then fills hal_user_frame() and returns. Errors: HX_EAGAIN
 * another thread is doing the same or ends the process: the caller gives up.
 */
HX_MUST_USE hx_err process_exec(struct address_space *space, const char *name,
                                struct location *executable);

/* End the calling thread; with the last one the process ends.  status as wait4 tells it. */
HX_NORETURN void thread_exit_user(int status);

/* End the whole calling process (exit_group, a deadly signal). */
HX_NORETURN void process_exit(int status);

/* Have all threads of another process end, as SIGKILL would; process 1 too.  Context: thread. */
void process_end(struct process *process);

/* wait4, waitid. */
enum wait_options {
    WAIT_NO_HANG = 1,
    WAIT_STOPPED = 2,
    WAIT_EXITED = 4,
    WAIT_CONTINUED = 8,
    WAIT_NO_REAP = 0x1000000
};
struct wait_request {
    int64_t id; /* > 0: that child; 0: of the caller's group; -1: any; < -1: of group -id */
    unsigned options;
};
struct wait_outcome {
    uint32_t id; /* 0: WAIT_NO_HANG and nothing has changed */
    int status;  /* as wait4 tells it */
    uint32_t user;
    struct process_usage usage;
};
/* Context: thread, may block.  Errors: HX_ECHILD, HX_EINTR. */
HX_MUST_USE hx_err process_wait(const struct wait_request *request, struct wait_outcome *outcome);

/* Process 1 before it has ended, NULL before it was made. */
struct process *process_first(void);

/* Called by who starts process 1: wait for its end, in a kernel thread.  Returns its status. */
int process_wait_first(void);

/* --- looking ---------------------------------------------------------------------------------- */

/* A process by its id, kept from being freed until process_put; NULL.  Context: thread. */
struct process *process_find(uint32_t id);
struct process *process_find_by_thread(uint32_t id);
void process_put(struct process *process);

/* Call back for every process by rising id, process_mutex held; stops when it answers false. */
void process_for_each(bool (*callback)(struct process *process, void *argument), void *argument);
/* The same for who holds process_mutex. */
void process_for_each_locked(bool (*callback)(struct process *process, void *argument),
                             void *argument);
uint32_t process_count(void);
uint64_t process_forks(void); /* since boot */

struct process_statistics {
    uint64_t forks;        /* since boot */
    uint64_t failed_forks; /* of processes and threads: too many, no memory, … */
    hx_err last_failure;
    uint64_t memory_bytes; /* what the kernel keeps of the processes that there are */
};
struct process_statistics process_statistics(void);

/*
 * Note that a signal has been sent to one of many (a group, or all), after it was: a fork under way
 * begins anew, so that the child gets it too.  process_mutex is held.
 */
void process_note_mass_signal_locked(void);

/* 'R', 'S', 'D', 'T' or 'Z', as /proc shows it. */
char process_state_letter(struct process *process);
void process_usage(struct process *process, struct process_usage *usage);

/* --- groups and sessions ---------------------------------------------------------------------- */

/* As setpgid and setsid.  Errors: HX_ESRCH, HX_EPERM, HX_EACCES it has run exec, HX_EINVAL. */
HX_MUST_USE hx_err process_set_group(uint32_t process_id, uint32_t group_id);
HX_MUST_USE hx_err process_new_session(uint32_t *id);
/* Errors: HX_ESRCH. 0: the caller. */
HX_MUST_USE hx_err process_get_group(uint32_t process_id, uint32_t *group_id, uint32_t *session_id);
/* Whether a group has a member that could be told about its terminal: not orphaned (POSIX 3.264).
 */
bool process_group_is_orphaned(uint32_t group_id);

/* Set up tables; exceptions in user mode become signals.  Context: boot, once. */
HX_MUST_USE hx_err process_init(void);

#endif
