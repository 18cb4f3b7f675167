/*
 * Sockets: Unix ones (stream, datagram, seqpacket), and TCP and UDP over the loopback interface.
 *
 * Rules:
 * - A socket is the context of an open file; the functions below take it between file_get and
 *   file_put of that file.
 * - Nothing leaves the machine: what is sent lies in the receiver's buffer at once. A connection is
 *   two byte queues (stream, TCP) or two queues of messages.
 * - Buffers are charged to the receiving socket's owner; a port to the owner who bound it.
 * - Context: thread. What waits says so, ends early with HX_EINTR, and takes the socket's time-outs
 *   into account (HX_EAGAIN).
 */
#ifndef SUBSYS_SOCKET_SOCKET_H
#define SUBSYS_SOCKET_SOCKET_H

#include <base/text.h>
#include <core/resource/resource.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/path.h>
#include <subsys/vfs/transfer.h>

struct file;
struct passed_files;
struct socket;

/* Linux's numbers. */
enum socket_domain { SOCKET_NO_DOMAIN = 0, SOCKET_UNIX = 1, SOCKET_INET = 2 };
enum socket_type { SOCKET_STREAM = 1, SOCKET_DATAGRAM = 2, SOCKET_RAW = 3, SOCKET_SEQPACKET = 5 };
enum socket_protocol { SOCKET_TCP = 6, SOCKET_UDP = 17 };

#define SOCKET_NAME_MAX 108U /* bytes of a Unix name */

/* family SOCKET_NO_DOMAIN: no address (a connect to it takes the connection back). */
struct socket_address {
    uint32_t family;                /* enum socket_domain */
    uint32_t ip;                    /* SOCKET_INET: 0x7f000001 for 127.0.0.1 */
    uint16_t port;                  /* SOCKET_INET */
    uint16_t length;                /* SOCKET_UNIX: of the name; 0: it has none */
    char name[SOCKET_NAME_MAX + 1]; /* SOCKET_UNIX: a path, or NUL and an abstract name */
};

/* Who is at one end of a Unix socket. */
struct socket_credentials {
    uint32_t process;
    uint32_t user;
    uint32_t group;
};

/* Who calls. */
struct socket_caller {
    const struct path_walk *walk; /* finds names in the file system */
    struct socket_credentials credentials;
    owner_tag owner;
};

/* --- life ------------------------------------------------------------------------------------- */

/* flags: those of files.  Errors: HX_EAFNOSUPPORT, HX_ESOCKTNOSUPPORT, HX_EPROTONOSUPPORT,
 * HX_ENOMEM. */
HX_MUST_USE hx_err socket_create(unsigned domain, unsigned type, unsigned protocol, uint32_t flags,
                                 owner_tag owner, struct file **file);

/* Two that are connected with each other.  Errors: also HX_EOPNOTSUPP. */
HX_MUST_USE hx_err socket_create_pair(unsigned domain, unsigned type, unsigned protocol,
                                      uint32_t flags, const struct socket_caller *caller,
                                      struct file *files[2]);

/* The socket of a file; NULL: it is none. */
struct socket *socket_of(const struct file *file);

/* --- names and connections -------------------------------------------------------------------- */

/* Errors: HX_EINVAL it has a name already, or a wrong address; HX_EADDRINUSE, HX_EADDRNOTAVAIL,
 * HX_EACCES, HX_EAFNOSUPPORT, HX_ENOBUFS the owner's limit of ports; those of path_make. */
HX_MUST_USE hx_err socket_bind(struct socket *socket, const struct socket_address *address,
                               const struct socket_caller *caller);
/* Errors: HX_EOPNOTSUPP, HX_EINVAL, HX_EADDRINUSE. */
HX_MUST_USE hx_err socket_listen(struct socket *socket, unsigned backlog,
                                 const struct socket_caller *caller);
/* Take the oldest connection; waits unless the file of `socket` does not block.  Errors:
 * HX_EOPNOTSUPP, HX_EINVAL it does not listen, HX_EAGAIN, HX_EINTR, HX_ENOMEM. */
HX_MUST_USE hx_err socket_accept(struct socket *socket, uint32_t flags, owner_tag owner,
                                 struct file **file);
/* Errors: HX_ECONNREFUSED, HX_EISCONN, HX_EALREADY, HX_EINPROGRESS, HX_EAGAIN, HX_EINTR,
 * HX_EPROTOTYPE, HX_ENETUNREACH, HX_EADDRNOTAVAIL no port is left; those of path_find. */
HX_MUST_USE hx_err socket_connect(struct socket *socket, const struct socket_address *address,
                                  const struct socket_caller *caller);

enum socket_shutdown { SOCKET_SHUT_READ = 1, SOCKET_SHUT_WRITE = 2 };
/* how: at least one of them.  Errors: HX_ENOTCONN. */
HX_MUST_USE hx_err socket_shut_down(struct socket *socket, unsigned how);

/* Its own address, or its peer's.  Errors: HX_ENOTCONN. */
HX_MUST_USE hx_err socket_name(struct socket *socket, bool of_peer, struct socket_address *address);

/* --- messages --------------------------------------------------------------------------------- */

/* Linux's numbers. */
enum socket_message_flags {
    SOCKET_OUT_OF_BAND = 0x1,
    SOCKET_PEEK = 0x2,
    SOCKET_CONTROL_CUT = 0x8,
    SOCKET_CUT = 0x20,
    SOCKET_DONT_WAIT = 0x40,
    SOCKET_END_OF_RECORD = 0x80,
    SOCKET_WAIT_ALL = 0x100,
};

struct socket_message {
    struct transfer transfer;
    unsigned flags;
    struct socket_address address;         /* sent to (no family: the peer); received from */
    struct passed_files *files;            /* NULL: none. What is received is the caller's */
    struct socket_credentials credentials; /* the sender's */
    bool has_credentials;                  /* received: they are to be told */
    unsigned told;                         /* received: enum socket_message_flags */
    size_t whole;                          /* received: the message's size, of which some was cut */
};

/*
 * Send; *done bytes were. files are the message's once this succeeds.
 * Errors: HX_ECLOSED nobody reads (SIGPIPE), HX_EPIPE the same without signal, HX_ENOTCONN,
 * HX_EDESTADDRREQ, HX_EMSGSIZE, HX_ECONNREFUSED, HX_ECONNRESET, HX_EISCONN, HX_EAGAIN, HX_EINTR,
 * HX_EFAULT, HX_ENOBUFS, HX_ENOMEM.
 */
HX_MUST_USE hx_err socket_send(struct socket *socket, struct socket_message *message,
                               const struct socket_caller *caller, size_t *done);
/* Receive.  Errors: HX_ENOTCONN, HX_EINVAL, HX_ECONNRESET, HX_EAGAIN, HX_EINTR, HX_EFAULT. */
HX_MUST_USE hx_err socket_receive(struct socket *socket, struct socket_message *message,
                                  size_t *done);
/* Whether a call that a signal ended is to end for good: a time-out is set. */
bool socket_has_time_out(const struct socket *socket, bool for_sending);

/* --- options ---------------------------------------------------------------------------------- */

#define SOCKET_OPTION_MAX 64U /* bytes of a value */

/* The value is that of Linux's setsockopt.  Errors: HX_ENOPROTOOPT, HX_EINVAL, HX_EPERM, HX_EDOM
 * a time-out. */
HX_MUST_USE hx_err socket_set_option(struct socket *socket, int level, int name, const void *value,
                                     size_t size);
/* *size: of the buffer, then of the value, cut to it.  Errors: HX_ENOPROTOOPT, HX_ENOTCONN. */
HX_MUST_USE hx_err socket_get_option(struct socket *socket, int level, int name, void *value,
                                     size_t *size);

unsigned socket_domain(const struct socket *socket);
unsigned socket_type(const struct socket *socket);
/* --- looking ---------------------------------------------------------------------------------- */

/* Sockets made since boot.  Context: any. */
uint64_t socket_count_made(void);
/* The tables of /proc/net. */
void socket_show_unix(struct text *text);
void socket_show_inet(struct text *text, unsigned type);

/* Set up tables, and become the provider of network ports.  Context: boot, once. */
HX_MUST_USE hx_err socket_init(void);

/* Who has the class NetworkPorts, from socket_init on. */
extern const struct resource_provider socket_port_provider;

#endif
