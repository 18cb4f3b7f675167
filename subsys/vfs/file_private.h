/* Shared between file.c and file_open.c. */
#ifndef SUBSYS_VFS_FILE_PRIVATE_H
#define SUBSYS_VFS_FILE_PRIVATE_H

#include <subsys/vfs/file.h>

/* Flags that are no property of an open file. */
#define FILE_ONLY_AT_OPEN                                                                          \
    (FILE_CREATE | FILE_EXCLUSIVE | FILE_NO_TERMINAL | FILE_TRUNCATE | FILE_CLOSE_ON_EXEC |        \
     FILE_NO_FOLLOW)

/* Files with contents in a memory object; directories; files that were opened to name a place. */
extern const struct file_ops file_object_ops;
extern const struct file_ops file_directory_ops;
extern const struct file_ops file_path_ops;

/* An open file of a place, opened by its path, absolute, of so many bytes (NULL: there is none
 * yet). NULL: no memory. */
struct file *file_create_named(const struct file_ops *ops, uint32_t flags, const char *path,
                               size_t length, owner_tag owner);

/* A program that runs is not written, one that is being written not run.  Errors: HX_ETXTBSY. */
HX_MUST_USE hx_err vnode_begin_writing(struct vnode *vnode);
void vnode_end_writing(struct vnode *vnode);

/* Change the size of a file.  Errors: those of ops->resize, HX_EINVAL it has none. */
HX_MUST_USE hx_err file_vnode_resize(struct vnode *vnode, uint64_t size);

#endif
