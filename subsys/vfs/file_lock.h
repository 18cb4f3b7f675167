/*
 * Advisory locks of whole files (flock(2)).
 *
 * Rules:
 * - A lock belongs to an open file: descriptors that are copies of one another share it, and it
 * ends with the last of them. It is about the object: opened twice, a file has two lockers.
 * - Any number may hold a shared lock, or one an exclusive one. Who has one kind and wants the
 * other first gives up what it has, so others may come in between.
 */
#ifndef SUBSYS_VFS_FILE_LOCK_H
#define SUBSYS_VFS_FILE_LOCK_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>

struct file;

enum file_lock_kind { FILE_LOCK_SHARED, FILE_LOCK_EXCLUSIVE };

/*
 * Lock, waiting for others unless it is not to wait. The caller holds a reference of the file.
 * Context: thread, may block.  Errors: HX_EAGAIN others hold it, HX_EINTR, HX_ENOMEM.
 */
HX_MUST_USE hx_err file_lock(struct file *file, enum file_lock_kind kind, bool waits);

/* Give the lock up, if there is one.  Context: thread. */
void file_unlock(struct file *file);

#endif
