/*
 * Helix's own system calls: native communication of processes (SPEC P11). For programs, with
 * nothing but their C library's syscall(), and for the kernel: both include this file.
 *
 * Rules:
 * - Numbers start at 480. A call answers as Linux's do: a result, or an errno (in errno, after
 *   syscall()). Numbers and structures are stable: what is added is added at the end.
 * - Everything a program holds of this is a descriptor: close, dup, fork, exec, poll, epoll and
 *   passing it over a socket do what they do with any other. Its end closes what it held.
 * - Deadlines are absolute, in nanoseconds of CLOCK_MONOTONIC. HELIX_NO_DEADLINE waits for ever;
 * one that has passed does not wait. A signal ends a wait as it ends read(2): what has had no
 * effect yet is done again after a handler with SA_RESTART, else EINTR.
 * - Who may do what is asked of the calling process's subject. A mailbox's resource is
 *   `mailbox:NUMBER` of its name, and 0 stands for every mailbox; of channels there is channel:0.
 *   Refused is EACCES. The question is asked at every call, so that what is revoked ends at once:
 *     helix_channel_create  CONTROL on channel:0
 *     helix_channel_send    WRITE on channel:0
 *     helix_channel_receive READ on channel:0
 *     helix_mailbox_create  CONTROL on mailbox:0 or on the name's number; who creates it gets READ,
 *                           WRITE, CONTROL and DELEGATE on that number, by one grant that stays
 *                           when the mailbox goes, as the name does
 *     helix_mailbox_open, helix_call, helix_send  WRITE on mailbox:0 or on the number
 *     helix_delegate        DELEGATE and what is delegated, on the descriptor's resource
 *     helix_revoke          CONTROL and DELEGATE on the descriptor's resource
 *   What a server receives and answers by its descriptor is its own until it closes it.
 * - EFAULT an address is not the program's; EBADF no such descriptor; EINVAL a descriptor of
 * another kind, or a number outside its range, wherever nothing else is said.
 */
#ifndef HELIX_SYSTEM_CALLS_H
#define HELIX_SYSTEM_CALLS_H

#include <stdint.h>

#define HELIX_NO_DEADLINE UINT64_MAX

/* X(number, name, how many arguments) */
#define HELIX_CALL_LIST(X)                                                                         \
    X(480, channel_create, 4)                                                                      \
    X(481, channel_send, 3)                                                                        \
    X(482, channel_receive, 4)                                                                     \
    X(483, mailbox_create, 3)                                                                      \
    X(484, mailbox_open, 2)                                                                        \
    X(485, call, 6)                                                                                \
    X(486, receive, 4)                                                                             \
    X(487, reply_and_wait, 5)                                                                      \
    X(488, send, 3)                                                                                \
    X(489, delegate, 3)                                                                            \
    X(490, revoke, 2)

#define HELIX_CALL_ENUM(number, name, arguments) HELIX_SYS_##name = (number),
enum helix_call_number { HELIX_CALL_LIST(HELIX_CALL_ENUM) };
#undef HELIX_CALL_ENUM

/* Flags of the calls that make descriptors: Linux's O_NONBLOCK and O_CLOEXEC. */
#define HELIX_NONBLOCK 04000
#define HELIX_CLOEXEC  02000000

/* --- channels: items of a fixed size, in order, each received once
 * ---------------------------------
 *
 * int helix_channel_create(uint32_t item_size, uint32_t capacity, int flags, int descriptors[2])
 *   descriptors[0] receives, descriptors[1] sends. item_size: 1 .. HELIX_ITEM_MAX bytes; capacity:
 *   items that wait, 1 .. HELIX_CAPACITY_MAX, rounded up to a power of two.
 *   Errors: EINVAL, EFAULT, EMFILE, ENOMEM, ENOSPC too many channels.
 *
 * int helix_channel_send(int descriptor, const void *item, uint64_t deadline)
 *   Put one item in; 0. The order of what one thread sends is kept.
 *   Errors: EAGAIN it is full and O_NONBLOCK is set; ETIMEDOUT; EPIPE nobody can receive any more;
 *   EINTR; EBADF not the end that sends. No signal is raised.
 *
 * int helix_channel_receive(int descriptor, void *items, uint32_t maximum, uint64_t deadline)
 *   Wait for an item, then take up to `maximum` (at least 1) that are there; how many. 0: all ends
 *   that sent are closed, and everything has been received. Threads and processes that share the
 *   end take turns. An item that was taken and could not be stored (EFAULT) is gone.
 *   Errors: EAGAIN, ETIMEDOUT, EINTR, EBADF not the end that receives.
 */
#define HELIX_ITEM_MAX     512U
#define HELIX_CAPACITY_MAX 4096U

/* --- mailboxes: requests that end exactly once
 * ------------------------------------------------------
 */

#define HELIX_DATA_MAX     64U    /* bytes in a message itself */
#define HELIX_LOAN_MAX     65536U /* bytes that can be lent with a request */
#define HELIX_NAME_MAX     32U    /* of a mailbox's name, with the NUL; letters, digits and . _ - */
#define HELIX_MESSAGES_MAX 1024U  /* a mailbox's capacity */

enum helix_priority { HELIX_LOW, HELIX_NORMAL, HELIX_HIGH, HELIX_CRITICAL };

/* What has become of a request. */
enum helix_progress {
    HELIX_NOT_RUN,      /* the server has not begun: asking again is safe */
    HELIX_MAY_HAVE_RUN, /* it has begun, and perhaps ended */
    HELIX_REPLIED
};

/* A request, a reply, or an envelope. */
struct helix_message {
    uint32_t code;     /* meaning agreed between the two */
    uint32_t length;   /* bytes of data that count; what is behind them is not copied */
    uint32_t sender;   /* received: the process that asks, 0 the kernel.  Else ignored */
    uint32_t progress; /* of helix_call's response: enum helix_progress, on errors too */
    uint64_t lent;     /* received: bytes that were lent with the request.  Else ignored */
    uint8_t data[HELIX_DATA_MAX];
};

/* Memory lent with a request, or that a server works on what is lent in: copied, not shared. */
struct helix_loan {
    uint64_t address;
    uint64_t size; /* bytes, at most HELIX_LOAN_MAX */
};

/*
 * int helix_mailbox_create(const char *name, uint32_t capacity, int flags)
 *   The server's descriptor of a mailbox in which so many messages may wait. If the server of that
 *   name has died, the caller is its successor, and has its queue and capacity.
 *   Errors: EINVAL, ENAMETOOLONG, EEXIST somebody serves it, ENOSPC, EMFILE, ENOMEM.
 *
 * int helix_mailbox_open(const char *name, int flags)
 *   A client's descriptor.  Errors: ENOENT, ENAMETOOLONG, EINVAL, EMFILE, ENOMEM.
 *
 * int helix_call(int descriptor, const struct helix_message *request, struct helix_message
 * *response, uint64_t deadline, const struct helix_loan *loan, int priority) Ask, and wait for the
 * one outcome. 0: *response is the reply, and what was lent (NULL: nothing) is as the server left
 * it. On an error response->progress says whether the request may have run: ESTALE     there is
 * another server now, or none for good: open the name again; not run EAGAIN     the queue is full;
 * not run EBUSY      a server asks itself; not run EPIPE      the mailbox was closed; not run
 *     ETIMEDOUT  not run, or may have run: the reply is thrown away
 *     EINTR      may have run (not run: done again, or EINTR)
 *     EIO        the server died with it; may have run
 *     EFAULT     of response or what is lent: may have run, if the progress could be written
 *   O_NONBLOCK means nothing here: a deadline does.
 *
 * int helix_send(int descriptor, const struct helix_message *envelope, int priority)
 *   Leave a message that has no answer; 0.  Errors: ESTALE, EAGAIN full, EIO.
 *
 * int helix_receive(int descriptor, struct helix_message *request, uint64_t deadline,
 *                   const struct helix_loan *loan)
 *   Take the next message, the most urgent first; 0. If one is taken and not answered, it is that
 * one again. What was lent with it is copied to the loan (NULL: not now), as far as it fits.
 *   Errors: EAGAIN none and O_NONBLOCK, ETIMEDOUT, EINTR; EBUSY another thread is waiting here.
 *
 * int helix_reply_and_wait(int descriptor, const struct helix_message *response,
 *                          struct helix_message *request, uint64_t deadline,
 *                          const struct helix_loan *loan)
 *   Answer the message that was taken (an envelope too: that ends it), then do as helix_receive.
 * What is in the loan goes to who lent, as far as it fits; then the same loan takes the next one's.
 *   request NULL: reply alone.  Errors: EINVAL nothing is taken; those of helix_receive, and the
 *   reply has been given then, but for EFAULT of the response or the loan, EBADF and EBUSY.
 *
 * When who has taken a message closes a descriptor of the mailbox (any: as with fcntl's locks), or
 * dies, the message ends with EIO. When the last descriptor is closed the server is dead: what is
 * queued waits for a successor, each until its own deadline.
 */

/* --- rights -------------------------------------------------------------------------------------
 *
 * int helix_delegate(int descriptor, int process, uint32_t rights)
 *   Give the subject of a process some of one's own rights (HELIX_RIGHT_…) on the descriptor's
 *   mailbox, or on channels.  Errors: ESRCH, EPERM the caller has not got them, or may not delegate
 *   them; ENOSPC, ENOMEM.
 *
 * int helix_revoke(int descriptor, int process)
 *   Take away all that the subject of a process has on it, and what it has passed on. When this has
 *   returned, no call passes by that.  Errors: ESRCH, EPERM; ENOENT it has nothing.
 */
#define HELIX_RIGHT_READ     2U
#define HELIX_RIGHT_WRITE    4U
#define HELIX_RIGHT_CONTROL  16U
#define HELIX_RIGHT_DELEGATE 32U

#endif
