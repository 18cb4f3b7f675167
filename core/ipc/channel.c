/*
 * Channels: the slow halves, blocking, closing.
 *
 * Two races of the kind "I store, then look at yours; you store, then look at mine" decide whether
 * a wake-up can be lost:
 *   the receiver marks the tail, looks for an item  |  a sender publishes, looks at the tail
 *   a sender marks `blocked`, looks for room        |  the receiver frees a slot, looks at
 * `blocked` The fast sides, on the right, have no fence. Who blocks makes every CPU pass a barrier
 * between mark and look: what was stored before the barrier is then seen here, and who looks after
 * it sees the mark. The receiver is spared this when no claim is under way: later claims change the
 * tail word after its mark did, and so see the mark.
 */
#include <base/assert.h>
#include <core/ipc/channel.h>
#include <core/ipc/channel_table.h>
#include <kern/cpu.h>
#include <kern/heap.h>
#include <kern/thread.h>

/*
 * The word `blocked`: twice the number of senders that wait, and whether a barrier has passed since
 * it became other than zero: then no further one is needed.
 */
#define BLOCKED_SEEN 1U
#define BLOCKED_ONE  2U

/*
 * Senders are not woken for each slot: the receiver calls one, and calls no other before a sender
 * has looked. Who waits takes the call back (has_called) before each look, so what was freed after
 * a call is found by that look; a sender that gets in from a wait calls the next if there is still
 * room. A call that nobody heard is taken back by who comes to wait next.
 */

static uint64_t position_of(uint64_t tail)
{
    return tail & ~(uint64_t)CHANNEL_MARKS;
}

/* The next position to receive. */
static uint64_t head_of(const struct channel *channel)
{
    return atomic_load_explicit(&channel->awaited, memory_order_relaxed) - CHANNEL_PUBLISHED;
}

static uint64_t ring_size(const struct channel *channel)
{
    return channel->mask + CHANNEL_PUBLISHED;
}

static uint32_t slot_index(const struct channel *channel, uint64_t position)
{
    return (uint32_t)((position & channel->mask) / CHANNEL_STEP);
}

/* The two sizes that most channels have are copied by moves, the others by a call. */
static void copy_item(void *to, const void *from, size_t size)
{
    if (size == 8) {
        memcpy(to, from, 8);
    } else if (size == 64) {
        memcpy(to, from, 64);
    } else {
        memcpy(to, from, size);
    }
}

static void do_nothing(void *argument)
{
    (void)argument;
}

/*
 * Who would block tries so often before: some ten microseconds, about what blocking and being woken
 * by another CPU take together, so that it costs at most twice the better of the two (Karlin and
 * others, 1991). With one CPU nothing changes meanwhile.
 */
#define SPIN_ROUNDS 1024U

static uint32_t spin_rounds(void)
{
    uint64_t online = cpu_online_mask();

    return (online & (online - 1)) != 0 ? SPIN_ROUNDS : 0;
}

/* The message itself is the barrier. */
static void pass_barrier(void)
{
    cpu_call(cpu_online_mask(), do_nothing, NULL);
}

/* --- making and freeing ----------------------------------------------------------------------- */

/* Bytes of a channel, 0: the options are out of their range. */
static size_t channel_size(const struct channel_options *options, uint32_t *capacity)
{
    size_t size;

    if (options->capacity == 0 || options->capacity > CHANNEL_CAPACITY_MAX ||
        options->item_size == 0 || options->item_size > CHANNEL_ITEM_MAX) {
        return 0;
    }
    *capacity = options->capacity == 1 ? 1 : 1U << (32 - __builtin_clz(options->capacity - 1));
    size = sizeof(struct channel) +
           channel_ring_bytes(channel_slot_steps(options->item_size), *capacity) +
           *capacity * sizeof(owner_tag);
    return size <= HEAP_SIZE_MAX ? size : 0;
}

static void init(struct channel *channel, const struct channel_options *options, uint32_t capacity)
{
    uint64_t slot_steps = channel_slot_steps(options->item_size);

    *channel = (struct channel){.mask = capacity * CHANNEL_STEP - CHANNEL_PUBLISHED,
                                .slot_steps = (uint32_t)slot_steps,
                                .item_size = options->item_size,
                                .destroy = options->destroy,
                                .owner = options->owner,
                                .made_for = options->made_for != OWNER_NONE ? options->made_for
                                                                            : options->owner,
                                .awaited = CHANNEL_PUBLISHED,
                                .sender_count = 1,
                                .references = 2};
    channel->reservations =
        (_Atomic owner_tag *)(void *)(channel->ring + channel_ring_bytes(slot_steps, capacity));
    wait_queue_init(&channel->receivers, "channel receiver");
    wait_queue_init(&channel->senders, "channel senders");
    for (uint32_t i = 0; i < capacity; i++) {
        atomic_init(&channel_slot_at(channel, i * CHANNEL_STEP)->sequence, i * CHANNEL_STEP);
        atomic_init(&channel->reservations[i], OWNER_NONE);
    }
}

hx_err channel_create(const struct channel_options *options, struct channel **channel)
{
    uint32_t capacity = 0;
    size_t size = channel_size(options, &capacity);
    struct channel *made;
    hx_err error;

    if (size == 0) {
        return HX_EINVAL;
    }
    made = heap_allocate(size, options->owner != OWNER_NONE ? options->owner : OWNER_CORE);
    if (made == NULL) {
        return HX_ENOMEM;
    }
    init(made, options, capacity);
    error = channel_table_add(made);
    if (error != HX_OK) {
        heap_free(made);
        return error;
    }
    *channel = made;
    return HX_OK;
}

/*
 * Destroy what is published and not received. Nobody receives any more; a destroyed item's slot
 * counts as aborted.
 */
static void destroy_queued(struct channel *channel)
{
    uint64_t end = position_of(atomic_load_explicit(&channel->tail, memory_order_acquire));
    uint64_t head = head_of(channel);

    for (uint64_t at = head; at != end; at += CHANNEL_STEP) {
        struct channel_slot *slot = channel_slot_at(channel, at);

        /* Acquire: pairs with the release in channel_publish. */
        if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != at + CHANNEL_PUBLISHED) {
            continue;
        }
        atomic_store_explicit(&slot->sequence, at + CHANNEL_ABORTED, memory_order_relaxed);
        if (channel->destroy != NULL) {
            channel->destroy(slot->item);
        }
    }
}

/* The last one destroys what was published after the receiver had gone. */
static void put_reference(struct channel *channel)
{
    /* Release what was done with it, acquire what others did, before it is freed. */
    if (atomic_fetch_sub_explicit(&channel->references, 1, memory_order_acq_rel) == 1) {
        destroy_queued(channel);
        channel_table_remove(channel);
        heap_free(channel);
    }
}

/* --- waking ----------------------------------------------------------------------------------- */

/* Who takes the mark off wakes; the receiver sets it again before it sleeps again. */
void channel_wake_receiver(struct channel *channel)
{
    uint64_t tail =
        atomic_fetch_and_explicit(&channel->tail, ~(uint64_t)CHANNEL_WAITING, memory_order_acq_rel);

    if ((tail & CHANNEL_WAITING) != 0) {
        wait_queue_wake_one(&channel->receivers);
    }
}

void channel_call_sender(struct channel *channel)
{
    wait_queue_wake_one(&channel->senders);
}

static void close_channel(struct channel *channel)
{
    /* Release: who finds the channel closed finds everything before it done. */
    atomic_fetch_or_explicit(&channel->tail, CHANNEL_CLOSED, memory_order_acq_rel);
    channel_wake_receiver(channel);
    wait_queue_wake_all(&channel->senders);
}

/* How to wait: for the kernel, or so that it can be interrupted. */
typedef hx_err (*wait_function)(struct wait_queue *queue, struct waiter *waiter,
                                uint64_t deadline_ns);

/* --- claiming --------------------------------------------------------------------------------- */

static hx_err try_claim(struct channel *channel, uint64_t *position)
{
    uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);

    while ((tail & CHANNEL_CLOSED) == 0) {
        uint64_t at = position_of(tail);
        struct channel_slot *slot = channel_slot_at(channel, at);

        /* Acquire: pairs with the release in channel_release. */
        if (atomic_load_explicit(&slot->sequence, memory_order_acquire) == at) {
            if (atomic_compare_exchange_weak_explicit(&channel->tail, &tail, tail + CHANNEL_STEP,
                                                      memory_order_acquire, memory_order_acquire)) {
                *position = at;
                return HX_OK;
            }
            continue;
        }

        uint64_t now = atomic_load_explicit(&channel->tail, memory_order_acquire);

        /* Nobody claimed this position meanwhile, so its slot is the previous round's still. */
        if (now == tail) {
            return HX_EAGAIN;
        }
        tail = now;
    }
    return HX_ECLOSED;
}

static void mark_blocked(struct channel *channel)
{
    uint32_t before =
        atomic_fetch_add_explicit(&channel->blocked, BLOCKED_ONE, memory_order_seq_cst);

    if ((before & BLOCKED_SEEN) == 0) {
        pass_barrier();
        atomic_fetch_or_explicit(&channel->blocked, BLOCKED_SEEN, memory_order_seq_cst);
    }
}

static void unmark_blocked(struct channel *channel)
{
    uint32_t left =
        atomic_fetch_sub_explicit(&channel->blocked, BLOCKED_ONE, memory_order_relaxed) -
        BLOCKED_ONE;

    if (left == BLOCKED_SEEN) {
        /* Fails when somebody has come: the word was never zero for him. */
        atomic_compare_exchange_strong_explicit(&channel->blocked, &left, 0, memory_order_relaxed,
                                                memory_order_relaxed);
    }
}

/* Whatever the receiver freed and called nobody for is seen by the look. */
static hx_err take_call_and_claim(struct channel *channel, uint64_t *position)
{
    /* Pairs with the exchange in channel_release. */
    (void)atomic_exchange_explicit(&channel->has_called, 0, memory_order_seq_cst);
    return try_claim(channel, position);
}

static bool has_room(struct channel *channel)
{
    uint64_t at = position_of(atomic_load_explicit(&channel->tail, memory_order_relaxed));

    return atomic_load_explicit(&channel_slot_at(channel, at)->sequence, memory_order_relaxed) ==
           at;
}

/* By who got in: the receiver has perhaps freed more than one slot since it called. */
static void call_next(struct channel *channel)
{
    if (atomic_load_explicit(&channel->blocked, memory_order_relaxed) != 0 && has_room(channel)) {
        channel_call_sender(channel);
    }
}

/* What is full now may have room before it would be worth while to sleep. */
static hx_err try_claim_for_a_while(struct channel *channel, uint64_t *position)
{
    hx_err error = HX_EAGAIN;

    for (uint32_t round = 0; round < spin_rounds() && error == HX_EAGAIN; round++) {
        hal_cpu_relax();
        error = try_claim(channel, position);
    }
    return error;
}

static hx_err claim(struct channel *channel, uint64_t deadline_ns, wait_function wait,
                    uint64_t *position)
{
    hx_err error = try_claim(channel, position);
    struct waiter waiter;

    if (error != HX_EAGAIN) {
        return error;
    }
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    error = try_claim_for_a_while(channel, position);
    if (error != HX_EAGAIN) {
        return error;
    }
    wait_queue_prepare(&channel->senders, &waiter);
    mark_blocked(channel);
    while ((error = take_call_and_claim(channel, position)) == HX_EAGAIN) {
        error = wait(&channel->senders, &waiter, deadline_ns);
        if (error != HX_OK) {
            break;
        }
    }
    unmark_blocked(channel);
    wait_queue_finish(&channel->senders, &waiter);
    if (error == HX_OK) {
        call_next(channel);
    }
    return error;
}

/* --- sending ---------------------------------------------------------------------------------- */

static void fill_and_publish(struct channel *channel, uint64_t position, const void *item)
{
    struct channel_slot *slot = channel_slot_at(channel, position);

    copy_item(slot->item, item, channel->item_size);
    channel_publish(channel, slot, position + CHANNEL_PUBLISHED);
}

hx_err channel_try_send_slow(struct channel *channel, const void *item)
{
    uint64_t position;
    hx_err error = try_claim(channel, &position);

    if (error == HX_OK) {
        fill_and_publish(channel, position, item);
    }
    return error;
}

hx_err channel_try_send(struct channel *channel, const void *item)
{
    return channel_try_send_slow(channel, item);
}

static hx_err send(struct channel *channel, const void *item, uint64_t deadline_ns,
                   wait_function wait)
{
    uint64_t position;
    hx_err error = claim(channel, deadline_ns, wait, &position);

    if (error == HX_OK) {
        fill_and_publish(channel, position, item);
    }
    return error;
}

hx_err channel_send(struct channel *channel, const void *item, uint64_t deadline_ns)
{
    return send(channel, item, deadline_ns, wait_queue_wait);
}

hx_err channel_send_interruptible(struct channel *channel, const void *item, uint64_t deadline_ns)
{
    return send(channel, item, deadline_ns, wait_queue_wait_interruptible);
}

/* --- reservations ----------------------------------------------------------------------------- */

static struct channel_reservation record_reservation(struct channel *channel, uint64_t position,
                                                     owner_tag owner)
{
    /* Release: who ends the reservation by its owner finds the slot claimed. */
    atomic_store_explicit(&channel->reservations[slot_index(channel, position)], owner,
                          memory_order_release);
    return (struct channel_reservation){
        .item = channel_slot_at(channel, position)->item, .position = position, .owner = owner};
}

hx_err channel_try_reserve(struct channel *channel, owner_tag owner,
                           struct channel_reservation *reservation)
{
    uint64_t position;
    hx_err error = owner == OWNER_NONE ? HX_EINVAL : try_claim(channel, &position);

    if (error == HX_OK) {
        *reservation = record_reservation(channel, position, owner);
    }
    return error;
}

hx_err channel_reserve(struct channel *channel, owner_tag owner,
                       struct channel_reservation *reservation, uint64_t deadline_ns)
{
    uint64_t position;
    hx_err error =
        owner == OWNER_NONE ? HX_EINVAL : claim(channel, deadline_ns, wait_queue_wait, &position);

    if (error == HX_OK) {
        *reservation = record_reservation(channel, position, owner);
    }
    return error;
}

/* End the slot's reservation if it is the owner's; whoever gets true publishes. */
static bool take_reservation(struct channel *channel, uint32_t index, owner_tag owner)
{
    return owner != OWNER_NONE && atomic_compare_exchange_strong_explicit(
                                      &channel->reservations[index], &owner, OWNER_NONE,
                                      memory_order_acq_rel, memory_order_relaxed);
}

static hx_err end_reservation(struct channel *channel,
                              const struct channel_reservation *reservation, uint64_t outcome)
{
    uint64_t position = reservation->position;
    struct channel_slot *slot = channel_slot_at(channel, position);

    if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != position ||
        !take_reservation(channel, slot_index(channel, position), reservation->owner)) {
        return HX_ESTALE;
    }
    channel_publish(channel, slot, position + outcome);
    return HX_OK;
}

hx_err channel_commit(struct channel *channel, const struct channel_reservation *reservation)
{
    return end_reservation(channel, reservation, CHANNEL_PUBLISHED);
}

hx_err channel_abort(struct channel *channel, const struct channel_reservation *reservation)
{
    return end_reservation(channel, reservation, CHANNEL_ABORTED);
}

/* Abort an owner's reservations in one channel; OWNER_NONE: everybody's. */
static uint32_t abort_reservations(struct channel *channel, owner_tag owner)
{
    uint32_t capacity = channel_capacity(channel);
    uint32_t aborted = 0;

    for (uint32_t i = 0; i < capacity; i++) {
        owner_tag holder = atomic_load_explicit(&channel->reservations[i], memory_order_acquire);

        if (owner != OWNER_NONE && holder != owner) {
            continue;
        }
        if (take_reservation(channel, i, holder)) {
            struct channel_slot *slot = channel_slot_at(channel, (uint64_t)i * CHANNEL_STEP);
            uint64_t at = atomic_load_explicit(&slot->sequence, memory_order_relaxed);

            channel_publish(channel, slot, at + CHANNEL_ABORTED);
            aborted++;
        }
    }
    return aborted;
}

uint32_t channel_abort_owner(owner_tag owner)
{
    uint32_t aborted = 0;
    uint32_t index = 0;
    struct channel *channel;

    if (owner == OWNER_NONE) {
        return 0;
    }
    while ((channel = channel_table_next(&index)) != NULL) {
        aborted += abort_reservations(channel, owner);
        put_reference(channel);
    }
    return aborted;
}

/* --- looking ---------------------------------------------------------------------------------- */

static uint64_t memory_of(const struct channel *channel)
{
    uint32_t capacity = channel_capacity(channel);

    return sizeof(*channel) + channel_ring_bytes(channel->slot_steps, capacity) +
           capacity * sizeof(owner_tag);
}

bool channel_next_info(uint32_t *index, struct channel_info *info)
{
    struct channel *channel = channel_table_next(index);

    if (channel == NULL) {
        return false;
    }
    *info = (struct channel_info){
        .handle = channel_get_handle(channel),
        .made_for = channel->made_for,
        .item_size = channel->item_size,
        .capacity = channel_capacity(channel),
        .queued = channel_len(channel),
        .senders = atomic_load_explicit(&channel->sender_count, memory_order_relaxed),
        .blocked_senders =
            atomic_load_explicit(&channel->blocked, memory_order_relaxed) / BLOCKED_ONE,
        .is_receiver_waiting =
            (atomic_load_explicit(&channel->tail, memory_order_relaxed) & CHANNEL_WAITING) != 0,
        .is_closed = channel_is_closed(channel),
        .memory_bytes = memory_of(channel),
    };
    put_reference(channel);
    return true;
}

/* --- receiving -------------------------------------------------------------------------------- */

/* The oldest slot if it can be received, passing over aborted ones. */
static hx_err find_published(struct channel *channel, uint64_t *position)
{
    for (;;) {
        uint64_t head = head_of(channel);
        struct channel_slot *slot = channel_slot_at(channel, head);
        /* Acquire: pairs with the release in channel_publish. */
        uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);

        if (sequence == head + CHANNEL_PUBLISHED) {
            *position = head;
            return HX_OK;
        }
        if (sequence != head + CHANNEL_ABORTED) {
            /* Closed and nothing claimed: nothing will ever be. */
            uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_acquire);

            return (tail & CHANNEL_CLOSED) != 0 && position_of(tail) == head ? HX_ECLOSED
                                                                             : HX_EAGAIN;
        }
        channel_release(channel, slot, head + CHANNEL_PUBLISHED, channel->mask);
    }
}

hx_err channel_try_receive_slow(struct channel *channel, void *item)
{
    uint64_t position;
    hx_err error = find_published(channel, &position);

    if (error == HX_OK) {
        struct channel_slot *slot = channel_slot_at(channel, position);

        copy_item(item, slot->item, channel->item_size);
        channel_release(channel, slot, position + CHANNEL_PUBLISHED, channel->mask);
    }
    return error;
}

hx_err channel_try_receive(struct channel *channel, void *item)
{
    return channel_try_receive_slow(channel, item);
}

/*
 * Look for a while whether the oldest slot leaves the senders' hands. Nothing but its sequence is
 * looked at, so that senders have the tail for themselves.
 */
static void await_published(struct channel *channel)
{
    uint64_t head = head_of(channel);
    const struct channel_slot *slot = channel_slot_at(channel, head);

    for (uint32_t round = 0; round < spin_rounds(); round++) {
        if (atomic_load_explicit(&slot->sequence, memory_order_relaxed) != head) {
            return;
        }
        hal_cpu_relax();
    }
}

/* Mark the receiver as waiting, and look again. */
static hx_err mark_and_look(struct channel *channel, void *item)
{
    uint64_t tail = atomic_fetch_or_explicit(&channel->tail, CHANNEL_WAITING, memory_order_seq_cst);
    hx_err error = channel_try_receive_slow(channel, item);

    if (error == HX_EAGAIN && position_of(tail) != head_of(channel)) {
        /* Claimed before the mark was set, not published yet. */
        pass_barrier();
        error = channel_try_receive_slow(channel, item);
    }
    return error;
}

static hx_err receive(struct channel *channel, void *item, uint64_t deadline_ns, wait_function wait)
{
    hx_err error = channel_try_receive_slow(channel, item);
    struct waiter waiter;

    if (error != HX_EAGAIN) {
        return error;
    }
    if (!context_can_block()) {
        return HX_ECONTEXT;
    }
    await_published(channel);
    error = channel_try_receive_slow(channel, item);
    if (error != HX_EAGAIN) {
        return error;
    }
    wait_queue_prepare(&channel->receivers, &waiter);
    while ((error = mark_and_look(channel, item)) == HX_EAGAIN) {
        error = wait(&channel->receivers, &waiter, deadline_ns);
        if (error != HX_OK) {
            break;
        }
    }
    wait_queue_finish(&channel->receivers, &waiter);
    return error;
}

hx_err channel_receive(struct channel *channel, void *item, uint64_t deadline_ns)
{
    return receive(channel, item, deadline_ns, wait_queue_wait);
}

hx_err channel_receive_interruptible(struct channel *channel, void *item, uint64_t deadline_ns)
{
    return receive(channel, item, deadline_ns, wait_queue_wait_interruptible);
}

uint32_t channel_drain(struct channel *channel, void *items, uint32_t count)
{
    unsigned char *to = items;
    uint32_t received = 0;

    while (received < count &&
           channel_try_receive_slow(channel, to + (size_t)received * channel->item_size) == HX_OK) {
        received++;
    }
    return received;
}

/* --- ends ------------------------------------------------------------------------------------- */

void channel_sender_get(struct channel *channel)
{
    uint32_t before = atomic_fetch_add_explicit(&channel->sender_count, 1, memory_order_relaxed);

    HX_ASSERT(before != 0 && before != UINT32_MAX, "who gets another sender holds one");
}

/* All senders together hold one reference. */
void channel_sender_put(struct channel *channel)
{
    uint32_t before = atomic_fetch_sub_explicit(&channel->sender_count, 1, memory_order_acq_rel);

    HX_ASSERT(before != 0, "a sender is given up once");
    if (before == 1) {
        abort_reservations(channel, OWNER_NONE);
        close_channel(channel);
        put_reference(channel);
    }
}

void channel_receiver_close(struct channel *channel)
{
    close_channel(channel);
    destroy_queued(channel);
    put_reference(channel);
}

channel_handle channel_get_handle(const struct channel *channel)
{
    return channel->handle;
}

hx_err channel_sender_open(channel_handle handle, struct channel **channel)
{
    return channel_table_open(handle, channel);
}

/* --- looking ---------------------------------------------------------------------------------- */

uint32_t channel_len(const struct channel *channel)
{
    uint64_t head = head_of(channel);
    uint64_t tail = position_of(atomic_load_explicit(&channel->tail, memory_order_relaxed));
    uint64_t bytes = tail - head;

    /* The two are not one moment's: the tail may have gone on by more than a round. */
    if (bytes > ring_size(channel)) {
        bytes = ring_size(channel);
    }
    return (uint32_t)(bytes / CHANNEL_STEP);
}

bool channel_is_empty(const struct channel *channel)
{
    return channel_len(channel) == 0;
}

uint32_t channel_capacity(const struct channel *channel)
{
    return (uint32_t)(ring_size(channel) / CHANNEL_STEP);
}

bool channel_is_closed(const struct channel *channel)
{
    return (atomic_load_explicit(&channel->tail, memory_order_acquire) & CHANNEL_CLOSED) != 0;
}
