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

struct poll_table {
    bool only_listens; /* nothing is joined: the sum alone is wanted */
    uint32_t wakes;
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

static HX_NOINLINE void add_extra(struct poll_table *table, struct wait_queue *queue)
{
    struct poll_extra *extra = heap_allocate(sizeof(*extra), OWNER_CORE);

    if (extra == NULL) {
        table->is_out_of_memory = true;
        return;
    }
    extra->next = table->extras;
    table->extras = extra;
    join(&extra->place, queue);
}

void poll_add(struct poll_table *table, struct wait_queue *queue)
{
    if (table == NULL) {
        return;
    }
    if (table->only_listens) {
        table->wakes += wait_queue_wakes(queue);
    } else if (HX_LIKELY(table->count < table->capacity)) {
        join(&table->places[table->count++], queue);
    } else {
        add_extra(table, queue);
    }
}

unsigned poll_listen(struct file *file, uint32_t *wakes)
{
    struct poll_table table;
    unsigned ready;

    table.only_listens = true;
    table.wakes = 0;
    ready = file_poll(file, &table);
    *wakes = table.wakes;
    return ready;
}

static void leave_queues(struct poll_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        wait_queue_finish(table->places[i].queue, &table->places[i].waiter);
    }
    table->count = 0;
    while (table->extras != NULL) {
        struct poll_extra *extra = table->extras;

        table->extras = extra->next;
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

static hx_err make_room(struct poll_table *table, size_t entry_count)
{
    size_t wanted = POLL_QUEUES_USUAL * entry_count;

    table->only_listens = false;
    table->count = 0;
    table->extras = NULL;
    table->is_out_of_memory = false;
    table->places = table->few;
    table->capacity = FEW_QUEUES;
    if (wanted <= FEW_QUEUES) {
        return HX_OK;
    }
    table->places = heap_allocate(wanted * sizeof(*table->places), OWNER_CORE);
    table->capacity = wanted;
    return table->places != NULL ? HX_OK : HX_ENOMEM;
}

/* Looking at the files may have blocked, and used up the token of a wake-up. */
static bool was_woken(struct poll_table *table)
{
    bool answer = false;

    for (size_t i = 0; i < table->count && !answer; i++) {
        answer = wait_queue_was_woken(table->places[i].queue, &table->places[i].waiter);
    }
    for (struct poll_extra *at = table->extras; at != NULL && !answer; at = at->next) {
        answer = wait_queue_was_woken(at->place.queue, &at->place.waiter);
    }
    return answer;
}

static hx_err park(struct poll_table *table, uint64_t deadline_ns)
{
    if (thread_is_interrupted()) {
        return HX_EINTR;
    }
    return was_woken(table) ? HX_OK : thread_park(deadline_ns);
}

static hx_err wait(struct poll_table *table, struct poll_entry *entries, size_t entry_count,
                   uint64_t deadline_ns, size_t *count)
{
    hx_err error = HX_OK;

    while ((*count = ask(entries, entry_count, table)) == 0 && error == HX_OK) {
        error = table->is_out_of_memory ? HX_ENOMEM : park(table, deadline_ns);
        leave_queues(table);
    }
    leave_queues(table);
    return *count > 0 || error == HX_ETIMEDOUT ? HX_OK : error;
}

hx_err poll_wait(struct poll_entry *entries, size_t entry_count, uint64_t deadline_ns,
                 size_t *count)
{
    struct poll_table table;
    hx_err error;

    *count = ask(entries, entry_count, NULL);
    if (*count > 0 || deadline_ns == 0) {
        return HX_OK;
    }
    error = make_room(&table, entry_count);
    if (error == HX_OK) {
        error = wait(&table, entries, entry_count, deadline_ns, count);
    }
    if (table.places != table.few) {
        heap_free(table.places);
    }
    return error;
}
