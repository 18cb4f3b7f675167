/* What the numbers mean that firmware has for kinds of memory, as PVH and Multiboot2 hand them on.
 */
#ifndef PORTS_X86_64_MEMORY_TYPE_H
#define PORTS_X86_64_MEMORY_TYPE_H

#include <core/config/boot_configuration.h>
#include <stdint.h>

/* ACPI 6.4, table 15.6. */
static inline enum memory_kind memory_kind_of(uint32_t type)
{
    switch (type) {
    case 1:
        return MEMORY_USABLE;
    case 3:
        return MEMORY_ACPI_RECLAIMABLE;
    case 4:
        return MEMORY_ACPI_NVS;
    case 5:
        return MEMORY_BAD;
    case 7:
        return MEMORY_PERSISTENT;
    default:
        return MEMORY_RESERVED; /* 2 reserved, 6 disabled, and what a later version invents */
    }
}

#endif
