#include <base/list.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/vfs/event_set.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/retire.h>

/*
 * A member listens to its file's wait queues. What is heard puts it on the set's list of members
 * that may be ready, and wakes who waits for the set; so a wait looks at those alone. Whether such
 * a member is ready, its file is asked then: one that is not is taken off, one that is told of for
 * as long as it is ready comes back on at once.
 */

/* What a member is always told of, whatever it asked for. */
#define ALWAYS   ((uint32_t)(POLL_ERROR | POLL_HANGUP))
#define SETTINGS ((uint32_t)EVENT_EXCLUSIVE | EVENT_WAKE_UP | EVENT_ONCE | EVENT_EDGE)

/* Keys: I = immutable, S = the set's mutex, A = all_mutex, L = the set's lock */
struct event_set {
    struct mutex mutex;
    struct list members; /* S and A to write, one of them to read  by link */
    struct file *file;   /* I */
    struct spinlock lock;
    struct list ready;         /* L  by ready_link; who was told of last is last */
    struct wait_queue changed; /* woken when a member has come onto that list */
    struct retired retired;
};

/* One of the queues that a member listens to. */
struct ear {
    struct wait_listener listener;
    struct wait_queue *queue;    /* I */
    struct event_member *member; /* I */
    struct ear *next;            /* I  of those from the heap */
};

struct event_member {
    struct list link;                  /* as the list */
    struct list ready_link;            /* L */
    struct event_member *next_of_file; /* A */
    struct event_set *set;             /* I */
    struct file *file;                 /* I  lives: its end waits for S, to take the member out */
    int descriptor;                    /* I */
    bool is_ready;                     /* L  it is on the list */
    bool is_deaf;                      /* L  it is gone, or once was enough */
    struct event event;                /* S */
    uint32_t ear_count;                /* I */
    struct ear ears[POLL_QUEUES_USUAL];
    struct ear *more_ears; /* I  from the heap */
    struct retired retired;
};

/* What sets files are members of. Taken before a set's mutex; a set's before that of one in it. */
static struct mutex all_mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "event sets"),
                                 .waiters = LIST_INIT(all_mutex.waiters)};

/* --- the list of the ready ---------------------------------------------------------------------
 */

static void put_ready_locked(struct event_member *member)
{
    if (!member->is_ready && !member->is_deaf) {
        member->is_ready = true;
        list_push_back(&member->set->ready, &member->ready_link);
    }
}

static void put_ready(struct event_member *member)
{
    hal_interrupt_state state = spinlock_acquire(&member->set->lock);

    put_ready_locked(member);
    spinlock_release(&member->set->lock, state);
}

static void on_wake(struct wait_listener *listener)
{
    struct event_member *member = HX_CONTAINER_OF(listener, struct ear, listener)->member;

    put_ready(member);
    wait_queue_wake_all(&member->set->changed);
}

/*
 * The next one, off the list: what is heard from now on puts it back. A look goes from the first
 * one to what is the last when it begins, with *last NULL.  NULL: the end.
 */
static HX_ALWAYS_INLINE struct event_member *take_next(struct event_set *set,
                                                       struct event_member **last)
{
    struct event_member *member = NULL;
    hal_interrupt_state state = spinlock_acquire(&set->lock);

    if (*last == NULL && !list_is_empty(&set->ready)) {
        *last = LIST_ENTRY(set->ready.prev, struct event_member, ready_link);
    }
    if (*last != NULL) {
        member = LIST_ENTRY(set->ready.next, struct event_member, ready_link);
        list_remove(&member->ready_link);
        member->is_ready = false;
    }
    spinlock_release(&set->lock, state);
    return member;
}

/* Nobody else takes members off, or lets them end: the caller has the set's mutex. */
static uint32_t news_of(const struct event_member *member)
{
    struct poll_table listens = {NULL};

    return member->file->ops->poll(member->file, &listens) & member->event.events;
}

/* --- the file --------------------------------------------------------------------------------- */

static unsigned poll_set(struct file *file, struct poll_table *table)
{
    struct event_set *set = file->context;
    struct event_member *last = NULL;
    struct event_member *member = NULL;
    unsigned ready = 0;

    poll_add(table, &set->changed);
    mutex_lock(&set->mutex);
    while (ready == 0 && (last == NULL || member != last) &&
           (member = take_next(set, &last)) != NULL) {
        ready = news_of(member) != 0 ? POLL_IN : 0;
    }
    if (ready != 0) {
        put_ready(member);
    }
    mutex_unlock(&set->mutex);
    return ready;
}

static void release_set(struct file *file);

static const struct file_ops set_ops = {
    .poll = poll_set,
    .release = release_set,
};

bool event_set_is(const struct file *file)
{
    return file->ops == &set_ops;
}

hx_err event_set_create(owner_tag owner, struct file **file)
{
    struct event_set *set = heap_allocate_zeroed(sizeof(*set), OWNER_CORE);
    hx_err error;

    if (set == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&set->mutex, "event set");
    list_init(&set->members);
    spinlock_init(&set->lock, LOCK_RANK_EVENT_SET, "event set ready");
    list_init(&set->ready);
    wait_queue_init(&set->changed, "event set changed");
    error = file_create(&set_ops, FILE_READ_WRITE, set, owner, file);
    if (error != HX_OK) {
        heap_free(set);
        return error;
    }
    set->file = *file;
    return HX_OK;
}

/* --- members ---------------------------------------------------------------------------------- */

static struct event_member *first_of(struct file *file)
{
    return atomic_load_explicit(&file->members, memory_order_relaxed);
}

static struct event_member *find_locked(const struct event_set *set, struct file *file,
                                        int descriptor)
{
    struct event_member *member = first_of(file);

    while (member != NULL && (member->set != set || member->descriptor != descriptor)) {
        member = member->next_of_file;
    }
    return member;
}

static void leave_file_locked(struct event_member *member)
{
    struct event_member *before = first_of(member->file);

    if (before == member) {
        atomic_store_explicit(&member->file->members, member->next_of_file, memory_order_relaxed);
        return;
    }
    while (before->next_of_file != member) {
        before = before->next_of_file;
    }
    before->next_of_file = member->next_of_file;
}

static struct ear *make_ear(struct event_member *member)
{
    struct ear *ear;

    if (member->ear_count < POLL_QUEUES_USUAL) {
        return &member->ears[member->ear_count++];
    }
    ear = heap_allocate_zeroed(sizeof(*ear), OWNER_CORE);
    if (ear != NULL) {
        ear->next = member->more_ears;
        member->more_ears = ear;
    }
    return ear;
}

/* A member that begins to listen. */
struct hearing {
    struct poll_table table;
    struct event_member *member;
    bool is_out_of_memory;
};

static void listen_to(struct poll_table *table, struct wait_queue *queue)
{
    struct hearing *hearing = HX_CONTAINER_OF(table, struct hearing, table);
    struct event_member *member = hearing->member;
    struct ear *ear = make_ear(member);

    if (ear == NULL) {
        hearing->is_out_of_memory = true;
        return;
    }
    ear->listener.heard = on_wake;
    ear->queue = queue;
    ear->member = member;
    wait_queue_listen(queue, &ear->listener);
}

HX_MUST_USE static hx_err listen_to_all(struct event_member *member)
{
    struct hearing hearing = {.table.add = listen_to, .member = member};

    (void)file_poll(member->file, &hearing.table);
    return hearing.is_out_of_memory ? HX_ENOMEM : HX_OK;
}

static void stop_listening(struct event_member *member)
{
    for (uint32_t i = 0; i < member->ear_count; i++) {
        wait_queue_stop_listening(member->ears[i].queue, &member->ears[i].listener);
    }
    for (struct ear *ear = member->more_ears; ear != NULL; ear = ear->next) {
        wait_queue_stop_listening(ear->queue, &ear->listener);
    }
}

/* It is taken out everywhere, and to be retired. Both mutexes are held. */
static void dispose_locked(struct event_member *member)
{
    hal_interrupt_state state;

    stop_listening(member);
    state = spinlock_acquire(&member->set->lock);
    member->is_deaf = true;
    list_remove(&member->ready_link);
    spinlock_release(&member->set->lock, state);
    list_remove(&member->link);
    leave_file_locked(member);
}

static void free_member(struct retired *retired)
{
    struct event_member *member = HX_CONTAINER_OF(retired, struct event_member, retired);

    while (member->more_ears != NULL) {
        struct ear *ear = member->more_ears;

        member->more_ears = ear->next;
        heap_free(ear);
    }
    heap_free(member);
}

static void dispose(struct event_member *member)
{
    mutex_lock(&member->set->mutex);
    dispose_locked(member);
    mutex_unlock(&member->set->mutex);
    retire(&member->retired, free_member);
}

/* Without a lock: nobody else knows the file any more, and so nobody adds to its members. */
void event_sets_forget(struct file *file)
{
    mutex_lock(&all_mutex);
    while (first_of(file) != NULL) {
        dispose(first_of(file));
    }
    mutex_unlock(&all_mutex);
}

static void free_set(struct retired *retired)
{
    heap_free(HX_CONTAINER_OF(retired, struct event_set, retired));
}

static void release_set(struct file *file)
{
    struct event_set *set = file->context;

    mutex_lock(&all_mutex);
    while (!list_is_empty(&set->members)) {
        dispose(LIST_ENTRY(set->members.next, struct event_member, link));
    }
    mutex_unlock(&all_mutex);
    retire(&set->retired, free_set);
}

/* --- sets in sets ----------------------------------------------------------------------------- */

/* The longest way down from a set to sets in it; more than EVENT_SET_NESTS: it leads to a set that
 * must not be there. */
static unsigned depth_below(const struct file *file, const struct event_set *unwanted)
{
    const struct event_set *set = file->context;
    unsigned depth = 0;

    if (set == unwanted) {
        return EVENT_SET_NESTS + 1;
    }
    LIST_FOR_EACH (link, &set->members) {
        const struct event_member *member = LIST_ENTRY(link, struct event_member, link);

        if (event_set_is(member->file)) {
            unsigned below = 1 + depth_below(member->file, unwanted);

            depth = below > depth ? below : depth;
        }
    }
    return depth;
}

/* The longest way up, from a set to those that it is in. */
static unsigned depth_above(struct file *file)
{
    unsigned depth = 0;

    for (const struct event_member *member = first_of(file); member != NULL;
         member = member->next_of_file) {
        unsigned above = 1 + depth_above(member->set->file);

        depth = above > depth ? above : depth;
    }
    return depth;
}

static hx_err check_nesting_locked(const struct event_set *set, const struct file *member)
{
    if (!event_set_is(member)) {
        return HX_OK;
    }
    return depth_below(member, set) + 1 + depth_above(set->file) > EVENT_SET_NESTS ? HX_ELOOP
                                                                                   : HX_OK;
}

/* --- changes ---------------------------------------------------------------------------------- */

static hx_err check_member(const struct file *set, const struct file *member)
{
    if (member->ops->poll == NULL) {
        return HX_EPERM;
    }
    return member == set ? HX_EINVAL : HX_OK;
}

static void set_wish_locked(struct event_member *member, const struct event *event)
{
    hal_interrupt_state state = spinlock_acquire(&member->set->lock);

    member->event = *event;
    member->event.events |= ALWAYS;
    member->is_deaf = false;
    spinlock_release(&member->set->lock, state);
    /* Whoever waits looks at it once. */
    put_ready(member);
}

static hx_err add_locked(struct event_set *set, struct file *file, int descriptor,
                         const struct event *event)
{
    struct event_member *member = heap_allocate_zeroed(sizeof(*member), OWNER_CORE);

    if (member == NULL) {
        return HX_ENOMEM;
    }
    member->set = set;
    member->file = file;
    member->descriptor = descriptor;
    list_init(&member->ready_link);
    member->next_of_file = first_of(file);
    atomic_store_explicit(&file->members, member, memory_order_relaxed);
    list_push_back(&set->members, &member->link);
    if (listen_to_all(member) == HX_OK) {
        set_wish_locked(member, event);
        return HX_OK;
    }
    dispose_locked(member);
    retire(&member->retired, free_member);
    return HX_ENOMEM;
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
    error = check_nesting_locked(set, member);
    if (error == HX_OK && find_locked(set, member, descriptor) != NULL) {
        error = HX_EEXIST;
    }
    if (error == HX_OK) {
        mutex_lock(&set->mutex);
        error = add_locked(set, member, descriptor, event);
        mutex_unlock(&set->mutex);
    }
    mutex_unlock(&all_mutex);
    wait_queue_wake_all(&set->changed);
    return error;
}

hx_err event_set_change(struct file *file, struct file *member, int descriptor,
                        const struct event *event)
{
    struct event_set *set = file->context;
    struct event_member *found;
    hx_err error = check_member(file, member);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&all_mutex);
    found = find_locked(set, member, descriptor);
    if (found == NULL) {
        error = HX_ENOENT;
    } else if ((found->event.events & EVENT_EXCLUSIVE) != 0) {
        error = HX_EINVAL;
    } else {
        mutex_lock(&set->mutex);
        set_wish_locked(found, event);
        mutex_unlock(&set->mutex);
    }
    mutex_unlock(&all_mutex);
    wait_queue_wake_all(&set->changed);
    return error;
}

hx_err event_set_remove(struct file *file, struct file *member, int descriptor)
{
    struct event_member *found;
    hx_err error = check_member(file, member);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&all_mutex);
    found = find_locked(file->context, member, descriptor);
    if (found != NULL) {
        dispose(found);
    }
    mutex_unlock(&all_mutex);
    return found != NULL ? HX_OK : HX_ENOENT;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* It was told of: it comes back on the list at once, or when it is heard, or not before a change.
 */
static void note_told_locked(struct event_member *member)
{
    hal_interrupt_state state;

    if ((member->event.events & EVENT_EDGE) != 0 && (member->event.events & EVENT_ONCE) == 0) {
        return;
    }
    state = spinlock_acquire(&member->set->lock);
    if ((member->event.events & EVENT_ONCE) == 0) {
        put_ready_locked(member);
    } else {
        member->is_deaf = true;
        member->is_ready = false;
        list_remove(&member->ready_link);
    }
    spinlock_release(&member->set->lock, state);
}

static HX_ALWAYS_INLINE size_t collect(struct event_set *set, struct event *events, size_t capacity)
{
    struct event_member *last = NULL;
    struct event_member *member;
    size_t count = 0;

    mutex_lock_inline(&set->mutex);
    while ((member = take_next(set, &last)) != NULL) {
        uint32_t news = news_of(member);

        if (news != 0) {
            events[count++] = (struct event){news & ~SETTINGS, member->event.data};
            note_told_locked(member);
        }
        if (member == last || count == capacity) {
            break;
        }
    }
    mutex_unlock_inline(&set->mutex);
    return count;
}

static HX_NOINLINE size_t wait_and_collect(struct event_set *set, struct event *events,
                                           size_t capacity, uint64_t deadline_ns, hx_err *error)
{
    struct waiter waiter;
    size_t count;

    *error = HX_OK;
    wait_queue_prepare(&set->changed, &waiter);
    while ((count = collect(set, events, capacity)) == 0 && *error == HX_OK) {
        *error = wait_queue_wait_interruptible(&set->changed, &waiter, deadline_ns);
    }
    wait_queue_finish(&set->changed, &waiter);
    return count;
}

hx_err event_set_wait(struct file *file, struct event *events, size_t capacity,
                      uint64_t deadline_ns, size_t *count)
{
    hx_err error = HX_OK;

    *count = collect(file->context, events, capacity);
    if (*count == 0 && deadline_ns != 0) {
        *count = wait_and_collect(file->context, events, capacity, deadline_ns, &error);
    }
    return *count > 0 || error == HX_ETIMEDOUT ? HX_OK : error;
}
