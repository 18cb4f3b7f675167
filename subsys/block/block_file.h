/*
 * A block device as a file, /dev/vda.
 *
 * Rules:
 * - Nothing is cached: a read asks the device, a write has reached it when it returns, and is on
 *   its medium after fsync. What begins or ends within a sector is read, changed and written, by
 *   one writer at a time.
 * - It is a raw device (subsys/vfs/device.h): who opens it has a capability for device:vda.
 */
#ifndef SUBSYS_BLOCK_BLOCK_FILE_H
#define SUBSYS_BLOCK_BLOCK_FILE_H

#include <helix/attributes.h>
#include <helix/error.h>

struct block_device;

/* Make its file known.  Context: boot, once.  Errors: those of device_register. */
HX_MUST_USE hx_err block_file_register(struct block_device *device);

#endif
