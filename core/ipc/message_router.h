/*
 * Message router: named mailboxes, requests with exactly one outcome, and messages without an
 * answer (SPEC P8 P9 P10).
 *
 * Rules:
 * - A mailbox is known by its name; senders use its id (index and generation). A successor that
 *   registers the name of a mailbox whose server died takes over what is queued and gets a new
 *   generation: ids of before are stale, their holders look the name up again.
 * - Three kinds. Direct: the handler runs on the sender's thread, on several at once perhaps.
 *   Threaded: messages wait in a queue, and one server thread of the router's handles one after the
 *   other. Served: the same queue, from which a program takes one after the other
 *   (served_mailbox.h). Such a mailbox goes when nobody serves it, waits for a reply or has
 *   it open, and messages that want none with it.
 * - Of a queue the message with the highest priority comes first, and within one priority the one
 * sent first. When ROUTER_STARVATION_BOUND messages in a row were taken before a lower one that
 * waited, the next one taken is the oldest of the lower ones.
 * - A request ends exactly once: with a reply, or with an error that says whether it may have run.
 *   Its deadline bounds the wait: still queued, it is removed and has not run; being handled, it
 * may have run, and the reply is thrown away. A request that lends a buffer is the exception: once
 * it is being handled, the sender waits for the handler, who may be in the buffer.
 * - When a server dies, the request it was handling ends at once; what is queued waits for a
 *   successor, each until its own deadline.
 */
#ifndef CORE_IPC_MESSAGE_ROUTER_H
#define CORE_IPC_MESSAGE_ROUTER_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTER_MAILBOX_MAX      64U
#define ROUTER_NAME_COUNT_MAX   256U /* names there can ever be */
#define ROUTER_NAME_MAX         32U  /* bytes with the NUL; letters, digits and . _ - */
#define ROUTER_DATA_MAX         64U  /* bytes in a message itself */
#define ROUTER_CAPACITY_MAX     1024U
#define ROUTER_STARVATION_BOUND 16U

/* A mailbox: index and generation; 0 is none. */
typedef uint64_t router_mailbox;

enum router_priority {
    ROUTER_LOW,
    ROUTER_NORMAL,
    ROUTER_HIGH,
    ROUTER_CRITICAL,
    ROUTER_PRIORITY_COUNT
};

/* A request, a response, or the contents of an envelope. */
struct router_message {
    uint32_t code;      /* request: what is asked; response: meaning agreed with the handler */
    uint32_t length;    /* bytes of data that count */
    void *buffer;       /* lent to the handler until the outcome; NULL: none.  Requests only */
    size_t buffer_size; /* bytes */
    HX_ALIGNED(8) uint8_t data[ROUTER_DATA_MAX];
};

/*
 * Answer a request. The response comes zeroed but for the data, whose length is 0; its buffer is
 * ignored. What the handler returns is the reply's status. An envelope is handled the same way, and
 * its answer thrown away. Context: thread; may block.
 */
typedef hx_err (*router_handler)(void *argument, const struct router_message *request,
                                 struct router_message *response);

struct router_options {
    const char *name; /* copied */
    router_handler handler;
    void *argument;
    bool threaded;
    uint32_t capacity;       /* threaded: messages that may wait, 1 .. ROUTER_CAPACITY_MAX */
    uint8_t thread_priority; /* threaded: the server thread's */
    owner_tag owner;         /* 0: OWNER_CORE */
};

/*
 * Make a mailbox, or take over that of a dead server of the same kind: the queue and its capacity
 * stay. Context: thread. Errors: HX_EINVAL a bad name, capacity or kind, no handler; HX_EEXIST the
 * name is taken; HX_ENOSPC, HX_ENOMEM.
 */
HX_MUST_USE hx_err router_register(const struct router_options *options, router_mailbox *id);

/*
 * Close a mailbox: what is being handled is finished, queued requests end with HX_ECLOSED, not run.
 * When this returns, the handler is not running and never runs again, and the name is free.
 * Context: thread, may block; not from the mailbox's own handler (for a direct one that is not
 * noticed, and never returns).
 * Errors: HX_ESTALE, HX_ECONTEXT; HX_EINVAL a program serves it.
 */
HX_MUST_USE hx_err router_unregister(router_mailbox id);

/*
 * The server of this mailbox is dead: its code runs no more. The request it was handling ends with
 * HX_EDIED now; queued ones, and those yet sent with this id, wait for a successor. A direct
 * mailbox has no queue: until there is a successor its senders get HX_EDIED, not run. Context: any
 * but nmi. Errors: HX_ESTALE no such mailbox, or its server is dead already; HX_EINVAL a program
 * serves it.
 */
HX_MUST_USE hx_err router_mailbox_died(router_mailbox id);

/* The id of the mailbox of that name, alive or waiting for a successor.  Context: any but nmi.
 * Errors: HX_EINVAL bad name, HX_ENOENT. */
HX_MUST_USE hx_err router_find(const char *name, router_mailbox *id);

enum router_progress {
    ROUTER_NOT_RUN,      /* the handler has not begun: sending it again is safe */
    ROUTER_MAY_HAVE_RUN, /* it has begun, and perhaps ended */
    ROUTER_REPLIED
};

/* How a request ended. */
struct router_outcome {
    hx_err error;                  /* HX_OK: there is a reply */
    hx_err status;                 /* of the reply: what the handler returned */
    enum router_progress progress; /* ROUTER_REPLIED exactly when error is HX_OK */
};

/*
 * Send a request and wait for its outcome. *response is written when there is a reply.
 * Context: thread, may block (a direct mailbox: as its handler does).
 * Errors (all of them ROUTER_NOT_RUN unless noted): HX_EINVAL a message or priority out of range;
 * HX_ECONTEXT; HX_ESTALE no such mailbox any more; HX_EAGAIN the queue is full; HX_EBUSY a server
 * sends to itself; HX_ECLOSED unregistered meanwhile; HX_ETIMEDOUT at the absolute deadline, not
 * run or may have run; HX_EDIED, may have run (direct without server: not run).
 */
struct router_outcome router_send(router_mailbox to, enum router_priority priority,
                                  const struct router_message *request,
                                  struct router_message *response, uint64_t deadline_ns);

/*
 * Send a message without waiting or an answer; it is copied, and cannot lend a buffer. To a direct
 * mailbox: the handler runs now.
 * Context: thread or irq; a direct mailbox: thread.
 * Errors: HX_EINVAL, HX_ECONTEXT, HX_ESTALE, HX_EAGAIN the queue is full, HX_EDIED as above.
 */
HX_MUST_USE hx_err router_send_to(router_mailbox to, enum router_priority priority,
                                  const struct router_message *envelope);

/* --- names and openings ------------------------------------------------------------------------
 */

/*
 * The number of a name that a mailbox has or had, for as long as the kernel runs; 0: there was
 * none. Context: any but nmi.
 */
uint32_t router_number_of(const char *name);

/* The name of such a number; false: there is none.  Context: any but nmi. */
bool router_name_of(uint32_t number, char name[ROUTER_NAME_MAX]);

/*
 * As router_find, and a mailbox that a program serves stays there, for successors, until
 * router_close with the id.  Context: thread.
 */
HX_MUST_USE hx_err router_open(const char *name, router_mailbox *id);
void router_close(router_mailbox id);

/* --- looking at it -----------------------------------------------------------------------------
 */

struct router_mailbox_info {
    router_mailbox id;
    char name[ROUTER_NAME_MAX];
    owner_tag owner;
    bool threaded;
    bool is_served;  /* by a program */
    bool has_server; /* else it waits for a successor */
    uint32_t capacity;
    uint32_t queued[ROUTER_PRIORITY_COUNT];
    uint64_t served; /* messages handled to the end */
    uint64_t errors; /* refused, timed out, died */
    uint64_t memory_bytes;
};

/* What place index (below ROUTER_MAILBOX_MAX) holds; false: nothing.  Context: any but nmi. */
bool router_mailbox_info(uint32_t index, struct router_mailbox_info *info);

#endif
