/*
 * What the files of this folder share.
 *
 * Locks, outermost first: flight_mutex (flight.h), a socket's mutex, the inbox's mutex of a
 * listening socket, the inbox's mutex of another socket, tables of names and ports.
 */
#ifndef SUBSYS_SOCKET_SOCKET_PRIVATE_H
#define SUBSYS_SOCKET_SOCKET_PRIVATE_H

#include <base/list.h>
#include <core/resource/resource.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/socket/inbox.h>
#include <subsys/socket/socket.h>
#include <subsys/vfs/file.h>

enum socket_state {
    SOCKET_UNCONNECTED,
    SOCKET_LISTENING,
    SOCKET_CONNECTING,
    SOCKET_CONNECTED,
    SOCKET_BROKEN, /* it was connected: by TCP's reset */
};

/* What tells the kinds of sockets apart. */
struct socket_kind {
    unsigned domain;
    unsigned type;
    unsigned protocol;  /* what SO_PROTOCOL tells */
    bool is_stream;     /* its inbox is a ring of bytes */
    bool is_connecting; /* it listens and connects, and has one peer for life */
    hx_err (*bind)(struct socket *socket, const struct socket_address *address,
                   const struct socket_caller *caller);
    /* The socket that an address leads to, a reference.  Errors: HX_ECONNREFUSED, … */
    hx_err (*find)(struct socket *socket, const struct socket_address *address,
                   const struct socket_caller *caller, struct socket **found);
    /* It needs a name of its own before it can be answered. */
    hx_err (*name_itself)(struct socket *socket, const struct socket_caller *caller);
    /* Give its name up; nobody finds it any more. */
    void (*forget)(struct socket *socket);
    hx_err (*send)(struct socket *socket, struct socket_message *message,
                   const struct socket_caller *caller, size_t *done);
};

/* Options that are a flag, by their bit. */
enum socket_flag {
    SOCKET_REUSES_ADDRESS = 1 << 0,
    SOCKET_KEEPS_ALIVE = 1 << 1,
    SOCKET_BROADCASTS = 1 << 2,
    SOCKET_TELLS_CREDENTIALS = 1 << 3,
    SOCKET_LINGERS = 1 << 4,
    SOCKET_DOES_NOT_ROUTE = 1 << 5,
    SOCKET_URGENT_INLINE = 1 << 6,
    SOCKET_TELLS_TIME = 1 << 7,
    SOCKET_HAS_NO_DELAY = 1 << 8,
    SOCKET_CORKS = 1 << 9,
};

/* Keys: I = immutable, A = atomic, M = mutex, B = the inbox's mutex, F = flight_mutex,
 *       N = the lock of the table of names or ports, L = the mutex of the list of all */
struct socket {
    const struct socket_kind *kind; /* I */
    _Atomic uint32_t references;    /* A  its file, its peer, who has found it */
    owner_tag owner;                /* I */
    struct file *file;              /* I  NULL: not accepted yet */
    struct mutex mutex;
    _Atomic uint32_t state;        /* M to write  enum socket_state */
    _Atomic(struct socket *) peer; /* M  a reference; of connecting kinds set once, until its end */
    _Atomic uint32_t error;        /* A  hx_err that the next call hears */
    _Atomic uint32_t shut;         /* A  enum socket_shutdown */
    _Atomic uint32_t flags;        /* A  enum socket_flag */
    struct socket_address name;    /* M, N  its own */
    struct socket_address peer_name;      /* M, N */
    struct socket_credentials self;       /* M  who listens, connects, made the pair */
    struct socket_credentials peer_is;    /* M */
    _Atomic uint64_t send_limit;          /* A  bytes, SO_SNDBUF */
    _Atomic uint64_t receive_limit;       /* A  bytes, SO_RCVBUF */
    _Atomic uint64_t send_time_out_ns;    /* A  0: none */
    _Atomic uint64_t receive_time_out_ns; /* A  0: none */
    uint32_t linger_seconds;              /* M */
    bool is_told;                         /* M  connect is to say once that it is connected */
    struct inbox inbox;                   /*    what comes in */

    /* a listening socket */
    uint32_t backlog;         /* B */
    uint32_t pending_count;   /* B */
    struct list pending;      /* B  connections to be accepted, by pending_link */
    struct list waiting;      /* B  those that found no room, by pending_link */
    struct list pending_link; /* B  of the listening socket */

    /* its name */
    struct list name_link;       /* N  in the table */
    bool is_in_table;            /* N */
    struct location place;       /* M  of a Unix path; a reference */
    resource_handle port_charge; /* M  RESOURCE_HANDLE_NONE: nothing is charged */
    owner_tag port_owner;        /* M */

    /* descriptors under way (flight.c) */
    struct list flight_link; /* F */
    struct list reach_link;  /* F  while the collector works */
    uint32_t in_flight;      /* F  how often it is under way */
    uint32_t unseen;         /* F  of these, how many were not found in queues of candidates */
    bool is_candidate;       /* F  nobody but queues has it */

    struct list all_link; /* L */
};

extern const struct socket_kind unix_stream_kind;
extern const struct socket_kind unix_datagram_kind;
extern const struct socket_kind unix_seqpacket_kind;
extern const struct socket_kind tcp_kind;
extern const struct socket_kind udp_kind;

/* --- life (socket.c) -------------------------------------------------------------------------- */

/* One without a file, and one reference.  NULL: no memory. */
struct socket *socket_make(const struct socket_kind *kind, owner_tag owner);
/* Its file; the reference moves in on success. */
HX_MUST_USE hx_err socket_make_file(struct socket *socket, uint32_t flags, owner_tag owner,
                                    struct file **file);

static inline struct socket *socket_get(struct socket *socket)
{
    atomic_fetch_add_explicit(&socket->references, 1, memory_order_relaxed);
    return socket;
}
void socket_put(struct socket *socket); /* NULL is allowed */

/* Call back for every socket, under the lock of the list. */
void socket_for_each(void (*callback)(struct socket *socket, void *argument), void *argument);

static inline enum socket_state socket_state(const struct socket *socket)
{
    /* acquire: pairs with the release of who connected it, after the peer was set */
    return (enum socket_state)atomic_load_explicit(&socket->state, memory_order_acquire);
}

static inline void socket_set_state(struct socket *socket, enum socket_state state)
{
    atomic_store_explicit(&socket->state, state, memory_order_release);
}

/* Of connecting kinds: the peer, which lives as long as the socket's file. */
static inline struct socket *socket_peer(const struct socket *socket)
{
    return atomic_load_explicit(&socket->peer, memory_order_acquire);
}

/* The peer with a reference; NULL: there is none. */
struct socket *socket_get_peer(struct socket *socket);

static inline bool socket_is_unix(const struct socket *socket)
{
    return socket->kind->domain == SOCKET_UNIX;
}

static inline bool socket_has_flag(const struct socket *socket, enum socket_flag flag)
{
    return (atomic_load_explicit(&socket->flags, memory_order_relaxed) & (unsigned)flag) != 0;
}

/* The error that a call is to hear once; HX_OK: none. */
static inline hx_err socket_take_error(struct socket *socket)
{
    return atomic_load_explicit(&socket->error, memory_order_relaxed) == HX_OK
               ? HX_OK
               : (hx_err)atomic_exchange_explicit(&socket->error, HX_OK, memory_order_relaxed);
}

static inline void socket_set_error(struct socket *socket, hx_err error)
{
    atomic_store_explicit(&socket->error, (uint32_t)error, memory_order_relaxed);
}

/* Whether a call on it is to answer at once. */
static inline bool socket_does_not_block(const struct socket *socket, unsigned flags)
{
    return (flags & SOCKET_DONT_WAIT) != 0 || file_does_not_block(socket->file);
}

/* Until when a call may wait. */
uint64_t socket_deadline(const _Atomic uint64_t *time_out_ns);

/* Who calls; a thread of the kernel's own is who made the socket. */
struct socket_credentials socket_current_credentials(const struct socket *socket);

/* As file_number tells of its file. */
uint64_t socket_number(const struct socket *socket);

/* --- connections (connection.c) --------------------------------------------------------------- */

/* Make two sockets each other's peers; nobody else knows b yet, nor connects a.  Errors:
 * HX_ENOMEM. */
HX_MUST_USE hx_err connection_make(struct socket *a, struct socket *b);
/* Give the connection up: the peer hears of it, as a reset if it is one. */
void connection_close(struct socket *socket);
/* Refuse all that wait to be accepted. */
void connection_refuse_all(struct socket *listener);
HX_MUST_USE hx_err connection_connect(struct socket *socket, const struct socket_address *address,
                                      const struct socket_caller *caller);
/* How much may lie in a socket's inbox, now that it has this peer. */
void connection_set_limit(struct socket *socket, const struct socket *peer);

/* --- bytes (stream.c) ------------------------------------------------------------------------- */

HX_MUST_USE hx_err stream_send(struct socket *socket, struct socket_message *message,
                               const struct socket_caller *caller, size_t *done);
HX_MUST_USE hx_err stream_receive(struct socket *socket, struct socket_message *message,
                                  size_t *done);
/* As the operations of files. */
HX_MUST_USE hx_err stream_read(struct file *file, struct transfer *transfer, uint64_t offset,
                               size_t *done);
HX_MUST_USE hx_err stream_write(struct file *file, struct transfer *transfer, uint64_t offset,
                                size_t *done);

/* --- messages (datagram.c) -------------------------------------------------------------------- */

HX_MUST_USE hx_err datagram_receive(struct socket *socket, struct socket_message *message,
                                    size_t *done);
HX_MUST_USE hx_err datagram_connect(struct socket *socket, const struct socket_address *address,
                                    const struct socket_caller *caller);
/* Whether the peer has room, for poll. */
bool datagram_is_writable(struct socket *socket, struct poll_table *table);
/* A receiver is gone: who polls for room in its inbox is to look again. */
void datagram_wake_pollers(void);
hx_err seqpacket_send(struct socket *socket, struct socket_message *message,
                      const struct socket_caller *caller, size_t *done);
hx_err unix_datagram_send(struct socket *socket, struct socket_message *message,
                          const struct socket_caller *caller, size_t *done);
hx_err udp_send(struct socket *socket, struct socket_message *message,
                const struct socket_caller *caller, size_t *done);

/* --- names ------------------------------------------------------------------------------------ */

/* unix_name.c */
hx_err unix_bind(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller);
hx_err unix_find(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller, struct socket **found);
hx_err unix_name_itself(struct socket *socket, const struct socket_caller *caller);
void unix_forget(struct socket *socket);
void unix_names_init(void);

/* inet_port.c */
hx_err inet_bind(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller);
hx_err inet_find(struct socket *socket, const struct socket_address *address,
                 const struct socket_caller *caller, struct socket **found);
hx_err inet_name_itself(struct socket *socket, const struct socket_caller *caller);
void inet_forget(struct socket *socket);
/* An accepted connection has its listener's port, too. */
void inet_share_port(struct socket *socket);
/* Who sends to a connected UDP socket is looked at. */
void inet_set_peer(struct socket *socket, const struct socket_address *address);
/* Whether a listening socket may have its port. */
HX_MUST_USE hx_err inet_may_listen(struct socket *socket);
HX_MUST_USE hx_err inet_ports_init(void);

/* interface.c: ioctl of the loopback interface. HX_ENOTTY: another request. */
HX_MUST_USE hx_err interface_control(uint32_t request, uintptr_t argument);

#endif
