#include <core/ipc/mailbox.h>
#include <core/ipc/name.h>
#include <core/ipc/served_mailbox.h>
#include <kern/heap.h>
#include <kern/thread.h>

/* Keys: A = atomic */
struct router_service {
    struct server server;    /* first: the mailbox points to it */
    _Atomic bool is_entered; /* A */
    struct wait_queue readable;
};

/* --- beginning and end ------------------------------------------------------------------------ */

static hx_err prepare(uint32_t capacity, struct router_service **service,
                      struct mailbox_preparation *preparation)
{
    struct router_service *made = heap_allocate_zeroed(sizeof(*made), OWNER_CORE);
    struct envelope *envelopes = heap_allocate(capacity * sizeof(struct envelope), OWNER_CORE);

    if (made == NULL || envelopes == NULL) {
        heap_free(made);
        heap_free(envelopes);
        return HX_ENOMEM;
    }
    wait_queue_init(&made->readable, "mailbox");
    *service = made;
    *preparation = (struct mailbox_preparation){.kind = MAILBOX_SERVED,
                                                .server = &made->server,
                                                .readable = &made->readable,
                                                .envelopes = envelopes};
    return HX_OK;
}

hx_err router_serve(const char *name, uint32_t capacity, owner_tag owner,
                    struct router_service **service)
{
    const struct router_options options = {.name = name, .capacity = capacity, .owner = owner};
    struct mailbox_preparation preparation;
    struct router_service *made;
    router_mailbox id;
    hx_err error;

    if (!ipc_name_is_valid(name) || capacity == 0 || capacity > ROUTER_CAPACITY_MAX) {
        return HX_EINVAL;
    }
    error = prepare(capacity, &made, &preparation);
    if (error != HX_OK) {
        return error;
    }
    error = mailbox_commit(&options, &preparation, &id);
    heap_free(preparation.envelopes);
    if (error != HX_OK) {
        heap_free(made);
        return error;
    }
    *service = made;
    return HX_OK;
}

void router_service_close(struct router_service *service)
{
    struct mailbox *mailbox = service->server.mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    mailbox_bury_server_locked(mailbox);
    mailbox->readable = NULL;
    mailbox->owner = OWNER_CORE;
    spinlock_release(&mailbox->lock, state);
    server_drop_loan(&service->server);
    heap_free(service);
    mailbox_free_if_deserted(mailbox);
}

/* --- in the service --------------------------------------------------------------------------- */

router_mailbox router_service_id(const struct router_service *service)
{
    return service->server.mailbox->id;
}

hx_err router_service_enter(struct router_service *service)
{
    /* Acquire: pairs with the release of who was in it before. */
    return HX_LIKELY(!atomic_exchange_explicit(&service->is_entered, true, memory_order_acquire))
               ? HX_OK
               : HX_EBUSY;
}

void router_service_leave(struct router_service *service)
{
    atomic_store_explicit(&service->is_entered, false, memory_order_release);
}

struct router_message *router_service_outbox(struct router_service *service)
{
    return &service->server.outbox;
}

struct router_message *router_service_inbox(struct router_service *service)
{
    return &service->server.inbox;
}

uint32_t router_service_sender(const struct router_service *service)
{
    return service->server.sender;
}

struct router_loan *router_service_loan(const struct router_service *service)
{
    return service->server.loan;
}

/* --- the next message ------------------------------------------------------------------------- */

/* The server wants to stop waiting, because of an error. Returns whether it may: not when it has
 * been given a message. */
static bool stop_waiting(struct server *server)
{
    hal_interrupt_state state = spinlock_acquire(&server->mailbox->lock);
    bool was_idle = server->is_idle;

    server->is_idle = false;
    spinlock_release(&server->mailbox->lock, state);
    return was_idle;
}

/* error: what the first wait said. */
static HX_ALWAYS_INLINE hx_err wait_delivery(struct server *server, hx_err error,
                                             uint64_t deadline_ns)
{
    while (!server_has_delivery(server)) {
        if (error == HX_OK && thread_is_interrupted()) {
            error = HX_EINTR;
        }
        if (error != HX_OK && stop_waiting(server)) {
            return error;
        }
        if (error == HX_OK) {
            error = thread_park(deadline_ns);
        }
    }
    atomic_store_explicit(&server->delivery, DELIVERY_NONE, memory_order_relaxed);
    return HX_OK;
}

/* Whether a deadline lets the server wait at all. */
static HX_ALWAYS_INLINE bool may_wait(uint64_t deadline_ns)
{
    return HX_LIKELY(deadline_ns != 0) && HX_LIKELY(!thread_is_interrupted());
}

/* Without handing the processor over: the client, if any, is woken, and what was lent given up.
 * Releases the lock. */
static HX_NOINLINE hx_err go_on(struct server *server, struct client *client,
                                struct router_loan *lent, hal_interrupt_state state,
                                uint64_t deadline_ns)
{
    struct mailbox *mailbox = server->mailbox;
    bool has_message = server_take_locked(mailbox, server);
    bool waits = !has_message && may_wait(deadline_ns);

    server->is_idle = waits;
    if (client != NULL) {
        client_wake_locked(client);
    }
    spinlock_release(&mailbox->lock, state);
    router_loan_put(lent);
    if (waits) {
        return wait_delivery(server, HX_OK, deadline_ns);
    }
    if (has_message) {
        return HX_OK;
    }
    return deadline_ns == 0 ? HX_EAGAIN : HX_EINTR;
}

/* Reply, and wait for the next message while the client runs. Releases the lock. */
static HX_ALWAYS_INLINE hx_err hand_over_to(struct server *server, struct client *client,
                                            uint64_t deadline_ns)
{
    hx_err error;

    server->is_idle = true;
    error = mailbox_hand_over(client->thread, &client->state, CLIENT_DONE, &server->mailbox->lock,
                              deadline_ns);
    return wait_delivery(server, error, deadline_ns);
}

hx_err router_service_next(struct router_service *service, bool replies, uint64_t deadline_ns)
{
    struct server *server = &service->server;
    struct mailbox *mailbox = server->mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    if (HX_UNLIKELY(replies != server->is_busy)) {
        spinlock_release(&mailbox->lock, state);
        return replies ? HX_ESTATE : HX_OK;
    }

    struct client *client = server_finish_locked(server);
    struct router_loan *lent = server->loan;

    server->loan = NULL;
    server->thread = thread_current();
    if (HX_LIKELY(client != NULL && lent == NULL && mailbox->waiting == 0) &&
        may_wait(deadline_ns)) {
        return hand_over_to(server, client, deadline_ns);
    }
    return go_on(server, client, lent, state, deadline_ns);
}

hx_err router_service_reply(struct router_service *service)
{
    struct server *server = &service->server;
    struct mailbox *mailbox = server->mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    bool is_busy = server->is_busy;
    struct client *client = server_finish_locked(server);

    if (client != NULL) {
        client_wake_locked(client);
    }
    spinlock_release(&mailbox->lock, state);
    if (is_busy) {
        server_drop_loan(server);
    }
    return is_busy ? HX_OK : HX_ESTATE;
}

void router_service_abandon(struct router_service *service)
{
    struct server *server = &service->server;
    struct mailbox *mailbox = server->mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    server_abandon_locked(server);
    spinlock_release(&mailbox->lock, state);
    server_drop_loan(server);
}

/* --- waiting for several things --------------------------------------------------------------- */

struct wait_queue *router_service_queue(struct router_service *service)
{
    return &service->readable;
}

bool router_service_is_readable(struct router_service *service)
{
    struct mailbox *mailbox = service->server.mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    bool is = service->server.is_busy || mailbox->waiting != 0;

    spinlock_release(&mailbox->lock, state);
    return is;
}
