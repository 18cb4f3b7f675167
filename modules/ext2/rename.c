/* Renaming. */
#include <../modules/ext2/count.h>
#include <../modules/ext2/directory.h>
#include <../modules/ext2/names.h>
#include <../modules/ext2/operations.h>
#include <helix/loan.h>

/* One of the two ends of a rename. */
struct end {
    uint64_t directory;
    char name[HX_FILE_NAME_MAX];
    uint32_t length;
    uint32_t inode; /* that has the name; 0: none */
    uint32_t type;
};

static hx_err find_end(struct end *end)
{
    struct inode directory;
    struct cursor cursor;
    hx_err error = directory_read(end->directory, &directory);

    end->inode = 0;
    if (error == HX_OK) {
        error = directory_find(&directory, end->name, end->length, &cursor);
    }
    if (error == HX_OK) {
        end->inode = cursor.entry->inode;
        error = entry_type_of(cursor.entry, &end->type);
    }
    return error;
}

static hx_err take_end(struct end *end, uint64_t directory, uint64_t loan, uint32_t length)
{
    end->directory = directory;
    end->length = length;
    return name_take(loan, 0, length, end->name);
}

/* A directory that comes from one into another. */
static hx_err move_parent(uint64_t from, uint64_t to, const struct end *moved)
{
    hx_err error = HX_OK;

    if (moved->type != HX_FILE_DIRECTORY || from == to) {
        return HX_OK;
    }
    error = directory_replace(moved->inode, "..", 2, (uint32_t)to, HX_FILE_DIRECTORY);
    if (error == HX_OK) {
        error = links_add(to, 1);
    }
    return error == HX_OK ? links_add(from, -1) : error;
}

static hx_err exchange(const struct end *old, const struct end *new)
{
    hx_err error = directory_replace(old->directory, old->name, old->length, new->inode, new->type);

    if (error == HX_OK) {
        error = directory_replace(new->directory, new->name, new->length, old->inode, old->type);
    }
    if (error == HX_OK) {
        error = move_parent(old->directory, new->directory, old);
    }
    return error == HX_OK ? move_parent(new->directory, old->directory, new) : error;
}

/* The new name first, so that the old one is found as the directory is then. */
static hx_err move(const struct end *old, const struct end *new)
{
    hx_err error = new->inode != 0 ? links_drop(new->directory, new->inode) : HX_OK;

    if (error == HX_OK && new->inode != 0) {
        error = directory_replace(new->directory, new->name, new->length, old->inode, old->type);
    } else if (error == HX_OK) {
        error = directory_add(new->directory, new->name, new->length, old->inode, old->type);
    }
    if (error == HX_OK) {
        error = directory_remove(old->directory, old->name, old->length);
    }
    return error == HX_OK ? move_parent(old->directory, new->directory, old) : error;
}

static hx_err take_ends(const struct hx_file_move *wanted, uint64_t old_name, uint64_t new_name,
                        struct end *old, struct end *new)
{
    hx_err error = take_end(old, wanted->from, old_name, wanted->old_length);

    if (error == HX_OK) {
        error = take_end(new, wanted->to, new_name, wanted->new_length);
    }
    if (error == HX_OK) {
        error = find_end(old);
    }
    if (error != HX_OK) {
        return error;
    }
    error = find_end(new);
    return error == HX_ENOENT && wanted->is_exchange == 0 ? HX_OK : error;
}

hx_err ext2_rename(uint64_t loan, uint64_t old_name, uint64_t new_name)
{
    static struct end old;
    static struct end new;
    struct hx_file_move wanted;
    hx_err error = volume_begin_change();

    if (error == HX_OK) {
        error = hx_loan_read(loan, 0, &wanted, sizeof(wanted));
    }
    if (error == HX_OK) {
        error = take_ends(&wanted, old_name, new_name, &old, &new);
    }
    if (error == HX_OK && old.inode == new.inode) {
        error = HX_EINVAL; /* two names of one: the kernel asks for no such thing */
    }
    if (error == HX_OK) {
        error = wanted.is_exchange != 0 ? exchange(&old, &new) : move(&old, &new);
    }
    wanted.moved = old.inode;
    wanted.replaced = new.inode;
    count_operation(COUNT_NAMES);
    return error == HX_OK ? hx_loan_write(loan, 0, &wanted, sizeof(wanted)) : error;
}
