/* /helix/audit: calls as they end, one on a line, but those of who reads. */
#include <base/format.h>
#include <base/text.h>
#include <core/capability/capability.h>
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/helixfs/line_buffer.h>
#include <subsys/hooks/audit.h>
#include <subsys/process/process.h>
#include <subsys/vfs/file.h>

/* Keys: M = mutex */
struct audit_stream {
    struct mutex mutex;
    struct audit_reader reader; /* M */
    uint64_t told;              /* M  dropped ones that a line has told of */
    struct line_buffer line;    /* M */
    bool is_watched;            /* M  somebody has polled: records wake the queue until release */
};

/* --- lines ------------------------------------------------------------------------------------ */

static void add_call(struct text *text, const struct audit_record *record)
{
    const struct syscall_entry *entry = syscall_lookup(record->number);
    unsigned count = entry != NULL ? entry->arguments : SYSCALL_ARGUMENTS;

    if (entry != NULL) {
        text_add(text, "%s(", entry->name);
    } else {
        text_add(text, "%u(", (unsigned)record->number);
    }
    for (unsigned i = 0; i < count; i++) {
        text_add(text, "%s%#llx", i > 0 ? ", " : "", (unsigned long long)record->arguments[i]);
    }
    text_add(text, ") = %lld", (long long)record->result);
}

/* "SECONDS process=N thread=N subject=NAME us=N CALL(…) = RESULT" */
static void write_line_locked(struct audit_stream *stream, const struct audit_record *record)
{
    struct line_buffer *line = &stream->line;
    struct text text = text_into(line->text, LINE_BUFFER_SIZE - 1);
    char subject[SUBJECT_NAME_MAX];

    if (stream->reader.dropped > stream->told) {
        text_add(&text, "dropped count=%llu\n",
                 (unsigned long long)(stream->reader.dropped - stream->told));
        stream->told = stream->reader.dropped;
    }
    capability_subject_name(record->subject, subject);
    text_add(&text, "%llu.%06llu process=%u thread=%u subject=%s us=%llu ",
             (unsigned long long)(record->started_ns / HAL_NS_PER_S),
             (unsigned long long)(record->started_ns % HAL_NS_PER_S / 1000),
             (unsigned)record->process, (unsigned)record->thread, subject,
             (unsigned long long)(record->duration_ns / 1000));
    add_call(&text, record);
    line->length = text.length < LINE_BUFFER_SIZE - 1 ? text.length : LINE_BUFFER_SIZE - 2;
    line->text[line->length++] = '\n';
}

/* --- reading ---------------------------------------------------------------------------------- */

static hx_err write_next_locked(void *argument)
{
    struct audit_stream *stream = argument;
    struct audit_record record;
    hx_err error = audit_read(&stream->reader, &record);

    if (error == HX_OK) {
        write_line_locked(stream, &record);
    }
    return error;
}

/* The right is asked for each time: a reader that slept may have lost it. HX_EAGAIN: `ahead` is
 * where the next record is to be awaited, without the mutex. */
static hx_err read_some(struct audit_stream *stream, struct transfer *transfer, size_t *done,
                        struct audit_reader *ahead)
{
    hx_err error = helixfs_admit(HELIXFS_AUDIT, false);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&stream->mutex);
    error = line_buffer_read(&stream->line, write_next_locked, stream, transfer, done);
    *ahead = stream->reader;
    mutex_unlock(&stream->mutex);
    return error;
}

static hx_err read_audit(struct file *file, struct transfer *transfer, uint64_t offset,
                         size_t *done)
{
    struct audit_stream *stream = file->context;
    struct audit_reader ahead;
    hx_err waited = HX_OK;
    hx_err error;

    (void)offset;
    while ((error = read_some(stream, transfer, done, &ahead)) == HX_EAGAIN && waited == HX_OK &&
           !file_does_not_block(file)) {
        waited = audit_await(&ahead, THREAD_NO_DEADLINE);
    }
    return error == HX_EAGAIN && waited != HX_OK ? waited : error;
}

/* --- polling ---------------------------------------------------------------------------------- */

/* Nobody says when they poll no more: records wake who polls until the file is released. */
static unsigned poll_audit(struct file *file, struct poll_table *table)
{
    struct audit_stream *stream = file->context;
    bool is_ready;

    mutex_lock(&stream->mutex);
    if (!stream->is_watched) {
        audit_watch_begin();
        stream->is_watched = true;
    }
    mutex_unlock(&stream->mutex);
    poll_add(table, audit_arrivals());
    mutex_lock(&stream->mutex);
    is_ready = line_buffer_has_rest(&stream->line) || audit_has_record(&stream->reader);
    mutex_unlock(&stream->mutex);
    return is_ready ? (unsigned)POLL_IN : 0U;
}

static void release_audit(struct file *file)
{
    struct audit_stream *stream = file->context;

    if (stream->is_watched) {
        audit_watch_end();
    }
    heap_free(stream);
}

static const struct file_ops audit_ops = {
    .read = read_audit, .poll = poll_audit, .release = release_audit};

hx_err helixfs_open_audit(const struct pseudo_node *node, struct file *file)
{
    struct audit_stream *stream = heap_allocate_zeroed(sizeof(*stream), OWNER_CORE);
    const struct process *self = process_current();

    (void)node;
    if (stream == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&stream->mutex, "audit stream");
    audit_open(&stream->reader, false, self != NULL ? self->id : 0);
    file->context = stream;
    file->ops = &audit_ops;
    return HX_OK;
}
