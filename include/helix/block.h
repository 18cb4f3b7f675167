/*
 * The operations of a driver of a block device.
 *
 * Rules:
 * - The kernel owns each request, its data and its place in the order; the driver passes it on
 * under a handle (helix/device.h), and says with hx_buffer_complete how it went. What has not been
 *   completed when an instance goes is given to the next one.
 * - An operation of an instance that is not started, or whose device was taken away, answers
 *   HX_ESTATE: the kernel then resets the device and calls start.
 * - start comes alone; the others from several threads at once, with it too.
 * - They leave nothing behind in the driver that the kernel could not have it do again, so none is
 *   journalled.
 */
#ifndef HELIX_BLOCK_H
#define HELIX_BLOCK_H

#include <helix/error.h>
#include <helix/operation.h>
#include <stdint.h>

#define HX_BLOCK_SECTOR 512U /* bytes; what sectors count, whatever the device's own unit is */

enum hx_block_kind {
    HX_BLOCK_READ,
    HX_BLOCK_WRITE,
    HX_BLOCK_FLUSH, /* what was completed before is to be on the medium; no data */
};

/* What a device can do: bits of flags. */
enum hx_block_flag {
    HX_BLOCK_READ_ONLY = 1U << 0,
    HX_BLOCK_CACHES = 1U << 1, /* flush means something */
};

/* What a driver counts, of requests that it has begun; over all instances that handed it on. */
enum hx_block_number {
    HX_BLOCK_READS,
    HX_BLOCK_WRITES,
    HX_BLOCK_FLUSHES,
    HX_BLOCK_BYTES_READ,
    HX_BLOCK_BYTES_WRITTEN,
    HX_BLOCK_FAILED, /* requests that the device answered with an error */
    HX_BLOCK_MOST,   /* most requests under way at once */
    HX_BLOCK_NUMBERS,
};

/*
 * start: find the device and set it up.  Errors: HX_ENOENT there is none, HX_ENODEV, HX_EIO, …
 *
 * submit: begin a request: its handle, its kind, its first sector, how many they are (which is the
 * buffer's size, too). What its head asks the device for is compared with that (hx_queue_add).
 * Errors: HX_ESTATE, HX_EAGAIN no more at present, HX_EINVAL no such request (any more), HX_ENOSYS.
 *
 * interrupt: the device has something to say.  Errors: HX_ESTATE.
 *
 * capacity: sectors; 0: not started. flags: of enum hx_block_flag. number: of enum hx_block_number,
 * 0: it does not know of it; a driver may have none of this.
 */
#define HX_BLOCK_OPERATION_LIST(X)                                                                 \
    X(BLOCK_START, start, hx_err, (void), HX_OPERATION_READS)                                      \
    X(BLOCK_SUBMIT, submit, hx_err,                                                                \
      (uint64_t request, uint64_t kind, uint64_t sector, uint64_t sectors), HX_OPERATION_READS)    \
    X(BLOCK_INTERRUPT, interrupt, hx_err, (void), HX_OPERATION_READS)                              \
    X(BLOCK_CAPACITY, capacity, uint64_t, (void), HX_OPERATION_READS)                              \
    X(BLOCK_FLAGS, flags, uint64_t, (void), HX_OPERATION_READS)                                    \
    X(BLOCK_NUMBER, number, uint64_t, (uint64_t index), HX_OPERATION_READS)

enum block_operation { HX_BLOCK_OPERATION_LIST(HX_OPERATION_ENUM) BLOCK_OPERATION_COUNT };

struct hx_block_operations {
    HX_BLOCK_OPERATION_LIST(HX_OPERATION_MEMBER)
};

#endif
