/*
 * Bounded message channel: many senders, one receiver (SPEC P1 to P3).
 *
 * A ring of slots, each with a sequence number (Vyukov's bounded queue). A sender claims the next
 * position with one compare-exchange on the tail, fills the slot, and publishes it by a store to
 * the slot's sequence: it never waits for another sender's turn. The receiver needs no locked
 * instruction.
 *
 * Rules:
 * - Items are copied in and out; the caller keeps its buffer. Order is kept for each sender.
 * - Any number of senders, each holding a reference; one receiver. Both ends start with the
 * creator.
 * - Close is final. When the last sender goes, what is queued can still be received, then
 * HX_ECLOSED. When the receiver goes, senders get HX_ECLOSED, and queued items go through
 * `destroy`: those published by then at once, later ones with the last sender.
 * - What is claimed and not yet published holds up what comes after it: "empty" (HX_EAGAIN) then
 * means that nothing can be received yet, and len counts it. A reservation is such a claim for as
 * long as it lasts; it ends by commit, by abort, by the death of its owner (channel_abort_owner),
 * or with the last sender, and is skipped unless it was committed.
 * - Who blocks pays: sending and receiving have no fence; a thread that is about to block marks the
 *   channel, makes every CPU pass a barrier where that is needed, and looks again. The receiver's
 * mark is in the tail word (docs/adr/0004-channels-who-blocks-pays.md, tests/models/channel.pml).
 * - `destroy` is called with no lock held, in thread context.
 * - Use the typed wrappers that CHANNEL_TYPE makes; the untyped functions are what they are made
 * of.
 */
#ifndef CORE_IPC_CHANNEL_H
#define CORE_IPC_CHANNEL_H

#include <base/memory.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <kern/wait_queue.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_ITEM_MAX     4096U
#define CHANNEL_CAPACITY_MAX (1U << 20)

/* The index of a live channel and its generation: never that of another channel. 0 is none. */
typedef uint64_t channel_handle;

/*
 * A slot's sequence is its position p while it is free for, or claimed by, the sender of p;
 * p + CHANNEL_PUBLISHED or p + CHANNEL_ABORTED once it is the receiver's; then it is the next
 * round's position. Positions grow by CHANNEL_STEP, so the low four bits are free for marks, and a
 * slot's bytes are a multiple of it, so that a position tells the place without a division.
 */
#define CHANNEL_STEP      16U
#define CHANNEL_PUBLISHED 8U
#define CHANNEL_ABORTED   12U
/* Marks in the tail word. */
#define CHANNEL_CLOSED  1U /* no position is claimed any more */
#define CHANNEL_WAITING 2U /* the receiver has to be woken */
#define CHANNEL_MARKS   3U

struct channel_slot {
    _Atomic uint64_t sequence;
    unsigned char item[];
};

/*
 * Keys: I = immutable after create, A = atomic, R = written by the receiver only, C = under the
 * lock of the table of channels
 */
struct channel {
    /* Read by everybody, written when somebody blocks. */
    HX_ALIGNED(HX_CACHE_LINE)
    uint64_t mask;                   /* I  capacity * CHANNEL_STEP - CHANNEL_PUBLISHED */
    uint32_t slot_steps;             /* I  bytes of a slot, in steps */
    uint32_t item_size;              /* I */
    _Atomic uint32_t blocked;        /* A  senders that wait for room: see channel.c */
    void (*destroy)(void *item);     /* I  NULL: nothing to do */
    _Atomic owner_tag *reservations; /* I  per slot, A: whose reservation, OWNER_NONE */

    HX_ALIGNED(HX_CACHE_LINE) _Atomic uint64_t tail; /* A  the next position to claim, and marks */
    /* The sequence of the next item to receive: its position + CHANNEL_PUBLISHED. */
    HX_ALIGNED(HX_CACHE_LINE) _Atomic uint64_t awaited; /* R */
    _Atomic uint32_t
        has_called; /* A  a sender was woken, and none has looked since: see channel.c */

    HX_ALIGNED(HX_CACHE_LINE) struct wait_queue receivers; /* the one, when it waits */
    struct wait_queue senders;
    _Atomic uint32_t sender_count; /* A */
    _Atomic uint32_t references;   /* A  senders, the receiver, and who looks by handle */
    channel_handle handle;         /* C */
    owner_tag owner;               /* I */
    owner_tag made_for;            /* I */

    HX_ALIGNED(HX_CACHE_LINE) unsigned char ring[];
};

struct channel_options {
    uint32_t capacity;           /* items, 1..CHANNEL_CAPACITY_MAX; rounded up to a power of two */
    uint32_t item_size;          /* bytes, 1..CHANNEL_ITEM_MAX; 8 and 64 are fastest */
    void (*destroy)(void *item); /* for items that nobody received; NULL: nothing to do */
    owner_tag owner;             /* of the memory; 0: OWNER_CORE */
    owner_tag made_for;          /* told by channel_info; 0: the same */
};

/*
 * Make an open channel with one sender and the receiver, both the caller's.
 * Context: thread.  Errors: HX_EINVAL a number out of its range, or a ring of more than
 * HEAP_SIZE_MAX; HX_ENOMEM; HX_ENOSPC too many channels.
 */
HX_MUST_USE hx_err channel_create(const struct channel_options *options, struct channel **channel);

/* --- ends ------------------------------------------------------------------------------------- */

/* Another sender, for who holds one.  Context: any. */
void channel_sender_get(struct channel *channel);

/*
 * Give a sender up; the last one closes the channel, and aborts reservations that are left. Frees
 * the channel when the receiver has gone before.  Context: thread, preemption on.
 */
void channel_sender_put(struct channel *channel);

/* Give the receiver up: closes the channel.  Context: thread, preemption on. */
void channel_receiver_close(struct channel *channel);

/* The channel's handle, for who holds an end.  Context: any. */
channel_handle channel_get_handle(const struct channel *channel);

/*
 * Another sender by handle.  Context: any but nmi.  Errors: HX_ESTALE the channel is gone or never
 * was; HX_ECLOSED it has no sender any more.
 */
HX_MUST_USE hx_err channel_sender_open(channel_handle handle, struct channel **channel);

/* --- sending: for holders of a sender --------------------------------------------------------- */

/* Copy one item in, now.  Context: any but nmi.  Errors: HX_EAGAIN full, HX_ECLOSED. */
HX_MUST_USE hx_err channel_try_send(struct channel *channel, const void *item);

/*
 * Copy one item in, waiting for room until the absolute time (THREAD_NO_DEADLINE: for ever).
 * Context: thread, may block.  Errors: HX_ETIMEDOUT, HX_ECLOSED; HX_ECONTEXT it is full and the
 * caller may not block.
 */
HX_MUST_USE hx_err channel_send(struct channel *channel, const void *item, uint64_t deadline_ns);

/* The same for a program: the wait can be interrupted (HX_EINTR). */
HX_MUST_USE hx_err channel_send_interruptible(struct channel *channel, const void *item,
                                              uint64_t deadline_ns);

/* The right to fill one slot in place. */
struct channel_reservation {
    void *item;        /* item_size bytes with undefined contents, aligned to 8 */
    uint64_t position; /* which, for ever */
    owner_tag owner;
};

/*
 * Claim a slot to fill in place, now or waiting for room. owner: whose death aborts it, not
 * OWNER_NONE. Context and errors: as channel_try_send and channel_send; HX_EINVAL no owner.
 */
HX_MUST_USE hx_err channel_try_reserve(struct channel *channel, owner_tag owner,
                                       struct channel_reservation *reservation);
HX_MUST_USE hx_err channel_reserve(struct channel *channel, owner_tag owner,
                                   struct channel_reservation *reservation, uint64_t deadline_ns);

/*
 * End a reservation: send what was filled in, or have it skipped. What is in the slot then is no
 * longer the caller's; in the second case nobody destroys it. Context: any but nmi.  Errors:
 * HX_ESTALE it has ended already.
 */
HX_MUST_USE hx_err channel_commit(struct channel *channel,
                                  const struct channel_reservation *reservation);
HX_MUST_USE hx_err channel_abort(struct channel *channel,
                                 const struct channel_reservation *reservation);

/*
 * Abort every reservation of an owner that no longer runs, in all channels; returns how many.
 * Context: thread, preemption on.
 */
uint32_t channel_abort_owner(owner_tag owner);

/* --- receiving: for the holder of the receiver, one thread at a time -------------------------- */

/* Copy the oldest item out, now.  Context: any but nmi.  Errors: HX_EAGAIN empty, HX_ECLOSED. */
HX_MUST_USE hx_err channel_try_receive(struct channel *channel, void *item);

/*
 * Copy the oldest item out, waiting for one until the absolute time.
 * Context: thread, may block.  Errors: HX_ETIMEDOUT; HX_ECLOSED and nothing is left; HX_ECONTEXT it
 * is empty and the caller may not block.
 */
HX_MUST_USE hx_err channel_receive(struct channel *channel, void *item, uint64_t deadline_ns);

/* The same for a program: the wait can be interrupted (HX_EINTR). */
HX_MUST_USE hx_err channel_receive_interruptible(struct channel *channel, void *item,
                                                 uint64_t deadline_ns);

/* Copy up to count items out, now; returns how many.  Context: any but nmi. */
uint32_t channel_drain(struct channel *channel, void *items, uint32_t count);

/* --- looking: a moment's truth for others than the receiver.  Context: any. ------------------- */

uint32_t channel_len(const struct channel *channel); /* with what is claimed */
bool channel_is_empty(const struct channel *channel);
uint32_t channel_capacity(const struct channel *channel);
bool channel_is_closed(const struct channel *channel);

struct channel_info {
    channel_handle handle;
    owner_tag made_for;
    uint32_t item_size;
    uint32_t capacity;
    uint32_t queued;
    uint32_t senders;
    uint32_t blocked_senders; /* that wait for room */
    bool is_receiver_waiting;
    bool is_closed;
    uint64_t memory_bytes;
};

/*
 * What is to be said of the first channel at *index or after; *index moves behind it. false: there
 * is none.  Context: thread, preemption on.
 */
bool channel_next_info(uint32_t *index, struct channel_info *info);

/* --- the fast path ---------------------------------------------------------------------------- */

/* What the first comparison did not settle; they do the whole thing. */
HX_COLD hx_err channel_try_send_slow(struct channel *channel, const void *item);
HX_COLD hx_err channel_try_receive_slow(struct channel *channel, void *item);
HX_PRESERVE_REGISTERS void channel_wake_receiver(struct channel *channel);
HX_PRESERVE_REGISTERS void channel_call_sender(struct channel *channel);

/*
 * Slots are a whole number of steps: rounded up to a power of two, a ring of items of 64 bytes
 * would take twice their room, and leave the processor's first cache sooner.
 */
static inline uint64_t channel_slot_steps(size_t item_size)
{
    return (sizeof(struct channel_slot) + item_size + CHANNEL_STEP - 1) / CHANNEL_STEP;
}

/*
 * Where the first slot is. An item of several words, behind its slot's sequence, begins at a
 * multiple of 16 bytes, so that none of the moves that copy it crosses a cache line; a slot of one
 * step is not to cross one itself.
 */
static inline uint64_t channel_ring_start(uint64_t steps)
{
    return steps > 1 ? CHANNEL_STEP - sizeof(struct channel_slot) : 0;
}

/* Bytes of all slots, and what is before the first. */
static inline uint64_t channel_ring_bytes(uint64_t steps, uint32_t capacity)
{
    return channel_ring_start(steps) + capacity * steps * CHANNEL_STEP;
}

/* The slot of a position, which may carry the tail's marks; steps are those of a slot. */
static HX_ALWAYS_INLINE struct channel_slot *
channel_slot_at_steps(struct channel *channel, uint64_t position, uint64_t steps)
{
    return (struct channel_slot *)(void *)(channel->ring + channel_ring_start(steps) +
                                           (position & channel->mask) * steps);
}

static inline struct channel_slot *channel_slot_at(struct channel *channel, uint64_t position)
{
    return channel_slot_at_steps(channel, position, channel->slot_steps);
}

/* Hand a claimed slot to the receiver, and wake it if it may have looked before. */
static HX_ALWAYS_INLINE void channel_publish(struct channel *channel, struct channel_slot *slot,
                                             uint64_t sequence)
{
    /* Release: pairs with the acquire in channel_try_receive_sized. */
    atomic_store_explicit(&slot->sequence, sequence, memory_order_release);
    /* The compiler keeps the order; the processor does when the receiver makes it (channel.c). */
    atomic_signal_fence(memory_order_seq_cst);
    if (HX_UNLIKELY(
            (atomic_load_explicit(&channel->tail, memory_order_relaxed) & CHANNEL_WAITING) != 0)) {
        channel_wake_receiver(channel);
    }
}

/* Give a slot back for the next round, and wake a sender if one may have looked before and none is
 * on its way to look. */
static HX_ALWAYS_INLINE void channel_release(struct channel *channel, struct channel_slot *slot,
                                             uint64_t awaited, uint64_t mask)
{
    /* Release: pairs with the senders' acquire; the item is copied out by then. */
    atomic_store_explicit(&slot->sequence, awaited + mask, memory_order_release);
    atomic_store_explicit(&channel->awaited, awaited + CHANNEL_STEP, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst); /* as in channel_publish */
    if (HX_UNLIKELY(atomic_load_explicit(&channel->blocked, memory_order_relaxed) != 0) &&
        /* Pairs with the exchange of a sender that is about to look: it is seen here, or the slot
         * there. */
        atomic_exchange_explicit(&channel->has_called, 1, memory_order_seq_cst) == 0) {
        channel_call_sender(channel);
    }
}

/*
 * The slow halves are given a copy of an item of one word: the caller's own, whose address goes
 * nowhere then, stays in a register.
 */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err channel_try_send_else(struct channel *channel,
                                                                 const void *item, size_t size)
{
    uint64_t copy;

    if (size != sizeof(copy)) {
        return channel_try_send_slow(channel, item);
    }
    memcpy(&copy, item, sizeof(copy));
    return channel_try_send_slow(channel, &copy);
}

HX_MUST_USE static HX_ALWAYS_INLINE hx_err channel_try_receive_else(struct channel *channel,
                                                                    void *item, size_t size)
{
    uint64_t copy;
    hx_err error;

    if (size != sizeof(copy)) {
        return channel_try_receive_slow(channel, item);
    }
    error = channel_try_receive_slow(channel, &copy);
    if (error == HX_OK) {
        memcpy(item, &copy, sizeof(copy));
    }
    return error;
}

/*
 * Send if it takes no second look; false: nothing has happened, and channel_try_send_sized can say
 * why. size is the channel's item size, best a constant.
 */
static HX_ALWAYS_INLINE bool channel_send_at_once(struct channel *channel, const void *item,
                                                  size_t size)
{
    uint64_t tail = atomic_load_explicit(&channel->tail, memory_order_relaxed);
    struct channel_slot *slot = channel_slot_at_steps(channel, tail, channel_slot_steps(size));
    /* Acquire: pairs with the release in channel_release. */
    uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);

    /* Equal only with no mark in the tail. */
    if (HX_UNLIKELY(sequence != tail) || HX_UNLIKELY(!atomic_compare_exchange_strong_explicit(
                                             &channel->tail, &sequence, tail + CHANNEL_STEP,
                                             memory_order_relaxed, memory_order_relaxed))) {
        return false;
    }
    memcpy(slot->item, item, size);
    channel_publish(channel, slot, tail + CHANNEL_PUBLISHED);
    return true;
}

/* The same for receiving. */
static HX_ALWAYS_INLINE bool channel_receive_at_once(struct channel *channel, void *item,
                                                     size_t size)
{
    uint64_t awaited = atomic_load_explicit(&channel->awaited, memory_order_relaxed);
    uint64_t mask = channel->mask;
    struct channel_slot *slot =
        channel_slot_at_steps(channel, awaited - CHANNEL_PUBLISHED, channel_slot_steps(size));

    /* Acquire: pairs with the release in channel_publish. */
    if (HX_UNLIKELY(atomic_load_explicit(&slot->sequence, memory_order_acquire) != awaited)) {
        return false;
    }
    memcpy(item, slot->item, size);
    channel_release(channel, slot, awaited, mask);
    return true;
}

/* size is the channel's item size, best a constant. */
HX_MUST_USE static HX_ALWAYS_INLINE hx_err channel_try_send_sized(struct channel *channel,
                                                                  const void *item, size_t size)
{
    return HX_LIKELY(channel_send_at_once(channel, item, size))
               ? HX_OK
               : channel_try_send_else(channel, item, size);
}

HX_MUST_USE static HX_ALWAYS_INLINE hx_err channel_try_receive_sized(struct channel *channel,
                                                                     void *item, size_t size)
{
    return HX_LIKELY(channel_receive_at_once(channel, item, size))
               ? HX_OK
               : channel_try_receive_else(channel, item, size);
}

/*
 * A channel of `type`: struct NAME, and NAME_create, NAME_try_send and so on for each function
 * above. The type is copied like bytes and needs no alignment above 8.
 */
#define CHANNEL_TYPE(name, type)                                                                   \
    struct name {                                                                                  \
        struct channel untyped;                                                                    \
    };                                                                                             \
    _Static_assert(_Alignof(type) <= 8, "slots are aligned to 8 bytes");                           \
    _Static_assert(sizeof(type) <= CHANNEL_ITEM_MAX, "an item fits a slot");                       \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_create(                                      \
        uint32_t capacity, void (*destroy)(void *item), owner_tag owner, struct name **channel)    \
    {                                                                                              \
        const struct channel_options options = {                                                   \
            .capacity = capacity, .item_size = sizeof(type), .destroy = destroy, .owner = owner};  \
        struct channel *untyped = NULL;                                                            \
        hx_err error = channel_create(&options, &untyped);                                         \
                                                                                                   \
        *channel = (struct name *)(void *)untyped;                                                 \
        return error;                                                                              \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_try_send(struct name *channel,               \
                                                               const type *item)                   \
    {                                                                                              \
        return channel_try_send_sized(&channel->untyped, item, sizeof(type));                      \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_send(struct name *channel, const type *item, \
                                                           uint64_t deadline_ns)                   \
    {                                                                                              \
        return channel_send(&channel->untyped, item, deadline_ns);                                 \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_try_receive(struct name *channel,            \
                                                                  type *item)                      \
    {                                                                                              \
        return channel_try_receive_sized(&channel->untyped, item, sizeof(type));                   \
    }                                                                                              \
    HX_MUST_USE HX_UNUSED static inline hx_err name##_receive(struct name *channel, type *item,    \
                                                              uint64_t deadline_ns)                \
    {                                                                                              \
        return channel_receive(&channel->untyped, item, deadline_ns);                              \
    }                                                                                              \
    HX_UNUSED static inline uint32_t name##_drain(struct name *channel, type *items,               \
                                                  uint32_t count)                                  \
    {                                                                                              \
        return channel_drain(&channel->untyped, items, count);                                     \
    }                                                                                              \
    HX_UNUSED static inline void name##_sender_get(struct name *channel)                           \
    {                                                                                              \
        channel_sender_get(&channel->untyped);                                                     \
    }                                                                                              \
    HX_UNUSED static inline void name##_sender_put(struct name *channel)                           \
    {                                                                                              \
        channel_sender_put(&channel->untyped);                                                     \
    }                                                                                              \
    HX_UNUSED static inline void name##_receiver_close(struct name *channel)                       \
    {                                                                                              \
        channel_receiver_close(&channel->untyped);                                                 \
    }

#endif
