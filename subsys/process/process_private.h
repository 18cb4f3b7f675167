/* What the files of this folder share. */
#ifndef SUBSYS_PROCESS_PROCESS_PRIVATE_H
#define SUBSYS_PROCESS_PROCESS_PRIVATE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <subsys/process/process.h>

/* --- life (process.c) ---------------------------------------------------------------------------
 */

/* A process without threads, id and relations yet: owner and subject of its own.  Errors:
 * HX_ENOMEM, HX_EAGAIN too many. */
HX_MUST_USE hx_err process_allocate(const char name[PROCESS_NAME_MAX], struct process **process);
/* One that nobody knows of: owner, subject and memory go. */
void process_free(struct process *process);

/* A waited-for process leaves all tables; it is freed with its last reference. Under process_mutex;
 * answers whether to call process_free once the mutex is released. */
HX_MUST_USE bool process_retire_locked(struct process *process);

/*
 * A thread of a process, not started, known to nobody yet: registers, kernel thread, name.
 * Errors: HX_ENOMEM, HX_EAGAIN limits.
 */
HX_MUST_USE hx_err user_thread_create(struct process *process, const char name[PROCESS_NAME_MAX],
                                      struct user_thread **thread);
/* One that was never started. */
void user_thread_discard(struct user_thread *thread);
/* Enter a thread into its process and the table of ids, under process_mutex.  Errors: HX_EAGAIN the
 * process is ending. */
HX_MUST_USE hx_err user_thread_join_locked(struct user_thread *thread, uint32_t id);

/* Files, paths, memory, executable: given up. The memory is current nowhere (any more). */
void process_drop_contents(struct process *process);
/* What a process runs cannot be written meanwhile: one use more of its executable, one less. */
void process_get_executable(struct process *process);
void process_put_executable(struct location *executable);
/* Who waits for the end of process 1 is woken. */
void process_note_first_ended(void);
/* One more process; under process_mutex. */
void process_count_one(void);

/* --- limits (limits.c) --------------------------------------------------------------------------
 */

void limits_init(void);
/* A new process's standard limits. */
void limits_set_standard(struct process *process);
/* One more process, or thread, of the calling process's user.  Under process_mutex.  Errors:
 * HX_EAGAIN. */
HX_MUST_USE hx_err limits_may_add_locked(bool is_process);
/* The calling thread looks at its process's CPU time (THREAD_WORK_CPU_TIME); it may end by that on
 * its way out. */
void limits_check_cpu_time(void);
/* A thread's time until now is its process's.  Interrupts off. */
void limits_count_time(struct user_thread *thread);

/* --- memory that is missing (shortage.c) -------------------------------------------------------
 */

/*
 * A page could not be brought in for want of memory. Past its limit, the calling process ends; if
 * the machine has no more, the process that has most ends, and the caller waits for what it gives
 * back. Answers whether the access is worth another try, else the calling process is at its end.
 * Context: thread, may block; process_mutex not held.
 */
HX_MUST_USE bool shortage_handle(void);

/* --- relations (group.c); under process_mutex ----------------------------------------------------
 */

/* Errors: HX_ENOMEM. */
HX_MUST_USE hx_err group_create_locked(uint32_t id, struct session *session,
                                       struct process_group **group);
HX_MUST_USE hx_err session_create_locked(uint32_t id, struct session **session);
void group_enter_locked(struct process *process, struct process_group *group);
/* The group goes with its last process, the session with its last group. */
void group_leave_locked(struct process *process);
/* A process's parent or group changes or it ends: members of groups that are orphaned by that, and
 * stopped, are hung up and continued (POSIX, _exit). */
void group_note_orphans_locked(struct process *process);
/* The calling process's group; not under process_mutex. */
bool process_is_in_orphaned_group(const struct process *process);

/* --- ending (exit.c) -------------------------------------------------------------------------- */

/* Tell all other threads of the process to end.  Under process->lock. */
void process_tell_threads_to_end_locked(struct process *process, const struct user_thread *except);

/* SIGKILL: no thread of the process does anything more for its program. Under process->lock; who
 * calls wakes process->stopped afterwards. */
void process_end_locked(struct process *process);

/* The parent's signal (0: none), and its waiters; under process_mutex. */
void process_notify_parent_locked(struct process *process, unsigned number, int status,
                                  int32_t code);
#define PROCESS_CONTINUED 0xffff /* as wait4 tells of it */

/* Threads but the calling one that could take the process's pending signals of a mask are told
 * (again), because the one that was told does not take them.  Under process->lock. */
void signal_pass_on_locked(struct process *process, uint64_t mask);

/* The calling thread blocks these too.  Under process->lock. */
static inline void signal_block_more_locked(struct user_thread *self, uint64_t mask)
{
    const uint64_t never = 1ULL << (SIGNAL_KILL - 1) | 1ULL << (SIGNAL_STOP - 1);
    uint64_t more = mask & ~never & ~self->blocked;

    if (HX_UNLIKELY((more & self->process->signals.pending.mask) != 0)) {
        signal_pass_on_locked(self->process, more);
    }
    self->blocked |= more;
}

/* A vfork parent goes on. */
void process_release_vfork(struct process *process);

#endif
