/* What the files of tmpfs share. */
#ifndef SUBSYS_TMPFS_TMPFS_PRIVATE_H
#define SUBSYS_TMPFS_TMPFS_PRIVATE_H

#include <helix/attributes.h>
#include <helix/error.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/mount.h>
#include <subsys/vfs/name.h>
#include <subsys/vfs/retire.h>
#include <subsys/vfs/vnode.h>

#define TMPFS_MAGIC 0x01021994U

/* Beside the table of names in the vnode. All under the directory's mutex. */
struct tmpfs_directory {
    struct vnode *parent;        /* not counted; itself for the root, NULL once removed */
    struct name_entry **entries; /* by position; NULL: a hole */
    uint32_t *holes;             /* positions that are free, hole_count of them */
    uint32_t capacity;           /* of entries and holes */
    uint32_t end;                /* positions in use, holes included */
    uint32_t hole_count;
    uint32_t count;
};

/* Data that was there at boot. */
struct tmpfs_backing {
    const char *bytes;
    _Atomic uint64_t size; /* under the vnode's mutex to write; it only shrinks */
};

struct tmpfs_node {
    struct vnode vnode;
    struct retired retired;
    union {
        struct tmpfs_directory directory;
        struct tmpfs_backing backing; /* of a file */
        char *target;                 /* of a symbolic link */
    };
};

struct tmpfs {
    struct file_system file_system;
    _Atomic uint64_t last_number;
    _Atomic uint64_t pages; /* of files */
    uint64_t page_limit;
    _Atomic uint64_t nodes;
    uint64_t node_limit;
};

extern const struct vnode_ops tmpfs_directory_ops;
extern const struct vnode_ops tmpfs_file_ops;
extern const struct vnode_ops tmpfs_link_ops;
extern const struct vnode_ops tmpfs_special_ops;

static inline struct tmpfs_node *tmpfs_node_of(struct vnode *vnode)
{
    return HX_CONTAINER_OF(vnode, struct tmpfs_node, vnode);
}

static inline struct tmpfs *tmpfs_of(const struct vnode *vnode)
{
    return HX_CONTAINER_OF(vnode->file_system, struct tmpfs, file_system);
}

/* Make an object without a name, one reference.  Errors: HX_ENOMEM,
 * HX_ENOSPC. */
HX_MUST_USE hx_err tmpfs_node_create(struct tmpfs *tmpfs, const struct vnode_making *making,
                                     struct vnode **made);

/* Give a file contents that lie in memory for ever; nothing was written to it yet. */
void tmpfs_node_set_backing(struct vnode *vnode, const void *bytes, uint64_t size);

/* --- directories; all under the directory's mutex -----------------------------------------------
 */

struct name_entry *tmpfs_directory_find(const struct tmpfs_directory *directory, const char *name,
                                        size_t length);
/* The object of an entry. */
static inline struct vnode *tmpfs_entry_vnode(const struct name_entry *entry)
{
    return atomic_load_explicit(&entry->vnode, memory_order_relaxed);
}
/* Have an entry name another object. */
static inline void tmpfs_entry_set(struct name_entry *entry, struct vnode *vnode)
{
    /* release: pairs with the acquire of walks without locks (path.c) */
    atomic_store_explicit(&entry->vnode, vnode, memory_order_release);
}
/* Add a name that is not there; the entry takes a reference of the vnode.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err tmpfs_directory_add(struct tmpfs_directory *directory, const char *name,
                                       size_t length, struct vnode *vnode);
/* Remove an entry; its reference becomes the caller's. */
void tmpfs_directory_remove(struct tmpfs_directory *directory, struct name_entry *entry);
/* Give up the memory of a directory whose entries' references have been given up. */
void tmpfs_directory_fini(struct tmpfs_directory *directory);

#endif
