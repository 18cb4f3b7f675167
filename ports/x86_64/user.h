/* User mode, as start.c and entry.S see it. */
#ifndef PORTS_X86_64_USER_H
#define PORTS_X86_64_USER_H

#include <stdbool.h>

/*
 * Choose how user memory is copied, and patch `clac` into the kernel's entries where the CPU has
 * it. Context: boot, once, while the direct map's alias of the text is still writable.
 */
void x86_user_init(bool smap);

#endif
