/*
 * Vnode: one object of a file system, whatever kind it is (Kleiman 1986).
 *
 * Rules:
 * - Reference counted; who looks one up gets a reference. ops->release is called at the last put.
 * - The attributes here are the file system's truth as long as the vnode lives; changing them takes
 *   the vnode's mutex. Reading single words without it is allowed (they are atomic enough to be
 *   shown).
 * - A directory's operations that change names are called with the directory's mutex held; rename
 *   with both directories' and the file system's rename mutex. The order of mutexes is from the
 *   root of the tree downwards.
 * - Names given to operations are 1 to VNODE_NAME_MAX bytes, not "." or "..", without '/'.
 * - Context: thread, may block.
 */
#ifndef SUBSYS_VFS_VNODE_H
#define SUBSYS_VFS_VNODE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <kern/mutex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/mount.h>

struct file;
struct file_system;
struct memory_object;
struct mount;
struct name_table;
struct vnode;

#define VNODE_NAME_MAX 255U

/* Numbers are those of the type bits in POSIX's st_mode >> 12. */
enum vnode_type {
    VNODE_FIFO = 1,
    VNODE_CHARACTER = 2,
    VNODE_DIRECTORY = 4,
    VNODE_BLOCK = 6,
    VNODE_FILE = 8,
    VNODE_SYMLINK = 10,
    VNODE_SOCKET = 12,
};

#define MODE_SET_USER  04000U
#define MODE_SET_GROUP 02000U
#define MODE_STICKY    01000U
#define MODE_MASK      07777U

/* Nanoseconds since 1970; relaxed, each for itself. */
struct vnode_times {
    _Atomic uint64_t accessed;
    _Atomic uint64_t modified;
    _Atomic uint64_t changed;
};

/* What a new object is to be. */
struct vnode_making {
    enum vnode_type type;
    uint32_t mode; /* permissions only */
    uint32_t user;
    uint32_t group;
    uint64_t device;    /* of device nodes */
    const char *target; /* of symbolic links */
};

/* Called for each entry of a directory; answers whether to go on. position is where to begin to get
 * the entries after this one. */
struct directory_entry {
    const char *name;
    size_t length;
    uint64_t number;
    enum vnode_type type;
    uint64_t position;
};
typedef bool (*directory_emit)(const struct directory_entry *entry, void *argument);

/* NULL operations: HX_EPERM for those that change, HX_ENOTDIR for lookup, as said otherwise. */
struct vnode_ops {
    /* Find a name; a reference.  Errors: HX_ENOENT, HX_ENOMEM. */
    hx_err (*lookup)(struct vnode *directory, const char *name, size_t length,
                     struct vnode **found);
    /* Make an object under a free name.  Errors: HX_EEXIST, HX_ENOSPC, HX_ENOMEM. */
    hx_err (*make)(struct vnode *directory, const char *name, size_t length,
                   const struct vnode_making *making, struct vnode **made);
    hx_err (*link)(struct vnode *directory, const char *name, size_t length, struct vnode *target);
    /* Remove a name (of a directory: an empty one).  Errors: HX_ENOENT, HX_ENOTEMPTY. */
    hx_err (*unlink)(struct vnode *directory, const char *name, size_t length,
                     struct vnode *target);
    /* Move; what stands at the new name is replaced (checked by the caller to be replaceable). With
     * exchange both names change places. */
    hx_err (*rename)(struct vnode *from, const char *old_name, size_t old_length, struct vnode *to,
                     const char *new_name, size_t new_length, bool exchange);
    /* Entries after position (0: the first), "." and ".." not included: their positions are 1
     * and 2. */
    hx_err (*read_directory)(struct vnode *directory, uint64_t position, directory_emit emit,
                             void *argument);
    /* The parent directory of a directory, a reference; the root answers itself. Called with the
     * directory's mutex, or with a child of it locked that keeps it from being removed and the file
     * system's rename mutex. */
    hx_err (*parent)(struct vnode *directory, struct vnode **parent);
    /* Under which name its parent has a directory, cut to size. NULL: looked for by number. */
    hx_err (*own_name)(struct vnode *directory, char *name, size_t size);
    /* Where bytes lie that no page of contents holds yet, from offset on; *size says how many.
     * NULL: a hole. Valid as long as the vnode.  No operation: all are holes. */
    const void *(*backing)(struct vnode *vnode, uint64_t offset, uint64_t *size);
    /* The target of a symbolic link: at most size bytes, no NUL; *length is its whole length. */
    hx_err (*read_link)(struct vnode *link, char *target, size_t size, size_t *length);
    /* A link that leads straight to an object (/proc/PID/fd/N, exe, cwd). NULL: by its text. */
    hx_err (*follow)(struct vnode *link, struct mount **mount, struct vnode **target);
    /* Prepare an open file: sets file->ops (and context). NULL: by the vnode's type and object. */
    hx_err (*open)(struct vnode *vnode, struct file *file);
    /* Change the size of a file.  Errors: HX_EFBIG, HX_ENOSPC. */
    hx_err (*resize)(struct vnode *vnode, uint64_t size);
    /* Attributes were changed (times, mode, owner): write them where they are kept. NULL: they are
     * kept here. */
    hx_err (*attributes_changed)(struct vnode *vnode);
    /* Bring attributes up to date before they are read (/proc). NULL: they are. */
    void (*refresh)(struct vnode *vnode);
    /* How many sectors of 512 bytes it takes; who has this has refresh, too. NULL: its pages in
     * memory, which are all of its data. */
    uint64_t (*sectors)(const struct vnode *vnode);
    /* The last reference is gone. */
    void (*release)(struct vnode *vnode);
    /* A name that a directory does not have is not to be had: who wants to make it hears HX_ENOENT,
     * whatever else is wrong (/proc). */
    bool has_fixed_names;
    /* Vnodes of this file system, and tables of names, are freed only when read sections that could
     * know them have ended. */
    bool are_retired;
};

/* Keys: I = immutable, A = atomic, M = the vnode's mutex, V = mounting (mount.c) */
struct vnode {
    const struct vnode_ops *ops;     /* I */
    struct file_system *file_system; /* I */
    _Atomic uint32_t references;     /* A */
    enum vnode_type type;            /* I */
    uint64_t number;                 /* I  st_ino */
    uint64_t device;                 /* I  of a device node: major << 32 | minor */
    uint32_t mode;                   /* M  MODE_MASK */
    uint32_t user;                   /* M */
    uint32_t group;                  /* M */
    _Atomic uint32_t links;          /* M  to write */
    _Atomic uint64_t size;           /* M  to write */
    struct vnode_times times;        /* M */
    struct memory_object *contents;  /* I  of a file whose bytes can be mapped; NULL */
    struct mutex mutex;
    _Atomic(struct mount *) mounted; /* V  the latest of those that cover this directory, NULL */
    /* M  to write; of a directory that has all its names in memory, for walks without locks, which
     * then have the vnode's memory as ops->are_retired says. NULL: lookup is to be asked */
    _Atomic(struct name_table *) names;
    _Atomic uint32_t writers;   /* A  open for writing */
    _Atomic uint32_t executors; /* A  programs that run it */
    void *context;              /* the file system's */
};

/* Fill in a vnode with one reference; times are now. */
void vnode_init(struct vnode *vnode, const struct vnode_ops *ops, struct file_system *file_system,
                uint64_t number, const struct vnode_making *making);

static inline struct vnode *vnode_get(struct vnode *vnode)
{
    atomic_fetch_add_explicit(&vnode->references, 1, memory_order_relaxed);
    return vnode;
}

/* The latest that covers a directory, wherever it is shown; NULL. */
static inline struct mount *vnode_mounted(const struct vnode *directory)
{
    /* acquire: pairs with the release in mount.c */
    return atomic_load_explicit(&directory->mounted, memory_order_acquire);
}

/* In a read section, of a vnode that a walk has found: false when its last reference has gone. */
HX_MUST_USE static inline bool vnode_try_get(struct vnode *vnode)
{
    uint32_t count = atomic_load_explicit(&vnode->references, memory_order_relaxed);

    while (count != 0 &&
           !atomic_compare_exchange_weak_explicit(&vnode->references, &count, count + 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return count != 0;
}

/* In a read section, of a place found without references. false: one of the two has gone, and what
 * is left of the location is to be put after the section. */
HX_MUST_USE static inline bool location_try_get(struct location *location)
{
    uint32_t users = atomic_load_explicit(&location->mount->users, memory_order_relaxed);

    /* seq_cst: see mounts_changed */
    while (HX_LIKELY(users != 0) &&
           !atomic_compare_exchange_weak_explicit(&location->mount->users, &users, users + 1,
                                                  memory_order_seq_cst, memory_order_relaxed)) {
    }
    if (HX_UNLIKELY(users == 0)) {
        *location = (struct location){0};
        return false;
    }
    if (HX_UNLIKELY(!vnode_try_get(location->vnode))) {
        location->vnode = NULL;
        return false;
    }
    return true;
}

/* NULL is allowed. */
void vnode_put(struct vnode *vnode);
/* Give a reference up; whether it was the last, and vnode_end is left to the caller. */
static inline bool vnode_drop(struct vnode *vnode)
{
    /* acq_rel: what other holders did comes before the release of the object */
    return atomic_fetch_sub_explicit(&vnode->references, 1, memory_order_acq_rel) == 1;
}
/* ops->release. */
void vnode_end(struct vnode *vnode);

/*
 * The parent of a directory, a reference; the root of a file system answers itself.
 * Context: thread, may block.  Errors: HX_ENOENT it has been removed, or knows none.
 */
HX_MUST_USE hx_err vnode_parent(struct vnode *directory, struct vnode **parent);

enum vnode_time {
    VNODE_ACCESSED = 1,
    VNODE_MODIFIED = 2,
    VNODE_CHANGED = 4,
};
/* Set the named times to now. */
void vnode_touch(struct vnode *vnode, unsigned times);

struct credentials;

/*
 * Whether these credentials may do that (ACCESS_*, credentials.h) with the object, by its mode. The
 * superuser may, except execute a file nobody may execute.  Errors: HX_EACCES.
 */
HX_MUST_USE hx_err vnode_may(const struct vnode *vnode, const struct credentials *who,
                             unsigned wanted);

#endif
