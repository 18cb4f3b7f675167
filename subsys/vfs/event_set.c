#include <base/list.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/vfs/event_set.h>
#include <subsys/vfs/file.h>

/* What a member is always told of, whatever it asked for. */
#define ALWAYS   ((uint32_t)(POLL_ERROR | POLL_HANGUP))
#define SETTINGS ((uint32_t)EVENT_EXCLUSIVE | EVENT_WAKE_UP | EVENT_ONCE | EVENT_EDGE)

/* Keys: I = immutable, S = the set's mutex, A = all_mutex */
struct event_set {
    struct mutex mutex;
    struct list members;       /* S  by link; who was told of last is last */
    struct wait_queue changed; /* woken when there is another or another wish */
};

struct member {
    struct list link;      /* S */
    struct list all_link;  /* A */
    struct event_set *set; /* I */
    struct file *file;     /* I  lives: its end waits for S, to take the member out */
    int descriptor;        /* I */
    struct event event;    /* S */
    bool is_done;          /* S  once was enough */
    bool was_told;         /* S  and then: */
    uint32_t told_wakes;   /* S  of poll_listen */
};

/* Members of all sets: to be found by their file. Taken before a set's mutex. */
static struct mutex all_mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "event sets"),
                                 .waiters = LIST_INIT(all_mutex.waiters)};
static struct list all = LIST_INIT(all);

/* --- members ---------------------------------------------------------------------------------- */

static struct member *find_locked(struct event_set *set, const struct file *file, int descriptor)
{
    LIST_FOR_EACH (link, &set->members) {
        struct member *member = LIST_ENTRY(link, struct member, link);

        if (member->file == file && member->descriptor == descriptor) {
            return member;
        }
    }
    return NULL;
}

/* Both mutexes are held. */
static void dispose_locked(struct member *member)
{
    list_remove(&member->link);
    list_remove(&member->all_link);
    heap_free(member);
}

static void set_wish_locked(struct member *member, const struct event *event)
{
    member->event = *event;
    member->event.events |= ALWAYS;
    member->is_done = false;
    member->was_told = false;
}

/* What there is to tell of a member. table: join its queues first; NULL: no wish to wait. */
static uint32_t news_of(const struct member *member, struct poll_table *table, uint32_t *wakes)
{
    uint32_t ready;

    if (member->is_done) {
        return 0;
    }
    if ((member->event.events & EVENT_EDGE) == 0) {
        return file_poll(member->file, table) & member->event.events;
    }
    if (table != NULL) {
        (void)file_poll(member->file, table);
    }
    ready = poll_listen(member->file, wakes) & member->event.events;
    return member->was_told && *wakes == member->told_wakes ? 0 : ready;
}

/* --- the file --------------------------------------------------------------------------------- */

static unsigned poll_set(struct file *file, struct poll_table *table)
{
    struct event_set *set = file->context;
    bool has_news = false;
    uint32_t wakes;

    poll_add(table, &set->changed);
    mutex_lock(&set->mutex);
    LIST_FOR_EACH (link, &set->members) {
        const struct member *member = LIST_ENTRY(link, struct member, link);

        has_news = news_of(member, has_news ? NULL : table, &wakes) != 0 || has_news;
    }
    mutex_unlock(&set->mutex);
    return has_news ? POLL_IN : 0;
}

static void release_set(struct file *file)
{
    struct event_set *set = file->context;
    struct list *link;

    mutex_lock(&all_mutex);
    mutex_lock(&set->mutex);
    while ((link = list_pop_front(&set->members)) != NULL) {
        dispose_locked(LIST_ENTRY(link, struct member, link));
    }
    mutex_unlock(&set->mutex);
    mutex_unlock(&all_mutex);
    heap_free(set);
}

static const struct file_ops set_ops = {
    .poll = poll_set,
    .release = release_set,
};

hx_err event_set_create(owner_tag owner, struct file **file)
{
    struct event_set *set = heap_allocate_zeroed(sizeof(*set), OWNER_CORE);
    hx_err error;

    if (set == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&set->mutex, "event set");
    list_init(&set->members);
    wait_queue_init(&set->changed, "event set changed");
    error = file_create(&set_ops, FILE_READ_WRITE, set, owner, file);
    if (error != HX_OK) {
        heap_free(set);
    }
    return error;
}

bool event_set_is(const struct file *file)
{
    return file->ops == &set_ops;
}

/* --- changes ---------------------------------------------------------------------------------- */

static hx_err check_member(const struct file *set, const struct file *member)
{
    if (member->ops->poll == NULL) {
        return HX_EPERM;
    }
    if (member == set) {
        return HX_EINVAL;
    }
    return event_set_is(member) ? HX_ELOOP : HX_OK;
}

static hx_err add_locked(struct event_set *set, struct file *file, int descriptor,
                         const struct event *event)
{
    struct member *member;

    if (find_locked(set, file, descriptor) != NULL) {
        return HX_EEXIST;
    }
    member = heap_allocate_zeroed(sizeof(*member), OWNER_CORE);
    if (member == NULL) {
        return HX_ENOMEM;
    }
    member->set = set;
    member->file = file;
    member->descriptor = descriptor;
    set_wish_locked(member, event);
    list_push_back(&set->members, &member->link);
    list_push_back(&all, &member->all_link);
    /* relaxed: who ends the file has its last reference, which orders this before */
    atomic_store_explicit(&file->is_watched, true, memory_order_relaxed);
    return HX_OK;
}

hx_err event_set_add(struct file *file, struct file *member, int descriptor,
                     const struct event *event)
{
    struct event_set *set = file->context;
    hx_err error = check_member(file, member);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&all_mutex);
    mutex_lock(&set->mutex);
    error = add_locked(set, member, descriptor, event);
    mutex_unlock(&set->mutex);
    mutex_unlock(&all_mutex);
    wait_queue_wake_all(&set->changed);
    return error;
}

hx_err event_set_change(struct file *file, struct file *member, int descriptor,
                        const struct event *event)
{
    struct event_set *set = file->context;
    struct member *found;
    hx_err error = check_member(file, member);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&set->mutex);
    found = find_locked(set, member, descriptor);
    if (found == NULL) {
        error = HX_ENOENT;
    } else if ((found->event.events & EVENT_EXCLUSIVE) != 0) {
        error = HX_EINVAL;
    } else {
        set_wish_locked(found, event);
    }
    mutex_unlock(&set->mutex);
    wait_queue_wake_all(&set->changed);
    return error;
}

hx_err event_set_remove(struct file *file, struct file *member, int descriptor)
{
    struct event_set *set = file->context;
    struct member *found;
    hx_err error = check_member(file, member);

    if (error != HX_OK) {
        return error == HX_ELOOP ? HX_ENOENT : error;
    }
    mutex_lock(&all_mutex);
    mutex_lock(&set->mutex);
    found = find_locked(set, member, descriptor);
    if (found != NULL) {
        dispose_locked(found);
    }
    mutex_unlock(&set->mutex);
    mutex_unlock(&all_mutex);
    return found != NULL ? HX_OK : HX_ENOENT;
}

void event_sets_forget(struct file *file)
{
    mutex_lock(&all_mutex);
    for (struct list *link = all.next, *next = link->next; link != &all;
         link = next, next = link->next) {
        struct member *member = LIST_ENTRY(link, struct member, all_link);
        struct event_set *set = member->set;

        if (member->file == file) {
            mutex_lock(&set->mutex);
            dispose_locked(member);
            mutex_unlock(&set->mutex);
        }
    }
    mutex_unlock(&all_mutex);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void note_told_locked(struct member *member, uint32_t wakes, struct list *told)
{
    member->was_told = true;
    member->told_wakes = wakes;
    member->is_done = (member->event.events & EVENT_ONCE) != 0;
    list_remove(&member->link);
    list_push_back(told, &member->link);
}

static size_t collect(struct event_set *set, struct event *events, size_t capacity)
{
    struct list told = LIST_INIT(told);
    struct list *link;
    size_t count = 0;

    mutex_lock(&set->mutex);
    for (struct list *at = set->members.next, *next = at->next;
         at != &set->members && count < capacity; at = next, next = at->next) {
        struct member *member = LIST_ENTRY(at, struct member, link);
        uint32_t wakes = 0;
        uint32_t news = news_of(member, NULL, &wakes);

        if (news != 0) {
            events[count++] = (struct event){news & ~SETTINGS, member->event.data};
            note_told_locked(member, wakes, &told);
        }
    }
    while ((link = list_pop_front(&told)) != NULL) {
        list_push_back(&set->members, link);
    }
    mutex_unlock(&set->mutex);
    return count;
}

hx_err event_set_wait(struct file *file, struct event *events, size_t capacity,
                      uint64_t deadline_ns, size_t *count)
{
    struct poll_entry entry = {.file = file, .events = POLL_IN};
    size_t ready = 1;
    hx_err error = HX_OK;

    *count = collect(file->context, events, capacity);
    while (*count == 0 && ready > 0 && error == HX_OK && deadline_ns != 0) {
        error = poll_wait(&entry, 1, deadline_ns, &ready);
        *count = collect(file->context, events, capacity);
    }
    return *count > 0 ? HX_OK : error;
}
