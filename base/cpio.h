/*
 * Reader of cpio archives in the "newc" format (cpio(5): magic 070701, headers in hexadecimal
 * text), the format of the initial file system.
 *
 * Rules:
 * - Reads a constant buffer in place: names and data of entries point into it and live as long.
 * - Nothing in the archive is believed: whatever would lead outside the buffer is HX_EFORMAT.
 * - Archives may follow each other, with zero bytes between them. Each ends with "TRAILER!!!".
 * - Of names joined by hard links only the last carries data (nlink > 1, equal ino); the reader
 * shows entries as they are, tying them together is the caller's. Context: any, all of them.
 */
#ifndef BASE_CPIO_H
#define BASE_CPIO_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cpio_archive {
    const void *bytes;
    size_t size;
};

struct cpio_entry {
    const char *name; /* NUL-terminated, never empty, as written: "bin/sh", "./bin/sh" */
    const void *data; /* size bytes; of a symbolic link, its target without NUL */
    size_t size;
    uint32_t ino;
    uint32_t mode; /* type and permissions, the numbers of POSIX <sys/stat.h> */
    uint32_t uid;
    uint32_t gid;
    uint32_t nlink;
    uint32_t mtime; /* seconds since 1970-01-01 UTC */
    uint32_t rdev_major;
    uint32_t rdev_minor;
};

struct cpio_reader {
    struct cpio_archive archive;
    size_t offset;      /* of the next header; after HX_EFORMAT, of the bad one */
    bool needs_trailer; /* an archive has begun and has not ended */
};

/* Start at the first entry. */
void cpio_open(struct cpio_reader *reader, struct cpio_archive archive);

/*
 * Decode the next entry.
 * Errors: HX_ENOENT there are no more; HX_EFORMAT the header at reader->offset is malformed, cut
 * off or missing (the next call says the same). *entry is then unchanged.
 */
HX_MUST_USE hx_err cpio_next(struct cpio_reader *reader, struct cpio_entry *entry);

/*
 * As cpio_next, for the next entry whose path begins with prefix; "/" and "./" in front are ignored
 * on both sides. Of those it passes, only what leads to the next one is looked at: that is a
 * quarter of the work.
 */
HX_MUST_USE hx_err cpio_next_below(struct cpio_reader *reader, const char *prefix,
                                   struct cpio_entry *entry);

/*
 * Find an entry by its path, as cpio_next_below does. A later entry of the same name wins, as it
 * would when the archive is unpacked. Walks the whole archive.
 * Errors: HX_ENOENT, HX_EFORMAT the archive is malformed. *entry is then unchanged.
 */
HX_MUST_USE hx_err cpio_find(struct cpio_archive archive, const char *path,
                             struct cpio_entry *entry);

#endif
