/*
 * The measured loops, for a peer that has defined before
 *     static inline bool queue_try_send(struct queue *, const struct item *);
 *     static inline bool queue_try_receive(struct queue *, struct item *);
 * and, with PEER_BLOCKS, which wait:
 *     static inline void queue_send(struct queue *, const struct item *);
 *     static inline void queue_receive(struct queue *, struct item *);
 * A peer with PEER_OWN_PAIRS or PEER_OWN_SEND has that loop of its own.
 */
#include <tests/bench-host/peer.h>
#include <tests/bench-host/threads.h>

/* What is sent is in memory, or a number in a register; what was received is used. */
static inline void make_item(struct item *item, uint64_t number)
{
    item->words[0] = number;
#if ITEM_SIZE > 8
    __asm__ volatile("" : "+m"(*item));
#endif
}

static inline void use_item(const struct item *item)
{
#if ITEM_SIZE > 8
    __asm__ volatile("" : : "m"(*item));
#else
    __asm__ volatile("" : : "r"(item->words[0]));
#endif
}

#ifndef PEER_OWN_PAIRS
uint64_t peer_pairs(struct queue *queue, uint64_t rounds)
{
    struct item in = {{0}};
    struct item out = {{0}};
    uint64_t failed = 0;

    for (uint64_t i = 0; i < rounds; i++) {
        make_item(&in, i);
        if (!queue_try_send(queue, &in) || !queue_try_receive(queue, &out)) {
            failed++;
        }
        use_item(&out);
    }
    return failed;
}
#endif

#ifndef PEER_OWN_SEND
void peer_send(struct queue *queue, uint32_t sender, uint64_t count)
{
    struct item item = {{0}};

    (void)sender;
    for (uint64_t i = 1; i <= count; i++) {
        make_item(&item, i);
        while (!queue_try_send(queue, &item)) {
            threads_relax();
        }
    }
}
#endif

uint64_t peer_receive(struct queue *queue, uint64_t count)
{
    struct item item = {{0}};
    uint64_t sum = 0;

    for (uint64_t i = 0; i < count; i++) {
        while (!queue_try_receive(queue, &item)) {
            threads_relax();
        }
        use_item(&item);
        sum += item.words[0];
    }
    return sum;
}

#ifdef PEER_BLOCKS
bool peer_send_blocking(struct queue *queue, uint64_t count)
{
    struct item item = {{0}};

    for (uint64_t i = 1; i <= count; i++) {
        make_item(&item, i);
        queue_send(queue, &item);
    }
    return true;
}

bool peer_receive_blocking(struct queue *queue, uint64_t count, uint64_t *sum)
{
    struct item item = {{0}};

    *sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        queue_receive(queue, &item);
        use_item(&item);
        *sum += item.words[0];
    }
    return true;
}
#else
bool peer_send_blocking(struct queue *queue, uint64_t count)
{
    (void)queue;
    (void)count;
    return false;
}

bool peer_receive_blocking(struct queue *queue, uint64_t count, uint64_t *sum)
{
    (void)queue;
    (void)count;
    *sum = 0;
    return false;
}
#endif
