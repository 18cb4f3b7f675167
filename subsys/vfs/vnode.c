#include <subsys/time/wall_clock.h>
#include <subsys/vfs/credentials.h>
#include <subsys/vfs/file_private.h>
#include <subsys/vfs/vnode.h>

void vnode_init(struct vnode *vnode, const struct vnode_ops *ops, struct file_system *file_system,
                uint64_t number, const struct vnode_making *making)
{
    uint64_t now = wall_clock_now();

    *vnode = (struct vnode){
        .ops = ops,
        .file_system = file_system,
        .references = 1,
        .type = making->type,
        .number = number,
        .device = making->device,
        .mode = making->mode & MODE_MASK,
        .user = making->user,
        .group = making->group,
        .links = 1,
        .times = {now, now, now},
    };
    mutex_init(&vnode->mutex, "vnode");
}

void vnode_end(struct vnode *vnode)
{
    if (vnode->ops->release != NULL) {
        vnode->ops->release(vnode);
    }
}

void vnode_put(struct vnode *vnode)
{
    if (vnode != NULL && vnode_drop(vnode)) {
        vnode_end(vnode);
    }
}

hx_err vnode_parent(struct vnode *directory, struct vnode **parent)
{
    hx_err error;

    if (directory->ops->parent == NULL) {
        return HX_ENOENT;
    }
    mutex_lock(&directory->mutex);
    error = directory->ops->parent(directory, parent);
    mutex_unlock(&directory->mutex);
    return error;
}

static void set_time(_Atomic uint64_t *time, uint64_t now)
{
    atomic_store_explicit(time, now, memory_order_relaxed);
}

void vnode_touch(struct vnode *vnode, unsigned times)
{
    uint64_t now = wall_clock_now();

    if ((times & VNODE_ACCESSED) != 0) {
        set_time(&vnode->times.accessed, now);
    }
    if ((times & VNODE_MODIFIED) != 0) {
        set_time(&vnode->times.modified, now);
    }
    if ((times & VNODE_CHANGED) != 0) {
        set_time(&vnode->times.changed, now);
    }
}

hx_err vnode_begin_writing(struct vnode *vnode)
{
    atomic_fetch_add_explicit(&vnode->writers, 1, memory_order_seq_cst);
    /* seq_cst, both: with its mirror image in who begins to run it, one of the two sees the other
     */
    if (atomic_load_explicit(&vnode->executors, memory_order_seq_cst) != 0) {
        vnode_end_writing(vnode);
        return HX_ETXTBSY;
    }
    return HX_OK;
}

void vnode_end_writing(struct vnode *vnode)
{
    /* release: who runs it then sees what was written */
    atomic_fetch_sub_explicit(&vnode->writers, 1, memory_order_release);
}

/* The three bits of the mode that count for somebody. */
static unsigned bits_for(const struct vnode *vnode, const struct credentials *who)
{
    if (who->effective_user == vnode->user) {
        return vnode->mode >> 6 & 7;
    }
    return credentials_in_group(who, vnode->group) ? vnode->mode >> 3 & 7 : vnode->mode & 7;
}

static bool root_may(const struct vnode *vnode, unsigned wanted)
{
    return (wanted & ACCESS_EXECUTE) == 0 || vnode->type == VNODE_DIRECTORY ||
           (vnode->mode & 0111) != 0;
}

hx_err vnode_may(const struct vnode *vnode, const struct credentials *who, unsigned wanted)
{
    bool may =
        credentials_are_root(who) ? root_may(vnode, wanted) : (wanted & ~bits_for(vnode, who)) == 0;

    return may ? HX_OK : HX_EACCES;
}
