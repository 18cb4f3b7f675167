/* Concurrency Kit's ck_ring, many producers and one consumer (libck-dev). */
#include <ck_ring.h>
#include <stdlib.h>
#include <tests/bench-host/peer.h>

#if ITEM_SIZE > 8
CK_RING_PROTOTYPE(items, item)
#else
/* Eight bytes are what the ring carries by itself, as a pointer. */
typedef struct ck_ring_buffer ring_slot;
#endif

struct queue {
    struct ck_ring ring;
#if ITEM_SIZE > 8
    struct item *slots;
#else
    ring_slot *slots;
#endif
};

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    struct queue *queue = aligned_alloc(64, (sizeof *queue + 63) & ~63UL);

    (void)senders;
    (void)most;
    if (queue == NULL) {
        return NULL;
    }
    ck_ring_init(&queue->ring, capacity);
    queue->slots = calloc(capacity, sizeof *queue->slots);
    return queue->slots != NULL ? queue : NULL;
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
#if ITEM_SIZE > 8
    return ck_ring_enqueue_mpsc_items(&queue->ring, queue->slots, (struct item *)item);
#else
    return ck_ring_enqueue_mpsc(&queue->ring, queue->slots, (const void *)item->words[0]);
#endif
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
#if ITEM_SIZE > 8
    return ck_ring_dequeue_mpsc_items(&queue->ring, queue->slots, item);
#else
    return ck_ring_dequeue_mpsc(&queue->ring, queue->slots, &item->words[0]);
#endif
}

#include <tests/bench-host/peers/loops.h>
