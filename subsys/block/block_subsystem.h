/* Devices and the disk as a subsystem: looks at the bus, and makes /dev/vda when the driver in the
 * slot "block" finds one. */
#ifndef SUBSYS_BLOCK_BLOCK_SUBSYSTEM_H
#define SUBSYS_BLOCK_BLOCK_SUBSYSTEM_H

#include <core/orchestrator/subsystem.h>

struct block_device;

extern const struct subsystem block_subsystem;

/* The disk of the slot "block", NULL: there is none.  Context: any, once the subsystem is there. */
struct block_device *block_disk(void);

#endif
