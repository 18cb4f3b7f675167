/* Links of a process to what it uses: exe, cwd, root, fd/N; and fdinfo/N. */
#include <base/string.h>
#include <kern/heap.h>
#include <subsys/procfs/procfs_private.h>
#include <subsys/vfs/pipe.h>

/* --- the program ------------------------------------------------------------------------------ */

hx_err procfs_follow_executable(const struct pseudo_node *node, struct location *target)
{
    *target = procfs_executable(procfs_process(node));
    return target->mount != NULL ? HX_OK : HX_ENOENT;
}

/* --- directories ------------------------------------------------------------------------------ */

typedef struct location (*place_of)(struct path_context *paths);

static hx_err find_place(const struct pseudo_node *node, place_of which, struct location *place)
{
    struct path_context *paths = procfs_paths(procfs_process(node));

    if (paths == NULL) {
        return HX_ENOENT;
    }
    *place = which(paths);
    path_context_put(paths);
    return HX_OK;
}

/* As the one who looks sees it. */
static hx_err add_path(struct text *text, const struct location *place)
{
    struct path_context *paths = process_current() != NULL ? process_current()->paths : NULL;
    char *path = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    hx_err error = path != NULL ? HX_ENOENT : HX_ENOMEM;

    if (path != NULL && paths != NULL) {
        error = path_text(paths, place, path, PATH_SIZE_MAX);
    }
    if (error == HX_OK) {
        text_add(text, "%s", path);
    }
    heap_free(path);
    return error;
}

static hx_err show_place(const struct pseudo_node *node, place_of which, struct text *text)
{
    struct location place;
    hx_err error = find_place(node, which, &place);

    if (error == HX_OK) {
        error = add_path(text, &place);
        location_put(&place);
    }
    return error;
}

hx_err procfs_show_current(const struct pseudo_node *node, struct text *text)
{
    return show_place(node, path_context_current, text);
}

hx_err procfs_follow_current(const struct pseudo_node *node, struct location *target)
{
    return find_place(node, path_context_current, target);
}

hx_err procfs_show_root(const struct pseudo_node *node, struct text *text)
{
    return show_place(node, path_context_root, text);
}

hx_err procfs_follow_root(const struct pseudo_node *node, struct location *target)
{
    return find_place(node, path_context_root, target);
}

/* --- descriptors ------------------------------------------------------------------------------ */

bool procfs_next_descriptor(const struct pseudo_node *node, uint32_t from, uint32_t *number)
{
    struct file_table *files = procfs_files(procfs_process(node));
    int next = -1;

    if (files != NULL) {
        next = from <= INT32_MAX ? file_table_next(files, (int)from) : -1;
        file_table_put(files);
    }
    *number = (uint32_t)next;
    return next >= 0;
}

/* The file behind a node of a descriptor, a reference; NULL. */
static struct file *find_file(struct process *process, uint32_t number)
{
    struct file_table *files = procfs_files(process);
    struct file *file = NULL;

    if (files != NULL) {
        file = number <= INT32_MAX ? file_table_find(files, (int)number) : NULL;
        file_table_put(files);
    }
    return file;
}

hx_err procfs_find_descriptor(const struct pseudo_node *node, uint32_t number, void **subject)
{
    struct file *file = find_file(procfs_process(node), number);

    *subject = NULL;
    if (file == NULL) {
        return HX_ENOENT;
    }
    file_put(file);
    return HX_OK;
}

uint32_t procfs_descriptor_mode(const struct pseudo_node *node)
{
    struct file *file = find_file(procfs_process(node), node->number);
    uint32_t mode = 0;

    if (file != NULL) {
        mode = (file_can_read(file) ? 0500U : 0U) | (file_can_write(file) ? 0300U : 0U);
        file_put(file);
    }
    return mode;
}

/* Where a file that was opened under this path is now, as far as that can be told. */
static void add_path_now(struct text *text, const struct file *file, char *name)
{
    static const struct credentials superuser;
    const struct path_walk walk = {process_current()->paths, &superuser, NULL};
    struct location found;
    hx_err error = path_find(&walk, file->path, PATH_FOLLOW, &found);
    bool is_same = false;

    if (error == HX_OK) {
        is_same = found.vnode == file->location.vnode;
        location_put(&found);
    }
    if (!is_same || path_resolve(&walk, file->path, name, PATH_SIZE_MAX) != HX_OK) {
        (void)string_copy(name, PATH_SIZE_MAX, file->path);
    }
    text_add(text, "%s%s", name, error == HX_ENOENT ? " (deleted)" : "");
}

static hx_err add_file(struct text *text, struct file *file)
{
    char *name = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);

    if (name == NULL) {
        return HX_ENOMEM;
    }
    if (file->path != NULL && process_current() != NULL) {
        add_path_now(text, file, name);
    } else {
        file_text(file, name, PATH_SIZE_MAX);
        text_add(text, "%s", name);
    }
    heap_free(name);
    return HX_OK;
}

hx_err procfs_show_descriptor(const struct pseudo_node *node, struct text *text)
{
    struct file *file = find_file(procfs_process(node), node->number);
    hx_err error = file != NULL ? add_file(text, file) : HX_ENOENT;

    file_put(file);
    return error;
}

/* A pipe is in no file system, but can be opened again by who may look into the process. */
static hx_err find_pipe(struct file *file, struct location *target)
{
    const struct process *self = process_current();
    hx_err error = pipe_location(file, target);

    if (error == HX_OK && self != NULL) {
        target->vnode->user = self->credentials.effective_user;
        target->vnode->group = self->credentials.effective_group;
    }
    return error;
}

hx_err procfs_follow_descriptor(const struct pseudo_node *node, struct location *target)
{
    struct file *file = find_file(procfs_process(node), node->number);
    hx_err error = HX_ENOENT;

    if (file != NULL && file->location.mount == NULL) {
        error = find_pipe(file, target);
    } else if (file != NULL) {
        *target = file->location;
        location_get(target);
        error = HX_OK;
    }
    file_put(file);
    return error;
}

hx_err procfs_show_descriptor_info(const struct pseudo_node *node, struct text *text)
{
    struct file *file = find_file(procfs_process(node), node->number);
    bool is_placed;

    if (file == NULL) {
        return HX_ENOENT;
    }
    is_placed = file->location.mount != NULL;
    /* Without the file's mutex: the file may be the very one that is being read. */
    text_add(text, "pos:\t%llu\nflags:\t0%o\nmnt_id:\t%u\nino:\t%llu\n",
             (unsigned long long)__atomic_load_n(&file->offset, __ATOMIC_RELAXED),
             (unsigned)atomic_load_explicit(&file->flags, memory_order_relaxed),
             (unsigned)(is_placed ? file->location.mount->id : 0),
             (unsigned long long)(is_placed ? file->location.vnode->number : 0));
    file_put(file);
    return HX_OK;
}
