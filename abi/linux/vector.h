/*
 * Several buffers from the program (struct iovec), as one transfer.
 */
#ifndef ABI_LINUX_VECTOR_H
#define ABI_LINUX_VECTOR_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdint.h>
#include <subsys/vfs/transfer.h>

#define LINUX_PARTS_MAX 1024U /* IOV_MAX */
#define LINUX_FEW_PARTS 8U

struct linux_vector {
    struct transfer transfer;
    struct transfer_part few[LINUX_FEW_PARTS];
    struct transfer_part *parts;
};

/*
 * Copy the parts in and check them; to be given back by linux_vector_put on success.
 * Context: thread.  Errors: HX_EINVAL too many, or one of a negative size; HX_EFAULT, HX_ENOMEM.
 */
HX_MUST_USE hx_err linux_vector_get(struct linux_vector *vector, uint64_t address, uint64_t count);
void linux_vector_put(struct linux_vector *vector);

#endif
