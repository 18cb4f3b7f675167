/* fork, vfork, clone: new processes and threads. */
#include <base/assert.h>
#include <base/memory.h>
#include <base/string.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/process/authority.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process_event.h>
#include <subsys/process/process_private.h>

/* Relaxed: counts. */
static _Atomic uint64_t forks;
static _Atomic uint64_t failed_forks;
static _Atomic hx_err last_failure;

uint64_t process_forks(void)
{
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

struct process_statistics process_statistics(void)
{
    return (struct process_statistics){
        .forks = process_forks(),
        .failed_forks = atomic_load_explicit(&failed_forks, memory_order_relaxed),
        .last_failure = atomic_load_explicit(&last_failure, memory_order_relaxed),
        .memory_bytes = process_count() * sizeof(struct process),
    };
}

/* --- what is asked for ------------------------------------------------------------------------ */

#define KNOWN_FLAGS                                                                                \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PARENT |              \
     CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID |    \
     CLONE_DETACHED | CLONE_CHILD_SETTID)

static hx_err check(const struct clone_request *request)
{
    uint64_t flags = request->flags;

    if ((flags & ~(uint64_t)KNOWN_FLAGS) != 0 ||
        ((flags & CLONE_THREAD) != 0 && (flags & CLONE_SIGHAND) == 0) ||
        ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_VM) == 0) ||
        ((flags & CLONE_SIGHAND) != 0 && (flags & CLONE_THREAD) == 0) ||
        request->exit_signal > SIGNAL_COUNT) {
        return HX_EINVAL;
    }
    return HX_OK;
}

/* --- the thread's half ------------------------------------------------------------------------ */

/* The child goes on where the parent is, with 0 as the call's result. */
static void set_registers(struct user_thread *child, const struct clone_request *request)
{
    child->start = *hal_user_frame();
    hal_syscall_set_result(&child->start, 0);
    if (request->stack_pointer != 0) {
        hal_frame_set_sp(&child->start, request->stack_pointer);
    }
    hal_user_state_copy(child->registers);
    hal_user_prepare_thread_pointer(&child->thread->hal, (request->flags & CLONE_SETTLS) != 0
                                                             ? request->thread_pointer
                                                             : hal_user_thread_pointer());
}

static void inherit_thread(struct user_thread *child, const struct clone_request *request)
{
    const struct user_thread *self = user_thread_current();

    child->blocked = self->blocked;
    thread_set_nice(child->thread, thread_nice(self->thread));
    if ((request->flags & CLONE_VM) == 0) {
        child->signal_stack = self->signal_stack;
    }
    if ((request->flags & CLONE_CHILD_CLEARTID) != 0) {
        child->clear_child_id = request->child_id;
    }
}

/* CLONE_PARENT_SETTID and, where memory is shared, CLONE_CHILD_SETTID. */
static void tell_ids(const struct clone_request *request, uint32_t id)
{
    if ((request->flags & CLONE_PARENT_SETTID) != 0) {
        (void)!hal_user_copy_out(request->parent_id, &id, sizeof(id));
    }
    if ((request->flags & CLONE_CHILD_SETTID) != 0 && (request->flags & CLONE_VM) != 0) {
        (void)!hal_user_copy_out(request->child_id, &id, sizeof(id));
    }
}

/* In a memory of its own the child writes its id itself, when it first runs
 * (kernel_return_to_user). */
static void keep_child_id_address(struct user_thread *child, const struct clone_request *request)
{
    if ((request->flags & CLONE_CHILD_SETTID) != 0 && (request->flags & CLONE_VM) == 0) {
        child->set_child_id = request->child_id;
        atomic_fetch_or_explicit(&child->thread->user_work, THREAD_WORK_SIGNAL,
                                 memory_order_relaxed);
    }
}

static hx_err make_thread(struct process *process, const struct clone_request *request,
                          struct user_thread **child)
{
    hx_err error = user_thread_create(process, user_thread_current()->name, child);

    if (error == HX_OK) {
        inherit_thread(*child, request);
        set_registers(*child, request);
        keep_child_id_address(*child, request);
    }
    return error;
}

/* --- a thread of the calling process -----------------------------------------------------------
 */

static hx_err join_with_new_id(struct user_thread *child, uint32_t *id)
{
    hx_err error;

    mutex_lock(&process_mutex);
    error = limits_may_add_locked(false);
    if (error == HX_OK) {
        error = id_take(id);
    }
    if (error == HX_OK) {
        error = user_thread_join_locked(child, *id);
        if (error != HX_OK) {
            id_put(*id);
        }
    }
    mutex_unlock(&process_mutex);
    return error;
}

static hx_err clone_thread(const struct clone_request *request, uint32_t *id)
{
    struct user_thread *child;
    hx_err error = make_thread(process_current(), request, &child);

    if (error != HX_OK) {
        return error;
    }
    error = join_with_new_id(child, id);
    if (error != HX_OK) {
        user_thread_discard(child);
        return error;
    }
    tell_ids(request, *id);
    thread_start(child->thread);
    return HX_OK;
}

/* --- a process ----------------------------------------------------------------------------------
 */

static hx_err inherit_space(struct process *child, const struct clone_request *request)
{
    struct process *self = process_current();

    if ((request->flags & CLONE_VM) != 0) {
        address_space_get(self->space);
        child->space = self->space;
        return HX_OK;
    }
    return address_space_fork(self->space, child->owner, &child->space);
}

static hx_err inherit_files(struct process *child, const struct clone_request *request)
{
    struct process *self = process_current();

    if ((request->flags & CLONE_FILES) != 0) {
        child->files = file_table_get(self->files);
        return HX_OK;
    }
    return file_table_copy(self->files, child->owner, &child->files);
}

static hx_err inherit_paths(struct process *child, const struct clone_request *request)
{
    struct process *self = process_current();

    if ((request->flags & CLONE_FS) != 0) {
        child->paths = path_context_get(self->paths);
        return HX_OK;
    }
    return path_context_copy(self->paths, &child->paths);
}

static void inherit_rest(struct process *child, const struct clone_request *request)
{
    struct process *self = process_current();

    mutex_lock(&process_mutex);
    (void)!authority_change_locked(child, authority_get(self->authority));
    child->credentials = self->credentials;
    memcpy(child->limits, self->limits, sizeof(child->limits));
    child->executable = self->executable;
    process_get_executable(child);
    mutex_unlock(&process_mutex);
    child->auxiliary_start = self->auxiliary_start;
    child->auxiliary_size = self->auxiliary_size;
    child->arguments_start = self->arguments_start;
    child->arguments_end = self->arguments_end;
    child->environment_start = self->environment_start;
    child->environment_end = self->environment_end;
    /* Who is a sibling ends as the caller does: no program has another's parent told a signal. */
    child->exit_signal =
        (request->flags & CLONE_PARENT) != 0 ? self->exit_signal : request->exit_signal;
    child->is_dumpable = self->is_dumpable;
    child->personality = self->personality;
    child->gains_no_rights = self->gains_no_rights;
    signal_fork(child, self);
}

/* Who looks at the process takes references under process_mutex: first nobody finds them any more,
 * then they are given up. */
void process_drop_contents(struct process *process)
{
    struct file_table *files;
    struct path_context *paths;
    struct address_space *space;
    struct location executable;

    mutex_lock(&process_mutex);
    files = process->files;
    paths = process->paths;
    space = process->space;
    executable = process->executable;
    process->files = NULL;
    process->paths = NULL;
    process->space = NULL;
    process->executable = (struct location){0};
    mutex_unlock(&process_mutex);
    file_table_put(files);
    path_context_put(paths);
    process_put_executable(&executable);
    if (space != NULL) {
        address_space_put(space);
    }
}

static hx_err inherit(struct process *child, const struct clone_request *request)
{
    hx_err error = inherit_space(child, request);

    if (error == HX_OK) {
        error = inherit_files(child, request);
    }
    if (error == HX_OK) {
        error = inherit_paths(child, request);
    }
    if (error == HX_OK) {
        inherit_rest(child, request);
    }
    return error;
}

/* Written under process_mutex, after the signal that it counts. */
static _Atomic uint64_t mass_signals_sent;

void process_note_mass_signal_locked(void)
{
    /* Release: pairs with make_process, which looks for the signal afterwards. */
    atomic_store_explicit(&mass_signals_sent,
                          atomic_load_explicit(&mass_signals_sent, memory_order_relaxed) + 1,
                          memory_order_release);
}

/*
 * A signal that comes to all of a group, or to all, comes to the child as well: it is acted on
 * before the fork, or after it by both. One that comes to the parent alone waits for the fork's
 * end: else a timer faster than a fork would keep it from ever ending.
 */
static bool must_begin_anew_locked(uint64_t mass_signals)
{
    uint32_t work = atomic_load_explicit(&thread_current()->user_work, memory_order_relaxed);
    bool is_new = atomic_load_explicit(&mass_signals_sent, memory_order_relaxed) != mass_signals;

    return (work & THREAD_WORK_EXIT) != 0 || (is_new && thread_is_interrupted());
}

/* Into the tree of processes, with id and thread. */
static hx_err enter_locked(struct process *child, struct user_thread *thread,
                           const struct clone_request *request, uint64_t mass_signals)
{
    struct process *self = process_current();
    struct process *parent =
        (request->flags & CLONE_PARENT) != 0 && self->parent != NULL ? self->parent : self;
    hx_err error = must_begin_anew_locked(mass_signals) ? HX_EINTR : limits_may_add_locked(true);

    if (error == HX_OK) {
        error = id_take(&child->id); /* the process's use */
    }
    if (error != HX_OK) {
        return error;
    }
    id_get(child->id); /* the thread's */
    error = user_thread_join_locked(thread, child->id);
    HX_ASSERT(error == HX_OK, "a new process is not ending");
    id_find(child->id)->process = child;
    child->parent = parent;
    atomic_store_explicit(&child->parent_id, parent->id, memory_order_relaxed);
    list_push_back(&parent->children, &child->sibling);
    group_enter_locked(child, self->group);
    process_count_one();
    return HX_OK;
}

static hx_err make_process(const struct clone_request *request, struct user_thread **thread)
{
    uint64_t mass_signals = atomic_load_explicit(&mass_signals_sent, memory_order_acquire);
    struct process *child;
    hx_err error =
        thread_is_interrupted() ? HX_EINTR : process_allocate(process_current()->name, &child);

    if (error != HX_OK) {
        return error;
    }
    error = inherit(child, request);
    if (error == HX_OK) {
        error = make_thread(child, request, thread);
    }
    if (error == HX_OK) {
        mutex_lock(&process_mutex);
        error = enter_locked(child, *thread, request, mass_signals);
        mutex_unlock(&process_mutex);
        if (error != HX_OK) {
            user_thread_discard(*thread);
        }
    }
    if (error != HX_OK) {
        process_drop_contents(child);
        process_free(child);
    }
    return error;
}

/* Until the child has run exec or ended; signals do not end this wait but SIGKILL. */
static void await_vfork(struct process *child, struct wait_queue *queue)
{
    struct waiter waiter;
    bool is_done = false;
    bool is_killed = false;

    wait_queue_prepare(queue, &waiter);
    while (!is_done && !is_killed) {
        hx_err error;

        mutex_lock(&process_mutex);
        is_done = child->vfork_done == NULL;
        mutex_unlock(&process_mutex);
        if (is_done) {
            break;
        }
        error = wait_queue_wait(queue, &waiter, THREAD_NO_DEADLINE);
        is_killed = error != HX_OK || process_current()->is_ending;
    }
    wait_queue_finish(queue, &waiter);
    mutex_lock(&process_mutex);
    child->vfork_done = NULL;
    mutex_unlock(&process_mutex);
}

static hx_err clone_process(const struct clone_request *request, uint32_t *id)
{
    struct wait_queue vfork_queue;
    struct user_thread *thread;
    struct process *child;
    bool waits = (request->flags & CLONE_VFORK) != 0;
    hx_err error = make_process(request, &thread);

    if (error != HX_OK) {
        return error;
    }
    child = thread->process;
    *id = child->id;
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
    tell_ids(request, *id);
    process_event_publish(PROCESS_STARTED, child);
    if (waits) {
        wait_queue_init(&vfork_queue, "vfork");
        mutex_lock(&process_mutex);
        child->vfork_done = &vfork_queue;
        child->references++;
        mutex_unlock(&process_mutex);
    }
    thread_start(thread->thread);
    if (waits) {
        await_vfork(child, &vfork_queue);
        process_put(child);
    }
    return HX_OK;
}

hx_err process_clone(const struct clone_request *request, uint32_t *id)
{
    hx_err error = check(request);

    if (error != HX_OK) {
        return error;
    }
    error = (request->flags & CLONE_THREAD) != 0 ? clone_thread(request, id)
                                                 : clone_process(request, id);
    if (HX_UNLIKELY(error != HX_OK)) {
        atomic_fetch_add_explicit(&failed_forks, 1, memory_order_relaxed);
        atomic_store_explicit(&last_failure, error, memory_order_relaxed);
    }
    return error;
}
