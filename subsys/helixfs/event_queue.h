/*
 * What one reader of /helix/events has not read yet.
 *
 * Rules:
 * - Publishers put records in, in thread and interrupt context, and never wait; readers take them
 *   out in that order.
 * - A record that finds no room is dropped, and counted in the next one that does.
 * - `readable` is woken when the first record comes into an empty queue.
 */
#ifndef SUBSYS_HELIXFS_EVENT_QUEUE_H
#define SUBSYS_HELIXFS_EVENT_QUEUE_H

#include <core/ipc/event_bus.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/spinlock.h>
#include <kern/wait_queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/helixfs/event_line.h>

#define EVENT_QUEUE_SIZE 256U /* events that a reader may lag behind; a power of two */

/* Keys: L = lock, O = the owner's, who changes it from one thread at a time */
struct event_queue {
    event_subscription subscription; /* O */
    struct spinlock lock;
    struct event_record ring[EVENT_QUEUE_SIZE]; /* L  number n stands at n mod size */
    uint64_t written;                           /* L */
    uint64_t read;                              /* L */
    uint64_t dropped;                           /* L  since the last one that found room */
    struct wait_queue readable;
};

/* Make a zeroed queue and subscribe it.  Context: thread.  Errors: those of event_subscribe. */
HX_MUST_USE hx_err event_queue_init(struct event_queue *queue, event_topics topics);
void event_queue_fini(struct event_queue *queue);

/* Hear these topics instead, from now on. Nothing has changed on error. */
HX_MUST_USE hx_err event_queue_choose(struct event_queue *queue, event_topics topics);

/* Take the oldest record; false: there is none.  Context: any but nmi. */
bool event_queue_take(struct event_queue *queue, struct event_record *record);
bool event_queue_is_empty(struct event_queue *queue);

#endif
