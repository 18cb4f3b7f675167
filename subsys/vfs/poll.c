#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/poll.h>

/* So many queues need no memory from the heap. */
#define FEW_QUEUES 16U

struct poll_place {
    struct wait_queue *queue;
    struct waiter waiter;
};

struct poll_extra {
    struct poll_place place;
    struct poll_extra *next;
};

/* The queues that a thread has joined. */
struct joined {
    struct poll_table table;
    struct poll_place few[FEW_QUEUES];
    struct poll_place *places; /* few, or from the heap */
    size_t capacity;
    size_t count;
    struct poll_extra *extras; /* what has found no room there */
    bool is_out_of_memory;
};

static void join(struct poll_place *place, struct wait_queue *queue)
{
    place->queue = queue;
    wait_queue_prepare(queue, &place->waiter);
}

static HX_NOINLINE void add_extra(struct joined *joined, struct wait_queue *queue)
{
    struct poll_extra *extra = heap_allocate(sizeof(*extra), OWNER_CORE);

    if (extra == NULL) {
        joined->is_out_of_memory = true;
        return;
    }
    extra->next = joined->extras;
    joined->extras = extra;
    join(&extra->place, queue);
}

static void add_queue(struct poll_table *table, struct wait_queue *queue)
{
    struct joined *joined = HX_CONTAINER_OF(table, struct joined, table);

    if (HX_LIKELY(joined->count < joined->capacity)) {
        join(&joined->places[joined->count++], queue);
    } else {
        add_extra(joined, queue);
    }
}

static void leave_queues(struct joined *joined)
{
    for (size_t i = 0; i < joined->count; i++) {
        wait_queue_finish(joined->places[i].queue, &joined->places[i].waiter);
    }
    joined->count = 0;
    while (joined->extras != NULL) {
        struct poll_extra *extra = joined->extras;

        joined->extras = extra->next;
        wait_queue_finish(extra->place.queue, &extra->place.waiter);
        heap_free(extra);
    }
}

static size_t ask(struct poll_entry *entries, size_t entry_count, struct poll_table *table)
{
    size_t ready = 0;

    for (size_t i = 0; i < entry_count; i++) {
        struct poll_entry *entry = &entries[i];

        if (entry->file != NULL) {
            /* Who has found something does not wait any more. */
            entry->ready = file_poll(entry->file, ready == 0 ? table : NULL) &
                           (entry->events | POLL_ERROR | POLL_HANGUP);
        }
        ready += entry->ready != 0 ? 1U : 0U;
    }
    return ready;
}

static hx_err make_room(struct joined *joined, size_t entry_count)
{
    size_t wanted = POLL_QUEUES_USUAL * entry_count;

    joined->table.add = add_queue;
    joined->count = 0;
    joined->extras = NULL;
    joined->is_out_of_memory = false;
    joined->places = joined->few;
    joined->capacity = FEW_QUEUES;
    if (wanted <= FEW_QUEUES) {
        return HX_OK;
    }
    joined->places = heap_allocate(wanted * sizeof(*joined->places), OWNER_CORE);
    joined->capacity = wanted;
    return joined->places != NULL ? HX_OK : HX_ENOMEM;
}

/* Looking at the files may have blocked, and used up the token of a wake-up. */
static bool was_woken(struct joined *joined)
{
    bool answer = false;

    for (size_t i = 0; i < joined->count && !answer; i++) {
        answer = wait_queue_was_woken(joined->places[i].queue, &joined->places[i].waiter);
    }
    for (struct poll_extra *at = joined->extras; at != NULL && !answer; at = at->next) {
        answer = wait_queue_was_woken(at->place.queue, &at->place.waiter);
    }
    return answer;
}

static hx_err park(struct joined *joined, uint64_t deadline_ns)
{
    if (thread_is_interrupted()) {
        return HX_EINTR;
    }
    return was_woken(joined) ? HX_OK : thread_park(deadline_ns);
}

static hx_err wait(struct joined *joined, struct poll_entry *entries, size_t entry_count,
                   uint64_t deadline_ns, size_t *count)
{
    hx_err error = HX_OK;

    while ((*count = ask(entries, entry_count, &joined->table)) == 0 && error == HX_OK) {
        error = joined->is_out_of_memory ? HX_ENOMEM : park(joined, deadline_ns);
        leave_queues(joined);
    }
    leave_queues(joined);
    return *count > 0 || error == HX_ETIMEDOUT ? HX_OK : error;
}

hx_err poll_wait(struct poll_entry *entries, size_t entry_count, uint64_t deadline_ns,
                 size_t *count)
{
    struct joined joined;
    hx_err error;

    *count = ask(entries, entry_count, NULL);
    if (*count > 0 || deadline_ns == 0) {
        return HX_OK;
    }
    error = make_room(&joined, entry_count);
    if (error == HX_OK) {
        error = wait(&joined, entries, entry_count, deadline_ns, count);
    }
    if (joined.places != joined.few) {
        heap_free(joined.places);
    }
    return error;
}
