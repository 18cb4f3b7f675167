/*
 * Names of directory entries: where one ends in a path, and a hash of it.
 *
 * Rules:
 * - The hash is a function of the name alone, wherever it stands in memory.
 */
#ifndef SUBSYS_VFS_NAME_H
#define SUBSYS_VFS_NAME_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct name_scan {
    size_t length;
    uint32_t hash;
};

/* The name at the front of a text that ends with NUL: up to a slash or the end. */
static inline struct name_scan name_scan(const char *text);

/* The hash of a name of known length. */
uint32_t name_hash(const char *name, size_t length);

/* --- how ----------------------------------------------------------------------------------------
 */

/* A word at any address, of whatever is there. */
typedef uint64_t __attribute__((aligned(1), may_alias)) name_word;

#define NAME_WORD    8U                    /* of a word */
#define NAME_ONES    0x0101010101010101ULL /* 1 in each byte of a word */
#define NAME_HIGHS   (NAME_ONES << 7)      /* the highest bit of each */
#define NAME_SLASHES (NAME_ONES * (uint8_t)'/')
#define NAME_FACTOR  0x9e3779b97f4a7c15ULL /* Fibonacci hashing (Knuth, TAOCP 3, 6.4) */

/* Bytes that are zero, the first exactly, among other bits: (w - 1…) & ~w, of which NAME_HIGHS
 * count. */
static HX_ALWAYS_INLINE uint64_t name_zeros(uint64_t word)
{
    return (word - NAME_ONES) & ~word;
}

static HX_ALWAYS_INLINE uint64_t name_mix(uint64_t hash, uint64_t word)
{
    return (hash ^ word) * NAME_FACTOR;
}

/* The upper bits of a product depend on all of its factors. */
static HX_ALWAYS_INLINE uint32_t name_fold(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* Bytes up to the NUL, which is the last before a page that may not be there. */
static HX_ALWAYS_INLINE uint64_t name_last_word(const char *text)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < NAME_WORD && text[i] != '\0'; i++) {
        word |= (uint64_t)(uint8_t)text[i] << 8 * i;
    }
    return word;
}

/*
 * A whole word, which may have bytes behind the text's end: they are of the same page, and left out
 * by who calls. That is why the sanitizers are not to look.
 */
__attribute__((no_sanitize_address, no_sanitize_thread)) static inline struct name_scan
name_scan(const char *text)
{
    const char *at = text;
    uint64_t hash = 0;

    for (;;) {
        bool is_last = (uintptr_t)at % HAL_PAGE_SIZE > HAL_PAGE_SIZE - NAME_WORD;
        uint64_t word = HX_UNLIKELY(is_last) ? name_last_word(at) : *(const name_word *)at;
        uint64_t ends = (name_zeros(word) | name_zeros(word ^ NAME_SLASHES)) & NAME_HIGHS;

        if (ends != 0) {
            /* The lowest bit is that of the first end: what borrows is behind it. */
            unsigned bits = (unsigned)__builtin_ctzll(ends) - 7;

            hash = name_mix(hash, word & ((1ULL << bits) - 1));
            return (struct name_scan){(size_t)(at - text) + bits / 8, name_fold(hash)};
        }
        hash = name_mix(hash, word);
        at += NAME_WORD;
    }
}

#endif
