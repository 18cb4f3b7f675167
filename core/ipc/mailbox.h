/*
 * A mailbox from inside: its queue, its server, who waits in it. Shared by mailbox.c, the queue,
 * and message_router.c, everything else.
 *
 * Rules:
 * - A client is on the stack of who sends a request. Whoever wakes it does so under the mailbox's
 * lock, which it takes before it leaves.
 * - A server works on copies of its own, so that a client may leave while it works; what the server
 *   puts into its outbox goes to the client under the lock, if that is still there.
 * - Mailboxes are places of one static table and stay what they are; a new generation makes old ids
 *   stale.
 */
#ifndef CORE_IPC_MAILBOX_H
#define CORE_IPC_MAILBOX_H

#include <base/list.h>
#include <core/ipc/message_router.h>
#include <kern/spinlock.h>
#include <stdatomic.h>

struct thread;
struct mailbox;

/* A message in a queue. Keys: L = the mailbox's lock, I = immutable while queued */
struct parcel {
    struct list link;                     /* L */
    uint64_t number;                      /* L  of sending, in this mailbox */
    enum router_priority priority;        /* I */
    const struct router_message *message; /* I */
    bool has_client;                      /* I  part of a struct client; else of an envelope */
};

struct envelope {
    struct parcel parcel;
    struct router_message message; /* I */
};

enum client_state { CLIENT_QUEUED, CLIENT_DELIVERED, CLIENT_DONE };

/* Who waits for the outcome of a request. */
struct client {
    struct parcel parcel;
    struct thread *thread;           /* I */
    struct router_message *response; /* I  written under the lock, before it is done */
    struct router_outcome outcome;   /* L  valid when done */
    enum client_state state;         /* L */
};

/* Whether a server goes on. */
enum server_fate { SERVER_LIVES, SERVER_CLOSES, SERVER_DIED };

/* Keys: I = immutable, L = the mailbox's lock, A = atomic, S = the server's thread, from the
 * delivery of a message to its end */
struct server {
    struct mailbox *mailbox;  /* I  NULL: the registration has failed */
    struct thread *thread;    /* I */
    router_handler handler;   /* I */
    void *argument;           /* I */
    struct client *client;    /* L  whose request is handled; NULL: an envelope, or it has left */
    bool is_busy;             /* L  a message is delivered and not ended */
    bool is_idle;             /* L  parked, or about to: messages are delivered at once */
    _Atomic bool has_message; /* A  set by who delivers, cleared by the server */
    _Atomic uint32_t fate;    /* A  enum server_fate; written under the lock */
    hx_err status;            /* S */
    struct router_message inbox;  /* S */
    struct router_message outbox; /* S */
};

/* Keys: L = lock, T = the router's lock, A = atomic */
struct mailbox {
    struct spinlock lock;
    char name[ROUTER_NAME_MAX]; /* T  empty: the place is free */
    router_mailbox id;          /* L  0: the place is free */
    uint32_t generation;        /* L  of the newest id */
    bool is_threaded;           /* L */
    bool is_closing;            /* L */
    owner_tag owner;            /* L */

    struct server *server;                     /* L  NULL: direct, or died */
    struct list queues[ROUTER_PRIORITY_COUNT]; /* L */
    uint32_t queued[ROUTER_PRIORITY_COUNT];    /* L  their lengths */
    uint32_t waiting;                          /* L  the sum of them */
    uint32_t capacity;                         /* L */
    uint32_t passed;                           /* L  taken in a row before a lower one */
    uint64_t sent;                             /* L  number of the newest parcel */
    struct envelope *envelopes;                /* L  `capacity` of them */
    struct list unused;                        /* L  envelopes, by link */
    uint64_t served;                           /* L  by a server */
    uint64_t errors;                           /* L */

    /* Direct: senders count themselves in, then look whether the id still is theirs. */
    _Atomic(router_handler) handler;  /* A  written while direct_id is 0 */
    _Atomic(void *) argument;         /* A  the same */
    _Atomic router_mailbox direct_id; /* A  0: nobody may enter */
    _Atomic uint64_t entered;         /* A */
    _Atomic uint64_t left;            /* A */
    uint64_t left_before;             /* L  when the mailbox was made */
};

/* --- the queue (mailbox.c); everything under the mailbox's lock --------------------------------
 */

/* An empty queue with these envelopes, one for each place. */
void mailbox_queue_init(struct mailbox *mailbox, struct envelope *envelopes, uint32_t capacity);

/* Append; the caller has checked mailbox_queue_is_full. */
void mailbox_queue_put(struct mailbox *mailbox, struct parcel *parcel);

/* Append a copy of the message. */
void mailbox_queue_put_copy(struct mailbox *mailbox, enum router_priority priority,
                            const struct router_message *message);

static inline bool mailbox_queue_is_full(const struct mailbox *mailbox)
{
    return mailbox->waiting >= mailbox->capacity;
}

/* Take the one whose turn it is; the queue is not empty. */
struct parcel *mailbox_queue_take(struct mailbox *mailbox);

/* Take this one out. */
void mailbox_queue_remove(struct mailbox *mailbox, struct parcel *parcel);

/* Give the envelope of a parcel without a client back. */
void mailbox_envelope_free(struct mailbox *mailbox, struct parcel *parcel);

#endif
