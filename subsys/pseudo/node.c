/* The tree: finding and listing what the tables say. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <kern/heap.h>
#include <subsys/pseudo/pseudo_private.h>
#include <subsys/vfs/path.h>

/* Positions in a directory: 1 and 2 are the dots, then the rows, then a family's numbers. */
#define FIRST_ROW    3U
#define FIRST_NUMBER 1024U

static const struct vnode_ops directory_ops;
static const struct vnode_ops fixed_directory_ops;
static const struct vnode_ops file_ops;
static const struct vnode_ops link_ops;
static const struct vnode_ops straight_link_ops;

/* --- life ------------------------------------------------------------------------------------- */

static const struct vnode_ops *ops_of(const struct pseudo_entry *entry,
                                      const struct pseudo_type *type)
{
    switch (entry->type) {
    case VNODE_DIRECTORY:
        return type->has_fixed_names ? &fixed_directory_ops : &directory_ops;
    case VNODE_SYMLINK:
        return entry->follow != NULL ? &straight_link_ops : &link_ops;
    default:
        return &file_ops;
    }
}

static void refresh(struct vnode *vnode)
{
    struct pseudo_node *node = pseudo_node_of(vnode);
    const struct pseudo_type *type = pseudo_type_of(node);

    if (type->attributes != NULL) {
        type->attributes(node);
    }
}

/* Takes references of the parent; the subject moves in. */
static hx_err node_create(struct file_system *file_system, struct pseudo_node *parent,
                          const struct pseudo_entry *entry, uint64_t number,
                          struct pseudo_node **made)
{
    const struct vnode_making making = {.type = entry->type, .mode = entry->mode};
    const struct pseudo_type *type =
        HX_CONTAINER_OF(file_system, struct pseudo_system, file_system)->type;
    struct pseudo_node *node = heap_allocate_zeroed(sizeof(*node), OWNER_CORE);

    if (node == NULL) {
        return HX_ENOMEM;
    }
    vnode_init(&node->vnode, ops_of(entry, type), file_system, number, &making);
    atomic_init(&node->vnode.links, entry->type == VNODE_DIRECTORY ? 2 : 1);
    node->entry = entry;
    node->parent = parent;
    if (parent != NULL) {
        vnode_get(&parent->vnode);
    }
    *made = node;
    return HX_OK;
}

static void release(struct vnode *vnode)
{
    struct pseudo_node *node = pseudo_node_of(vnode);
    struct pseudo_node *parent = node->parent;

    if (node->family != NULL && node->family->put != NULL) {
        node->family->put(node->subject);
    }
    heap_free(node);
    if (parent != NULL) {
        vnode_put(&parent->vnode);
    }
}

const struct pseudo_node *pseudo_member(const struct pseudo_node *node,
                                        const struct pseudo_family *family)
{
    while (node != NULL && node->family != family) {
        node = node->parent;
    }
    return node;
}

/* The number of what stands at a position of a directory: the same at each look-up. */
static uint64_t number_at(const struct pseudo_node *directory, uint64_t position)
{
    uint64_t mixed = (directory->vnode.number ^ position) * 0x9e3779b97f4a7c15ULL;

    return (mixed ^ mixed >> 29) & INT64_MAX;
}

/* --- finding ---------------------------------------------------------------------------------- */

static bool is_called(const char *wanted, const char *name, size_t length)
{
    return string_length(wanted) == length && memcmp(wanted, name, length) == 0;
}

static hx_err find_row(struct pseudo_node *directory, const char *name, size_t length,
                       struct pseudo_node **found)
{
    const struct pseudo_entry *rows = directory->entry->children;

    for (uint32_t i = 0; rows != NULL && rows[i].name != NULL; i++) {
        if (is_called(rows[i].name, name, length)) {
            return node_create(directory->vnode.file_system, directory, &rows[i],
                               number_at(directory, FIRST_ROW + i), found);
        }
    }
    return HX_ENOENT;
}

/* A decimal number without leading zeros. */
static bool read_number(const char *digits, size_t length, uint32_t *number)
{
    uint32_t value = 0;

    if (length == 0 || length > 9 || (digits[0] == '0' && length > 1)) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        value = 10 * value + (uint32_t)(digits[i] - '0');
    }
    *number = value;
    return true;
}

/* The name of a member; false: it is gone. */
static bool member_name(const struct pseudo_family *family, uint32_t number,
                        char name[PSEUDO_NAME_MAX])
{
    if (family->name != NULL) {
        return family->name(number, name);
    }
    (void)format_text(name, PSEUDO_NAME_MAX, "%s%u", family->prefix, (unsigned)number);
    return true;
}

static bool find_named(const struct pseudo_node *directory, const char *name, size_t length,
                       uint32_t *number)
{
    const struct pseudo_family *family = directory->entry->family;
    char member[PSEUDO_NAME_MAX];

    for (*number = 0; family->next(directory, *number, number); *number += 1) {
        if (member_name(family, *number, member) && is_called(member, name, length)) {
            return true;
        }
    }
    return false;
}

static bool find_number(const struct pseudo_node *directory, const char *name, size_t length,
                        uint32_t *number)
{
    const struct pseudo_family *family = directory->entry->family;
    size_t prefix = string_length(family->prefix);

    if (family->name != NULL) {
        return find_named(directory, name, length, number);
    }
    return length > prefix && memcmp(name, family->prefix, prefix) == 0 &&
           read_number(name + prefix, length - prefix, number);
}

static hx_err make_member(struct pseudo_node *directory, uint32_t number, void *subject,
                          struct pseudo_node **found)
{
    const struct pseudo_family *family = directory->entry->family;
    hx_err error = node_create(directory->vnode.file_system, directory, family->member,
                               number_at(directory, (uint64_t)FIRST_NUMBER + number), found);

    if (error != HX_OK) {
        if (family->put != NULL) {
            family->put(subject);
        }
        return error;
    }
    (*found)->family = family;
    (*found)->number = number;
    (*found)->subject = subject;
    return HX_OK;
}

static hx_err find_member(struct pseudo_node *directory, const char *name, size_t length,
                          struct pseudo_node **found)
{
    const struct pseudo_family *family = directory->entry->family;
    uint32_t number;
    void *subject = NULL;
    hx_err error = HX_ENOENT;

    if (family != NULL && find_number(directory, name, length, &number)) {
        error = family->find(directory, number, &subject);
    }
    return error == HX_OK ? make_member(directory, number, subject, found) : error;
}

static hx_err lookup(struct vnode *vnode, const char *name, size_t length, struct vnode **found)
{
    struct pseudo_node *directory = pseudo_node_of(vnode);
    struct pseudo_node *node;
    hx_err error =
        pseudo_check(directory) == HX_OK ? find_row(directory, name, length, &node) : HX_ENOENT;

    if (error == HX_ENOENT && pseudo_check(directory) == HX_OK) {
        error = find_member(directory, name, length, &node);
    }
    if (error == HX_OK) {
        refresh(&node->vnode);
        *found = &node->vnode;
    }
    return error;
}

static hx_err parent_of(struct vnode *vnode, struct vnode **found)
{
    struct pseudo_node *node = pseudo_node_of(vnode);

    *found = vnode_get(node->parent != NULL ? &node->parent->vnode : vnode);
    return HX_OK;
}

static hx_err own_name(struct vnode *vnode, char *name, size_t size)
{
    const struct pseudo_node *node = pseudo_node_of(vnode);
    char member[PSEUDO_NAME_MAX];

    if (node->family == NULL) {
        (void)string_copy(name, size, node->entry->name);
    } else if (member_name(node->family, node->number, member)) {
        (void)string_copy(name, size, member);
    } else {
        return HX_ENOENT;
    }
    return pseudo_check(node) == HX_OK ? HX_OK : HX_ENOENT;
}

/* --- listing ---------------------------------------------------------------------------------- */

/* Answers whether to go on. */
static bool list_rows(const struct pseudo_node *directory, uint64_t position, directory_emit emit,
                      void *argument)
{
    const struct pseudo_entry *rows = directory->entry->children;
    uint64_t skipped = position < FIRST_ROW ? 0 : position - FIRST_ROW + 1;
    bool goes_on = true;

    for (uint64_t i = 0; rows != NULL && rows[i].name != NULL && goes_on; i++) {
        if (i >= skipped) {
            goes_on = emit(&(struct directory_entry){rows[i].name, string_length(rows[i].name),
                                                     number_at(directory, FIRST_ROW + i),
                                                     rows[i].type, FIRST_ROW + i},
                           argument);
        }
    }
    return goes_on;
}

static void list_members(const struct pseudo_node *directory, uint64_t position,
                         directory_emit emit, void *argument)
{
    const struct pseudo_family *family = directory->entry->family;
    uint32_t number = position < FIRST_NUMBER ? 0 : (uint32_t)(position - FIRST_NUMBER) + 1;
    bool goes_on = true;

    while (goes_on && family->next(directory, number, &number)) {
        uint64_t here = (uint64_t)FIRST_NUMBER + number;
        char name[PSEUDO_NAME_MAX];

        if (member_name(family, number, name)) {
            goes_on = emit(&(struct directory_entry){name, string_length(name),
                                                     number_at(directory, here),
                                                     family->member->type, here},
                           argument);
        }
        number++;
    }
}

static hx_err read_directory(struct vnode *vnode, uint64_t position, directory_emit emit,
                             void *argument)
{
    const struct pseudo_node *directory = pseudo_node_of(vnode);
    hx_err error = pseudo_check(directory);

    if (error == HX_OK && list_rows(directory, position, emit, argument) &&
        directory->entry->family != NULL) {
        list_members(directory, position, emit, argument);
    }
    return error == HX_OK ? HX_OK : HX_ENOENT;
}

/* --- links ------------------------------------------------------------------------------------ */

static hx_err read_link(struct vnode *vnode, char *target, size_t size, size_t *length)
{
    const struct pseudo_node *node = pseudo_node_of(vnode);
    char *bytes;
    hx_err error = pseudo_guard(node);

    if (error == HX_OK) {
        error = pseudo_text(node, &bytes, length);
    }
    if (error == HX_OK) {
        memcpy(target, bytes, *length < size ? *length : size);
        heap_free(bytes);
    }
    return error == HX_ESRCH ? HX_ENOENT : error;
}

static hx_err follow(struct vnode *vnode, struct mount **mount, struct vnode **target)
{
    const struct pseudo_node *node = pseudo_node_of(vnode);
    struct location location;
    hx_err error = pseudo_check(node) == HX_OK ? pseudo_guard(node) : HX_ENOENT;

    if (error == HX_OK) {
        error = node->entry->follow(node, &location);
    }
    if (error == HX_OK) {
        *mount = location.mount;
        *target = location.vnode;
    }
    return error;
}

/* --- file systems ----------------------------------------------------------------------------- */

/* open(O_TRUNC) of a file that can be written. */
static hx_err resize(struct vnode *vnode, uint64_t size)
{
    (void)vnode;
    (void)size;
    return HX_OK;
}

#define DIRECTORY_OPS                                                                              \
    .lookup = lookup, .read_directory = read_directory, .parent = parent_of, .own_name = own_name, \
    .refresh = refresh, .release = release

static const struct vnode_ops directory_ops = {DIRECTORY_OPS};
static const struct vnode_ops fixed_directory_ops = {DIRECTORY_OPS, .has_fixed_names = true};
static const struct vnode_ops file_ops = {
    .open = pseudo_open,
    .resize = resize,
    .refresh = refresh,
    .release = release,
};
static const struct vnode_ops link_ops = {
    .read_link = read_link,
    .refresh = refresh,
    .release = release,
};
static const struct vnode_ops straight_link_ops = {
    .read_link = read_link,
    .follow = follow,
    .refresh = refresh,
    .release = release,
};

static void numbers(struct file_system *file_system, struct file_system_numbers *numbers)
{
    const struct pseudo_system *system =
        HX_CONTAINER_OF(file_system, struct pseudo_system, file_system);

    *numbers = (struct file_system_numbers){
        .magic = system->type->magic, .block_size = 4096, .name_max = VNODE_NAME_MAX};
}

static void release_system(struct file_system *file_system)
{
    heap_free(HX_CONTAINER_OF(file_system, struct pseudo_system, file_system));
}

static const struct file_system_ops system_ops = {.numbers = numbers, .release = release_system};

hx_err pseudo_mount(const struct pseudo_type *type, const char *data,
                    struct file_system **file_system)
{
    struct pseudo_system *system;
    struct pseudo_node *root;
    hx_err error;

    if (*data != '\0') {
        return HX_EINVAL;
    }
    system = heap_allocate_zeroed(sizeof(*system), OWNER_CORE);
    if (system == NULL) {
        return HX_ENOMEM;
    }
    system->type = type;
    system->file_system.ops = &system_ops;
    system->file_system.device = file_system_device();
    mutex_init(&system->file_system.rename_mutex, "pseudo rename");
    error = node_create(&system->file_system, NULL, type->root, 1, &root);
    if (error != HX_OK) {
        heap_free(system);
        return error;
    }
    system->file_system.root = &root->vnode;
    *file_system = &system->file_system;
    return HX_OK;
}
