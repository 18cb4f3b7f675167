#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/file_lock.h>

/* Keys: I = immutable, L = lock */
struct file_lock {
    struct list link;         /* L  in held */
    const struct file *file;  /* I  whose it is */
    const void *object;       /* I  what is locked */
    enum file_lock_kind kind; /* I */
};

/* All that are held. There are few, so that one list does for all files. */
static struct spinlock lock = SPINLOCK_INIT(LOCK_RANK_CORE, "file locks");
static struct list held = LIST_INIT(held);
static struct wait_queue released = WAIT_QUEUE_INIT(released, "file locks");

/* What two openings of the same file have in common. */
static const void *object_of(const struct file *file)
{
    if (file->location.vnode != NULL) {
        return file->location.vnode;
    }
    return file->context != NULL ? file->context : file;
}

/* --- with the lock held ----------------------------------------------------------------------- */

static bool do_conflict(const struct file_lock *wanted, const struct file_lock *other)
{
    return other->object == wanted->object && other->file != wanted->file &&
           (wanted->kind == FILE_LOCK_EXCLUSIVE || other->kind == FILE_LOCK_EXCLUSIVE);
}

static bool is_refused_locked(const struct file_lock *wanted)
{
    bool is_refused = false;

    for (const struct list *node = held.next; node != &held && !is_refused; node = node->next) {
        is_refused = do_conflict(wanted, LIST_ENTRY(node, struct file_lock, link));
    }
    return is_refused;
}

static struct file_lock *find_locked(const struct file *file)
{
    for (struct list *node = held.next; node != &held; node = node->next) {
        struct file_lock *found = LIST_ENTRY(node, struct file_lock, link);

        if (found->file == file) {
            return found;
        }
    }
    return NULL;
}

static void drop_locked(struct file_lock *present)
{
    list_remove(&present->link);
}

static void take_locked(struct file *file, struct file_lock *wanted)
{
    list_push_back(&held, &wanted->link);
    /* relaxed: who releases the file is the last to have it */
    atomic_store_explicit(&file->has_lock, true, memory_order_relaxed);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* NULL is allowed. */
static void dispose(struct file_lock *dropped)
{
    if (dropped != NULL) {
        heap_free(dropped);
        wait_queue_wake_all(&released);
    }
}

/* Errors: HX_EEXIST the file has such a lock already; HX_EAGAIN others are in the way. */
static hx_err try_take(struct file *file, struct file_lock *wanted)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    struct file_lock *present = find_locked(file);
    hx_err error = HX_OK;

    if (present != NULL && present->kind == wanted->kind) {
        error = HX_EEXIST;
        present = NULL; /* it stays */
    } else if (present != NULL) {
        drop_locked(present);
    }
    if (error == HX_OK && is_refused_locked(wanted)) {
        error = HX_EAGAIN;
    }
    if (error == HX_OK) {
        take_locked(file, wanted);
    }
    spinlock_release(&lock, state);
    dispose(present);
    return error;
}

static hx_err take(struct file *file, struct file_lock *wanted)
{
    struct waiter waiter;
    hx_err refusal;
    hx_err error = HX_OK;

    wait_queue_prepare(&released, &waiter);
    while ((refusal = try_take(file, wanted)) == HX_EAGAIN && error == HX_OK) {
        error = wait_queue_wait_interruptible(&released, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&released, &waiter);
    return refusal == HX_EAGAIN ? error : refusal;
}

/* --- the calls -------------------------------------------------------------------------------- */

hx_err file_lock(struct file *file, enum file_lock_kind kind, bool waits)
{
    struct file_lock *wanted = heap_allocate(sizeof(*wanted), OWNER_CORE);
    hx_err error;

    if (wanted == NULL) {
        return HX_ENOMEM;
    }
    *wanted = (struct file_lock){.file = file, .object = object_of(file), .kind = kind};
    error = waits ? take(file, wanted) : try_take(file, wanted);
    if (error != HX_OK) {
        heap_free(wanted);
    }
    return error == HX_EEXIST ? HX_OK : error;
}

void file_unlock(struct file *file)
{
    hal_interrupt_state state = spinlock_acquire(&lock);
    struct file_lock *present = find_locked(file);

    if (present != NULL) {
        drop_locked(present);
    }
    spinlock_release(&lock, state);
    dispose(present);
}
