/*
 * The functions that a freestanding compiler calls on its own (C17 5.1.2.1, GCC manual
 * "Standards"); a module has no C library.
 */
#include <stddef.h>

/* Or the compiler would make calls of themselves of them. */
#define OWN __attribute__((no_builtin("memcpy", "memset", "memcmp", "bcmp")))

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
int bcmp(const void *a, const void *b, size_t size);

OWN void *memcpy(void *restrict to, const void *restrict from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((char *)to)[i] = ((const char *)from)[i];
    }
    return to;
}

OWN void *memset(void *to, int byte, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        ((char *)to)[i] = (char)byte;
    }
    return to;
}

OWN int memcmp(const void *a, const void *b, size_t size)
{
    const unsigned char *left = a;
    const unsigned char *right = b;

    for (size_t i = 0; i < size; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

OWN int bcmp(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size);
}
