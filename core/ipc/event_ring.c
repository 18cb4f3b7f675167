#include <core/ipc/event_ring.h>

_Static_assert((EVENT_RING_SIZE & (EVENT_RING_SIZE - 1)) == 0, "numbers wrap into slots");

/* What a slot's turn is while number may be claimed. 64 bits: they never wrap. */
static uint64_t turn_of(uint64_t number)
{
    return number / EVENT_RING_SIZE * 2;
}

/* Claim the next slot; NULL: the ring is full. */
static struct event_ring_slot *claim(struct event_ring *ring, uint64_t *number)
{
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    for (;;) {
        struct event_ring_slot *slot = &ring->slots[tail % EVENT_RING_SIZE];
        /* Acquire pairs with the reader's release in event_ring_pop. */
        uint64_t turn = atomic_load_explicit(&slot->turn, memory_order_acquire);

        if (turn == turn_of(tail)) {
            if (atomic_compare_exchange_weak_explicit(&ring->tail, &tail, tail + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                *number = tail;
                return slot;
            }
            continue;
        }

        uint64_t now = atomic_load_explicit(&ring->tail, memory_order_relaxed);

        if (now == tail) {
            return NULL;
        }
        tail = now;
    }
}

bool event_ring_push(struct event_ring *ring, const struct event_copy *copy)
{
    uint64_t number;
    struct event_ring_slot *slot = claim(ring, &number);

    if (slot == NULL) {
        return false;
    }
    slot->copy = *copy;
    /* Release: pairs with the acquire in event_ring_pop. */
    atomic_store_explicit(&slot->turn, turn_of(number) + 1, memory_order_release);
    return true;
}

bool event_ring_pop(struct event_ring *ring, struct event_copy *copy)
{
    struct event_ring_slot *slot = &ring->slots[ring->head % EVENT_RING_SIZE];

    if (atomic_load_explicit(&slot->turn, memory_order_acquire) != turn_of(ring->head) + 1) {
        return false;
    }
    *copy = slot->copy;
    atomic_store_explicit(&slot->turn, turn_of(ring->head) + 2, memory_order_release);
    ring->head++;
    return true;
}
