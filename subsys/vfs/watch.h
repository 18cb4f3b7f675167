/*
 * Watches (inotify(7)): what happens to files and in directories, read from a file.
 *
 * Rules:
 * - A watch keeps what it watches, and so the file system it is in mounted. What has no name any
 *   more and is used by nobody else is told of as gone, and its watches end.
 * - What happens to a file is told to its own watches, and to those of the watched directories that
 *   have it, under each name it has there.
 * - While nothing is watched, each place that has something to tell costs a look at one word.
 * - The numbers are Linux's.
 */
#ifndef SUBSYS_VFS_WATCH_H
#define SUBSYS_VFS_WATCH_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/owner.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file;
struct location;
struct vnode;

enum watch_events {
    WATCH_ACCESS = 0x1,
    WATCH_MODIFY = 0x2,
    WATCH_ATTRIBUTES = 0x4,
    WATCH_CLOSE_WRITE = 0x8,
    WATCH_CLOSE_NO_WRITE = 0x10,
    WATCH_OPEN = 0x20,
    WATCH_MOVED_FROM = 0x40,
    WATCH_MOVED_TO = 0x80,
    WATCH_CREATE = 0x100,
    WATCH_DELETE = 0x200,
    WATCH_DELETE_SELF = 0x400,
    WATCH_MOVE_SELF = 0x800,
    WATCH_ALL = 0xfff,
    /* told of whatever was asked for */
    WATCH_UNMOUNT = 0x2000,
    WATCH_OVERFLOW = 0x4000, /* some were lost */
    WATCH_IGNORED = 0x8000,  /* the watch has ended */
    WATCH_IS_DIRECTORY = 0x40000000,
};

enum watch_flags {
    WATCH_ONLY_DIRECTORY = 0x01000000,
    WATCH_NO_FOLLOW = 0x02000000,
    WATCH_NOT_UNLINKED = 0x04000000, /* changes nothing: what has no name in it is not told of */
    WATCH_MUST_BE_NEW = 0x10000000,
    WATCH_ADD = 0x20000000,
    WATCH_ONCE = 0x80000000,
};

#define WATCH_EVENTS_MAX 16384U /* that wait to be read */

/* Context: thread.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err watch_file_create(uint32_t flags, owner_tag owner, struct file **file);
bool watch_file_is(const struct file *file);

/*
 * Watch, or change what is asked for of a watch there is; *number names it.
 * Errors: HX_EEXIST there is one and WATCH_MUST_BE_NEW, HX_ENOMEM.
 */
HX_MUST_USE hx_err watch_add(struct file *file, const struct location *location, uint32_t mask,
                             int32_t *number);
/* Errors: HX_EINVAL there is none. */
HX_MUST_USE hx_err watch_remove(struct file *file, int32_t number);

/* --- telling; context: thread, no vnode is locked ----------------------------------------------
 */

/* How many watches there are.  Relaxed: one that is being added may miss what happens meanwhile. */
extern _Atomic uint32_t watch_count;

static inline bool watch_is_any(void)
{
    return HX_UNLIKELY(atomic_load_explicit(&watch_count, memory_order_relaxed) != 0);
}

/* Something has happened to an object: its own watches, and those of directories that have it. */
void watch_tell(struct vnode *vnode, uint32_t event);
/* The same to its own watches alone. */
void watch_tell_self(struct vnode *vnode, uint32_t event);
/* To a name in a directory. cookie: the same for both ends of a move, of watch_new_cookie; 0. */
void watch_tell_name(struct vnode *directory, uint32_t event, uint32_t cookie, const char *name,
                     size_t length, bool is_directory);
uint32_t watch_new_cookie(void);
/* An open file; nothing of one that is in no file system. */
void watch_tell_file(const struct file *file, uint32_t event);
/* Names or uses have gone: what nobody but its watches has any more is told of. */
void watch_tell_gone(void);

#endif
