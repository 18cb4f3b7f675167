/* The operations of the category (helix/file_system.h), by the files that they are in. */
#ifndef EXT2_OPERATIONS_H
#define EXT2_OPERATIONS_H

#include <helix/error.h>
#include <helix/file_system.h>
#include <stdint.h>

/* file.c */
hx_err ext2_read(uint64_t number, uint64_t offset, uint64_t loan, uint64_t size);
hx_err ext2_write(uint64_t number, uint64_t offset, uint64_t loan, uint64_t size);
hx_err ext2_resize(uint64_t number, uint64_t size);
hx_err ext2_read_link(uint64_t number, uint64_t loan, uint64_t size);

/* names.c */
hx_err ext2_lookup(uint64_t directory, uint64_t name, uint64_t length, uint64_t attributes);
hx_err ext2_link(uint64_t directory, uint64_t name, uint64_t length, uint64_t number);
hx_err ext2_unlink(uint64_t directory, uint64_t name, uint64_t length, uint64_t number);
hx_err ext2_list(uint64_t directory, uint64_t position, uint64_t listing, uint64_t size);

/* make.c */
hx_err ext2_make(uint64_t directory, uint64_t making, uint64_t texts, uint64_t attributes);
hx_err ext2_forget(uint64_t number, uint64_t now);

/* rename.c */
hx_err ext2_rename(uint64_t move, uint64_t old_name, uint64_t new_name);

/* module.c: the table, with the operations on the whole */
extern const struct hx_file_system_operations ext2_operations;

#endif
