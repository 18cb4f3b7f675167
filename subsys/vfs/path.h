/*
 * Paths: from a text to an object and back.
 *
 * Rules:
 * - A walk starts at the root or at a base directory, follows symbolic links (at most
 * PATH_LINKS_MAX), crosses mounts, and never leaves the process's root. Search permission is
 * checked in each directory.
 * - Context: thread, may block.
 */
#ifndef SUBSYS_VFS_PATH_H
#define SUBSYS_VFS_PATH_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/spinlock.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/credentials.h>
#include <subsys/vfs/mount.h>
#include <subsys/vfs/vnode.h>

#define PATH_SIZE_MAX  4096U /* with the NUL */
#define PATH_LINKS_MAX 40U

/* A place that is read without its lock. A NULL mount: it is not lent, as its file system may free
 * vnodes that are still being looked at (vnode_ops.are_retired). */
struct lent_location {
    _Atomic(struct mount *) mount;
    _Atomic(struct vnode *) vnode;
};

/* What a process's paths depend on; shared by threads, and by processes with CLONE_FS. */
struct path_context {
    _Atomic uint32_t references;
    struct spinlock lock; /* of root and current; taken for a moment to copy them */
    struct location root;
    struct location current;
    _Atomic uint32_t umask;
    /* The same two places for walks without locks. */
    _Atomic uint32_t sequence; /* changes, by two, with each of them; odd meanwhile */
    struct lent_location lent_root, lent_current;
};

HX_MUST_USE hx_err path_context_create(struct path_context **context); /* root of everything */
HX_MUST_USE hx_err path_context_copy(struct path_context *from, struct path_context **to);
struct path_context *path_context_get(struct path_context *context);
void path_context_put(struct path_context *context);
/* Change root or current directory; the reference moves in. */
void path_context_set_root(struct path_context *context, struct location location);
void path_context_set_current(struct path_context *context, struct location location);
struct location path_context_root(struct path_context *context);    /* a reference */
struct location path_context_current(struct path_context *context); /* a reference */

/*
 * In a read section: root or current directory without a reference, as long as the section. false:
 * it is not lent, or just being changed.
 */
HX_MUST_USE static HX_ALWAYS_INLINE bool
path_context_borrow(struct path_context *context, bool is_root, struct location *location)
{
    const struct lent_location *place = is_root ? &context->lent_root : &context->lent_current;
    /* acquire, all: pair with the releases in path_context.c. Who sees something of a change sees
     * that the sequence has changed. */
    uint32_t sequence = atomic_load_explicit(&context->sequence, memory_order_acquire);

    location->mount = atomic_load_explicit(&place->mount, memory_order_acquire);
    location->vnode = atomic_load_explicit(&place->vnode, memory_order_acquire);
    return HX_LIKELY(location->mount != NULL) && HX_LIKELY((sequence & 1) == 0) &&
           HX_LIKELY(atomic_load_explicit(&context->sequence, memory_order_relaxed) == sequence);
}

/* Who walks. */
struct path_walk {
    struct path_context *context;
    const struct credentials *who;
    const struct location *base; /* where a relative path starts; NULL: the current directory */
};

enum path_flags {
    PATH_FOLLOW = 1,    /* a symbolic link at the end is followed */
    PATH_DIRECTORY = 2, /* it must be a directory: HX_ENOTDIR */
};

/*
 * Find what a path names. *found has references on success.
 * Errors: HX_ENOENT, HX_ENOTDIR, HX_EACCES, HX_ELOOP, HX_ENAMETOOLONG, HX_ENOMEM.
 */
HX_MUST_USE hx_err path_find(const struct path_walk *walk, const char *path, unsigned flags,
                             struct location *found);

/*
 * In a read section: what a path names, without a reference, as long as the section; false:
 * path_find is to be asked. Who takes references of what was found (location_try_get) also asks
 * mounts_changed.  Context: thread, does not block.
 */
HX_MUST_USE bool path_peek(const struct path_walk *walk, const char *path, unsigned flags,
                           struct location *found);

/*
 * Find what a path names if no more than plain names lead there: with references, but no locks.
 * false: path_find is to be asked.
 */
HX_MUST_USE bool path_find_plainly(const struct path_walk *walk, const char *path,
                                   struct location *found);

/* The last part of a path, and the directory it is in. */
struct path_leaf {
    struct location directory;
    char name[VNODE_NAME_MAX + 1];
    size_t length;        /* 0: the path names the root, "." or ".." */
    bool wants_directory; /* it ended with a slash */
};

/*
 * Find what a path names, or where it could be made: when only its last part does not exist (with
 * PATH_FOLLOW: that of the last link's target), the answer is HX_ENOENT and leaf->directory is not
 * empty. An empty leaf is put, too, in any case.
 * Errors: as path_find.
 */
HX_MUST_USE hx_err path_find_or_leaf(const struct path_walk *walk, const char *path, unsigned flags,
                                     struct location *found, struct path_leaf *leaf);

/*
 * Find the directory of a path's last part, which need not exist.
 * Errors: as path_find.
 */
HX_MUST_USE hx_err path_find_leaf(const struct path_walk *walk, const char *path,
                                  struct path_leaf *leaf);
void path_leaf_put(struct path_leaf *leaf);

/*
 * The absolute path of a directory, seen from the context's root, "(unreachable)" in front of one
 * outside.  Errors: HX_ERANGE it needs more than size bytes, HX_ENOENT it has been removed.
 */
HX_MUST_USE hx_err path_text(struct path_context *context, const struct location *directory,
                             char *buffer, size_t size);

/*
 * The absolute path of what a path names now, free of symbolic links, "." and "..".
 * Errors: those of path_find and path_text.
 */
HX_MUST_USE hx_err path_resolve(const struct path_walk *walk, const char *path, char *buffer,
                                size_t size);

/* --- what changes names, with all checks of permissions ----------------------------------------
 */

/* Errors: those of path_find, HX_EEXIST, HX_EROFS, HX_EACCES, HX_ENOSPC. made may be NULL. */
HX_MUST_USE hx_err path_make(const struct path_walk *walk, const char *path,
                             const struct vnode_making *making, struct location *made);
/* The same in a directory that has been found. */
HX_MUST_USE hx_err path_make_leaf(const struct path_leaf *leaf, const struct credentials *who,
                                  const struct vnode_making *making, struct vnode **made);
HX_MUST_USE hx_err path_link(const struct path_walk *walk, struct location *target,
                             const struct path_walk *to_walk, const char *to);
/* Errors: HX_EISDIR (of a directory), HX_EPERM sticky, HX_EBUSY a mount point. */
HX_MUST_USE hx_err path_unlink(const struct path_walk *walk, const char *path);
HX_MUST_USE hx_err path_remove_directory(const struct path_walk *walk, const char *path);

enum rename_flags { RENAME_NO_REPLACE = 1, RENAME_EXCHANGE = 2 };
HX_MUST_USE hx_err path_rename(const struct path_walk *from_walk, const char *from,
                               const struct path_walk *to_walk, const char *to, unsigned flags);

#endif
