#include <base/list.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <subsys/socket/flight.h>
#include <subsys/socket/socket_private.h>

static struct mutex flight_mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "flight"),
                                    .waiters = LIST_INIT(flight_mutex.waiters)};
/* Unix sockets that are under way, by flight_link. flight_mutex. */
static struct list flying = LIST_INIT(flying);

/* --- files of a message ----------------------------------------------------------------------- */

struct passed_files *passed_files_create(uint32_t capacity, owner_tag owner)
{
    struct passed_files *files =
        heap_allocate(sizeof(*files) + capacity * sizeof(struct file *), OWNER_CORE);

    if (files != NULL) {
        *files = (struct passed_files){.charge = RESOURCE_HANDLE_NONE, .owner = owner};
    }
    return files;
}

struct passed_files *passed_files_copy(const struct passed_files *from)
{
    struct passed_files *copy = passed_files_create(from->count, from->owner);

    for (uint32_t i = 0; copy != NULL && i < from->count; i++) {
        copy->files[copy->count++] = file_get(from->files[i]);
    }
    return copy;
}

static void put_files(struct passed_files *files)
{
    for (uint32_t i = 0; i < files->count; i++) {
        file_put(files->files[i]);
    }
    heap_free(files);
}

/* A thread that gives files back, and what it has yet to give back. */
struct giver {
    struct list link;
    const struct thread *thread;
    struct passed_files *left;
};

static struct spinlock givers_lock = SPINLOCK_INIT(LOCK_RANK_CORE, "givers of files");
static struct list givers = LIST_INIT(givers); /* givers_lock */

static struct giver *find_giver_locked(const struct thread *thread)
{
    LIST_FOR_EACH (link, &givers) {
        struct giver *giver = LIST_ENTRY(link, struct giver, link);

        if (giver->thread == thread) {
            return giver;
        }
    }
    return NULL;
}

/* Leave files to the outer call of this thread; without one, become it. */
static bool leave_to_outer(struct passed_files *files, struct giver *self)
{
    hal_interrupt_state state = spinlock_acquire(&givers_lock);
    struct giver *outer = find_giver_locked(self->thread);

    if (outer != NULL) {
        files->next = outer->left;
        outer->left = files;
    } else {
        list_push_back(&givers, &self->link);
    }
    spinlock_release(&givers_lock, state);
    return outer != NULL;
}

static void end_giving(struct giver *self)
{
    hal_interrupt_state state = spinlock_acquire(&givers_lock);

    list_remove(&self->link);
    spinlock_release(&givers_lock, state);
}

void passed_files_free(struct passed_files *files)
{
    struct giver self = {.thread = thread_current()};

    if (files == NULL) {
        return;
    }
    if (leave_to_outer(files, &self)) {
        return;
    }
    put_files(files);
    while (self.left != NULL) { /* nobody but this thread adds to it */
        struct passed_files *next = self.left;

        self.left = next->next;
        put_files(next);
    }
    end_giving(&self);
}

/* --- under way -------------------------------------------------------------------------------- */

void flight_lock(void)
{
    mutex_lock(&flight_mutex);
}

void flight_unlock(void)
{
    mutex_unlock(&flight_mutex);
}

static struct socket *unix_socket_of(const struct file *file)
{
    struct socket *socket = socket_of(file);

    return socket != NULL && socket_is_unix(socket) ? socket : NULL;
}

static void count_locked(const struct passed_files *files, bool is_begin)
{
    for (uint32_t i = 0; i < files->count; i++) {
        struct socket *socket = unix_socket_of(files->files[i]);

        if (socket == NULL) {
            continue;
        }
        if (is_begin && socket->in_flight++ == 0) {
            list_push_back(&flying, &socket->flight_link);
        }
        if (!is_begin && --socket->in_flight == 0) {
            list_remove(&socket->flight_link);
        }
    }
}

hx_err flight_begin(struct passed_files *files)
{
    if (files == NULL) {
        return HX_OK;
    }
    if (resource_allocate(files->owner, RESOURCE_FILE_HANDLES, files->count, &files->charge) !=
        HX_OK) {
        return HX_ETOOMANYREFS;
    }
    mutex_lock(&flight_mutex);
    count_locked(files, true);
    mutex_unlock(&flight_mutex);
    return HX_OK;
}

void flight_end_locked(struct passed_files *files)
{
    if (files == NULL) {
        return;
    }
    count_locked(files, false);
    /* Its owner may have ended meanwhile: then nothing is charged any more. */
    (void)!resource_release(files->charge, files->owner);
    files->charge = RESOURCE_HANDLE_NONE;
}

/* --- the collector ---------------------------------------------------------------------------- */

typedef void (*flight_visit)(struct socket *socket, struct list *reached);

static void visit_inbox_locked(struct inbox *inbox, flight_visit callback, struct list *reached)
{
    mutex_lock(&inbox->mutex);
    LIST_FOR_EACH (link, &inbox->items) {
        const struct passed_files *files = LIST_ENTRY(link, struct inbox_item, link)->files;

        for (uint32_t i = 0; files != NULL && i < files->count; i++) {
            struct socket *socket = unix_socket_of(files->files[i]);

            if (socket != NULL && socket->is_candidate) {
                callback(socket, reached);
            }
        }
    }
    mutex_unlock(&inbox->mutex);
}

/* What would come out of a socket: of its own inbox, and of connections not accepted yet. */
static void visit_queued(struct socket *socket, flight_visit callback, struct list *reached)
{
    visit_inbox_locked(&socket->inbox, callback, reached);
    mutex_lock(&socket->inbox.mutex);
    LIST_FOR_EACH (link, &socket->pending) {
        visit_inbox_locked(&LIST_ENTRY(link, struct socket, pending_link)->inbox, callback,
                           reached);
    }
    mutex_unlock(&socket->inbox.mutex);
}

static void see(struct socket *socket, struct list *reached)
{
    (void)reached;
    socket->unseen--;
}

static void reach(struct socket *socket, struct list *reached)
{
    socket->is_candidate = false;
    list_push_back(reached, &socket->reach_link);
}

/* Nobody has it but the queues it lies in. Nobody can get it either, but out of a queue. */
static bool is_only_queued(const struct socket *socket)
{
    return atomic_load_explicit(&socket->file->references, memory_order_acquire) ==
           socket->in_flight;
}

/* Leave as candidates those that no path leads to from a socket that somebody has. */
static void find_garbage_locked(void)
{
    struct list reached = LIST_INIT(reached);
    struct list *link;

    LIST_FOR_EACH (at, &flying) {
        struct socket *socket = LIST_ENTRY(at, struct socket, flight_link);

        socket->is_candidate = is_only_queued(socket);
        socket->unseen = socket->in_flight;
    }
    LIST_FOR_EACH (at, &flying) {
        struct socket *socket = LIST_ENTRY(at, struct socket, flight_link);

        if (socket->is_candidate) {
            visit_queued(socket, see, &reached);
        }
    }
    LIST_FOR_EACH (at, &flying) {
        struct socket *socket = LIST_ENTRY(at, struct socket, flight_link);

        if (socket->is_candidate && socket->unseen > 0) {
            reach(socket, &reached);
        }
    }
    while ((link = list_pop_front(&reached)) != NULL) {
        visit_queued(LIST_ENTRY(link, struct socket, reach_link), reach, &reached);
    }
}

/* Take the files out of an inbox; they are chained before `taken`. */
static void take_files_locked(struct inbox *inbox, struct passed_files **taken)
{
    mutex_lock(&inbox->mutex);
    LIST_FOR_EACH (link, &inbox->items) {
        struct inbox_item *item = LIST_ENTRY(link, struct inbox_item, link);

        if (item->files != NULL) {
            flight_end_locked(item->files);
            item->files->next = *taken;
            *taken = item->files;
            item->files = NULL;
        }
    }
    mutex_unlock(&inbox->mutex);
}

static void take_all_locked(struct socket *socket, struct passed_files **taken)
{
    take_files_locked(&socket->inbox, taken);
    mutex_lock(&socket->inbox.mutex);
    LIST_FOR_EACH (link, &socket->pending) {
        take_files_locked(&LIST_ENTRY(link, struct socket, pending_link)->inbox, taken);
    }
    mutex_unlock(&socket->inbox.mutex);
}

/* Candidates leave the list of those under way as their files are taken out. */
static struct passed_files *take_garbage_locked(void)
{
    struct list garbage = LIST_INIT(garbage);
    struct passed_files *taken = NULL;
    struct list *link;

    LIST_FOR_EACH (at, &flying) {
        struct socket *socket = LIST_ENTRY(at, struct socket, flight_link);

        if (socket->is_candidate) {
            list_push_back(&garbage, &socket->reach_link);
        }
    }
    while ((link = list_pop_front(&garbage)) != NULL) {
        take_all_locked(LIST_ENTRY(link, struct socket, reach_link), &taken);
    }
    return taken;
}

void flight_collect(void)
{
    struct passed_files *taken = NULL;

    mutex_lock(&flight_mutex);
    if (!list_is_empty(&flying)) {
        find_garbage_locked();
        taken = take_garbage_locked();
    }
    mutex_unlock(&flight_mutex);
    while (taken != NULL) {
        struct passed_files *next = taken->next;

        passed_files_free(taken);
        taken = next;
    }
}
