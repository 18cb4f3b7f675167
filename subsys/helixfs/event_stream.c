/* /helix/events: each open file hears what is published from then on. */
#include <core/ipc/event_bus.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/helixfs/event_queue.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/helixfs/line_buffer.h>
#include <subsys/vfs/file.h>

/* Keys: M = mutex, under which readers write their lines */
struct event_stream {
    struct event_queue queue;
    struct mutex mutex;
    struct line_buffer line; /* M */
};
_Static_assert(EVENT_LINE_SIZE <= LINE_BUFFER_SIZE, "a line fits");

/* --- reading ---------------------------------------------------------------------------------- */

static hx_err write_next_locked(void *argument)
{
    struct event_stream *stream = argument;
    struct event_record record;

    if (!event_queue_take(&stream->queue, &record)) {
        return HX_EAGAIN;
    }
    stream->line.length = event_line(&record, stream->line.text);
    return HX_OK;
}

/* The right is asked for each time: a reader that slept may have lost it. */
static hx_err read_some(struct event_stream *stream, struct transfer *transfer, size_t *done)
{
    hx_err error = helixfs_admit(HELIXFS_EVENTS, false);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&stream->mutex);
    error = line_buffer_read(&stream->line, write_next_locked, stream, transfer, done);
    mutex_unlock(&stream->mutex);
    return error;
}

static hx_err read_events(struct file *file, struct transfer *transfer, uint64_t offset,
                          size_t *done)
{
    struct event_stream *stream = file->context;
    struct waiter waiter;
    hx_err error = HX_OK;
    hx_err result;

    (void)offset;
    wait_queue_prepare(&stream->queue.readable, &waiter);
    while ((result = read_some(stream, transfer, done)) == HX_EAGAIN && error == HX_OK &&
           !file_does_not_block(file)) {
        error = wait_queue_wait_interruptible(&stream->queue.readable, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&stream->queue.readable, &waiter);
    return error != HX_OK && result == HX_EAGAIN ? error : result;
}

static unsigned poll_events(struct file *file, struct poll_table *table)
{
    struct event_stream *stream = file->context;
    bool has_rest;

    poll_add(table, &stream->queue.readable);
    mutex_lock(&stream->mutex);
    has_rest = line_buffer_has_rest(&stream->line);
    mutex_unlock(&stream->mutex);
    return has_rest || !event_queue_is_empty(&stream->queue) ? (unsigned)POLL_IN : 0U;
}

/* --- which events ----------------------------------------------------------------------------- */

/* All topics that there are, but for the two that come thousands of times a second. */
static event_topics usual_topics(void)
{
    const event_topics busy =
        EVENT_TOPIC_SET(EVENT_TOPIC_TICK) | EVENT_TOPIC_SET(EVENT_TOPIC_SYSCALL_AUDIT);
    struct event_topic_info info;
    event_topics topics = 0;

    for (event_topic i = 0; event_topic_info(i, &info); i++) {
        topics |= EVENT_TOPIC_SET(i);
    }
    return topics & ~busy;
}

static hx_err parse_topics(const char *text, size_t length, event_topics *topics)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    *topics = 0;
    for (size_t i = 0; i < count && error == HX_OK; i++) {
        struct event_topic_info info;
        event_topic topic = 0;

        while (event_topic_info(topic, &info) && !helixfs_is_word(&words[i], info.name)) {
            topic++;
        }
        error = topic < EVENT_TOPIC_MAX && event_topic_info(topic, &info) ? HX_OK : HX_ENOENT;
        *topics |= error == HX_OK ? EVENT_TOPIC_SET(topic) : 0;
    }
    return error == HX_OK && *topics == 0 ? HX_EINVAL : error;
}

static hx_err change_topics(struct event_stream *stream, event_topics topics)
{
    hx_err error;

    mutex_lock(&stream->mutex);
    error = event_queue_choose(&stream->queue, topics);
    mutex_unlock(&stream->mutex);
    return error;
}

/* "TOPIC …": hear these from now on. */
static hx_err write_topics(struct file *file, struct transfer *transfer, uint64_t offset,
                           size_t *done)
{
    char text[HELIXFS_WORDS_MAX * EVENT_TOPIC_NAME_MAX];
    size_t length = transfer->left;
    event_topics topics;
    hx_err error = helixfs_admit(HELIXFS_EVENTS, true);

    (void)offset;
    if (error == HX_OK) {
        error = length <= sizeof(text) ? transfer_in(transfer, text, length, done) : HX_EINVAL;
    }
    if (error == HX_OK) {
        error = parse_topics(text, length, &topics);
    }
    if (error == HX_OK) {
        error = change_topics(file->context, topics);
    }
    *done = error == HX_OK ? length : 0;
    return error;
}

/* --- the file --------------------------------------------------------------------------------- */

static void release_stream(struct file *file)
{
    struct event_stream *stream = file->context;

    event_queue_fini(&stream->queue);
    heap_free(stream);
}

static const struct file_ops stream_ops = {
    .read = read_events,
    .write = write_topics,
    .poll = poll_events,
    .release = release_stream,
};

hx_err helixfs_open_events(const struct pseudo_node *node, struct file *file)
{
    struct event_stream *stream = heap_allocate_zeroed(sizeof(*stream), OWNER_CORE);
    hx_err error;

    (void)node;
    if (stream == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&stream->mutex, "event stream");
    error = event_queue_init(&stream->queue, usual_topics());
    if (error != HX_OK) {
        heap_free(stream);
        return error;
    }
    file->context = stream;
    file->ops = &stream_ops;
    return HX_OK;
}
