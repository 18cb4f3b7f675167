/* One list of all that lend: they are few, and each is on it for the length of a wait. */
#include <kern/dispatch.h>
#include <kern/inheritance.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

_Atomic uint32_t inheritance_lenders;

static struct spinlock inheritance_lock = SPINLOCK_INIT(LOCK_RANK_INHERITANCE, "inheritance");
static struct list lenders = LIST_INIT(lenders); /* under inheritance_lock */

static uint8_t priority_due_locked(const struct thread *thread)
{
    uint8_t highest = thread->own_priority;

    LIST_FOR_EACH (node, &lenders) {
        const struct inheritance_lender *lender = LIST_ENTRY(node, struct inheritance_lender, link);

        if (lender->borrower == thread && lender->priority > highest) {
            highest = lender->priority;
        }
    }
    return highest;
}

/* Bring a thread's priority up to date. If it waits for a mutex, it is to lend on what it has. */
static void settle_locked(struct thread *thread)
{
    uint8_t priority = priority_due_locked(thread);

    if (priority == thread_priority(thread)) {
        return;
    }
    dispatch_change_priority(thread, priority);
    if (atomic_load_explicit(&thread->waits_for_mutex, memory_order_relaxed)) {
        thread_unpark(thread);
    }
}

static void unlist_locked(struct inheritance_lender *lender)
{
    list_remove(&lender->link);
    lender->borrower = NULL;
    atomic_fetch_sub_explicit(&inheritance_lenders, 1, memory_order_relaxed);
}

static void list_locked(struct inheritance_lender *lender, struct thread *borrower)
{
    list_push_back(&lenders, &lender->link);
    lender->borrower = borrower;
    lender->priority = thread_priority(lender->thread);
    atomic_fetch_add_explicit(&inheritance_lenders, 1, memory_order_relaxed);
}

/* NULL: to nobody. */
static void redirect_locked(struct inheritance_lender *lender, struct thread *borrower)
{
    struct thread *before = lender->borrower;

    if (before != NULL) {
        unlist_locked(lender);
    }
    if (borrower != NULL) {
        list_locked(lender, borrower);
        settle_locked(borrower);
    }
    if (before != NULL && before != borrower) {
        settle_locked(before);
    }
}

void inheritance_init(struct inheritance_lender *lender, struct thread *thread)
{
    *lender = (struct inheritance_lender){.thread = thread};
}

void inheritance_lend(struct inheritance_lender *lender, struct thread *borrower)
{
    bool has_more = thread_priority(lender->thread) > borrower->own_priority;
    hal_interrupt_state state;

    /* Its borrower is its own as long as the caller holds the lock of what is waited for. */
    if (!has_more && lender->borrower == NULL) {
        return;
    }
    state = spinlock_acquire(&inheritance_lock);
    redirect_locked(lender, has_more ? borrower : NULL);
    spinlock_release(&inheritance_lock, state);
}

void inheritance_end(struct inheritance_lender *lender)
{
    hal_interrupt_state state;

    if (lender->borrower == NULL) {
        return;
    }
    state = spinlock_acquire(&inheritance_lock);
    redirect_locked(lender, NULL);
    spinlock_release(&inheritance_lock, state);
}

void inheritance_remind(void)
{
    hal_interrupt_state state = spinlock_acquire(&inheritance_lock);

    LIST_FOR_EACH (node, &lenders) {
        dispatch_tell_priority(LIST_ENTRY(node, struct inheritance_lender, link)->borrower);
    }
    spinlock_release(&inheritance_lock, state);
}
