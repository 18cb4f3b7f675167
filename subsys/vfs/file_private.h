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

/* Relaxed: counts. */
extern _Atomic uint64_t files_opened;
extern _Atomic uint64_t files_alive;

/* A file as the name of its mappings. */
void file_get_mapping(struct mapping_name *name);
void file_put_mapping(struct mapping_name *name);
void file_mapping_text(const struct mapping_name *name, char *buffer, size_t size);

/* Fill in a file of no place, with one reference. One after the other: what is stored at once is
 * made elsewhere first. */
static HX_ALWAYS_INLINE void file_init(struct file *file, const struct file_ops *ops,
                                       uint32_t flags, owner_tag owner)
{
    uint32_t access = flags & FILE_ACCESS_MASK;
    bool is_path = (flags & FILE_PATH) != 0;

    file->ops = ops;
    atomic_init(&file->references, 1);
    atomic_init(&file->flags, flags);
    file->can_read = access != FILE_WRITE_ONLY && !is_path;
    file->can_write = access != FILE_READ_ONLY && !is_path;
    file->location.mount = NULL;
    file->location.vnode = NULL;
    mutex_init(&file->mutex, "file");
    file->offset = 0;
    file->context = NULL;
    file->path = NULL;
    file->has_own_path = false;
    file->owner = owner;
    atomic_init(&file->has_lock, false);
    atomic_init(&file->members, NULL);
    file->mapping.get = file_get_mapping;
    file->mapping.put = file_put_mapping;
    file->mapping.text = file_mapping_text;
    atomic_fetch_add_explicit(&files_opened, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&files_alive, 1, memory_order_relaxed);
}

/* A program that runs is not written, one that is being written not run.  Errors: HX_ETXTBSY. */
HX_MUST_USE hx_err vnode_begin_writing(struct vnode *vnode);
void vnode_end_writing(struct vnode *vnode);

/* Change the size of a file.  Errors: those of ops->resize, HX_EINVAL it has none. */
HX_MUST_USE hx_err file_vnode_resize(struct vnode *vnode, uint64_t size);

#endif
