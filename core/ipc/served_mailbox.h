/*
 * Mailboxes that programs serve (SPEC P11): the third kind beside those of message_router.h. Who
 * serves takes messages and answers them, one after the other, on threads of its own.
 *
 * Rules:
 * - A message is taken by router_service_next, and ends with the reply. Until then it is there: who
 *   asks again is given it again. An envelope is "replied" to as well, which ends it.
 * - One thread at a time is in the service: between router_service_enter and _leave. It alone
 *   touches what router_service_inbox and _outbox point to.
 * - Closing the service is the server's death: the request that was taken ends with HX_EDIED, may
 *   have run; those queued wait for a successor, each until its own deadline.
 * - The wait for the next message is interruptible.
 */
#ifndef CORE_IPC_SERVED_MAILBOX_H
#define CORE_IPC_SERVED_MAILBOX_H

#include <core/ipc/mailbox.h>
#include <core/ipc/message_router.h>
#include <kern/hand_over.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Keys: A = atomic */
struct router_service {
    struct server server;    /* first: the mailbox points to it */
    _Atomic bool is_entered; /* A */
    struct wait_queue readable;
};

/*
 * Make a mailbox, or take over that of a dead server that was a program too.
 * Context: thread.  Errors: as router_register.
 */
HX_MUST_USE hx_err router_serve(const char *name, uint32_t capacity, owner_tag owner,
                                struct router_service **service);

/* The end of the server; nobody is in the service.  Context: thread. */
void router_service_close(struct router_service *service);

/* The id of the mailbox.  Context: any. */
router_mailbox router_service_id(const struct router_service *service);

/* --- from one message to the next ------------------------------------------------------------- */

/* Context: thread.  Errors: HX_EBUSY another thread is in it. */
HX_MUST_USE static inline hx_err router_service_enter(struct router_service *service)
{
    /* Acquire: pairs with the release of who was in it before. */
    return HX_LIKELY(!atomic_exchange_explicit(&service->is_entered, true, memory_order_acquire))
               ? HX_OK
               : HX_EBUSY;
}

static inline void router_service_leave(struct router_service *service)
{
    atomic_store_explicit(&service->is_entered, false, memory_order_release);
}

/* What the next reply says; whatever it is filled with, its length is within ROUTER_DATA_MAX. */
static inline struct router_message *router_service_outbox(struct router_service *service)
{
    return &service->server.outbox;
}

/* The message that was taken, to be read and changed; and who sent it, 0: the kernel. */
static inline struct router_message *router_service_inbox(struct router_service *service)
{
    return &service->server.inbox;
}

static inline uint32_t router_service_sender(const struct router_service *service)
{
    return service->server.sender;
}

/* What was lent with the request taken; NULL.  In the service. */
static inline struct router_loan *router_service_loan(const struct router_service *service)
{
    return service->server.loan;
}

/*
 * Reply with what is in the outbox, if `replies`, then wait for the next message. A client that
 * waits gets the processor at once when there is nothing else to do.
 * deadline_ns: absolute, THREAD_NO_DEADLINE; 0: take what is there now.
 * Context: thread, may block; in the service.
 * Errors: HX_ESTATE there is nothing to reply to. The reply has been given: HX_EAGAIN nothing is
 * there (deadline 0), HX_ETIMEDOUT, HX_EINTR.
 */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err router_service_next(struct router_service *service,
                                                               bool replies, uint64_t deadline_ns);

/* Reply, and take nothing.  Context: thread; in the service.  Errors: HX_ESTATE. */
HX_MUST_USE hx_err router_service_reply(struct router_service *service);

/*
 * Who took the message will not answer it: a request ends with HX_EDIED, may have run. Nothing if
 * none is taken.  Context: thread; in the service.
 */
void router_service_abandon(struct router_service *service);

/* --- waiting for several things --------------------------------------------------------------- */

/* Woken when a message is queued.  Context: thread. */
struct wait_queue *router_service_queue(struct router_service *service);
/* Whether router_service_next would find one.  Context: any but nmi. */
bool router_service_is_readable(struct router_service *service);

/* --- the fast path ---------------------------------------------------------------------------- */

/* The rest of router_service_next, with the lock, which it releases; whether to reply is right. */
HX_COLD hx_err router_service_next_otherwise(struct router_service *service, struct client *client,
                                             hal_interrupt_state state, uint64_t deadline_ns);

/* The rest of its wait. error: what the first park said. */
HX_COLD hx_err router_service_wait_longer(struct router_service *service, hx_err error,
                                          uint64_t deadline_ns);

static HX_ALWAYS_INLINE hx_err router_service_next(struct router_service *service, bool replies,
                                                   uint64_t deadline_ns)
{
    struct server *server = &service->server;
    struct mailbox *mailbox = server->mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    struct client *client;
    hx_err error;

    if (HX_UNLIKELY(replies != server->is_busy)) {
        spinlock_release(&mailbox->lock, state);
        return replies ? HX_ESTATE : HX_OK;
    }
    client = server_finish_locked(server);
    if (HX_UNLIKELY(client == NULL) || HX_UNLIKELY(server->loan != NULL) ||
        HX_UNLIKELY(mailbox->waiting != 0) || HX_UNLIKELY(deadline_ns == 0) ||
        HX_UNLIKELY(thread_is_interrupted())) {
        return router_service_next_otherwise(service, client, state, deadline_ns);
    }
    /* Reply, and wait for the next message while the client runs. */
    server->thread = thread_current();
    server->is_idle = true;
    error = thread_hand_over_inline(client->thread, &client->state, CLIENT_DONE, &mailbox->lock,
                                    deadline_ns);
    /* Acquire: pairs with the release of who delivers. */
    if (HX_UNLIKELY(atomic_load_explicit(&server->delivery, memory_order_acquire) !=
                    DELIVERY_MESSAGE)) {
        return router_service_wait_longer(service, error, deadline_ns);
    }
    atomic_store_explicit(&server->delivery, DELIVERY_NONE, memory_order_relaxed);
    return HX_OK;
}

#endif
