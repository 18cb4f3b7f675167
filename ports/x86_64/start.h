/* The port's first C function, called by boot.S on the boot stack. */
#ifndef PORTS_X86_64_START_H
#define PORTS_X86_64_START_H

#include <helix/attributes.h>
#include <stdint.h>

/* start_info: physical address that the loader left in ebx. */
HX_NORETURN void x86_start(uint64_t start_info);

#endif
