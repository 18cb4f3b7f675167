/*
 * Virtqueue: a ring through which a driver and a device pass requests.
 * Source: Virtual I/O Device (VIRTIO) 1.1, 2.6, split virtqueues.
 *
 * Rules:
 * - The ring, and every address in it, is written by core alone; a driver names buffers by handles
 *   (core/device/dma_buffer.h) and gets its tokens back.
 * - What the device writes is checked before it is used. A device that says what cannot be makes
 *   the queue Broken: nothing goes in or out any more until it is stopped and started anew.
 * - All functions but start and stop may run on several CPUs at once.
 */
#ifndef CORE_DEVICE_VIRTQUEUE_H
#define CORE_DEVICE_VIRTQUEUE_H

#include <core/device/dma_buffer.h>
#include <helix/attributes.h>
#include <helix/device.h>
#include <helix/error.h>
#include <kern/spinlock.h>
#include <stdbool.h>
#include <stdint.h>

#define VIRTQUEUE_SIZE_MAX 128U /* its three parts and the requests' own bytes fill two pages */

/* Where the parts of the ring are, for the device. */
struct virtqueue_addresses {
    uint64_t descriptors;
    uint64_t driver;
    uint64_t device;
};

enum virtqueue_state { VIRTQUEUE_STOPPED, VIRTQUEUE_RUNNING, VIRTQUEUE_BROKEN };

/* A request under way, known by its first descriptor. */
struct virtqueue_request {
    struct dma_buffer *buffer; /* NULL: none */
    uint64_t token;
    uint32_t writable; /* bytes that the device may write, all in all */
    uint8_t tail_size; /* of those the last ones */
    uint8_t length;    /* descriptors; 0: no request begins here */
};

/* Keys: L = lock, I = immutable while it runs */
struct virtqueue {
    struct spinlock lock;
    enum virtqueue_state state;        /* L */
    uint16_t size;                     /* I  a power of two */
    uint16_t free_first;               /* L  chain through next[] */
    uint16_t free_count;               /* L */
    uint16_t available;                /* L  requests given to the device, modulo 2^16 */
    uint16_t used;                     /* L  and taken from it */
    uint64_t memory;                   /* I  physical address of the ring */
    volatile uint16_t *notification;   /* I  the device's register; NULL: none */
    uint16_t number;                   /* I  what is written to it */
    uint64_t lies;                     /* L  of the device, since boot */
    uint16_t next[VIRTQUEUE_SIZE_MAX]; /* L  the descriptor behind each one */
    struct virtqueue_request requests[VIRTQUEUE_SIZE_MAX]; /* L */
};

/* Once, before the first start.  Context: any. */
void virtqueue_init(struct virtqueue *queue);

/*
 * Make an empty ring of `size` places; *addresses is for the device, which gets to know of requests
 * by `number` in its register `notification`.
 * Context: thread.  Errors: HX_EINVAL no power of two, or more than VIRTQUEUE_SIZE_MAX; HX_EBUSY it
 * runs; HX_ENOMEM.
 */
HX_MUST_USE hx_err virtqueue_start(struct virtqueue *queue, uint16_t size,
                                   volatile uint16_t *notification, uint16_t number,
                                   struct virtqueue_addresses *addresses);

/* The device does not look at the ring any more: buffers in it are their holders' again.  Context:
 * thread. */
void virtqueue_stop(struct virtqueue *queue);

/*
 * Put a request into the ring; the device may see it from now on, and certainly after a kick.
 * Context: thread.
 * Errors: HX_EINVAL nothing to pass, more than fits, or no such loan; HX_EBUSY the buffer is in a
 * queue; HX_EAGAIN the ring is full; HX_ESTALE it does not run; HX_EIO it is broken.
 */
HX_MUST_USE hx_err virtqueue_add(struct virtqueue *queue, const struct hx_queue_request *request);

/* Tell the device, unless it does not want to be told.  Context: thread.  Errors: HX_ESTALE. */
HX_MUST_USE hx_err virtqueue_kick(struct virtqueue *queue);

/*
 * A request that the device has done with.
 * Context: thread.  Errors: HX_EAGAIN there is none, HX_ESTALE, HX_EIO it is broken.
 */
HX_MUST_USE hx_err virtqueue_take(struct virtqueue *queue, struct hx_queue_answer *answer);

#endif
