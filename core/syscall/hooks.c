#include <base/memory.h>
#include <base/string.h>
#include <core/syscall/hooks.h>
#include <core/syscall/registry.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/read_section.h>
#include <kern/wait_queue.h>

enum hook_state {
    HOOK_FREE,
    HOOK_ON,      /* in the published list */
    HOOK_OFF,     /* not any more, or not yet */
    HOOK_LEAVING, /* not any more: its remover waits */
};

/* Keys: M = the mutex */
struct hook_slot {
    enum hook_state state;               /* M */
    struct syscall_hook hook;            /* M */
    uint64_t numbers[SYSCALL_SET_WORDS]; /* M  if hook.numbers is not NULL */
};

static struct mutex mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "system call hooks"),
                             .waiters = LIST_INIT(mutex.waiters)};
static struct hook_slot slots[SYSCALL_HOOKS_MAX];

static struct hook_list no_hooks;
_Atomic(struct hook_list *) hook_list_published = &no_hooks;
static struct list lists = LIST_INIT(lists); /* under the mutex */

/* Removers that wait for calls to end. */
static struct wait_queue ended = WAIT_QUEUE_INIT(ended, "system call hooks");
_Atomic uint32_t hook_removers;

/* --- lists ------------------------------------------------------------------------------------ */

/* Calls that have taken the list and not given it back; exact once it is not published, a grace
 * period later: then nobody takes it any more. Acquire: pairs with the release of who gives it
 * back, so that what their posts did is seen. */
static uint64_t calls_in(struct hook_list *list)
{
    uint64_t sum = 0;

    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        sum -= atomic_load_explicit(&list->counts[cpu].left, memory_order_acquire);
    }
    for (uint32_t cpu = 0; cpu < HAL_CPU_MAX; cpu++) {
        sum += atomic_load_explicit(&list->counts[cpu].entered, memory_order_acquire);
    }
    return sum;
}

/* Calls in the lists that a hook stands in. */
static uint64_t calls_seen_locked(const struct hook_slot *slot)
{
    uint64_t sum = 0;

    for (struct list *node = lists.next; node != &lists; node = node->next) {
        struct hook_list *list = LIST_ENTRY(node, struct hook_list, link);

        sum += (list->members >> (slot - slots) & 1) != 0 ? calls_in(list) : 0;
    }
    return sum;
}

/* Free the lists that no call has any more. */
static void free_lists_locked(void)
{
    struct list *node = lists.next;

    while (node != &lists) {
        struct hook_list *list = LIST_ENTRY(node, struct hook_list, link);

        node = node->next;
        if (list != atomic_load_explicit(&hook_list_published, memory_order_relaxed) &&
            calls_in(list) == 0) {
            list_remove(&list->link);
            heap_free(list);
        }
    }
}

/* The hook that is on whose turn comes next after that of another (NULL: first): those of one order
 * by their places. */
static struct hook_slot *next_in_order_locked(const struct hook_slot *after)
{
    struct hook_slot *next = NULL;

    for (struct hook_slot *slot = slots; slot < slots + SYSCALL_HOOKS_MAX; slot++) {
        bool is_later = after == NULL || slot->hook.order > after->hook.order ||
                        (slot->hook.order == after->hook.order && slot > after);

        if (slot->state == HOOK_ON && is_later &&
            (next == NULL || slot->hook.order < next->hook.order)) {
            next = slot;
        }
    }
    return next;
}

static uint32_t count_posts_locked(void)
{
    uint32_t posts = 0;

    for (uint32_t i = 0; i < SYSCALL_HOOKS_MAX; i++) {
        posts += slots[i].state == HOOK_ON && slots[i].hook.post != NULL;
    }
    return posts;
}

/* Pre-hooks from the beginning, posts from the end. */
static void fill_list_locked(struct hook_list *list)
{
    struct hook_pre *pre = list->pres;
    struct hook_post *post = &list->posts[count_posts_locked()];

    for (struct hook_slot *slot = next_in_order_locked(NULL); slot != NULL;
         slot = next_in_order_locked(slot)) {
        const struct syscall_hook *hook = &slot->hook;

        if (hook->post != NULL) {
            *--post = (struct hook_post){.function = hook->post, .argument = hook->argument};
        }
        if (hook->pre != NULL) {
            *pre++ =
                (struct hook_pre){.function = hook->pre, .argument = hook->argument, .due = post};
        }
        list->members |= 1U << (slot - slots);
    }
}

/* What the hooks that are on have to see. */
static void collect_numbers_locked(uint64_t numbers[SYSCALL_SET_WORDS])
{
    memset(numbers, 0, SYSCALL_SET_WORDS * sizeof(*numbers));
    for (uint32_t i = 0; i < SYSCALL_HOOKS_MAX; i++) {
        for (uint32_t word = 0; slots[i].state == HOOK_ON && word < SYSCALL_SET_WORDS; word++) {
            numbers[word] |= slots[i].hook.numbers != NULL ? slots[i].numbers[word] : UINT64_MAX;
        }
    }
}

/*
 * Publish the hooks that are on, and wait until every call has taken the list before, or this one.
 * Errors: HX_ENOMEM, what was published stays.
 */
static hx_err publish_locked(void)
{
    struct hook_list *list = heap_allocate_zeroed(sizeof(*list), OWNER_CORE);
    uint64_t numbers[SYSCALL_SET_WORDS];

    if (list == NULL) {
        return HX_ENOMEM;
    }
    fill_list_locked(list);
    list_push_back(&lists, &list->link);
    /* Release: pairs with begin. */
    atomic_store_explicit(&hook_list_published, list, memory_order_release);
    collect_numbers_locked(numbers);
    syscall_set_slow(numbers);
    read_synchronize();
    free_lists_locked();
    return HX_OK;
}

/* --- slots ------------------------------------------------------------------------------------ */

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

static void set_numbers(struct hook_slot *slot, const uint64_t *numbers)
{
    slot->hook.numbers = numbers != NULL ? slot->numbers : NULL;
    for (uint32_t word = 0; numbers != NULL && word < SYSCALL_SET_WORDS; word++) {
        slot->numbers[word] = numbers[word];
    }
}

/* Put a slot into a state and say so to calls; on error it is as before. */
static hx_err change_locked(struct hook_slot *slot, const struct hook_slot *changed)
{
    struct hook_slot before = *slot;
    hx_err error;

    *slot = *changed;
    set_numbers(slot, changed->hook.numbers);
    error = publish_locked();
    if (error != HX_OK) {
        *slot = before;
    }
    return error;
}

/* --- adding and changing ---------------------------------------------------------------------- */

static hx_err add_locked(const struct syscall_hook *hook)
{
    struct hook_slot *slot = find_free_locked();

    if (find_locked(hook->name) != NULL) {
        return HX_EEXIST;
    }
    if (slot == NULL) {
        return HX_ENOSPC;
    }
    return change_locked(slot, &(struct hook_slot){.state = HOOK_ON, .hook = *hook});
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

/* Lock, and find a hook that nobody removes; NULL, and not locked: none. */
static struct hook_slot *lock_and_find(const char *name)
{
    struct hook_slot *slot = NULL;

    mutex_lock(&mutex);
    if (name != NULL) {
        slot = find_locked(name);
    }
    if (slot == NULL || slot->state == HOOK_LEAVING) {
        mutex_unlock(&mutex);
        return NULL;
    }
    return slot;
}

static hx_err change_and_unlock(struct hook_slot *slot, const struct hook_slot *changed)
{
    hx_err error = change_locked(slot, changed);

    mutex_unlock(&mutex);
    return error;
}

hx_err syscall_hook_enable(const char *name, bool is_on)
{
    struct hook_slot *slot = lock_and_find(name);
    struct hook_slot changed;

    if (slot == NULL) {
        return HX_ENOENT;
    }
    changed = *slot;
    changed.state = is_on ? HOOK_ON : HOOK_OFF;
    return change_and_unlock(slot, &changed);
}

hx_err syscall_hook_set_order(const char *name, int32_t order)
{
    struct hook_slot *slot = lock_and_find(name);
    struct hook_slot changed;

    if (slot == NULL) {
        return HX_ENOENT;
    }
    changed = *slot;
    changed.hook.order = order;
    return change_and_unlock(slot, &changed);
}

hx_err syscall_hook_set_numbers(const char *name, const uint64_t *numbers)
{
    struct hook_slot *slot = lock_and_find(name);
    struct hook_slot changed;

    if (slot == NULL) {
        return HX_ENOENT;
    }
    changed = *slot;
    changed.hook.numbers = numbers;
    return change_and_unlock(slot, &changed);
}

bool syscall_hook_info(uint32_t index, struct syscall_hook_info *info)
{
    struct hook_slot *slot = index < SYSCALL_HOOKS_MAX ? &slots[index] : NULL;
    bool is_there;

    if (slot == NULL) {
        return false;
    }
    mutex_lock(&mutex);
    is_there = slot->state != HOOK_FREE;
    if (is_there) {
        *info = (struct syscall_hook_info){.name = slot->hook.name,
                                           .order = slot->hook.order,
                                           .is_on = slot->state == HOOK_ON,
                                           .sees_all = slot->hook.numbers == NULL,
                                           .calls = calls_seen_locked(slot)};
    }
    mutex_unlock(&mutex);
    return is_there;
}

/* --- removing --------------------------------------------------------------------------------- */

void hook_list_left(void)
{
    (void)wait_queue_wake_all(&ended);
}

static uint64_t calls_seen(const struct hook_slot *slot)
{
    uint64_t calls;

    mutex_lock(&mutex);
    calls = calls_seen_locked(slot);
    mutex_unlock(&mutex);
    return calls;
}

static hx_err wait_for_calls(const struct hook_slot *slot, uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    atomic_fetch_add_explicit(&hook_removers, 1, memory_order_relaxed);
    read_synchronize(); /* see end in dispatch.c */
    wait_queue_prepare(&ended, &waiter);
    while (calls_seen(slot) != 0 && error == HX_OK) {
        error = wait_queue_wait(&ended, &waiter, deadline_ns);
    }
    wait_queue_finish(&ended, &waiter);
    atomic_fetch_sub_explicit(&hook_removers, 1, memory_order_relaxed);
    return error;
}

/* The hook is gone; or it stays as it was, as far as there is memory to say so. */
static hx_err end_removal(struct hook_slot *slot, enum hook_state before, hx_err error)
{
    mutex_lock(&mutex);
    slot->state = error == HX_OK ? HOOK_FREE : before;
    if (error != HX_OK && publish_locked() != HX_OK) {
        slot->state = HOOK_OFF;
    }
    free_lists_locked(); /* those of the calls that were waited for */
    mutex_unlock(&mutex);
    return error;
}

hx_err syscall_hook_remove(const char *name, uint64_t deadline_ns)
{
    struct hook_slot *slot = lock_and_find(name);
    struct hook_slot changed;
    enum hook_state before;
    hx_err error;

    if (slot == NULL) {
        return HX_ENOENT;
    }
    before = slot->state;
    changed = *slot;
    changed.state = HOOK_LEAVING;
    error = change_and_unlock(slot, &changed);
    return error == HX_OK ? end_removal(slot, before, wait_for_calls(slot, deadline_ns)) : error;
}
