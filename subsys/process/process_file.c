#include <kern/wait_queue.h>
#include <subsys/access/access.h>
#include <subsys/process/process_file.h>
#include <subsys/process/process_private.h>
#include <subsys/vfs/file.h>

/* One queue for all files: who is woken looks whether it concerns him. */
static struct wait_queue ended = WAIT_QUEUE_INIT(ended, "process files");
static _Atomic uint32_t file_count; /* relaxed: a file that is new has no waiter yet */

void process_files_wake(void)
{
    if (HX_UNLIKELY(atomic_load_explicit(&file_count, memory_order_relaxed) != 0)) {
        wait_queue_wake_all(&ended);
    }
}

/* With a reference, as long as the file. */
static struct process *process_of(const struct file *file)
{
    return file->context;
}

uint32_t process_file_id(const struct file *file)
{
    return process_of(file)->id;
}

/* --- the file ----------------------------------------------------------------------------------
 */

static unsigned poll_process(struct file *file, struct poll_table *table)
{
    enum process_state state;

    poll_add(table, &ended);
    mutex_lock(&process_mutex);
    state = process_of(file)->state;
    mutex_unlock(&process_mutex);
    if (state == PROCESS_ALIVE) {
        return 0;
    }
    return state == PROCESS_ZOMBIE ? POLL_IN : (unsigned)POLL_IN | (unsigned)POLL_HANGUP;
}

static void release_process(struct file *file)
{
    atomic_fetch_sub_explicit(&file_count, 1, memory_order_relaxed);
    process_put(process_of(file));
}

static const struct file_ops process_ops = {
    .poll = poll_process,
    .release = release_process,
};

static bool is_threads_id(uint32_t id)
{
    struct process *process = process_find_by_thread(id);

    if (process != NULL) {
        process_put(process);
    }
    return process != NULL;
}

hx_err process_file_create(uint32_t id, uint32_t flags, owner_tag owner, struct file **file)
{
    struct process *process = process_find(id);
    hx_err error;

    if (process == NULL) {
        return is_threads_id(id) ? HX_EINVAL : HX_ESRCH;
    }
    error = file_create(&process_ops, flags | FILE_READ_WRITE, process, owner, file);
    if (error != HX_OK) {
        process_put(process);
        return error;
    }
    atomic_fetch_add_explicit(&file_count, 1, memory_order_relaxed);
    return HX_OK;
}

bool process_file_is(const struct file *file)
{
    return file->ops == &process_ops;
}

/* --- what can be done to it --------------------------------------------------------------------
 */

hx_err process_file_signal(const struct file *file, const struct hal_signal_info *info)
{
    struct process *process = process_of(file);
    hx_err error;

    mutex_lock(&process_mutex);
    error = process->state == PROCESS_REAPED
                ? HX_ESRCH
                : signal_may_send_locked(process, (unsigned)info->number);
    if (error == HX_OK && process->state == PROCESS_ALIVE) {
        error = signal_send(process, info);
    }
    mutex_unlock(&process_mutex);
    return error;
}

/* As ptrace(2): its owner, while it may be dumped, and who may look into others'. */
static bool may_look_into_locked(const struct process *process)
{
    const struct credentials *mine = &process_current()->credentials;
    const struct credentials *its = &process->credentials;
    bool is_mine = mine->user == its->user && mine->user == its->effective_user &&
                   mine->user == its->saved_user && mine->group == its->group &&
                   mine->group == its->effective_group && mine->group == its->saved_group;

    return process == process_current() || (is_mine && process->is_dumpable) ||
           access_require_privilege(PRIVILEGE_INSPECT) == HX_OK;
}

static hx_err get_files(struct process *process, struct file_table **files)
{
    hx_err error = HX_OK;

    mutex_lock(&process_mutex);
    if (process->state != PROCESS_ALIVE || process->files == NULL) {
        error = HX_ESRCH;
    } else if (!may_look_into_locked(process)) {
        error = HX_EPERM;
    } else {
        *files = file_table_get(process->files);
    }
    mutex_unlock(&process_mutex);
    return error;
}

hx_err process_file_take(const struct file *file, int descriptor, struct file **taken)
{
    struct file_table *files;
    hx_err error = get_files(process_of(file), &files);

    if (error != HX_OK) {
        return error;
    }
    *taken = file_table_find(files, descriptor);
    file_table_put(files);
    return *taken != NULL ? HX_OK : HX_EBADF;
}
