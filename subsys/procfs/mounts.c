/* /proc/PID/mounts and mountinfo. */
#include <base/string.h>
#include <kern/heap.h>
#include <subsys/procfs/procfs_private.h>

/* A list of mounts being written. */
struct listing {
    struct text *text;
    struct path_context *paths; /* as seen from there */
    char *path;                 /* PATH_SIZE_MAX bytes */
};

/* What separates fields is written in octal. */
static void add_escaped(struct text *text, const char *name)
{
    for (; *name != '\0'; name++) {
        if (string_find(" \t\n\\", *name) != NULL) {
            text_add(text, "\\%03o", (unsigned)(unsigned char)*name);
        } else {
            text_add_bytes(text, name, 1);
        }
    }
}

/* A field is not empty: who reads it counts fields. */
static void add_source(struct text *text, const struct mount *mount)
{
    add_escaped(text, mount->source[0] != '\0' ? mount->source : "none");
}

/* Where it is mounted; false: outside of what the process sees. */
static bool find_path(const struct listing *listing, const struct mount *mount)
{
    const struct location place = {(struct mount *)(uintptr_t)mount, mount->root};

    return path_text(listing->paths, &place, listing->path, PATH_SIZE_MAX) == HX_OK &&
           listing->path[0] == '/';
}

static const char *access_of(const struct mount *mount)
{
    return (mount->flags & MOUNT_READ_ONLY) != 0 ? "ro" : "rw";
}

static void add_options(struct text *text, const struct mount *mount)
{
    text_add(text, "%s%s%s%s", access_of(mount),
             (mount->flags & MOUNT_NO_SET_ID) != 0 ? ",nosuid" : "",
             (mount->flags & MOUNT_NO_DEVICES) != 0 ? ",nodev" : "",
             (mount->flags & MOUNT_NO_EXECUTE) != 0 ? ",noexec" : "");
}

static bool add_mount(const struct mount *mount, void *argument)
{
    const struct listing *listing = argument;
    struct text *text = listing->text;

    if (find_path(listing, mount)) {
        add_source(text, mount);
        text_add(text, " ");
        add_escaped(text, listing->path);
        text_add(text, " %s ", mount->file_system->type->name);
        add_options(text, mount);
        text_add(text, " 0 0\n");
    }
    return true;
}

static bool add_mount_information(const struct mount *mount, void *argument)
{
    const struct listing *listing = argument;
    const struct mount *parent = atomic_load_explicit(&mount->parent, memory_order_relaxed);
    struct text *text = listing->text;

    if (find_path(listing, mount)) {
        text_add(text, "%u %u 0:%u / ", (unsigned)mount->id,
                 (unsigned)(parent != NULL ? parent->id : 0), (unsigned)mount->file_system->device);
        add_escaped(text, listing->path);
        text_add(text, " ");
        add_options(text, mount);
        text_add(text, " - %s ", mount->file_system->type->name);
        add_source(text, mount);
        text_add(text, " %s\n", access_of(mount));
    }
    return true;
}

/* The paths are written under the list's mutex: references taken meanwhile would make a mount look
 * as if it were in use. */
static hx_err show(const struct pseudo_node *node, struct text *text,
                   bool (*add)(const struct mount *mount, void *argument))
{
    struct listing listing = {.text = text, .paths = procfs_paths(procfs_process(node))};

    if (listing.paths == NULL) {
        return HX_OK; /* it has ended */
    }
    listing.path = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    if (listing.path != NULL) {
        mount_for_each(add, &listing);
    }
    path_context_put(listing.paths);
    heap_free(listing.path);
    return listing.path != NULL ? HX_OK : HX_ENOMEM;
}

hx_err procfs_show_mounts(const struct pseudo_node *node, struct text *text)
{
    return show(node, text, add_mount);
}

hx_err procfs_show_mount_information(const struct pseudo_node *node, struct text *text)
{
    return show(node, text, add_mount_information);
}
