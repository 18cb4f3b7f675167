#include <base/assert.h>
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

struct poll_table {
    struct poll_place few[FEW_QUEUES];
    struct poll_place *places; /* few, or from the heap */
    size_t capacity;
    size_t count;
};

void poll_add(struct poll_table *table, struct wait_queue *queue)
{
    struct poll_place *place;

    if (table == NULL) {
        return;
    }
    HX_ASSERT(table->count < table->capacity, "a file has at most POLL_QUEUES_MAX wait queues");
    place = &table->places[table->count++];
    place->queue = queue;
    wait_queue_prepare(queue, &place->waiter);
}

static void leave_queues(struct poll_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        wait_queue_finish(table->places[i].queue, &table->places[i].waiter);
    }
    table->count = 0;
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
    size_t wanted = POLL_QUEUES_MAX * entry_count;

    table->count = 0;
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
        error = park(table, deadline_ns);
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
