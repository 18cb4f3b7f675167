/*
 * How the readers of loader and firmware tables reach physical memory.
 *
 * Rules:
 * - The tables are not trusted: every address in them may be wild. A reader touches only what the
 *   map function has handed out, and copies records out, because nothing in them is aligned.
 * - The readers themselves are pure, so that the same code runs on the host under a fuzzer.
 */
#ifndef PORTS_X86_64_PHYSICAL_READER_H
#define PORTS_X86_64_PHYSICAL_READER_H

#include <base/memory.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct physical_reader {
    /*
     * A pointer to the size bytes at physical, or NULL if any of them must not be touched (no
     * memory, or a device). Asked only for size > 0 and ranges that do not wrap; what it returns
     * stays readable and unchanged for as long as the caller keeps results that point into it.
     */
    const void *(*map)(void *context, uint64_t physical, size_t size);
    void *context;
};

/* The bytes [physical, physical + size), or NULL if the range is empty, wraps or is refused. */
static inline const void *physical_map(const struct physical_reader *reader, uint64_t physical,
                                       uint64_t size)
{
    if (size == 0 || physical > UINT64_MAX - size) {
        return NULL;
    }
    return reader->map(reader->context, physical, size);
}

/* Copy size bytes out; false, and nothing copied, if they must not be touched. */
static inline bool physical_copy(const struct physical_reader *reader, uint64_t physical, void *to,
                                 size_t size)
{
    const void *from = physical_map(reader, physical, size);

    if (from == NULL) {
        return false;
    }
    memcpy(to, from, size);
    return true;
}

#endif
