/* Taking signals that are pending. */
#include <kern/heap.h>
#include <subsys/process/process_private.h>
#include <subsys/process/signal_private.h>

/* An entry of a queue goes to *used, to be freed without the lock. */
static unsigned take_locked(struct user_thread *self, uint64_t mask, struct hal_signal_info *info,
                            struct signal_entry **used)
{
    struct process *process = self->process;
    struct signal_pending *pending =
        (self->pending.mask & mask) != 0 ? &self->pending : &process->signals.pending;
    unsigned number = signal_pending_take_locked(pending, mask, info, used);

    if (number != 0 && (signal_bit(number) & SIGNAL_STOPPING) != 0) {
        process->may_stop = true;
    }
    return number;
}

unsigned signal_take(uint64_t mask, struct hal_signal_info *info)
{
    struct user_thread *self = user_thread_current();
    struct signal_entry *used = NULL;
    hal_interrupt_state state = spinlock_acquire(&self->process->lock);
    unsigned number = take_locked(self, mask, info, &used);

    spinlock_release(&self->process->lock, state);
    heap_free(used);
    return number;
}

/* The mask that the handler's return restores is that from before sigsuspend and its kin. */
static void begin_handler_locked(struct user_thread *self, struct signal_taken *taken,
                                 unsigned number)
{
    const struct signal_action *action = &taken->action;
    uint64_t mask = action->mask;

    if ((action->flags & SIGNAL_NO_DEFER) == 0) {
        mask |= signal_bit(number);
    }
    if (HX_UNLIKELY((action->flags & (uint32_t)SIGNAL_RESET_HANDLER) != 0)) {
        signal_own_action(&self->process->signals, number)->handler = SIGNAL_DEFAULT;
    }
    taken->blocked_before = self->restores_blocked ? self->saved_blocked : self->blocked;
    self->restores_blocked = false;
    signal_block_more_locked(self, mask);
}

void signal_take_to_act(struct signal_taken *taken)
{
    struct user_thread *self = user_thread_current();
    struct process *process = self->process;
    struct signal_entry *used = NULL;
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    unsigned number = take_locked(self, ~self->blocked, &taken->info, &used);

    taken->info.number = (int32_t)number;
    if (HX_LIKELY(number != 0)) {
        taken->action = signal_action_of(&process->signals, number);
        if (taken->action.handler > SIGNAL_IGNORE) {
            begin_handler_locked(self, taken, number);
        }
    }
    taken->may_wait = process->is_stopped || process->tells_continued || process->dumper != NULL;
    taken->has_more = ((self->pending.mask | process->signals.pending.mask) & ~self->blocked) != 0;
    spinlock_release(&process->lock, state);
    if (HX_UNLIKELY(used != NULL)) {
        heap_free(used);
    }
}

/* Of these more is to be done than to call a handler. */
#define SPECIAL (SIGNAL_UNBLOCKABLE | SIGNAL_STOPPING | 1ULL << (SIGNAL_CONTINUE - 1))

/* The first thread takes what is sent to a process, if it does not block it. */
static bool takes_at_once_locked(const struct user_thread *self, unsigned number)
{
    const struct process *process = self->process;
    uint64_t others = self->pending.mask | process->signals.pending.mask;

    return process->threads.next == &self->link && (others & ~self->blocked) == 0 &&
           (self->blocked & signal_bit(number)) == 0 && process->signals.has_actions &&
           process->signals.actions[number - 1].handler > SIGNAL_IGNORE;
}

bool signal_take_at_once(struct signal_taken *taken, const struct hal_signal_info *info)
{
    struct user_thread *self = user_thread_current();
    unsigned number = (unsigned)info->number;
    hal_interrupt_state state;
    bool answer;

    if (number - 1 >= SIGNAL_STANDARD || (signal_bit(number) & SPECIAL) != 0) {
        return false;
    }
    state = spinlock_acquire(&self->process->lock);
    answer = takes_at_once_locked(self, number);
    if (HX_LIKELY(answer)) {
        taken->info = *info;
        taken->action = self->process->signals.actions[number - 1];
        begin_handler_locked(self, taken, number);
    }
    spinlock_release(&self->process->lock, state);
    return answer;
}
