/*
 * The disk, as file systems reach it: bytes by their offset, through a cache of the kernel's.
 *
 * Rules:
 * - For modules of the category file_system alone; others hear HX_EPERM. HX_ENODEV: there is no
 *   disk, or none that is mounted.
 * - What an operation writes it reads again, and takes effect when the operation has succeeded
 *   (helix/file_system.h). Outside of an operation nothing can be written: HX_ESTATE.
 * - Not all of the bytes within the disk: HX_ERANGE, and nothing was moved.
 */
#ifndef HELIX_DISK_H
#define HELIX_DISK_H

#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes; 0: there is no disk. */
uint64_t hx_disk_size(void);

/* Errors: also HX_EIO, HX_ENOMEM, HX_EFAULT, HX_ECONTEXT the call may not wait. */
hx_err hx_disk_read(uint64_t offset, void *to, size_t size);
hx_err hx_disk_write(uint64_t offset, const void *from, size_t size);

/* Between the disk and a loan of this call (helix/loan.h), from its byte loan_offset on.
 * Errors: those of both. */
hx_err hx_disk_read_to_loan(uint64_t offset, uint64_t loan, uint64_t loan_offset, size_t size);
hx_err hx_disk_write_from_loan(uint64_t offset, uint64_t loan, uint64_t loan_offset, size_t size);

#endif
