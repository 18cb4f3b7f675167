/*
 * Terminals and processes: controlling terminals, foreground groups, who may read and write.
 * A session's terminal and a terminal's session point at each other, both under process_mutex.
 */
#include <subsys/access/access.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process.h>
#include <subsys/process/terminal_link.h>
#include <subsys/tty/terminal_private.h>

static void set_foreground_locked(struct terminal *terminal, uint32_t group)
{
    atomic_store_explicit(&terminal->foreground, group, memory_order_relaxed);
}

void terminal_signal_foreground(const struct terminal *terminal, unsigned number)
{
    uint32_t group = terminal_foreground_group(terminal);

    if (group != 0) {
        (void)!signal_send_group(group, number); /* its processes may all have ended */
    }
}

/* --- who is the caller ------------------------------------------------------------------------ */

static struct session *session_of_caller(void)
{
    return process_current()->group->session;
}

static bool is_callers(const struct terminal *terminal)
{
    return process_current() != NULL && session_of_caller()->terminal == terminal;
}

static bool leads_session(void)
{
    return session_of_caller()->id == process_current()->id;
}

struct terminal *terminal_of_caller(void)
{
    struct terminal *terminal = NULL;

    if (process_current() != NULL) {
        mutex_lock(&process_mutex);
        terminal = session_of_caller()->terminal;
        mutex_unlock(&process_mutex);
    }
    return terminal;
}

/* --- background ------------------------------------------------------------------------------- */

/* The caller's group, 0 if nothing is to be asked of it: it is in the foreground, or the terminal
 * is not its own. */
static uint32_t background_group(const struct terminal *terminal)
{
    uint32_t foreground = terminal_foreground_group(terminal);
    uint32_t group = 0;

    mutex_lock(&process_mutex);
    if (is_callers(terminal) && foreground != 0 && process_current()->group->id != foreground) {
        group = process_current()->group->id;
    }
    mutex_unlock(&process_mutex);
    return group;
}

static bool does_not_hear(unsigned number)
{
    struct process *process = process_current();
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    bool answer = signal_action_of(&process->signals, number).handler == SIGNAL_IGNORE ||
                  (user_thread_current()->blocked >> (number - 1) & 1) != 0;

    spinlock_release(&process->lock, state);
    return answer;
}

hx_err terminal_check_job(struct terminal *terminal, unsigned number)
{
    uint32_t group = process_current() != NULL ? background_group(terminal) : 0;

    if (group == 0) {
        return HX_OK;
    }
    if (does_not_hear(number)) {
        return number == SIGNAL_TERMINAL_IN ? HX_EIO : HX_OK;
    }
    if (process_group_is_orphaned(group)) {
        return HX_EIO;
    }
    (void)!signal_send_group(group, number);
    return HX_EINTR;
}

/* --- getting one ------------------------------------------------------------------------------ */

static void take_locked(struct terminal *terminal)
{
    struct session *session = session_of_caller();

    session->terminal = terminal;
    terminal->session = session;
    set_foreground_locked(terminal, process_current()->group->id);
}

/* Opening for writing alone gives nobody the rights that go with a controlling terminal. */
void terminal_adopt_at_open(struct terminal *terminal, const struct file *file)
{
    uint32_t flags = atomic_load_explicit(&file->flags, memory_order_relaxed);

    if (process_current() == NULL || (flags & FILE_NO_TERMINAL) != 0 || !file_can_read(file)) {
        return;
    }
    mutex_lock(&process_mutex);
    if (leads_session() && session_of_caller()->terminal == NULL && terminal->session == NULL) {
        take_locked(terminal);
    }
    mutex_unlock(&process_mutex);
}

static hx_err become_locked(struct terminal *terminal, const struct file *file, bool steals)
{
    if (leads_session() && terminal->session == session_of_caller()) {
        return HX_OK;
    }
    if (!leads_session() || session_of_caller()->terminal != NULL) {
        return HX_EPERM;
    }
    if (terminal->session != NULL) {
        if (!steals || access_require_privilege(PRIVILEGE_TERMINAL) != HX_OK) {
            return HX_EPERM;
        }
        terminal->session->terminal = NULL;
    }
    if (!file_can_read(file) && access_require_privilege(PRIVILEGE_TERMINAL) != HX_OK) {
        return HX_EPERM;
    }
    take_locked(terminal);
    return HX_OK;
}

hx_err terminal_become_controlling(struct terminal *terminal, const struct file *file, bool steals)
{
    hx_err error;

    if (process_current() == NULL) {
        return HX_EPERM;
    }
    mutex_lock(&process_mutex);
    error = become_locked(terminal, file, steals);
    mutex_unlock(&process_mutex);
    return error;
}

/* --- losing it -------------------------------------------------------------------------------- */

/* The terminal that a session had, NULL; *foreground is its group. */
static struct terminal *part(struct session *session, uint32_t *foreground)
{
    struct terminal *terminal;

    mutex_lock(&process_mutex);
    terminal = session->terminal;
    if (terminal != NULL) {
        *foreground = terminal_foreground_group(terminal);
        session->terminal = NULL;
        terminal->session = NULL;
        set_foreground_locked(terminal, 0);
    }
    mutex_unlock(&process_mutex);
    return terminal;
}

void terminal_disassociate(struct session *session)
{
    uint32_t foreground = 0;
    struct terminal *terminal = part(session, &foreground);

    if (terminal == NULL) {
        return;
    }
    terminal_cut_off(terminal);
    if (foreground != 0) {
        (void)!signal_send_group(foreground, SIGNAL_HANGUP);
        (void)!signal_send_group(foreground, SIGNAL_CONTINUE);
    }
}

const struct terminal_link terminal_process_link = {.leader_ends = terminal_disassociate};

hx_err terminal_give_up(struct terminal *terminal)
{
    struct session *session;
    bool is_leader;

    if (process_current() == NULL || terminal_of_caller() != terminal) {
        return HX_ENOTTY;
    }
    mutex_lock(&process_mutex);
    session = session_of_caller();
    is_leader = leads_session();
    mutex_unlock(&process_mutex);
    if (!is_leader) {
        return HX_EPERM; /* a controlling terminal is the whole session's */
    }
    terminal_disassociate(session);
    return HX_OK;
}

/* --- asking and setting ----------------------------------------------------------------------- */

hx_err terminal_get_foreground(const struct terminal *terminal, uint32_t *group)
{
    *group = terminal_foreground_group(terminal);
    return terminal_of_caller() == terminal ? HX_OK : HX_ENOTTY;
}

static hx_err set_group_locked(struct terminal *terminal, uint32_t group)
{
    const struct identity *entry;

    if (!is_callers(terminal)) {
        return HX_ENOTTY;
    }
    if ((int32_t)group < 0) {
        return HX_EINVAL;
    }
    entry = id_find(group);
    if (entry == NULL || entry->group == NULL) {
        return HX_ESRCH;
    }
    if (entry->group->session != session_of_caller()) {
        return HX_EPERM;
    }
    set_foreground_locked(terminal, group);
    return HX_OK;
}

hx_err terminal_set_foreground(struct terminal *terminal, uint32_t group)
{
    hx_err error;

    mutex_lock(&process_mutex);
    error = set_group_locked(terminal, group);
    mutex_unlock(&process_mutex);
    return error;
}

hx_err terminal_get_session(const struct terminal *terminal, uint32_t *session)
{
    hx_err error = HX_ENOTTY;

    if (process_current() == NULL) {
        return error;
    }
    mutex_lock(&process_mutex);
    if (is_callers(terminal)) {
        *session = session_of_caller()->id;
        error = HX_OK;
    }
    mutex_unlock(&process_mutex);
    return error;
}
