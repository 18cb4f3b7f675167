/*
 * Files of tmpfs without a name (memfd_create(2)): memory that can be read, written, mapped and
 * handed to others as a file, and is gone with its last descriptor and mapping.
 */
#ifndef SUBSYS_TMPFS_MEMORY_FILE_H
#define SUBSYS_TMPFS_MEMORY_FILE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdint.h>

struct credentials;
struct file;

/*
 * label: what /proc calls it; flags: file flags. It is of the root's file system, and counts there.
 * Context: thread.  Errors: HX_ENOMEM, HX_ENOSPC, HX_ENODEV the root is no tmpfs, HX_EROFS.
 */
HX_MUST_USE hx_err memory_file_create(const char *label, uint32_t flags,
                                      const struct credentials *who, owner_tag owner,
                                      struct file **file);

#endif
