#include <base/list.h>
#include <base/memory.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/wait_queue.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/watch.h>

#define FIONREAD    0x541bU
#define NAME_ALIGN  16U
#define HEADER_SIZE 16U

/* One mutex for all: watches are few, and what is told is little. */
static struct mutex watch_mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "watches"),
                                   .waiters = LIST_INIT(watch_mutex.waiters)};
static struct list all = LIST_INIT(all); /* struct watch, by link */
static uint32_t last_cookie;
_Atomic uint32_t watch_count;

/* All under watch_mutex. */
struct watcher {
    struct list watches; /* by own */
    struct list events;  /* struct told, oldest first */
    uint32_t event_count;
    uint32_t bytes; /* that reading all events gives */
    int32_t last_number;
    struct wait_queue readable;
};

struct watch {
    struct list link;
    struct list own;
    struct watcher *watcher;
    struct location location;
    int32_t number;
    uint32_t mask; /* events, and WATCH_ONCE */
};

/* An event as it is read: Linux's struct inotify_event, then the name, padded. */
struct told {
    struct list link;
    uint32_t size;
    struct {
        int32_t number;
        uint32_t mask;
        uint32_t cookie;
        uint32_t length;
        char name[];
    } event;
};

/* --- events ------------------------------------------------------------------------------------
 */

static struct told *make_told(int32_t number, uint32_t mask, uint32_t cookie, const char *name,
                              size_t length)
{
    uint32_t padded = length > 0 ? ((uint32_t)length + NAME_ALIGN) / NAME_ALIGN * NAME_ALIGN : 0;
    struct told *told = heap_allocate_zeroed(sizeof(*told) + padded, OWNER_CORE);

    if (told != NULL) {
        told->size = HEADER_SIZE + padded;
        told->event.number = number;
        told->event.mask = mask;
        told->event.cookie = cookie;
        told->event.length = padded;
        if (length > 0) {
            memcpy(told->event.name, name, length);
        }
    }
    return told;
}

/* The same once more, with nothing in between, is told of once. */
static bool repeats_last(const struct watcher *watcher, const struct told *told)
{
    const struct told *last;

    if (list_is_empty(&watcher->events)) {
        return false;
    }
    last = LIST_ENTRY(watcher->events.prev, const struct told, link);
    return last->size == told->size && memcmp(&last->event, &told->event, told->size) == 0;
}

static void append(struct watcher *watcher, struct told *told)
{
    list_push_back(&watcher->events, &told->link);
    watcher->event_count++;
    watcher->bytes += told->size;
    wait_queue_wake_all(&watcher->readable);
}

static void queue(struct watcher *watcher, int32_t number, uint32_t mask, uint32_t cookie,
                  const char *name, size_t length)
{
    bool is_lost = watcher->event_count >= WATCH_EVENTS_MAX;
    struct told *told = is_lost ? make_told(-1, WATCH_OVERFLOW, 0, NULL, 0)
                                : make_told(number, mask, cookie, name, length);

    if (told == NULL) {
        return; /* without memory it is lost */
    }
    if (repeats_last(watcher, told)) {
        heap_free(told);
    } else {
        append(watcher, told);
    }
}

/* --- watches -----------------------------------------------------------------------------------
 */

static void end_watch_locked(struct watch *watch, struct list *ended)
{
    queue(watch->watcher, watch->number, WATCH_IGNORED, 0, NULL, 0);
    list_remove(&watch->own);
    list_remove(&watch->link);
    list_push_back(ended, &watch->link);
    atomic_fetch_sub_explicit(&watch_count, 1, memory_order_relaxed);
}

/* Giving a place up may free a lot: without the mutex. */
static void dispose(struct list *ended)
{
    struct list *link;

    while ((link = list_pop_front(ended)) != NULL) {
        struct watch *watch = LIST_ENTRY(link, struct watch, link);

        location_put(&watch->location);
        heap_free(watch);
    }
}

static void tell_locked(struct watch *watch, uint32_t event, uint32_t cookie, const char *name,
                        size_t length, bool is_directory, struct list *ended)
{
    if ((watch->mask & event) == 0) {
        return;
    }
    queue(watch->watcher, watch->number, event | (is_directory ? (uint32_t)WATCH_IS_DIRECTORY : 0U),
          cookie, name, length);
    if ((watch->mask & WATCH_ONCE) != 0) {
        end_watch_locked(watch, ended);
    }
}

/* To all watches of one object. */
static void tell_watches_locked(const struct vnode *vnode, uint32_t event, uint32_t cookie,
                                const char *name, size_t length, bool is_directory,
                                struct list *ended)
{
    for (struct list *link = all.next, *next = link->next; link != &all;
         link = next, next = link->next) {
        struct watch *watch = LIST_ENTRY(link, struct watch, link);

        if (watch->location.vnode == vnode) {
            tell_locked(watch, event, cookie, name, length, is_directory, ended);
        }
    }
}

/* --- telling -----------------------------------------------------------------------------------
 */

void watch_tell_name(struct vnode *directory, uint32_t event, uint32_t cookie, const char *name,
                     size_t length, bool is_directory)
{
    struct list ended = LIST_INIT(ended);

    mutex_lock(&watch_mutex);
    tell_watches_locked(directory, event, cookie, name, length, is_directory, &ended);
    mutex_unlock(&watch_mutex);
    dispose(&ended);
}

void watch_tell_self(struct vnode *vnode, uint32_t event)
{
    /* Linux does not say of these that they are a directory's. */
    bool is_directory =
        vnode->type == VNODE_DIRECTORY && (event & (WATCH_DELETE_SELF | WATCH_MOVE_SELF)) == 0;

    watch_tell_name(vnode, event, 0, NULL, 0, is_directory);
}

/* A directory's entries that are one object. */
struct name_search {
    const struct vnode *vnode;
    struct vnode *directory;
    uint32_t event;
    struct list ended;
};

static bool tell_if_named(const struct directory_entry *entry, void *argument)
{
    struct name_search *search = argument;

    if (entry->number == search->vnode->number && entry->type == search->vnode->type) {
        tell_watches_locked(search->directory, search->event, 0, entry->name, entry->length,
                            entry->type == VNODE_DIRECTORY, &search->ended);
    }
    return true;
}

/* A watched directory that may have the object, with a reference; *place goes on from there. */
static struct vnode *next_directory(const struct vnode *vnode, uint32_t event, size_t *place)
{
    struct vnode *found = NULL;
    size_t at = 0;

    mutex_lock(&watch_mutex);
    LIST_FOR_EACH (link, &all) {
        const struct watch *watch = LIST_ENTRY(link, const struct watch, link);
        struct vnode *directory = watch->location.vnode;

        if (at++ >= *place && found == NULL && directory->type == VNODE_DIRECTORY &&
            directory->file_system == vnode->file_system && directory != vnode &&
            (watch->mask & event) != 0) {
            found = vnode_get(directory);
            *place = at;
        }
    }
    mutex_unlock(&watch_mutex);
    return found;
}

static void tell_in_directory(struct vnode *directory, const struct vnode *vnode, uint32_t event)
{
    struct name_search search = {.vnode = vnode, .directory = directory, .event = event};

    list_init(&search.ended);
    mutex_lock(&directory->mutex);
    mutex_lock(&watch_mutex);
    if (directory->ops->read_directory != NULL) {
        (void)!directory->ops->read_directory(directory, 2, tell_if_named, &search);
    }
    mutex_unlock(&watch_mutex);
    mutex_unlock(&directory->mutex);
    dispose(&search.ended);
}

void watch_tell(struct vnode *vnode, uint32_t event)
{
    struct vnode *directory;
    const struct vnode *last = NULL;
    size_t place = 0;

    while ((directory = next_directory(vnode, event, &place)) != NULL) {
        if (directory != last) { /* several watches of one are next to each other */
            tell_in_directory(directory, vnode, event);
        }
        last = directory;
        vnode_put(directory);
    }
    watch_tell_self(vnode, event);
}

uint32_t watch_new_cookie(void)
{
    uint32_t cookie;

    mutex_lock(&watch_mutex);
    cookie = ++last_cookie;
    mutex_unlock(&watch_mutex);
    return cookie;
}

void watch_tell_file(const struct file *file, uint32_t event)
{
    uint32_t flags = atomic_load_explicit(&file->flags, memory_order_relaxed);

    if (file->location.vnode != NULL && (flags & FILE_PATH) == 0) {
        watch_tell(file->location.vnode, event);
    }
}

/* How many watches keep it. */
static uint32_t watches_of_locked(const struct vnode *vnode)
{
    uint32_t count = 0;

    LIST_FOR_EACH (link, &all) {
        count += LIST_ENTRY(link, const struct watch, link)->location.vnode == vnode ? 1U : 0U;
    }
    return count;
}

static bool is_gone_locked(const struct vnode *vnode)
{
    return atomic_load_explicit(&vnode->links, memory_order_relaxed) == 0 &&
           /* acquire: who has given the last other reference up is done with it */
           atomic_load_explicit(&vnode->references, memory_order_acquire) ==
               watches_of_locked(vnode);
}

/* All watches of one that is gone end at once: the next look would count fewer. */
static bool end_gone_locked(struct list *ended)
{
    const struct vnode *gone = NULL;

    LIST_FOR_EACH (link, &all) {
        const struct vnode *vnode = LIST_ENTRY(link, const struct watch, link)->location.vnode;

        gone = gone == NULL && is_gone_locked(vnode) ? vnode : gone;
    }
    for (struct list *link = all.next, *next = link->next; gone != NULL && link != &all;
         link = next, next = link->next) {
        struct watch *watch = LIST_ENTRY(link, struct watch, link);

        if (watch->location.vnode == gone) {
            watch->mask &= ~(uint32_t)WATCH_ONCE; /* it ends in any case */
            tell_locked(watch, WATCH_DELETE_SELF, 0, NULL, 0, false, ended);
            end_watch_locked(watch, ended);
        }
    }
    return gone != NULL;
}

void watch_tell_gone(void)
{
    struct list ended = LIST_INIT(ended);

    mutex_lock(&watch_mutex);
    while (end_gone_locked(&ended)) {
    }
    mutex_unlock(&watch_mutex);
    dispose(&ended);
}

/* --- changing ----------------------------------------------------------------------------------
 */

static struct watch *find_locked(const struct watcher *watcher, const struct vnode *vnode)
{
    LIST_FOR_EACH (link, &watcher->watches) {
        struct watch *watch = LIST_ENTRY(link, struct watch, own);

        if (watch->location.vnode == vnode) {
            return watch;
        }
    }
    return NULL;
}

static hx_err change_locked(struct watch *watch, uint32_t mask)
{
    const uint32_t kept = WATCH_ALL | WATCH_ONCE;

    if ((mask & WATCH_MUST_BE_NEW) != 0) {
        return HX_EEXIST;
    }
    watch->mask = (mask & kept) | ((mask & WATCH_ADD) != 0 ? watch->mask : 0);
    return HX_OK;
}

static struct watch *make_locked(struct watcher *watcher, const struct location *location,
                                 uint32_t mask)
{
    struct watch *watch = heap_allocate_zeroed(sizeof(*watch), OWNER_CORE);

    if (watch != NULL) {
        watch->watcher = watcher;
        watch->location = *location;
        location_get(&watch->location);
        watch->number = ++watcher->last_number;
        watch->mask = mask & (WATCH_ALL | WATCH_ONCE);
        list_push_back(&all, &watch->link);
        list_push_back(&watcher->watches, &watch->own);
        atomic_fetch_add_explicit(&watch_count, 1, memory_order_relaxed);
    }
    return watch;
}

hx_err watch_add(struct file *file, const struct location *location, uint32_t mask, int32_t *number)
{
    struct watcher *watcher = file->context;
    struct watch *watch;
    hx_err error = HX_OK;

    mutex_lock(&watch_mutex);
    watch = find_locked(watcher, location->vnode);
    if (watch != NULL) {
        error = change_locked(watch, mask);
    } else {
        watch = make_locked(watcher, location, mask);
        error = watch != NULL ? HX_OK : HX_ENOMEM;
    }
    if (error == HX_OK) {
        *number = watch->number;
    }
    mutex_unlock(&watch_mutex);
    return error;
}

hx_err watch_remove(struct file *file, int32_t number)
{
    const struct watcher *watcher = file->context;
    struct list ended = LIST_INIT(ended);
    struct watch *found = NULL;

    mutex_lock(&watch_mutex);
    LIST_FOR_EACH (link, &watcher->watches) {
        struct watch *watch = LIST_ENTRY(link, struct watch, own);

        found = watch->number == number ? watch : found;
    }
    if (found != NULL) {
        end_watch_locked(found, &ended);
    }
    mutex_unlock(&watch_mutex);
    dispose(&ended);
    return found != NULL ? HX_OK : HX_EINVAL;
}

/* --- reading -----------------------------------------------------------------------------------
 */

/* The next event if it fits.  Errors: HX_EAGAIN there is none, HX_EINVAL there is no room for it.
 */
static hx_err take_event(struct watcher *watcher, size_t room, struct told **told)
{
    hx_err error = HX_OK;

    mutex_lock(&watch_mutex);
    if (list_is_empty(&watcher->events)) {
        error = HX_EAGAIN;
    } else if (LIST_ENTRY(watcher->events.next, struct told, link)->size > room) {
        error = HX_EINVAL;
    } else {
        *told = LIST_ENTRY(list_pop_front(&watcher->events), struct told, link);
        watcher->event_count--;
        watcher->bytes -= (*told)->size;
    }
    mutex_unlock(&watch_mutex);
    return error;
}

/* What a step reads, and where to. */
struct reading {
    struct watcher *watcher;
    struct transfer *transfer;
    size_t *done;
};

/* As many as fit. */
static hx_err try_read(void *argument)
{
    const struct reading *reading = argument;
    struct told *told;
    hx_err error;

    while ((error = take_event(reading->watcher, reading->transfer->left, &told)) == HX_OK) {
        size_t moved = 0;

        error = transfer_out(reading->transfer, &told->event, told->size, &moved);
        *reading->done += moved;
        heap_free(told);
        if (error != HX_OK) {
            break;
        }
    }
    return *reading->done > 0 && error != HX_EFAULT ? HX_OK : error;
}

static hx_err read_events(struct file *file, struct transfer *transfer, uint64_t offset,
                          size_t *done)
{
    struct watcher *watcher = file->context;
    struct reading reading = {watcher, transfer, done};

    (void)offset;
    return file_does_not_block(file) ? try_read(&reading)
                                     : wait_queue_step(&watcher->readable, try_read, &reading);
}

static unsigned poll_events(struct file *file, struct poll_table *table)
{
    struct watcher *watcher = file->context;
    unsigned ready;

    poll_add(table, &watcher->readable);
    mutex_lock(&watch_mutex);
    ready = list_is_empty(&watcher->events) ? 0 : POLL_IN;
    mutex_unlock(&watch_mutex);
    return ready;
}

static hx_err control(struct file *file, uint32_t request, uintptr_t argument, int64_t *result)
{
    const struct watcher *watcher = file->context;
    uint32_t bytes;

    *result = 0;
    if (request != FIONREAD) {
        return HX_ENOTTY;
    }
    mutex_lock(&watch_mutex);
    bytes = watcher->bytes;
    mutex_unlock(&watch_mutex);
    return hal_user_copy_out(argument, &bytes, sizeof(bytes));
}

/* --- the file ----------------------------------------------------------------------------------
 */

static void release_watcher(struct file *file)
{
    struct watcher *watcher = file->context;
    struct list ended = LIST_INIT(ended);
    struct list *link;

    mutex_lock(&watch_mutex);
    while (!list_is_empty(&watcher->watches)) {
        end_watch_locked(LIST_ENTRY(watcher->watches.next, struct watch, own), &ended);
    }
    mutex_unlock(&watch_mutex);
    dispose(&ended);
    while ((link = list_pop_front(&watcher->events)) != NULL) {
        heap_free(LIST_ENTRY(link, struct told, link));
    }
    heap_free(watcher);
}

static const struct file_ops watcher_ops = {
    .read = read_events,
    .control = control,
    .poll = poll_events,
    .release = release_watcher,
};

hx_err watch_file_create(uint32_t flags, owner_tag owner, struct file **file)
{
    struct watcher *watcher = heap_allocate_zeroed(sizeof(*watcher), OWNER_CORE);
    hx_err error;

    if (watcher == NULL) {
        return HX_ENOMEM;
    }
    list_init(&watcher->watches);
    list_init(&watcher->events);
    wait_queue_init(&watcher->readable, "watcher");
    error = file_create(&watcher_ops, flags | FILE_READ_ONLY, watcher, owner, file);
    if (error != HX_OK) {
        heap_free(watcher);
    }
    return error;
}

bool watch_file_is(const struct file *file)
{
    return file->ops == &watcher_ops;
}
