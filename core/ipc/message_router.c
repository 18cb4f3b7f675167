/* Sending: requests, and messages without an answer. */
#include <core/ipc/mailbox.h>
#include <core/ipc/router_call.h>
#include <core/ipc/router_send.h>
#include <hal/clock.h>
#include <kern/thread.h>

/* --- direct mailboxes ---------------------------------------------------------------------------
 */

/* Last of all: who waits for the mailbox to be empty is woken. */
static HX_ALWAYS_INLINE void leave(struct mailbox *mailbox)
{
    /* Sequentially consistent, as `entered` is: either this sees that the mailbox is closed, or who
     * closed it sees that nobody is in it. */
    atomic_fetch_add_explicit(&mailbox->left, 1, memory_order_seq_cst);
    if (HX_UNLIKELY(atomic_load_explicit(&mailbox->direct_id, memory_order_seq_cst) == 0)) {
        wait_queue_wake_all(&mailbox_table.idle);
    }
}

/*
 * Run the handler on the caller's thread. It is read before the id: if the id is still the caller's
 * afterwards, handler and argument belong to it, and together.
 */
static HX_ALWAYS_INLINE struct router_outcome send_direct(struct mailbox *mailbox,
                                                          router_mailbox to,
                                                          const struct router_message *request,
                                                          struct router_message *response)
{
    struct router_outcome outcome;

    atomic_fetch_add_explicit(&mailbox->entered, 1, memory_order_seq_cst);

    router_handler handler = atomic_load_explicit(&mailbox->handler, memory_order_acquire);
    void *argument = atomic_load_explicit(&mailbox->argument, memory_order_acquire);

    if (HX_LIKELY(atomic_load_explicit(&mailbox->direct_id, memory_order_seq_cst) == to)) {
        outcome = router_replied(router_handle(handler, argument, request, response));
    } else {
        outcome = router_not_run(HX_ESTALE);
    }
    leave(mailbox);
    return outcome;
}

/* --- requests that wait --------------------------------------------------------------------------
 */

/* Whether a message can be left here, by a thread. */
static hx_err admit_locked(const struct mailbox *mailbox, router_mailbox to,
                           const struct thread *sender)
{
    const struct server *server = mailbox->server;

    if (!mailbox_is_open_locked(mailbox, to)) {
        return HX_ESTALE;
    }
    if (mailbox->kind == MAILBOX_DIRECT) {
        return HX_EDIED;
    }
    if (server != NULL && server->thread == sender && server->is_busy) {
        return HX_EBUSY;
    }
    return mailbox_queue_is_full(mailbox) ? HX_EAGAIN : HX_OK;
}

/* Append; who serves and waits for several things at once is told. */
static void enqueue_locked(struct mailbox *mailbox, struct parcel *parcel)
{
    mailbox_queue_put(mailbox, parcel);
    if (mailbox->readable != NULL) {
        wait_queue_wake_all(mailbox->readable);
    }
}

/* Whether the handler may be in memory that is the client's. */
static bool has_lent(const struct client *client)
{
    return client->parcel.message->buffer != NULL && client->loan == NULL;
}

/*
 * The client wants to go, because of an error: it has waited long enough, or is interrupted.
 * Returns whether it may: not while its buffer is in use.
 */
static bool give_up_locked(struct mailbox *mailbox, struct client *client, hx_err error)
{
    if (atomic_load_explicit(&client->state, memory_order_relaxed) == CLIENT_QUEUED) {
        mailbox_queue_remove(mailbox, &client->parcel);
        client_end_locked(client, router_not_run(error));
    } else if (!has_lent(client)) {
        mailbox->server->client = NULL;
        client_end_locked(client, router_may_have_run(error));
    } else {
        return false;
    }
    mailbox->errors++;
    return true;
}

/* error: what the wait said; HX_OK while nothing speaks against waiting on. */
static hx_err reason_to_go(const struct client *client, hx_err error)
{
    return error == HX_OK && client->is_interruptible && thread_is_interrupted() ? HX_EINTR : error;
}

/* Look once more, and give up if there is a reason to. */
static bool is_over(struct mailbox *mailbox, struct client *client, hx_err error)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    bool is_done = atomic_load_explicit(&client->state, memory_order_relaxed) == CLIENT_DONE;
    bool is_deserted;

    if (!is_done && error != HX_OK) {
        is_done = give_up_locked(mailbox, client, error);
    }
    is_deserted = mailbox->server == NULL;
    spinlock_release(&mailbox->lock, state);
    if (is_done && is_deserted) {
        mailbox_free_if_deserted(mailbox);
    }
    return is_done;
}

struct router_outcome router_await_longer(struct mailbox *mailbox, struct client *client,
                                          hx_err error, uint64_t deadline_ns)
{
    for (;;) {
        error = reason_to_go(client, error);
        if (is_over(mailbox, client, error)) {
            return client->outcome;
        }
        if (error != HX_OK) {
            /* The buffer is in use: nothing but the reply ends this. */
            deadline_ns = THREAD_NO_DEADLINE;
            client->is_interruptible = false;
        }
        error = thread_park(deadline_ns);
    }
}

struct router_outcome router_send_otherwise(struct mailbox *mailbox, router_mailbox to,
                                            struct client *client, hal_interrupt_state state,
                                            uint64_t deadline_ns)
{
    hx_err error = admit_locked(mailbox, to, client->thread);

    if (error == HX_EDIED &&
        atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) == to) {
        spinlock_release(&mailbox->lock, state);
        return send_direct(mailbox, to, client->parcel.message, client->response);
    }
    if (error != HX_OK) {
        mailbox->errors++;
        spinlock_release(&mailbox->lock, state);
        return router_not_run(error);
    }
    client->parcel.has_client = true;
    atomic_store_explicit(&client->state, CLIENT_QUEUED, memory_order_relaxed);
    enqueue_locked(mailbox, &client->parcel);
    spinlock_release(&mailbox->lock, state);
    return router_await_longer(mailbox, client, HX_OK, deadline_ns);
}

/* --- sending ------------------------------------------------------------------------------------
 */

static HX_ALWAYS_INLINE bool is_valid(enum router_priority priority,
                                      const struct router_message *message)
{
    return (unsigned)priority < ROUTER_PRIORITY_COUNT && message != NULL &&
           message->length <= ROUTER_DATA_MAX &&
           (message->buffer == NULL) == (message->buffer_size == 0);
}

/* For a served mailbox: what a kernel thread lends is copied, as a program may keep it for ever. */
static struct router_outcome send_lending(const struct router_call *call)
{
    struct router_message copy = *call->request;
    struct router_call lending = *call;
    struct router_outcome outcome;
    hx_err error = router_loan_create(copy.buffer_size, &lending.loan);

    if (error != HX_OK) {
        return router_not_run(error);
    }
    memcpy(lending.loan->bytes, copy.buffer, copy.buffer_size);
    copy.buffer = lending.loan->bytes;
    lending.request = &copy;
    outcome = router_send_call(&lending);
    if (outcome.progress == ROUTER_REPLIED) {
        memcpy(call->request->buffer, lending.loan->bytes, copy.buffer_size);
    }
    router_loan_put(lending.loan);
    return outcome;
}

static HX_ALWAYS_INLINE struct router_outcome send_checked(struct mailbox *mailbox,
                                                           const struct router_call *call)
{
    struct client client;

    if (HX_UNLIKELY(call->deadline_ns != THREAD_NO_DEADLINE &&
                    call->deadline_ns <= hal_clock_now())) {
        return router_not_run(HX_ETIMEDOUT);
    }
    /* Relaxed: a hint; send_direct looks again. */
    if (atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) == call->to) {
        return send_direct(mailbox, call->to, call->request, call->response);
    }
    client.parcel.message = call->request;
    client.parcel.priority = call->priority;
    client.sender = call->sender;
    client.is_interruptible = call->is_interruptible;
    client.loan = call->loan;
    client.response = call->response;
    return router_send_waiting(mailbox, call->to, &client, call->deadline_ns);
}

struct router_outcome router_send_call(const struct router_call *call)
{
    struct mailbox *mailbox = mailbox_place_of(call->to);

    if (HX_UNLIKELY(mailbox == NULL)) {
        return router_not_run(HX_ESTALE);
    }
    if (HX_UNLIKELY(!is_valid(call->priority, call->request))) {
        return router_not_run(HX_EINVAL);
    }
    /* An interruption from now on leaves a token, and the first park does not wait. */
    if (HX_UNLIKELY(call->is_interruptible && thread_is_interrupted())) {
        return router_not_run(HX_EINTR);
    }
    return send_checked(mailbox, call);
}

/* Whether a mailbox is a program's. It stays so while the id is not stale, which is looked at
 * later. */
static bool is_served(struct mailbox *mailbox)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    bool is = mailbox->kind == MAILBOX_SERVED;

    spinlock_release(&mailbox->lock, state);
    return is;
}

struct router_outcome router_send(router_mailbox to, enum router_priority priority,
                                  const struct router_message *request,
                                  struct router_message *response, uint64_t deadline_ns)
{
    const struct router_call call = {.to = to,
                                     .priority = priority,
                                     .request = request,
                                     .response = response,
                                     .deadline_ns = deadline_ns};
    struct mailbox *mailbox = mailbox_place_of(to);

    if (HX_UNLIKELY(mailbox == NULL)) {
        return router_not_run(HX_ESTALE);
    }
    if (HX_UNLIKELY(!is_valid(priority, request) || response == NULL)) {
        return router_not_run(HX_EINVAL);
    }
    if (HX_UNLIKELY(!context_can_block())) {
        return router_not_run(HX_ECONTEXT);
    }
    if (HX_UNLIKELY(request->buffer != NULL) && is_served(mailbox)) {
        return send_lending(&call);
    }
    return send_checked(mailbox, &call);
}

static hx_err send_copy(struct mailbox *mailbox, router_mailbox to, enum router_priority priority,
                        const struct router_message *envelope, uint32_t sender)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    hx_err error = admit_locked(mailbox, to, NULL);
    struct server *server = mailbox->server;

    if (error != HX_OK) {
        mailbox->errors++;
    } else if (server != NULL && server->is_idle) {
        server_give_locked(server, NULL, envelope, sender, NULL);
        server_wake_locked(server);
    } else {
        mailbox_queue_put_copy(mailbox, priority, envelope, sender);
        if (mailbox->readable != NULL) {
            wait_queue_wake_all(mailbox->readable);
        }
    }
    spinlock_release(&mailbox->lock, state);
    return error;
}

hx_err router_send_from(router_mailbox to, enum router_priority priority,
                        const struct router_message *envelope, uint32_t sender)
{
    struct mailbox *mailbox = mailbox_place_of(to);
    struct router_message response;

    if (mailbox == NULL) {
        return HX_ESTALE;
    }
    if (!is_valid(priority, envelope) || envelope->buffer != NULL) {
        return HX_EINVAL;
    }
    if (thread_current()->nmi_depth != 0) {
        return HX_ECONTEXT;
    }
    if (atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) != to) {
        return send_copy(mailbox, to, priority, envelope, sender);
    }
    return context_can_block() ? send_direct(mailbox, to, envelope, &response).error : HX_ECONTEXT;
}

hx_err router_send_to(router_mailbox to, enum router_priority priority,
                      const struct router_message *envelope)
{
    return router_send_from(to, priority, envelope, 0);
}
