/*
 * What debug builds do to heap memory, and nothing in others: fill patterns, redzones, and the
 * checks that find a write after free or behind the end. Private to the heap.
 */
#ifndef KERN_HEAP_DEBUG_H
#define KERN_HEAP_DEBUG_H

#include <base/assert.h>
#include <base/format.h>
#include <base/memory.h>
#include <kern/slab.h>

#ifdef HX_DEBUG

/* At least so many bytes behind an object are checked when it is freed. */
#define HEAP_REDZONE 16U

#define HEAP_FRESH        0xa5U
#define HEAP_REDZONE_BYTE 0xbbU

/* The offset and the words say whose field it was. */
static HX_COLD HX_NOINLINE void debug_report(const uint8_t *bytes, size_t size, size_t offset,
                                             const char *sentence)
{
    static char report[160];
    size_t word = offset & ~(sizeof(uint64_t) - 1);
    uint64_t found = 0;

    memcpy(&found, bytes + word, size - word < sizeof(found) ? size - word : sizeof(found));
    format_text(report, sizeof(report), "%s: %zu bytes at %p, at offset %zu: %#llx", sentence, size,
                (const void *)bytes, word, (unsigned long long)found);
    assert_failed(report, sentence, __FILE__, __LINE__);
}

static inline void debug_check(const uint8_t *bytes, size_t size, uint8_t wanted,
                               const char *sentence)
{
    for (size_t i = 0; i < size; i++) {
        if (HX_UNLIKELY(bytes[i] != wanted)) {
            debug_report(bytes, size, i, sentence);
        }
    }
}

static inline uint16_t *debug_size(struct slab *slab, const void *object)
{
    return &slab_requested(slab)[slab_index(slab, object)];
}

static inline void debug_allocated(void *object, size_t size)
{
    struct slab *slab = slab_of(object);
    size_t room = (size_t)1 << slab->shift;

    debug_check(object, room, SLAB_FREED, "nobody writes to heap memory after freeing it");
    memset(object, HEAP_FRESH, size);
    memset((uint8_t *)object + size, HEAP_REDZONE_BYTE, room - size);
    *debug_size(slab, object) = (uint16_t)size;
}

static inline void debug_freed(struct slab *slab, void *object)
{
    size_t room = (size_t)1 << slab->shift;
    size_t size = *debug_size(slab, object);

    debug_check((uint8_t *)object + size, room - size, HEAP_REDZONE_BYTE,
                "nobody writes behind the end of heap memory");
    memset(object, SLAB_FREED, room);
}

/* For blocks of whole frames: the redzone is what is left of the block, up to HEAP_REDZONE. */
static inline size_t debug_large_redzone(size_t size, size_t room)
{
    return room - size < HEAP_REDZONE ? room - size : HEAP_REDZONE;
}

static inline void debug_large_allocated(void *base, size_t size, size_t room)
{
    memset(base, HEAP_FRESH, size);
    memset((uint8_t *)base + size, HEAP_REDZONE_BYTE, debug_large_redzone(size, room));
}

static inline void debug_large_freed(const void *base, size_t size, size_t room)
{
    debug_check((const uint8_t *)base + size, debug_large_redzone(size, room), HEAP_REDZONE_BYTE,
                "nobody writes behind the end of heap memory");
}

#else

#define HEAP_REDZONE 0U

static inline void debug_allocated(void *object, size_t size)
{
    (void)object;
    (void)size;
}

static inline void debug_freed(struct slab *slab, void *object)
{
    (void)slab;
    (void)object;
}

static inline void debug_large_allocated(void *base, size_t size, size_t room)
{
    (void)base;
    (void)size;
    (void)room;
}

static inline void debug_large_freed(const void *base, size_t size, size_t room)
{
    (void)base;
    (void)size;
    (void)room;
}

#endif
#endif
