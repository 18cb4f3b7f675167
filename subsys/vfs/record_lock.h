/*
 * Advisory locks of ranges of bytes (fcntl(2), F_SETLK and its like).
 *
 * Rules:
 * - A lock is about an object and has an owner: a process's table of descriptors, which loses all
 * of its locks on an object when it closes any descriptor of that (POSIX), or one open file.
 * - An owner has one kind of lock on a byte; what it sets replaces what it had there.
 */
#ifndef SUBSYS_VFS_RECORD_LOCK_H
#define SUBSYS_VFS_RECORD_LOCK_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct file;

enum record_lock_kind { RECORD_LOCK_READ = 0, RECORD_LOCK_WRITE = 1, RECORD_LOCK_NONE = 2 };

#define RECORD_LOCK_END INT64_MAX /* last, of what goes on to the end of the file */

struct record_lock {
    enum record_lock_kind kind;
    uint64_t first; /* bytes, both included */
    uint64_t last;
    const void *owner;
    int32_t process; /* who is told to hold it; -1: an open file */
};

/*
 * Set the owner's kind of lock on a range, waiting for others if it is to.
 * Context: thread, may block.  Errors: HX_EAGAIN, HX_EINTR, HX_EDEADLOCK each waits for the other,
 * HX_ENOMEM.
 */
HX_MUST_USE hx_err record_lock_set(struct file *file, const struct record_lock *wanted, bool waits);

/* The first lock that is in the way of one; its kind is RECORD_LOCK_NONE if there is none. */
void record_lock_find(const struct file *file, const struct record_lock *wanted,
                      struct record_lock *found);

/* How many there are. */
extern _Atomic uint32_t record_locks;

/* Give up all that an owner has on a file's object. Cheap where there are none.  Context: thread.
 */
void record_lock_drop(const struct file *file, const void *owner);
static inline void record_lock_close(const struct file *file, const void *owner)
{
    /* relaxed: an owner sees its own */
    if (HX_UNLIKELY(atomic_load_explicit(&record_locks, memory_order_relaxed) != 0)) {
        record_lock_drop(file, owner);
    }
}

#endif
