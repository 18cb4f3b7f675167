/*
 * Reader of the Multiboot2 boot information: what GRUB passes in ebx, on a BIOS and on UEFI.
 * Source: Multiboot2 Specification version 2.0, 3.6 (tag types in the .c file).
 *
 * Rules:
 * - Nothing in the structure is trusted. What cannot be used is dropped and counted in the
 *   configuration; a list of tags or a memory map that cannot be read as a whole is an error.
 * - Of the tags that describe one thing, the first one counts. Unknown tags are skipped.
 */
#ifndef PORTS_X86_64_MULTIBOOT2_H
#define PORTS_X86_64_MULTIBOOT2_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <ports/x86_64/physical_reader.h>
#include <stdint.h>

struct boot_configuration;

/* What a Multiboot2 loader leaves in eax (3.3). */
#define MULTIBOOT2_LOADER_MAGIC 0x36d76289U

/*
 * Add command line, memory map, modules, screen and ACPI root of the boot information at a physical
 * address to a configuration that the caller has initialised. The caller may add regions of its own
 * (its image) and then finishes the configuration. The ACPI root pointer may be a copy inside the
 * information: whoever reads it does so before that memory is given away.
 * *why: NULL if all was well; else one sentence about the error, or, with HX_OK, about the first
 * thing that was dropped. It points to a constant.
 * Context: boot.
 * Errors: HX_EFAULT the information cannot be read, HX_EFORMAT it is malformed, HX_ENOENT it has no
 * memory map.
 */
HX_MUST_USE hx_err multiboot2_read(const struct physical_reader *reader, uint64_t information,
                                   struct boot_configuration *config, const char **why);

#endif
