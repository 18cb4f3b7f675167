/*
 * What every peer of `make bench-host` provides: a bounded queue of items of one size, from many
 * senders to one receiver, and the loops that are measured. Each peer is a program of its own, made
 * of its file in peers/, driver.c, and one of threads_….c; it is built once for each size of items.
 *
 * Rules:
 * - The loops are compiled with the peer, so that what it has inline is inlined: peers/loops.h, or
 *   the peer's own of the same shape.
 * - A loop that finds the queue full or empty calls threads_relax() and tries again.
 * - A sender with nothing else to say sends the numbers 1, 2, 3 … in words[0].
 */
#ifndef TESTS_BENCH_HOST_PEER_H
#define TESTS_BENCH_HOST_PEER_H

#include <stdbool.h>
#include <stdint.h>

#ifndef ITEM_SIZE
#define ITEM_SIZE 8
#endif

struct item {
    uint64_t words[ITEM_SIZE / 8];
};

struct queue;

#ifdef __cplusplus
extern "C" {
#endif

/* An empty queue of so many items for so many senders, each of which sends up to `most`; or NULL.
 */
struct queue *peer_create(uint32_t capacity, uint32_t senders, uint64_t most);

/* try_send and try_receive in turn on the calling thread; how often one of them failed. */
uint64_t peer_pairs(struct queue *queue, uint64_t rounds);

/* Send so many, trying again while the queue is full.  sender: 0.. */
void peer_send(struct queue *queue, uint32_t sender, uint64_t count);

/* Receive so many, trying again while the queue is empty; the sum of their first words. */
uint64_t peer_receive(struct queue *queue, uint64_t count);

/* The same, asleep instead of trying again; false: the peer has no such thing, nothing was done. */
bool peer_send_blocking(struct queue *queue, uint64_t count);
bool peer_receive_blocking(struct queue *queue, uint64_t count, uint64_t *sum);

#ifdef __cplusplus
}
#endif

#endif
