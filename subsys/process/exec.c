/* The half of exec that concerns the process: its other threads, memory, signals, files. */
#include <base/memory.h>
#include <base/string.h>
#include <hal/user.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process_event.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_timer.h>

/* --- alone ------------------------------------------------------------------------------------ */

static uint32_t threads_of(struct process *process)
{
    /* acquire: pairs with the release of a thread that leaves */
    return atomic_load_explicit(&process->thread_count, memory_order_acquire);
}

/* Have the others end; false: the process is ending, or another thread is doing the same. */
static bool claim(struct process *process, const struct user_thread *self)
{
    bool is_mine;
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    is_mine = !process->is_ending && !process->is_executing;
    if (is_mine) {
        process->is_executing = true;
        process_tell_threads_to_end_locked(process, self);
    }
    spinlock_release(&process->lock, state);
    return is_mine;
}

static void end_claim(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    process->is_executing = false;
    spinlock_release(&process->lock, state);
}

static hx_err await_alone(struct process *process)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&process->stopped, &waiter);
    while (threads_of(process) > 1 && error == HX_OK) {
        error = process->is_ending
                    ? HX_EAGAIN
                    : wait_queue_wait(&process->stopped, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&process->stopped, &waiter);
    return error;
}

/* The thread that is left has the process's id from now on. */
static void take_leader_id(struct process *process, struct user_thread *self)
{
    if (self->id == process->id) {
        return;
    }
    mutex_lock(&process_mutex);
    id_find(self->id)->thread = NULL;
    id_put(self->id);
    id_get(process->id);
    self->id = process->id;
    self->thread->thread_number = process->id;
    id_find(process->id)->thread = self;
    mutex_unlock(&process_mutex);
}

/* --- the file -----------------------------------------------------------------------------------
 */

void process_get_executable(struct process *process)
{
    if (process->executable.mount != NULL) {
        location_get(&process->executable);
        atomic_fetch_add_explicit(&process->executable.vnode->executors, 1, memory_order_relaxed);
    }
}

void process_put_executable(struct location *executable)
{
    if (executable->mount != NULL) {
        atomic_fetch_sub_explicit(&executable->vnode->executors, 1, memory_order_release);
        location_put(executable);
    }
}

/* --- the exchange ----------------------------------------------------------------------------- */

static void change_space(struct process *process, struct user_thread *self,
                         struct address_space *space)
{
    struct address_space *old;

    mutex_lock(&process_mutex);
    old = process->space;
    process->space = space;
    mutex_unlock(&process_mutex);
    self->thread->space = address_space_hal(space);
    hal_space_activate(address_space_hal(space));
    hal_user_state_reset();
    hal_user_set_thread_pointer(0);
    if (old != NULL) {
        address_space_put(old);
    }
}

static void forget_old_program(struct process *process, struct user_thread *self)
{
    self->clear_child_id = 0;
    self->robust_list = 0;
    self->set_child_id = 0;
    self->signal_stack = (struct hal_signal_stack){.flags = 2};
    signal_exec(process);
    atomic_store_explicit(&process->barriers, 0, memory_order_relaxed);
    if (!list_is_empty(&process->timers)) { /* the calling thread is alone: nobody adds any */
        signal_timers_end(process);
    }
    file_table_exec(process->files);
}

static void name_process(struct process *process, struct user_thread *self, const char *name,
                         struct location *executable)
{
    struct location old;

    mutex_lock(&process_mutex);
    old = process->executable;
    process->executable = *executable;
    process->has_exec = true;
    process->exit_signal = SIGNAL_CHILD; /* the parent reckoned with another program */
    (void)string_copy(process->name, sizeof(process->name), name);
    memcpy(self->name, process->name, sizeof(self->name));
    mutex_unlock(&process_mutex);
    (void)string_copy(self->thread->name, sizeof(self->thread->name), name);
    process_put_executable(&old);
}

hx_err process_exec(struct address_space *space, const char *name, struct location *executable)
{
    struct user_thread *self = user_thread_current();
    struct process *process = self->process;
    hx_err error = claim(process, self) ? await_alone(process) : HX_EAGAIN;

    if (error != HX_OK) {
        return error;
    }
    take_leader_id(process, self);
    change_space(process, self, space);
    forget_old_program(process, self);
    name_process(process, self, name, executable);
    end_claim(process);
    process_event_publish(PROCESS_EXECUTED, process);
    process_release_vfork(process);
    return HX_OK;
}
