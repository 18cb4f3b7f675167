/* wait4 and waitid: what has become of one's children. */
#include <subsys/process/process_private.h>

/* --- which child ------------------------------------------------------------------------------ */

static bool is_meant(const struct process *child, const struct wait_request *request)
{
    const struct process *self = process_current();

    if (request->id == -1) {
        return true;
    }
    if (request->id > 0) {
        return child->id == (uint64_t)request->id;
    }
    return child->group->id == (request->id == 0 ? self->group->id : (uint64_t)-request->id);
}

static void add_usage(struct process_usage *sum, const struct process_usage *more)
{
    sum->user_ns += more->user_ns;
    sum->system_ns += more->system_ns;
    sum->faults += more->faults;
    sum->peak_pages = sum->peak_pages > more->peak_pages ? sum->peak_pages : more->peak_pages;
}

/* --- what there is to tell ----------------------------------------------------------------------
 */

static void tell(struct wait_outcome *outcome, struct process *child, int status)
{
    outcome->id = child->id;
    outcome->status = status;
    outcome->user = child->credentials.user;
    process_usage(child, &outcome->usage);
}

/* A dead child; *freed is set when it is to be freed by the caller. */
static bool reap_locked(struct process *child, const struct wait_request *request,
                        struct wait_outcome *outcome, struct process **freed)
{
    struct process *self = process_current();

    if (child->state != PROCESS_ZOMBIE || (request->options & WAIT_EXITED) == 0) {
        return false;
    }
    tell(outcome, child, child->exit_status);
    if ((request->options & WAIT_NO_REAP) == 0) {
        add_usage(&self->children_usage, &outcome->usage);
        add_usage(&self->children_usage, &child->children_usage);
        *freed = process_retire_locked(child) ? child : NULL;
    }
    return true;
}

static bool note_stop_locked(struct process *child, const struct wait_request *request,
                             struct wait_outcome *outcome)
{
    bool keeps = (request->options & WAIT_NO_REAP) != 0;

    if (child->is_stopped && !child->stop_reported && (request->options & WAIT_STOPPED) != 0) {
        child->stop_reported = !keeps;
        tell(outcome, child, child->stop_status << 8 | 0x7f);
        return true;
    }
    if (!child->is_stopped && child->has_continued && (request->options & WAIT_CONTINUED) != 0) {
        child->has_continued = keeps;
        tell(outcome, child, PROCESS_CONTINUED);
        return true;
    }
    return false;
}

/* HX_EAGAIN: there are such children, but nothing to tell. */
static hx_err look_locked(const struct wait_request *request, struct wait_outcome *outcome,
                          struct process **freed)
{
    struct process *self = process_current();
    hx_err error = HX_ECHILD;

    for (struct list *node = self->children.next; node != &self->children; node = node->next) {
        struct process *child = LIST_ENTRY(node, struct process, sibling);

        if (!is_meant(child, request)) {
            continue;
        }
        error = HX_EAGAIN;
        if (reap_locked(child, request, outcome, freed) ||
            note_stop_locked(child, request, outcome)) {
            return HX_OK;
        }
    }
    return error;
}

static hx_err look(const struct wait_request *request, struct wait_outcome *outcome)
{
    struct process *freed = NULL;
    hx_err error;

    mutex_lock(&process_mutex);
    error = look_locked(request, outcome, &freed);
    mutex_unlock(&process_mutex);
    if (freed != NULL) {
        process_free(freed);
    }
    return error;
}

hx_err process_wait(const struct wait_request *request, struct wait_outcome *outcome)
{
    struct process *self = process_current();
    struct waiter waiter;
    hx_err error;

    *outcome = (struct wait_outcome){0};
    error = look(request, outcome);
    if (error != HX_EAGAIN || (request->options & WAIT_NO_HANG) != 0) {
        return error == HX_EAGAIN ? HX_OK : error;
    }
    wait_queue_prepare(&self->child_changed, &waiter);
    while ((error = look(request, outcome)) == HX_EAGAIN) {
        error = wait_queue_wait_interruptible(&self->child_changed, &waiter, THREAD_NO_DEADLINE);
        if (error != HX_OK) {
            break;
        }
    }
    wait_queue_finish(&self->child_changed, &waiter);
    return error;
}
