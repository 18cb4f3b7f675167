/*
 * Transfer: the caller's buffers of one read or write, in user or kernel memory.
 *
 * Rules:
 * - Consumed from the front; a fault in the middle leaves what was moved before it counted.
 * - User memory may fault and block: no spinlock and no read section around these calls.
 */
#ifndef SUBSYS_VFS_TRANSFER_H
#define SUBSYS_VFS_TRANSFER_H

#include <hal/user.h>
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
    uintptr_t base; /* of what is left of the present part */
    size_t size;    /* bytes of that */
    size_t left;    /* bytes in all parts */
    bool is_user;
    const struct transfer_part *next; /* the part after it; NULL when there is but one */
};

/* One buffer. */
static inline void transfer_init_user(struct transfer *transfer, uintptr_t base, size_t size)
{
    *transfer = (struct transfer){.base = base, .size = size, .left = size, .is_user = true};
}

static inline void transfer_init_kernel(struct transfer *transfer, void *base, size_t size)
{
    *transfer = (struct transfer){.base = (uintptr_t)base, .size = size, .left = size};
}

/* Several, of which total bytes are moved at most: no more than there are in them all, which the
 * caller has checked to be less than SIZE_MAX. parts outlive the transfer. */
void transfer_init_parts(struct transfer *transfer, const struct transfer_part *parts,
                         size_t total);

/*
 * Move at most size bytes from (out) or to (in) kernel memory; *done says how many.
 * Context: thread, may block.  Errors: HX_EFAULT and *done bytes were moved.
 */
HX_MUST_USE static inline hx_err transfer_out(struct transfer *transfer, const void *from,
                                              size_t size, size_t *done);
HX_MUST_USE static inline hx_err transfer_in(struct transfer *transfer, void *to, size_t size,
                                             size_t *done);

/* The same with zeros to the caller. */
HX_MUST_USE static inline hx_err transfer_zeros(struct transfer *transfer, size_t size,
                                                size_t *done);

/* --- how ----------------------------------------------------------------------------------------
 */

/* The rest of them: several pieces, or kernel memory. */
HX_MUST_USE hx_err transfer_out_pieces(struct transfer *transfer, const void *from, size_t size,
                                       size_t *done);
HX_MUST_USE hx_err transfer_in_pieces(struct transfer *transfer, void *to, size_t size,
                                      size_t *done);
HX_MUST_USE hx_err transfer_zeros_pieces(struct transfer *transfer, size_t size, size_t *done);

/* Whether it is one piece of user memory. */
static inline bool transfer_is_simple(const struct transfer *transfer, size_t size)
{
    return HX_LIKELY(transfer->is_user && size <= transfer->size);
}

static inline void transfer_advance(struct transfer *transfer, size_t moved)
{
    transfer->base += moved;
    transfer->size -= moved;
    transfer->left -= moved;
}

/* One piece: transfer_is_simple. */
static inline hx_err transfer_end(struct transfer *transfer, size_t size, size_t moved,
                                  size_t *done)
{
    transfer_advance(transfer, moved);
    *done = moved;
    return HX_LIKELY(moved == size) ? HX_OK : HX_EFAULT;
}

static inline hx_err transfer_out_simple(struct transfer *transfer, const void *from, size_t size,
                                         size_t *done)
{
    return transfer_end(transfer, size, hal_user_copy_out_partly(transfer->base, from, size), done);
}

static inline hx_err transfer_in_simple(struct transfer *transfer, void *to, size_t size,
                                        size_t *done)
{
    return transfer_end(transfer, size, hal_user_copy_in_partly(to, transfer->base, size), done);
}

static inline hx_err transfer_out(struct transfer *transfer, const void *from, size_t size,
                                  size_t *done)
{
    return transfer_is_simple(transfer, size) ? transfer_out_simple(transfer, from, size, done)
                                              : transfer_out_pieces(transfer, from, size, done);
}

static inline hx_err transfer_in(struct transfer *transfer, void *to, size_t size, size_t *done)
{
    return transfer_is_simple(transfer, size) ? transfer_in_simple(transfer, to, size, done)
                                              : transfer_in_pieces(transfer, to, size, done);
}

static inline hx_err transfer_zeros(struct transfer *transfer, size_t size, size_t *done)
{
    return transfer_is_simple(transfer, size)
               ? transfer_end(transfer, size, hal_user_clear_partly(transfer->base, size), done)
               : transfer_zeros_pieces(transfer, size, done);
}

#endif
