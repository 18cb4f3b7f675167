/*
 * Sending a request to a mailbox whose server waits, written out in the caller: for the two hottest
 * paths, message_router.c's and abi/helix's. Everything else is a call away.
 */
#ifndef CORE_IPC_ROUTER_SEND_H
#define CORE_IPC_ROUTER_SEND_H

#include <core/ipc/mailbox.h>
#include <kern/hand_over.h>

/*
 * The rest of router_send_waiting, with the lock, which it releases: the server does not wait, or
 * the request is refused. A direct mailbox runs the handler.
 */
HX_COLD struct router_outcome router_send_otherwise(struct mailbox *mailbox, router_mailbox to,
                                                    struct client *client,
                                                    hal_interrupt_state state,
                                                    uint64_t deadline_ns);

/* The rest of its wait. error: what the first park said. */
HX_COLD struct router_outcome router_await_longer(struct mailbox *mailbox, struct client *client,
                                                  hx_err error, uint64_t deadline_ns);

/*
 * Send a request that was found valid, and wait for its outcome. The client has its parcel's
 * message and priority, its sender, response and loan, and whether it is interruptible.
 * Context: thread that may block.
 */
static HX_ALWAYS_INLINE struct router_outcome router_send_waiting(struct mailbox *mailbox,
                                                                  router_mailbox to,
                                                                  struct client *client,
                                                                  uint64_t deadline_ns)
{
    /* Read before the lock, so that what the caller has just written stays in registers. */
    const struct router_message *message = client->parcel.message;
    struct router_loan *loan = client->loan;
    uint32_t sender = client->sender;
    hal_interrupt_state state;
    struct server *server;
    hx_err error;

    client->thread = thread_current();
    state = spinlock_acquire(&mailbox->lock);
    server = mailbox->server;
    /* A server that waits serves an open mailbox that is not direct, and nothing is queued. */
    if (HX_UNLIKELY(mailbox->id != to) || HX_UNLIKELY(server == NULL) ||
        HX_UNLIKELY(!server->is_idle)) {
        return router_send_otherwise(mailbox, to, client, state, deadline_ns);
    }
    server_give_locked(server, client, message, sender, loan);
    error = thread_hand_over_inline(server->thread, &server->delivery, DELIVERY_MESSAGE,
                                    &mailbox->lock, deadline_ns);
    /* Acquire: pairs with the release of who has ended the request. */
    if (HX_LIKELY(atomic_load_explicit(&client->state, memory_order_acquire) == CLIENT_DONE)) {
        return client->outcome;
    }
    return router_await_longer(mailbox, client, error, deadline_ns);
}

#endif
