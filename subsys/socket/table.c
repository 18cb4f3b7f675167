/* The tables of sockets in /proc/net, as Linux writes them (proc(5)). */
#include <subsys/socket/socket_private.h>

struct table {
    struct text *text;
    const struct socket_kind *kind;
    unsigned row;
};

/* A socket is shown as long as it has a descriptor, or waits to be accepted. */
static bool is_there(struct socket *socket)
{
    bool answer;

    mutex_lock(&socket->inbox.mutex);
    answer = (socket->inbox.flags & INBOX_ABANDONED) == 0;
    mutex_unlock(&socket->inbox.mutex);
    return answer;
}

/* --- Unix ------------------------------------------------------------------------------------- */

static void add_name(struct text *text, const struct socket_address *name)
{
    if (name->length == 0) {
        return;
    }
    text_add(text, " ");
    if (name->name[0] == '\0') {
        text_add(text, "@");
        text_add_bytes(text, name->name + 1, name->length - 1U);
    } else {
        text_add_bytes(text, name->name, name->length);
    }
}

static void show_unix(struct socket *socket, void *argument)
{
    struct table *table = argument;
    enum socket_state state = socket_state(socket);
    struct socket_address name;

    if (!socket_is_unix(socket) || !is_there(socket)) {
        return;
    }
    mutex_lock(&socket->mutex);
    name = socket->name;
    mutex_unlock(&socket->mutex);
    text_add(table->text, "%016llx: %08X %08X %08X %04X %02X %5llu", 0ULL,
             (unsigned)atomic_load_explicit(&socket->references, memory_order_relaxed), 0U,
             state == SOCKET_LISTENING ? 0x10000U : 0U, socket->kind->type,
             state == SOCKET_CONNECTED ? 3U : 1U, (unsigned long long)socket_number(socket));
    add_name(table->text, &name);
    text_add(table->text, "\n");
}

void socket_show_unix(struct text *text)
{
    struct table table = {.text = text};

    text_add(text, "Num       RefCount Protocol Flags    Type St Inode Path\n");
    socket_for_each(show_unix, &table);
}

/* --- TCP and UDP ------------------------------------------------------------------------------ */

enum tcp_state {
    TCP_ESTABLISHED = 1,
    TCP_CONNECTING = 2,
    TCP_WE_ENDED = 5,
    TCP_CLOSED = 7,
    TCP_THEY_ENDED = 8,
    TCP_LISTENING = 10,
};

static unsigned connected_state(struct socket *socket)
{
    uint32_t flags;

    mutex_lock(&socket->inbox.mutex);
    flags = socket->inbox.flags;
    mutex_unlock(&socket->inbox.mutex);
    if ((flags & INBOX_ENDED) != 0) {
        return TCP_THEY_ENDED;
    }
    return (atomic_load_explicit(&socket->shut, memory_order_relaxed) & SOCKET_SHUT_WRITE) != 0
               ? TCP_WE_ENDED
               : TCP_ESTABLISHED;
}

static unsigned shown_state(struct socket *socket)
{
    switch (socket_state(socket)) {
    case SOCKET_LISTENING:
        return TCP_LISTENING;
    case SOCKET_CONNECTING:
        return TCP_CONNECTING;
    case SOCKET_CONNECTED:
        return connected_state(socket);
    default:
        return TCP_CLOSED;
    }
}

/* The bytes of an address in the order they travel in, read as a number. */
static unsigned reversed(uint32_t ip)
{
    return __builtin_bswap32(ip);
}

static uint64_t waiting_bytes(struct socket *socket)
{
    uint64_t bytes;

    mutex_lock(&socket->inbox.mutex);
    bytes = byte_ring_used(&socket->inbox.ring) + socket->inbox.item_bytes;
    if (socket_state(socket) == SOCKET_LISTENING) {
        bytes = socket->pending_count;
    }
    mutex_unlock(&socket->inbox.mutex);
    return bytes;
}

static void show_inet(struct socket *socket, void *argument)
{
    struct table *table = argument;
    struct socket_address name;
    struct socket_address peer = {.family = SOCKET_NO_DOMAIN};

    if (socket->kind != table->kind || !is_there(socket)) {
        return;
    }
    mutex_lock(&socket->mutex);
    name = socket->name;
    if (socket_state(socket) == SOCKET_CONNECTED) {
        peer = socket->peer_name;
    }
    mutex_unlock(&socket->mutex);
    if (name.port == 0) {
        return;
    }
    text_add(table->text,
             "%4u: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08X %08X %5u %8u %llu %u %016llx%s\n",
             table->row++, reversed(name.ip), (unsigned)name.port, reversed(peer.ip),
             (unsigned)peer.port, shown_state(socket), 0U, (unsigned)waiting_bytes(socket), 0U, 0U,
             0U, (unsigned)socket->self.user, 0U, (unsigned long long)socket_number(socket), 1U,
             0ULL, table->kind == &udp_kind ? " 0" : " 100 0 0 10 0");
}

void socket_show_inet(struct text *text, unsigned type)
{
    struct table table = {.text = text, .kind = type == SOCKET_STREAM ? &tcp_kind : &udp_kind};

    text_add(text,
             "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
             "   uid  timeout inode%s\n",
             type == SOCKET_STREAM ? "" : " ref pointer drops");
    socket_for_each(show_inet, &table);
}
