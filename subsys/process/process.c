/* Making, finding and forgetting processes. */
#include <base/assert.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/resource/owner.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <subsys/process/authority.h>
#include <subsys/process/futex.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process_private.h>
#include <subsys/resources/resources.h>

struct mutex process_mutex;
static _Atomic uint32_t alive_count; /* written under process_mutex */
static struct process *first;
static struct wait_queue first_ended;

/* --- one process ------------------------------------------------------------------------------ */

/* What begins with zeros and ends with signals, which are made elsewhere.  NULL: out of memory. */
static void *allocate_cleared(size_t size, size_t cleared)
{
    void *made = heap_allocate(size, OWNER_CORE);

    return made != NULL ? memset(made, 0, cleared) : NULL;
}

static void init_fields(struct process *process, const char name[PROCESS_NAME_MAX])
{
    memcpy(process->name, name, PROCESS_NAME_MAX);
    spinlock_init(&process->lock, LOCK_RANK_PROCESS, "process");
    list_init(&process->children);
    list_init(&process->sibling);
    list_init(&process->group_link);
    list_init(&process->threads);
    signal_pending_init(&process->signals.pending);
    wait_queue_init(&process->child_changed, "child");
    wait_queue_init(&process->stopped, "stopped");
    list_init(&process->timers);
    process->exit_signal = SIGNAL_CHILD;
    process->is_dumpable = true;
    process->started_ns = hal_clock_now();
    limits_set_standard(process);
}

hx_err process_allocate(const char name[PROCESS_NAME_MAX], struct process **process)
{
    struct process *made = allocate_cleared(sizeof(*made), offsetof(struct process, signals));
    hx_err error = made != NULL ? resource_owner_open(name, &made->owner) : HX_ENOMEM;

    if (error != HX_OK) {
        heap_free(made);
        return error == HX_ENOSPC ? HX_EAGAIN : error;
    }
    error = resources_limit_process(made->owner);
    if (error != HX_OK) {
        (void)!resource_owner_close(made->owner, NULL);
        heap_free(made);
        return error == HX_ENOSPC ? HX_EAGAIN : error;
    }
    init_fields(made, name);
    *process = made;
    return HX_OK;
}

void process_free(struct process *process)
{
    signal_pending_fini(&process->signals.pending);
    authority_put(process->authority);
    (void)!resource_owner_close(process->owner, NULL);
    heap_free(process);
}

/* --- threads ---------------------------------------------------------------------------------- */

static void run(void *argument)
{
    struct user_thread *thread = argument;

    if (thread->is_discarded) {
        hal_user_detach();
        heap_free(thread->registers);
        heap_free(thread);
        thread_exit();
    }
    if (thread->entry != NULL) {
        thread->entry(thread->argument);
        hal_user_resume(hal_user_frame());
    }
    hal_user_resume(&thread->start);
}

static hx_err create_kernel_half(struct user_thread *thread, const char *name)
{
    const struct thread_options options = {
        .name = name,
        .entry = run,
        .argument = thread,
        .priority = THREAD_PRIORITY_NORMAL,
        .affinity = thread_current()->process != NULL ? thread_affinity(thread_current()) : 0,
        .owner = thread->process->owner,
        .process = thread->process,
        .user = thread,
        .space = thread->process->space != NULL ? address_space_hal(thread->process->space) : NULL,
    };
    hx_err error = thread_create(&options, &thread->thread);

    return error == HX_ELIMIT ? HX_EAGAIN : error;
}

hx_err user_thread_create(struct process *process, const char name[PROCESS_NAME_MAX],
                          struct user_thread **thread)
{
    struct user_thread *made =
        allocate_cleared(sizeof(*made), offsetof(struct user_thread, pending));
    hx_err error = HX_ENOMEM;

    if (made == NULL) {
        return HX_ENOMEM;
    }
    made->process = process;
    made->signal_stack.flags = 2; /* SS_DISABLE */
    list_init(&made->link);
    signal_pending_init(&made->pending);
    memcpy(made->name, name, PROCESS_NAME_MAX);
    made->registers = heap_allocate(hal_user_state_size(), OWNER_CORE);
    if (made->registers != NULL) {
        error = create_kernel_half(made, name);
    }
    if (error != HX_OK) {
        heap_free(made->registers);
        heap_free(made);
        return error;
    }
    hal_user_attach(&made->thread->hal, made->registers);
    *thread = made;
    return HX_OK;
}

/* --- relations -------------------------------------------------------------------------------- */

hx_err user_thread_join_locked(struct user_thread *thread, uint32_t id)
{
    struct process *process = thread->process;
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    hx_err error = process->is_ending || process->is_executing ? HX_EAGAIN : HX_OK;

    if (error == HX_OK) {
        list_push_back(&process->threads, &thread->link);
        atomic_fetch_add_explicit(&process->thread_count, 1, memory_order_relaxed);
    }
    if (error == HX_OK && process->is_stopped) { /* it stops where the others do */
        atomic_fetch_or_explicit(&thread->thread->user_work, THREAD_WORK_SIGNAL,
                                 memory_order_relaxed);
    }
    spinlock_release(&process->lock, state);
    if (error == HX_OK) {
        thread->is_counted = true;
        thread->id = id;
        thread->thread->process_number = process->id;
        thread->thread->thread_number = id;
        atomic_store_explicit(&thread->thread->subject,
                              atomic_load_explicit(&process->subject, memory_order_relaxed),
                              memory_order_relaxed);
        id_find(id)->thread = thread;
    }
    return error;
}

bool process_retire_locked(struct process *process)
{
    process->state = PROCESS_REAPED;
    list_remove(&process->sibling);
    group_leave_locked(process);
    id_find(process->id)->process = NULL;
    id_put(process->id);
    atomic_fetch_sub_explicit(&alive_count, 1, memory_order_relaxed);
    return process->references == 0;
}

/* --- process 1 -------------------------------------------------------------------------------- */

/* Session and group 1, with it as leader. */
static hx_err enter_first_locked(struct process *process)
{
    struct session *session;
    struct process_group *group;
    hx_err error = id_take(&process->id);

    if (error == HX_OK) {
        error = session_create_locked(process->id, &session);
    }
    if (error == HX_OK) {
        error = group_create_locked(process->id, session, &group);
    }
    if (error == HX_OK) {
        process->signals.has_actions = false;
        group_enter_locked(process, group);
        id_find(process->id)->process = process;
        atomic_fetch_add_explicit(&alive_count, 1, memory_order_relaxed);
    }
    return error;
}

/* The authority of user 0, with all that the kernel delegates. */
static hx_err make_first_authority(struct authority **authority)
{
    hx_err error = authority_of_user(0, authority);

    if (error == HX_OK) {
        error = authority_grant_all(*authority);
        authority_keep(*authority);
    }
    if (error != HX_OK) {
        kerror("init: not everything could be delegated: %s", hx_error_text(error));
    }
    return error;
}

static hx_err allocate_first(struct process **process)
{
    static const char name[PROCESS_NAME_MAX] = "init";
    struct authority *authority;
    hx_err error = make_first_authority(&authority);

    if (error == HX_OK) {
        error = process_allocate(name, process);
    }
    if (error == HX_OK) {
        authority_put(authority_change_locked(*process, authority));
    }
    return error;
}

hx_err process_create_first(struct process **process)
{
    hx_err error = HX_EEXIST;

    mutex_lock(&process_mutex);
    if (first == NULL) {
        error = allocate_first(process);
    }
    if (error == HX_OK) {
        error = enter_first_locked(*process);
        first = error == HX_OK ? *process : NULL;
    }
    mutex_unlock(&process_mutex);
    return error;
}

struct process *process_first(void)
{
    return first;
}

hx_err process_start(struct process *process, struct file_table *files, struct path_context *paths,
                     void (*entry)(void *argument), void *argument)
{
    struct user_thread *thread;
    hx_err error;

    process->files = files;
    process->paths = paths;
    error = user_thread_create(process, process->name, &thread);
    if (error != HX_OK) {
        return error;
    }
    thread->entry = entry;
    thread->argument = argument;
    mutex_lock(&process_mutex);
    id_get(process->id);
    error = user_thread_join_locked(thread, process->id);
    mutex_unlock(&process_mutex);
    thread_start(thread->thread);
    return error;
}

int process_wait_first(void)
{
    struct waiter waiter;
    int status;

    wait_queue_prepare(&first_ended, &waiter);
    for (;;) {
        mutex_lock(&process_mutex);
        status = first->state == PROCESS_ZOMBIE ? first->exit_status : -1;
        mutex_unlock(&process_mutex);
        if (status >= 0) {
            break;
        }
        (void)!wait_queue_wait(&first_ended, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&first_ended, &waiter);
    return status;
}

void process_note_first_ended(void)
{
    wait_queue_wake_all(&first_ended);
}

/* --- looking ---------------------------------------------------------------------------------- */

struct process *process_find(uint32_t id)
{
    struct identity *entry;
    struct process *process = NULL;

    mutex_lock(&process_mutex);
    entry = id_find(id);
    if (entry != NULL && entry->process != NULL) {
        process = entry->process;
        process->references++;
    }
    mutex_unlock(&process_mutex);
    return process;
}

struct process *process_find_by_thread(uint32_t id)
{
    struct identity *entry;
    struct process *process = NULL;

    mutex_lock(&process_mutex);
    entry = id_find(id);
    if (entry != NULL && entry->thread != NULL) {
        process = entry->thread->process;
        process->references++;
    }
    mutex_unlock(&process_mutex);
    return process;
}

void process_put(struct process *process)
{
    bool is_last;

    mutex_lock(&process_mutex);
    is_last = --process->references == 0 && process->state == PROCESS_REAPED;
    mutex_unlock(&process_mutex);
    if (is_last) {
        process_free(process);
    }
}

void process_for_each_locked(bool (*callback)(struct process *process, void *argument),
                             void *argument)
{
    uint32_t id = 0;
    bool goes_on = true;

    while (goes_on && (id = id_next(id)) != 0) {
        struct process *process = id_find(id)->process;

        goes_on = process == NULL || callback(process, argument);
    }
}

void process_for_each(bool (*callback)(struct process *process, void *argument), void *argument)
{
    mutex_lock(&process_mutex);
    process_for_each_locked(callback, argument);
    mutex_unlock(&process_mutex);
}

uint32_t process_count(void)
{
    return atomic_load_explicit(&alive_count, memory_order_relaxed);
}

void process_count_one(void)
{
    atomic_fetch_add_explicit(&alive_count, 1, memory_order_relaxed);
}

static bool is_running(const struct thread *thread)
{
    uint32_t state = atomic_load_explicit(&thread->state, memory_order_relaxed) & THREAD_STATE_MASK;

    return state == THREAD_RUNNING || state == THREAD_RUNNABLE;
}

char process_state_letter(struct process *process)
{
    char letter = 'S';
    hal_interrupt_state state;

    if (process->state != PROCESS_ALIVE) {
        return 'Z';
    }
    state = spinlock_acquire(&process->lock);
    if (process->is_stopped) {
        letter = 'T';
    }
    for (struct list *node = process->threads.next; node != &process->threads && letter == 'S';
         node = node->next) {
        letter = is_running(LIST_ENTRY(node, struct user_thread, link)->thread) ? 'R' : 'S';
    }
    spinlock_release(&process->lock, state);
    return letter;
}

void process_usage(struct process *process, struct process_usage *usage)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    *usage = process->usage;
    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        usage->user_ns += thread_run_time(LIST_ENTRY(node, struct user_thread, link)->thread);
    }
    spinlock_release(&process->lock, state);
}

/* --- start ------------------------------------------------------------------------------------ */

static struct address_space *current_space(void)
{
    struct process *self = process_current();

    return self != NULL ? self->space : NULL;
}

hx_err process_init(void)
{
    hx_err error;

    mutex_init(&process_mutex, "processes");
    wait_queue_init(&first_ended, "process 1");
    futex_init();
    limits_init();
    authority_init();
    error = address_space_init(current_space);
    return error == HX_OK ? signal_init() : error;
}
