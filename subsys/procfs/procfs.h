/*
 * proc: processes and the system as files (proc(5)); formats are Linux's.
 *
 * Rules:
 * - A directory of a process keeps its struct process, not the process: once it has been waited
 * for, reading answers HX_ESRCH and looking up HX_ENOENT.
 * - What is shown of a process is copied under process_mutex and its lock first, and written as
 * text afterwards. Its memory, files and paths are reached by references of their own.
 */
#ifndef SUBSYS_PROCFS_PROCFS_H
#define SUBSYS_PROCFS_PROCFS_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stddef.h>

/* Register the type "proc" and begin to take load averages.  Context: boot, once.  Errors: those of
 * thread_create. */
HX_MUST_USE hx_err procfs_init(void);

struct pseudo_entry;
/* The table of what is in the root, for the documentation. */
extern const struct pseudo_entry procfs_root;

#endif
