/* Channels: making, sending, receiving. */
#include <abi/helix/calls.h>
#include <abi/helix/channel_file.h>
#include <subsys/access/access.h>

_Static_assert(HELIX_ITEM_MAX <= CHANNEL_ITEM_MAX && HELIX_CAPACITY_MAX <= CHANNEL_CAPACITY_MAX,
               "a channel can be made");

/* --- making ----------------------------------------------------------------------------------- */

static hx_err check_may_create(void)
{
    return access_require(resource_make(RESOURCE_TYPE_CHANNEL, 0), PERMISSION_CONTROL, HX_EACCES);
}

/* Both, or none. */
static int64_t add_both(struct file *ends[2], uint32_t flags, uint64_t address)
{
    int32_t descriptors[2];
    int64_t added = linux_add_file(ends[0], flags);

    if (added < 0) {
        file_put(ends[1]);
        return added;
    }
    descriptors[0] = (int32_t)added;
    added = linux_add_file(ends[1], flags);
    descriptors[1] = (int32_t)added;
    if (added >= 0 && hal_user_copy_out(address, descriptors, sizeof(descriptors)) == HX_OK) {
        return 0;
    }
    if (added >= 0) {
        (void)!file_table_close(process_current()->files, descriptors[1]);
        added = linux_result(HX_EFAULT);
    }
    (void)!file_table_close(process_current()->files, descriptors[0]);
    return added;
}

int64_t helix_channel_create(uint64_t item_size, uint64_t capacity, uint64_t flags,
                             uint64_t descriptors)
{
    struct file *ends[2];
    hx_err error = ((uint32_t)flags & ~HELIX_FILE_FLAGS) == 0 ? check_may_create() : HX_EINVAL;

    if (error == HX_OK) {
        error =
            channel_files_create((uint32_t)item_size, (uint32_t)capacity, (uint32_t)flags, ends);
    }
    return error == HX_OK ? add_both(ends, (uint32_t)flags, descriptors) : linux_result(error);
}

/* --- the ends --------------------------------------------------------------------------------- */

static HX_ALWAYS_INLINE bool is_end(const struct file *file)
{
    return HX_LIKELY(file != NULL) && HX_LIKELY(file->ops == &channel_ops);
}

/* Why a descriptor does not do. */
static HX_NOINLINE hx_err refuse(const struct file *file, bool is_right_end)
{
    if (file != NULL && file->ops != &channel_ops) {
        return HX_EINVAL;
    }
    return file != NULL && is_right_end ? HX_EACCES : HX_EBADF;
}

/* Without waiting; items of a word go the channel's fast way. */
static HX_ALWAYS_INLINE hx_err try_send(struct channel_ends *ends, const void *item)
{
    return HX_LIKELY(ends->item_size == sizeof(uint64_t))
               ? channel_try_send_sized(ends->channel, item, sizeof(uint64_t))
               : channel_try_send(ends->channel, item);
}

static HX_ALWAYS_INLINE hx_err try_receive(struct channel_ends *ends, void *item)
{
    return HX_LIKELY(ends->item_size == sizeof(uint64_t))
               ? channel_try_receive_sized(ends->channel, item, sizeof(uint64_t))
               : channel_try_receive(ends->channel, item);
}

static HX_ALWAYS_INLINE hx_err copy_in(const struct channel_ends *ends, void *item,
                                       uint64_t address)
{
    return HX_LIKELY(ends->item_size == sizeof(uint64_t))
               ? hal_user_copy_words_in(item, address, sizeof(uint64_t))
               : hal_user_copy_in(item, address, ends->item_size);
}

static HX_ALWAYS_INLINE hx_err copy_out(const struct channel_ends *ends, uint64_t address,
                                        const void *item)
{
    return HX_LIKELY(ends->item_size == sizeof(uint64_t))
               ? hal_user_copy_words_out(address, item, sizeof(uint64_t))
               : hal_user_copy_out(address, item, ends->item_size);
}

/* --- sending ---------------------------------------------------------------------------------- */

static HX_ALWAYS_INLINE hx_err send_item(const struct file *file, uint64_t address,
                                         uint64_t deadline_ns)
{
    struct channel_ends *ends = file->context;
    HX_ALIGNED(8) unsigned char item[HELIX_ITEM_MAX];
    hx_err error = copy_in(ends, item, address);

    if (HX_UNLIKELY(error != HX_OK)) {
        return error;
    }
    error = try_send(ends, item);
    if (HX_UNLIKELY(error == HX_EAGAIN) && !file_does_not_block(file)) {
        error = channel_send_interruptible(ends->channel, item, deadline_ns);
    }
    if (HX_LIKELY(error == HX_OK)) {
        channel_tell(ends);
    }
    return error;
}

/* What sending at once does not settle. */
static HX_NOINLINE int64_t send_fully(uint64_t descriptor, uint64_t item, uint64_t deadline_ns)
{
    struct file_use use = linux_use_file(descriptor);
    bool is_right_end = is_end(use.file) && file_can_write(use.file);
    hx_err error;

    if (is_right_end && helix_may(&((struct channel_ends *)use.file->context)->may_send)) {
        error = send_item(use.file, item, deadline_ns);
    } else {
        error = refuse(use.file, is_right_end);
    }
    file_use_end(use);
    return helix_result(error);
}

/* An item of a word, with nothing to wait for and nothing to find out. Nothing has happened before
 * the way on to send_fully. */
int64_t helix_channel_send(uint64_t descriptor, uint64_t item, uint64_t deadline_ns)
{
    const struct process *self = process_current();
    const struct file *file = helix_peek_file(self, descriptor, &channel_ops);
    struct channel_ends *ends;
    uint64_t word;

    if (HX_UNLIKELY(file == NULL) || HX_UNLIKELY(!file_can_write(file))) {
        return send_fully(descriptor, item, deadline_ns);
    }
    ends = file->context;
    if (HX_UNLIKELY(ends->item_size != sizeof(word)) ||
        HX_UNLIKELY(!helix_may_still(&ends->may_send, self->subject)) ||
        HX_UNLIKELY(hal_user_load_word(item, &word) != HX_OK) ||
        HX_UNLIKELY(!channel_send_at_once(ends->channel, &word, sizeof(word)))) {
        return send_fully(descriptor, item, deadline_ns);
    }
    channel_tell(ends);
    return 0;
}

/* --- receiving -------------------------------------------------------------------------------- */

static bool try_turn(struct channel_ends *ends)
{
    /* Pairs with end_turn. */
    return !atomic_exchange_explicit(&ends->is_receiving, true, memory_order_seq_cst);
}

static HX_NOINLINE hx_err wait_turn(struct channel_ends *ends, uint64_t deadline_ns)
{
    struct waiter waiter;
    hx_err error = HX_OK;
    bool has_turn;

    atomic_fetch_add_explicit(&ends->awaits_turn, 1, memory_order_seq_cst);
    wait_queue_prepare(&ends->turn, &waiter);
    while (!(has_turn = try_turn(ends)) && error == HX_OK) {
        error = wait_queue_wait_interruptible(&ends->turn, &waiter, deadline_ns);
    }
    wait_queue_finish(&ends->turn, &waiter);
    atomic_fetch_sub_explicit(&ends->awaits_turn, 1, memory_order_relaxed);
    return has_turn ? HX_OK : error;
}

static HX_PRESERVE_REGISTERS void wake_next(struct channel_ends *ends)
{
    wait_queue_wake_all(&ends->turn);
}

static HX_ALWAYS_INLINE void end_turn(struct channel_ends *ends)
{
    /* Sequentially consistent, as awaits_turn is: either this sees who waits, or he the turn. */
    atomic_store_explicit(&ends->is_receiving, false, memory_order_seq_cst);
    if (HX_UNLIKELY(atomic_load_explicit(&ends->awaits_turn, memory_order_seq_cst) != 0)) {
        wake_next(ends);
    }
}

/* More of what is there, after the first item; returns how many items there are then. */
static uint32_t receive_more(struct channel_ends *ends, uint64_t address, uint32_t maximum)
{
    HX_ALIGNED(8) unsigned char items[HELIX_ITEM_MAX];
    const uint32_t at_once = HELIX_ITEM_MAX / ends->item_size;
    uint32_t received = 1;

    while (received < maximum) {
        uint32_t left = maximum - received;
        uint32_t count = channel_drain(ends->channel, items, left < at_once ? left : at_once);

        if (count == 0 || hal_user_copy_out(address + (uint64_t)received * ends->item_size, items,
                                            (size_t)count * ends->item_size) != HX_OK) {
            break;
        }
        received += count;
    }
    return received;
}

/* The first item, waiting for it. */
static HX_ALWAYS_INLINE hx_err receive_first(const struct file *file, struct channel_ends *ends,
                                             void *item, uint64_t deadline_ns)
{
    hx_err error = try_receive(ends, item);

    return HX_UNLIKELY(error == HX_EAGAIN) && !file_does_not_block(file)
               ? channel_receive_interruptible(ends->channel, item, deadline_ns)
               : error;
}

/* In the caller's turn. */
static HX_ALWAYS_INLINE int64_t receive_items(const struct file *file, struct channel_ends *ends,
                                              uint64_t address, uint32_t maximum,
                                              uint64_t deadline_ns)
{
    HX_ALIGNED(8) unsigned char item[HELIX_ITEM_MAX];
    hx_err error = receive_first(file, ends, item, deadline_ns);
    uint32_t received = 1;

    if (HX_UNLIKELY(error != HX_OK)) {
        return error == HX_ECLOSED ? 0 : helix_result(error);
    }
    error = copy_out(ends, address, item);
    if (maximum > 1 && error == HX_OK) {
        received = receive_more(ends, address, maximum);
    }
    channel_tell(ends);
    return HX_LIKELY(error == HX_OK) ? received : linux_result(error);
}

static HX_ALWAYS_INLINE int64_t receive(const struct file *file, uint64_t address, uint32_t maximum,
                                        uint64_t deadline_ns)
{
    struct channel_ends *ends = file->context;
    int64_t result;

    if (HX_UNLIKELY(maximum == 0 || maximum > INT32_MAX)) {
        return linux_result(HX_EINVAL);
    }
    if (HX_UNLIKELY(!hal_user_is_range(address, (uint64_t)maximum * ends->item_size))) {
        return linux_result(HX_EFAULT);
    }
    if (HX_UNLIKELY(!try_turn(ends))) {
        hx_err error = file_does_not_block(file) ? HX_EAGAIN : wait_turn(ends, deadline_ns);

        if (error != HX_OK) {
            return helix_result(error);
        }
    }
    result = receive_items(file, ends, address, maximum, deadline_ns);
    end_turn(ends);
    return result;
}

/* What receiving at once does not settle. */
static HX_NOINLINE int64_t receive_fully(uint64_t descriptor, uint64_t items, uint64_t maximum,
                                         uint64_t deadline_ns)
{
    struct file_use use = linux_use_file(descriptor);
    bool is_right_end = is_end(use.file) && file_can_read(use.file);
    int64_t result;

    if (is_right_end && helix_may(&((struct channel_ends *)use.file->context)->may_receive)) {
        result = receive(use.file, items, (uint32_t)maximum, deadline_ns);
    } else {
        result = linux_result(refuse(use.file, is_right_end));
    }
    file_use_end(use);
    return result;
}

/* In nobody's turn: receive a word if one is there and nobody else receives. */
static HX_ALWAYS_INLINE bool receive_word(struct channel_ends *ends, uint64_t *word)
{
    bool has_received;

    if (HX_UNLIKELY(!try_turn(ends))) {
        return false;
    }
    has_received = channel_receive_at_once(ends->channel, word, sizeof(*word));
    end_turn(ends);
    return has_received;
}

/* One item of a word, as helix_channel_send does it. */
int64_t helix_channel_receive(uint64_t descriptor, uint64_t items, uint64_t maximum,
                              uint64_t deadline_ns)
{
    const struct process *self = process_current();
    const struct file *file = helix_peek_file(self, descriptor, &channel_ops);
    struct channel_ends *ends;
    uint64_t word;

    if (HX_UNLIKELY(file == NULL) || HX_UNLIKELY(!file_can_read(file)) ||
        HX_UNLIKELY((uint32_t)maximum != 1)) {
        return receive_fully(descriptor, items, maximum, deadline_ns);
    }
    ends = file->context;
    if (HX_UNLIKELY(ends->item_size != sizeof(word)) ||
        HX_UNLIKELY(!helix_may_still(&ends->may_receive, self->subject)) ||
        HX_UNLIKELY(!hal_user_is_range(items, sizeof(word))) ||
        HX_UNLIKELY(!receive_word(ends, &word))) {
        return receive_fully(descriptor, items, maximum, deadline_ns);
    }
    channel_tell(ends);
    return HX_LIKELY(hal_user_store_word(items, word) == HX_OK) ? 1 : linux_result(HX_EFAULT);
}
