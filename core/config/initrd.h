/*
 * Files of the initial file system, the boot module named "initrd".
 */
#ifndef CORE_CONFIG_INITRD_H
#define CORE_CONFIG_INITRD_H

#include <base/cpio.h>
#include <helix/attributes.h>
#include <helix/error.h>

/*
 * Find a file by its path. *why is a sentence when that fails.
 * Context: any, once the boot configuration is set.
 * Errors: HX_ENOENT no such file or no initrd at all, HX_EFORMAT the archive is damaged.
 */
HX_MUST_USE hx_err initrd_find(const char *path, struct cpio_entry *entry, const char **why);

/* Read all entries from the first on; false: there is no initrd.  Context: as above. */
bool initrd_open(struct cpio_reader *reader);

#endif
