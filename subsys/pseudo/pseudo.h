/*
 * Pseudo file systems: trees whose files have no bytes of their own, but are texts that the kernel
 * writes when somebody reads them.
 *
 * Rules:
 * - A tree is described by constant tables: a row for each file, link and directory that is always
 *   there (pseudo_entry), and a family for those that are numbered and come and go (processes,
 *   descriptors).
 * - An object's vnode is made at each look-up and holds its directory's; nothing is kept of one
 * that nobody has open. Nothing can be mounted on a directory in such a tree, therefore.
 * - The text of an open file is written at its first read and again at each read of its beginning:
 *   what is read in pieces belongs together.
 * - Functions of rows are called without locks but the open file's or the directory's own; they may
 *   block. They write into a buffer that may be too small, and are called again with a larger one.
 */
#ifndef SUBSYS_PSEUDO_PSEUDO_H
#define SUBSYS_PSEUDO_PSEUDO_H

#include <base/text.h>
#include <helix/attributes.h>
#include <helix/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <subsys/vfs/mount.h>
#include <subsys/vfs/vnode.h>

#define PSEUDO_STORE_MAX 4096U /* bytes of one write */

struct pseudo_entry;
struct pseudo_node;

#define PSEUDO_NAME_MAX 32U /* of a family's member, with the NUL */

/* Members of a directory that have numbers, and are called by them, with something before it, or
 * have names. */
struct pseudo_family {
    const char *prefix;                /* "" or "cpu" */
    const struct pseudo_entry *member; /* what each of them is */
    /* The lowest number at or above `from`; false: there is none. */
    bool (*next)(const struct pseudo_node *directory, uint32_t from, uint32_t *number);
    /* Whether there is that one; *subject is what the node keeps of it.  Errors: HX_ENOENT. */
    hx_err (*find)(const struct pseudo_node *directory, uint32_t number, void **subject);
    void (*put)(void *subject); /* NULL: nothing is to be given back */
    /* What the member of a number is called; false: it is gone. NULL: prefix and number. */
    bool (*name)(uint32_t number, char name[PSEUDO_NAME_MAX]);
};

struct pseudo_entry {
    const char *name; /* NULL ends a table */
    enum vnode_type type;
    uint32_t mode;
    /* What the file contains, or where the link leads. */
    hx_err (*show)(const struct pseudo_node *node, struct text *text);
    /* Take what was written: length bytes, and a NUL behind them. NULL: it cannot be written. */
    hx_err (*store)(const struct pseudo_node *node, const char *text, size_t length);
    /* Of a link that leads straight to an object, a reference. NULL: by its text. */
    hx_err (*follow)(const struct pseudo_node *node, struct location *target);
    /* Give an open file that has no text operations of its own (file->ops, context). NULL: text. */
    hx_err (*open)(const struct pseudo_node *node, struct file *file);
    const void *context;                 /* for these functions */
    const struct pseudo_entry *children; /* of a directory; NULL: none */
    const struct pseudo_family *family;  /* of a directory; NULL: none */
    bool is_guarded;                     /* type->guard is asked before it is shown or followed */
    const char *meaning;                 /* for people */
};

/* The commonest rows: a file that is only read; a directory that everybody may list. */
#define PSEUDO_FILE(file_name, file_mode, function, text)                                          \
    {                                                                                              \
        .name = (file_name), .type = VNODE_FILE, .mode = (file_mode), .show = (function),          \
        .meaning = (text)                                                                          \
    }
#define PSEUDO_DIRECTORY(directory_name, rows)                                                     \
    {                                                                                              \
        .name = (directory_name), .type = VNODE_DIRECTORY, .mode = 0555, .children = (rows)        \
    }

struct pseudo_type {
    uint64_t magic;
    const struct pseudo_entry *root;
    /* Whether what the node shows is still there. NULL: always.  Errors: HX_ESRCH. */
    hx_err (*check)(const struct pseudo_node *node);
    /* Whether the calling process may see what is guarded. NULL: it may.  Errors: HX_EACCES. */
    hx_err (*guard)(const struct pseudo_node *node);
    /* Whether the calling process may read or write a file. Asked when it is opened for that, and
     * again at each read and write. NULL: by the mode alone.  Errors: HX_EACCES, … */
    hx_err (*admit)(const struct pseudo_node *node, bool is_write);
    /* Set user, group and, if it depends, mode of the node's vnode. NULL: root's. */
    void (*attributes)(struct pseudo_node *node);
    bool has_fixed_names; /* as in struct vnode_ops */
};

/* Keys: I = immutable */
struct pseudo_node {
    struct vnode vnode;
    const struct pseudo_entry *entry;   /* I */
    const struct pseudo_family *family; /* I  that it is a member of; NULL */
    struct pseudo_node *parent;         /* I  a reference; NULL: the root */
    uint32_t number;                    /* I  of a member */
    void *subject;                      /* I  of a member */
};

static inline struct pseudo_node *pseudo_node_of(struct vnode *vnode)
{
    return HX_CONTAINER_OF(vnode, struct pseudo_node, vnode);
}

/* The nearest node on the way up (itself too) that is a member of a family; NULL. */
const struct pseudo_node *pseudo_member(const struct pseudo_node *node,
                                        const struct pseudo_family *family);

/* For the mount function of a file system's type.  Errors: HX_EINVAL options, HX_ENOMEM. */
HX_MUST_USE hx_err pseudo_mount(const struct pseudo_type *type, const char *data,
                                struct file_system **file_system);

/* The whole text of a node, from the heap; *length is without the NUL.  Errors: HX_ENOMEM, and
 * those of the entry's show. */
HX_MUST_USE hx_err pseudo_text(const struct pseudo_node *node, char **bytes, size_t *length);

#endif
