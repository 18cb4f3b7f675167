#include <subsys/access/access.h>
#include <subsys/process/priority.h>
#include <subsys/process/process_private.h>

/* One walk over those that are meant. */
struct selection {
    uint32_t which;
    uint32_t id;
    hx_err (*visit)(const struct user_thread *thread, int *nice);
    int *nice;
    hx_err error; /* HX_ESRCH: nobody yet; else the last one there was */
};

/* --- who is meant ----------------------------------------------------------------------------- */

static uint32_t own_id_locked(uint32_t which)
{
    const struct process *self = process_current();

    switch (which) {
    case PRIORITY_OF_THREAD:
        return user_thread_current()->id;
    case PRIORITY_OF_GROUP:
        return self->group->id;
    default:
        return self->credentials.user;
    }
}

static bool is_meant_locked(const struct selection *selection, const struct user_thread *thread)
{
    switch (selection->which) {
    case PRIORITY_OF_THREAD:
        return thread->id == selection->id;
    case PRIORITY_OF_GROUP:
        return thread->process->group->id == selection->id;
    default:
        return thread->process->credentials.user == selection->id;
    }
}

static void visit_locked(struct selection *selection, const struct user_thread *thread)
{
    hx_err error = selection->visit(thread, selection->nice);

    if (error != HX_OK || selection->error == HX_ESRCH) {
        selection->error = error;
    }
}

static bool visit_process(struct process *process, void *argument)
{
    struct selection *selection = argument;
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    for (const struct list *node = process->threads.next; node != &process->threads;
         node = node->next) {
        const struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (is_meant_locked(selection, thread)) {
            visit_locked(selection, thread);
        }
    }
    spinlock_release(&process->lock, state);
    return true;
}

static hx_err visit_all(struct selection *selection)
{
    if (selection->which > PRIORITY_OF_USER) {
        return HX_EINVAL;
    }
    selection->error = HX_ESRCH;
    mutex_lock(&process_mutex);
    if (selection->id == 0) {
        selection->id = own_id_locked(selection->which);
    }
    process_for_each_locked(visit_process, selection);
    mutex_unlock(&process_mutex);
    return selection->error;
}

/* --- what is done ----------------------------------------------------------------------------- */

static hx_err note_least(const struct user_thread *thread, int *nice)
{
    int its = thread_nice(thread->thread);

    *nice = its < *nice ? its : *nice;
    return HX_OK;
}

static bool may_be_as_bold(int nice)
{
    const struct process *self = process_current();

    return (uint64_t)(THREAD_NICE_MOST + 1 - nice) <= self->limits[LIMIT_NICE].soft ||
           access_require_privilege(PRIVILEGE_PRIORITY) == HX_OK;
}

static hx_err change(const struct user_thread *thread, int *nice)
{
    const struct credentials *mine = &process_current()->credentials;
    const struct credentials *its = &thread->process->credentials;

    if (mine->effective_user != its->user && mine->effective_user != its->effective_user &&
        access_require_privilege(PRIVILEGE_PRIORITY) != HX_OK) {
        return HX_EPERM;
    }
    if (*nice < thread_nice(thread->thread) && !may_be_as_bold(*nice)) {
        return HX_EACCES;
    }
    thread_set_nice(thread->thread, *nice);
    return HX_OK;
}

/* --- the calls -------------------------------------------------------------------------------- */

hx_err priority_get(uint32_t which, uint32_t id, int *nice)
{
    struct selection selection = {.which = which, .id = id, .visit = note_least, .nice = nice};

    *nice = THREAD_NICE_MOST;
    return visit_all(&selection);
}

hx_err priority_set(uint32_t which, uint32_t id, int nice)
{
    int wanted = nice < THREAD_NICE_LEAST ? THREAD_NICE_LEAST : nice;
    struct selection selection = {.which = which, .id = id, .visit = change, .nice = &wanted};

    wanted = wanted > THREAD_NICE_MOST ? THREAD_NICE_MOST : wanted;
    return visit_all(&selection);
}
