/*
 * A mailbox from inside: its queue, its server, who waits in it. Shared by the files of the router:
 * mailbox.c, the queue; mailbox_table.c, names, beginnings and ends; mailbox_server.c, servers that
 * are kernel threads; served_mailbox.c, servers that are programs; message_router.c, sending.
 *
 * Rules:
 * - A client is on the stack of who sends a request. That it is done is the last thing that is
 *   written to it; who has not seen that looks again under the mailbox's lock, which whoever wakes
 *   it holds. So it may leave its stack, and exit, as soon as it has seen it.
 * - For a server that waits the same holds of its word `delivery`.
 * - A server works on copies of its own, so that a client may leave while it works; what the server
 *   puts into its outbox goes to the client under the lock, if that is still there.
 * - Mailboxes are places of one static table and stay what they are; a new generation makes old ids
 *   stale.
 */
#ifndef CORE_IPC_MAILBOX_H
#define CORE_IPC_MAILBOX_H

#include <base/list.h>
#include <base/memory.h>
#include <core/ipc/loan.h>
#include <core/ipc/message_router.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>

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
    uint32_t sender;               /* I  as struct client's */
};

enum client_state { CLIENT_QUEUED, CLIENT_DELIVERED, CLIENT_DONE };

/* Who waits for the outcome of a request. Keys as above, A = atomic, written under the lock */
struct client {
    struct parcel parcel;
    struct thread *thread;           /* I */
    uint32_t sender;                 /* I  who asks, for the server: a number of the caller's */
    bool is_interruptible;           /* I  its wait ends for thread_interrupt */
    struct router_loan *loan;        /* I  what is lent, if servers may keep it; NULL */
    struct router_message *response; /* I  written under the lock, before it is done */
    struct router_outcome outcome;   /* L  valid when done */
    _Atomic uint32_t state;          /* A  enum client_state */
};

/* Whether a server goes on. */
enum server_fate { SERVER_LIVES, SERVER_CLOSES, SERVER_DIED };

/* What a server that waits finds. */
enum server_delivery { DELIVERY_NONE, DELIVERY_MESSAGE };

/* Keys: I = immutable, L = the mailbox's lock, A = atomic, S = the server's thread, from the
 * delivery of a message to its end */
struct server {
    struct mailbox *mailbox;   /* I  NULL: the registration has failed */
    struct thread *thread;     /* L  of a program: who waits, or has taken the message */
    router_handler handler;    /* I  NULL: a program */
    void *argument;            /* I */
    struct client *client;     /* L  whose request is handled; NULL: an envelope, or it has left */
    bool is_busy;              /* L  a message is delivered and not ended */
    bool is_idle;              /* L  parked, or about to: messages are delivered at once */
    _Atomic uint32_t delivery; /* A  enum server_delivery; cleared by the server */
    _Atomic uint32_t fate;     /* A  enum server_fate; written under the lock */
    hx_err status;             /* S */
    uint32_t sender;           /* S  of the message in the inbox */
    struct router_loan *loan;  /* S  of the request in the inbox, a reference; NULL */
    struct router_message inbox;  /* S */
    struct router_message outbox; /* S */
};

enum mailbox_kind {
    MAILBOX_DIRECT,   /* the handler runs on the sender's thread */
    MAILBOX_THREADED, /* it runs on a thread of the router's */
    MAILBOX_SERVED,   /* a program takes messages and answers them (served_mailbox.h) */
};

/* Keys: L = lock, T = the router's lock, A = atomic */
struct mailbox {
    struct spinlock lock;
    char name[ROUTER_NAME_MAX]; /* T  empty: the place is free */
    router_mailbox id;          /* L  0: the place is free */
    uint32_t generation;        /* L  of the newest id */
    uint32_t first_generation;  /* L  of the first id since the place was taken */
    enum mailbox_kind kind;     /* L */
    bool is_closing;            /* L */
    owner_tag owner;            /* L */
    uint32_t openings;          /* L  router_open without router_close */

    struct server *server;                     /* L  NULL: direct, or died */
    struct wait_queue *readable;               /* L  of a program that serves; NULL */
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

/* --- the table (mailbox_table.c) ---------------------------------------------------------------
 */

struct mailbox_table {
    struct spinlock lock;   /* guards who has which name; taken before a mailbox's lock */
    struct wait_queue idle; /* woken when a server has gone, or a sender left a direct mailbox */
    struct mailbox places[ROUTER_MAILBOX_MAX];
};
extern struct mailbox_table mailbox_table;

/* The place an id means, whatever is there now; NULL: none. */
static inline struct mailbox *mailbox_place_of(router_mailbox id)
{
    uint32_t place = (uint32_t)id;

    return place != 0 && place <= ROUTER_MAILBOX_MAX ? &mailbox_table.places[place - 1] : NULL;
}

static inline bool mailbox_is_open_locked(const struct mailbox *mailbox, router_mailbox id)
{
    return mailbox->id == id && !mailbox->is_closing;
}

/* What a registration needs, taken before anything is changed. All of it is core's: it outlives the
 * owner of the mailbox. */
struct mailbox_preparation {
    enum mailbox_kind kind;
    struct server *server;       /* NULL: direct */
    struct wait_queue *readable; /* of a program; NULL */
    struct envelope *envelopes;  /* NULL after they were put to use */
};

/*
 * Make a mailbox or take one over, with what was prepared; envelopes that were not needed are left
 * in the preparation.  Context: thread.  Errors: those of router_register, but HX_ENOMEM.
 */
HX_MUST_USE hx_err mailbox_commit(const struct router_options *options,
                                  struct mailbox_preparation *preparation, router_mailbox *id);

/* The message that is taken is not going to be answered.  Locks: the mailbox's. */
void server_abandon_locked(struct server *server);

/* The server is dead or has gone, and its request with it.  Locks: the mailbox's. */
void mailbox_bury_server_locked(struct mailbox *mailbox);

/* Free the place of a mailbox that programs served, when nobody serves it, waits in it or has it
 * open.  Context: thread. */
void mailbox_free_if_deserted(struct mailbox *mailbox);

/* --- servers that are threads (mailbox_server.c) ------------------------------------------------
 */

/* The thread of a server; it begins when it is started.  Errors: as thread_create. */
HX_MUST_USE hx_err mailbox_server_create(const struct router_options *options,
                                         struct server **server);

static inline enum server_fate server_fate_of(const struct server *server)
{
    /* Acquire: pairs with mailbox_dismiss_locked. */
    return (enum server_fate)atomic_load_explicit(&server->fate, memory_order_acquire);
}

/* --- outcomes -----------------------------------------------------------------------------------
 */

static inline struct router_outcome router_not_run(hx_err error)
{
    return (struct router_outcome){.error = error, .progress = ROUTER_NOT_RUN};
}

static inline struct router_outcome router_replied(hx_err status)
{
    return (struct router_outcome){.status = status, .progress = ROUTER_REPLIED};
}

static inline struct router_outcome router_may_have_run(hx_err error)
{
    return (struct router_outcome){.error = error, .progress = ROUTER_MAY_HAVE_RUN};
}

/* Run a handler. A response that claims to be longer than it can be is none. */
static HX_ALWAYS_INLINE hx_err router_handle(router_handler handler, void *argument,
                                             const struct router_message *request,
                                             struct router_message *response)
{
    hx_err status;

    response->code = 0;
    response->length = 0;
    response->buffer = NULL;
    response->buffer_size = 0;
    status = handler(argument, request, response);
    if (HX_UNLIKELY(response->length > ROUTER_DATA_MAX)) {
        response->length = 0;
        status = HX_ERANGE;
    }
    return status;
}

/* The first bytes of a message, which all have; most are no longer. */
#define ROUTER_MESSAGE_SHORT (offsetof(struct router_message, data) + sizeof(uint64_t))

/* What counts of a message. */
static HX_ALWAYS_INLINE void router_message_copy(struct router_message *to,
                                                 const struct router_message *from)
{
    uint32_t length = from->length;

    memcpy(to, from, ROUTER_MESSAGE_SHORT);
    if (HX_UNLIKELY(length > sizeof(uint64_t))) {
        memcpy(to->data, from->data, length);
    }
}

/* --- deliveries and ends, under the mailbox's lock ----------------------------------------------
 */

/* A client's request is over. Afterwards it is yet to be woken (client_wake_locked). */
static inline void client_end_locked(struct client *client, struct router_outcome outcome)
{
    client->outcome = outcome;
}

/* The last thing done with a client: it may go as soon as it has seen that it is done. */
static inline void client_wake_locked(struct client *client)
{
    thread_unpark(client->thread);
    /* Release: pairs with the acquire of await. */
    atomic_store_explicit(&client->state, CLIENT_DONE, memory_order_release);
}

/*
 * Let a server that has nothing to do begin with a message. It is yet to be told: by
 * server_wake_locked, or by itself when it is the caller. loan: of the client's; NULL.
 */
static HX_ALWAYS_INLINE void server_give_locked(struct server *server, struct client *client,
                                                const struct router_message *message,
                                                uint32_t sender, struct router_loan *loan)
{
    router_message_copy(&server->inbox, message);
    server->sender = sender;
    server->client = client;
    server->is_busy = true;
    server->is_idle = false;
    server->loan = loan != NULL ? router_loan_get(loan) : NULL;
    if (client != NULL) {
        atomic_store_explicit(&client->state, CLIENT_DELIVERED, memory_order_relaxed);
    }
}

/* The last thing done with a server that waits. */
static inline void server_wake_locked(struct server *server)
{
    thread_unpark(server->thread);
    /* Release: pairs with the acquire of who waits. */
    atomic_store_explicit(&server->delivery, DELIVERY_MESSAGE, memory_order_release);
}

/* The rest of server_has_delivery: who wakes the server may not have said so yet. */
HX_COLD bool server_has_delivery_behind_lock(struct server *server);

/* Whether a message has been delivered to a server that waits; it looks before each time it parks.
 * By the server, without the lock. */
static HX_ALWAYS_INLINE bool server_has_delivery(struct server *server)
{
    /* Acquire: pairs with the release of who delivers. */
    return HX_LIKELY(atomic_load_explicit(&server->delivery, memory_order_acquire) ==
                     DELIVERY_MESSAGE) ||
           server_has_delivery_behind_lock(server);
}

/* End the message the server is at. Returns the client to wake, NULL: none. */
static HX_ALWAYS_INLINE struct client *server_finish_locked(struct server *server)
{
    struct client *client = server->client;

    if (!server->is_busy) {
        return NULL;
    }
    server->is_busy = false;
    server->client = NULL;
    server->mailbox->served++;
    if (client != NULL) {
        router_message_copy(client->response, &server->outbox);
        client_end_locked(client, router_replied(server->status));
    }
    return client;
}

/* Begin with the next message in the queue, if there is one. */
HX_MUST_USE bool server_take_locked(struct mailbox *mailbox, struct server *server);

/* Give up what was lent with the request. By the server, outside the lock, when it is over. */
static HX_ALWAYS_INLINE void server_drop_loan(struct server *server)
{
    if (HX_UNLIKELY(server->loan != NULL)) {
        router_loan_put(server->loan);
        server->loan = NULL;
    }
}

/* --- the queue (mailbox.c); everything under the mailbox's lock --------------------------------
 */

/* An empty queue with these envelopes, one for each place. */
void mailbox_queue_init(struct mailbox *mailbox, struct envelope *envelopes, uint32_t capacity);

/* Append; the caller has checked mailbox_queue_is_full. */
void mailbox_queue_put(struct mailbox *mailbox, struct parcel *parcel);

/* Append a copy of the message. */
void mailbox_queue_put_copy(struct mailbox *mailbox, enum router_priority priority,
                            const struct router_message *message, uint32_t sender);

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
