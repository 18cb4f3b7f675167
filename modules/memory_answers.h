/* What null, zero and full do, for the modules that serve them. */
#ifndef MODULES_MEMORY_ANSWERS_H
#define MODULES_MEMORY_ANSWERS_H

#include <helix/attributes.h>
#include <helix/character_device.h>
#include <stdbool.h>

static inline bool gives_zeros(uint64_t minor)
{
    return HX_LIKELY(minor == HX_MEMORY_ZERO) || minor == HX_MEMORY_FULL;
}

static inline uint64_t answer_to_read(uint64_t minor, uint64_t size)
{
    if (gives_zeros(minor)) {
        return HX_CHARACTER_ANSWER(size, 0);
    }
    return minor == HX_MEMORY_NULL ? 0 : HX_CHARACTER_REFUSAL(HX_ENXIO);
}

static inline uint64_t answer_to_write(uint64_t minor, uint64_t size)
{
    if (minor == HX_MEMORY_NULL || minor == HX_MEMORY_ZERO) {
        return HX_CHARACTER_ANSWER(size, 0);
    }
    return HX_CHARACTER_REFUSAL(minor == HX_MEMORY_FULL ? HX_ENOSPC : HX_ENXIO);
}

#endif
