#include <base/string.h>
#include <core/syscall/hooks.h>
#include <hal/clock.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <kern/wait_queue.h>

enum hook_state {
    HOOK_FREE,
    HOOK_ACTIVE,  /* in the published list */
    HOOK_LEAVING, /* not any more: its remover waits */
};

/* Keys: M = the mutex, I = immutable while the slot is not free, A = atomic */
struct hook_slot {
    enum hook_state state;    /* M */
    struct syscall_hook hook; /* I */
    _Atomic uint32_t calls;   /* A  calls that have taken it and not given it back */
};

/* What calls take from: the active ones in their order. */
struct hook_list {
    uint32_t count;
    struct hook_slot *slots[SYSCALL_HOOKS_MAX];
};

static struct mutex mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "system call hooks"),
                             .waiters = LIST_INIT(mutex.waiters)};
static struct hook_slot slots[SYSCALL_HOOKS_MAX];

/* One list is published, the other is written next: no reader is in it, see publish_locked. */
static struct hook_list lists[2];
static _Atomic(const struct hook_list *) published = &lists[0];
_Atomic bool syscall_has_hooks;

/* Removers that wait for a slot's count to fall to 0, and how many. */
static struct wait_queue returned = WAIT_QUEUE_INIT(returned, "system call hooks returned");
static _Atomic uint32_t removers;

/* --- calls ------------------------------------------------------------------------------------ */

void syscall_hooks_take(struct syscall_record *record)
{
    read_enter();

    /* Acquire: pairs with publish_locked. */
    const struct hook_list *list = atomic_load_explicit(&published, memory_order_acquire);

    for (uint32_t i = 0; i < list->count; i++) {
        record->slots[i] = list->slots[i];
        /* Relaxed: the end of the read section orders it before the remover's look. */
        atomic_fetch_add_explicit(&list->slots[i]->calls, 1, memory_order_relaxed);
    }
    record->taken = list->count;
    record->reached = 0;
    read_leave();
}

int64_t syscall_hooks_before(struct syscall_record *record)
{
    int64_t refusal = 0;

    while (record->reached < record->taken && refusal == 0) {
        const struct syscall_hook *hook = &record->slots[record->reached++]->hook;

        if (hook->pre != NULL) {
            refusal = hook->pre(&record->call, hook->argument);
        }
    }
    return refusal;
}

static void give_back(struct hook_slot *slot)
{
    /* Sequentially consistent, both: either this sees the remover, or the remover sees the 0. */
    if (atomic_fetch_sub_explicit(&slot->calls, 1, memory_order_seq_cst) == 1 &&
        atomic_load_explicit(&removers, memory_order_seq_cst) != 0) {
        (void)wait_queue_wake_all(&returned);
    }
}

void syscall_hooks_after(struct syscall_record *record, int64_t result)
{
    record->call.result = result;
    record->call.duration_ns = hal_clock_now() - record->call.started_ns;
    while (record->reached > 0) {
        const struct syscall_hook *hook = &record->slots[--record->reached]->hook;

        if (hook->post != NULL) {
            hook->post(&record->call, hook->argument);
        }
    }
    while (record->taken > 0) {
        give_back(record->slots[--record->taken]);
    }
}

/* --- adding and removing ---------------------------------------------------------------------- */

static void insert(struct hook_list *list, struct hook_slot *slot)
{
    uint32_t at = list->count++;

    for (; at > 0 && list->slots[at - 1]->hook.order > slot->hook.order; at--) {
        list->slots[at] = list->slots[at - 1];
    }
    list->slots[at] = slot;
}

/* Publish the active hooks, and wait until every call has taken the list before, or this one. */
static void publish_locked(void)
{
    const struct hook_list *old = atomic_load_explicit(&published, memory_order_relaxed);
    struct hook_list *list = old == &lists[0] ? &lists[1] : &lists[0];

    list->count = 0;
    for (uint32_t i = 0; i < SYSCALL_HOOKS_MAX; i++) {
        if (slots[i].state == HOOK_ACTIVE) {
            insert(list, &slots[i]);
        }
    }
    /* Release: pairs with syscall_hooks_take. */
    atomic_store_explicit(&published, list, memory_order_release);
    atomic_store_explicit(&syscall_has_hooks, list->count > 0, memory_order_relaxed);
    read_synchronize();
}

/* The slot in use under a name; NULL: none. */
static struct hook_slot *find_locked(const char *name)
{
    for (uint32_t i = 0; i < SYSCALL_HOOKS_MAX; i++) {
        if (slots[i].state != HOOK_FREE && string_equal(slots[i].hook.name, name)) {
            return &slots[i];
        }
    }
    return NULL;
}

static struct hook_slot *find_free_locked(void)
{
    for (uint32_t i = 0; i < SYSCALL_HOOKS_MAX; i++) {
        if (slots[i].state == HOOK_FREE) {
            return &slots[i];
        }
    }
    return NULL;
}

static hx_err add_locked(const struct syscall_hook *hook)
{
    struct hook_slot *slot = find_free_locked();

    if (find_locked(hook->name) != NULL) {
        return HX_EEXIST;
    }
    if (slot == NULL) {
        return HX_ENOSPC;
    }
    slot->hook = *hook;
    slot->state = HOOK_ACTIVE;
    publish_locked();
    return HX_OK;
}

hx_err syscall_hook_add(const struct syscall_hook *hook)
{
    hx_err error;

    if (hook == NULL || hook->name == NULL || (hook->pre == NULL && hook->post == NULL)) {
        return HX_EINVAL;
    }
    mutex_lock(&mutex);
    error = add_locked(hook);
    mutex_unlock(&mutex);
    return error;
}

/* Take an active hook out of the list, so that only calls under way still have it. */
static struct hook_slot *begin_removal(const char *name)
{
    struct hook_slot *slot;

    mutex_lock(&mutex);
    slot = find_locked(name);
    if (slot != NULL && slot->state == HOOK_ACTIVE) {
        slot->state = HOOK_LEAVING;
        publish_locked();
    } else {
        slot = NULL;
    }
    mutex_unlock(&mutex);
    return slot;
}

static hx_err wait_for_calls(const struct hook_slot *slot, uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    atomic_fetch_add_explicit(&removers, 1, memory_order_seq_cst);
    wait_queue_prepare(&returned, &waiter);
    /* Sequentially consistent: see give_back. */
    while (atomic_load_explicit(&slot->calls, memory_order_seq_cst) != 0 && error == HX_OK) {
        error = wait_queue_wait(&returned, &waiter, deadline_ns);
    }
    wait_queue_finish(&returned, &waiter);
    atomic_fetch_sub_explicit(&removers, 1, memory_order_relaxed);
    return error;
}

hx_err syscall_hook_remove(const char *name, uint64_t deadline_ns)
{
    struct hook_slot *slot = name != NULL ? begin_removal(name) : NULL;
    hx_err error;

    if (slot == NULL) {
        return HX_ENOENT;
    }
    error = wait_for_calls(slot, deadline_ns);
    mutex_lock(&mutex);
    slot->state = error == HX_OK ? HOOK_FREE : HOOK_ACTIVE;
    if (error != HX_OK) {
        publish_locked();
    }
    mutex_unlock(&mutex);
    return error;
}
