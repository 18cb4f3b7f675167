/* The port's first C function, called by boot.S on the boot stack. */
#ifndef PORTS_X86_64_START_H
#define PORTS_X86_64_START_H

#include <helix/attributes.h>
#include <stdint.h>

/*
 * information: physical address that the loader left in ebx. magic: 0 after PVH's entry, else what
 * a Multiboot2 loader left in eax.
 */
HX_NORETURN void x86_start(uint64_t information, uint32_t magic);

/* Have the log say a constant sentence about what the firmware got wrong.  Context: boot. */
void x86_boot_warn(const char *sentence);

#endif
