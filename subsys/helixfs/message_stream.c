/* /helix/messages: the kernel's log from its oldest line on, and then as it is written. */
#include <base/text.h>
#include <core/debug/console.h>
#include <core/debug/log.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/helixfs/line_buffer.h>
#include <subsys/vfs/file.h>

/* Keys: M = mutex */
struct message_stream {
    struct mutex mutex;
    uint64_t next;           /* M  number of the line to be read; lines before it may be lost */
    struct line_buffer line; /* M */
    struct log_entry entry;  /* M  what the line is made of */
};

/* A line that is still being written is not passed over: its end wakes who waits for it. */
static hx_err write_next_locked(void *argument)
{
    struct message_stream *stream = argument;
    struct text text = text_into(stream->line.text, LINE_BUFFER_SIZE);

    if (log_read(stream->next, false, &stream->entry) != LOG_READ_RECORD) {
        return HX_EAGAIN;
    }
    log_describe(&stream->entry, &text);
    stream->line.length = text.length;
    stream->next = stream->entry.number + 1;
    return HX_OK;
}
_Static_assert(LOG_TEXT_MAX + 40 < LINE_BUFFER_SIZE, "a line fits");

/* The right is asked for each time: a reader that slept may have lost it. */
static hx_err read_some(struct message_stream *stream, struct transfer *transfer, size_t *done)
{
    hx_err error = helixfs_admit(HELIXFS_MESSAGES, false);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&stream->mutex);
    error = line_buffer_read(&stream->line, write_next_locked, stream, transfer, done);
    mutex_unlock(&stream->mutex);
    return error;
}

static hx_err read_messages(struct file *file, struct transfer *transfer, uint64_t offset,
                            size_t *done)
{
    struct wait_queue *written = console_attended();
    struct waiter waiter;
    hx_err waited = HX_OK;
    hx_err error;

    (void)offset;
    wait_queue_prepare(written, &waiter);
    while ((error = read_some(file->context, transfer, done)) == HX_EAGAIN && waited == HX_OK &&
           !file_does_not_block(file)) {
        waited = wait_queue_wait_interruptible(written, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(written, &waiter);
    return error == HX_EAGAIN && waited != HX_OK ? waited : error;
}

static unsigned poll_messages(struct file *file, struct poll_table *table)
{
    struct message_stream *stream = file->context;
    bool is_ready;

    poll_add(table, console_attended());
    mutex_lock(&stream->mutex);
    is_ready = line_buffer_has_rest(&stream->line) ||
               log_read(stream->next, false, &stream->entry) == LOG_READ_RECORD;
    mutex_unlock(&stream->mutex);
    return is_ready ? (unsigned)POLL_IN : 0U;
}

static void release_messages(struct file *file)
{
    heap_free(file->context);
}

static const struct file_ops message_ops = {
    .read = read_messages, .poll = poll_messages, .release = release_messages};

hx_err helixfs_open_messages(const struct pseudo_node *node, struct file *file)
{
    struct message_stream *stream = heap_allocate_zeroed(sizeof(*stream), OWNER_CORE);

    (void)node;
    if (stream == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&stream->mutex, "message stream");
    stream->next = 1;
    file->context = stream;
    file->ops = &message_ops;
    return HX_OK;
}
