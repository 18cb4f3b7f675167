#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/record_lock.h>

#define CHAIN_MAX 16U /* of owners that wait for one another: a longer one is taken for a ring */

/* Keys: L = lock, I = immutable */
struct record {
    struct list link;        /* L */
    const void *object;      /* I */
    struct record_lock lock; /* L */
};

/* Who waits, and for whom. */
struct pending {
    struct list link;     /* L */
    const void *owner;    /* I */
    const void *obstacle; /* L  the owner that was last in the way */
};

/* A change under way: records to use, and those that were left over. */
struct change {
    const void *object;
    struct record_lock wanted;
    struct record *spare[2];
    struct list unused;
};

/* There are few, so that one list does for all objects. */
static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "record locks");
static struct list held = LIST_INIT(held);
static struct list waiting = LIST_INIT(waiting);
static struct wait_queue changed = WAIT_QUEUE_INIT(changed, "record locks");
_Atomic uint32_t record_locks;

/* What two openings of the same file have in common. */
static const void *object_of(const struct file *file)
{
    if (file->location.vnode != NULL) {
        return file->location.vnode;
    }
    return file->context != NULL ? file->context : file;
}

static struct record *record_of(struct list *link)
{
    return LIST_ENTRY(link, struct record, link);
}

/* --- looking, with the lock held -------------------------------------------------------------- */

static bool do_overlap(const struct record_lock *a, const struct record_lock *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static bool is_in_the_way(const struct record *record, const void *object,
                          const struct record_lock *wanted)
{
    return record->object == object && record->lock.owner != wanted->owner &&
           do_overlap(&record->lock, wanted) &&
           (record->lock.kind == RECORD_LOCK_WRITE || wanted->kind == RECORD_LOCK_WRITE);
}

/* The one that begins first. */
static const struct record_lock *find_obstacle_locked(const void *object,
                                                      const struct record_lock *wanted)
{
    const struct record_lock *first = NULL;

    for (struct list *link = held.next; link != &held; link = link->next) {
        const struct record *record = record_of(link);

        if (is_in_the_way(record, object, wanted) &&
            (first == NULL || record->lock.first < first->first)) {
            first = &record->lock;
        }
    }
    return first;
}

/* For whom an owner waits; NULL: for nobody. */
static const void *obstacle_of_locked(const void *owner)
{
    for (struct list *link = waiting.next; link != &waiting; link = link->next) {
        const struct pending *pending = LIST_ENTRY(link, struct pending, link);

        if (pending->owner == owner) {
            return pending->obstacle;
        }
    }
    return NULL;
}

/* Whether the one in the way waits, by however many others, for the one that would wait. */
static bool closes_ring_locked(const void *owner, const void *obstacle)
{
    for (unsigned i = 0; i < CHAIN_MAX && obstacle != NULL; i++) {
        if (obstacle == owner) {
            return true;
        }
        obstacle = obstacle_of_locked(obstacle);
    }
    return obstacle != NULL;
}

/* --- changing, with the lock held ------------------------------------------------------------- */

static void enter_locked(struct change *change, const struct record_lock *what)
{
    struct record **spare = change->spare[0] != NULL ? &change->spare[0] : &change->spare[1];
    struct record *record = *spare;

    *spare = NULL;
    record->object = change->object;
    record->lock = *what;
    list_push_back(&held, &record->link);
    atomic_fetch_add_explicit(&record_locks, 1, memory_order_relaxed);
}

static void leave_locked(struct change *change, struct record *record)
{
    list_remove(&record->link);
    list_push_back(&change->unused, &record->link);
    atomic_fetch_sub_explicit(&record_locks, 1, memory_order_relaxed);
}

/* One of the owner's makes room for what is wanted. A part before and one behind it may stay. */
static void cut_locked(struct change *change, struct record *record)
{
    const struct record_lock old = record->lock;
    struct record_lock behind = old;

    behind.first = change->wanted.last + 1;
    if (old.first < change->wanted.first) {
        record->lock.last = change->wanted.first - 1;
        if (old.last > change->wanted.last) {
            enter_locked(change, &behind);
        }
    } else if (old.last > change->wanted.last) {
        record->lock = behind;
    } else {
        leave_locked(change, record);
    }
}

/* The same kind of lock before, behind or over the range becomes one with it. */
static bool joins(const struct record_lock *old, const struct record_lock *wanted)
{
    return old->kind == wanted->kind && old->first <= wanted->last + 1 &&
           wanted->first <= old->last + 1;
}

static void absorb_locked(struct change *change, struct record *record)
{
    struct record_lock *wanted = &change->wanted;

    wanted->first = record->lock.first < wanted->first ? record->lock.first : wanted->first;
    wanted->last = record->lock.last > wanted->last ? record->lock.last : wanted->last;
    leave_locked(change, record);
}

static void apply_locked(struct change *change)
{
    struct list *next;

    for (struct list *link = held.next; link != &held; link = next) {
        struct record *record = record_of(link);

        next = link->next;
        if (record->object != change->object || record->lock.owner != change->wanted.owner) {
            continue;
        }
        if (joins(&record->lock, &change->wanted)) {
            absorb_locked(change, record);
        } else if (do_overlap(&record->lock, &change->wanted)) {
            cut_locked(change, record);
        }
    }
    if (change->wanted.kind != RECORD_LOCK_NONE) {
        enter_locked(change, &change->wanted);
    }
}

/* --- trying and waiting ----------------------------------------------------------------------- */

/* pending NULL: nobody will wait.  Errors: HX_EAGAIN, HX_EDEADLOCK. */
static hx_err try_change(struct change *change, struct pending *pending)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    const struct record_lock *obstacle = change->wanted.kind != RECORD_LOCK_NONE
                                             ? find_obstacle_locked(change->object, &change->wanted)
                                             : NULL;
    hx_err error = HX_OK;

    if (obstacle == NULL) {
        apply_locked(change);
    } else if (pending == NULL) {
        error = HX_EAGAIN;
    } else if (obstacle->process >= 0 &&
               closes_ring_locked(change->wanted.owner, obstacle->owner)) {
        error = HX_EDEADLOCK;
    } else {
        pending->obstacle = obstacle->owner;
        error = HX_EAGAIN;
    }
    spinlock_release(&lock, state);
    return error;
}

static void join_waiting(struct pending *pending, bool is_in)
{
    hal_interrupt_state state = spinlock_acquire(&lock);

    if (is_in) {
        list_push_back(&waiting, &pending->link);
    } else {
        list_remove(&pending->link);
    }
    spinlock_release(&lock, state);
}

static hx_err change_waiting(struct change *change)
{
    struct pending pending = {.owner = change->wanted.owner};
    struct waiter waiter;
    hx_err refusal;
    hx_err error = HX_OK;

    wait_queue_prepare(&changed, &waiter);
    join_waiting(&pending, true);
    while ((refusal = try_change(change, &pending)) == HX_EAGAIN && error == HX_OK) {
        error = wait_queue_wait_interruptible(&changed, &waiter, THREAD_NO_DEADLINE);
    }
    join_waiting(&pending, false);
    wait_queue_finish(&changed, &waiter);
    return refusal == HX_EAGAIN ? error : refusal;
}

static void free_unused(struct change *change)
{
    struct list *link;

    while ((link = list_pop_front(&change->unused)) != NULL) {
        heap_free(record_of(link));
    }
    heap_free(change->spare[0]);
    heap_free(change->spare[1]);
}

/* --- the calls -------------------------------------------------------------------------------- */

hx_err record_lock_set(struct file *file, const struct record_lock *wanted, bool waits)
{
    struct change change = {.object = object_of(file), .wanted = *wanted};
    hx_err error = HX_ENOMEM;

    if (wanted->owner == file) {
        atomic_store_explicit(&file->has_lock, true, memory_order_relaxed);
    }
    list_init(&change.unused);
    change.spare[0] = heap_allocate(sizeof(struct record), OWNER_CORE);
    change.spare[1] = heap_allocate(sizeof(struct record), OWNER_CORE);
    if (change.spare[0] != NULL && change.spare[1] != NULL) {
        error = waits ? change_waiting(&change) : try_change(&change, NULL);
    }
    free_unused(&change);
    if (error == HX_OK) {
        wait_queue_wake_all(&changed);
    }
    return error;
}

void record_lock_find(const struct file *file, const struct record_lock *wanted,
                      struct record_lock *found)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    const struct record_lock *obstacle = find_obstacle_locked(object_of(file), wanted);

    *found = obstacle != NULL ? *obstacle : (struct record_lock){.kind = RECORD_LOCK_NONE};
    spinlock_release(&lock, state);
}

void record_lock_drop(const struct file *file, const void *owner)
{
    const struct record_lock all = {RECORD_LOCK_NONE, 0, RECORD_LOCK_END, owner, 0};
    struct change change = {.object = object_of(file), .wanted = all};

    list_init(&change.unused);
    (void)!try_change(&change, NULL); /* nothing is in the way of giving up, and all is covered */
    if (!list_is_empty(&change.unused)) {
        free_unused(&change);
        wait_queue_wake_all(&changed);
    }
}
