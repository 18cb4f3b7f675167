/* The devices that are nothing but memory: null, zero, full, random, urandom, kmsg. */
#ifndef SUBSYS_DEVICES_MEMORY_DEVICES_H
#define SUBSYS_DEVICES_MEMORY_DEVICES_H

#include <helix/attributes.h>
#include <helix/error.h>

/* Register them (major 1).  Context: boot, once.  Errors: HX_EMISSING there is no slot "memory";
 * those of device_register. */
HX_MUST_USE hx_err memory_devices_init(void);

#endif
