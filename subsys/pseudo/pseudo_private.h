/* What the files of this folder share. */
#ifndef SUBSYS_PSEUDO_PSEUDO_PRIVATE_H
#define SUBSYS_PSEUDO_PSEUDO_PRIVATE_H

#include <subsys/pseudo/pseudo.h>

struct pseudo_system {
    struct file_system file_system;
    const struct pseudo_type *type;
};

static inline const struct pseudo_type *pseudo_type_of(const struct pseudo_node *node)
{
    return HX_CONTAINER_OF(node->vnode.file_system, struct pseudo_system, file_system)->type;
}

/* Errors: HX_ESRCH what the node shows is gone. */
static inline hx_err pseudo_check(const struct pseudo_node *node)
{
    const struct pseudo_type *type = pseudo_type_of(node);

    return type->check != NULL ? type->check(node) : HX_OK;
}

/* Errors: those of type->admit. */
static inline hx_err pseudo_admit(const struct pseudo_node *node, bool is_write)
{
    const struct pseudo_type *type = pseudo_type_of(node);

    return type->admit != NULL ? type->admit(node, is_write) : HX_OK;
}

/* Errors: HX_EACCES. */
static inline hx_err pseudo_guard(const struct pseudo_node *node)
{
    const struct pseudo_type *type = pseudo_type_of(node);

    return node->entry->is_guarded && type->guard != NULL ? type->guard(node) : HX_OK;
}

/* vnode_ops.open of files. */
hx_err pseudo_open(struct vnode *vnode, struct file *file);

#endif
