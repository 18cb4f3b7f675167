/*
 * Ports of TCP and UDP: one table of the sockets that have one, and whom an address leads to.
 *
 * A port is charged to the owner whose process bound it, and to nobody for connections that share
 * their listener's.
 */
#include <kern/spinlock.h>
#include <subsys/access/access.h>
#include <subsys/random/random.h>
#include <subsys/socket/socket_private.h>

#define LOOPBACK      0x7f000001U
#define PORT_PLAIN    1024U  /* smaller ones need a privilege */
#define PORT_FIRST    32768U /* of those given to who asks for none (ip_local_port_range) */
#define PORT_LAST     60999U
#define BUCKETS       64U
#define PORTS_TO_GIVE (PORT_LAST - PORT_FIRST + 1)

static struct spinlock table_lock = SPINLOCK_INIT(LOCK_RANK_CORE, "network ports");
static struct list table[BUCKETS]; /* table_lock  by name_link */

static struct list *bucket_of(uint16_t port)
{
    return &table[port % BUCKETS];
}

static bool is_loopback(uint32_t ip)
{
    return ip >> 24 == LOOPBACK >> 24;
}

/* --- taking a port ---------------------------------------------------------------------------- */

static bool do_overlap(uint32_t a, uint32_t b)
{
    return a == b || a == 0 || b == 0;
}

/* Whether two sockets cannot have one port. A socket that listens shares it with connections
 * only. */
static bool do_conflict(const struct socket *socket, const struct socket *other, bool will_listen)
{
    bool may_share = socket_has_flag(socket, SOCKET_REUSES_ADDRESS) &&
                     socket_has_flag(other, SOCKET_REUSES_ADDRESS);
    bool is_tcp = socket->kind == &tcp_kind;

    if (is_tcp && socket_state(other) == SOCKET_LISTENING) {
        may_share = false;
    }
    if (is_tcp && will_listen && socket_state(other) == SOCKET_UNCONNECTED) {
        may_share = true; /* the first of them to listen has it */
    }
    return !may_share;
}

static bool is_free_locked(const struct socket *socket, uint32_t ip, uint16_t port,
                           bool will_listen)
{
    LIST_FOR_EACH (link, bucket_of(port)) {
        const struct socket *other = LIST_ENTRY(link, struct socket, name_link);

        if (other != socket && other->kind == socket->kind && other->name.port == port &&
            do_overlap(other->name.ip, ip) && do_conflict(socket, other, will_listen)) {
            return false;
        }
    }
    return true;
}

static bool take_port(struct socket *socket, uint32_t ip, uint16_t port)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);
    bool is_free = is_free_locked(socket, ip, port, false);

    if (is_free) {
        socket->name = (struct socket_address){.family = SOCKET_INET, .ip = ip, .port = port};
        socket->is_in_table = true;
        list_push_back(bucket_of(port), &socket->name_link);
    }
    spinlock_release(&table_lock, state);
    return is_free;
}

/* Whether nobody at all has it, whoever may share. */
static bool is_unused(const struct socket *socket, uint16_t port)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);
    bool answer = true;

    LIST_FOR_EACH (link, bucket_of(port)) {
        const struct socket *other = LIST_ENTRY(link, struct socket, name_link);

        answer = answer && !(other->kind == socket->kind && other->name.port == port);
    }
    spinlock_release(&table_lock, state);
    return answer;
}

/* From a random one on, so that who comes next cannot be guessed. */
static bool take_any_port(struct socket *socket, uint32_t ip)
{
    uint32_t start;

    random_fill(&start, sizeof(start));
    for (uint32_t i = 0; i < PORTS_TO_GIVE; i++) {
        uint16_t port = (uint16_t)(PORT_FIRST + (start + i) % PORTS_TO_GIVE);

        if (is_unused(socket, port) && take_port(socket, ip, port)) {
            return true;
        }
    }
    return false;
}

static void give_charge_back(struct socket *socket)
{
    if (socket->port_charge != RESOURCE_HANDLE_NONE) {
        /* Its owner may have ended: then it holds nothing any more. */
        (void)!resource_release(socket->port_charge, socket->port_owner);
        socket->port_charge = RESOURCE_HANDLE_NONE;
    }
}

/* The socket's mutex is held. */
static hx_err take_charged(struct socket *socket, const struct socket_address *address,
                           owner_tag owner)
{
    bool is_taken;

    if (resource_allocate(owner, RESOURCE_NETWORK_PORTS, 1, &socket->port_charge) != HX_OK) {
        return HX_ENOBUFS;
    }
    socket->port_owner = owner;
    is_taken = address->port != 0 ? take_port(socket, address->ip, address->port)
                                  : take_any_port(socket, address->ip);
    if (!is_taken) {
        give_charge_back(socket);
    }
    return is_taken ? HX_OK : HX_EADDRINUSE;
}

hx_err inet_bind(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller)
{
    hx_err error;

    if (address->ip != 0 && !is_loopback(address->ip)) {
        return HX_EADDRNOTAVAIL;
    }
    error = address->port != 0 && address->port < PORT_PLAIN
                ? access_require_privilege(PRIVILEGE_PORT)
                : HX_OK;
    if (error != HX_OK) {
        return error;
    }
    mutex_lock(&socket->mutex);
    error = socket->name.port == 0 && socket_state(socket) == SOCKET_UNCONNECTED
                ? take_charged(socket, address, caller->owner)
                : HX_EINVAL;
    mutex_unlock(&socket->mutex);
    return error;
}

hx_err inet_name_itself(struct socket *socket, const struct socket_caller *caller)
{
    const struct socket_address any = {.family = SOCKET_INET};
    hx_err error = HX_OK;

    mutex_lock(&socket->mutex);
    if (socket->name.port == 0) {
        error = take_charged(socket, &any, caller->owner);
    }
    mutex_unlock(&socket->mutex);
    return error == HX_EADDRINUSE ? HX_EADDRNOTAVAIL : error;
}

hx_err inet_may_listen(struct socket *socket)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);
    bool is_free = is_free_locked(socket, socket->name.ip, socket->name.port, true);

    spinlock_release(&table_lock, state);
    return is_free ? HX_OK : HX_EADDRINUSE;
}

void inet_share_port(struct socket *socket)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);

    socket->is_in_table = true;
    list_push_back(bucket_of(socket->name.port), &socket->name_link);
    spinlock_release(&table_lock, state);
}

void inet_set_peer(struct socket *socket, const struct socket_address *address)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);

    socket->peer_name = *address;
    if (address->family != SOCKET_NO_DOMAIN && socket->name.ip == 0) {
        socket->name.ip = LOOPBACK;
    }
    spinlock_release(&table_lock, state);
}

void inet_forget(struct socket *socket)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);

    if (socket->is_in_table) {
        list_remove(&socket->name_link);
        socket->is_in_table = false;
    }
    spinlock_release(&table_lock, state);
    give_charge_back(socket);
}

/* --- finding ---------------------------------------------------------------------------------- */

/* How well a socket fits an address; 0: not at all. The sender is looked at by who is connected. */
static unsigned fit(const struct socket *other, const struct socket *from, uint32_t ip,
                    uint16_t port)
{
    bool is_connected;

    if (other->kind != from->kind || other->name.port != port || !do_overlap(other->name.ip, ip)) {
        return 0;
    }
    if (other->kind == &tcp_kind) {
        return socket_state(other) != SOCKET_LISTENING ? 0U : other->name.ip != 0 ? 2U : 1U;
    }
    is_connected = other->peer_name.family != SOCKET_NO_DOMAIN;
    if (is_connected && (other->peer_name.port != from->name.port ||
                         !do_overlap(other->peer_name.ip, from->name.ip))) {
        return 0;
    }
    return 1 + (other->name.ip != 0 ? 1U : 0U) + (is_connected ? 2U : 0U);
}

static struct socket *find_best(const struct socket *from, uint32_t ip, uint16_t port)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);
    struct socket *best = NULL;
    unsigned best_fit = 0;

    LIST_FOR_EACH (link, bucket_of(port)) {
        struct socket *other = LIST_ENTRY(link, struct socket, name_link);
        unsigned its_fit = fit(other, from, ip, port);

        if (its_fit > best_fit) {
            best = other;
            best_fit = its_fit;
        }
    }
    if (best != NULL) {
        socket_get(best);
    }
    spinlock_release(&table_lock, state);
    return best;
}

hx_err inet_find(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller, struct socket **found)
{
    uint32_t ip = address->ip != 0 ? address->ip : LOOPBACK;

    (void)caller;
    if (!is_loopback(ip)) {
        return HX_ENETUNREACH;
    }
    *found = find_best(socket, ip, address->port);
    return *found != NULL ? HX_OK : HX_ECONNREFUSED;
}

/* --- the provider ----------------------------------------------------------------------------- */

/* Ports that somebody's sockets really have. */
static uint64_t count_ports(owner_tag owner)
{
    hal_interrupt_state state = spinlock_acquire(&table_lock);
    uint64_t ports = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        LIST_FOR_EACH (link, &table[i]) {
            const struct socket *socket = LIST_ENTRY(link, struct socket, name_link);

            ports += socket->port_charge != RESOURCE_HANDLE_NONE && socket->port_owner == owner;
        }
    }
    spinlock_release(&table_lock, state);
    return ports;
}

const struct resource_provider socket_port_provider = {.name = "sockets", .usage = count_ports};

hx_err inet_ports_init(void)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        list_init(&table[i]);
    }
    return resource_register_provider(RESOURCE_NETWORK_PORTS, &socket_port_provider);
}
