/* Sending signals, and what a thread says about its own. */
#include <base/memory.h>
#include <kern/heap.h>
#include <kern/recorder.h>
#include <subsys/access/access.h>
#include <subsys/process/id_table.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_file.h>
#include <subsys/process/signal_private.h>

/* --- what is known of a signal ------------------------------------------------------------------
 */

enum signal_default signal_default_of(unsigned number)
{
#define DEFAULT_OF(signal, name, action) [signal] = (action),
    static const uint8_t defaults[SIGNAL_COUNT + 1] = {SIGNAL_LIST(DEFAULT_OF)};
#undef DEFAULT_OF

    return (enum signal_default)defaults[number];
}

struct signal_action *signal_own_action(struct signal_state *signals, unsigned number)
{
    if (!signals->has_actions) {
        memset(signals->actions, 0, sizeof(signals->actions));
        signals->has_actions = true;
    }
    return &signals->actions[number - 1];
}

bool signal_is_ignored_locked(const struct process *process, unsigned number)
{
    uintptr_t handler = signal_action_of(&process->signals, number).handler;

    return handler == SIGNAL_IGNORE ||
           (handler == SIGNAL_DEFAULT && signal_default_of(number) == SIGNAL_NOTHING);
}

#define SI_USER 0

struct hal_signal_info signal_info_user(unsigned number)
{
    const struct process *self = process_current();
    struct hal_signal_info info = {.number = (int32_t)number, .code = SI_USER};

    info.fields[0] = self->id | (uint64_t)self->credentials.user << 32;
    return info;
}

struct hal_signal_info signal_info_kernel(unsigned number)
{
    return (struct hal_signal_info){.number = (int32_t)number, .code = SIGNAL_BY_KERNEL};
}

hx_err signal_may_send_locked(const struct process *to, unsigned number)
{
    const struct process *self = process_current();
    const struct credentials *mine = &self->credentials;
    bool may = mine->effective_user == to->credentials.user ||
               mine->effective_user == to->credentials.saved_user ||
               mine->user == to->credentials.user || mine->user == to->credentials.saved_user;

    may |= number == SIGNAL_CONTINUE && self->group->session == to->group->session;
    return may ? HX_OK : access_require_privilege(PRIVILEGE_SIGNAL);
}

/* --- stopping and continuing -------------------------------------------------------------------
 */

/* Queue entries of them go to dropped, to be freed without the lock. */
static void drop_everywhere_locked(struct process *process, uint64_t mask, struct list *dropped)
{
    signal_pending_drop_locked(&process->signals.pending, mask, dropped);
    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        signal_pending_drop_locked(&LIST_ENTRY(node, struct user_thread, link)->pending, mask,
                                   dropped);
    }
}

static void free_entries(struct list *dropped)
{
    struct list *node;

    while ((node = list_pop_front(dropped)) != NULL) {
        heap_free(LIST_ENTRY(node, struct signal_entry, link));
    }
}

/* Answers whether stopped threads are to be woken. */
static bool continue_locked(struct process *process)
{
    bool wakes = process->is_stopped;

    process->may_stop = false;
    if (wakes) {
        process->is_stopped = false;
        process->has_continued = true;
        process->tells_continued = true;
    }
    return wakes;
}

/* Stop signals and SIGCONT cancel each other; SIGCONT makes a stopped process go on. Answers
 * whether stopped threads are to be woken. Neither kind is queued: there is nothing to free. */
static bool note_job_control_locked(struct process *process, unsigned number)
{
    struct list none = LIST_INIT(none);

    if ((signal_bit(number) & SIGNAL_STOPPING) != 0) {
        drop_everywhere_locked(process, signal_bit(SIGNAL_CONTINUE), &none);
    }
    if (number != SIGNAL_CONTINUE) {
        return false;
    }
    drop_everywhere_locked(process, SIGNAL_STOPPING, &none);
    return continue_locked(process);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static bool blocks(const struct user_thread *thread, unsigned number)
{
    return (thread->blocked & signal_bit(number)) != 0;
}

/* The caller itself comes by its signals on its way out, and looks before it parks. */
static void tell(struct user_thread *thread)
{
    if (thread->thread == thread_current() && !context_is_interrupt()) {
        atomic_fetch_or_explicit(&thread->thread->user_work, THREAD_WORK_SIGNAL,
                                 memory_order_relaxed);
    } else {
        thread_interrupt(thread->thread, THREAD_WORK_SIGNAL);
    }
}

/* Wake a thread that does not block it; the first one if it can. */
static void wake_one_locked(struct process *process, unsigned number)
{
    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (!blocks(thread, number) || (thread->awaited & signal_bit(number)) != 0) {
            tell(thread);
            return;
        }
    }
}

/* Threads that could take what is pending for the process are told, but for the caller: another
 * one that was told will not take it. */
void signal_pass_on_locked(struct process *process, uint64_t mask)
{
    mask &= process->signals.pending.mask;
    for (struct list *node = process->threads.next; mask != 0 && node != &process->threads;
         node = node->next) {
        struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (thread->thread != thread_current() &&
            (mask & (~thread->blocked | thread->awaited)) != 0) {
            thread_interrupt(thread->thread, THREAD_WORK_SIGNAL);
            mask &= thread->blocked & ~thread->awaited;
        }
    }
}

static bool is_blocked_by_all_locked(const struct process *process, unsigned number)
{
    for (const struct list *node = process->threads.next; node != &process->threads;
         node = node->next) {
        if (!blocks(LIST_ENTRY(node, struct user_thread, link), number)) {
            return false;
        }
    }
    return true;
}

/* What nobody would notice is not kept; what is blocked may be waited for. Process 1 gets what it
 * has handlers for. */
static bool is_dropped_locked(const struct process *process, unsigned number)
{
    bool is_without_handler = signal_action_of(&process->signals, number).handler <= SIGNAL_IGNORE;
    bool is_for_nobody = is_without_handler && process->parent == NULL;

    if ((signal_bit(number) & SIGNAL_UNBLOCKABLE) != 0) {
        return is_for_nobody;
    }
    return (is_for_nobody || signal_is_ignored_locked(process, number)) &&
           !is_blocked_by_all_locked(process, number);
}

/* A real-time signal's place in the queue; the others need none. */
static hx_err make_entry(const struct signal_pending *pending, unsigned number,
                         struct signal_entry **entry)
{
    *entry = NULL;
    if (number <= SIGNAL_STANDARD || context_is_interrupt()) {
        return HX_OK;
    }
    if (pending->count >= SIGNAL_QUEUE_MAX) {
        return HX_EAGAIN;
    }
    *entry = heap_allocate_zeroed(sizeof(**entry), OWNER_CORE);
    return *entry != NULL ? HX_OK : HX_EAGAIN;
}

/* target: a thread of the process, NULL for the process. */
static bool send_locked(struct process *process, struct user_thread *target,
                        const struct hal_signal_info *info, struct signal_entry **entry)
{
    unsigned number = (unsigned)info->number;
    bool wakes = note_job_control_locked(process, number);

    if (is_dropped_locked(process, number)) {
        return wakes;
    }
    if (number == SIGNAL_KILL) { /* does not wait for a thread to take it */
        process_end_locked(process);
        return true;
    }
    if (target != NULL) {
        signal_pending_add_locked(&target->pending, info, entry);
        if (!blocks(target, number) || (target->awaited & signal_bit(number)) != 0) {
            tell(target);
        }
    } else {
        signal_pending_add_locked(&process->signals.pending, info, entry);
        wake_one_locked(process, number);
    }
    return wakes;
}

void signal_note_sent(struct process *process, bool wakes)
{
    if (wakes) {
        wait_queue_wake_all(&process->stopped);
    }
    signal_files_wake();
}

static hx_err send_to(struct process *process, struct user_thread *target,
                      const struct hal_signal_info *info)
{
    struct signal_pending *pending = target != NULL ? &target->pending : &process->signals.pending;
    struct signal_entry *entry;
    hal_interrupt_state state;
    bool wakes;
    hx_err error;

    if (info->number < 0 || (unsigned)info->number > SIGNAL_COUNT) {
        return HX_EINVAL;
    }
    if (info->number == 0) {
        return HX_OK;
    }
    recorder_note(RECORDER_SIGNAL, 0, process->id, (uint32_t)info->number);
    error = make_entry(pending, (unsigned)info->number, &entry);
    if (error != HX_OK) {
        return error;
    }
    state = spinlock_acquire(&process->lock);
    wakes = send_locked(process, target, info, &entry);
    spinlock_release(&process->lock, state);
    signal_note_sent(process, wakes);
    if (HX_UNLIKELY(entry != NULL)) {
        heap_free(entry);
    }
    return HX_OK;
}

bool signal_send_kept_locked(struct process *process, struct user_thread *target,
                             const struct hal_signal_info *info, struct signal_entry *entry)
{
    struct signal_entry *taken = entry;

    /* It has been counted already. */
    return (entry == NULL || list_is_empty(&entry->link)) &&
           send_locked(process, target, info, &taken);
}

hx_err signal_send(struct process *process, const struct hal_signal_info *info)
{
    return send_to(process, NULL, info);
}

hx_err signal_send_thread(struct user_thread *thread, const struct hal_signal_info *info)
{
    return send_to(thread->process, thread, info);
}

hx_err signal_send_by_id(uint32_t id, const struct hal_signal_info *info)
{
    const struct identity *entry;
    hx_err error = HX_ESRCH;

    mutex_lock(&process_mutex); /* so that the process stays */
    entry = id_find(id);
    if (entry != NULL && entry->process != NULL) {
        error = signal_may_send_locked(entry->process, (unsigned)info->number);
    }
    if (error == HX_OK) {
        error = signal_send(entry->process, info);
    }
    mutex_unlock(&process_mutex);
    return error;
}

hx_err signal_send_by_thread_id(uint32_t process, uint32_t id, const struct hal_signal_info *info)
{
    const struct identity *entry;
    hx_err error = HX_ESRCH;

    mutex_lock(&process_mutex); /* so that the thread stays */
    entry = id_find(id);
    if (entry != NULL && entry->thread != NULL &&
        (process == 0 || process == entry->thread->process->id)) {
        error = signal_may_send_locked(entry->thread->process, (unsigned)info->number);
    }
    if (error == HX_OK) {
        error = signal_send_thread(entry->thread, info);
    }
    mutex_unlock(&process_mutex);
    return error;
}

/* --- the calling thread's own ------------------------------------------------------------------
 */

/* Of what is pending, for the thread alone and for its process. */
uint64_t signal_pending_mask(void)
{
    struct user_thread *self = user_thread_current();
    hal_interrupt_state state = spinlock_acquire(&self->process->lock);
    uint64_t mask = self->pending.mask | self->process->signals.pending.mask;

    spinlock_release(&self->process->lock, state);
    return mask;
}

bool signal_is_pending(void)
{
    return (signal_pending_mask() & ~user_thread_current()->blocked) != 0;
}

void signal_set_blocked(uint64_t mask)
{
    struct user_thread *self = user_thread_current();
    hal_interrupt_state state = spinlock_acquire(&self->process->lock);

    signal_block_more_locked(self, mask);
    self->blocked &= mask;
    if (((self->pending.mask | self->process->signals.pending.mask) & ~self->blocked) != 0) {
        atomic_fetch_or_explicit(&self->thread->user_work, THREAD_WORK_SIGNAL,
                                 memory_order_relaxed);
    }
    spinlock_release(&self->process->lock, state);
}

void signal_set_blocked_for_call(uint64_t mask)
{
    struct user_thread *self = user_thread_current();

    if (!self->restores_blocked) {
        self->saved_blocked = self->blocked;
        self->restores_blocked = true;
    }
    signal_set_blocked(mask);
    /* So that the mask is restored on the way out in any case. */
    atomic_fetch_or_explicit(&self->thread->user_work, THREAD_WORK_RESTORE, memory_order_relaxed);
}

hx_err signal_act(unsigned number, const struct signal_action *action, struct signal_action *old)
{
    struct process *process = process_current();
    struct list dropped = LIST_INIT(dropped);
    hal_interrupt_state state;

    if (number == 0 || number > SIGNAL_COUNT ||
        (action != NULL && (signal_bit(number) & SIGNAL_UNBLOCKABLE) != 0)) {
        return HX_EINVAL;
    }
    state = spinlock_acquire(&process->lock);
    if (old != NULL) {
        *old = signal_action_of(&process->signals, number);
    }
    if (action != NULL) {
        struct signal_action *own = signal_own_action(&process->signals, number);

        *own = *action;
        own->mask &= ~SIGNAL_UNBLOCKABLE;
        if (signal_is_ignored_locked(process, number)) {
            drop_everywhere_locked(process, signal_bit(number), &dropped);
        }
    }
    spinlock_release(&process->lock, state);
    free_entries(&dropped);
    return HX_OK;
}

/* --- waiting for signals ------------------------------------------------------------------------
 */

static void set_awaited(struct user_thread *self, uint64_t mask)
{
    hal_interrupt_state state = spinlock_acquire(&self->process->lock);

    self->awaited = mask;
    spinlock_release(&self->process->lock, state);
}

/* Something to do that is not one of the awaited signals. */
static bool must_leave(const struct user_thread *self)
{
    return signal_is_pending() ||
           (atomic_load_explicit(&self->thread->user_work, memory_order_relaxed) &
            THREAD_WORK_EXIT) != 0;
}

hx_err signal_wait(uint64_t mask, uint64_t deadline_ns, struct hal_signal_info *info)
{
    struct user_thread *self = user_thread_current();
    hx_err error = HX_OK;

    mask &= ~SIGNAL_UNBLOCKABLE;
    set_awaited(self, mask);
    while (signal_take(mask, info) == 0 && error == HX_OK) {
        error = must_leave(self) ? HX_EINTR : thread_park(deadline_ns);
    }
    set_awaited(self, 0);
    return error == HX_ETIMEDOUT ? HX_EAGAIN : error;
}

/* --- fork and exec ------------------------------------------------------------------------------
 */

void signal_fork(struct process *child, struct process *parent)
{
    hal_interrupt_state state = spinlock_acquire(&parent->lock);

    child->signals.has_actions = parent->signals.has_actions;
    if (parent->signals.has_actions) {
        memcpy(child->signals.actions, parent->signals.actions, sizeof(child->signals.actions));
    }
    spinlock_release(&parent->lock, state);
}

/* Handlers are the old program's.  Returns whether any signal is ignored. */
static bool keep_ignored(struct signal_action actions[SIGNAL_COUNT])
{
    bool any = false;

    for (unsigned i = 0; i < SIGNAL_COUNT; i++) {
        bool is_ignored = actions[i].handler == SIGNAL_IGNORE;

        actions[i] = (struct signal_action){.handler = is_ignored ? SIGNAL_IGNORE : SIGNAL_DEFAULT};
        any |= is_ignored;
    }
    return any;
}

void signal_exec(struct process *process)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);

    if (process->signals.has_actions) {
        process->signals.has_actions = keep_ignored(process->signals.actions);
    }
    spinlock_release(&process->lock, state);
}
