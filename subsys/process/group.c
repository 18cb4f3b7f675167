/* Process groups and sessions. */
#include <kern/heap.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process_private.h>
#include <subsys/process/terminal_link.h>

/* --- life; under process_mutex ------------------------------------------------------------------
 */

hx_err session_create_locked(uint32_t id, struct session **session)
{
    *session = heap_allocate_zeroed(sizeof(**session), OWNER_CORE);
    if (*session == NULL) {
        return HX_ENOMEM;
    }
    (*session)->id = id;
    id_get(id);
    return HX_OK;
}

static void session_put_locked(struct session *session)
{
    if (--session->references == 0) {
        id_put(session->id);
        heap_free(session);
    }
}

hx_err group_create_locked(uint32_t id, struct session *session, struct process_group **group)
{
    *group = heap_allocate_zeroed(sizeof(**group), OWNER_CORE);
    if (*group == NULL) {
        return HX_ENOMEM;
    }
    (*group)->id = id;
    (*group)->session = session;
    list_init(&(*group)->processes);
    session->references++;
    id_get(id);
    id_find(id)->group = *group;
    return HX_OK;
}

void group_enter_locked(struct process *process, struct process_group *group)
{
    process->group = group;
    list_push_back(&group->processes, &process->group_link);
}

void group_leave_locked(struct process *process)
{
    struct process_group *group = process->group;

    list_remove(&process->group_link);
    process->group = NULL;
    if (list_is_empty(&group->processes)) {
        id_find(group->id)->group = NULL;
        id_put(group->id);
        session_put_locked(group->session);
        heap_free(group);
    }
}

/* --- orphans ------------------------------------------------------------------------------------
 */

/* A living member whose parent is in another group of the same session keeps a group from being
 * orphaned. */
static bool is_anchor_locked(const struct process *process)
{
    const struct process *parent = process->parent;

    return process->state == PROCESS_ALIVE && parent != NULL && parent->state == PROCESS_ALIVE &&
           parent->group != NULL && parent->group != process->group &&
           parent->group->session == process->group->session;
}

/* leaving (NULL: nobody) does not count, as member or as parent. */
static bool is_orphaned_locked(const struct process_group *group, const struct process *leaving)
{
    for (const struct list *node = group->processes.next; node != &group->processes;
         node = node->next) {
        const struct process *member = LIST_ENTRY(node, struct process, group_link);

        if (member != leaving && member->parent != leaving && is_anchor_locked(member)) {
            return false;
        }
    }
    return true;
}

static bool has_stopped_locked(const struct process_group *group)
{
    for (const struct list *node = group->processes.next; node != &group->processes;
         node = node->next) {
        if (LIST_ENTRY(node, struct process, group_link)->is_stopped) {
            return true;
        }
    }
    return false;
}

static void send_to_group_locked(const struct process_group *group, unsigned number)
{
    const struct hal_signal_info info = signal_info_kernel(number);

    for (struct list *node = group->processes.next; node != &group->processes; node = node->next) {
        (void)!signal_send(LIST_ENTRY(node, struct process, group_link), &info);
        process_note_mass_signal_locked();
    }
}

static void hang_up_if_orphaned_locked(const struct process_group *group,
                                       const struct process *leaving)
{
    if (has_stopped_locked(group) && is_orphaned_locked(group, leaving)) {
        send_to_group_locked(group, SIGNAL_HANGUP);
        send_to_group_locked(group, SIGNAL_CONTINUE);
    }
}

/* Only groups that the process kept from being orphaned, as a parent or as a member. */
void group_note_orphans_locked(struct process *process)
{
    for (struct list *node = process->children.next; node != &process->children;
         node = node->next) {
        const struct process *child = LIST_ENTRY(node, struct process, sibling);

        if (is_anchor_locked(child)) {
            hang_up_if_orphaned_locked(child->group, process);
        }
    }
    if (is_anchor_locked(process)) {
        hang_up_if_orphaned_locked(process->group, process);
    }
}

bool process_is_in_orphaned_group(const struct process *process)
{
    bool answer;

    mutex_lock(&process_mutex); /* the group is its process's only under it */
    answer = is_orphaned_locked(process->group, NULL);
    mutex_unlock(&process_mutex);
    return answer;
}

bool process_group_is_orphaned(uint32_t group_id)
{
    const struct identity *entry;
    bool answer;

    mutex_lock(&process_mutex);
    entry = id_find(group_id);
    answer = entry == NULL || entry->group == NULL || is_orphaned_locked(entry->group, NULL);
    mutex_unlock(&process_mutex);
    return answer;
}

/* --- setpgid, setsid -------------------------------------------------------------------------- */

/* The process to move: the caller or a child of its that has not run exec. */
static hx_err find_movable_locked(uint32_t id, struct process **process)
{
    struct process *self = process_current();
    const struct identity *entry = id_find(id == 0 ? self->id : id);

    if (entry == NULL || entry->process == NULL) {
        return HX_ESRCH;
    }
    *process = entry->process;
    if (*process == self) {
        return HX_OK;
    }
    if ((*process)->parent != self) {
        return HX_ESRCH;
    }
    if ((*process)->has_exec) {
        return HX_EACCES;
    }
    return (*process)->group->session == self->group->session ? HX_OK : HX_EPERM;
}

/* An existing group of the session, or a new one of which the process is the leader. */
static hx_err find_or_make_group_locked(const struct process *process, uint32_t id,
                                        struct process_group **group)
{
    const struct identity *entry = id_find(id);

    if (entry != NULL && entry->group != NULL) {
        *group = entry->group;
        return entry->group->session == process->group->session ? HX_OK : HX_EPERM;
    }
    return id == process->id ? group_create_locked(id, process->group->session, group) : HX_EPERM;
}

static hx_err set_group_locked(uint32_t process_id, uint32_t group_id)
{
    struct process_group *group;
    struct process *process;
    hx_err error = find_movable_locked(process_id, &process);

    if (error != HX_OK) {
        return error;
    }
    if (process->group->session->id == process->id) {
        return HX_EPERM; /* a session's leader stays */
    }
    error = find_or_make_group_locked(process, group_id == 0 ? process->id : group_id, &group);
    if (error == HX_OK && group != process->group) {
        struct session *session = group->session;

        session->references++; /* so that it outlives the old group */
        group_leave_locked(process);
        group_enter_locked(process, group);
        session_put_locked(session);
    }
    return error;
}

hx_err process_set_group(uint32_t process_id, uint32_t group_id)
{
    hx_err error;

    if ((int32_t)group_id < 0) {
        return HX_EINVAL;
    }
    mutex_lock(&process_mutex);
    error = set_group_locked(process_id, group_id);
    mutex_unlock(&process_mutex);
    return error;
}

static hx_err new_session_locked(struct process *self)
{
    struct session *session;
    struct process_group *group;
    hx_err error;

    if (id_find(self->id)->group != NULL) {
        return HX_EPERM; /* it leads a group */
    }
    error = session_create_locked(self->id, &session);
    if (error != HX_OK) {
        return error;
    }
    error = group_create_locked(self->id, session, &group);
    if (error != HX_OK) {
        id_put(session->id);
        heap_free(session);
        return error;
    }
    group_leave_locked(self);
    group_enter_locked(self, group);
    return HX_OK;
}

hx_err process_new_session(uint32_t *id)
{
    hx_err error;

    mutex_lock(&process_mutex);
    error = new_session_locked(process_current());
    mutex_unlock(&process_mutex);
    *id = process_current()->id;
    return error;
}

hx_err process_get_group(uint32_t process_id, uint32_t *group_id, uint32_t *session_id)
{
    const struct identity *entry;
    hx_err error = HX_ESRCH;

    mutex_lock(&process_mutex);
    entry = id_find(process_id == 0 ? process_current()->id : process_id);
    if (entry != NULL && entry->process != NULL) {
        *group_id = entry->process->group->id;
        *session_id = entry->process->group->session->id;
        error = HX_OK;
    }
    mutex_unlock(&process_mutex);
    return error;
}

hx_err signal_send_group(uint32_t group_id, unsigned number)
{
    const struct identity *entry;
    hx_err error = HX_ESRCH;

    mutex_lock(&process_mutex);
    entry = id_find(group_id);
    if (entry != NULL && entry->group != NULL) {
        send_to_group_locked(entry->group, number);
        error = HX_OK;
    }
    mutex_unlock(&process_mutex);
    return error;
}

/* --- terminals -------------------------------------------------------------------------------- */

static const struct terminal_link *terminals;

void terminal_link_set(const struct terminal_link *link)
{
    terminals = link;
}

void terminal_link_leader_ends(struct process *process)
{
    struct session *session = NULL;

    mutex_lock(&process_mutex);
    if (process->group->session->id == process->id && process->group->session->terminal != NULL) {
        session = process->group->session;
        session->references++;
    }
    mutex_unlock(&process_mutex);
    if (session == NULL || terminals == NULL) {
        return;
    }
    terminals->leader_ends(session);
    mutex_lock(&process_mutex);
    session_put_locked(session);
    mutex_unlock(&process_mutex);
}
