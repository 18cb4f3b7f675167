/* What the files of a mounted file system share. */
#ifndef SUBSYS_MOUNTED_MOUNTED_PRIVATE_H
#define SUBSYS_MOUNTED_MOUNTED_PRIVATE_H

#include <base/tree.h>
#include <core/gate/loan.h>
#include <core/gate/slot.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <helix/file_system.h>
#include <kern/mutex.h>
#include <stdbool.h>
#include <stdint.h>
#include <subsys/vfs/file.h>
#include <subsys/vfs/mount.h>
#include <subsys/vfs/vnode.h>

struct forgotten;

/* Keys: I = immutable, M = mutex */
struct mounted {
    struct file_system file_system;
    struct slot *slot;    /* I */
    struct slot *witness; /* I */
    struct mutex mutex; /* who calls the module, and the nodes. Behind vnodes' and objects' mutexes:
                           with it held, neither is locked and no user memory touched */
    struct tree nodes;  /* M  by number of inode */
    uint64_t flags;     /* M  for the module's mount: enum hx_file_system_flag */
    struct forgotten *forgotten; /* M  removed files that are still to be given back */
    uint64_t believed_until;     /* M  until then no error of the module's is doubted */
    uint64_t alone_until;        /* M  until then the witness is not asked */
    uint32_t disagreements;      /* M  in a row, of the two */
};

/* Keys: I = immutable, V = the vnode's mutex, M = mounted.mutex, A = atomic */
struct mounted_node {
    struct vnode vnode;
    struct tree_node place;   /* M */
    struct mounted *mounted;  /* I */
    _Atomic uint64_t sectors; /* A */
    _Atomic bool is_stale;    /* A  size of a directory and sectors are to be asked for */
    _Atomic bool is_changed;  /* A  the module does not know all attributes yet */
    _Atomic bool is_writable; /* A  a program may write its pages through a mapping */
    uint32_t revived;         /* M  releases that are under way, but whose vnode was found again */
};

static inline struct mounted_node *mounted_node_of(struct vnode *vnode)
{
    return HX_CONTAINER_OF(vnode, struct mounted_node, vnode);
}

static inline struct mounted *mounted_of(const struct vnode *vnode)
{
    return HX_CONTAINER_OF(vnode->file_system, struct mounted, file_system);
}

/* --- answer.c: with mounted->mutex held ---------------------------------------------------------
 */

/*
 * Whether an error is none that the operation can have, or one that the module says the disk is to
 * blame for, while the disk and its cache had no trouble, or another one. An instance that answers
 * so is not asked any more; what the next one answers to the same call counts.
 */
bool mounted_is_doubtful(const struct mounted *mounted, enum file_system_operation operation,
                         hx_err error, hx_err trouble);

/* What the two have answered. */
void mounted_end_doubt(struct mounted *mounted, hx_err first, hx_err second);

/* --- witness.c: with mounted->mutex held --------------------------------------------------------
 *
 * While the slot "witness" has an instance, each call is made of it first, in a transaction that is
 * taken back. Its answer, what it told and what it wrote have to be the other one's.
 */

struct opinion {
    hx_err error;
    uint32_t told;    /* digest of the bytes that were lent to be filled */
    uint64_t written; /* digest of the transaction */
};

/* False: there is no witness, or it does not answer. */
bool mounted_ask_witness(struct mounted *mounted, uint32_t operation, const uint64_t arguments[4],
                         struct opinion *opinion);

/* What the call that has just been made came to; in its transaction. */
struct opinion mounted_opinion(hx_err error);

bool mounted_agree(struct mounted *mounted, const struct opinion *one, const struct opinion *other);

/* Nobody knows which of the two is right: both end, and the call is to be made again, of those that
 * follow them. */
void mounted_end_both(struct mounted *mounted);

/* --- call.c: all with mounted->mutex held -------------------------------------------------------
 */

/*
 * Call the module, in a transaction of the disk's cache.
 * Errors: what it answers, HX_EIO it cannot be reached or answers what is no error.
 */
HX_MUST_USE hx_err mounted_call(struct mounted *mounted, enum file_system_operation operation,
                                uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);

/* The same until it answers something else than that there is more to do. */
HX_MUST_USE hx_err mounted_call_on(struct mounted *mounted, enum file_system_operation operation,
                                   uint64_t a0, uint64_t a1);

/* The module's mount, and what is there then. */
HX_MUST_USE hx_err mounted_call_mount(struct mounted *mounted,
                                      struct hx_file_system_mounted *answer);

/* --- node.c -------------------------------------------------------------------------------------
 */

/* The vnode of what the module has told of, a reference; mutex held.  Errors: HX_EIO it cannot be,
 * HX_ENOMEM. */
HX_MUST_USE hx_err mounted_node_get(struct mounted *mounted,
                                    const struct hx_file_attributes *attributes,
                                    struct vnode **found);

/* The vnode of an inode if there is one, no reference; mutex held. */
struct mounted_node *mounted_node_find(struct mounted *mounted, uint64_t number);

/* Tell the module the attributes of all nodes that have changed, and write pages that programs may
 * have written.  Errors: the first one. */
HX_MUST_USE hx_err mounted_write_nodes(struct mounted *mounted);

/* Tell it those of one.  mutex held. */
HX_MUST_USE hx_err mounted_write_attributes(struct mounted_node *node);

hx_err mounted_attributes_changed(struct vnode *vnode);
void mounted_refresh(struct vnode *vnode);
uint64_t mounted_sectors(const struct vnode *vnode);
void mounted_release(struct vnode *vnode);

/* --- contents.c ---------------------------------------------------------------------------------
 */

/* Give a new node of a file its object.  Errors: HX_ENOMEM. */
HX_MUST_USE hx_err mounted_contents_create(struct mounted_node *node);

/* Write the pages of a file that programs may have written; mutex held, and no program has the file
 * any more, or (the other) not held, with the vnode's mutex. */
HX_MUST_USE hx_err mounted_contents_write_last(struct mounted_node *node);
HX_MUST_USE hx_err mounted_contents_write(struct mounted_node *node);

extern const struct vnode_ops mounted_file_ops;

/* --- forgotten.c -------------------------------------------------------------------------------
 */

/* Have the module give back a removed file that nobody has open; mutex held. When it cannot be
 * reached, or dies of it, the file is kept for the next call of mounted_forget_again. */
void mounted_forget(struct mounted *mounted, uint64_t number);

/* Ask again for those that are left, once each, until one fails again. The mutex is not held. */
void mounted_forget_again(struct mounted *mounted);

/* Nobody can be asked any more: the file system goes. */
void mounted_forget_end(struct mounted *mounted);

/* --- directory.c, mount.c -----------------------------------------------------------------------
 */

extern const struct vnode_ops mounted_directory_ops;
extern const struct vnode_ops mounted_link_ops;
extern const struct vnode_ops mounted_special_ops;

/* All that was written is on the disk, in order for who looks.  Errors: HX_EIO, HX_ENOSPC. */
HX_MUST_USE hx_err mounted_sync(struct mounted *mounted);

#endif
