/* DPDK's rte_ring, many producers and one consumer, on memory of its own (libdpdk-dev). */
#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <stdlib.h>
#include <tests/bench-host/peer.h>

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    ssize_t size = rte_ring_get_memsize_elem(ITEM_SIZE, capacity * 2);
    struct rte_ring *ring = size > 0 ? aligned_alloc(128, ((size_t)size + 127) & ~127UL) : NULL;

    (void)senders;
    (void)most;
    /* It holds one less than its size, unless told to hold exactly so many. */
    if (ring == NULL ||
        rte_ring_init(ring, "bench", capacity, RING_F_SC_DEQ | RING_F_EXACT_SZ) != 0) {
        return NULL;
    }
    return (struct queue *)ring;
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
    return rte_ring_mp_enqueue_elem((struct rte_ring *)queue, (void *)item, ITEM_SIZE) == 0;
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    return rte_ring_sc_dequeue_elem((struct rte_ring *)queue, item, ITEM_SIZE) == 0;
}

#include <tests/bench-host/peers/loops.h>
