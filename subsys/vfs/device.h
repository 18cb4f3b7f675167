/*
 * Devices: from a number in a device node to the file operations behind it.
 *
 * Rules:
 * - A raw device is opened by who holds PERMISSION_READ, PERMISSION_WRITE or both on the resource
 *   device:NAME as well, else HX_EPERM; whoever made the node.
 * - A device is constant and valid for ever. devtmpfs shows a node for each that has a name.
 */
#ifndef SUBSYS_VFS_DEVICE_H
#define SUBSYS_VFS_DEVICE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stdint.h>

struct file;
struct file_ops;

static inline uint64_t device_make(uint32_t major, uint32_t minor)
{
    return (uint64_t)major << 32 | minor;
}

struct device {
    const char *name; /* below /dev; NULL: no node */
    uint64_t number;
    uint32_t mode; /* permissions of the node */
    const struct file_ops *ops;
    /* Prepare the open file further. NULL: nothing. It may replace file->ops. file->flags still
     * have FILE_NO_TERMINAL if open(2) was given it. */
    hx_err (*open)(struct file *file);
    bool is_block; /* its node is a block device's */
    bool is_raw;   /* what is behind it is the machine's: the mode of its node is not enough */
};

/* Errors: HX_EEXIST, HX_ENOSPC. */
HX_MUST_USE hx_err device_register(const struct device *device);
/* Names of devices as resources (subsys/access).  Context: boot.  Errors: HX_EEXIST. */
HX_MUST_USE hx_err device_names_init(void);
/* NULL: there is none.  Context: any. */
const struct device *device_find(uint64_t number);
/* For a walk: NULL first, NULL at the end. */
const struct device *device_next(const struct device *device);

#endif
