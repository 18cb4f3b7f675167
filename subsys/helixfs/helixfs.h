/*
 * /helix: the control file system. Read a file to see, write one to act (DESIGN, section 8).
 *
 * Rules:
 * - Every file needs a capability, file_list.h says which, and says so in /helix/refused to who
 *   lacks it. The answer is EACCES. Rights are asked for when a file is opened and at each read
 *   and write, so a revocation holds for open files too.
 * - A table is there twice: /helix/NAME for people, /helix/json/NAME for programs.
 * - A write is a command of one line, done as a whole or not at all; the errno says what was wrong
 *   with it.
 */
#ifndef SUBSYS_HELIXFS_HELIXFS_H
#define SUBSYS_HELIXFS_HELIXFS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <subsys/helixfs/file_list.h>

#define HELIXFS_FILE_ENUM(name, number, text, access, meaning) name = (number),
enum helixfs_file { HELIXFS_FILE_LIST(HELIXFS_FILE_ENUM) HELIXFS_FILE_END };
#undef HELIXFS_FILE_ENUM

/* Whether the calling thread may read or write a file of /helix.  Context: thread.
 * Errors: HX_EACCES. */
HX_MUST_USE hx_err helixfs_admit(enum helixfs_file file, bool is_write);

struct pseudo_entry;
/* The table of what is in the root, for the documentation. */
extern const struct pseudo_entry helixfs_root;

/* Register the type "helixfs" and the names of its files.  Context: boot, once.  Errors: HX_EEXIST.
 */
HX_MUST_USE hx_err helixfs_init(void);

#endif
