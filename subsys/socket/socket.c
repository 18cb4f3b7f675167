/* Sockets: their kinds, their life, and what is done with them as files. */
#include <hal/clock.h>
#include <hal/user.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/process/process.h>
#include <subsys/socket/flight.h>
#include <subsys/socket/socket_private.h>

#define DEFAULT_LIMIT 212992U /* bytes (net.core.rmem_default) */

/* --- kinds ------------------------------------------------------------------------------------ */

#define UNIX_NAMES                                                                                 \
    .domain = SOCKET_UNIX, .bind = unix_bind, .find = unix_find, .name_itself = unix_name_itself,  \
    .forget = unix_forget
#define INET_NAMES                                                                                 \
    .domain = SOCKET_INET, .bind = inet_bind, .find = inet_find, .name_itself = inet_name_itself,  \
    .forget = inet_forget

const struct socket_kind unix_stream_kind = {
    UNIX_NAMES,          .type = SOCKET_STREAM, .is_stream = true, .is_connecting = true,
    .send = stream_send,
};
const struct socket_kind unix_datagram_kind = {
    UNIX_NAMES,
    .type = SOCKET_DATAGRAM,
    .send = unix_datagram_send,
};
const struct socket_kind unix_seqpacket_kind = {
    UNIX_NAMES,
    .type = SOCKET_SEQPACKET,
    .is_connecting = true,
    .send = seqpacket_send,
};
const struct socket_kind tcp_kind = {
    INET_NAMES,        .type = SOCKET_STREAM, .protocol = SOCKET_TCP,
    .is_stream = true, .is_connecting = true, .send = stream_send,
};
const struct socket_kind udp_kind = {
    INET_NAMES,
    .type = SOCKET_DATAGRAM,
    .protocol = SOCKET_UDP,
    .send = udp_send,
};

static hx_err find_unix_kind(unsigned type, unsigned protocol, const struct socket_kind **kind)
{
    static const struct socket_kind *const kinds[] = {
        [SOCKET_STREAM] = &unix_stream_kind,
        [SOCKET_DATAGRAM] = &unix_datagram_kind,
        [SOCKET_RAW] = &unix_datagram_kind,
        [SOCKET_SEQPACKET] = &unix_seqpacket_kind,
    };

    if (protocol > SOCKET_UNIX) {
        return HX_EPROTONOSUPPORT;
    }
    *kind = type < HX_ARRAY_SIZE(kinds) ? kinds[type] : NULL;
    return *kind != NULL ? HX_OK : HX_ESOCKTNOSUPPORT;
}

static hx_err find_inet_kind(unsigned type, unsigned protocol, const struct socket_kind **kind)
{
    if (type == SOCKET_RAW) {
        return HX_EPROTONOSUPPORT;
    }
    if (type != SOCKET_STREAM && type != SOCKET_DATAGRAM) {
        return HX_ESOCKTNOSUPPORT;
    }
    *kind = type == SOCKET_STREAM ? &tcp_kind : &udp_kind;
    return protocol == 0 || protocol == (*kind)->protocol ? HX_OK : HX_EPROTONOSUPPORT;
}

static hx_err find_kind(unsigned domain, unsigned type, unsigned protocol,
                        const struct socket_kind **kind)
{
    switch (domain) {
    case SOCKET_UNIX:
        return find_unix_kind(type, protocol, kind);
    case SOCKET_INET:
        return find_inet_kind(type, protocol, kind);
    default:
        return HX_EAFNOSUPPORT;
    }
}

unsigned socket_domain(const struct socket *socket)
{
    return socket->kind->domain;
}

unsigned socket_type(const struct socket *socket)
{
    return socket->kind->type;
}

/* --- the list of all -------------------------------------------------------------------------- */

static struct mutex all_mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "sockets"),
                                 .waiters = LIST_INIT(all_mutex.waiters)};
static struct list all = LIST_INIT(all); /* all_mutex  by all_link */

void socket_for_each(void (*callback)(struct socket *socket, void *argument), void *argument)
{
    mutex_lock(&all_mutex);
    LIST_FOR_EACH (link, &all) {
        callback(LIST_ENTRY(link, struct socket, all_link), argument);
    }
    mutex_unlock(&all_mutex);
}

static _Atomic uint64_t made; /* relaxed: a count */

uint64_t socket_count_made(void)
{
    return atomic_load_explicit(&made, memory_order_relaxed);
}

struct socket_credentials socket_current_credentials(const struct socket *socket)
{
    const struct process *self = process_current();

    if (self == NULL) { /* a thread of the kernel's own */
        return socket->self;
    }
    return (struct socket_credentials){self->id, self->credentials.effective_user,
                                       self->credentials.effective_group};
}

/* --- life ------------------------------------------------------------------------------------- */

struct socket *socket_make(const struct socket_kind *kind, owner_tag owner)
{
    struct socket *socket = heap_allocate_zeroed(sizeof(*socket), OWNER_CORE);

    if (socket == NULL) {
        return NULL;
    }
    socket->kind = kind;
    socket->owner = owner;
    atomic_init(&socket->references, 1);
    atomic_init(&socket->send_limit, DEFAULT_LIMIT);
    atomic_init(&socket->receive_limit, DEFAULT_LIMIT);
    mutex_init(&socket->mutex, "socket");
    inbox_init(&socket->inbox, owner, DEFAULT_LIMIT);
    list_init(&socket->pending);
    list_init(&socket->waiting);
    socket->self = socket_current_credentials(socket);
    atomic_fetch_add_explicit(&made, 1, memory_order_relaxed);
    mutex_lock(&all_mutex);
    list_push_back(&all, &socket->all_link);
    mutex_unlock(&all_mutex);
    return socket;
}

static void destroy(struct socket *socket)
{
    struct socket *peer = atomic_load_explicit(&socket->peer, memory_order_relaxed);

    mutex_lock(&all_mutex);
    list_remove(&socket->all_link);
    mutex_unlock(&all_mutex);
    inbox_fini(&socket->inbox);
    heap_free(socket);
    socket_put(peer);
}

void socket_put(struct socket *socket)
{
    /* acq_rel: the last one sees what all others did */
    if (socket != NULL &&
        atomic_fetch_sub_explicit(&socket->references, 1, memory_order_acq_rel) == 1) {
        destroy(socket);
    }
}

struct socket *socket_get_peer(struct socket *socket)
{
    struct socket *peer;

    mutex_lock(&socket->mutex);
    peer = socket_peer(socket);
    if (peer != NULL) {
        socket_get(peer);
    }
    mutex_unlock(&socket->mutex);
    return peer;
}

uint64_t socket_deadline(const _Atomic uint64_t *time_out_ns)
{
    uint64_t ns = atomic_load_explicit(time_out_ns, memory_order_relaxed);

    return HX_LIKELY(ns == 0) ? THREAD_NO_DEADLINE : hal_clock_now() + ns;
}

bool socket_has_time_out(const struct socket *socket, bool for_sending)
{
    const _Atomic uint64_t *ns =
        for_sending ? &socket->send_time_out_ns : &socket->receive_time_out_ns;

    return atomic_load_explicit(ns, memory_order_relaxed) != 0;
}

/* The last descriptor is closed. */
static void socket_release(struct file *file)
{
    struct socket *socket = file->context;
    bool is_unix = socket_is_unix(socket);

    if (socket_state(socket) == SOCKET_LISTENING) {
        connection_refuse_all(socket);
    }
    socket->kind->forget(socket);
    connection_close(socket);
    socket->file = NULL;
    if (is_unix && !socket->kind->is_stream) {
        datagram_wake_pollers();
    }
    socket_put(socket);
    if (is_unix) {
        flight_collect();
    }
}

/* --- reading and writing ---------------------------------------------------------------------- */

static hx_err message_read(struct file *file, struct transfer *transfer, uint64_t offset,
                           size_t *done)
{
    struct socket_message message = {.transfer = *transfer};
    hx_err error;

    (void)offset;
    if (transfer->left == 0) {
        return HX_OK;
    }
    error = datagram_receive(file->context, &message, done);
    *transfer = message.transfer;
    passed_files_free(message.files);
    return error;
}

static hx_err message_write(struct file *file, struct transfer *transfer, uint64_t offset,
                            size_t *done)
{
    struct socket *socket = file->context;
    struct socket_message message = {.transfer = *transfer};
    const struct socket_caller caller = {.credentials = socket_current_credentials(socket),
                                         .owner = socket->owner};
    hx_err error;

    (void)offset;
    error = socket->kind->send(socket, &message, &caller, done);
    *transfer = message.transfer;
    return error;
}

hx_err socket_send(struct socket *socket, struct socket_message *message,
                   const struct socket_caller *caller, size_t *done)
{
    hx_err error;

    *done = 0;
    if (message->address.family != SOCKET_NO_DOMAIN &&
        message->address.family != socket->kind->domain) {
        return socket_is_unix(socket) ? HX_EINVAL : HX_EAFNOSUPPORT;
    }
    error = flight_begin(message->files);
    if (error != HX_OK) {
        return error;
    }
    error = socket->kind->send(socket, message, caller, done);
    if (error != HX_OK) {
        flight_lock();
        flight_end_locked(message->files);
        flight_unlock();
    }
    return error;
}

hx_err socket_receive(struct socket *socket, struct socket_message *message, size_t *done)
{
    *done = 0;
    return socket->kind->is_stream ? stream_receive(socket, message, done)
                                   : datagram_receive(socket, message, done);
}

/* --- looking ---------------------------------------------------------------------------------- */

/* Beside what has come: what the inbox's flags say. */
static unsigned readable_locked(const struct inbox *inbox)
{
    unsigned ready = inbox_is_empty(inbox) ? 0U : (unsigned)POLL_IN;

    if ((inbox->flags & (INBOX_ENDED | INBOX_IGNORED)) != 0) {
        ready |= POLL_IN | POLL_READ_HANGUP;
    }
    return ready;
}

static unsigned look_at_own(struct socket *socket, struct poll_table *table)
{
    struct inbox *inbox = &socket->inbox;
    unsigned ready;

    poll_add(table, &inbox->readable.queue);
    mutex_lock(&inbox->mutex);
    ready = readable_locked(inbox);
    if (!list_is_empty(&socket->pending)) {
        ready |= POLL_IN;
    }
    inbox->readable.is_awaited |= table != NULL;
    mutex_unlock(&inbox->mutex);
    return ready;
}

/* Whether the peer takes bytes; HANGUP: it never will. */
static unsigned look_at_peer(struct socket *socket, struct socket *peer, struct poll_table *table)
{
    struct inbox *to = &peer->inbox;
    uint32_t refusing = socket_is_unix(socket) ? INBOX_ENDED | INBOX_IGNORED | INBOX_ABANDONED
                                               : (uint32_t)INBOX_ENDED;
    uint64_t used;
    unsigned ready = 0;

    poll_add(table, &to->writable.queue);
    mutex_lock(&to->mutex);
    used = byte_ring_used(&to->ring);
    if ((to->flags & refusing) != 0) {
        ready = POLL_OUT | POLL_HANGUP;
    } else if (used <= to->limit - to->limit / 3) {
        ready = POLL_OUT;
    }
    to->writable.is_awaited |= table != NULL;
    mutex_unlock(&to->mutex);
    return ready;
}

static unsigned poll_connection(struct socket *socket, struct poll_table *table)
{
    unsigned ready = look_at_own(socket, table);
    struct socket *peer = socket_peer(socket);
    unsigned there;

    switch (socket_state(socket)) {
    case SOCKET_LISTENING:
    case SOCKET_CONNECTING:
        return ready;
    case SOCKET_UNCONNECTED:
        return ready | POLL_OUT | POLL_HANGUP;
    case SOCKET_BROKEN:
        return ready | POLL_OUT | POLL_HANGUP | POLL_IN | POLL_READ_HANGUP;
    case SOCKET_CONNECTED:
        break;
    }
    if (socket->kind->is_stream) {
        there = look_at_peer(socket, peer, table);
    } else {
        there = (look_at_peer(socket, peer, table) & (unsigned)POLL_HANGUP) |
                (datagram_is_writable(socket, table) ? (unsigned)POLL_OUT : 0U);
    }
    /* A connection is hung up once both directions have ended. */
    return ready | ((ready & POLL_READ_HANGUP) != 0 ? there : there & ~(unsigned)POLL_HANGUP);
}

static unsigned poll_datagrams(struct socket *socket, struct poll_table *table)
{
    unsigned ready = look_at_own(socket, table);
    bool has_shut_both = atomic_load_explicit(&socket->shut, memory_order_relaxed) ==
                         (SOCKET_SHUT_READ | SOCKET_SHUT_WRITE);

    return ready | (has_shut_both ? (unsigned)POLL_HANGUP : 0U) |
           (datagram_is_writable(socket, table) ? (unsigned)POLL_OUT : 0U);
}

static unsigned socket_poll(struct file *file, struct poll_table *table)
{
    struct socket *socket = file->context;
    unsigned ready = socket->kind->is_connecting ? poll_connection(socket, table)
                                                 : poll_datagrams(socket, table);
    bool has_error = atomic_load_explicit(&socket->error, memory_order_relaxed) != HX_OK;

    if (has_error && socket->kind->is_connecting) {
        ready |= POLL_IN | POLL_READ_HANGUP;
    }
    return ready | (has_error ? (unsigned)POLL_ERROR : 0U);
}

/* --- requests --------------------------------------------------------------------------------- */

enum socket_request {
    FIONREAD = 0x541b,
    TIOCOUTQ = 0x5411,
    SIOCATMARK = 0x8905,
};

static uint64_t message_bytes_locked(const struct inbox *inbox)
{
    uint64_t bytes = 0;

    LIST_FOR_EACH (link, &inbox->items) {
        bytes += LIST_ENTRY(link, struct inbox_item, link)->size;
    }
    return bytes;
}

/* Bytes that can be received; of datagrams, those of the next one. */
static uint32_t readable_bytes(struct socket *socket)
{
    struct inbox *inbox = &socket->inbox;
    const struct inbox_item *first;
    uint64_t bytes;

    mutex_lock(&inbox->mutex);
    first = inbox_first(inbox);
    if (socket->kind->is_connecting) {
        bytes = byte_ring_used(&inbox->ring) + message_bytes_locked(inbox);
    } else {
        bytes = first != NULL ? first->size : 0;
    }
    mutex_unlock(&inbox->mutex);
    return (uint32_t)bytes;
}

static uint32_t sent_bytes(struct socket *socket)
{
    struct socket *peer = socket->kind == &unix_stream_kind ? socket_peer(socket) : NULL;

    return peer != NULL ? readable_bytes(peer) : 0;
}

static hx_err socket_control(struct file *file, uint32_t request, uintptr_t argument,
                             int64_t *result)
{
    struct socket *socket = file->context;
    uint32_t value = 0;

    *result = 0;
    switch (request) {
    case FIONREAD:
        if (socket_state(socket) == SOCKET_LISTENING) {
            return HX_EINVAL;
        }
        value = readable_bytes(socket);
        break;
    case TIOCOUTQ:
        value = sent_bytes(socket);
        break;
    case SIOCATMARK:
        break;
    default:
        return socket_is_unix(socket) ? HX_ENOTTY : interface_control(request, argument);
    }
    return hal_user_copy_out(argument, &value, sizeof(value));
}

/* --- files ------------------------------------------------------------------------------------ */

static const struct file_ops stream_ops = {
    .name = "socket",
    .type = VNODE_SOCKET,
    .read = stream_read,
    .write = stream_write,
    .control = socket_control,
    .poll = socket_poll,
    .release = socket_release,
};

static const struct file_ops message_ops = {
    .name = "socket",
    .type = VNODE_SOCKET,
    .read = message_read,
    .write = message_write,
    .control = socket_control,
    .poll = socket_poll,
    .release = socket_release,
};

struct socket *socket_of(const struct file *file)
{
    return file->ops == &stream_ops || file->ops == &message_ops ? file->context : NULL;
}

uint64_t socket_number(const struct socket *socket)
{
    return file_number_of(socket);
}

hx_err socket_make_file(struct socket *socket, uint32_t flags, owner_tag owner, struct file **file)
{
    const struct file_ops *ops = socket->kind->is_stream ? &stream_ops : &message_ops;
    hx_err error =
        file_create(ops, FILE_READ_WRITE | (flags & FILE_NON_BLOCKING), socket, owner, file);

    if (error == HX_OK) {
        socket->file = *file;
    }
    return error;
}

static hx_err create(const struct socket_kind *kind, uint32_t flags, owner_tag owner,
                     struct file **file)
{
    struct socket *socket = socket_make(kind, owner);
    hx_err error;

    if (socket == NULL) {
        return HX_ENOMEM;
    }
    error = socket_make_file(socket, flags, owner, file);
    if (error != HX_OK) {
        socket_put(socket);
    }
    return error;
}

hx_err socket_create(unsigned domain, unsigned type, unsigned protocol, uint32_t flags,
                     owner_tag owner, struct file **file)
{
    const struct socket_kind *kind;
    hx_err error = find_kind(domain, type, protocol, &kind);

    return error == HX_OK ? create(kind, flags, owner, file) : error;
}

static hx_err connect_pair(struct socket *a, struct socket *b,
                           const struct socket_credentials *credentials)
{
    a->self = *credentials;
    b->self = *credentials;
    return connection_make(a, b);
}

hx_err socket_create_pair(unsigned domain, unsigned type, unsigned protocol, uint32_t flags,
                          const struct socket_caller *caller, struct file *files[2])
{
    const struct socket_kind *kind;
    hx_err error = find_kind(domain, type, protocol, &kind);

    if (error == HX_OK && domain != SOCKET_UNIX) {
        error = HX_EOPNOTSUPP;
    }
    if (error == HX_OK) {
        error = create(kind, flags, caller->owner, &files[0]);
    }
    if (error != HX_OK) {
        return error;
    }
    error = create(kind, flags, caller->owner, &files[1]);
    if (error != HX_OK) {
        file_put(files[0]);
        return error;
    }
    error = connect_pair(files[0]->context, files[1]->context, &caller->credentials);
    if (error != HX_OK) {
        file_put(files[0]);
        file_put(files[1]);
    }
    return error;
}

/* --- names ------------------------------------------------------------------------------------ */

hx_err socket_bind(struct socket *socket, const struct socket_address *address,
                   const struct socket_caller *caller)
{
    if (address->family != socket->kind->domain) {
        return socket_is_unix(socket) ? HX_EINVAL : HX_EAFNOSUPPORT;
    }
    return socket->kind->bind(socket, address, caller);
}

hx_err socket_name(struct socket *socket, bool of_peer, struct socket_address *address)
{
    enum socket_state state = socket_state(socket);
    bool has_peer = state == SOCKET_CONNECTED;

    if (of_peer && !has_peer) {
        return HX_ENOTCONN;
    }
    mutex_lock(&socket->mutex);
    *address = of_peer ? socket->peer_name : socket->name;
    mutex_unlock(&socket->mutex);
    address->family = socket->kind->domain;
    return HX_OK;
}

hx_err socket_init(void)
{
    unix_names_init();
    return inet_ports_init();
}
