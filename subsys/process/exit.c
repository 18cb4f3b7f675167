/* The end of threads and processes. */
#include <base/assert.h>
#include <core/syscall/syscall.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/process/futex.h>
#include <subsys/process/id_table.h>
#include <subsys/process/interval.h>
#include <subsys/process/process_event.h>
#include <subsys/process/process_file.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_timer.h>
#include <subsys/process/terminal_link.h>

/* --- a thread -------------------------------------------------------------------------------- */

/* What the thread promised its library for its end; the memory is still there. */
static void keep_promises(struct user_thread *self)
{
    const uint32_t zero = 0;

    if (self->robust_list != 0) {
        futex_exit_robust_list(self->robust_list);
    }
    if (self->clear_child_id != 0 &&
        hal_user_copy_out(self->clear_child_id, &zero, sizeof(zero)) == HX_OK) {
        uint32_t woken;

        (void)!futex_wake((struct futex_word){self->clear_child_id, false}, 1, FUTEX_ANY, &woken);
    }
}

/* Off the process's list. Answers whether it was the last one. */
static bool leave_process(struct user_thread *self, int status)
{
    struct process *process = self->process;
    bool is_last;
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    list_remove(&self->link);
    /* release: pairs with the acquire in process_is_alone */
    is_last = atomic_fetch_sub_explicit(&process->thread_count, 1, memory_order_release) == 1;
    signal_pass_on_locked(process, UINT64_MAX); /* what it was woken for and has not taken */
    process->usage.user_ns += thread_run_time(self->thread);
    limits_count_time(self);
    self->is_counted = false; /* from here on the process may be gone at any time */
    if (!process->is_ending && (is_last || self->id == process->id)) {
        process->exit_status = status;
    }
    process->is_ending |= is_last;
    spinlock_release(&process->lock, state);
    return is_last;
}

/* Before the process may go, which can be at once when the thread has left it. */
static void leave_memory(struct user_thread *self)
{
    hal_user_detach();
    hal_space_activate(hal_space_kernel());
    self->thread->space = hal_space_kernel();
}

/* The thread's own half; afterwards it is a kernel thread. */
static void shed(struct user_thread *self)
{
    struct thread *thread = self->thread;

    thread->process = NULL;
    thread->user = NULL;
    signal_pending_fini(&self->pending);
    heap_free(self->registers);
    heap_free(self);
}

void user_thread_discard(struct user_thread *thread)
{
    struct thread *kernel_half = thread->thread;

    thread->is_discarded = true;
    kernel_half->process = NULL;
    kernel_half->user = NULL;
    kernel_half->space = hal_space_kernel();
    thread_start(kernel_half); /* it runs once, to its end */
}

/* --- other threads ---------------------------------------------------------------------------- */

void process_tell_threads_to_end_locked(struct process *process, const struct user_thread *except)
{
    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (thread != except) {
            thread_interrupt(thread->thread, THREAD_WORK_EXIT);
        }
    }
}

/* --- a process ---------------------------------------------------------------------------------
 */

void process_release_vfork(struct process *process)
{
    mutex_lock(&process_mutex);
    if (process->vfork_done != NULL) {
        struct wait_queue *queue = process->vfork_done;

        process->vfork_done = NULL;
        wait_queue_wake_all(queue); /* the queue is its waiter's, who needs the mutex to leave */
    }
    mutex_unlock(&process_mutex);
}

/* Memory, files, paths: before anybody is told. */
static void give_back(struct process *process)
{
    if (process->intervals != NULL) {
        interval_stop(process);
    }
    if (!list_is_empty(&process->timers)) { /* there is no thread that could add any */
        signal_timers_end(process);
    }
    process_drop_contents(process);
    process_release_vfork(process);
}

/* Process 1 waits for nobody any more once it has ended. */
static bool wants_no_zombie(const struct process *parent)
{
    const struct signal_action action = signal_action_of(&parent->signals, SIGNAL_CHILD);

    return parent->state != PROCESS_ALIVE || action.handler == SIGNAL_IGNORE ||
           (action.flags & SIGNAL_NO_CHILD_WAIT) != 0;
}

/* si_status of a status as wait4 tells it: an exit code, or the number of a signal. */
static int child_status_value(int status)
{
    if (status == PROCESS_CONTINUED) {
        return SIGNAL_CONTINUE;
    }
    return (status & 0xff) == 0 || (status & 0xff) == 0x7f ? status >> 8 & 0xff : status & 0x7f;
}

void process_notify_parent_locked(struct process *process, unsigned number, int status,
                                  int32_t code)
{
    struct process *parent = process->parent;
    struct hal_signal_info info = signal_info_kernel(number);

    if (parent == NULL) {
        return;
    }
    info.code = code;
    info.fields[0] = process->id | (uint64_t)process->credentials.user << 32;
    info.fields[1] = (uint32_t)child_status_value(status);
    if (number != 0) {
        (void)!signal_send(parent, &info);
    }
    wait_queue_wake_all(&parent->child_changed);
}

enum child_code { CLD_EXITED = 1, CLD_KILLED = 2, CLD_DUMPED = 3 };

static enum child_code code_of_end(int status)
{
    if ((status & 0x7f) == 0) {
        return CLD_EXITED;
    }
    return (status & SIGNAL_STATUS_DUMPED) != 0 ? CLD_DUMPED : CLD_KILLED;
}

static void tell_of_end_locked(struct process *process)
{
    int status = process->exit_status;

    process_notify_parent_locked(process, process->exit_signal, status,
                                 (int32_t)code_of_end(status));
}

/* A dead process that nobody will wait for; to freed when no one looks at it. */
static void discard_locked(struct process *process, struct list *freed)
{
    if (process_retire_locked(process)) {
        list_push_back(freed, &process->sibling);
    }
}

static void give_child_locked(struct process *child, struct process *heir, struct list *freed)
{
    child->parent = heir;
    atomic_store_explicit(&child->parent_id, heir->id, memory_order_relaxed);
    list_push_back(&heir->children, &child->sibling);
    child->exit_signal = SIGNAL_CHILD;
    if (child->death_signal != 0) {
        const struct hal_signal_info info = signal_info_kernel(child->death_signal);

        (void)!signal_send(child, &info);
    }
    if (child->state != PROCESS_ZOMBIE) {
        return;
    }
    if (heir->state == PROCESS_ALIVE) {
        tell_of_end_locked(child);
    } else {
        discard_locked(child, freed);
    }
}

/* The nearest ancestor that wants orphans (PR_SET_CHILD_SUBREAPER), or process 1. */
static struct process *heir_of_locked(const struct process *process)
{
    struct process *first = process_first();
    struct process *heir = process->parent;

    while (heir != NULL && heir != first && !(heir->is_subreaper && heir->state == PROCESS_ALIVE)) {
        heir = heir->parent;
    }
    return heir != NULL ? heir : first;
}

/*
 * Children that outlive it are its heir's; dead ones it will wait for. Those of process 1 itself
 * keep it as their parent, and nobody waits for them any more.
 */
static void give_children_locked(struct process *process, struct list *freed)
{
    struct process *heir = heir_of_locked(process);
    struct list children = LIST_INIT(children);
    struct list *node;

    while ((node = list_pop_front(&process->children)) != NULL) {
        list_push_back(&children, node);
    }
    while ((node = list_pop_front(&children)) != NULL) {
        give_child_locked(LIST_ENTRY(node, struct process, sibling), heir, freed);
    }
}

/* The end as seen by others. What is to be freed, the process perhaps among them, goes to freed. */
static void become_zombie_locked(struct process *process, struct list *freed)
{
    struct process *parent = process->parent;

    group_note_orphans_locked(process); /* while its children are its own */
    process->state = PROCESS_ZOMBIE;
    give_children_locked(process, freed);
    if (parent == NULL) {
        process_note_first_ended();
        return;
    }
    tell_of_end_locked(process);
    if (wants_no_zombie(parent) && process->exit_signal == SIGNAL_CHILD) {
        discard_locked(process, freed);
    }
}

static void end_process(struct process *process)
{
    struct list freed = LIST_INIT(freed);
    struct list *node;

    terminal_link_leader_ends(process);
    process_event_publish(PROCESS_ENDED, process);
    mutex_lock(&process_mutex);
    become_zombie_locked(process, &freed);
    mutex_unlock(&process_mutex);
    process_files_wake();
    while ((node = list_pop_front(&freed)) != NULL) {
        process_free(LIST_ENTRY(node, struct process, sibling));
    }
}

/* --- the calls ----------------------------------------------------------------------------------
 */

void thread_exit_user(int status)
{
    struct user_thread *self = user_thread_current();
    struct process *process = self->process;
    uint32_t id = self->id;
    bool is_last;

    syscall_abandon();
    keep_promises(self);
    leave_memory(self);
    mutex_lock(&process_mutex);
    id_find(id)->thread = NULL;
    id_put(id);
    is_last = leave_process(self, status);
    wait_queue_wake_all(&process->stopped); /* exec waits there for the others to be gone */
    mutex_unlock(&process_mutex);
    if (is_last) {
        give_back(process);
    }
    shed(self);
    if (is_last) {
        end_process(process);
    }
    thread_exit();
}

void process_exit(int status)
{
    struct user_thread *self = user_thread_current();
    struct process *process = self->process;
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    if (!process->is_ending) {
        process->is_ending = true;
        process->exit_status = status;
        process_tell_threads_to_end_locked(process, self);
    }
    spinlock_release(&process->lock, state);
    wait_queue_wake_all(&process->stopped);
    thread_exit_user(status);
}

void process_end_locked(struct process *process)
{
    if (!process->is_ending) {
        process->is_ending = true;
        process->exit_status = signal_status(SIGNAL_KILL);
        process_tell_threads_to_end_locked(process, NULL);
    }
}

void process_end(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    process_end_locked(process);
    spinlock_release(&process->lock, state);
    wait_queue_wake_all(&process->stopped);
}
