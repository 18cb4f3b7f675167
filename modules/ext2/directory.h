/*
 * Directories: entries in blocks.
 *
 * Rules:
 * - One cursor at a time: the block that it is in is kept in one place.
 * - An entry that cannot be (it is shorter than its name, not aligned, or reaches beyond its block)
 *   makes the whole block HX_EIO.
 */
#ifndef EXT2_DIRECTORY_H
#define EXT2_DIRECTORY_H

#include <../modules/ext2/inode.h>

/* Where an entry stands. */
struct cursor {
    const struct inode *inode;
    uint64_t size;     /* bytes of the directory */
    uint64_t position; /* of the next entry in them */
    uint32_t block;    /* that the entry is in */
    uint32_t offset;   /* of the entry in it */
    uint32_t previous; /* of the one before in the same block; the offset itself: there is none */
    const struct entry *entry;
};

/* Begin with the first entry that stands at position or behind it. */
void cursor_begin(struct cursor *cursor, const struct inode *directory, uint64_t position);
/* The next entry, free ones too; *is_there: there was one.  Errors: HX_EIO. */
HX_MUST_USE hx_err cursor_next(struct cursor *cursor, bool *is_there);

uint32_t entry_length(const struct entry *entry);
/* enum hx_file_type of what an entry names. */
HX_MUST_USE hx_err entry_type_of(const struct entry *entry, uint32_t *type);

/* Errors: HX_ENOTDIR, HX_EIO, HX_ENOENT an inode without names: it has been removed. */
HX_MUST_USE hx_err directory_read(uint64_t number, struct inode *directory);

/* Errors: HX_ENOENT. */
HX_MUST_USE hx_err directory_find(const struct inode *directory, const char *name, uint32_t length,
                                  struct cursor *cursor);
/* Add a name that is not there; the directory grows when it must.  Errors: HX_ENOSPC. */
HX_MUST_USE hx_err directory_add(uint64_t number, const char *name, uint32_t length, uint32_t inode,
                                 uint32_t type);
HX_MUST_USE hx_err directory_remove(uint64_t number, const char *name, uint32_t length);
/* Have an entry name another inode. */
HX_MUST_USE hx_err directory_replace(uint64_t number, const char *name, uint32_t length,
                                     uint32_t inode, uint32_t type);
HX_MUST_USE hx_err directory_is_empty(uint64_t number, bool *is_empty);
/* The first block of a new one, with "." and "..".  Errors: HX_ENOSPC. */
HX_MUST_USE hx_err directory_create(uint32_t number, struct inode *directory, uint32_t parent);

#endif
