/* Pipes: a ring of pages between readers and writers. */
#include <base/memory.h>
#include <hal/memory.h>
#include <hal/user.h>
#include <kern/frames.h>
#include <kern/heap.h>
#include <kern/mutex.h>
#include <kern/thread.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/pipe.h>

#define PAGES    (PIPE_SIZE / HAL_PAGE_SIZE)
#define FIONREAD 0x541bU

/* Keys: M = mutex, W = mutex to write, read by anyone, A = atomic */
struct pipe {
    struct mutex mutex;
    uint64_t pages[PAGES];       /* M  frames, FRAME_NONE: not taken yet */
    _Atomic uint64_t head;       /* W  bytes read so far */
    _Atomic uint64_t tail;       /* W  bytes written so far */
    _Atomic uint32_t readers;    /* W */
    _Atomic uint32_t writers;    /* W */
    uint32_t reader_openings;    /* M  how often a reader has come, for who waits to open */
    uint32_t writer_openings;    /* M */
    bool has_waiters;            /* M  somebody may wait for a change, and is to be woken */
    _Atomic uint32_t references; /* A  open ends; of a FIFO's written under the vnode's mutex */
    owner_tag owner;
    struct vnode *vnode; /* of a FIFO, NULL */
    struct wait_queue readable;
    struct wait_queue writable;
};

static uint64_t used(const struct pipe *pipe)
{
    return atomic_load_explicit(&pipe->tail, memory_order_relaxed) -
           atomic_load_explicit(&pipe->head, memory_order_relaxed);
}

static uint32_t count(const _Atomic uint32_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* --- waking ----------------------------------------------------------------------------------- */

/*
 * Who is about to wait says so under the mutex, after it has joined a queue and looked in vain; who
 * changes something under the mutex takes the note away and wakes all, and those that wait on make
 * a new one.
 */
static bool take_note_locked(struct pipe *pipe, bool has_changed)
{
    bool wakes = has_changed && pipe->has_waiters;

    pipe->has_waiters &= !wakes;
    return wakes;
}

static void wake(struct pipe *pipe)
{
    wait_queue_wake_all(&pipe->readable);
    wait_queue_wake_all(&pipe->writable);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* A piece of the ring that lies in one page. */
static size_t piece_at(uint64_t position, size_t size, uint32_t *page, size_t *offset)
{
    size_t rest;

    *page = (uint32_t)(position / HAL_PAGE_SIZE % PAGES);
    *offset = (size_t)(position % HAL_PAGE_SIZE);
    rest = HAL_PAGE_SIZE - *offset;
    return size < rest ? size : rest;
}

static hx_err take_out_locked(struct pipe *pipe, struct transfer *transfer, size_t *done)
{
    hx_err error = HX_OK;

    while (transfer->left > 0 && used(pipe) > 0 && error == HX_OK) {
        uint64_t head = atomic_load_explicit(&pipe->head, memory_order_relaxed);
        size_t available = (size_t)used(pipe);
        size_t wanted = transfer->left < available ? transfer->left : available;
        size_t offset;
        size_t moved = 0;
        uint32_t page;
        size_t piece = piece_at(head, wanted, &page, &offset);

        error = transfer_out(transfer, (char *)hal_direct_map(pipe->pages[page]) + offset, piece,
                             &moved);
        atomic_store_explicit(&pipe->head, head + moved, memory_order_relaxed);
        *done += moved;
    }
    return error;
}

static hx_err have_page_locked(struct pipe *pipe, uint32_t page)
{
    return pipe->pages[page] != FRAME_NONE ? HX_OK
                                           : frames_allocate(0, pipe->owner, &pipe->pages[page]);
}

static hx_err put_in_locked(struct pipe *pipe, struct transfer *transfer, size_t *done)
{
    hx_err error = HX_OK;

    while (transfer->left > 0 && used(pipe) < PIPE_SIZE && error == HX_OK) {
        uint64_t tail = atomic_load_explicit(&pipe->tail, memory_order_relaxed);
        size_t room = (size_t)(PIPE_SIZE - used(pipe));
        size_t wanted = transfer->left < room ? transfer->left : room;
        size_t offset;
        size_t moved = 0;
        uint32_t page;
        size_t piece = piece_at(tail, wanted, &page, &offset);

        error = have_page_locked(pipe, page);
        if (error == HX_OK) {
            error = transfer_in(transfer, (char *)hal_direct_map(pipe->pages[page]) + offset, piece,
                                &moved);
        }
        atomic_store_explicit(&pipe->tail, tail + moved, memory_order_relaxed);
        *done += moved;
    }
    return error;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* HX_EAGAIN: nothing there yet. */
static hx_err try_read(struct pipe *pipe, struct transfer *transfer, size_t *done)
{
    hx_err error = HX_OK;
    bool wakes;

    mutex_lock(&pipe->mutex);
    if (used(pipe) > 0) {
        error = take_out_locked(pipe, transfer, done);
    } else if (count(&pipe->writers) > 0) {
        pipe->has_waiters = true;
        error = HX_EAGAIN;
    }
    wakes = take_note_locked(pipe, *done > 0);
    mutex_unlock(&pipe->mutex);
    if (wakes) {
        wake(pipe);
    }
    return error;
}

static hx_err pipe_read(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct pipe *pipe = file->context;
    struct waiter waiter;
    hx_err error;

    (void)offset;
    if (transfer->left == 0) {
        return HX_OK;
    }
    error = try_read(pipe, transfer, done);
    if (error != HX_EAGAIN || file_does_not_block(file)) {
        return error;
    }
    wait_queue_prepare(&pipe->readable, &waiter);
    while ((error = try_read(pipe, transfer, done)) == HX_EAGAIN) {
        error = wait_queue_wait_interruptible(&pipe->readable, &waiter, THREAD_NO_DEADLINE);
        if (error != HX_OK) {
            break;
        }
    }
    wait_queue_finish(&pipe->readable, &waiter);
    return error;
}

/* --- writing ---------------------------------------------------------------------------------- */

/* HX_EAGAIN: (more) room is needed; small writes are done whole or not at all. */
static hx_err try_write(struct pipe *pipe, struct transfer *transfer, size_t *done)
{
    size_t before = *done;
    bool is_small = *done == 0 && transfer->left <= PIPE_ATOMIC;
    bool wakes;
    hx_err error = HX_EAGAIN;

    mutex_lock(&pipe->mutex);
    if (count(&pipe->readers) == 0) {
        error = HX_ECLOSED;
    } else if (!is_small || PIPE_SIZE - used(pipe) >= transfer->left) {
        error = put_in_locked(pipe, transfer, done);
        if (error == HX_OK && transfer->left > 0) {
            error = HX_EAGAIN;
        }
    }
    wakes = take_note_locked(pipe, *done > before);
    pipe->has_waiters |= error == HX_EAGAIN;
    mutex_unlock(&pipe->mutex);
    if (wakes) {
        wake(pipe);
    }
    return error;
}

static hx_err pipe_write(struct file *file, struct transfer *transfer, uint64_t offset,
                         size_t *done)
{
    struct pipe *pipe = file->context;
    struct waiter waiter;
    hx_err error;

    (void)offset;
    if (transfer->left == 0) {
        return HX_OK;
    }
    error = try_write(pipe, transfer, done);
    if (error != HX_EAGAIN || file_does_not_block(file)) {
        return error;
    }
    wait_queue_prepare(&pipe->writable, &waiter);
    while ((error = try_write(pipe, transfer, done)) == HX_EAGAIN) {
        error = wait_queue_wait_interruptible(&pipe->writable, &waiter, THREAD_NO_DEADLINE);
        if (error != HX_OK) {
            break;
        }
    }
    wait_queue_finish(&pipe->writable, &waiter);
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
        poll_add(table, &pipe->readable);
    }
    if (file_can_write(file)) {
        poll_add(table, &pipe->writable);
    }
    mutex_lock(&pipe->mutex);
    ready |= file_can_read(file) ? readable_locked(pipe, file) : 0U;
    ready |= file_can_write(file) ? writable_locked(pipe) : 0U;
    pipe->has_waiters |= table != NULL;
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
    for (uint32_t i = 0; i < PAGES; i++) {
        pipe->pages[i] = FRAME_NONE;
    }
    pipe->owner = owner;
    mutex_init(&pipe->mutex, "pipe");
    wait_queue_init(&pipe->readable, "pipe readers");
    wait_queue_init(&pipe->writable, "pipe writers");
    return pipe;
}

static void destroy(struct pipe *pipe)
{
    for (uint32_t i = 0; i < PAGES; i++) {
        if (pipe->pages[i] != FRAME_NONE) {
            frames_free(pipe->pages[i], 0);
        }
    }
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
    pipe->has_waiters = false;
    mutex_unlock(&pipe->mutex);
    wake(pipe);
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->context;

    leave(pipe, file);
    pipe_put(pipe);
}

static const struct file_ops pipe_ops = {
    .name = "pipe",
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

/* Whether the other side is there, or has been since the opener came. */
static bool has_partner(struct pipe *pipe, const struct file *file, uint32_t openings)
{
    bool answer;

    mutex_lock(&pipe->mutex);
    answer = count(file_can_write(file) ? &pipe->readers : &pipe->writers) > 0 ||
             partner_openings(pipe, file) != openings;
    mutex_unlock(&pipe->mutex);
    return answer;
}

static hx_err await_partner(struct pipe *pipe, const struct file *file, uint32_t openings)
{
    struct wait_queue *queue = file_can_write(file) ? &pipe->writable : &pipe->readable;
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
    bool is_refused;
    uint32_t openings;

    mutex_lock(&pipe->mutex);
    is_refused =
        waits && file_does_not_block(file) && !file_can_read(file) && count(&pipe->readers) == 0;
    openings = partner_openings(pipe, file);
    if (!is_refused) {
        join_locked(pipe, file);
    }
    mutex_unlock(&pipe->mutex);
    if (is_refused) {
        return HX_ENXIO;
    }
    wake(pipe);
    return !waits || is_both || file_does_not_block(file) ? HX_OK
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
