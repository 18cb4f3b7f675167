/*
 * Sockets whose messages keep their bounds: Unix datagram and seqpacket, UDP.
 */
#include <base/memory.h>
#include <subsys/socket/flight.h>
#include <subsys/socket/socket_private.h>

#define UNIX_MESSAGES_MAX 512U /* waiting in one inbox (net.unix.max_dgram_qlen) */
#define UDP_SIZE_MAX      65507U

/*
 * Who polls for room in another's inbox waits here, for its peer may be another one at any time: a
 * table of poll holds no reference of it.
 */
static struct wait_queue room = WAIT_QUEUE_INIT(room, "room for datagrams");

/* --- sending ---------------------------------------------------------------------------------- */

/* A message with the caller's bytes in it.  Errors: HX_ENOBUFS, HX_EFAULT. */
static hx_err copy_in(struct socket *socket, struct socket_message *message,
                      const struct socket_caller *caller, struct inbox_item **item)
{
    size_t moved;
    hx_err error;

    *item = inbox_item_create(message->transfer.left);
    if (*item == NULL) {
        return HX_ENOBUFS;
    }
    (*item)->credentials = message->has_credentials ? message->credentials : caller->credentials;
    (*item)->address = socket->name;
    error = transfer_in(&message->transfer, (*item)->bytes, (*item)->size, &moved);
    if (error != HX_OK) {
        inbox_item_free(*item);
    }
    return error;
}

static bool has_room_locked(const struct inbox *to, uint64_t limit, size_t cost)
{
    return to->item_count < UNIX_MESSAGES_MAX &&
           (to->item_count == 0 || to->item_bytes + cost <= limit);
}

static hx_err check_unix_receiver_locked(const struct socket *socket, const struct inbox *to)
{
    bool is_datagram = !socket->kind->is_connecting;

    if ((to->flags & INBOX_ABANDONED) != 0 && is_datagram) {
        return HX_ECONNREFUSED;
    }
    return (to->flags & (INBOX_ENDED | INBOX_IGNORED | INBOX_ABANDONED)) != 0 ? HX_EPIPE : HX_OK;
}

/* Wait for room for a message. The receiver's inbox is locked. */
static hx_err await_room_locked(struct socket *socket, struct inbox *to, size_t cost, bool waits)
{
    uint64_t limit = atomic_load_explicit(&socket->send_limit, memory_order_relaxed);
    uint64_t deadline = waits ? socket_deadline(&socket->send_time_out_ns) : 0;
    hx_err error = check_unix_receiver_locked(socket, to);

    while (error == HX_OK && !has_room_locked(to, limit, cost)) {
        error = waits ? noted_queue_await(&to->writable, &to->mutex, deadline) : HX_EAGAIN;
        error = error == HX_ETIMEDOUT ? HX_EAGAIN : error;
        error = error == HX_OK ? check_unix_receiver_locked(socket, to) : error;
    }
    return error;
}

/* Put a message into a Unix socket's inbox; it is the inbox's on success. */
static hx_err deliver(struct socket *socket, struct inbox *to, struct inbox_item *item, bool waits)
{
    hx_err error;

    mutex_lock(&to->mutex);
    error = await_room_locked(socket, to, item->cost, waits);
    if (error == HX_OK) {
        error = inbox_add_locked(to, item);
    }
    noted_queue_unlock(&to->readable, &to->mutex, error == HX_OK);
    return error;
}

static hx_err send_to(struct socket *socket, struct socket *receiver,
                      struct socket_message *message, const struct socket_caller *caller,
                      size_t *done)
{
    size_t size = message->transfer.left;
    bool waits = !socket_does_not_block(socket, message->flags);
    struct inbox_item *item;
    hx_err error;

    if (size > atomic_load_explicit(&socket->send_limit, memory_order_relaxed)) {
        return HX_EMSGSIZE;
    }
    error = copy_in(socket, message, caller, &item);
    if (error != HX_OK) {
        return error;
    }
    item->files = message->files;
    error = deliver(socket, &receiver->inbox, item, waits);
    if (error != HX_OK) {
        inbox_item_free(item);
        return error;
    }
    *done = size;
    return HX_OK;
}

static bool has_shut_sending(const struct socket *socket)
{
    return (atomic_load_explicit(&socket->shut, memory_order_relaxed) & SOCKET_SHUT_WRITE) != 0;
}

hx_err seqpacket_send(struct socket *socket, struct socket_message *message,
                      const struct socket_caller *caller, size_t *done)
{
    struct socket *peer = socket_peer(socket);

    if (peer == NULL) {
        return HX_ENOTCONN;
    }
    if (has_shut_sending(socket)) {
        return HX_EPIPE;
    }
    return send_to(socket, peer, message, caller, done);
}

/* --- datagrams of Unix sockets ---------------------------------------------------------------- */

/* Whom a message goes to: a reference. */
static hx_err receiver_of(struct socket *socket, const struct socket_message *message,
                          const struct socket_caller *caller, struct socket **receiver)
{
    hx_err error = HX_OK;

    if (message->address.family != SOCKET_NO_DOMAIN) {
        return socket->kind->find(socket, &message->address, caller, receiver);
    }
    *receiver = socket_get_peer(socket);
    if (*receiver == NULL) {
        error = socket_is_unix(socket) ? HX_ENOTCONN : HX_EDESTADDRREQ;
    }
    return error;
}

/* A connected socket hears its peer alone. */
static bool may_send_to(struct socket *socket, struct socket *receiver)
{
    struct socket *peer = socket_get_peer(receiver);
    bool answer = peer == NULL || peer == socket;

    socket_put(peer);
    return answer;
}

/* A peer that is gone is no peer any more. */
static void disconnect(struct socket *socket, const struct socket *receiver)
{
    struct socket *peer = NULL;

    mutex_lock(&socket->mutex);
    if (socket_peer(socket) == receiver) {
        peer = atomic_exchange_explicit(&socket->peer, NULL, memory_order_acq_rel);
        socket_set_state(socket, SOCKET_UNCONNECTED);
    }
    mutex_unlock(&socket->mutex);
    socket_put(peer);
}

hx_err unix_datagram_send(struct socket *socket, struct socket_message *message,
                          const struct socket_caller *caller, size_t *done)
{
    struct socket *receiver;
    hx_err error;

    if (has_shut_sending(socket)) {
        return HX_EPIPE;
    }
    error = receiver_of(socket, message, caller, &receiver);
    if (error != HX_OK) {
        return error;
    }
    error =
        may_send_to(socket, receiver) ? send_to(socket, receiver, message, caller, done) : HX_EPERM;
    if (error == HX_ECONNREFUSED) {
        disconnect(socket, receiver);
    }
    socket_put(receiver);
    return error;
}

/* --- UDP -------------------------------------------------------------------------------------- */

/* What finds no room is lost. */
static void deliver_or_lose(struct socket *receiver, struct inbox_item *item)
{
    struct inbox *to = &receiver->inbox;
    uint64_t limit = atomic_load_explicit(&receiver->receive_limit, memory_order_relaxed);
    hx_err error = HX_EAGAIN;

    mutex_lock(&to->mutex);
    if ((to->flags & INBOX_ABANDONED) == 0 && to->item_bytes + item->cost <= limit) {
        error = inbox_add_locked(to, item);
    }
    noted_queue_unlock(&to->readable, &to->mutex, error == HX_OK);
    if (error != HX_OK) {
        inbox_item_free(item);
    }
}

static hx_err address_of(struct socket *socket, const struct socket_message *message,
                         struct socket_address *address)
{
    *address = message->address;
    if (address->family != SOCKET_NO_DOMAIN) {
        return address->port != 0 ? HX_OK : HX_EINVAL;
    }
    mutex_lock(&socket->mutex);
    *address = socket->peer_name;
    mutex_unlock(&socket->mutex);
    return address->family != SOCKET_NO_DOMAIN ? HX_OK : HX_EDESTADDRREQ;
}

/* Nobody is there: who is connected hears of it with the next call, others never. */
static void note_refusal(struct socket *socket)
{
    if (socket_state(socket) == SOCKET_CONNECTED) {
        socket_set_error(socket, HX_ECONNREFUSED);
        inbox_wake_all(&socket->inbox);
    }
}

static hx_err send_datagram(struct socket *socket, const struct socket_address *address,
                            struct socket_message *message, const struct socket_caller *caller)
{
    struct socket *receiver;
    struct inbox_item *item;
    hx_err error = copy_in(socket, message, caller, &item);

    if (error != HX_OK) {
        return error;
    }
    if (item->address.ip == 0) {
        item->address.ip = 0x7f000001;
    }
    error = socket->kind->find(socket, address, caller, &receiver);
    if (error == HX_OK) {
        deliver_or_lose(receiver, item);
        socket_put(receiver);
        return HX_OK;
    }
    inbox_item_free(item);
    if (error == HX_ECONNREFUSED) {
        note_refusal(socket);
        return HX_OK;
    }
    return error;
}

hx_err udp_send(struct socket *socket, struct socket_message *message,
                const struct socket_caller *caller, size_t *done)
{
    struct socket_address address;
    size_t size = message->transfer.left;
    hx_err error = socket_take_error(socket);

    if (size > UDP_SIZE_MAX) {
        return HX_EMSGSIZE;
    }
    if ((message->flags & SOCKET_OUT_OF_BAND) != 0) {
        return HX_EOPNOTSUPP;
    }
    if (error == HX_OK) {
        error = socket->kind->name_itself(socket, caller);
    }
    if (error == HX_OK) {
        error = has_shut_sending(socket) ? HX_EPIPE : address_of(socket, message, &address);
    }
    if (error == HX_OK) {
        error = send_datagram(socket, &address, message, caller);
    }
    *done = error == HX_OK ? size : 0;
    return error;
}

/* --- connecting ------------------------------------------------------------------------------- */

static void set_peer(struct socket *socket, struct socket *peer,
                     const struct socket_address *address)
{
    struct socket *before;

    mutex_lock(&socket->mutex);
    before = atomic_exchange_explicit(&socket->peer, peer, memory_order_acq_rel);
    if (socket_is_unix(socket)) {
        socket->peer_name = *address;
    } else {
        inet_set_peer(socket, address);
    }
    socket_set_state(socket,
                     address->family != SOCKET_NO_DOMAIN ? SOCKET_CONNECTED : SOCKET_UNCONNECTED);
    mutex_unlock(&socket->mutex);
    socket_put(before);
    wait_queue_wake_all(&room);
}

static hx_err find_unix_peer(struct socket *socket, const struct socket_address *address,
                             const struct socket_caller *caller, struct socket **peer)
{
    hx_err error = socket->kind->find(socket, address, caller, peer);

    if (error == HX_OK && !may_send_to(socket, *peer)) {
        socket_put(*peer);
        error = HX_EPERM;
    }
    return error;
}

hx_err datagram_connect(struct socket *socket, const struct socket_address *address,
                        const struct socket_caller *caller)
{
    struct socket *peer = NULL;
    struct socket_address to = *address;
    hx_err error = HX_OK;

    if (address->family == SOCKET_NO_DOMAIN) {
        set_peer(socket, NULL, address);
        return HX_OK;
    }
    if (socket_is_unix(socket)) {
        error = find_unix_peer(socket, address, caller, &peer);
    } else {
        to.ip = to.ip != 0 ? to.ip : 0x7f000001;
        error = socket->kind->name_itself(socket, caller);
        if (error == HX_OK) {
            error = to.ip >> 24 == 127 ? HX_OK : HX_ENETUNREACH;
        }
    }
    if (error == HX_OK) {
        set_peer(socket, peer, &to);
    }
    return error;
}

/* --- receiving -------------------------------------------------------------------------------- */

static bool has_ended_locked(const struct inbox *inbox)
{
    return (inbox->flags & (INBOX_ENDED | INBOX_IGNORED)) != 0;
}

/* Wait for a message.  Errors: HX_ECLOSED none will come, HX_EAGAIN, HX_EINTR, the socket's. */
static hx_err await_message_locked(struct socket *socket, const struct socket_message *message)
{
    struct inbox *inbox = &socket->inbox;
    uint64_t deadline = socket_deadline(&socket->receive_time_out_ns);
    hx_err error = HX_OK;

    while (list_is_empty(&inbox->items) && error == HX_OK) {
        error = socket_take_error(socket);
        if (error != HX_OK) {
            break;
        }
        if (has_ended_locked(inbox)) {
            error = HX_ECLOSED;
        } else if (socket_does_not_block(socket, message->flags)) {
            error = HX_EAGAIN;
        } else {
            error = noted_queue_await(&inbox->readable, &inbox->mutex, deadline);
            error = error == HX_ETIMEDOUT ? HX_EAGAIN : error;
        }
    }
    return error;
}

static hx_err copy_out(struct socket *socket, struct inbox_item *item,
                       struct socket_message *message, size_t *done)
{
    size_t size = message->transfer.left;

    message->whole = item->size;
    message->told |= size < item->size ? (unsigned)SOCKET_CUT : 0U;
    message->address = item->address;
    message->credentials = item->credentials;
    message->has_credentials = socket_has_flag(socket, SOCKET_TELLS_CREDENTIALS);
    size = size < item->size ? size : item->size;
    return size > 0 ? transfer_out(&message->transfer, item->bytes, size, done) : HX_OK;
}

static hx_err peek_locked(struct socket *socket, struct inbox_item *item,
                          struct socket_message *message, size_t *done)
{
    if (item->files != NULL) {
        message->files = passed_files_copy(item->files);
        if (message->files == NULL) {
            return HX_ENOMEM;
        }
    }
    return copy_out(socket, item, message, done);
}

/* The mutex is held, and given up. */
static hx_err take_locked(struct socket *socket, struct inbox_item *item,
                          struct socket_message *message, size_t *done)
{
    struct inbox *inbox = &socket->inbox;
    bool is_polled = inbox->is_room_polled;
    hx_err error;

    inbox_remove_locked(inbox, item);
    flight_end_locked(item->files);
    message->files = item->files;
    inbox->is_room_polled = false;
    noted_queue_unlock(&inbox->writable, &inbox->mutex, true);
    if (is_polled) {
        wait_queue_wake_all(&room);
    }
    error = copy_out(socket, item, message, done);
    inbox_item_free(item);
    return error;
}

/* HX_EBUSY: flight_mutex is needed, and was not held. */
static hx_err receive_once(struct socket *socket, struct socket_message *message, bool has_flight,
                           size_t *done)
{
    struct inbox *inbox = &socket->inbox;
    struct inbox_item *item;
    hx_err error = HX_OK;

    mutex_lock(&inbox->mutex);
    error = has_flight && list_is_empty(&inbox->items) ? HX_ESTATE
                                                       : await_message_locked(socket, message);
    item = inbox_first(inbox);
    if (error == HX_OK && item->files != NULL && !has_flight) {
        error = HX_EBUSY;
    }
    if (error == HX_OK && (message->flags & SOCKET_PEEK) == 0) {
        return take_locked(socket, item, message, done);
    }
    if (error == HX_OK) {
        error = peek_locked(socket, item, message, done);
    }
    mutex_unlock(&inbox->mutex);
    return error;
}

/* Files are taken out with flight_mutex held; a message that has gone meanwhile is waited for
 * without. */
static hx_err receive(struct socket *socket, struct socket_message *message, size_t *done)
{
    hx_err error;

    do {
        error = receive_once(socket, message, false, done);
        if (error == HX_EBUSY) {
            flight_lock();
            error = receive_once(socket, message, true, done);
            flight_unlock();
        }
    } while (error == HX_ESTATE);
    return error;
}

hx_err datagram_receive(struct socket *socket, struct socket_message *message, size_t *done)
{
    hx_err error;

    if ((message->flags & SOCKET_OUT_OF_BAND) != 0) {
        return socket_is_unix(socket) ? HX_EOPNOTSUPP : HX_EINVAL;
    }
    if (socket->kind->is_connecting && socket_peer(socket) == NULL) {
        return HX_ENOTCONN;
    }
    error = receive(socket, message, done);
    return error == HX_ECLOSED ? HX_OK : error;
}

void datagram_wake_pollers(void)
{
    wait_queue_wake_all(&room);
}

/* --- looking ---------------------------------------------------------------------------------- */

bool datagram_is_writable(struct socket *socket, struct poll_table *table)
{
    struct socket *peer = socket_is_unix(socket) ? socket_get_peer(socket) : NULL;
    uint64_t limit = atomic_load_explicit(&socket->send_limit, memory_order_relaxed);
    bool answer;

    if (peer == NULL) {
        return true;
    }
    poll_add(table, &room);
    mutex_lock(&peer->inbox.mutex);
    answer = (peer->inbox.flags & (INBOX_IGNORED | INBOX_ABANDONED)) != 0 ||
             has_room_locked(&peer->inbox, limit, 1);
    peer->inbox.is_room_polled |= !answer && table != NULL;
    mutex_unlock(&peer->inbox.mutex);
    socket_put(peer);
    return answer;
}
