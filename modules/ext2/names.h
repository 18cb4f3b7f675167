/* What the files that change names share. */
#ifndef EXT2_NAMES_H
#define EXT2_NAMES_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/file_system.h>
#include <stdint.h>

/* Copy a name out of a loan.  Errors: HX_ENAMETOOLONG, those of the loan. */
HX_MUST_USE hx_err name_take(uint64_t loan, uint64_t at, uint64_t length,
                             char name[HX_FILE_NAME_MAX]);

/* Count names of an inode.  Errors: HX_EMLINK, HX_EIO it had fewer. */
HX_MUST_USE hx_err links_add(uint64_t number, int difference);
/* A name in a directory is about to go: of a directory the last one.  Errors: HX_ENOTEMPTY. */
HX_MUST_USE hx_err links_drop(uint64_t directory, uint64_t number);

#endif
