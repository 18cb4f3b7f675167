/*
 * Physical memory for tests of the table readers: a few regions, and nothing between them.
 *
 * Each range handed out is a copy of its own on the heap, so that the address sanitizer sees every
 * byte read beyond what was asked for.
 */
#ifndef TESTS_HOST_READERS_FAKE_MEMORY_H
#define TESTS_HOST_READERS_FAKE_MEMORY_H

#include <ports/x86_64/physical_reader.h>
#include <stdlib.h>

#define FAKE_REGION_MAX 8

struct fake_copy {
    struct fake_copy *next;
    uint8_t bytes[];
};

struct fake_memory {
    struct {
        uint64_t base;
        const uint8_t *bytes;
        size_t size;
    } regions[FAKE_REGION_MAX];
    size_t count;
    struct fake_copy *copies;
};

static inline void fake_memory_add(struct fake_memory *memory, uint64_t base, const void *bytes,
                                   size_t size)
{
    memory->regions[memory->count].base = base;
    memory->regions[memory->count].bytes = bytes;
    memory->regions[memory->count++].size = size;
}

static inline const void *fake_memory_copy(struct fake_memory *memory, const uint8_t *bytes,
                                           size_t size)
{
    struct fake_copy *copy = malloc(sizeof(*copy) + size);

    if (copy == NULL) {
        abort();
    }
    memcpy(copy->bytes, bytes, size);
    copy->next = memory->copies;
    memory->copies = copy;
    return copy->bytes;
}

static inline const void *fake_memory_map(void *context, uint64_t physical, size_t size)
{
    struct fake_memory *memory = context;

    if (size == 0 || physical > UINT64_MAX - size) {
        abort(); /* the readers promise not to ask */
    }
    for (size_t i = 0; i < memory->count; i++) {
        uint64_t base = memory->regions[i].base;

        if (physical >= base && physical - base <= memory->regions[i].size &&
            size <= memory->regions[i].size - (physical - base)) {
            return fake_memory_copy(memory, memory->regions[i].bytes + (physical - base), size);
        }
    }
    return NULL;
}

static inline struct physical_reader fake_memory_reader(struct fake_memory *memory)
{
    return (struct physical_reader){.map = fake_memory_map, .context = memory};
}

/* Free what was handed out. */
static inline void fake_memory_release(struct fake_memory *memory)
{
    while (memory->copies != NULL) {
        struct fake_copy *copy = memory->copies;

        memory->copies = copy->next;
        free(copy);
    }
}

#endif
