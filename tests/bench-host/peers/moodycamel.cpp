/* moodycamel's ConcurrentQueue (libconcurrentqueue-dev), with memory for so many of each sender and
 * no more. */
#include <concurrentqueue/concurrentqueue.h>
#include <new>
#include <tests/bench-host/peer.h>
#include <vector>

/* With its tokens, the faster of the two ways to use it. */
struct queue {
    queue(uint32_t capacity, uint32_t senders) : items(capacity, senders, 0), to_receive(items)
    {
        for (uint32_t i = 0; i < senders; i++) {
            to_send.emplace_back(items);
            reserve(to_send[i], capacity);
        }
    }

    /* A sender keeps the blocks that it has once filled: each gets its own before the clock starts.
     */
    void reserve(moodycamel::ProducerToken &token, uint32_t capacity)
    {
        struct item item = {{0}};

        for (uint32_t i = 0; i < capacity; i++) {
            items.enqueue(token, item);
        }
        for (uint32_t i = 0; i < capacity; i++) {
            items.try_dequeue(to_receive, item);
        }
    }

    moodycamel::ConcurrentQueue<item> items;
    moodycamel::ConsumerToken to_receive;
    std::vector<moodycamel::ProducerToken> to_send;
};

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    (void)most;
    return new (std::nothrow) queue(capacity, senders);
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
    return queue->items.try_enqueue(queue->to_send[0], *item);
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    return queue->items.try_dequeue(queue->to_receive, *item);
}

#define PEER_OWN_SEND
#include <tests/bench-host/peers/loops.h>

void peer_send(struct queue *queue, uint32_t sender, uint64_t count)
{
    moodycamel::ProducerToken &token = queue->to_send[sender];
    struct item item = {{0}};

    for (uint64_t i = 1; i <= count; i++) {
        make_item(&item, i);
        while (!queue->items.try_enqueue(token, item)) {
            threads_relax();
        }
    }
}
