/* How mailboxes and their servers end. */
#include <core/ipc/mailbox.h>
#include <kern/heap.h>

/* --- the end of a mailbox or a server -----------------------------------------------------------
 */

/* All that waits in the queue is not going to be handled. */
static void refuse_queued_locked(struct mailbox *mailbox)
{
    struct parcel *parcel;

    while (mailbox->waiting != 0) {
        parcel = mailbox_queue_take(mailbox);
        mailbox->errors++;
        if (parcel->has_client) {
            struct client *client = HX_CONTAINER_OF(parcel, struct client, parcel);

            client_end_locked(client, router_not_run(HX_ECLOSED));
            client_wake_locked(client);
        }
    }
}

/* Tell a server that its life is over. */
static void server_dismiss_locked(struct server *server, enum server_fate fate)
{
    server->is_idle = false;
    /* Release: pairs with server_fate_of. */
    atomic_store_explicit(&server->fate, (uint32_t)fate, memory_order_release);
    thread_unpark(server->thread);
}

static hx_err begin_closing_locked(struct mailbox *mailbox, router_mailbox id)
{
    if (!mailbox_is_open_locked(mailbox, id)) {
        return HX_ESTALE;
    }
    if (mailbox->kind == MAILBOX_SERVED) {
        return HX_EINVAL;
    }
    if (mailbox->server != NULL && mailbox->server->thread == thread_current()) {
        return HX_ECONTEXT;
    }
    mailbox->is_closing = true;
    /* Sequentially consistent: pairs with send_direct and leave. */
    atomic_store_explicit(&mailbox->direct_id, 0, memory_order_seq_cst);
    refuse_queued_locked(mailbox);
    if (mailbox->server != NULL) {
        server_dismiss_locked(mailbox->server, SERVER_CLOSES);
    }
    return HX_OK;
}

/* Whether every sender that entered a direct mailbox has left it. */
static bool is_left(struct mailbox *mailbox)
{
    uint64_t left = atomic_load_explicit(&mailbox->left, memory_order_seq_cst);

    return left == atomic_load_explicit(&mailbox->entered, memory_order_seq_cst);
}

static bool is_deserted(struct mailbox *mailbox)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    bool has_server = mailbox->server != NULL;

    spinlock_release(&mailbox->lock, state);
    return !has_server && is_left(mailbox);
}

static void wait_deserted(struct mailbox *mailbox)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&mailbox_table.idle, &waiter);
    while (!is_deserted(mailbox) && error == HX_OK) {
        error = wait_queue_wait(&mailbox_table.idle, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&mailbox_table.idle, &waiter);
}

/* Under both locks. Returns what is to be freed. */
static struct envelope *clear_place_locked(struct mailbox *mailbox)
{
    struct envelope *envelopes = mailbox->envelopes;

    mailbox->id = 0;
    mailbox->envelopes = NULL;
    mailbox->name[0] = '\0';
    return envelopes;
}

static void free_place(struct mailbox *mailbox)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);

    spinlock_acquire_nested(&mailbox->lock);

    struct envelope *envelopes = clear_place_locked(mailbox);

    spinlock_release_nested(&mailbox->lock);
    spinlock_release(&mailbox_table.lock, state);
    heap_free(envelopes);
}

/* Whether a thread waits in the queue for what becomes of its request. */
static bool has_client_locked(const struct mailbox *mailbox)
{
    for (size_t i = 0; i < ROUTER_PRIORITY_COUNT; i++) {
        const struct list *head = &mailbox->queues[i];

        for (const struct list *link = head->next; link != head; link = link->next) {
            if (LIST_ENTRY(link, struct parcel, link)->has_client) {
                return true;
            }
        }
    }
    return false;
}

void mailbox_free_if_deserted(struct mailbox *mailbox)
{
    struct envelope *envelopes = NULL;
    hal_interrupt_state state = spinlock_acquire(&mailbox_table.lock);

    spinlock_acquire_nested(&mailbox->lock);
    if (mailbox->id != 0 && mailbox->kind == MAILBOX_SERVED && mailbox->server == NULL &&
        mailbox->openings == 0 && !has_client_locked(mailbox)) {
        envelopes = clear_place_locked(mailbox);
    }
    spinlock_release_nested(&mailbox->lock);
    spinlock_release(&mailbox_table.lock, state);
    heap_free(envelopes);
}

hx_err router_unregister(router_mailbox id)
{
    struct mailbox *mailbox = mailbox_place_of(id);
    hx_err error;

    if (mailbox == NULL) {
        return HX_ESTALE;
    }
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }

    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    error = begin_closing_locked(mailbox, id);
    spinlock_release(&mailbox->lock, state);
    if (error == HX_OK) {
        wait_deserted(mailbox);
        free_place(mailbox);
    }
    return error;
}

void server_abandon_locked(struct server *server)
{
    struct client *client = server->client;

    if (server->is_busy) {
        server->mailbox->errors++;
    }
    server->is_busy = false;
    server->client = NULL;
    if (client != NULL) {
        client_end_locked(client, router_may_have_run(HX_EDIED));
        client_wake_locked(client);
    }
}

void mailbox_bury_server_locked(struct mailbox *mailbox)
{
    server_abandon_locked(mailbox->server);
    mailbox->server = NULL;
}

static hx_err die_locked(struct mailbox *mailbox, router_mailbox id)
{
    bool is_direct = atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) == id;

    if (mailbox->id != id || (mailbox->server == NULL && !is_direct)) {
        return HX_ESTALE;
    }
    if (mailbox->kind == MAILBOX_SERVED) {
        return HX_EINVAL;
    }
    if (is_direct) {
        atomic_store_explicit(&mailbox->direct_id, 0, memory_order_seq_cst);
    } else {
        server_dismiss_locked(mailbox->server, SERVER_DIED);
        mailbox_bury_server_locked(mailbox);
    }
    return HX_OK;
}

hx_err router_mailbox_died(router_mailbox id)
{
    struct mailbox *mailbox = mailbox_place_of(id);
    hx_err error;

    if (mailbox == NULL) {
        return HX_ESTALE;
    }

    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    error = die_locked(mailbox, id);
    spinlock_release(&mailbox->lock, state);
    /* Somebody may be waiting in router_unregister for this very server. */
    wait_queue_wake_all(&mailbox_table.idle);
    return error;
}
