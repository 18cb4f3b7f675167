/*
 * Memory that others may still read without a lock or a reference (kern/read_section.h): it is
 * freed when all who could have seen it are done.
 *
 * Rules:
 * - What is retired cannot be found any more. It waits with others until there are RETIRED_MAX of
 *   them; who brings the last one waits for a grace period and frees them all.
 */
#ifndef SUBSYS_VFS_RETIRE_H
#define SUBSYS_VFS_RETIRE_H

#define RETIRED_MAX 32U

/* Embedded in what can be retired. */
struct retired {
    struct retired *next;
    void (*release)(struct retired *retired); /* frees it */
};

/* Context: thread, may block, outside read sections. */
void retire(struct retired *retired, void (*release)(struct retired *retired));

/* Free all that wait.  Context: thread, may block, outside read sections. */
void retire_flush(void);

#endif
