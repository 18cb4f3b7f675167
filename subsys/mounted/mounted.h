/*
 * File systems that a module understands, mounted: ext2 on /dev/vda.
 *
 * Rules:
 * - The module in the slot "file_system" is asked through its gate (helix/file_system.h), by one
 *   thread at a time. What it wrote takes effect when its call has succeeded; a call in which it
 *   died, or for which the slot was empty, is made again, until MOUNTED_PATIENCE_NS have passed:
 *   then HX_EIO.
 * - A live inode has one vnode. Its attributes are kept there, and are the module's at the next
 *   sync, or when the vnode goes.
 * - Bytes go through the module to the disk's cache (subsys/block/disk_cache.h); pages that a
 *   program has mapped are kept beside it, and follow every write.
 * - There is one disk, and it is mounted once: HX_EBUSY.
 */
#ifndef SUBSYS_MOUNTED_MOUNTED_H
#define SUBSYS_MOUNTED_MOUNTED_H

#include <core/orchestrator/subsystem.h>
#include <hal/clock.h>

#define MOUNTED_PATIENCE_NS (30 * HAL_NS_PER_S)

extern const struct subsystem mounted_subsystem;

#endif
