/* Pipes: a ring of pages between readers and writers. */
#include <base/memory.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <subsys/vfs/byte_ring.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/noted_queue.h>
#include <subsys/vfs/pipe.h>

#define PAGES    (PIPE_SIZE / HAL_PAGE_SIZE)
#define FIONREAD 0x541bU

/* Keys: M = mutex, W = mutex to write, read by anyone, A = atomic */

struct pipe {
    struct mutex mutex;
    struct byte_ring ring;       /*    of the pages */
    uint64_t pages[PAGES];       /* M */
    _Atomic uint32_t readers;    /* W */
    _Atomic uint32_t writers;    /* W */
    uint32_t reader_openings;    /* M  how often a reader has come, for who waits to open */
    uint32_t writer_openings;    /* M */
    _Atomic uint32_t references; /* A  open ends; of a FIFO's written under the vnode's mutex */
    struct vnode *vnode;         /* of a FIFO, NULL */
    struct noted_queue readable; /* who waits for bytes */
    struct noted_queue writable; /* who waits for room */
};

static uint64_t used(const struct pipe *pipe)
{
    return byte_ring_used(&pipe->ring);
}

static uint32_t count(const _Atomic uint32_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- waiting and waking ----------------------------------------------------------------------- */

/* Somebody has come or gone: not under the mutex. */
static void wake_both(struct pipe *pipe)
{
    wait_queue_wake_all(&pipe->readable.queue);
    wait_queue_wake_all(&pipe->writable.queue);
}

/* --- bytes ------------------------------------------------------------------------------------ */

static uint64_t page_at(const struct pipe *pipe, uint64_t position)
{
    return pipe->pages[position / HAL_PAGE_SIZE % PAGES];
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* --- reading ---------------------------------------------------------------------------------- */

/*
 * There are no bytes. HX_OK: look again.  Errors: HX_ECLOSED there will be none, or none are
 * wanted; HX_EAGAIN, HX_EINTR.
 */
static HX_NOINLINE hx_err await_bytes_locked(struct pipe *pipe, const struct file *file,
                                             const struct transfer *transfer)
{
    if (transfer->left == 0 || count(&pipe->writers) == 0) {
        return HX_ECLOSED;
    }
    return file_does_not_block(file)
               ? HX_EAGAIN
               : noted_queue_await(&pipe->readable, &pipe->mutex, THREAD_NO_DEADLINE);
}

/* Gives the mutex up. */
static HX_NOINLINE hx_err read_pieces(struct pipe *pipe, struct transfer *transfer, size_t *done)
{
    hx_err error =
        transfer->left > 0
            ? byte_ring_take(&pipe->ring, transfer, least(transfer->left, (size_t)used(pipe)), done)
            : HX_OK;

    noted_queue_unlock(&pipe->writable, &pipe->mutex, *done > 0);
    return error;
}

/* Most often what there is lies in one piece. */
static hx_err pipe_read(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct pipe *pipe = file->context;
    size_t size;
    uint64_t head;
    hx_err error;

    (void)offset;
    mutex_lock_inline(&pipe->mutex);
    while (HX_UNLIKELY(used(pipe) == 0)) {
        error = await_bytes_locked(pipe, file, transfer);
        if (error != HX_OK) {
            mutex_unlock(&pipe->mutex);
            return error == HX_ECLOSED ? HX_OK : error;
        }
    }
    head = atomic_load_explicit(&pipe->ring.head, memory_order_relaxed);
    size = least(transfer->left, (size_t)used(pipe));
    if (HX_UNLIKELY(!byte_ring_is_simple(transfer, head, size))) {
        return read_pieces(pipe, transfer, done);
    }
    error = transfer_out_simple(transfer, byte_ring_bytes(page_at(pipe, head), head), size, done);
    atomic_store_explicit(&pipe->ring.head, head + *done, memory_order_relaxed);
    noted_queue_unlock(&pipe->writable, &pipe->mutex, true);
    return error;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* HX_EAGAIN: (more) room is needed; small writes are done whole or not at all. */
static hx_err try_write_locked(struct pipe *pipe, struct transfer *transfer, size_t *done)
{
    uint64_t room = PIPE_SIZE - used(pipe);
    bool is_small = *done == 0 && transfer->left <= PIPE_ATOMIC;
    hx_err error;

    if (count(&pipe->readers) == 0) {
        return HX_ECLOSED;
    }
    if (room < (is_small ? transfer->left : 1)) {
        return HX_EAGAIN;
    }
    error = byte_ring_put(&pipe->ring, transfer, least(transfer->left, (size_t)room), done);
    return error == HX_OK && transfer->left > 0 ? HX_EAGAIN : error;
}

/* Who reads what has been written makes the room. */
static hx_err await_room_locked(struct pipe *pipe, bool has_changed)
{
    if (has_changed) {
        noted_queue_wake_locked(&pipe->readable);
    }
    return noted_queue_await(&pipe->writable, &pipe->mutex, THREAD_NO_DEADLINE);
}

/* Gives the mutex up. */
static HX_NOINLINE hx_err write_locked(struct pipe *pipe, struct transfer *transfer, bool blocks,
                                       size_t *done)
{
    hx_err error = HX_OK;
    bool goes_on = transfer->left > 0;

    while (goes_on) {
        error = try_write_locked(pipe, transfer, done);
        goes_on = error == HX_EAGAIN && blocks;
        if (goes_on) {
            error = await_room_locked(pipe, *done > 0);
            goes_on = error == HX_OK;
        }
    }
    noted_queue_unlock(&pipe->readable, &pipe->mutex, *done > 0);
    return error;
}

/* Most often there is room for all, in one page that is there already. */
static hx_err pipe_write(struct file *file, struct transfer *transfer, uint64_t offset,
                         size_t *done)
{
    struct pipe *pipe = file->context;
    size_t size = transfer->left;
    uint64_t tail;
    uint64_t page;
    hx_err error;

    (void)offset;
    mutex_lock_inline(&pipe->mutex);
    tail = atomic_load_explicit(&pipe->ring.tail, memory_order_relaxed);
    page = page_at(pipe, tail);
    if (HX_UNLIKELY(count(&pipe->readers) == 0 || page == FRAME_NONE ||
                    PIPE_SIZE - used(pipe) < size || !byte_ring_is_simple(transfer, tail, size))) {
        return write_locked(pipe, transfer, !file_does_not_block(file), done);
    }
    error = transfer_in_simple(transfer, byte_ring_bytes(page, tail), size, done);
    atomic_store_explicit(&pipe->ring.tail, tail + *done, memory_order_relaxed);
    noted_queue_unlock(&pipe->readable, &pipe->mutex, true);
    return error;
}

/* --- looking ---------------------------------------------------------------------------------- */

static unsigned readable_locked(const struct pipe *pipe, const struct file *file)
{
    /* A FIFO's reader is not hung up on before a writer has come. */
    bool has_hung_up =
        count(&pipe->writers) == 0 && pipe->writer_openings != (uint32_t)file->offset;

    return (used(pipe) > 0 ? (unsigned)POLL_IN : 0U) | (has_hung_up ? (unsigned)POLL_HANGUP : 0U);
}

static unsigned writable_locked(const struct pipe *pipe)
{
    return (PIPE_SIZE - used(pipe) >= PIPE_ATOMIC ? (unsigned)POLL_OUT : 0U) |
           (count(&pipe->readers) == 0 ? (unsigned)POLL_ERROR : 0U);
}

static unsigned pipe_poll(struct file *file, struct poll_table *table)
{
    struct pipe *pipe = file->context;
    unsigned ready = 0;

    if (file_can_read(file)) {
        poll_add(table, &pipe->readable.queue);
    }
    if (file_can_write(file)) {
        poll_add(table, &pipe->writable.queue);
    }
    mutex_lock(&pipe->mutex);
    ready |= file_can_read(file) ? readable_locked(pipe, file) : 0U;
    ready |= file_can_write(file) ? writable_locked(pipe) : 0U;
    pipe->readable.is_awaited |= table != NULL;
    pipe->writable.is_awaited |= table != NULL;
    mutex_unlock(&pipe->mutex);
    return ready;
}

static hx_err pipe_control(struct file *file, uint32_t request, uintptr_t argument, int64_t *result)
{
    struct pipe *pipe = file->context;
    uint32_t bytes;

    *result = 0;
    if (request != FIONREAD) {
        return HX_ENOTTY;
    }
    mutex_lock(&pipe->mutex);
    bytes = (uint32_t)used(pipe);
    mutex_unlock(&pipe->mutex);
    return hal_user_copy_out(argument, &bytes, sizeof(bytes));
}

/* --- life ------------------------------------------------------------------------------------- */

static struct pipe *make(owner_tag owner)
{
    struct pipe *pipe = heap_allocate_zeroed(sizeof(*pipe), OWNER_CORE);

    if (pipe == NULL) {
        return NULL;
    }
    byte_ring_init(&pipe->ring, pipe->pages, PAGES, owner, NULL);
    mutex_init(&pipe->mutex, "pipe");
    noted_queue_init(&pipe->readable, "pipe readers");
    noted_queue_init(&pipe->writable, "pipe writers");
    return pipe;
}

static void destroy(struct pipe *pipe)
{
    byte_ring_free(&pipe->ring);
    heap_free(pipe);
}

/* The mutex of a FIFO's vnode guards which pipe it has. */
static void pipe_put(struct pipe *pipe)
{
    struct vnode *vnode = pipe->vnode;
    bool is_last;

    if (vnode != NULL) {
        mutex_lock(&vnode->mutex);
    }
    /* acq_rel: the last one sees what all others did */
    is_last = atomic_fetch_sub_explicit(&pipe->references, 1, memory_order_acq_rel) == 1;
    if (is_last && vnode != NULL) {
        vnode->context = NULL;
    }
    if (vnode != NULL) {
        mutex_unlock(&vnode->mutex);
    }
    if (is_last) {
        destroy(pipe);
    }
}

/* What an open file counts as. */
static void join_locked(struct pipe *pipe, struct file *file)
{
    /* A reader that finds a writer has seen one: it is hung up on when that one goes. */
    file->offset = pipe->writer_openings - (count(&pipe->writers) > 0 ? 1U : 0U);
    if (file_can_read(file)) {
        atomic_fetch_add_explicit(&pipe->readers, 1, memory_order_relaxed);
        pipe->reader_openings++;
    }
    if (file_can_write(file)) {
        atomic_fetch_add_explicit(&pipe->writers, 1, memory_order_relaxed);
        pipe->writer_openings++;
    }
}

static void leave(struct pipe *pipe, const struct file *file)
{
    mutex_lock(&pipe->mutex);
    if (file_can_read(file)) {
        atomic_fetch_sub_explicit(&pipe->readers, 1, memory_order_relaxed);
    }
    if (file_can_write(file)) {
        atomic_fetch_sub_explicit(&pipe->writers, 1, memory_order_relaxed);
    }
    pipe->readable.is_awaited = false;
    pipe->writable.is_awaited = false;
    mutex_unlock(&pipe->mutex);
    wake_both(pipe);
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->context;

    leave(pipe, file);
    pipe_put(pipe);
}

static const struct file_ops pipe_ops = {
    .name = "pipe",
    .type = VNODE_FIFO,
    .read = pipe_read,
    .write = pipe_write,
    .control = pipe_control,
    .poll = pipe_poll,
    .release = pipe_release,
};

hx_err pipe_create(uint32_t flags, owner_tag owner, struct file *ends[2])
{
    struct pipe *pipe = make(owner);
    hx_err error;

    if (pipe == NULL) {
        return HX_ENOMEM;
    }
    error = file_create(&pipe_ops, flags | FILE_READ_ONLY, pipe, owner, &ends[0]);
    if (error != HX_OK) {
        destroy(pipe);
        return error;
    }
    atomic_init(&pipe->references, 1);
    join_locked(pipe, ends[0]); /* nobody else knows it yet */
    error = file_create(&pipe_ops, flags | FILE_WRITE_ONLY, pipe, owner, &ends[1]);
    if (error != HX_OK) {
        file_put(ends[0]);
        return error;
    }
    atomic_init(&pipe->references, 2);
    join_locked(pipe, ends[1]);
    return HX_OK;
}

/* --- named ------------------------------------------------------------------------------------ */

/* The pipe of a FIFO, made for its first opener; a reference. */
static hx_err get_of_vnode(struct vnode *vnode, owner_tag owner, struct pipe **pipe)
{
    mutex_lock(&vnode->mutex);
    *pipe = vnode->context;
    if (*pipe == NULL) {
        *pipe = make(owner);
        vnode->context = *pipe;
        if (*pipe != NULL) {
            (*pipe)->vnode = vnode;
        }
    }
    if (*pipe != NULL) {
        atomic_fetch_add_explicit(&(*pipe)->references, 1, memory_order_relaxed);
    }
    mutex_unlock(&vnode->mutex);
    return *pipe != NULL ? HX_OK : HX_ENOMEM;
}

/* How often the side an opener waits for has come. */
static uint32_t partner_openings(const struct pipe *pipe, const struct file *file)
{
    return file_can_write(file) ? pipe->reader_openings : pipe->writer_openings;
}

static bool is_partner_there(struct pipe *pipe, const struct file *file)
{
    return count(file_can_write(file) ? &pipe->readers : &pipe->writers) > 0;
}

/* Whether the other side is there, or has been since the opener came. */
static bool has_partner(struct pipe *pipe, const struct file *file, uint32_t openings)
{
    bool answer;

    mutex_lock(&pipe->mutex);
    answer = is_partner_there(pipe, file) || partner_openings(pipe, file) != openings;
    mutex_unlock(&pipe->mutex);
    return answer;
}

static hx_err await_partner(struct pipe *pipe, const struct file *file, uint32_t openings)
{
    struct wait_queue *queue = file_can_write(file) ? &pipe->writable.queue : &pipe->readable.queue;
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(queue, &waiter);
    while (!has_partner(pipe, file, openings) && error == HX_OK) {
        error = wait_queue_wait_interruptible(queue, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(queue, &waiter);
    return error;
}

static hx_err join_fifo(struct pipe *pipe, struct file *file)
{
    bool waits = pipe->vnode != NULL; /* a pipe without a name has both sides from the start */
    bool is_both = file_can_read(file) && file_can_write(file);
    bool is_met;
    bool is_refused;
    uint32_t openings;

    mutex_lock(&pipe->mutex);
    is_refused =
        waits && file_does_not_block(file) && !file_can_read(file) && count(&pipe->readers) == 0;
    openings = partner_openings(pipe, file);
    is_met = is_partner_there(pipe, file); /* it may be gone again at once */
    if (!is_refused) {
        join_locked(pipe, file);
    }
    mutex_unlock(&pipe->mutex);
    if (is_refused) {
        return HX_ENXIO;
    }
    wake_both(pipe);
    return !waits || is_both || is_met || file_does_not_block(file)
               ? HX_OK
               : await_partner(pipe, file, openings);
}

hx_err pipe_open_fifo(struct vnode *vnode, struct file *file)
{
    struct pipe *pipe;
    hx_err error = get_of_vnode(vnode, file->owner, &pipe);

    if (error != HX_OK) {
        return error;
    }
    error = join_fifo(pipe, file);
    if (error == HX_EINTR) {
        leave(pipe, file);
    }
    if (error != HX_OK) {
        pipe_put(pipe);
        return error;
    }
    file->ops = &pipe_ops;
    file->context = pipe;
    return HX_OK;
}

/* --- opening once more ------------------------------------------------------------------------ */

#define PIPE_FILE_SYSTEM_MAGIC 0x50495045U

static void nameless_numbers(struct file_system *file_system, struct file_system_numbers *numbers)
{
    (void)file_system;
    *numbers = (struct file_system_numbers){
        .magic = PIPE_FILE_SYSTEM_MAGIC, .block_size = HAL_PAGE_SIZE, .name_max = VNODE_NAME_MAX};
}

/* Pipes without a name lie here: in no tree, and never given up. */
static const struct file_system_ops nameless_system_ops = {.numbers = nameless_numbers};
static struct file_system nameless_system = {
    .ops = &nameless_system_ops, .device = FILE_NAMELESS_DEVICE, .mounts = 1};
static struct mount nameless_mount = {.file_system = &nameless_system, .users = 1};

static void release_place(struct vnode *vnode)
{
    pipe_put(vnode->context);
    heap_free(vnode);
}

static const struct vnode_ops place_ops = {.release = release_place};

hx_err pipe_location(struct file *file, struct location *location)
{
    const struct vnode_making making = {.type = VNODE_FIFO, .mode = 0600};
    struct pipe *pipe = file->context;
    struct vnode *vnode;

    if (file->ops != &pipe_ops || pipe->vnode != NULL) {
        return HX_ENXIO;
    }
    vnode = heap_allocate(sizeof(*vnode), OWNER_CORE);
    if (vnode == NULL) {
        return HX_ENOMEM;
    }
    vnode_init(vnode, &place_ops, &nameless_system, file_number(file), &making);
    atomic_fetch_add_explicit(&pipe->references, 1, memory_order_relaxed);
    vnode->context = pipe;
    atomic_fetch_add_explicit(&nameless_mount.users, 1, memory_order_relaxed);
    *location = (struct location){&nameless_mount, vnode};
    return HX_OK;
}
