/* What is in the directory of a process. */
#include <subsys/procfs/procfs_private.h>

static hx_err show_zero(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "0\n");
    return HX_OK;
}

/* --- threads ---------------------------------------------------------------------------------- */

static bool next_thread(const struct pseudo_node *node, uint32_t from, uint32_t *number)
{
    struct process *process = procfs_process(node);
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    uint32_t lowest = UINT32_MAX;

    for (struct list *at = process->threads.next; at != &process->threads; at = at->next) {
        uint32_t id = LIST_ENTRY(at, struct user_thread, link)->id;

        lowest = id >= from && id < lowest ? id : lowest;
    }
    spinlock_release(&process->lock, state);
    *number = lowest;
    return lowest != UINT32_MAX;
}

static hx_err find_thread(const struct pseudo_node *node, uint32_t number, void **subject)
{
    uint32_t found;

    *subject = NULL;
    return next_thread(node, number, &found) && found == number ? HX_OK : HX_ENOENT;
}

static const struct pseudo_entry thread_rows[] = {
    {.name = "comm",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = procfs_show_name,
     .store = procfs_store_name,
     .meaning = "its name; the process's own threads may change it"},
    PSEUDO_FILE("stat", 0444, procfs_show_stat, "state and numbers in one line"),
    PSEUDO_FILE("status", 0444, procfs_show_status, "the same for people"),
    {.name = NULL},
};

static const struct pseudo_entry thread_entry = {
    .name = "TID", .type = VNODE_DIRECTORY, .mode = 0555, .children = thread_rows};

const struct pseudo_family procfs_threads = {
    .prefix = "", .member = &thread_entry, .next = next_thread, .find = find_thread};

/* --- descriptors ------------------------------------------------------------------------------ */

static const struct pseudo_entry descriptor_entry = {
    .name = "N",
    .type = VNODE_SYMLINK,
    .mode = 0700,
    .show = procfs_show_descriptor,
    .follow = procfs_follow_descriptor,
    .is_guarded = true,
    .meaning = "an open file",
};

const struct pseudo_family procfs_descriptors = {
    .prefix = "",
    .member = &descriptor_entry,
    .next = procfs_next_descriptor,
    .find = procfs_find_descriptor,
};

static const struct pseudo_entry description_entry = {
    .name = "N",
    .type = VNODE_FILE,
    .mode = 0400,
    .show = procfs_show_descriptor_info,
    .is_guarded = true,
    .meaning = "position and flags of an open file",
};

static const struct pseudo_family descriptions = {
    .prefix = "",
    .member = &description_entry,
    .next = procfs_next_descriptor,
    .find = procfs_find_descriptor,
};

/* --- the process ------------------------------------------------------------------------------ */

const struct pseudo_entry procfs_process_rows[] = {
    PSEUDO_FILE("cmdline", 0444, procfs_show_arguments, "its arguments, each with a NUL"),
    {.name = "comm",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = procfs_show_name,
     .store = procfs_store_name,
     .meaning = "its name; its own threads may change it"},
    {.name = "cwd",
     .type = VNODE_SYMLINK,
     .mode = 0777,
     .show = procfs_show_current,
     .follow = procfs_follow_current,
     .is_guarded = true,
     .meaning = "its current directory"},
    {.name = "environ",
     .type = VNODE_FILE,
     .mode = 0400,
     .show = procfs_show_environment,
     .is_guarded = true,
     .meaning = "the environment it was started with, each variable with a NUL"},
    {.name = "exe",
     .type = VNODE_SYMLINK,
     .mode = 0777,
     .show = procfs_show_executable,
     .follow = procfs_follow_executable,
     .is_guarded = true,
     .meaning = "the program it runs"},
    {.name = "fd", .type = VNODE_DIRECTORY, .mode = 0500, .family = &procfs_descriptors},
    {.name = "fdinfo", .type = VNODE_DIRECTORY, .mode = 0500, .family = &descriptions},
    PSEUDO_FILE("limits", 0444, procfs_show_limits, "as getrlimit(2) tells them"),
    {.name = "maps",
     .type = VNODE_FILE,
     .mode = 0444,
     .show = procfs_show_maps,
     .is_guarded = true,
     .meaning = "its mappings"},
    PSEUDO_FILE("mountinfo", 0444, procfs_show_mount_information, "what is mounted, with numbers"),
    PSEUDO_FILE("mounts", 0444, procfs_show_mounts, "what is mounted"),
    PSEUDO_FILE("oom_score", 0444, show_zero, "0"),
    {.name = "root",
     .type = VNODE_SYMLINK,
     .mode = 0777,
     .show = procfs_show_root,
     .follow = procfs_follow_root,
     .is_guarded = true,
     .meaning = "its root directory"},
    {.name = "smaps",
     .type = VNODE_FILE,
     .mode = 0444,
     .show = procfs_show_smaps,
     .is_guarded = true,
     .meaning = "its mappings, with what is in memory of each"},
    PSEUDO_FILE("stat", 0444, procfs_show_stat, "state and numbers in one line"),
    PSEUDO_FILE("statm", 0444, procfs_show_memory, "sizes in pages"),
    PSEUDO_FILE("status", 0444, procfs_show_status, "state and numbers for people"),
    {.name = "task", .type = VNODE_DIRECTORY, .mode = 0555, .family = &procfs_threads},
    {.name = NULL},
};
