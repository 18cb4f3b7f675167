/*
 * liburcu's wait-free concurrent queue (liburcu-dev): unbounded, and the caller brings the nodes.
 * Here each sender has one for everything it will send, made before the clock starts.
 */
#define _LGPL_SOURCE
#include <stdlib.h>
#include <tests/bench-host/peer.h>
#include <urcu/wfcqueue.h>

struct node {
    struct cds_wfcq_node link;
    struct item item;
};

struct queue {
    _Alignas(64) struct __cds_wfcq_head head;
    _Alignas(64) struct cds_wfcq_tail tail;
    struct node *nodes; /* `most` for each sender */
    uint64_t most;
};

struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most)
{
    struct queue *queue = aligned_alloc(64, sizeof *queue);

    (void)capacity;
    if (queue == NULL) {
        return NULL;
    }
    *queue = (struct queue){.nodes = calloc(senders * most, sizeof(struct node)), .most = most};
    __cds_wfcq_init(&queue->head, &queue->tail);
    for (uint64_t i = 0; queue->nodes != NULL && i < senders * most; i++) {
        cds_wfcq_node_init(&queue->nodes[i].link);
    }
    return queue->nodes != NULL ? queue : NULL;
}

static inline void enqueue(struct queue *queue, struct node *node, const struct item *item)
{
    node->item = *item;
    cds_wfcq_node_init(&node->link);
    cds_wfcq_enqueue(&queue->head, &queue->tail, &node->link);
}

static inline bool queue_try_receive(struct queue *queue, struct item *item)
{
    struct cds_wfcq_node *link = __cds_wfcq_dequeue_nonblocking(&queue->head, &queue->tail);

    if (link == NULL || link == CDS_WFCQ_WOULDBLOCK) {
        return false;
    }
    *item = caa_container_of(link, struct node, link)->item;
    return true;
}

#define PEER_OWN_PAIRS
#define PEER_OWN_SEND
#include <tests/bench-host/peers/loops.h>

/* The one node goes round. */
uint64_t peer_pairs(struct queue *queue, uint64_t rounds)
{
    struct item in = {{0}};
    struct item out = {{0}};
    uint64_t failed = 0;

    for (uint64_t i = 0; i < rounds; i++) {
        make_item(&in, i);
        enqueue(queue, queue->nodes, &in);
        if (!queue_try_receive(queue, &out)) {
            failed++;
        }
        use_item(&out);
    }
    return failed;
}

void peer_send(struct queue *queue, uint32_t sender, uint64_t count)
{
    struct node *nodes = queue->nodes + sender * queue->most;
    struct item item = {{0}};

    for (uint64_t i = 1; i <= count; i++) {
        make_item(&item, i);
        enqueue(queue, &nodes[i - 1], &item);
    }
}
