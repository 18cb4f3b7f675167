#include <base/string.h>
#include <core/ipc/mailbox.h>
#include <core/ipc/name.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <kern/wait_queue.h>

_Static_assert(ROUTER_NAME_MAX == IPC_NAME_MAX, "mailboxes are named like topics");

/* Keys: T = lock */
static struct {
    struct spinlock lock;   /* guards who has which name; taken before a mailbox's lock */
    struct wait_queue idle; /* woken when a server has gone, or a sender left a direct mailbox */
    struct mailbox mailboxes[ROUTER_MAILBOX_MAX];
} router = {
    .lock = SPINLOCK_INIT(LOCK_RANK_CORE, "mailbox names"),
    .idle = WAIT_QUEUE_INIT(router.idle, "mailboxes"),
    .mailboxes = {[0 ... ROUTER_MAILBOX_MAX -
                   1] = {.lock = SPINLOCK_INIT(LOCK_RANK_MAILBOX, "mailbox")}},
};

/* The place an id means, whatever is there now; NULL: none. */
static struct mailbox *place_of(router_mailbox id)
{
    uint32_t place = (uint32_t)id;

    return place != 0 && place <= ROUTER_MAILBOX_MAX ? &router.mailboxes[place - 1] : NULL;
}

static bool is_open_locked(const struct mailbox *mailbox, router_mailbox id)
{
    return mailbox->id == id && !mailbox->is_closing;
}

/* --- outcomes -----------------------------------------------------------------------------------
 */

static struct router_outcome not_run(hx_err error)
{
    return (struct router_outcome){.error = error, .progress = ROUTER_NOT_RUN};
}

static struct router_outcome replied(hx_err status)
{
    return (struct router_outcome){.status = status, .progress = ROUTER_REPLIED};
}

static struct router_outcome may_have_run(hx_err error)
{
    return (struct router_outcome){.error = error, .progress = ROUTER_MAY_HAVE_RUN};
}

/* A client's request is over: it may go as soon as it gets the lock. */
static void end_locked(struct client *client, struct router_outcome outcome)
{
    client->outcome = outcome;
    client->state = CLIENT_DONE;
}

/* Run a handler. A response that claims to be longer than it can be is none. */
static HX_ALWAYS_INLINE hx_err handle(router_handler handler, void *argument,
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

/* --- direct mailboxes ---------------------------------------------------------------------------
 */

/* Last of all: who waits for the mailbox to be empty is woken. */
static HX_ALWAYS_INLINE void leave(struct mailbox *mailbox)
{
    /* Sequentially consistent, as `entered` is: either this sees that the mailbox is closed, or who
     * closed it sees that nobody is in it. */
    atomic_fetch_add_explicit(&mailbox->left, 1, memory_order_seq_cst);
    if (HX_UNLIKELY(atomic_load_explicit(&mailbox->direct_id, memory_order_seq_cst) == 0)) {
        wait_queue_wake_all(&router.idle);
    }
}

static bool is_empty(struct mailbox *mailbox)
{
    uint64_t left = atomic_load_explicit(&mailbox->left, memory_order_seq_cst);

    return left == atomic_load_explicit(&mailbox->entered, memory_order_seq_cst);
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
        outcome = replied(handle(handler, argument, request, response));
    } else {
        outcome = not_run(HX_ESTALE);
    }
    leave(mailbox);
    return outcome;
}

/* --- servers ------------------------------------------------------------------------------------
 */

static enum server_fate fate_of(const struct server *server)
{
    return (enum server_fate)atomic_load_explicit(&server->fate, memory_order_acquire);
}

/* Let a server that has nothing to do begin with a message. */
static void give_locked(struct server *server, struct client *client,
                        const struct router_message *message)
{
    server->inbox = *message;
    server->client = client;
    server->is_busy = true;
    server->is_idle = false;
    if (client != NULL) {
        client->state = CLIENT_DELIVERED;
    }
    /* Release: pairs with wait_message. */
    atomic_store_explicit(&server->has_message, true, memory_order_release);
}

/* End the message the server is at. Returns the client to wake, NULL: none. */
static struct client *finish_locked(struct server *server)
{
    struct client *client = server->client;

    if (!server->is_busy) {
        return NULL;
    }
    server->is_busy = false;
    server->client = NULL;
    server->mailbox->served++;
    if (client != NULL) {
        *client->response = server->outbox;
        end_locked(client, replied(server->status));
    }
    return client;
}

static bool take_locked(struct mailbox *mailbox, struct server *server)
{
    struct parcel *parcel;

    if (HX_LIKELY(mailbox->waiting == 0)) {
        return false;
    }
    parcel = mailbox_queue_take(mailbox);
    if (parcel->has_client) {
        give_locked(server, HX_CONTAINER_OF(parcel, struct client, parcel), parcel->message);
    } else {
        give_locked(server, NULL, parcel->message);
        mailbox_envelope_free(mailbox, parcel);
    }
    return true;
}

/* Returns whether there is a message; else the server's life is over. */
static bool wait_message(struct server *server)
{
    while (!atomic_load_explicit(&server->has_message, memory_order_acquire) &&
           fate_of(server) == SERVER_LIVES) {
        thread_wait();
    }
    atomic_store_explicit(&server->has_message, false, memory_order_relaxed);
    return fate_of(server) == SERVER_LIVES || (fate_of(server) == SERVER_CLOSES && server->is_busy);
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

    if (HX_UNLIKELY(fate_of(server) == SERVER_DIED)) {
        spinlock_release(&mailbox->lock, state);
        return false;
    }
    client = finish_locked(server);
    if (fate_of(server) == SERVER_LIVES && !take_locked(mailbox, server)) {
        server->is_idle = true;
        if (client != NULL) {
            /* A wake-up and nothing more is expected: whatever it says, wait_message looks. */
            (void)!thread_hand_over(client->thread, &mailbox->lock, THREAD_NO_DEADLINE);
            return wait_message(server);
        }
    }
    if (client != NULL) {
        thread_unpark(client->thread);
    }
    spinlock_release(&mailbox->lock, state);
    return wait_message(server);
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
        wait_queue_wake_all(&router.idle);
    }
    heap_free(server);
}

static void serve(void *argument)
{
    struct server *server = argument;

    while (server->mailbox != NULL && reply_and_receive(server)) {
        server->status = handle(server->handler, server->argument, &server->inbox, &server->outbox);
    }
    retire(server);
}

/* --- requests to a server -----------------------------------------------------------------------
 */

/* Whether a message can be left here, by a thread. */
static hx_err admit_locked(const struct mailbox *mailbox, router_mailbox to,
                           const struct thread *sender)
{
    if (!is_open_locked(mailbox, to)) {
        return HX_ESTALE;
    }
    if (!mailbox->is_threaded) {
        return HX_EDIED;
    }
    if (mailbox->server != NULL && mailbox->server->thread == sender) {
        return HX_EBUSY;
    }
    return mailbox_queue_is_full(mailbox) ? HX_EAGAIN : HX_OK;
}

static bool has_lent(const struct client *client)
{
    return client->parcel.message->buffer != NULL;
}

/* The deadline has passed. Returns whether the client may go: not while its buffer is in use. */
static bool give_up_locked(struct mailbox *mailbox, struct client *client)
{
    if (client->state == CLIENT_QUEUED) {
        mailbox_queue_remove(mailbox, &client->parcel);
        end_locked(client, not_run(HX_ETIMEDOUT));
    } else if (!has_lent(client)) {
        mailbox->server->client = NULL;
        end_locked(client, may_have_run(HX_ETIMEDOUT));
    } else {
        return false;
    }
    mailbox->errors++;
    return true;
}

/* error: what the first wait said. */
static HX_ALWAYS_INLINE struct router_outcome await(struct mailbox *mailbox, struct client *client,
                                                    hx_err error, uint64_t deadline_ns)
{
    for (;;) {
        hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
        bool is_done = client->state == CLIENT_DONE;

        if (HX_UNLIKELY(!is_done && error == HX_ETIMEDOUT)) {
            is_done = give_up_locked(mailbox, client);
            deadline_ns = THREAD_NO_DEADLINE;
        }
        spinlock_release(&mailbox->lock, state);
        if (HX_LIKELY(is_done)) {
            return client->outcome;
        }
        error = thread_park(deadline_ns);
    }
}

static struct router_outcome send_threaded(struct mailbox *mailbox, router_mailbox to,
                                           struct client *client, uint64_t deadline_ns)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    hx_err error = admit_locked(mailbox, to, client->thread);
    struct server *server = mailbox->server;

    if (HX_UNLIKELY(error != HX_OK)) {
        mailbox->errors++;
        spinlock_release(&mailbox->lock, state);
        return not_run(error);
    }
    if (server != NULL && server->is_idle) {
        give_locked(server, client, client->parcel.message);
        error = thread_hand_over(server->thread, &mailbox->lock, deadline_ns);
    } else {
        mailbox_queue_put(mailbox, &client->parcel);
        spinlock_release(&mailbox->lock, state);
        error = thread_park(deadline_ns);
    }
    return await(mailbox, client, error, deadline_ns);
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

struct router_outcome router_send(router_mailbox to, enum router_priority priority,
                                  const struct router_message *request,
                                  struct router_message *response, uint64_t deadline_ns)
{
    struct mailbox *mailbox = place_of(to);

    if (HX_UNLIKELY(mailbox == NULL)) {
        return not_run(HX_ESTALE);
    }
    if (HX_UNLIKELY(!is_valid(priority, request) || response == NULL)) {
        return not_run(HX_EINVAL);
    }
    if (HX_UNLIKELY(!context_can_block())) {
        return not_run(HX_ECONTEXT);
    }
    if (deadline_ns != THREAD_NO_DEADLINE && deadline_ns <= hal_clock_now()) {
        return not_run(HX_ETIMEDOUT);
    }
    /* Relaxed: a hint; send_direct looks again. */
    if (atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) == to) {
        return send_direct(mailbox, to, request, response);
    }

    struct client client;

    client.parcel.message = request;
    client.parcel.priority = priority;
    client.parcel.has_client = true;
    client.thread = thread_current();
    client.response = response;
    client.state = CLIENT_QUEUED;
    return send_threaded(mailbox, to, &client, deadline_ns);
}

static hx_err send_copy(struct mailbox *mailbox, router_mailbox to, enum router_priority priority,
                        const struct router_message *envelope)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    hx_err error = admit_locked(mailbox, to, NULL);
    struct server *server = mailbox->server;

    if (error != HX_OK) {
        mailbox->errors++;
    } else if (server != NULL && server->is_idle) {
        give_locked(server, NULL, envelope);
        thread_unpark(server->thread);
    } else {
        mailbox_queue_put_copy(mailbox, priority, envelope);
    }
    spinlock_release(&mailbox->lock, state);
    return error;
}

hx_err router_send_to(router_mailbox to, enum router_priority priority,
                      const struct router_message *envelope)
{
    struct mailbox *mailbox = place_of(to);
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
        return send_copy(mailbox, to, priority, envelope);
    }
    return context_can_block() ? send_direct(mailbox, to, envelope, &response).error : HX_ECONTEXT;
}

/* --- registering --------------------------------------------------------------------------------
 */

static bool are_valid(const struct router_options *options)
{
    return ipc_name_is_valid(options->name) && options->handler != NULL &&
           (!options->threaded ||
            (options->capacity > 0 && options->capacity <= ROUTER_CAPACITY_MAX &&
             options->thread_priority <= THREAD_PRIORITY_HIGHEST));
}

/* What a registration needs, taken before anything is changed. All of it is core's: it outlives the
 * owner of the mailbox. */
struct preparation {
    struct server *server;
    struct envelope *envelopes; /* NULL after they were put to use */
};

static hx_err prepare(const struct router_options *options, struct preparation *preparation)
{
    struct server *server;
    hx_err error = HX_ENOMEM;

    *preparation = (struct preparation){0};
    if (!options->threaded) {
        return HX_OK;
    }
    server = heap_allocate_zeroed(sizeof(*server), OWNER_CORE);
    preparation->envelopes = heap_allocate(options->capacity * sizeof(struct envelope), OWNER_CORE);
    if (server != NULL && preparation->envelopes != NULL) {
        server->handler = options->handler;
        server->argument = options->argument;
        error = thread_create(&(struct thread_options){.name = options->name,
                                                       .entry = serve,
                                                       .argument = server,
                                                       .priority = options->thread_priority},
                              &server->thread);
    }
    if (error != HX_OK) {
        heap_free(preparation->envelopes);
        heap_free(server);
        return error;
    }
    preparation->server = server;
    return HX_OK;
}

static struct mailbox *find_locked(const char *name)
{
    for (size_t i = 0; i < ROUTER_MAILBOX_MAX; i++) {
        if (string_equal(router.mailboxes[i].name, name)) {
            return &router.mailboxes[i];
        }
    }
    return NULL;
}

/* A new mailbox; under both locks. */
static void make_locked(struct mailbox *mailbox, const struct router_options *options,
                        struct preparation *preparation)
{
    (void)string_copy(mailbox->name, ROUTER_NAME_MAX, options->name);
    mailbox->is_threaded = options->threaded;
    mailbox->is_closing = false;
    mailbox->served = 0;
    mailbox->errors = 0;
    mailbox->left_before = atomic_load_explicit(&mailbox->left, memory_order_relaxed);
    mailbox_queue_init(mailbox, preparation->envelopes, options->threaded ? options->capacity : 0);
    preparation->envelopes = NULL;
}

/* Give a mailbox, new or inherited, its server or handler, and a new generation. */
static void open_locked(struct mailbox *mailbox, const struct router_options *options,
                        struct server *server, router_mailbox *id)
{
    mailbox->generation++;
    mailbox->id = (uint64_t)mailbox->generation << 32 | (uint64_t)(mailbox - router.mailboxes + 1);
    mailbox->owner = options->owner != OWNER_NONE ? options->owner : OWNER_CORE;
    mailbox->server = server;
    *id = mailbox->id;
    if (server != NULL) {
        server->mailbox = mailbox;
        return;
    }
    /* Release, and in this order: pairs with the acquires of send_direct. */
    atomic_store_explicit(&mailbox->handler, options->handler, memory_order_release);
    atomic_store_explicit(&mailbox->argument, options->argument, memory_order_release);
    atomic_store_explicit(&mailbox->direct_id, mailbox->id, memory_order_seq_cst);
}

/* Whether a mailbox that is there can be taken over. */
static hx_err check_inheritance_locked(const struct mailbox *mailbox, bool threaded)
{
    bool has_server = mailbox->server != NULL ||
                      atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) != 0;

    if (has_server || mailbox->is_closing) {
        return HX_EEXIST;
    }
    return mailbox->is_threaded == threaded ? HX_OK : HX_EINVAL;
}

/* Under the router's lock. */
static hx_err commit_locked(const struct router_options *options, struct preparation *preparation,
                            router_mailbox *id)
{
    struct mailbox *mailbox = find_locked(options->name);
    bool is_new = mailbox == NULL;
    hx_err error = HX_OK;

    if (is_new) {
        mailbox = find_locked("");
    }
    if (mailbox == NULL) {
        return HX_ENOSPC;
    }
    spinlock_acquire_nested(&mailbox->lock);
    if (is_new) {
        make_locked(mailbox, options, preparation);
    } else {
        error = check_inheritance_locked(mailbox, options->threaded);
    }
    if (error == HX_OK) {
        open_locked(mailbox, options, preparation->server, id);
    }
    spinlock_release_nested(&mailbox->lock);
    return error;
}

hx_err router_register(const struct router_options *options, router_mailbox *id)
{
    struct preparation preparation;
    hx_err error;

    if (!are_valid(options)) {
        return HX_EINVAL;
    }
    error = prepare(options, &preparation);
    if (error != HX_OK) {
        return error;
    }

    hal_interrupt_state state = spinlock_acquire(&router.lock);

    error = commit_locked(options, &preparation, id);
    spinlock_release(&router.lock, state);
    heap_free(preparation.envelopes);
    if (preparation.server != NULL) {
        /* Without a mailbox it ends at once. */
        thread_start(preparation.server->thread);
    }
    return error;
}

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

            end_locked(client, not_run(HX_ECLOSED));
            thread_unpark(client->thread);
        }
    }
}

/* Tell a server that its life is over. */
static void dismiss_locked(struct server *server, enum server_fate fate)
{
    server->is_idle = false;
    /* Release: pairs with fate_of. */
    atomic_store_explicit(&server->fate, (uint32_t)fate, memory_order_release);
    thread_unpark(server->thread);
}

static hx_err begin_closing_locked(struct mailbox *mailbox, router_mailbox id)
{
    if (!is_open_locked(mailbox, id)) {
        return HX_ESTALE;
    }
    if (mailbox->server != NULL && mailbox->server->thread == thread_current()) {
        return HX_ECONTEXT;
    }
    mailbox->is_closing = true;
    /* Sequentially consistent: pairs with send_direct and leave. */
    atomic_store_explicit(&mailbox->direct_id, 0, memory_order_seq_cst);
    refuse_queued_locked(mailbox);
    if (mailbox->server != NULL) {
        dismiss_locked(mailbox->server, SERVER_CLOSES);
    }
    return HX_OK;
}

static bool is_deserted(struct mailbox *mailbox)
{
    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);
    bool has_server = mailbox->server != NULL;

    spinlock_release(&mailbox->lock, state);
    return !has_server && is_empty(mailbox);
}

static void wait_deserted(struct mailbox *mailbox)
{
    struct waiter waiter;
    hx_err error = HX_OK;

    wait_queue_prepare(&router.idle, &waiter);
    while (!is_deserted(mailbox) && error == HX_OK) {
        error = wait_queue_wait(&router.idle, &waiter, THREAD_NO_DEADLINE);
    }
    wait_queue_finish(&router.idle, &waiter);
}

static void free_place(struct mailbox *mailbox)
{
    hal_interrupt_state state = spinlock_acquire(&router.lock);

    spinlock_acquire_nested(&mailbox->lock);

    struct envelope *envelopes = mailbox->envelopes;

    mailbox->id = 0;
    mailbox->envelopes = NULL;
    mailbox->name[0] = '\0';
    spinlock_release_nested(&mailbox->lock);
    spinlock_release(&router.lock, state);
    heap_free(envelopes);
}

hx_err router_unregister(router_mailbox id)
{
    struct mailbox *mailbox = place_of(id);
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

/* The request at hand ends with it. */
static void bury_server_locked(struct mailbox *mailbox)
{
    struct server *server = mailbox->server;
    struct client *client = server->client;

    if (server->is_busy) {
        mailbox->errors++;
    }
    server->client = NULL;
    mailbox->server = NULL;
    dismiss_locked(server, SERVER_DIED);
    if (client != NULL) {
        end_locked(client, may_have_run(HX_EDIED));
        thread_unpark(client->thread);
    }
}

static hx_err die_locked(struct mailbox *mailbox, router_mailbox id)
{
    bool is_direct = atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed) == id;

    if (mailbox->id != id || (mailbox->server == NULL && !is_direct)) {
        return HX_ESTALE;
    }
    if (is_direct) {
        atomic_store_explicit(&mailbox->direct_id, 0, memory_order_seq_cst);
    } else {
        bury_server_locked(mailbox);
    }
    return HX_OK;
}

hx_err router_mailbox_died(router_mailbox id)
{
    struct mailbox *mailbox = place_of(id);
    hx_err error;

    if (mailbox == NULL) {
        return HX_ESTALE;
    }

    hal_interrupt_state state = spinlock_acquire(&mailbox->lock);

    error = die_locked(mailbox, id);
    spinlock_release(&mailbox->lock, state);
    /* Somebody may be waiting in router_unregister for this very server. */
    wait_queue_wake_all(&router.idle);
    return error;
}

/* --- looking at it ------------------------------------------------------------------------------
 */

hx_err router_find(const char *name, router_mailbox *id)
{
    struct mailbox *mailbox;
    hx_err error = HX_ENOENT;

    if (!ipc_name_is_valid(name)) {
        return HX_EINVAL;
    }

    hal_interrupt_state state = spinlock_acquire(&router.lock);

    mailbox = find_locked(name);
    if (mailbox != NULL) {
        spinlock_acquire_nested(&mailbox->lock);
        if (!mailbox->is_closing) {
            *id = mailbox->id;
            error = HX_OK;
        }
        spinlock_release_nested(&mailbox->lock);
    }
    spinlock_release(&router.lock, state);
    return error;
}

static void describe_locked(struct mailbox *mailbox, struct router_mailbox_info *info)
{
    uint64_t direct = atomic_load_explicit(&mailbox->direct_id, memory_order_relaxed);
    uint64_t left = atomic_load_explicit(&mailbox->left, memory_order_relaxed);

    *info = (struct router_mailbox_info){
        .id = mailbox->id,
        .owner = mailbox->owner,
        .threaded = mailbox->is_threaded,
        .has_server = mailbox->server != NULL || direct != 0,
        .capacity = mailbox->capacity,
        .served = mailbox->is_threaded ? mailbox->served : left - mailbox->left_before,
        .errors = mailbox->errors,
        .memory_bytes = sizeof(*mailbox) + mailbox->capacity * sizeof(struct envelope) +
                        (mailbox->server != NULL ? sizeof(*mailbox->server) : 0),
    };
    (void)string_copy(info->name, ROUTER_NAME_MAX, mailbox->name);
    for (size_t i = 0; i < ROUTER_PRIORITY_COUNT; i++) {
        info->queued[i] = mailbox->queued[i];
    }
}

bool router_mailbox_info(uint32_t index, struct router_mailbox_info *info)
{
    struct mailbox *mailbox;
    bool found;

    if (index >= ROUTER_MAILBOX_MAX) {
        return false;
    }
    mailbox = &router.mailboxes[index];

    hal_interrupt_state state = spinlock_acquire(&router.lock);

    spinlock_acquire_nested(&mailbox->lock);
    found = mailbox->id != 0;
    if (found) {
        describe_locked(mailbox, info);
    }
    spinlock_release_nested(&mailbox->lock);
    spinlock_release(&router.lock, state);
    return found;
}
