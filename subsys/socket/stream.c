/*
 * Streams of bytes: Unix ones and TCP. Who sends copies straight into the peer's inbox.
 *
 * What a message carries beside its bytes (files, who sent it) is noted in a mark, an item of the
 * inbox without bytes of its own; bytes of different senders, and bytes behind those that came with
 * files, are not received in one go.
 */
#include <kern/frames.h>
#include <subsys/socket/flight.h>
#include <subsys/socket/socket_private.h>

static uint64_t position(const _Atomic uint64_t *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

static void set_position(_Atomic uint64_t *at, uint64_t value)
{
    atomic_store_explicit(at, value, memory_order_relaxed);
}

static size_t least(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* What is empty begins again with its first page, so that little traffic needs little memory. */
static HX_ALWAYS_INLINE void move_head(struct byte_ring *ring, uint64_t head)
{
    if (HX_LIKELY(head == position(&ring->tail))) {
        head = 0;
        set_position(&ring->tail, 0);
    }
    set_position(&ring->head, head);
}

/* --- sending ---------------------------------------------------------------------------------- */

/*
 * The receiver is gone, and as TCP has it the sender hears of it one message late: this one is
 * taken, and answered by a reset.
 */
static hx_err send_into_nothing(struct socket *socket, struct transfer *transfer, size_t *done)
{
    bool has_ended;

    mutex_lock(&socket->inbox.mutex);
    has_ended = (socket->inbox.flags & INBOX_ENDED) != 0;
    socket->inbox.flags |= INBOX_ENDED;
    mutex_unlock(&socket->inbox.mutex);
    socket_set_error(socket, has_ended ? HX_ECLOSED : HX_ECONNRESET);
    socket_set_state(socket, SOCKET_BROKEN);
    inbox_wake_all(&socket->inbox);
    *done += transfer->left;
    transfer->left = 0;
    return HX_OK;
}

/* Whether what is sent finds a receiver. Gives the mutex up if it does not. */
static hx_err check_receiver_locked(struct socket *socket, struct inbox *to)
{
    uint32_t refusing = socket_is_unix(socket) ? INBOX_ENDED | INBOX_IGNORED | INBOX_ABANDONED
                                               : (uint32_t)INBOX_ENDED;

    if (HX_UNLIKELY((to->flags & refusing) != 0)) {
        return HX_ECLOSED;
    }
    return HX_UNLIKELY((to->flags & INBOX_ABANDONED) != 0) ? HX_ECONNRESET : HX_OK;
}

static bool are_same(const struct socket_credentials *a, const struct socket_credentials *b)
{
    return a->process == b->process && a->user == b->user && a->group == b->group;
}

/* The last mark, if what is put in next can lie in it, too. */
static struct inbox_item *mark_to_extend(struct inbox *to, const struct socket_credentials *sender)
{
    struct inbox_item *last =
        list_is_empty(&to->items) ? NULL : LIST_ENTRY(to->items.prev, struct inbox_item, link);

    return last != NULL && last->files == NULL && last->end == position(&to->ring.tail) &&
                   are_same(&last->credentials, sender)
               ? last
               : NULL;
}

/* A new mark, of no bytes yet; it is charged already. */
static hx_err add_mark_locked(struct inbox *to, const struct socket_credentials *sender,
                              struct inbox_item **mark)
{
    hx_err error;

    *mark = inbox_item_create(0);
    if (*mark == NULL) {
        return HX_ENOBUFS;
    }
    (*mark)->credentials = *sender;
    (*mark)->start = position(&to->ring.tail);
    (*mark)->end = (*mark)->start;
    error = inbox_add_locked(to, *mark);
    if (error != HX_OK) {
        inbox_item_free(*mark);
    }
    return error;
}

/* A mark for what is put in next, NULL: it needs none. */
static hx_err mark_locked(struct inbox *to, const struct socket_message *message,
                          const struct passed_files *files, const struct socket_caller *caller,
                          struct inbox_item **mark)
{
    const struct socket_credentials *sender =
        message->has_credentials ? &message->credentials : &caller->credentials;

    *mark = NULL;
    if (files == NULL && (to->flags & INBOX_MARKED) == 0) {
        return HX_OK;
    }
    if (files == NULL) {
        *mark = mark_to_extend(to, sender);
    }
    return *mark != NULL ? HX_OK : add_mark_locked(to, sender, mark);
}

/* Put in as much as there is room for, at least a byte. files go with it, and are NULL then. */
static hx_err put_locked(struct inbox *to, struct socket_message *message,
                         struct passed_files **files, const struct socket_caller *caller,
                         size_t *done)
{
    uint64_t room = to->limit - byte_ring_used(&to->ring);
    struct inbox_item *mark;
    size_t moved = 0;
    hx_err error = mark_locked(to, message, *files, caller, &mark);

    if (error != HX_OK) {
        return error;
    }
    error =
        byte_ring_put(&to->ring, &message->transfer, least(message->transfer.left, room), &moved);
    *done += moved;
    if (mark == NULL) {
        return error;
    }
    mark->end += moved;
    if (mark->start == mark->end) {
        inbox_remove_locked(to, mark);
        inbox_item_free(mark);
    } else if (*files != NULL) {
        mark->files = *files;
        *files = NULL;
    }
    return error;
}

/* Marks take room as bytes do. */
static bool has_room_locked(const struct inbox *to)
{
    return byte_ring_used(&to->ring) < to->limit && to->item_bytes < to->limit;
}

/* All of it, waiting for room; the mutex is held, and given up. */
static hx_err send_locked(struct socket *socket, struct inbox *to, struct socket_message *message,
                          struct passed_files *files, const struct socket_caller *caller,
                          size_t *done)
{
    bool waits = !socket_does_not_block(socket, message->flags);
    uint64_t deadline = waits ? socket_deadline(&socket->send_time_out_ns) : 0;
    hx_err error = check_receiver_locked(socket, to);

    while (error == HX_OK && message->transfer.left > 0) {
        if (has_room_locked(to)) {
            error = put_locked(to, message, &files, caller, done);
        } else if (!waits) {
            error = HX_EAGAIN;
        } else {
            noted_queue_wake_locked(&to->readable);
            error = noted_queue_await(&to->writable, &to->mutex, deadline);
            error = error == HX_ETIMEDOUT ? HX_EAGAIN : error;
        }
        error = error == HX_OK ? check_receiver_locked(socket, to) : error;
    }
    noted_queue_unlock(&to->readable, &to->mutex, *done > 0);
    if (error == HX_ECONNRESET) {
        return send_into_nothing(socket, &message->transfer, done);
    }
    return *done > 0 ? HX_OK : error;
}

/* Why a socket without a peer, or one that hears of an error first, does not send. */
static hx_err check_sender(struct socket *socket, const struct socket_message *message)
{
    bool is_connected = socket_peer(socket) != NULL;
    hx_err error;

    if (message->address.family != SOCKET_NO_DOMAIN && socket_is_unix(socket)) {
        return is_connected ? HX_EISCONN : HX_EOPNOTSUPP;
    }
    if ((message->flags & SOCKET_OUT_OF_BAND) != 0) {
        return HX_EOPNOTSUPP;
    }
    if (!is_connected) {
        return socket_is_unix(socket) ? HX_ENOTCONN : HX_ECLOSED;
    }
    error = socket_is_unix(socket) ? HX_OK : socket_take_error(socket);
    if (error == HX_OK && socket_state(socket) == SOCKET_BROKEN) {
        error = HX_ECLOSED;
    }
    return error;
}

hx_err stream_send(struct socket *socket, struct socket_message *message,
                   const struct socket_caller *caller, size_t *done)
{
    struct inbox *to;
    hx_err error = check_sender(socket, message);

    if (error != HX_OK) {
        return error;
    }
    to = &socket_peer(socket)->inbox;
    mutex_lock_inline(&to->mutex);
    return send_locked(socket, to, message, message->files, caller, done);
}

/* --- receiving -------------------------------------------------------------------------------- */

/* One call that receives. */
struct reception {
    struct socket_message *message;
    uint64_t at;       /* where it goes on: the ring's head, but for who peeks */
    struct list *mark; /* the mark it goes on at: the first, but for who peeks */
    bool peeks;
    bool has_flight;  /* flight_mutex is held, to take files out */
    bool has_stopped; /* what comes next is another message's */
    bool has_sender;  /* credentials of the message are those of what was received */
};

static struct inbox_item *next_mark(const struct inbox *inbox, const struct reception *reception)
{
    return reception->mark == &inbox->items ? NULL
                                            : LIST_ENTRY(reception->mark, struct inbox_item, link);
}

/* What the receiver is told of the sender; false: it is another one than of the bytes before. */
static bool note_sender(struct socket *socket, struct reception *reception,
                        const struct socket_credentials *sender)
{
    if (!socket_has_flag(socket, SOCKET_TELLS_CREDENTIALS)) {
        return true;
    }
    if (reception->has_sender) {
        return are_same(&reception->message->credentials, sender);
    }
    reception->message->credentials = *sender;
    reception->has_sender = true;
    return true;
}

/* Files come with the first byte of what they were sent with. */
static hx_err take_files_locked(struct reception *reception, struct inbox_item *mark)
{
    struct socket_message *message = reception->message;

    if (reception->peeks) {
        message->files = passed_files_copy(mark->files);
        return message->files != NULL ? HX_OK : HX_ENOMEM;
    }
    flight_end_locked(mark->files);
    message->files = mark->files;
    mark->files = NULL;
    return HX_OK;
}

static void leave_mark_locked(struct inbox *inbox, struct reception *reception,
                              struct inbox_item *mark)
{
    reception->mark = reception->mark->next;
    if (!reception->peeks) {
        inbox_remove_locked(inbox, mark);
        inbox_item_free(mark);
    }
}

static hx_err move_locked(struct inbox *inbox, struct reception *reception, size_t size,
                          size_t *done)
{
    struct transfer *transfer = &reception->message->transfer;
    size_t moved = 0;
    hx_err error = reception->peeks
                       ? byte_ring_copy(&inbox->ring, reception->at, transfer, size, &moved)
                       : byte_ring_take(&inbox->ring, transfer, size, &moved);

    reception->at += moved;
    *done += moved;
    return error;
}

/* Bytes that lie in a mark.  Errors: HX_EBUSY flight_mutex is needed. */
static hx_err take_marked_locked(struct socket *socket, struct reception *reception,
                                 struct inbox_item *mark, size_t *done)
{
    bool had_files = mark->files != NULL;
    hx_err error;

    if (had_files && !reception->has_flight) {
        return HX_EBUSY;
    }
    if ((had_files && reception->message->files != NULL) ||
        !note_sender(socket, reception, &mark->credentials)) {
        reception->has_stopped = true;
        return HX_OK;
    }
    error = had_files ? take_files_locked(reception, mark) : HX_OK;
    if (error == HX_OK) {
        error =
            move_locked(&socket->inbox, reception,
                        least(reception->message->transfer.left, mark->end - reception->at), done);
    }
    if (reception->at >= mark->end) {
        leave_mark_locked(&socket->inbox, reception, mark);
    }
    reception->has_stopped = had_files;
    return error;
}

/* Bytes up to the next mark, or to the end.  Errors: HX_EBUSY flight_mutex is needed. */
static hx_err take_some_locked(struct socket *socket, struct reception *reception, size_t *done)
{
    static const struct socket_credentials nobody = {0};
    struct inbox_item *mark = next_mark(&socket->inbox, reception);
    uint64_t end = mark != NULL ? mark->start : position(&socket->inbox.ring.tail);

    if (mark != NULL && mark->start <= reception->at) {
        return take_marked_locked(socket, reception, mark, done);
    }
    if (!note_sender(socket, reception, &nobody)) {
        reception->has_stopped = true;
        return HX_OK;
    }
    return move_locked(&socket->inbox, reception,
                       least(reception->message->transfer.left, end - reception->at), done);
}

/* All that there is, as far as it is received in one go. */
static hx_err take_present_locked(struct socket *socket, struct reception *reception, size_t *done)
{
    struct inbox *inbox = &socket->inbox;
    hx_err error = HX_OK;

    if (!reception->peeks || *done == 0) {
        reception->at = position(&inbox->ring.head);
        reception->mark = inbox->items.next;
    }
    while (error == HX_OK && !reception->has_stopped && reception->message->transfer.left > 0 &&
           reception->at != position(&inbox->ring.tail)) {
        error = take_some_locked(socket, reception, done);
    }
    if (!reception->peeks) {
        move_head(&inbox->ring, position(&inbox->ring.head));
    }
    return error;
}

/* There is nothing (more). HX_OK: look again.  Errors: HX_ECLOSED nothing will come. */
static hx_err await_bytes_locked(struct socket *socket, unsigned flags, uint64_t deadline)
{
    struct inbox *inbox = &socket->inbox;
    hx_err error = HX_OK;

    if (socket_is_unix(socket) || (inbox->flags & INBOX_ENDED) == 0 ||
        atomic_load_explicit(&socket->error, memory_order_relaxed) != HX_ECLOSED) {
        error = socket_take_error(socket);
    }
    if (error != HX_OK) {
        return error;
    }
    if ((inbox->flags & (INBOX_ENDED | INBOX_IGNORED)) != 0) {
        return HX_ECLOSED;
    }
    if (socket_does_not_block(socket, flags)) {
        return HX_EAGAIN;
    }
    error = noted_queue_await(&inbox->readable, &inbox->mutex, deadline);
    return error == HX_ETIMEDOUT ? HX_EAGAIN : error;
}

/* Files are taken out with flight_mutex held, which comes before the inbox's. */
static void take_flight_locked(struct inbox *inbox, struct reception *reception)
{
    mutex_unlock(&inbox->mutex);
    flight_lock();
    reception->has_flight = true;
    mutex_lock(&inbox->mutex);
}

static void give_flight(struct reception *reception)
{
    if (reception->has_flight) {
        reception->has_flight = false;
        flight_unlock();
    }
}

/* Whether a call that has received something is to wait for more. */
static bool wants_more(const struct reception *reception, size_t done)
{
    return done == 0 || ((reception->message->flags & SOCKET_WAIT_ALL) != 0 && !reception->peeks);
}

static hx_err receive_locked(struct socket *socket, struct reception *reception, size_t *done)
{
    struct inbox *inbox = &socket->inbox;
    uint64_t deadline = socket_deadline(&socket->receive_time_out_ns);
    hx_err error = HX_OK;

    while (error == HX_OK && reception->message->transfer.left > 0 && !reception->has_stopped) {
        size_t before = *done;

        error = take_present_locked(socket, reception, done);
        if (error == HX_EBUSY) {
            take_flight_locked(inbox, reception);
            error = HX_OK;
            continue;
        }
        if (*done > before && !reception->peeks) {
            noted_queue_wake_locked(&inbox->writable);
        }
        if (error != HX_OK || reception->message->transfer.left == 0 || reception->has_stopped) {
            break;
        }
        if (!wants_more(reception, *done)) {
            break;
        }
        give_flight(reception);
        error = await_bytes_locked(socket, reception->message->flags, deadline);
    }
    return *done > 0 || error == HX_ECLOSED ? HX_OK : error;
}

static hx_err check_receiver(struct socket *socket, const struct socket_message *message)
{
    if ((message->flags & SOCKET_OUT_OF_BAND) != 0) {
        return socket_is_unix(socket) ? HX_EOPNOTSUPP : HX_EINVAL;
    }
    if (socket_peer(socket) == NULL) {
        return socket_is_unix(socket) ? HX_EINVAL : HX_ENOTCONN;
    }
    return HX_OK;
}

hx_err stream_receive(struct socket *socket, struct socket_message *message, size_t *done)
{
    struct inbox *inbox = &socket->inbox;
    struct reception reception = {.message = message, .peeks = (message->flags & SOCKET_PEEK) != 0};
    hx_err error = check_receiver(socket, message);

    if (error != HX_OK) {
        return error;
    }
    mutex_lock_inline(&inbox->mutex);
    error = receive_locked(socket, &reception, done);
    mutex_unlock(&inbox->mutex);
    give_flight(&reception);
    message->has_credentials = reception.has_sender;
    return error;
}

/* --- as files --------------------------------------------------------------------------------- */

/* There is nothing.  HX_OK: look again.  Errors: HX_ECLOSED nothing will come, or is wanted. */
static HX_NOINLINE hx_err await_read_locked(struct socket *socket, const struct transfer *transfer)
{
    if (transfer->left == 0) {
        return HX_ECLOSED;
    }
    if (HX_UNLIKELY(socket_peer(socket) == NULL)) {
        return socket_is_unix(socket) ? HX_EINVAL : HX_ENOTCONN;
    }
    return await_bytes_locked(socket, 0, socket_deadline(&socket->receive_time_out_ns));
}

static HX_NOINLINE hx_err read_slowly(struct socket *socket, struct transfer *transfer,
                                      size_t *done)
{
    struct socket_message message = {.transfer = *transfer};
    hx_err error = transfer->left > 0 ? stream_receive(socket, &message, done) : HX_OK;

    *transfer = message.transfer;
    passed_files_free(message.files);
    return error;
}

/* Most often what there is lies in one piece. */
hx_err stream_read(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct socket *socket = file->context;
    struct inbox *inbox = &socket->inbox;
    struct byte_ring *ring = &inbox->ring;
    uint64_t head;
    size_t size;
    hx_err error;

    (void)offset;
    mutex_lock_inline(&inbox->mutex);
    while (HX_UNLIKELY(byte_ring_used(ring) == 0)) {
        error = await_read_locked(socket, transfer);
        if (error != HX_OK) {
            mutex_unlock(&inbox->mutex);
            return error == HX_ECLOSED ? HX_OK : error;
        }
    }
    head = position(&ring->head);
    size = least(transfer->left, byte_ring_used(ring));
    if (HX_UNLIKELY(size == 0 || !list_is_empty(&inbox->items) ||
                    !byte_ring_is_simple(transfer, head, size))) {
        mutex_unlock_inline(&inbox->mutex);
        return read_slowly(socket, transfer, done);
    }
    error = transfer_out_simple(
        transfer, byte_ring_bytes(ring->pages[head / HAL_PAGE_SIZE % INBOX_PAGES], head), size,
        done);
    move_head(ring, head + *done);
    noted_queue_unlock(&inbox->writable, &inbox->mutex, true);
    return error;
}

static HX_NOINLINE hx_err write_slowly(struct socket *socket, struct transfer *transfer,
                                       size_t *done)
{
    struct socket_message message = {.transfer = *transfer};
    const struct socket_caller caller = {.credentials = socket_current_credentials(socket),
                                         .owner = socket->owner};
    hx_err error = stream_send(socket, &message, &caller, done);

    *transfer = message.transfer;
    return error;
}

/* Most often there is room for all, in one page that is there already. */
hx_err stream_write(struct file *file, struct transfer *transfer, uint64_t offset, size_t *done)
{
    struct socket *socket = file->context;
    struct socket *peer = socket_peer(socket);
    struct inbox *to;
    size_t size = transfer->left;
    uint64_t tail;
    uint64_t page;
    hx_err error;

    (void)offset;
    if (HX_UNLIKELY(peer == NULL)) {
        return write_slowly(socket, transfer, done);
    }
    to = &peer->inbox;
    mutex_lock_inline(&to->mutex);
    tail = position(&to->ring.tail);
    page = to->ring.pages[tail / HAL_PAGE_SIZE % INBOX_PAGES];
    if (HX_UNLIKELY(to->flags != 0 || page == FRAME_NONE ||
                    byte_ring_used(&to->ring) + size > to->limit ||
                    !byte_ring_is_simple(transfer, tail, size))) {
        mutex_unlock_inline(&to->mutex);
        return write_slowly(socket, transfer, done);
    }
    error = transfer_in_simple(transfer, byte_ring_bytes(page, tail), size, done);
    set_position(&to->ring.tail, tail + *done);
    noted_queue_unlock(&to->readable, &to->mutex, true);
    return error;
}
