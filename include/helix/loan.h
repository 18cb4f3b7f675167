/*
 * Loans: bytes of the kernel that an operation may read or write while it runs.
 *
 * Rules:
 * - An operation whose contract says so gets the handle of a loan, and how many bytes it is of. It
 *   is good in this call of the operation only, not in calls the module makes or gets meanwhile,
 *   and from no other thread.
 * - What is lent belongs to the caller and may change at any time: copy it once, then look at it.
 */
#ifndef HELIX_LOAN_H
#define HELIX_LOAN_H

#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Copy size bytes from the loan at offset to the module's memory.
 * Errors: HX_EINVAL no such loan in this call, HX_ERANGE not all of it is within the loan, and
 * nothing was copied; HX_EFAULT.
 */
hx_err hx_loan_read(uint64_t loan, uint64_t offset, void *to, size_t size);

/* Copy into it.  Errors: as above; HX_EPERM it is lent to be read. */
hx_err hx_loan_write(uint64_t loan, uint64_t offset, const void *from, size_t size);

#endif
