/*
 * The disk as core's callouts reach it: a table of functions that who caches it registers.
 */
#ifndef CORE_DEVICE_DISK_H
#define CORE_DEVICE_DISK_H

#include <helix/error.h>
#include <stddef.h>
#include <stdint.h>

/*
 * All in thread context; they may block.
 * Errors: HX_ENODEV no disk is mounted, HX_ERANGE not all within it, HX_ESTATE the calling thread
 * has no transaction to write in, HX_EIO, HX_ENOMEM.
 */
struct disk_ops {
    uint64_t (*size)(void); /* bytes; 0: there is none */
    hx_err (*read)(uint64_t offset, void *to, size_t size);
    hx_err (*write)(uint64_t offset, const void *from, size_t size);
};

/* ops is constant and valid for ever.  Context: boot, once. */
void disk_register(const struct disk_ops *ops);

#endif
