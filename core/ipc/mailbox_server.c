/* Servers that are kernel threads: one for each threaded mailbox. */
#include <core/ipc/mailbox.h>
#include <kern/hand_over.h>
#include <kern/heap.h>

bool server_take_locked(struct mailbox *mailbox, struct server *server)
{
    struct parcel *parcel;

    if (HX_LIKELY(mailbox->waiting == 0)) {
        return false;
    }
    parcel = mailbox_queue_take(mailbox);
    if (parcel->has_client) {
        struct client *client = HX_CONTAINER_OF(parcel, struct client, parcel);

        server_give_locked(server, client, parcel->message, client->sender, client->loan);
    } else {
        const struct envelope *envelope = HX_CONTAINER_OF(parcel, struct envelope, parcel);

        server_give_locked(server, NULL, parcel->message, envelope->sender, NULL);
        mailbox_envelope_free(mailbox, parcel);
    }
    return true;
}

bool server_has_delivery_behind_lock(struct server *server)
{
    hal_interrupt_state state = spinlock_acquire(&server->mailbox->lock);
    bool has = atomic_load_explicit(&server->delivery, memory_order_relaxed) == DELIVERY_MESSAGE;

    spinlock_release(&server->mailbox->lock, state);
    return has;
}

/* Returns whether there is a message; else the server's life is over. */
static bool wait_message(struct server *server)
{
    while (!server_has_delivery(server) && server_fate_of(server) == SERVER_LIVES) {
        thread_wait();
    }
    atomic_store_explicit(&server->delivery, DELIVERY_NONE, memory_order_relaxed);
    return server_fate_of(server) == SERVER_LIVES ||
           (server_fate_of(server) == SERVER_CLOSES && server->is_busy);
}

/*
 * Reply to the last message and get the next one, waiting for it. A client that waits on another
 * thread gets the processor at once when there is nothing else to do.
 */
static bool reply_and_receive(struct server *server)
{
    struct mailbox *mailbox = server->mailbox;
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    struct client *client;
    bool has_message;

    if (HX_UNLIKELY(server_fate_of(server) == SERVER_DIED)) {
        spinlock_release(&mailbox->lock, state);
        return false;
    }
    client = server_finish_locked(server);
    has_message = server_fate_of(server) == SERVER_LIVES && server_take_locked(mailbox, server);
    server->is_idle = server_fate_of(server) == SERVER_LIVES && !has_message;
    if (HX_LIKELY(client != NULL && server->is_idle)) {
        /* A wake-up and nothing more is expected: whatever it says, wait_message looks. */
        (void)!thread_hand_over_inline(client->thread, &client->state, CLIENT_DONE, &mailbox->lock,
                                       THREAD_NO_DEADLINE);
        return wait_message(server);
    }
    if (client != NULL) {
        client_wake_locked(client);
    }
    spinlock_release(&mailbox->lock, state);
    return has_message ? server_fate_of(server) != SERVER_DIED : wait_message(server);
}

/* Leave the mailbox. The lock also makes sure that nobody is still waking this thread. */
static void retire(struct server *server)
{
    struct mailbox *mailbox = server->mailbox;

    if (mailbox != NULL) {
        hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

        if (mailbox->server == server) {
            mailbox->server = NULL;
        }
        spinlock_release(&mailbox->lock, state);
        wait_queue_wake_all(&mailbox_table.idle);
    }
    heap_free(server);
}

static void serve(void *argument)
{
    struct server *server = argument;

    while (server->mailbox != NULL && reply_and_receive(server)) {
        server->status =
            router_handle(server->handler, server->argument, &server->inbox, &server->outbox);
        server_drop_loan(server);
    }
    retire(server);
}

hx_err mailbox_server_create(const struct router_options *options, struct server **server)
{
    struct server *made = heap_allocate_zeroed(sizeof(*made), OWNER_CORE);
    hx_err error;

    if (made == NULL) {
        return HX_ENOMEM;
    }
    made->handler = options->handler;
    made->argument = options->argument;
    error = thread_create(&(struct thread_options){.name = options->name,
                                                   .entry = serve,
                                                   .argument = made,
                                                   .priority = options->thread_priority},
                          &made->thread);
    if (error != HX_OK) {
        heap_free(made);
        return error;
    }
    *server = made;
    return HX_OK;
}
