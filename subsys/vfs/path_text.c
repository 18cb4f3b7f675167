/* From a directory to its path. */
#include <base/memory.h>
#include <base/string.h>
#include <kern/heap.h>
#include <stdbool.h>
#include <subsys/vfs/path.h>

/* A text that grows from the end of a buffer to its front. */
struct backwards {
    char *buffer;
    size_t start;
};

static hx_err put_front(struct backwards *text, const char *bytes, size_t length)
{
    if (length > text->start) {
        return HX_ERANGE;
    }
    text->start -= length;
    memcpy(text->buffer + text->start, bytes, length);
    return HX_OK;
}

struct number_search {
    uint64_t number;
    char *name;
    bool is_found;
};

static bool is_number(const struct directory_entry *entry, void *argument)
{
    struct number_search *search = argument;

    if (entry->number != search->number) {
        return true;
    }
    memcpy(search->name, entry->name, entry->length);
    search->name[entry->length] = '\0';
    search->is_found = true;
    return false;
}

static hx_err name_in(struct vnode *parent, struct vnode *directory, char *name)
{
    struct number_search search = {.number = directory->number, .name = name};
    hx_err error;

    if (directory->ops->own_name != NULL) {
        return directory->ops->own_name(directory, name, VNODE_NAME_MAX + 1);
    }
    if (parent->ops->read_directory == NULL) {
        return HX_ENOENT;
    }
    mutex_lock(&parent->mutex);
    error = parent->ops->read_directory(parent, 2, is_number, &search);
    mutex_unlock(&parent->mutex);
    return error == HX_OK && !search.is_found ? HX_ENOENT : error;
}

/* Put "/name" of a directory in front, and go to its parent. */
static hx_err climb(struct location *here, struct backwards *text)
{
    char name[VNODE_NAME_MAX + 1];
    struct vnode *parent;
    hx_err error = vnode_parent(here->vnode, &parent);

    if (error != HX_OK) {
        return error;
    }
    error = parent == here->vnode ? HX_ENOENT : name_in(parent, here->vnode, name);
    if (error == HX_OK) {
        error = put_front(text, name, string_length(name));
    }
    if (error == HX_OK) {
        error = put_front(text, "/", 1);
    }
    vnode_put(here->vnode);
    here->vnode = parent;
    return error;
}

static hx_err climb_to(const struct location *root, struct location *here, struct backwards *text)
{
    hx_err error = HX_OK;

    while (error == HX_OK && (here->vnode != root->vnode || here->mount != root->mount)) {
        if (location_ascend(here)) {
            continue;
        }
        if (here->vnode == here->mount->root) {
            return put_front(text, "(unreachable)", 13);
        }
        error = climb(here, text);
    }
    return error;
}

hx_err path_text(struct path_context *context, const struct location *directory, char *buffer,
                 size_t size)
{
    struct backwards text = {buffer, size};
    struct location root = path_context_root(context);
    struct location here = *directory;
    hx_err error = put_front(&text, "", 1);

    location_get(&here);
    if (error == HX_OK) {
        error = climb_to(&root, &here, &text);
    }
    if (error == HX_OK && text.start == size - 1) {
        error = put_front(&text, "/", 1);
    }
    if (error == HX_OK) {
        memmove(buffer, buffer + text.start, size - text.start);
    }
    location_put(&here);
    location_put(&root);
    return error;
}

/* --- what a path comes to --------------------------------------------------------------------- */

/* A path on its way to being one without links: text, from a directory on. */
struct resolution {
    const struct path_walk *walk;
    struct location base; /* a reference; empty: where the walk starts */
    char *text;           /* PATH_SIZE_MAX bytes */
    bool is_done;
};

/* "directory/name" into the resolution's text. */
static hx_err text_of_leaf(struct resolution *resolution, const struct path_leaf *leaf)
{
    hx_err error =
        path_text(resolution->walk->context, &leaf->directory, resolution->text, PATH_SIZE_MAX);
    size_t length = error == HX_OK ? string_length(resolution->text) : 0;

    if (error != HX_OK) {
        return error;
    }
    if (resolution->text[length - 1] != '/') {
        resolution->text[length++] = '/';
    }
    return length < PATH_SIZE_MAX &&
                   string_copy(resolution->text + length, PATH_SIZE_MAX - length, leaf->name)
               ? HX_OK
               : HX_ERANGE;
}

static hx_err text_of_link(struct resolution *resolution, struct vnode *link)
{
    size_t length;
    hx_err error = link->ops->read_link(link, resolution->text, PATH_SIZE_MAX - 1, &length);

    if (error == HX_OK) {
        error = length < PATH_SIZE_MAX ? HX_OK : HX_ENAMETOOLONG;
    }
    if (error == HX_OK) {
        resolution->text[length] = '\0';
    }
    return error;
}

/* The leaf's object is a directory, a link to go on with, or it is at its end. */
static hx_err resolve_found(struct resolution *resolution, struct path_leaf *leaf,
                            const struct location *found)
{
    if (found->vnode->type == VNODE_SYMLINK) {
        /* One that leads straight to its object says what that is called. */
        resolution->is_done = found->vnode->ops->follow != NULL;
        location_put(&resolution->base);
        resolution->base = leaf->directory;
        location_get(&resolution->base);
        return text_of_link(resolution, found->vnode);
    }
    resolution->is_done = true;
    if (found->vnode->type == VNODE_DIRECTORY) {
        return path_text(resolution->walk->context, found, resolution->text, PATH_SIZE_MAX);
    }
    return text_of_leaf(resolution, leaf);
}

static hx_err resolve_step(struct resolution *resolution)
{
    const struct path_walk *walk = resolution->walk;
    const struct path_walk from = {walk->context, walk->who,
                                   resolution->base.mount != NULL ? &resolution->base : walk->base};
    struct path_walk in = {walk->context, walk->who, NULL};
    struct path_leaf leaf;
    struct location found;
    hx_err error = path_find_leaf(&from, resolution->text, &leaf);

    if (error != HX_OK) {
        return error;
    }
    in.base = leaf.length > 0 ? &leaf.directory : from.base;
    error = path_find(&in, leaf.length > 0 ? leaf.name : resolution->text, 0, &found);
    if (error == HX_OK) {
        error = resolve_found(resolution, &leaf, &found);
        location_put(&found);
    }
    path_leaf_put(&leaf);
    return error;
}

hx_err path_resolve(const struct path_walk *walk, const char *path, char *buffer, size_t size)
{
    struct resolution resolution = {.walk = walk};
    hx_err error = HX_OK;

    resolution.text = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    if (resolution.text == NULL) {
        return HX_ENOMEM;
    }
    if (!string_copy(resolution.text, PATH_SIZE_MAX, path)) {
        error = HX_ENAMETOOLONG;
    }
    for (unsigned links = 0; error == HX_OK && !resolution.is_done; links++) {
        error = links <= PATH_LINKS_MAX ? resolve_step(&resolution) : HX_ELOOP;
    }
    if (error == HX_OK && !string_copy(buffer, size, resolution.text)) {
        error = HX_ERANGE;
    }
    location_put(&resolution.base);
    heap_free(resolution.text);
    return error;
}
