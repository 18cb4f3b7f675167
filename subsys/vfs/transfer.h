/*
 * Transfer: the caller's buffers of one read or write, in user or kernel memory.
 *
 * Rules:
 * - Consumed from the front; a fault in the middle leaves what was moved before it counted.
 * - User memory may fault and block: no spinlock and no read section around these calls.
 */
#ifndef SUBSYS_VFS_TRANSFER_H
#define SUBSYS_VFS_TRANSFER_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transfer_part {
    uintptr_t base;
    size_t size;
};

struct transfer {
    const struct transfer_part *parts; /* those not yet used up */
    size_t count;
    size_t offset; /* in the first of them */
    size_t left;   /* bytes in all of them */
    bool is_user;
    struct transfer_part single; /* room for the one part of a plain read or write */
};

/* One buffer. The transfer is not to be moved in memory afterwards. */
void transfer_init_user(struct transfer *transfer, uintptr_t base, size_t size);
void transfer_init_kernel(struct transfer *transfer, void *base, size_t size);

/* Several; parts outlive the transfer. The sum of sizes was checked by the caller. */
void transfer_init_parts(struct transfer *transfer, const struct transfer_part *parts, size_t count,
                         size_t total);

/*
 * Move at most size bytes from (out) or to (in) kernel memory; *done says how many.
 * Context: thread, may block.  Errors: HX_EFAULT and *done bytes were moved.
 */
HX_MUST_USE hx_err transfer_out(struct transfer *transfer, const void *from, size_t size,
                                size_t *done);
HX_MUST_USE hx_err transfer_in(struct transfer *transfer, void *to, size_t size, size_t *done);

/* The same with zeros to the caller. */
HX_MUST_USE hx_err transfer_zeros(struct transfer *transfer, size_t size, size_t *done);

#endif
