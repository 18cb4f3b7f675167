/* A pipe of the host: a write and a read of so many bytes are whole (POSIX, PIPE_BUF). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <tests/bench-host/peer.h>
#include <unistd.h>

struct queue {
    int ends[2];
    _Atomic bool waits[2]; /* the end's calls wait */
};

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    struct queue *queue = calloc(1, sizeof *queue);

    (void)senders;
    (void)most;
    if (queue == NULL || pipe2(queue->ends, O_NONBLOCK) != 0) {
        return NULL;
    }
    /* Rounded up by the host to whole pages. */
    (void)fcntl(queue->ends[1], F_SETPIPE_SZ, (int)(capacity * ITEM_SIZE));
    return queue;
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
    return write(queue->ends[1], item, sizeof *item) == (ssize_t)sizeof *item;
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    return read(queue->ends[0], item, sizeof *item) == (ssize_t)sizeof *item;
}

/* Set for good by whoever waits first. */
static inline void let_wait(struct queue *queue, int which)
{
    if (!atomic_load_explicit(&queue->waits[which], memory_order_relaxed)) {
        (void)fcntl(queue->ends[which], F_SETFL, 0);
        atomic_store_explicit(&queue->waits[which], true, memory_order_relaxed);
    }
}

static inline void queue_send(struct queue *queue, const struct item *item)
{
    let_wait(queue, 1);
    if (!queue_try_send(queue, item)) {
        abort();
    }
}

static inline void queue_receive(struct queue *queue, struct item *item)
{
    let_wait(queue, 0);
    if (!queue_try_receive(queue, item)) {
        abort();
    }
}

#define PEER_BLOCKS
#include <tests/bench-host/peers/loops.h>
