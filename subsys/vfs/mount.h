/*
 * File systems and where they are mounted.
 *
 * Rules:
 * - A mount covers one directory where one other mount shows it; where a bind shows the same
 * directory, it is not covered. So mounts are a tree, and a path that leads down ends.
 * - A later mount covers an earlier one. A directory that nothing covers costs a path walk one
 * load.
 * - A file system in use (a file open, a directory somebody's current one) is not unmounted, unless
 *   detached: it then goes when the last user does.
 */
#ifndef SUBSYS_VFS_MOUNT_H
#define SUBSYS_VFS_MOUNT_H

#include <base/list.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct file_system;
struct vnode;

struct file_system_numbers {
    uint64_t magic;
    uint64_t block_size;
    uint64_t blocks, blocks_free;
    uint64_t files, files_free;
    uint64_t name_max;
};

struct file_system_ops {
    void (*numbers)(struct file_system *file_system, struct file_system_numbers *numbers);
    /* All that was written is where it stays. NULL: it is.  Errors: HX_EIO, HX_ENOSPC. */
    hx_err (*sync)(struct file_system *file_system);
    /* The last mount and vnode are gone: free it. */
    void (*release)(struct file_system *file_system);
};

/* Embedded in what a file system keeps. */
struct file_system {
    const struct file_system_ops *ops;
    const struct file_system_type *type;
    struct vnode *root; /* a reference, given up when the last mount goes */
    uint64_t device;    /* st_dev */
    struct mutex rename_mutex;
    _Atomic uint32_t mounts; /* that show it */
    bool is_read_only;
};

struct file_system_type {
    const char *name;
    bool
        needs_device; /* its source is a block device; /proc/filesystems shows "nodev" for others */
    /* data is the text of mount options, "" for none.  Errors: HX_EINVAL an option, HX_ENOMEM, … */
    hx_err (*mount)(const char *source, const char *data, struct file_system **file_system);
    struct list link;
};

void file_system_type_register(struct file_system_type *type);
/* In order of registration: NULL first, NULL at the end. */
const struct file_system_type *file_system_type_next(const struct file_system_type *type);

/* NULL: there is none of that name. */
const struct file_system_type *file_system_type_find(const char *name);

/* A number for a file system without a device. */
uint64_t file_system_device(void);

enum mount_flags { /* Linux's numbers (mount(2)) */
                   MOUNT_READ_ONLY = 1,
                   MOUNT_NO_SET_ID = 2,
                   MOUNT_NO_DEVICES = 4,
                   MOUNT_NO_EXECUTE = 8,
                   MOUNT_REMOUNT = 32,
                   MOUNT_BIND = 4096,
                   MOUNT_MOVE = 8192,
};

struct mount {
    struct file_system *file_system;
    struct vnode *root;             /* shown at the mount point (of a bind mount: any directory) */
    _Atomic(struct mount *) parent; /* NULL: the root of everything, or detached */
    struct vnode *covered;          /* the directory in parent; a reference of both */
    _Atomic(struct mount *) beside; /* what covers the directory, too: the one before this */
    uint32_t flags;
    uint32_t id;
    char source[64];
    _Atomic uint32_t users; /* locations that refer to it */
    struct list link;
};

/*
 * Walks without locks. A walk that begins in a read section with mounts_begin, and whose last place
 * has been counted by location_try_get when mounts_changed says no, has met no mount that was on
 * its way out of the tree. What it has seen of mounts stays in memory as long as the section.
 */
extern _Atomic uint32_t mounts_sequence; /* odd while a mount leaves */

static inline uint32_t mounts_begin(void)
{
    /* acquire: what it then sees of mounts is not older */
    return atomic_load_explicit(&mounts_sequence, memory_order_acquire);
}

static inline bool mounts_changed(uint32_t begun)
{
    /* seq_cst: pairs with uncover in mount.c; either that sees the walk's count of the mount,
     * or this sees that it has begun */
    return (begun & 1) != 0 ||
           atomic_load_explicit(&mounts_sequence, memory_order_seq_cst) != begun;
}

/* A place in the tree of files. */
struct location {
    struct mount *mount;
    struct vnode *vnode;
};

void location_get(struct location *location);
/* Gives both references up, and forgets them. An empty location is allowed. */
void location_put(struct location *location);

bool location_is_read_only(const struct location *location);

/* Mount the first file system: the root of everything.  Errors: as mount_add. */
HX_MUST_USE hx_err mount_root(const char *type);
/* The root of everything, a reference. */
struct location mount_root_location(void);

/* Errors: HX_ENODEV no such type, HX_ENOTDIR, HX_ENOENT the target has been removed, HX_EINVAL its
 * mount has been detached, what the type's mount answers. */
HX_MUST_USE hx_err mount_add(const char *source, struct location *target, const char *type,
                             uint32_t flags, const char *data);
/*
 * Show what is at from also at target, which may be the same.  Errors: HX_ENOTDIR one of them is a
 * directory; HX_ENOENT the target has been removed; HX_EINVAL its mount has been detached;
 * HX_ENOMEM.
 */
HX_MUST_USE hx_err mount_bind(struct location *from, struct location *target);
HX_MUST_USE hx_err mount_change(struct location *target, uint32_t flags);
/* Errors: HX_EINVAL not a mount's root, HX_EBUSY in use. */
HX_MUST_USE hx_err mount_remove(struct location *target, bool is_detached);

/* Have all file systems write what they keep back.  Errors: the first one. */
HX_MUST_USE hx_err mount_sync_all(void);
/* One of them. */
HX_MUST_USE hx_err file_system_sync(struct file_system *file_system);

/* Call back for each mount, oldest first, under the list's mutex. */
void mount_for_each(bool (*callback)(const struct mount *mount, void *argument), void *argument);

/* What covers the place, the latest; NULL: nothing. It stays in memory as long as the caller's read
 * section. */
struct mount *location_mounted(const struct location *location);

/* From a directory down into what is mounted on it, and from a mount's root up to where it is
 * mounted; the location changes, references with it. */
void location_descend(struct location *location);
bool location_ascend(struct location *location);

#endif
