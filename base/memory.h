/*
 * The four memory functions a freestanding C compiler may call on its own (C17 5.1.2.1, GCC manual
 * "Standards"). The port supplies them: libc on the hosted port, ports/x86_64/memory.S on metal.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);

#endif
