/* From a cpio archive to files. */
#include <base/string.h>
#include <kern/heap.h>
#include <subsys/tmpfs/tmpfs.h>
#include <subsys/tmpfs/tmpfs_private.h>
#include <subsys/vfs/path.h>

#define NS_PER_SECOND 1000000000ULL

/* A file that the archive has more names of. Numbers are good within one of the archives that
 * follow each other, so it is forgotten with its last name. */
struct joined {
    struct joined *next;
    struct location place; /* references */
    uint32_t ino;
    uint32_t names; /* still to come */
};

struct unpacking {
    struct path_walk walk;
    struct location *root;
    struct joined *joined; /* seen so far */
};

static const struct credentials superuser;

static enum vnode_type type_of(const struct cpio_entry *entry)
{
    return (enum vnode_type)(entry->mode >> 12 & 15);
}

static void take_attributes(struct vnode *vnode, const struct cpio_entry *entry)
{
    vnode->mode = entry->mode & MODE_MASK;
    vnode->user = entry->uid;
    vnode->group = entry->gid;
    vnode->times.modified = entry->mtime * NS_PER_SECOND;
}

/* The directories above a name, where the archive left them out. */
static hx_err make_parents(struct unpacking *unpacking, const char *name)
{
    const struct vnode_making making = {.type = VNODE_DIRECTORY, .mode = 0755};
    char path[PATH_SIZE_MAX / 4];
    hx_err error = HX_OK;

    for (const char *slash = string_find(name, '/'); slash != NULL && error == HX_OK;
         slash = string_find(slash + 1, '/')) {
        size_t length = (size_t)(slash - name);

        if (length == 0 || length >= sizeof(path)) {
            continue;
        }
        (void)string_copy(path, length + 1, name);
        error = path_make(&unpacking->walk, path, &making, NULL);
        error = error == HX_EEXIST ? HX_OK : error;
    }
    return error;
}

/* A name that exists already is replaced, except a directory, which gets the attributes. */
static hx_err make_again(struct unpacking *unpacking, const char *name,
                         const struct vnode_making *making, struct location *made)
{
    hx_err error;

    if (making->type == VNODE_DIRECTORY) {
        return path_find(&unpacking->walk, name, PATH_DIRECTORY, made);
    }
    error = path_unlink(&unpacking->walk, name);
    return error == HX_OK ? path_make(&unpacking->walk, name, making, made) : error;
}

static hx_err make_entry(struct unpacking *unpacking, const char *name,
                         const struct vnode_making *making, struct location *made)
{
    hx_err error = path_make(&unpacking->walk, name, making, made);

    if (error == HX_ENOENT) {
        error = make_parents(unpacking, name);
        if (error == HX_OK) {
            error = path_make(&unpacking->walk, name, making, made);
        }
    }
    return error == HX_EEXIST ? make_again(unpacking, name, making, made) : error;
}

/* The target of a link, which has no NUL in the archive. */
static hx_err copy_target(const struct cpio_entry *entry, char **target)
{
    *target = NULL;
    if (type_of(entry) != VNODE_SYMLINK) {
        return HX_OK;
    }
    if (entry->size >= PATH_SIZE_MAX) {
        return HX_ENAMETOOLONG;
    }
    *target = heap_allocate(entry->size + 1, OWNER_CORE);
    if (*target == NULL) {
        return HX_ENOMEM;
    }
    (void)string_copy(*target, entry->size + 1, entry->data);
    return HX_OK;
}

/* --- names of one object ---------------------------------------------------------------------- */

static struct joined *find_joined(const struct unpacking *unpacking, uint32_t ino)
{
    struct joined *joined = unpacking->joined;

    while (joined != NULL && joined->ino != ino) {
        joined = joined->next;
    }
    return joined;
}

static bool has_more_names(const struct cpio_entry *entry)
{
    return entry->nlink > 1 && type_of(entry) != VNODE_DIRECTORY;
}

static hx_err remember(struct unpacking *unpacking, const struct location *place,
                       const struct cpio_entry *entry)
{
    struct joined *joined = heap_allocate(sizeof(*joined), OWNER_CORE);

    if (joined == NULL) {
        return HX_ENOMEM;
    }
    *joined = (struct joined){unpacking->joined, *place, entry->ino, entry->nlink - 1};
    location_get(&joined->place);
    unpacking->joined = joined;
    return HX_OK;
}

static void forget(struct unpacking *unpacking, struct joined *joined)
{
    struct joined **link = &unpacking->joined;

    while (*link != joined) {
        link = &(*link)->next;
    }
    *link = joined->next;
    location_put(&joined->place);
    heap_free(joined);
}

static void forget_all(struct unpacking *unpacking)
{
    while (unpacking->joined != NULL) {
        forget(unpacking, unpacking->joined);
    }
}

/* A further name of an object that has been made. */
static hx_err join_name(struct unpacking *unpacking, const char *name, struct joined *joined,
                        struct location *made)
{
    hx_err error = path_link(&unpacking->walk, &joined->place, &unpacking->walk, name);

    if (error == HX_ENOENT) {
        error = make_parents(unpacking, name);
        if (error == HX_OK) {
            error = path_link(&unpacking->walk, &joined->place, &unpacking->walk, name);
        }
    }
    if (error == HX_EEXIST) {
        error = path_unlink(&unpacking->walk, name);
        if (error == HX_OK) {
            error = path_link(&unpacking->walk, &joined->place, &unpacking->walk, name);
        }
    }
    if (error == HX_OK) {
        *made = joined->place;
        location_get(made);
        if (--joined->names == 0) {
            forget(unpacking, joined);
        }
    }
    return error;
}

/* Make an object, or give the one there is another name. */
static hx_err make_or_join(struct unpacking *unpacking, const struct cpio_entry *entry,
                           const char *name, const struct vnode_making *making,
                           struct location *made)
{
    struct joined *joined = has_more_names(entry) ? find_joined(unpacking, entry->ino) : NULL;
    hx_err error;

    if (joined != NULL && joined->place.vnode->type == making->type) {
        return join_name(unpacking, name, joined, made);
    }
    error = make_entry(unpacking, name, making, made);
    if (error == HX_OK && has_more_names(entry)) {
        error = remember(unpacking, made, entry);
        if (error != HX_OK) {
            location_put(made);
        }
    }
    return error;
}

/* --- entries ---------------------------------------------------------------------------------- */

static hx_err unpack_entry(struct unpacking *unpacking, const struct cpio_entry *entry,
                           const char *name)
{
    struct vnode_making making = {
        .type = type_of(entry),
        .mode = entry->mode & MODE_MASK,
        .device = (uint64_t)entry->rdev_major << 32 | entry->rdev_minor,
    };
    struct location made;
    char *target;
    hx_err error = copy_target(entry, &target);

    if (error != HX_OK) {
        return error;
    }
    making.target = target;
    error = make_or_join(unpacking, entry, name, &making, &made);
    heap_free(target);
    if (error != HX_OK) {
        return error;
    }
    if (making.type == VNODE_FILE && entry->size > 0) {
        tmpfs_node_set_backing(made.vnode, entry->data, entry->size);
    }
    take_attributes(made.vnode, entry);
    location_put(&made);
    return HX_OK;
}

/* "./bin/sh", "/bin/sh" and "bin/sh" are one name; "." is the root. */
static const char *plain_name(const char *name)
{
    while (*name == '/' || (name[0] == '.' && (name[1] == '/' || name[1] == '\0'))) {
        name++;
    }
    return name;
}

static hx_err unpack_all(struct unpacking *unpacking, struct cpio_archive archive)
{
    struct cpio_reader reader;
    struct cpio_entry entry;
    hx_err error;

    cpio_open(&reader, archive);
    while ((error = cpio_next(&reader, &entry)) == HX_OK) {
        const char *name = plain_name(entry.name);

        if (*name == '\0') {
            take_attributes(unpacking->root->vnode, &entry);
            continue;
        }
        error = unpack_entry(unpacking, &entry, name);
        if (error != HX_OK) {
            return error;
        }
    }
    return error == HX_ENOENT ? HX_OK : error;
}

hx_err tmpfs_unpack(struct location *root, struct cpio_archive archive, const char **why)
{
    struct path_context *context;
    struct unpacking unpacking = {.root = root};
    hx_err error = path_context_create(&context);

    if (error == HX_OK) {
        unpacking.walk = (struct path_walk){context, &superuser, root};
        error = unpack_all(&unpacking, archive);
        forget_all(&unpacking);
        path_context_put(context);
    }
    *why = NULL;
    if (error != HX_OK) {
        *why = error == HX_EFORMAT ? "the archive is damaged" : hx_error_text(error);
    }
    return error;
}
