#include <base/format.h>
#include <kern/heap.h>
#include <subsys/tmpfs/memory_file.h>
#include <subsys/tmpfs/tmpfs_private.h>
#include <subsys/vfs/file.h>

#define TEXT_SIZE 300U /* of a label as /proc shows it, which adds that it has no name */

static void set_label(struct file *file, const char *label)
{
    char *text = heap_allocate(TEXT_SIZE, OWNER_CORE);

    if (text != NULL) {
        (void)format_text(text, TEXT_SIZE, "/memfd:%s", label);
        file_set_path(file, text);
    }
    heap_free(text);
}

/* In the root's mount, but in none of its directories. */
static hx_err make_nameless(const struct credentials *who, struct location *made)
{
    const struct vnode_making making = {.type = VNODE_FILE,
                                        .mode = 0777,
                                        .user = who->effective_user,
                                        .group = who->effective_group};
    struct vnode *vnode;
    hx_err error = HX_ENODEV;

    *made = mount_root_location();
    if (made->vnode->ops == &tmpfs_directory_ops) {
        error = tmpfs_node_create(tmpfs_of(made->vnode), &making, &vnode);
    }
    if (error != HX_OK) {
        location_put(made);
        return error;
    }
    atomic_store_explicit(&vnode->links, 0, memory_order_relaxed);
    vnode_put(made->vnode);
    made->vnode = vnode;
    return HX_OK;
}

hx_err memory_file_create(const char *label, uint32_t flags, const struct credentials *who,
                          owner_tag owner, struct file **file)
{
    struct location location;
    hx_err error = make_nameless(who, &location);

    if (error != HX_OK) {
        return error;
    }
    error = file_open_location(&location, flags | FILE_READ_WRITE, who, owner, file);
    location_put(&location);
    if (error == HX_OK) {
        set_label(*file, label);
    }
    return error;
}
