/* Open files whose contents are a text. */
#include <base/memory.h>
#include <kern/heap.h>
#include <subsys/pseudo/pseudo_private.h>
#include <subsys/vfs/file.h>

#define FIRST_SIZE 1024U
#define SLACK      512U /* the next text may be a little longer */

/* Keys: M = mutex */
struct text_file {
    struct mutex mutex;
    char *bytes;   /* M  NULL: not written yet */
    size_t length; /* M */
};

/* --- texts ------------------------------------------------------------------------------------ */

/* Into a buffer of that size. HX_ERANGE: *length bytes did not fit. */
static hx_err try_text(const struct pseudo_node *node, size_t size, char **bytes, size_t *length)
{
    char *buffer = heap_allocate(size, OWNER_CORE);
    struct text text;
    hx_err error;

    if (buffer == NULL) {
        return HX_ENOMEM;
    }
    text = text_into(buffer, size);
    error = node->entry->show(node, &text);
    *length = text.length;
    if (error == HX_OK && text.length >= size) {
        error = HX_ERANGE;
    }
    if (error != HX_OK) {
        heap_free(buffer);
        return error;
    }
    *bytes = buffer;
    return HX_OK;
}

hx_err pseudo_text(const struct pseudo_node *node, char **bytes, size_t *length)
{
    size_t size = FIRST_SIZE;
    hx_err error = pseudo_check(node);

    if (error != HX_OK) {
        return error;
    }
    while ((error = try_text(node, size, bytes, length)) == HX_ERANGE) {
        size = *length + SLACK;
    }
    return error;
}

/* --- open files ------------------------------------------------------------------------------- */

static hx_err read_locked(struct text_file *text, const struct pseudo_node *node,
                          struct transfer *transfer, uint64_t offset, size_t *done)
{
    hx_err error = pseudo_admit(node, false);

    if (error == HX_OK && (text->bytes == NULL || offset == 0)) {
        heap_free(text->bytes);
        text->bytes = NULL;
        error = pseudo_text(node, &text->bytes, &text->length);
    }
    if (error != HX_OK || offset >= text->length) {
        return error;
    }
    return transfer_out(transfer, text->bytes + offset, text->length - (size_t)offset, done);
}

static hx_err read(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct text_file *text = file->context;
    hx_err error;

    mutex_lock(&text->mutex);
    error = read_locked(text, pseudo_node_of(file->location.vnode), transfer, offset, done);
    mutex_unlock(&text->mutex);
    return error;
}

static hx_err store(const struct pseudo_node *node, struct transfer *transfer, char *bytes,
                    size_t *done)
{
    size_t length = transfer->left;
    hx_err error = transfer_in(transfer, bytes, length, done);

    if (error == HX_OK) {
        bytes[length] = '\0';
        error = pseudo_check(node);
    }
    if (error == HX_OK) {
        error = pseudo_admit(node, true);
    }
    if (error == HX_OK) {
        error = node->entry->store(node, bytes, length);
    }
    *done = error == HX_OK ? length : 0;
    return error;
}

/* Each write stands for itself, wherever the file's offset is. */
static hx_err write(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    const struct pseudo_node *node = pseudo_node_of(file->location.vnode);
    char *bytes;
    hx_err error;

    (void)offset;
    if (node->entry->store == NULL) {
        return HX_EIO;
    }
    if (transfer->left > PSEUDO_STORE_MAX) {
        return HX_EINVAL;
    }
    bytes = heap_allocate(transfer->left + 1, OWNER_CORE);
    if (bytes == NULL) {
        return HX_ENOMEM;
    }
    error = store(node, transfer, bytes, done);
    heap_free(bytes);
    return error;
}

static void release(struct file *file)
{
    struct text_file *text = file->context;

    heap_free(text->bytes);
    heap_free(text);
}

static const struct file_ops text_file_ops = {
    .read = read,
    .write = write,
    .release = release,
    .can_seek = true,
};

static hx_err open_text(struct file *file)
{
    struct text_file *text = heap_allocate_zeroed(sizeof(*text), OWNER_CORE);

    if (text == NULL) {
        return HX_ENOMEM;
    }
    mutex_init(&text->mutex, "text file");
    file->context = text;
    file->ops = &text_file_ops;
    return HX_OK;
}

static hx_err may_open(const struct pseudo_node *node, const struct file *file)
{
    hx_err error = pseudo_check(node);

    if (error == HX_OK) {
        error = pseudo_guard(node);
    }
    if (error == HX_OK && file_can_read(file)) {
        error = pseudo_admit(node, false);
    }
    if (error == HX_OK && file_can_write(file)) {
        error = pseudo_admit(node, true);
    }
    return error;
}

hx_err pseudo_open(struct vnode *vnode, struct file *file)
{
    const struct pseudo_node *node = pseudo_node_of(vnode);
    hx_err error = may_open(node, file);

    if (error != HX_OK) {
        return error;
    }
    return node->entry->open != NULL ? node->entry->open(node, file) : open_text(file);
}
