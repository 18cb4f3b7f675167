/*
 * tmpfs: files in memory.
 *
 * Rules:
 * - Files are memory objects; directories are hash tables whose entries also have fixed positions,
 * so that a directory can be read while it changes: an entry that stays is seen once.
 * - File data is limited to half of the machine's memory at mount, or by the option
 * size=BYTES[kmg|%].
 * - devtmpfs is a tmpfs with a node for each registered device.
 */
#ifndef SUBSYS_TMPFS_TMPFS_H
#define SUBSYS_TMPFS_TMPFS_H

#include <base/cpio.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <subsys/vfs/mount.h>

/* Register tmpfs, ramfs and devtmpfs.  Context: boot, once. */
void tmpfs_init(void);

/*
 * Fill a directory from a cpio archive, which stays where it is for ever: the data of files is read
 * from it until they are written. Owners, modes, times, links, device nodes as they stand in it.
 * *why: NULL on success, else one sentence.
 * Context: thread.  Errors: HX_EFORMAT the archive is damaged (what came before is there),
 * HX_ENOMEM.
 */
HX_MUST_USE hx_err tmpfs_unpack(struct location *root, struct cpio_archive archive,
                                const char **why);

#endif
