#include <abi/helix/mailbox_file.h>
#include <kern/heap.h>

/* --- the server's end ------------------------------------------------------------------------- */

static unsigned poll_server(struct file *file, struct poll_table *table)
{
    struct mailbox_server_end *end = file->context;

    poll_add(table, router_service_queue(end->service));
    return router_service_is_readable(end->service) ? (unsigned)POLL_IN : 0U;
}

/*
 * Who has taken a message and closes a descriptor of the mailbox, as a process that ends does, is
 * not going to answer, whoever else has one. While a thread is in the service it goes on.
 */
static void close_server(struct file *file, const struct file_table *table)
{
    struct mailbox_server_end *end = file->context;

    if (atomic_load_explicit(&end->taker, memory_order_relaxed) == table &&
        router_service_enter(end->service) == HX_OK) {
        router_service_abandon(end->service);
        router_service_leave(end->service);
    }
}

static void release_server(struct file *file)
{
    struct mailbox_server_end *end = file->context;

    router_service_close(end->service);
    heap_free(end);
}

const struct file_ops mailbox_server_ops = {
    .name = "mailbox", .poll = poll_server, .close = close_server, .release = release_server};

hx_err mailbox_server_file(struct router_service *service, resource_id resource, uint32_t flags,
                           struct file **file)
{
    struct mailbox_server_end *end = heap_allocate(sizeof(*end), OWNER_CORE);
    hx_err error;

    if (end == NULL) {
        return HX_ENOMEM;
    }
    end->service = service;
    end->resource = resource;
    atomic_init(&end->taker, NULL);
    error = file_create(&mailbox_server_ops, (flags & FILE_NON_BLOCKING) | FILE_READ_WRITE, end,
                        process_current()->owner, file);
    if (error != HX_OK) {
        heap_free(end);
    }
    return error;
}

/* --- a client's end --------------------------------------------------------------------------- */

/* A request can always be tried. */
static unsigned poll_client(struct file *file, struct poll_table *table)
{
    (void)file;
    (void)table;
    return POLL_OUT;
}

static void release_client(struct file *file)
{
    struct mailbox_client_end *end = file->context;

    router_close(end->to);
    heap_free(end);
}

const struct file_ops mailbox_client_ops = {
    .name = "mailbox-client", .poll = poll_client, .release = release_client};

hx_err mailbox_client_file(router_mailbox to, uint64_t number, uint32_t flags, struct file **file)
{
    struct mailbox_client_end *end = heap_allocate(sizeof(*end), OWNER_CORE);
    hx_err error;

    if (end == NULL) {
        return HX_ENOMEM;
    }
    end->to = to;
    end->place = mailbox_place_of(to);
    helix_right_init(&end->right, RESOURCE_TYPE_MAILBOX, number, PERMISSION_WRITE);
    error = file_create(&mailbox_client_ops, (flags & FILE_NON_BLOCKING) | FILE_WRITE_ONLY, end,
                        process_current()->owner, file);
    if (error != HX_OK) {
        heap_free(end);
    }
    return error;
}

resource_id helix_resource_of_mailbox(const struct file *file)
{
    if (file->ops == &mailbox_server_ops) {
        return ((const struct mailbox_server_end *)file->context)->resource;
    }
    if (file->ops == &mailbox_client_ops) {
        return ((const struct mailbox_client_end *)file->context)->right.one;
    }
    return 0;
}
