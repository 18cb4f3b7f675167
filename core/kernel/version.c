/* The kernel's version. */
#include <helix/version.h>

const struct hx_kernel_version KERNEL_VERSION = {
    .major = HX_VERSION_MAJOR,
    .minor = HX_VERSION_MINOR,
    .patch = HX_VERSION_PATCH,
    .suffix = HX_VERSION_SUFFIX,
};
