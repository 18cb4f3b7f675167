/*
 * Connections: who listens, who connects, who accepts, and their ends.
 *
 * A connection is made by who connects: the socket that accept will answer is there from then on,
 * in the listening socket's list, and takes what is sent. Of TCP, connections that find the list
 * full stand in a second list, not connected yet, and move up as others are accepted.
 */
#include <base/memory.h>
#include <subsys/socket/socket_private.h>

/* --- two ends --------------------------------------------------------------------------------- */

void connection_set_limit(struct socket *socket, const struct socket *peer)
{
    uint64_t limit = atomic_load_explicit(&peer->send_limit, memory_order_relaxed);

    if (!socket_is_unix(socket)) {
        limit += atomic_load_explicit(&socket->receive_limit, memory_order_relaxed);
    }
    if (socket->kind->is_stream) {
        limit = limit < INBOX_BYTES ? limit : INBOX_BYTES;
    }
    mutex_lock(&socket->inbox.mutex);
    socket->inbox.limit = limit;
    if (socket_has_flag(socket, SOCKET_TELLS_CREDENTIALS) ||
        socket_has_flag(peer, SOCKET_TELLS_CREDENTIALS)) {
        socket->inbox.flags |= INBOX_MARKED;
    }
    mutex_unlock(&socket->inbox.mutex);
}

/* Rings are there already. */
static void tie(struct socket *a, struct socket *b)
{
    /* What was shut down before there was a peer. */
    unsigned shut = atomic_load_explicit(&a->shut, memory_order_relaxed);

    connection_set_limit(a, b);
    connection_set_limit(b, a);
    a->peer_is = b->self;
    b->peer_is = a->self;
    a->peer_name = b->name;
    b->peer_name = a->name;
    if ((shut & SOCKET_SHUT_WRITE) != 0) {
        inbox_set_flags(&b->inbox, INBOX_ENDED);
    }
    /* release: who finds a peer finds what stands above */
    atomic_store_explicit(&b->peer, socket_get(a), memory_order_release);
    atomic_store_explicit(&a->peer, socket_get(b), memory_order_release);
    socket_set_state(b, SOCKET_CONNECTED);
    socket_set_state(a, SOCKET_CONNECTED);
}

static hx_err have_rings(struct socket *a, struct socket *b)
{
    hx_err error = HX_OK;

    if (!a->kind->is_stream) {
        return HX_OK;
    }
    if (a->inbox.ring.pages == NULL) { /* else an attempt before has made it */
        error = inbox_have_ring(&a->inbox);
    }
    return error == HX_OK ? inbox_have_ring(&b->inbox) : error;
}

hx_err connection_make(struct socket *a, struct socket *b)
{
    hx_err error = have_rings(a, b);

    if (error == HX_OK) {
        tie(a, b);
    }
    return error;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Tell the peer that nothing more comes. */
static void tell_end(struct socket *peer, bool is_reset)
{
    if (is_reset) {
        socket_set_error(peer, HX_ECONNRESET);
        if (!socket_is_unix(peer)) {
            socket_set_state(peer, SOCKET_BROKEN);
        }
    }
    inbox_set_flags(&peer->inbox, INBOX_ENDED);
}

static bool lingers_for_nothing(const struct socket *socket)
{
    return !socket_is_unix(socket) && socket_has_flag(socket, SOCKET_LINGERS) &&
           socket->linger_seconds == 0;
}

void connection_close(struct socket *socket)
{
    struct socket *peer;
    bool had_some;

    inbox_empty(&socket->inbox, INBOX_ABANDONED, &had_some);
    peer = atomic_exchange_explicit(&socket->peer, NULL, memory_order_acq_rel);
    if (peer != NULL && socket->kind->is_connecting) {
        tell_end(peer, had_some || lingers_for_nothing(socket) || socket->file == NULL);
    }
    socket_put(peer);
}

/* A connection that nobody will accept. */
static void refuse_waiting(struct socket *child)
{
    struct socket *client = atomic_exchange_explicit(&child->peer, NULL, memory_order_acq_rel);

    socket_set_error(client, HX_ECONNREFUSED);
    socket_set_state(client, SOCKET_UNCONNECTED);
    inbox_wake_all(&client->inbox);
    socket_put(client);
    socket_put(child);
}

static void refuse_list(struct list *list, void (*refuse)(struct socket *child))
{
    struct list *link;

    while ((link = list_pop_front(list)) != NULL) {
        refuse(LIST_ENTRY(link, struct socket, pending_link));
    }
}

static void refuse_pending(struct socket *child)
{
    child->kind->forget(child);
    connection_close(child);
    socket_put(child);
}

static void move_list(struct list *from, struct list *to)
{
    struct list *link;

    while ((link = list_pop_front(from)) != NULL) {
        list_push_back(to, link);
    }
}

void connection_refuse_all(struct socket *listener)
{
    struct list pending = LIST_INIT(pending);
    struct list waiting = LIST_INIT(waiting);

    mutex_lock(&listener->inbox.mutex);
    listener->backlog = 0;
    listener->pending_count = 0;
    socket_set_state(listener, SOCKET_UNCONNECTED);
    move_list(&listener->pending, &pending);
    move_list(&listener->waiting, &waiting);
    mutex_unlock(&listener->inbox.mutex);
    inbox_wake_all(&listener->inbox);
    refuse_list(&pending, refuse_pending);
    refuse_list(&waiting, refuse_waiting);
}

/* --- listening -------------------------------------------------------------------------------- */

static hx_err check_listen(struct socket *socket, const struct socket_caller *caller)
{
    enum socket_state state = socket_state(socket);

    if (!socket->kind->is_connecting) {
        return HX_EOPNOTSUPP;
    }
    if (state != SOCKET_UNCONNECTED && state != SOCKET_LISTENING) {
        return HX_EINVAL;
    }
    if (socket_is_unix(socket)) {
        return socket->name.length > 0 ? HX_OK : HX_EINVAL;
    }
    if (state == SOCKET_LISTENING) {
        return HX_OK;
    }
    return socket->name.port != 0 ? inet_may_listen(socket)
                                  : socket->kind->name_itself(socket, caller);
}

hx_err socket_listen(struct socket *socket, unsigned backlog, const struct socket_caller *caller)
{
    const unsigned most = 4096; /* net.core.somaxconn */
    hx_err error = check_listen(socket, caller);

    if (error != HX_OK) {
        return error == HX_EADDRNOTAVAIL ? HX_EADDRINUSE : error;
    }
    mutex_lock(&socket->inbox.mutex);
    socket->backlog = backlog < most ? backlog : most;
    socket->self = caller->credentials;
    socket_set_state(socket, SOCKET_LISTENING);
    mutex_unlock(&socket->inbox.mutex);
    inbox_wake_all(&socket->inbox);
    return HX_OK;
}

/* --- connecting ------------------------------------------------------------------------------- */

/* The socket that accept will answer: as the listening one is. NULL: no memory. */
static struct socket *make_child(struct socket *listener, const struct socket_address *address)
{
    struct socket *child = socket_make(listener->kind, listener->owner);

    if (child == NULL) {
        return NULL;
    }
    atomic_store_explicit(&child->flags,
                          atomic_load_explicit(&listener->flags, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&child->send_limit,
                          atomic_load_explicit(&listener->send_limit, memory_order_relaxed),
                          memory_order_relaxed);
    atomic_store_explicit(&child->receive_limit,
                          atomic_load_explicit(&listener->receive_limit, memory_order_relaxed),
                          memory_order_relaxed);
    child->linger_seconds = listener->linger_seconds;
    child->self = listener->self;
    child->name = listener->name;
    if (!socket_is_unix(listener)) {
        child->name.ip = address->ip != 0 ? address->ip : 0x7f000001;
        inet_share_port(child);
    }
    return child;
}

static bool is_listening_locked(const struct socket *socket)
{
    return socket_state(socket) == SOCKET_LISTENING && (socket->inbox.flags & INBOX_IGNORED) == 0;
}

static void add_pending_locked(struct socket *listener, struct socket *child)
{
    list_push_back(&listener->pending, &child->pending_link);
    listener->pending_count++;
    noted_queue_wake_locked(&listener->inbox.readable);
}

/* Connect with a socket that listens, as soon as there is room in its list. The child is the
 * list's on success, and for HX_EINPROGRESS. */
static hx_err offer(struct socket *listener, struct socket *socket, struct socket *child)
{
    bool waits = !file_does_not_block(socket->file);
    uint64_t deadline = socket_deadline(&socket->send_time_out_ns);
    hx_err error = HX_OK;

    mutex_lock(&listener->inbox.mutex);
    while (error == HX_OK && is_listening_locked(listener) &&
           listener->pending_count > listener->backlog) {
        error = waits
                    ? noted_queue_await(&listener->inbox.writable, &listener->inbox.mutex, deadline)
                    : HX_EAGAIN;
    }
    if (!is_listening_locked(listener)) {
        error = HX_ECONNREFUSED;
    } else if (error == HX_EAGAIN && !socket_is_unix(socket)) {
        atomic_store_explicit(&child->peer, socket_get(socket), memory_order_release);
        list_push_back(&listener->waiting, &child->pending_link);
        error = HX_EINPROGRESS;
    } else if (error == HX_OK) {
        tie(socket, child);
        add_pending_locked(listener, child);
    }
    mutex_unlock(&listener->inbox.mutex);
    return error == HX_ETIMEDOUT && socket_is_unix(socket) ? HX_EAGAIN : error;
}

/* Nobody else has the child: it is freed without a word to its peer. */
static void drop_child(struct socket *child)
{
    child->kind->forget(child);
    socket_put(child);
}

static hx_err connect_to(struct socket *listener, struct socket *socket,
                         const struct socket_address *address)
{
    struct socket *child;
    hx_err error;

    if (!socket_is_unix(socket)) {
        inet_set_peer(socket, address);
    }
    child = make_child(listener, address);
    if (child == NULL) {
        return HX_ENOMEM;
    }
    error = have_rings(socket, child);
    if (error == HX_OK) {
        error = offer(listener, socket, child);
    }
    if (error != HX_OK && error != HX_EINPROGRESS) {
        drop_child(child);
    }
    return error;
}

/* Only one thread connects a socket. */
static hx_err begin(struct socket *socket)
{
    hx_err error = HX_OK;

    mutex_lock(&socket->mutex);
    switch (socket_state(socket)) {
    case SOCKET_UNCONNECTED:
        error = socket_take_error(socket); /* of an attempt that went on without the caller */
        break;
    case SOCKET_LISTENING:
        error = socket_is_unix(socket) ? HX_EINVAL : HX_EISCONN;
        break;
    case SOCKET_CONNECTING:
        error = HX_EALREADY;
        break;
    case SOCKET_CONNECTED:
    case SOCKET_BROKEN:
        error = socket->is_told ? HX_ESTATE : HX_EISCONN;
        socket->is_told = false;
        break;
    }
    if (error == HX_OK) {
        socket_set_state(socket, SOCKET_CONNECTING);
        socket->is_told = false;
    }
    mutex_unlock(&socket->mutex);
    return error;
}

static hx_err try_connect(struct socket *socket, const struct socket_address *address,
                          const struct socket_caller *caller)
{
    struct socket *listener;
    hx_err error = socket->kind->name_itself(socket, caller);

    if (error == HX_OK) {
        error = socket->kind->find(socket, address, caller, &listener);
    }
    if (error != HX_OK) {
        return error;
    }
    socket->self = caller->credentials;
    error = connect_to(listener, socket, address);
    socket_put(listener);
    return error;
}

/* TCP tells who does not wait how it went by SO_ERROR, and by the next connect. */
static hx_err tell_later(struct socket *socket, hx_err error)
{
    bool is_outcome = error == HX_OK || error == HX_ECONNREFUSED;

    if (socket_is_unix(socket) || !is_outcome || !file_does_not_block(socket->file)) {
        return error;
    }
    socket->is_told = error == HX_OK;
    if (error != HX_OK) {
        socket_set_error(socket, error);
    }
    return HX_EINPROGRESS;
}

hx_err connection_connect(struct socket *socket, const struct socket_address *address,
                          const struct socket_caller *caller)
{
    hx_err error;

    if (address->family == SOCKET_NO_DOMAIN) {
        return HX_EAFNOSUPPORT;
    }
    error = begin(socket);
    if (error != HX_OK) {
        return error == HX_ESTATE ? HX_OK : error;
    }
    error = try_connect(socket, address, caller);
    if (error != HX_OK && error != HX_EINPROGRESS) {
        socket_set_state(socket, SOCKET_UNCONNECTED);
    }
    if (error == HX_EINPROGRESS) {
        socket->is_told = true;
        return error;
    }
    if (error == HX_OK) {
        wait_queue_wake_all(&socket->inbox.readable.queue);
    }
    return tell_later(socket, error);
}

hx_err socket_connect(struct socket *socket, const struct socket_address *address,
                      const struct socket_caller *caller)
{
    if (address->family != SOCKET_NO_DOMAIN && address->family != socket->kind->domain) {
        return socket_is_unix(socket) ? HX_EINVAL : HX_EAFNOSUPPORT;
    }
    return socket->kind->is_connecting ? connection_connect(socket, address, caller)
                                       : datagram_connect(socket, address, caller);
}

/* --- accepting -------------------------------------------------------------------------------- */

/* Let the first that found no room be connected. */
static void move_up_locked(struct socket *listener)
{
    struct list *link = list_pop_front(&listener->waiting);
    struct socket *child = LIST_ENTRY(link, struct socket, pending_link);
    struct socket *client = atomic_exchange_explicit(&child->peer, NULL, memory_order_acq_rel);
    bool has_gone;

    tie(client, child);
    /* Its end has either found the peer to tell, or is found here. */
    mutex_lock(&client->inbox.mutex);
    has_gone = (client->inbox.flags & INBOX_ABANDONED) != 0;
    mutex_unlock(&client->inbox.mutex);
    if (has_gone) {
        inbox_set_flags(&child->inbox, INBOX_ENDED);
    }
    inbox_wake_all(&client->inbox);
    socket_put(client);
    add_pending_locked(listener, child);
}

static struct socket *take_pending_locked(struct socket *listener)
{
    struct list *link = list_pop_front(&listener->pending);

    if (link == NULL) {
        return NULL;
    }
    listener->pending_count--;
    if (!list_is_empty(&listener->waiting)) {
        move_up_locked(listener);
    }
    noted_queue_wake_locked(&listener->inbox.writable);
    return LIST_ENTRY(link, struct socket, pending_link);
}

static hx_err await_connection(struct socket *listener, struct socket **child)
{
    struct inbox *inbox = &listener->inbox;
    bool waits = !file_does_not_block(listener->file);
    uint64_t deadline = socket_deadline(&listener->receive_time_out_ns);
    hx_err error = HX_OK;

    mutex_lock(&inbox->mutex);
    while ((*child = take_pending_locked(listener)) == NULL && error == HX_OK) {
        if (!is_listening_locked(listener)) {
            error = HX_EINVAL;
        } else if (!waits) {
            error = HX_EAGAIN;
        } else {
            error = noted_queue_await(&inbox->readable, &inbox->mutex, deadline);
            error = error == HX_ETIMEDOUT ? HX_EAGAIN : error;
        }
    }
    mutex_unlock(&inbox->mutex);
    return *child != NULL ? HX_OK : error;
}

hx_err socket_accept(struct socket *socket, uint32_t flags, owner_tag owner, struct file **file)
{
    struct socket *child;
    hx_err error;

    if (!socket->kind->is_connecting) {
        return HX_EOPNOTSUPP;
    }
    error = await_connection(socket, &child);
    if (error != HX_OK) {
        return error;
    }
    error = socket_make_file(child, flags, owner, file);
    if (error != HX_OK) {
        refuse_pending(child);
    }
    return error;
}

/* --- shutting down ---------------------------------------------------------------------------- */

static void shut_connection(struct socket *socket, struct socket *peer, unsigned how)
{
    if ((how & SOCKET_SHUT_READ) != 0) {
        inbox_set_flags(&socket->inbox, INBOX_IGNORED);
        inbox_wake_all(&peer->inbox);
    }
    if ((how & SOCKET_SHUT_WRITE) != 0) {
        inbox_set_flags(&peer->inbox, INBOX_ENDED);
        inbox_wake_all(&socket->inbox);
    }
}

static hx_err shut_alone(struct socket *socket, unsigned how)
{
    bool is_udp = socket->kind == &udp_kind;

    if (socket->kind == &tcp_kind) {
        if (socket_state(socket) != SOCKET_LISTENING) {
            return HX_ENOTCONN;
        }
        if ((how & SOCKET_SHUT_READ) != 0) {
            connection_refuse_all(socket);
        }
        return HX_OK;
    }
    if ((how & SOCKET_SHUT_READ) != 0) {
        inbox_set_flags(&socket->inbox, INBOX_IGNORED);
    }
    return is_udp && socket_state(socket) != SOCKET_CONNECTED ? HX_ENOTCONN : HX_OK;
}

/* Of TCP: what is over is no connection any more. */
static bool has_ended_both_ways(struct socket *socket)
{
    bool has_ended;

    mutex_lock(&socket->inbox.mutex);
    has_ended = (socket->inbox.flags & INBOX_ENDED) != 0;
    mutex_unlock(&socket->inbox.mutex);
    return socket->kind == &tcp_kind && has_ended &&
           (atomic_load_explicit(&socket->shut, memory_order_relaxed) & SOCKET_SHUT_WRITE) != 0;
}

hx_err socket_shut_down(struct socket *socket, unsigned how)
{
    struct socket *peer = socket->kind->is_connecting ? socket_peer(socket) : NULL;

    if (peer == NULL && socket->kind == &tcp_kind) {
        return shut_alone(socket, how);
    }
    if (socket_state(socket) == SOCKET_BROKEN || has_ended_both_ways(socket)) {
        return HX_ENOTCONN;
    }
    atomic_fetch_or_explicit(&socket->shut, how, memory_order_relaxed);
    if (peer == NULL) {
        return shut_alone(socket, how);
    }
    shut_connection(socket, peer, how);
    return HX_OK;
}
