/* Helix's channel, of build/host/libhelix.a. */
#include <core/ipc/channel.h>
#include <kern/thread.h>
#include <stdlib.h>
#include <tests/bench-host/peer.h>

CHANNEL_TYPE(items, struct item)

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    struct items *channel;

    (void)senders;
    (void)most;
    return items_create(capacity, NULL, OWNER_CORE, &channel) == HX_OK ? (struct queue *)channel
                                                                       : NULL;
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
    return items_try_send((struct items *)queue, item) == HX_OK;
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    return items_try_receive((struct items *)queue, item) == HX_OK;
}

static inline void queue_send(struct queue *queue, const struct item *item)
{
    if (items_send((struct items *)queue, item, THREAD_NO_DEADLINE) != HX_OK) {
        abort();
    }
}

static inline void queue_receive(struct queue *queue, struct item *item)
{
    if (items_receive((struct items *)queue, item, THREAD_NO_DEADLINE) != HX_OK) {
        abort();
    }
}

#define PEER_BLOCKS
#include <tests/bench-host/peers/loops.h>
