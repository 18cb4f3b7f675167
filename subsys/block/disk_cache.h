/*
 * The disk's bytes, cached by pages, for the file system on it; and transactions, by which what
 * one call of a module writes takes effect as a whole or not at all.
 *
 * Rules:
 * - One user at a time has it open. What is written stays here until disk_cache_flush, or until
 *   half of the cache is like that.
 * - A transaction is its thread's; only in one is anything written. Until it ends, its pages are
 *   not written to the disk.
 * - Not coherent with /dev/vda (block_file.h), which reaches past it.
 * - Context: thread, may block. Locks: a mutex of its own, also while the disk works.
 */
#ifndef SUBSYS_BLOCK_DISK_CACHE_H
#define SUBSYS_BLOCK_DISK_CACHE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

struct block_device;

/* Make the callouts for file systems (helix/disk.h) lead here.  Context: boot, once. */
void disk_cache_init(void);

/* Errors: HX_EBUSY somebody has it open. */
HX_MUST_USE hx_err disk_cache_open(struct block_device *device);
/* Write what is not on the disk, and forget all.  Errors: HX_EIO some of it is lost. */
HX_MUST_USE hx_err disk_cache_close(void);

/* Errors: those of struct disk_ops (core/device/disk.h). */
HX_MUST_USE hx_err disk_cache_read(uint64_t offset, void *to, size_t size);
HX_MUST_USE hx_err disk_cache_write(uint64_t offset, const void *from, size_t size);

/* Begin the calling thread's transaction; there is no other. */
void disk_cache_begin(void);
/* The last error that it has met here, HX_OK: none. */
hx_err disk_cache_trouble(void);
/* A digest of what has been written since: two transactions that wrote the same on the same disk
 * have the same. */
uint64_t disk_cache_digest(void);
/* What was written since takes effect, or has never been. */
void disk_cache_commit(void);
void disk_cache_abort(void);

/* What has taken effect is on the disk's medium.  Errors: HX_EIO; it is tried again the next time.
 */
HX_MUST_USE hx_err disk_cache_flush(void);

struct disk_cache_statistics {
    uint64_t pages;  /* here now */
    uint64_t dirty;  /* of them, not on the disk yet */
    uint64_t hits;   /* pages that were here when they were wanted */
    uint64_t misses; /* and that were not */
    uint64_t aborts; /* transactions that never were */
};
/* Context: any. */
struct disk_cache_statistics disk_cache_statistics(void);

#endif
