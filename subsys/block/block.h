/*
 * Block devices: requests, and how they outlive the driver that carries them out.
 *
 * Rules:
 * - A device is driven by the module in its slot, through the gate. Its requests are core's: each
 *   is lent to the driver under a handle, and is done when the driver says so.
 * - A driver that has died, was replaced without its state, or has lost its device is started anew
 *   on a device that was reset; what it had not completed is given to it again. Reading and writing
 *   whole sectors may be repeated, so nothing is lost by that.
 * - A device without a driver keeps its requests for BLOCK_PATIENCE_NS; then they fail.
 * - A driver that leaves a request unanswered for BLOCK_ANSWER_NS is started anew. One that is
 *   started BLOCK_STARTS_MAX times and gets nothing done is ended, and so is one that answers what
 *   cannot be, or says twice that a request fails: another one tries it then, and is believed.
 * - Requests that are under way at the same time are done in any order: who needs an order waits.
 * - While a device is suspended its requests wait, whatever becomes of its driver. That time counts
 *   neither as time without a driver nor as time of an answer.
 */
#ifndef SUBSYS_BLOCK_BLOCK_H
#define SUBSYS_BLOCK_BLOCK_H

#include <core/device/dma_buffer.h>
#include <hal/clock.h>
#include <helix/attributes.h>
#include <helix/block.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BLOCK_REQUESTS     32U /* of a device, under way at once */
#define BLOCK_TRIES_MAX    8U  /* a request that was begun so often in vain fails */
#define BLOCK_PATIENCE_NS  (30ULL * HAL_NS_PER_S)
#define BLOCK_ANSWER_NS    (3ULL * HAL_NS_PER_S)
#define BLOCK_SUSPEND_NS   (5ULL * HAL_NS_PER_S)
#define BLOCK_BELIEF_NS    (60ULL * HAL_NS_PER_S) /* from an error on that was believed, all are */
#define BLOCK_STARTS_MAX   2U
#define BLOCK_REFUSALS_MAX 2U /* answers of a request with an error that are not believed */

struct slot;
struct block_device;

/*
 * Make the device of a slot, and start its driver.
 * Context: thread, may block.  Errors: HX_ENOENT the slot has no driver, or that no device;
 * HX_ENOMEM, HX_ENOSPC; what the driver answered. Nothing is held then.
 */
HX_MUST_USE hx_err block_device_create(struct slot *slot, struct block_device **device);

/* Size in sectors of HX_BLOCK_SECTOR bytes, and enum hx_block_flag.  Context: any. */
uint64_t block_sectors(const struct block_device *device);
uint32_t block_flags(const struct block_device *device);

/*
 * Read or write whole sectors from `sector` on: the segments' bytes one after the other, each a
 * multiple of a sector. Returns when the device has done it; no signal ends that wait.
 * Context: thread, may block.
 * Errors: HX_EINVAL no segments, too many, or a part of a sector; HX_ENOSPC behind the end;
 * HX_EROFS; HX_EIO, or what the driver answered.
 */
HX_MUST_USE hx_err block_transfer(struct block_device *device, enum hx_block_kind kind,
                                  uint64_t sector, const struct dma_segment *segments,
                                  uint32_t count);

/* What was written before is on the medium.  Context: thread, may block.  Errors: HX_EIO. */
HX_MUST_USE hx_err block_flush(struct block_device *device);

/*
 * From now on no request is given to the driver, those that come wait. Those that it has are
 * awaited, what the device caches is flushed where a driver serves it, then the device is reset and
 * taken back: it neither interrupts nor writes memory. A flush that fails is logged, and keeps
 * nobody. Callers of this and of block_resume serialise; what is suspended already stays so.
 * Context: thread, may block.
 * Errors: HX_ETIMEDOUT it took longer than BLOCK_SUSPEND_NS, HX_EIO its fail point; everything is
 * as before then.
 */
HX_MUST_USE hx_err block_suspend(struct block_device *device);

/* The driver in the slot is started anew, and what waits goes on; with none in it, as soon as one
 * comes. Returns before that. No harm when it was not suspended.  Context: thread. */
void block_resume(struct block_device *device);

struct block_statistics {
    uint64_t reads;
    uint64_t writes;
    uint64_t flushes;
    uint64_t sectors;
    uint64_t errors;   /* requests that failed */
    uint64_t repeated; /* requests that were begun again, as their driver had gone */
    uint64_t starts;   /* of the driver */
};
/* Context: any but nmi. */
void block_statistics(struct block_device *device, struct block_statistics *statistics);

#endif
