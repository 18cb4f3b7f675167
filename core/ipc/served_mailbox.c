#include <core/ipc/mailbox.h>
#include <core/ipc/name.h>
#include <core/ipc/served_mailbox.h>
#include <kern/heap.h>
#include <kern/thread.h>

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

hx_err router_service_wait_longer(struct router_service *service, hx_err error,
                                  uint64_t deadline_ns)
{
    struct server *server = &service->server;

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

/* Without handing the processor over: the client, if any, is woken, and what was lent given up. */
hx_err router_service_next_otherwise(struct router_service *service, struct client *client,
                                     hal_interrupt_state state, uint64_t deadline_ns)
{
    struct server *server = &service->server;
    struct router_loan *lent = server->loan;
    bool may_wait = deadline_ns != 0 && !thread_is_interrupted();
    bool has_message;

    server->loan = NULL;
    server->thread = thread_current();
    has_message = server_take_locked(server->mailbox, server);
    server->is_idle = may_wait && !has_message;
    if (client != NULL) {
        client_wake_locked(client);
    }
    spinlock_release(&server->mailbox->lock, state);
    router_loan_put(lent);
    if (has_message) {
        return HX_OK;
    }
    if (may_wait) {
        return router_service_wait_longer(service, HX_OK, deadline_ns);
    }
    return deadline_ns == 0 ? HX_EAGAIN : HX_EINTR;
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
