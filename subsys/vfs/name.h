/*
 * Names of directory entries: where one ends in a path, a hash of it, and tables of them.
 *
 * Rules:
 * - What is known of a name is a function of the name alone, wherever it stands in memory.
 * - A table is read in read sections (kern/read_section.h) while it is changed: entries and tables
 *   are retired (retire.h), not freed. Who changes it is alone.
 */
#ifndef SUBSYS_VFS_NAME_H
#define SUBSYS_VFS_NAME_H

#include <hal/memory.h>
#include <helix/attributes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/retire.h>

struct vnode;

#define NAME_WORD 8U /* bytes */

struct name_scan {
    const char *end; /* of the name */
    uint64_t last;   /* the bytes behind the last whole word, the first lowest; then zeros */
    uint32_t hash;
};

/* The name at the front of a text that ends with NUL: up to a slash or the end. */
static inline struct name_scan name_scan(const char *text);

/* The same for a name of known length. */
struct name_scan name_scan_of(const char *name, size_t length);

/* Keys: I = immutable, W = written by who changes the table */
struct name_entry {
    _Atomic(struct name_entry *) next; /* W  in its bucket */
    _Atomic(struct vnode *) vnode;     /* W  a reference */
    uint32_t hash;                     /* I */
    uint32_t position;                 /* the maker's */
    struct retired retired;
    uint8_t length;   /* I */
    uint64_t words[]; /* I  the name, then zeros: length / NAME_WORD + 1 of them */
};

/* The heads of the chains of entries by hash. */
struct name_table {
    struct retired retired;
    uint32_t mask;                        /* I  a power of two, less 1 */
    _Atomic(struct name_entry *) first[]; /* W */
};

/* Bytes of an entry for a name. */
static inline size_t name_entry_size(size_t length)
{
    return sizeof(struct name_entry) + (length / NAME_WORD + 1) * NAME_WORD;
}

static inline const char *name_text(const struct name_entry *entry)
{
    return (const char *)entry->words;
}

/* Fill in an entry of name_entry_size bytes: name, hash, object. */
void name_entry_init(struct name_entry *entry, const char *name, size_t length,
                     struct vnode *vnode);

/*
 * The entry of a name, NULL: there is none; in a read section also when it has been moved
 * meanwhile. A reader may be led into another chain, but comes to an end, as entries are only put
 * before those that are there.
 */
static inline struct name_entry *name_find(const struct name_table *table, const char *name,
                                           const struct name_scan *scan);

/* --- how ----------------------------------------------------------------------------------------
 */

/* A word at any address, of whatever is there. */
typedef uint64_t __attribute__((aligned(1), may_alias)) name_word;

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
static HX_COLD uint64_t name_last_word(const char *text)
{
    uint64_t word = 0;

    for (unsigned i = 0; i < NAME_WORD && text[i] != '\0'; i++) {
        word |= (uint64_t)(uint8_t)text[i] << 8 * i;
    }
    return word;
}

/* The last place in a text's page where a whole word lies. */
static HX_ALWAYS_INLINE const char *name_last_place(const char *text)
{
    return (const char *)(((uintptr_t)text | (HAL_PAGE_SIZE - 1)) - (NAME_WORD - 1));
}

/*
 * A whole word, which may have bytes behind the text's end: they are of the same page, and left out
 * by who calls. That is why the sanitizers are not to look.
 */
__attribute__((no_sanitize_address, no_sanitize_thread)) static inline struct name_scan
name_scan(const char *text)
{
    const char *last_place = name_last_place(text);
    const char *at = text;
    uint64_t hash = 0;

    for (;; at += NAME_WORD) {
        uint64_t word;
        uint64_t ends;

        if (HX_LIKELY(at <= last_place)) {
            word = *(const name_word *)at;
        } else {
            word = name_last_word(at);
            last_place = name_last_place(at + NAME_WORD);
        }
        ends = (name_zeros(word) | name_zeros(word ^ NAME_SLASHES)) & NAME_HIGHS;
        if (ends != 0) {
            /* The lowest bit is that of the first end: what borrows is behind it. */
            const char *end = at + (unsigned)__builtin_ctzll(ends) / 8;

            word &= (ends ^ (ends - 1)) >> 8; /* the bytes before it */
            return (struct name_scan){end, word, name_fold(name_mix(hash, word))};
        }
        hash = name_mix(hash, word);
    }
}

/* Zeros end the entry's words, and the scan's: of two that differ in length a word differs. */
static HX_ALWAYS_INLINE bool name_is_same(const struct name_entry *entry, const char *name,
                                          const struct name_scan *scan)
{
    const uint64_t *word = entry->words;

    for (; scan->end - name >= (ptrdiff_t)NAME_WORD; name += NAME_WORD) {
        if (*word++ != *(const name_word *)name) {
            return false;
        }
    }
    return *word == scan->last;
}

static inline struct name_entry *name_find(const struct name_table *table, const char *name,
                                           const struct name_scan *scan)
{
    /* acquire, both: pair with the release of who puts an entry in */
    struct name_entry *entry =
        atomic_load_explicit(&table->first[scan->hash & table->mask], memory_order_acquire);

    while (entry != NULL && !name_is_same(entry, name, scan)) {
        entry = atomic_load_explicit(&entry->next, memory_order_acquire);
    }
    return entry;
}

#endif
