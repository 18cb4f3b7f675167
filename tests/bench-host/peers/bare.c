/*
 * The slot-sequence ring alone (Vyukov's bounded queue, one receiver): no closing, no waking. What
 * the channel's other properties cost is the difference to this.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <tests/bench-host/peer.h>

struct slot {
    _Atomic uint64_t sequence;
    struct item item;
};

struct queue {
    uint64_t mask;
    struct slot *slots;
    _Alignas(64) _Atomic uint64_t tail;
    _Alignas(64) uint64_t head;
};

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    struct queue *queue = aligned_alloc(64, sizeof *queue);

    (void)senders;
    (void)most;
    if (queue == NULL) {
        return NULL;
    }
    *queue = (struct queue){.mask = capacity - 1, .slots = calloc(capacity, sizeof(struct slot))};
    for (uint32_t i = 0; queue->slots != NULL && i < capacity; i++) {
        atomic_init(&queue->slots[i].sequence, i);
    }
    return queue->slots != NULL ? queue : NULL;
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
    uint64_t tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);

    for (;;) {
        struct slot *slot = &queue->slots[tail & queue->mask];
        uint64_t sequence = atomic_load_explicit(&slot->sequence, memory_order_acquire);

        if (sequence == tail) {
            if (atomic_compare_exchange_weak_explicit(&queue->tail, &tail, tail + 1,
                                                      memory_order_relaxed, memory_order_relaxed)) {
                slot->item = *item;
                atomic_store_explicit(&slot->sequence, tail + 1, memory_order_release);
                return true;
            }
        } else if ((int64_t)(sequence - tail) < 0) {
            return false;
        } else {
            tail = atomic_load_explicit(&queue->tail, memory_order_relaxed);
        }
    }
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    uint64_t head = queue->head;
    struct slot *slot = &queue->slots[head & queue->mask];

    if (atomic_load_explicit(&slot->sequence, memory_order_acquire) != head + 1) {
        return false;
    }
    *item = slot->item;
    atomic_store_explicit(&slot->sequence, head + queue->mask + 1, memory_order_release);
    queue->head = head + 1;
    return true;
}

#include <tests/bench-host/peers/loops.h>
