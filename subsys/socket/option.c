/*
 * Options of sockets. What has no meaning without a wire (keeping alive, delays, types of service)
 * is taken and changes nothing: flags are kept and told, the others are told as 0.
 */
#include <base/memory.h>
#include <hal/clock.h>
#include <subsys/socket/socket_private.h>

/* Linux's numbers: levels, and the names below each (socket(7), tcp(7), ip(7)). */
enum option_level { LEVEL_IP = 0, LEVEL_SOCKET = 1, LEVEL_TCP = 6 };
enum socket_option {
    OPTION_REUSE_ADDRESS = 2,
    OPTION_TYPE = 3,
    OPTION_ERROR = 4,
    OPTION_DO_NOT_ROUTE = 5,
    OPTION_BROADCAST = 6,
    OPTION_SEND_BUFFER = 7,
    OPTION_RECEIVE_BUFFER = 8,
    OPTION_KEEP_ALIVE = 9,
    OPTION_URGENT_INLINE = 10,
    OPTION_LINGER = 13,
    OPTION_PASS_CREDENTIALS = 16,
    OPTION_PEER_CREDENTIALS = 17,
    OPTION_RECEIVE_LOW = 18,
    OPTION_SEND_LOW = 19,
    OPTION_RECEIVE_TIME_OUT = 20,
    OPTION_SEND_TIME_OUT = 21,
    OPTION_TIME_STAMP = 29,
    OPTION_ACCEPTS = 30,
    OPTION_PROTOCOL = 38,
    OPTION_DOMAIN = 39,
};
enum tcp_option { TCP_OPTION_NO_DELAY = 1, TCP_OPTION_CORK = 3 };

#define BUFFER_MOST          212992U /* of what is asked for (net.core.wmem_max) */
#define SEND_BUFFER_LEAST    4608U
#define RECEIVE_BUFFER_LEAST 2304U

struct time_value {
    int64_t seconds;
    int64_t microseconds;
};

struct linger_value {
    int32_t is_on;
    int32_t seconds;
};

/* --- flags ------------------------------------------------------------------------------------ */

static enum socket_flag flag_of(int level, int name)
{
    static const struct {
        int level;
        int name;
        enum socket_flag flag;
    } flags[] = {
        {LEVEL_SOCKET, OPTION_REUSE_ADDRESS, SOCKET_REUSES_ADDRESS},
        {LEVEL_SOCKET, OPTION_KEEP_ALIVE, SOCKET_KEEPS_ALIVE},
        {LEVEL_SOCKET, OPTION_BROADCAST, SOCKET_BROADCASTS},
        {LEVEL_SOCKET, OPTION_PASS_CREDENTIALS, SOCKET_TELLS_CREDENTIALS},
        {LEVEL_SOCKET, OPTION_DO_NOT_ROUTE, SOCKET_DOES_NOT_ROUTE},
        {LEVEL_SOCKET, OPTION_URGENT_INLINE, SOCKET_URGENT_INLINE},
        {LEVEL_SOCKET, OPTION_TIME_STAMP, SOCKET_TELLS_TIME},
        {LEVEL_TCP, TCP_OPTION_NO_DELAY, SOCKET_HAS_NO_DELAY},
        {LEVEL_TCP, TCP_OPTION_CORK, SOCKET_CORKS},
    };

    for (size_t i = 0; i < HX_ARRAY_SIZE(flags); i++) {
        if (flags[i].level == level && flags[i].name == name) {
            return flags[i].flag;
        }
    }
    return (enum socket_flag)0;
}

/* Whether the socket has options of a level. */
static bool has_level(const struct socket *socket, int level)
{
    return level == LEVEL_SOCKET || (level == LEVEL_TCP && socket->kind == &tcp_kind);
}

static void set_flag(struct socket *socket, enum socket_flag flag, bool is_on)
{
    struct socket *peer;

    if (is_on) {
        atomic_fetch_or_explicit(&socket->flags, (unsigned)flag, memory_order_relaxed);
    } else {
        atomic_fetch_and_explicit(&socket->flags, ~(unsigned)flag, memory_order_relaxed);
    }
    peer = socket->kind == &unix_stream_kind ? socket_peer(socket) : NULL;
    if (flag == SOCKET_TELLS_CREDENTIALS && is_on && peer != NULL) {
        connection_set_limit(socket, peer);
        connection_set_limit(peer, socket);
    }
}

/* --- setting ---------------------------------------------------------------------------------- */

/* Twice what was asked for, as Linux has it: half is thought to be for the kernel's own needs. */
static uint64_t buffer_size(int32_t asked, uint32_t least)
{
    uint64_t bytes = asked < 0 || (uint32_t)asked > BUFFER_MOST ? BUFFER_MOST : (uint32_t)asked;

    return 2 * bytes > least ? 2 * bytes : least;
}

static hx_err set_buffer(struct socket *socket, bool is_send, int32_t value)
{
    struct socket *peer = socket->kind->is_connecting ? socket_peer(socket) : NULL;

    if (is_send) {
        atomic_store_explicit(&socket->send_limit, buffer_size(value, SEND_BUFFER_LEAST),
                              memory_order_relaxed);
    } else {
        atomic_store_explicit(&socket->receive_limit, buffer_size(value, RECEIVE_BUFFER_LEAST),
                              memory_order_relaxed);
    }
    if (peer != NULL) {
        connection_set_limit(socket, peer);
        connection_set_limit(peer, socket);
    }
    return HX_OK;
}

static hx_err set_time_out(_Atomic uint64_t *ns, const void *value, size_t size)
{
    struct time_value time;
    uint64_t result;

    if (size < sizeof(time)) {
        return HX_EINVAL;
    }
    memcpy(&time, value, sizeof(time));
    if (time.microseconds < 0 || time.microseconds >= 1000000) {
        return HX_EDOM;
    }
    if (time.seconds < 0) {
        result = 1;
    } else if (time.seconds >= INT32_MAX) {
        result = 0;
    } else {
        result = (uint64_t)time.seconds * HAL_NS_PER_S + (uint64_t)time.microseconds * 1000;
    }
    atomic_store_explicit(ns, result, memory_order_relaxed);
    return HX_OK;
}

static hx_err set_linger(struct socket *socket, const void *value, size_t size)
{
    struct linger_value linger;

    if (size < sizeof(linger)) {
        return HX_EINVAL;
    }
    memcpy(&linger, value, sizeof(linger));
    socket->linger_seconds = (uint32_t)linger.seconds;
    set_flag(socket, SOCKET_LINGERS, linger.is_on != 0);
    return HX_OK;
}

static hx_err set_of_socket(struct socket *socket, int name, const void *value, size_t size,
                            int32_t number)
{
    switch (name) {
    case OPTION_SEND_BUFFER:
    case OPTION_RECEIVE_BUFFER:
        return set_buffer(socket, name == OPTION_SEND_BUFFER, number);
    case OPTION_RECEIVE_TIME_OUT:
        return set_time_out(&socket->receive_time_out_ns, value, size);
    case OPTION_SEND_TIME_OUT:
        return set_time_out(&socket->send_time_out_ns, value, size);
    case OPTION_LINGER:
        return set_linger(socket, value, size);
    case OPTION_RECEIVE_LOW:
        return number == 1 ? HX_OK : HX_EINVAL;
    default:
        return HX_ENOPROTOOPT;
    }
}

/* Settings of packets there are none of: of any sensible value. */
static hx_err set_of_packets(int level, int name)
{
    static const uint32_t ip_names = 1U << 1 | 1U << 2 | 1U << 8 | 1U << 10 | 1U << 11;
    static const uint32_t tcp_names =
        1U << 2 | 1U << 4 | 1U << 5 | 1U << 6 | 1U << 7 | 1U << 9 | 1U << 12 | 1U << 18;
    uint32_t names = level == LEVEL_IP ? ip_names : level == LEVEL_TCP ? tcp_names : 0;

    return name > 0 && name < 32 && (names >> name & 1) != 0 ? HX_OK : HX_ENOPROTOOPT;
}

hx_err socket_set_option(struct socket *socket, int level, int name, const void *value, size_t size)
{
    enum socket_flag flag = has_level(socket, level) ? flag_of(level, name) : (enum socket_flag)0;
    int32_t number = 0;

    if (level != LEVEL_SOCKET && socket_is_unix(socket)) {
        return HX_EOPNOTSUPP;
    }
    if (size < sizeof(number)) {
        return HX_EINVAL;
    }
    memcpy(&number, value, sizeof(number));
    if (flag != 0) {
        set_flag(socket, flag, number != 0);
        return HX_OK;
    }
    if (level == LEVEL_SOCKET) {
        return set_of_socket(socket, name, value, size, number);
    }
    return level == LEVEL_IP || has_level(socket, level) ? set_of_packets(level, name)
                                                         : HX_ENOPROTOOPT;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void tell(void *value, size_t *size, const void *from, size_t from_size)
{
    *size = *size < from_size ? *size : from_size;
    memcpy(value, from, *size);
}

static void tell_number(void *value, size_t *size, int32_t number)
{
    tell(value, size, &number, sizeof(number));
}

static void tell_time_out(void *value, size_t *size, const _Atomic uint64_t *ns)
{
    uint64_t all = atomic_load_explicit(ns, memory_order_relaxed);
    const struct time_value time = {(int64_t)(all / HAL_NS_PER_S),
                                    (int64_t)(all % HAL_NS_PER_S / 1000)};

    tell(value, size, &time, sizeof(time));
}

static void tell_peer(struct socket *socket, void *value, size_t *size)
{
    static const struct socket_credentials nobody = {0, UINT32_MAX, UINT32_MAX};
    bool has_peer = socket_is_unix(socket) && socket_state(socket) == SOCKET_CONNECTED;
    bool listens = socket_is_unix(socket) && socket_state(socket) == SOCKET_LISTENING;
    const struct socket_credentials *who = has_peer  ? &socket->peer_is
                                           : listens ? &socket->self
                                                     : &nobody;

    tell(value, size, who, sizeof(*who));
}

static void tell_linger(const struct socket *socket, void *value, size_t *size)
{
    const struct linger_value linger = {socket_has_flag(socket, SOCKET_LINGERS),
                                        (int32_t)socket->linger_seconds};

    tell(value, size, &linger, sizeof(linger));
}

static hx_err number_of(struct socket *socket, int name, int32_t *number)
{
    switch (name) {
    case OPTION_TYPE:
        *number = (int32_t)socket->kind->type;
        return HX_OK;
    case OPTION_ERROR:
        *number = hx_error_errno(socket_take_error(socket));
        return HX_OK;
    case OPTION_SEND_BUFFER:
        *number = (int32_t)atomic_load_explicit(&socket->send_limit, memory_order_relaxed);
        return HX_OK;
    case OPTION_RECEIVE_BUFFER:
        *number = (int32_t)atomic_load_explicit(&socket->receive_limit, memory_order_relaxed);
        return HX_OK;
    case OPTION_RECEIVE_LOW:
    case OPTION_SEND_LOW:
        *number = 1;
        return HX_OK;
    case OPTION_ACCEPTS:
        *number = socket_state(socket) == SOCKET_LISTENING;
        return HX_OK;
    case OPTION_PROTOCOL:
        *number = (int32_t)socket->kind->protocol;
        return HX_OK;
    case OPTION_DOMAIN:
        *number = (int32_t)socket->kind->domain;
        return HX_OK;
    default:
        return HX_ENOPROTOOPT;
    }
}

static hx_err tell_of_socket(struct socket *socket, int name, void *value, size_t *size)
{
    int32_t number;
    hx_err error;

    switch (name) {
    case OPTION_LINGER:
        tell_linger(socket, value, size);
        return HX_OK;
    case OPTION_PEER_CREDENTIALS:
        tell_peer(socket, value, size);
        return HX_OK;
    case OPTION_RECEIVE_TIME_OUT:
        tell_time_out(value, size, &socket->receive_time_out_ns);
        return HX_OK;
    case OPTION_SEND_TIME_OUT:
        tell_time_out(value, size, &socket->send_time_out_ns);
        return HX_OK;
    default:
        error = number_of(socket, name, &number);
        if (error == HX_OK) {
            tell_number(value, size, number);
        }
        return error;
    }
}

hx_err socket_get_option(struct socket *socket, int level, int name, void *value, size_t *size)
{
    enum socket_flag flag = has_level(socket, level) ? flag_of(level, name) : (enum socket_flag)0;

    if (level != LEVEL_SOCKET && socket_is_unix(socket)) {
        return HX_EOPNOTSUPP;
    }
    if (flag != 0) {
        tell_number(value, size, socket_has_flag(socket, flag));
        return HX_OK;
    }
    if (level == LEVEL_SOCKET) {
        return tell_of_socket(socket, name, value, size);
    }
    if ((level != LEVEL_IP && !has_level(socket, level)) || set_of_packets(level, name) != HX_OK) {
        return HX_ENOPROTOOPT;
    }
    tell_number(value, size, 0);
    return HX_OK;
}
