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

/*
 * A freestanding compiler takes these names for any function's. Saying that they are the well-known
 * ones lets it make moves of small fixed sizes; what it does not expand still calls the port's.
 */
#if __STDC_HOSTED__ == 0
#define memcpy(...)  __builtin_memcpy(__VA_ARGS__)
#define memmove(...) __builtin_memmove(__VA_ARGS__)
#define memset(...)  __builtin_memset(__VA_ARGS__)
#define memcmp(...)  __builtin_memcmp(__VA_ARGS__)
#endif

#endif
