/* From a text to an object: the walk. */
#include <base/memory.h>
#include <base/string.h>
#include <kern/heap.h>
#include <kern/read_section.h>
#include <subsys/vfs/name.h>
#include <subsys/vfs/path.h>

/* One walk under way. */
struct walker {
    const struct path_walk *walk;
    struct location here;   /* a directory until the last part; references */
    const char *rest;       /* of the path */
    char *text;             /* where rest is since the last symbolic link, from the heap; NULL */
    unsigned links;         /* followed so far */
    bool must_be_directory; /* a slash ended the path, or the last link's target */
    struct path_leaf *leaf; /* where to keep a last part that does not exist; NULL: nowhere */
};

/* The part at the front of the rest. */
struct part {
    const char *name;
    size_t length;
    bool is_last;       /* nothing but slashes follows */
    bool is_with_slash; /* a slash follows */
};

static HX_ALWAYS_INLINE const char *behind_slashes(const char *text)
{
    if (HX_LIKELY(*text == '/')) {
        do {
            text++;
        } while (HX_UNLIKELY(*text == '/'));
    }
    return text;
}

static void skip_slashes(struct walker *walker)
{
    walker->rest = behind_slashes(walker->rest);
}

static void take_part(struct walker *walker, struct part *part)
{
    struct name_scan scan = name_scan(walker->rest);

    part->name = walker->rest;
    part->length = (size_t)(scan.end - part->name);
    walker->rest = scan.end;
    part->is_with_slash = *walker->rest == '/';
    skip_slashes(walker);
    part->is_last = *walker->rest == '\0';
    walker->must_be_directory |= part->is_last && part->is_with_slash;
}

static bool is_dot(const struct part *part)
{
    return part->length == 1 && part->name[0] == '.';
}

static bool is_dot_dot(const struct part *part)
{
    return part->length == 2 && part->name[0] == '.' && part->name[1] == '.';
}

static struct location start_of(const struct path_walk *walk, bool is_absolute)
{
    struct location location;

    if (is_absolute) {
        return path_context_root(walk->context);
    }
    if (walk->base == NULL) {
        return path_context_current(walk->context);
    }
    location = *walk->base;
    location_get(&location);
    return location;
}

/* --- without locks -----------------------------------------------------------------------------
 */

/* How far a walk has come so: here is empty, or has references. */
struct reached {
    struct location here;
    const char *rest; /* of the path */
};

/* Where the walk starts, in a read section and without a reference.  See path_context_borrow. */
static HX_ALWAYS_INLINE bool borrow_start(const struct path_walk *walk, bool is_absolute,
                                          struct location *here)
{
    if (is_absolute || walk->base == NULL) {
        return path_context_borrow(walk->context, is_absolute, here);
    }
    *here = *walk->base;
    return true;
}

/* Down into what is mounted on a directory. */
static HX_NOINLINE struct location descend_unlocked(struct location here)
{
    struct mount *mount;

    while ((mount = location_mounted(&here)) != NULL) {
        here = (struct location){mount, mount->root};
    }
    return here;
}

/* The names of a directory that may be searched; NULL: others know. */
static HX_ALWAYS_INLINE const struct name_table *names_of(const struct vnode *directory,
                                                          const struct credentials *who)
{
    /* acquire: pairs with the release of who makes or enlarges the table */
    const struct name_table *names = atomic_load_explicit(&directory->names, memory_order_acquire);

    /* The superuser searches any directory. */
    return HX_LIKELY(credentials_are_root(who)) ||
                   vnode_may(directory, who, ACCESS_EXECUTE) == HX_OK
               ? names
               : NULL;
}

/* What a name stands for if it is no symbolic link: those are left to others.  NULL: others know.
 */
static HX_ALWAYS_INLINE struct vnode *find_unlocked(const struct name_table *names,
                                                    const char *name, const struct name_scan *scan)
{
    const struct name_entry *entry = name_find(names, name, scan);
    struct vnode *found;

    if (HX_UNLIKELY(entry == NULL)) {
        return NULL;
    }
    /* acquire: pairs with the release of who changes what an entry stands for */
    found = atomic_load_explicit(&entry->vnode, memory_order_acquire);
    return HX_LIKELY(found->type != VNODE_SYMLINK) ? found : NULL;
}

/*
 * Plain steps as far as they lead; answers the rest. Without a reference, a lock or an error: what
 * is left is for who has them. With keeps_last the last part is left, whatever it is.
 */
static HX_ALWAYS_INLINE const char *walk_unlocked(const struct credentials *who, const char *rest,
                                                  bool keeps_last, struct location *here)
{
    struct location at = *here;
    const struct name_table *names;

    while (*rest != '\0' && HX_LIKELY((names = names_of(at.vnode, who)) != NULL)) {
        struct name_scan scan = name_scan(rest);
        const char *next = behind_slashes(scan.end);
        struct vnode *found;

        if (keeps_last && *next == '\0') {
            break;
        }
        found = find_unlocked(names, rest, &scan);
        if (HX_LIKELY(found != NULL)) {
            at.vnode = found;
        } else if (*rest != '.' || scan.end - rest != 1) {
            break;
        }
        if (HX_UNLIKELY(vnode_mounted(at.vnode) != NULL)) {
            at = descend_unlocked(at);
        }
        rest = next;
    }
    *here = at;
    return rest;
}

/* The first part of a walk, in a read section: with no locks, and no references but those of where
 * it has led. */
static HX_ALWAYS_INLINE void reach(const struct path_walk *walk, const char *path, bool keeps_last,
                                   struct reached *reached)
{
    bool is_counted = false;
    uint32_t mounts;

    reached->rest = behind_slashes(path);
    read_enter();
    mounts = mounts_begin();
    if (HX_LIKELY(borrow_start(walk, *path == '/', &reached->here))) {
        reached->rest = walk_unlocked(walk->who, reached->rest, keeps_last, &reached->here);
        is_counted = location_try_get(&reached->here);
    } else {
        reached->here = (struct location){0}; /* not ours to put */
    }
    read_leave();
    if (HX_UNLIKELY(!is_counted || mounts_changed(mounts))) {
        location_put(&reached->here); /* something has gone meanwhile */
    }
}

/* Whether a walk has been done by then, but for a slash behind something else than a directory. */
static HX_ALWAYS_INLINE bool has_arrived(const struct vnode *vnode, const char *rest,
                                         unsigned flags)
{
    return HX_LIKELY(*rest == '\0') &&
           (vnode->type == VNODE_DIRECTORY || ((flags & PATH_DIRECTORY) == 0 && rest[-1] != '/'));
}

bool path_peek(const struct path_walk *walk, const char *path, unsigned flags,
               struct location *found)
{
    const char *rest = behind_slashes(path);

    if (HX_UNLIKELY(*path == '\0' || !borrow_start(walk, *path == '/', found))) {
        return false;
    }
    rest = walk_unlocked(walk->who, rest, false, found);
    return has_arrived(found->vnode, rest, flags);
}

bool path_find_plainly(const struct path_walk *walk, const char *path, struct location *found)
{
    const char *rest = behind_slashes(path);
    struct location here;
    bool is_counted = false;
    uint32_t mounts;

    read_enter();
    mounts = mounts_begin();
    if (HX_LIKELY(*path != '\0') && HX_LIKELY(borrow_start(walk, *path == '/', &here))) {
        rest = walk_unlocked(walk->who, rest, false, &here);
        *found = has_arrived(here.vnode, rest, 0) ? here : (struct location){0};
        is_counted = found->mount != NULL && location_try_get(found);
    } else {
        *found = (struct location){0};
    }
    read_leave();
    if (HX_UNLIKELY(!is_counted || mounts_changed(mounts))) {
        location_put(found); /* something has gone meanwhile, or more is to be done */
        return false;
    }
    return true;
}

/* Go on from there; from the start if nowhere was reached. */
static void begin(struct walker *walker, const struct path_walk *walk, const char *path,
                  const struct reached *reached, unsigned flags)
{
    *walker = (struct walker){.walk = walk,
                              .here = reached->here,
                              .rest = reached->rest,
                              .must_be_directory = (flags & PATH_DIRECTORY) != 0};
    if (reached->here.mount == NULL) {
        walker->here = start_of(walk, *path == '/');
        walker->rest = behind_slashes(path);
    } else if (*walker->rest == '\0' && walker->rest != path) {
        walker->must_be_directory |=
            walker->rest[-1] == '/' && walker->rest != behind_slashes(path);
    }
}

static void end(struct walker *walker)
{
    if (walker->here.mount != NULL) {
        location_put(&walker->here);
    }
    if (walker->text != NULL) {
        heap_free(walker->text);
    }
}

static bool is_root(struct walker *walker)
{
    struct location root = path_context_root(walker->walk->context);
    bool answer = root.mount == walker->here.mount && root.vnode == walker->here.vnode;

    location_put(&root);
    return answer;
}

/* ".." */
static hx_err step_up(struct walker *walker)
{
    struct vnode *parent;
    bool is_at_root;
    hx_err error;

    while (!(is_at_root = is_root(walker)) && location_ascend(&walker->here)) {
    }
    if (is_at_root || walker->here.vnode == walker->here.mount->root) {
        return HX_OK; /* the walk's root, or that of a mount that was detached */
    }
    error = vnode_parent(walker->here.vnode, &parent);
    if (error == HX_OK) {
        vnode_put(walker->here.vnode);
        walker->here.vnode = parent;
        location_descend(&walker->here);
    }
    return error;
}

/* Whether one may look for names here. */
static hx_err may_search(const struct walker *walker)
{
    if (walker->here.vnode->type != VNODE_DIRECTORY) {
        return HX_ENOTDIR;
    }
    return vnode_may(walker->here.vnode, walker->walk->who, ACCESS_EXECUTE);
}

static hx_err look_up(struct vnode *directory, const struct part *part, struct vnode **found)
{
    hx_err error;

    if (directory->ops->lookup == NULL) {
        return HX_ENOTDIR;
    }
    mutex_lock(&directory->mutex);
    error = directory->ops->lookup(directory, part->name, part->length, found);
    mutex_unlock(&directory->mutex);
    return error;
}

/* --- symbolic links --------------------------------------------------------------------------- */

/* Go on with the link's target and then the rest. A slash behind the link stays. */
static hx_err splice(struct walker *walker, const struct part *part, struct vnode *link)
{
    size_t rest = string_length(walker->rest);
    char *text = heap_allocate(PATH_SIZE_MAX, OWNER_CORE);
    size_t length = 0;
    hx_err error =
        text != NULL ? link->ops->read_link(link, text, PATH_SIZE_MAX, &length) : HX_ENOMEM;

    if (error == HX_OK && length + rest + 2 > PATH_SIZE_MAX) {
        error = HX_ENAMETOOLONG;
    }
    if (error == HX_OK && length == 0) {
        error = HX_ENOENT;
    }
    if (error != HX_OK) {
        heap_free(text);
        return error;
    }
    text[length] = '/';
    memcpy(text + length + 1, walker->rest, rest + 1);
    if (!part->is_with_slash) {
        text[length] = '\0';
    }
    heap_free(walker->text);
    walker->text = text;
    walker->rest = text;
    return HX_OK;
}

static hx_err follow_text(struct walker *walker, const struct part *part, struct vnode *link)
{
    hx_err error = splice(walker, part, link);

    if (error == HX_OK && *walker->rest == '/') {
        location_put(&walker->here);
        walker->here = path_context_root(walker->walk->context);
        skip_slashes(walker);
    }
    return error;
}

/* A link that knows its object. */
static hx_err follow_object(struct walker *walker, struct vnode *link)
{
    struct location target;
    hx_err error = link->ops->follow(link, &target.mount, &target.vnode);

    if (error == HX_OK) {
        location_put(&walker->here);
        walker->here = target;
    }
    return error;
}

/* Takes the reference of the link over. */
static hx_err follow(struct walker *walker, const struct part *part, struct vnode *link)
{
    hx_err error = HX_ELOOP;

    if (++walker->links <= PATH_LINKS_MAX) {
        error = link->ops->follow != NULL ? follow_object(walker, link)
                                          : follow_text(walker, part, link);
    }
    vnode_put(link);
    return error;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void keep_leaf(struct path_leaf *leaf, struct walker *walker, const struct part *part)
{
    leaf->wants_directory = part->is_with_slash || walker->must_be_directory;
    leaf->length = is_dot(part) || is_dot_dot(part) ? 0 : part->length;
    memcpy(leaf->name, part->name, leaf->length);
    leaf->name[leaf->length] = '\0';
    leaf->directory = walker->here;
    walker->here = (struct location){0};
}

static void enter(struct walker *walker, struct vnode *found)
{
    vnode_put(walker->here.vnode);
    walker->here.vnode = found;
    location_descend(&walker->here);
}

/* Whether a link is followed: in the middle of a path, before a slash, and at the end if asked. */
static bool is_to_follow(const struct part *part, unsigned flags)
{
    return !part->is_last || part->is_with_slash || (flags & PATH_FOLLOW) != 0;
}

static hx_err step(struct walker *walker, const struct part *part, unsigned flags)
{
    struct vnode *found;
    hx_err error = may_search(walker);

    if (error != HX_OK || is_dot(part)) {
        return error;
    }
    if (is_dot_dot(part)) {
        return step_up(walker);
    }
    if (part->length > VNODE_NAME_MAX) {
        return HX_ENAMETOOLONG;
    }
    error = look_up(walker->here.vnode, part, &found);
    if (error == HX_ENOENT && part->is_last && walker->leaf != NULL) {
        keep_leaf(walker->leaf, walker, part);
    }
    if (error != HX_OK) {
        return error;
    }
    if (found->type == VNODE_SYMLINK && is_to_follow(part, flags)) {
        return follow(walker, part, found);
    }
    enter(walker, found);
    return HX_OK;
}

static hx_err walk_all(struct walker *walker, unsigned flags)
{
    struct part part;
    hx_err error = HX_OK;

    while (*walker->rest != '\0' && error == HX_OK) {
        take_part(walker, &part);
        error = step(walker, &part, flags);
    }
    if (error == HX_OK && walker->must_be_directory &&
        walker->here.vnode->type != VNODE_DIRECTORY) {
        error = HX_ENOTDIR;
    }
    return error;
}

static HX_NOINLINE hx_err find_on(const struct path_walk *walk, const char *path,
                                  const struct reached *reached, unsigned flags,
                                  struct location *found, struct path_leaf *leaf)
{
    struct walker walker;
    hx_err error;

    begin(&walker, walk, path, reached, flags);
    walker.leaf = leaf;
    error = walk_all(&walker, flags);
    if (error == HX_OK) {
        *found = walker.here;
        walker.here = (struct location){0};
    }
    end(&walker);
    return error;
}

static HX_ALWAYS_INLINE hx_err find(const struct path_walk *walk, const char *path, unsigned flags,
                                    struct location *found, struct path_leaf *leaf)
{
    struct reached reached;

    if (HX_UNLIKELY(*path == '\0')) {
        return HX_ENOENT;
    }
    reach(walk, path, false, &reached);
    if (HX_UNLIKELY(reached.here.mount == NULL ||
                    !has_arrived(reached.here.vnode, reached.rest, flags))) {
        return find_on(walk, path, &reached, flags, found, leaf);
    }
    *found = reached.here;
    return HX_OK;
}

hx_err path_find(const struct path_walk *walk, const char *path, unsigned flags,
                 struct location *found)
{
    return find(walk, path, flags, found, NULL);
}

hx_err path_find_or_leaf(const struct path_walk *walk, const char *path, unsigned flags,
                         struct location *found, struct path_leaf *leaf)
{
    leaf->directory = (struct location){0};
    return find(walk, path, flags, found, leaf);
}

/* --- the last part ---------------------------------------------------------------------------- */

static hx_err walk_to_leaf(struct walker *walker, struct path_leaf *leaf)
{
    struct part part = {.name = "", .is_last = true};
    hx_err error = HX_OK;

    while (*walker->rest != '\0' && error == HX_OK) {
        take_part(walker, &part);
        if (part.is_last) {
            break;
        }
        error = step(walker, &part, 0);
    }
    if (error == HX_OK) {
        error = may_search(walker);
    }
    if (error == HX_OK && part.length > VNODE_NAME_MAX) {
        error = HX_ENAMETOOLONG;
    }
    if (error == HX_OK) {
        keep_leaf(leaf, walker, &part);
    }
    return error;
}

hx_err path_find_leaf(const struct path_walk *walk, const char *path, struct path_leaf *leaf)
{
    struct reached reached;
    struct walker walker;
    hx_err error;

    if (*path == '\0') {
        return HX_ENOENT;
    }
    reach(walk, path, true, &reached);
    begin(&walker, walk, path, &reached, 0);
    error = walk_to_leaf(&walker, leaf);
    end(&walker);
    return error;
}

void path_leaf_put(struct path_leaf *leaf)
{
    location_put(&leaf->directory);
}
