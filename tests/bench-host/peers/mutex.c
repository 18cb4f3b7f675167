/* A ring under a mutex, with two condition variables. */
#include <pthread.h>
#include <stdlib.h>
#include <tests/bench-host/peer.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t not_full;
    pthread_cond_t not_empty;
    uint64_t tail; /* under lock, as all below */
    uint64_t head;
    uint64_t capacity;
    struct item *items;
};

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    struct queue *queue = calloc(1, sizeof *queue);

    (void)senders;
    (void)most;
    if (queue == NULL) {
        return NULL;
    }
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->not_full, NULL);
    pthread_cond_init(&queue->not_empty, NULL);
    queue->capacity = capacity;
    queue->items = calloc(capacity, sizeof *queue->items);
    return queue->items != NULL ? queue : NULL;
}

static inline void put_locked(struct queue *queue, const struct item *item)
{
    queue->items[queue->tail++ & (queue->capacity - 1)] = *item;
    pthread_cond_signal(&queue->not_empty);
}

static inline void take_locked(struct queue *queue, struct item *item)
{
    *item = queue->items[queue->head++ & (queue->capacity - 1)];
    pthread_cond_signal(&queue->not_full);
}

static inline bool queue_try_send(struct queue *queue, const struct item *item)
{
    bool has_room;

    pthread_mutex_lock(&queue->lock);
    has_room = queue->tail - queue->head < queue->capacity;
    if (has_room) {
        put_locked(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
    return has_room;
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    bool has_item;

    pthread_mutex_lock(&queue->lock);
    has_item = queue->tail != queue->head;
    if (has_item) {
        take_locked(queue, item);
    }
    pthread_mutex_unlock(&queue->lock);
    return has_item;
}

static inline void queue_send(struct queue *queue, const struct item *item)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->tail - queue->head == queue->capacity) {
        pthread_cond_wait(&queue->not_full, &queue->lock);
    }
    put_locked(queue, item);
    pthread_mutex_unlock(&queue->lock);
}

static inline void queue_receive(struct queue *queue, struct item *item)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->tail == queue->head) {
        pthread_cond_wait(&queue->not_empty, &queue->lock);
    }
    take_locked(queue, item);
    pthread_mutex_unlock(&queue->lock);
}

#define PEER_BLOCKS
#include <tests/bench-host/peers/loops.h>
