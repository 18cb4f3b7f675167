#include <abi/helix/channel_file.h>
#include <kern/cpu.h>
#include <kern/heap.h>

/* --- polling ---------------------------------------------------------------------------------- */

static void do_nothing(void *argument)
{
    (void)argument;
}

static void note_polled(struct channel_ends *ends)
{
    if (!atomic_exchange_explicit(&ends->is_polled, true, memory_order_seq_cst)) {
        cpu_call(cpu_online_mask(), do_nothing, NULL);
    }
}

static unsigned poll_receiver(const struct channel *channel)
{
    bool is_closed = channel_is_closed(channel);

    return (!channel_is_empty(channel) ? (unsigned)POLL_IN : 0U) |
           (is_closed ? (unsigned)POLL_HANGUP : 0U);
}

static unsigned poll_sender(const struct channel *channel)
{
    bool has_room = channel_len(channel) < channel_capacity(channel);

    return (channel_is_closed(channel) ? (unsigned)POLL_ERROR : 0U) |
           (has_room ? (unsigned)POLL_OUT : 0U);
}

static unsigned poll_end(struct file *file, struct poll_table *table)
{
    struct channel_ends *ends = file->context;

    note_polled(ends);
    poll_add(table, &ends->changed);
    return file_can_read(file) ? poll_receiver(ends->channel) : poll_sender(ends->channel);
}

void channel_tell_polled(struct channel_ends *ends)
{
    wait_queue_wake_all(&ends->changed);
}

/* --- life ------------------------------------------------------------------------------------- */

static void ends_put(struct channel_ends *ends)
{
    /* acq_rel: the last one sees what the other did */
    if (atomic_fetch_sub_explicit(&ends->references, 1, memory_order_acq_rel) == 1) {
        heap_free(ends);
    }
}

static void release_end(struct file *file)
{
    struct channel_ends *ends = file->context;

    if (file_can_read(file)) {
        channel_receiver_close(ends->channel);
    } else {
        channel_sender_put(ends->channel);
    }
    wait_queue_wake_all(&ends->changed);
    ends_put(ends);
}

const struct file_ops channel_ops = {.name = "channel", .poll = poll_end, .release = release_end};

static hx_err make_ends(uint32_t item_size, uint32_t capacity, struct channel_ends **ends)
{
    const struct channel_options options = {
        .capacity = capacity, .item_size = item_size, .made_for = process_current()->owner};
    struct channel_ends *made = heap_allocate_zeroed(sizeof(*made), OWNER_CORE);
    hx_err error = made != NULL ? channel_create(&options, &made->channel) : HX_ENOMEM;

    if (error != HX_OK) {
        heap_free(made);
        return error;
    }
    made->item_size = item_size;
    atomic_init(&made->references, 2);
    wait_queue_init(&made->turn, "channel turn");
    wait_queue_init(&made->changed, "channel changed");
    helix_right_init(&made->may_send, RESOURCE_TYPE_CHANNEL, 0, PERMISSION_WRITE);
    helix_right_init(&made->may_receive, RESOURCE_TYPE_CHANNEL, 0, PERMISSION_READ);
    *ends = made;
    return HX_OK;
}

hx_err channel_files_create(uint32_t item_size, uint32_t capacity, uint32_t flags,
                            struct file *ends[2])
{
    const owner_tag owner = process_current()->owner;
    struct channel_ends *made;
    hx_err error;

    if (item_size == 0 || item_size > HELIX_ITEM_MAX || capacity == 0 ||
        capacity > HELIX_CAPACITY_MAX) {
        return HX_EINVAL;
    }
    error = make_ends(item_size, capacity, &made);
    if (error != HX_OK) {
        return error;
    }
    flags &= FILE_NON_BLOCKING;
    error = file_create(&channel_ops, flags | FILE_READ_ONLY, made, owner, &ends[0]);
    if (error != HX_OK) {
        channel_receiver_close(made->channel);
        channel_sender_put(made->channel);
        heap_free(made);
        return error;
    }
    error = file_create(&channel_ops, flags | FILE_WRITE_ONLY, made, owner, &ends[1]);
    if (error != HX_OK) {
        channel_sender_put(made->channel);
        ends_put(made);
        file_put(ends[0]);
    }
    return error;
}

resource_id helix_resource_of_channel(const struct file *file)
{
    return file->ops == &channel_ops ? resource_make(RESOURCE_TYPE_CHANNEL, 0) : 0;
}
