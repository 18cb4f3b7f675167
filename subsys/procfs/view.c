/* What is known of a process: copied under its locks. */
#include <base/string.h>
#include <subsys/access/access.h>
#include <subsys/process/process.h>
#include <subsys/procfs/procfs_private.h>
#include <subsys/tty/terminal.h>

/* --- which ------------------------------------------------------------------------------------ */

struct process *procfs_process(const struct pseudo_node *node)
{
    return pseudo_member(node, &procfs_processes)->subject;
}

uint32_t procfs_thread(const struct pseudo_node *node)
{
    const struct pseudo_node *member = pseudo_member(node, &procfs_threads);

    return member != NULL ? member->number : 0;
}

/* --- copying ---------------------------------------------------------------------------------- */

static void view_relations_locked(const struct process *process, struct process_view *view)
{
    const struct process_group *group = process->group;

    view->parent = process->parent != NULL ? process->parent->id : 0;
    view->group = group->id;
    view->session = group->session->id;
    view->foreground = -1;
    if (group->session->terminal != NULL) {
        view->terminal = terminal_device_number(group->session->terminal);
        view->foreground = terminal_foreground_group(group->session->terminal);
    }
}

static void view_signals_locked(const struct process *process, struct process_view *view)
{
    view->shared_pending = process->signals.pending.mask;
    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        uintptr_t handler = signal_action_of(&process->signals, i + 1).handler;

        view->ignored |= handler == SIGNAL_IGNORE ? 1ULL << i : 0;
        view->caught |= handler != SIGNAL_IGNORE && handler != SIGNAL_DEFAULT ? 1ULL << i : 0;
    }
}

static void view_thread_locked(const struct user_thread *thread, struct process_view *view)
{
    view->pending = thread->pending.mask;
    view->blocked = thread->blocked;
    view->cpu = atomic_load_explicit(&thread->thread->cpu, memory_order_relaxed);
    view->nice = thread_nice(thread->thread);
    view->switches = atomic_load_explicit(&thread->thread->switches, memory_order_relaxed);
}

/* The same for a file that is about this thread alone. */
static void view_only_thread_locked(const struct user_thread *thread, struct process_view *view)
{
    uint32_t state =
        atomic_load_explicit(&thread->thread->state, memory_order_relaxed) & THREAD_STATE_MASK;

    view->id = thread->id;
    (void)string_copy(view->name, sizeof(view->name), thread->name);
    view->usage = (struct process_usage){.user_ns = thread_run_time(thread->thread)};
    if (view->state != 'T') {
        view->state = state == THREAD_RUNNING || state == THREAD_RUNNABLE ? 'R' : 'S';
    }
}

static const struct user_thread *find_thread_locked(const struct process *process, uint32_t id)
{
    for (const struct list *node = process->threads.next; node != &process->threads;
         node = node->next) {
        const struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (thread->id == id) {
            return thread;
        }
    }
    return NULL;
}

/* What process->lock guards. thread: an id, 0 for the process as a whole. */
static hx_err view_inside(struct process *process, uint32_t thread_id, struct process_view *view)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    const struct user_thread *thread =
        find_thread_locked(process, thread_id != 0 ? thread_id : process->id);

    view->thread_count = atomic_load_explicit(&process->thread_count, memory_order_relaxed);
    view->exit_status = process->exit_status;
    view_signals_locked(process, view);
    if (thread != NULL) {
        view_thread_locked(thread, view);
        if (thread_id != 0) {
            view_only_thread_locked(thread, view);
        }
    }
    spinlock_release(&process->lock, state);
    return thread != NULL || thread_id == 0 ? HX_OK : HX_ESRCH;
}

static hx_err view_locked(struct process *process, uint32_t thread_id, struct process_view *view)
{
    if (process->state == PROCESS_REAPED) {
        return HX_ESRCH;
    }
    view->id = process->id;
    view->process_id = process->id;
    view_relations_locked(process, view);
    view->state = process_state_letter(process);
    (void)string_copy(view->name, sizeof(view->name), process->name);
    view->credentials = process->credentials;
    for (unsigned i = 0; i < PROCESS_LIMITS; i++) {
        view->limits[i] = process->limits[i];
    }
    process_usage(process, &view->usage);
    view->children_usage = process->children_usage;
    view->started_ns = process->started_ns;
    view->exit_signal = process->exit_signal;
    view->arguments_start = process->arguments_start;
    view->arguments_end = process->arguments_end;
    view->environment_start = process->environment_start;
    view->environment_end = process->environment_end;
    return view_inside(process, thread_id, view);
}

hx_err procfs_view(const struct pseudo_node *node, struct process_view *view)
{
    hx_err error;

    *view = (struct process_view){0};
    mutex_lock(&process_mutex);
    error = view_locked(procfs_process(node), procfs_thread(node), view);
    mutex_unlock(&process_mutex);
    return error;
}

/* --- references ------------------------------------------------------------------------------- */

struct address_space *procfs_space(struct process *process)
{
    struct address_space *space;

    mutex_lock(&process_mutex);
    space = process->space;
    if (space != NULL) {
        address_space_get(space);
    }
    mutex_unlock(&process_mutex);
    return space;
}

struct file_table *procfs_files(struct process *process)
{
    struct file_table *files;

    mutex_lock(&process_mutex);
    files = process->files != NULL ? file_table_get(process->files) : NULL;
    mutex_unlock(&process_mutex);
    return files;
}

struct path_context *procfs_paths(struct process *process)
{
    struct path_context *paths;

    mutex_lock(&process_mutex);
    paths = process->paths != NULL ? path_context_get(process->paths) : NULL;
    mutex_unlock(&process_mutex);
    return paths;
}

struct location procfs_executable(struct process *process)
{
    struct location executable;

    mutex_lock(&process_mutex);
    executable = process->executable;
    if (executable.mount != NULL) {
        location_get(&executable);
    }
    mutex_unlock(&process_mutex);
    return executable;
}

/* --- who may ---------------------------------------------------------------------------------- */

hx_err procfs_check(const struct pseudo_node *node)
{
    const struct pseudo_node *member = pseudo_member(node, &procfs_processes);
    bool is_gone = false;

    if (member != NULL) {
        const struct process *process = member->subject;

        mutex_lock(&process_mutex);
        is_gone = process->state == PROCESS_REAPED;
        mutex_unlock(&process_mutex);
    }
    return is_gone ? HX_ESRCH : HX_OK;
}

static bool may_look_locked(const struct process *who, const struct process *at)
{
    uint32_t user = who->credentials.effective_user;
    const struct credentials *of = &at->credentials;

    return who == at ||
           (at->is_dumpable && user == of->user && user == of->effective_user &&
            user == of->saved_user) ||
           access_require_privilege(PRIVILEGE_INSPECT) == HX_OK;
}

hx_err procfs_guard(const struct pseudo_node *node)
{
    const struct process *self = process_current();
    bool may;

    mutex_lock(&process_mutex);
    may = self == NULL || may_look_locked(self, procfs_process(node));
    mutex_unlock(&process_mutex);
    return may ? HX_OK : HX_EACCES;
}

/* Files of a process that must not be looked into belong to the superuser, but not the directories
 * that everybody may list. */
void procfs_attributes(struct pseudo_node *node)
{
    const struct pseudo_node *member = pseudo_member(node, &procfs_processes);
    const struct process *process;

    if (member == NULL) {
        return;
    }
    process = member->subject;
    mutex_lock(&process_mutex);
    if (process->is_dumpable ||
        (node->entry->type == VNODE_DIRECTORY && node->vnode.mode == 0555)) {
        node->vnode.user = process->credentials.effective_user;
        node->vnode.group = process->credentials.effective_group;
    } else {
        node->vnode.user = 0;
        node->vnode.group = 0;
    }
    mutex_unlock(&process_mutex);
    if (node->family == &procfs_descriptors) {
        node->vnode.mode = procfs_descriptor_mode(node);
    }
}
