/*
 * DMA buffers: memory that a driver names to a device without ever having its address.
 *
 * Rules:
 * - A buffer is registered once, by the subsystem that owns it, and stays registered.
 * - It is lent under a handle, which is good until the buffer is completed or revoked; the next
 *   loan has another. Whoever holds a handle can have the buffer put into one queue at a time, and
 *   complete it.
 * - While it is in a queue, the device may be in the middle of it: it is neither completed nor
 *   revoked. Who wants it back then resets the device first (core/device/device.h).
 * - Whether the device may write into it is its owner's to say, not the driver's.
 */
#ifndef CORE_DEVICE_DMA_BUFFER_H
#define CORE_DEVICE_DMA_BUFFER_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DMA_BUFFERS_MAX  256U
#define DMA_SEGMENTS_MAX 16U

struct dma_segment {
    uint64_t physical;
    uint32_t size; /* bytes, at least 1 */
};

/* Keys: A = atomic, I = immutable while registered, L = immutable while lent, the owner's else */
struct dma_buffer {
    _Atomic uint64_t word;                         /* A  handle and state */
    uint32_t index;                                /* I  in the table */
    uint32_t count;                                /* L  segments in use; 0: nothing but a token */
    bool device_writes;                            /* L  the device fills it; else it reads it */
    struct dma_segment segments[DMA_SEGMENTS_MAX]; /* L */
    /* I  The holder of the handle says how it went; the buffer is its owner's again.
     * Context: thread. */
    void (*completed)(struct dma_buffer *buffer, hx_err error);
    /* I  Whether the bytes that the device gets before the buffer ask for what it was lent for;
     * NULL: nobody knows. Context: any, takes no lock. */
    bool (*agrees)(struct dma_buffer *buffer, const uint8_t *head, size_t size);
};

/* Context: boot or thread.  Errors: HX_ENOSPC. */
HX_MUST_USE hx_err dma_buffer_register(struct dma_buffer *buffer);

/* Lend a buffer that is not lent; gives the handle, never 0.  Context: any. */
uint64_t dma_buffer_lend(struct dma_buffer *buffer);

/*
 * Take a buffer back from who has that handle.  Context: any.
 * Errors: HX_ESTALE it is not lent under it any more, HX_EBUSY it is in a queue.
 */
HX_MUST_USE hx_err dma_buffer_revoke(struct dma_buffer *buffer, uint64_t handle);

/* The handle it is lent under, 0: it is not.  Context: any. */
uint64_t dma_buffer_handle(const struct dma_buffer *buffer);

/* --- for who was given a handle -----------------------------------------------------------------
 */

/*
 * The owner is told, and the handle is void.  Context: thread.
 * Errors: HX_EINVAL no such loan, HX_EBUSY it is in a queue, HX_ESTATE it went well, but no queue
 * has had it; nothing has changed.
 */
HX_MUST_USE hx_err dma_buffer_complete(uint64_t handle, hx_err error);

/* --- for queues ---------------------------------------------------------------------------------
 */

/* Put what a handle names into a queue.  Context: any.  Errors: as dma_buffer_complete. */
HX_MUST_USE hx_err dma_buffer_enqueue(uint64_t handle, struct dma_buffer **buffer);

/* The queue has done with it, or has not begun; it is lent still.  Context: any. */
void dma_buffer_dequeue(struct dma_buffer *buffer, bool is_done);

#endif
