/* The kernel's version (SPEC K5). */
#ifndef HELIX_VERSION_H
#define HELIX_VERSION_H

#include <stdint.h>

struct hx_kernel_version {
    uint16_t major;
    uint16_t minor;
    uint16_t patch;
    const char *suffix; /* "" for a release */
};

#define HX_VERSION_MAJOR  0
#define HX_VERSION_MINOR  1
#define HX_VERSION_PATCH  0
#define HX_VERSION_SUFFIX "alpha"
#define HX_VERSION_STRING "0.1.0-alpha"

extern const struct hx_kernel_version KERNEL_VERSION;

#endif
