/*
 * Reader of the PVH start info: what QEMU -kernel, Firecracker and Cloud Hypervisor pass in ebx.
 * Source: Xen public/arch-x86/hvm/start_info.h, versions 0 and 1; later versions only add fields.
 *
 * Rules:
 * - Nothing in the structure is trusted. What cannot be used is dropped and counted in the
 *   configuration; a memory map that cannot be read as a whole is an error.
 */
#ifndef PORTS_X86_64_PVH_H
#define PORTS_X86_64_PVH_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <ports/x86_64/physical_reader.h>
#include <stdint.h>

struct boot_configuration;

/*
 * Add command line, memory map, modules and ACPI root of the start info at a physical address to a
 * configuration that the caller has initialised. The caller may add regions of its own (its image)
 * and then finishes the configuration.
 * *why: NULL if all was well; else one sentence about the error, or, with HX_OK, about the first
 * thing that was dropped. It points to a constant.
 * Context: boot.
 * Errors: HX_EFAULT the structure or its memory map cannot be read, HX_EFORMAT it is malformed,
 * HX_EVERSION it has no memory map (version 0).
 */
HX_MUST_USE hx_err pvh_read(const struct physical_reader *reader, uint64_t start_info,
                            struct boot_configuration *config, const char **why);

#endif
