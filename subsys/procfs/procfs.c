/* The root of proc, and the type of file system. */
#include <subsys/process/id_table.h>
#include <subsys/process/load_average.h>
#include <subsys/procfs/procfs.h>
#include <subsys/procfs/procfs_private.h>

#define PROC_MAGIC 0x9fa0U

/* --- processes -------------------------------------------------------------------------------- */

static uint32_t next_id_locked(uint32_t from)
{
    uint32_t id = from > 0 ? from - 1 : 0;

    do {
        id = id_next(id);
    } while (id != 0 && id_find(id)->process == NULL);
    return id;
}

static bool next_process(const struct pseudo_node *root, uint32_t from, uint32_t *number)
{
    (void)root;
    mutex_lock(&process_mutex);
    *number = next_id_locked(from);
    mutex_unlock(&process_mutex);
    return *number != 0;
}

static hx_err find_process(const struct pseudo_node *root, uint32_t number, void **subject)
{
    (void)root;
    *subject = process_find(number);
    return *subject != NULL ? HX_OK : HX_ENOENT;
}

static void put_process(void *subject)
{
    process_put(subject);
}

static const struct pseudo_entry process_entry = {
    .name = "PID", .type = VNODE_DIRECTORY, .mode = 0555, .children = procfs_process_rows};

const struct pseudo_family procfs_processes = {
    .prefix = "",
    .member = &process_entry,
    .next = next_process,
    .find = find_process,
    .put = put_process,
};

/* --- links to oneself ------------------------------------------------------------------------- */

static hx_err show_self(const struct pseudo_node *node, struct text *text)
{
    const struct process *self = process_current();

    (void)node;
    if (self == NULL) {
        return HX_ENOENT;
    }
    text_add(text, "%u", (unsigned)self->id);
    return HX_OK;
}

static hx_err show_thread_self(const struct pseudo_node *node, struct text *text)
{
    const struct process *self = process_current();

    (void)node;
    if (self == NULL) {
        return HX_ENOENT;
    }
    text_add(text, "%u/task/%u", (unsigned)self->id, (unsigned)user_thread_current()->id);
    return HX_OK;
}

static hx_err show_mounts_link(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "self/mounts");
    return HX_OK;
}

/* --- the root --------------------------------------------------------------------------------- */

static const struct pseudo_entry root_rows[] = {
    PSEUDO_FILE("cmdline", 0444, procfs_show_command_line, "the kernel's command line"),
    PSEUDO_FILE("cpuinfo", 0444, procfs_show_processors, "the processors online"),
    PSEUDO_FILE("devices", 0444, procfs_show_devices, "major numbers of devices"),
    PSEUDO_FILE("filesystems", 0444, procfs_show_file_systems, "what can be mounted"),
    PSEUDO_FILE("interrupts", 0444, procfs_show_interrupts, "counts by vector and CPU"),
    PSEUDO_FILE("loadavg", 0444, procfs_show_load,
                "load averages, running threads of all, the last id"),
    PSEUDO_FILE("meminfo", 0444, procfs_show_system_memory, "memory"),
    {.name = "mounts",
     .type = VNODE_SYMLINK,
     .mode = 0777,
     .show = show_mounts_link,
     .meaning = "to self/mounts"},
    PSEUDO_DIRECTORY("net", procfs_network_rows),
    PSEUDO_FILE("partitions", 0444, procfs_show_nothing, "empty"),
    {.name = "self",
     .type = VNODE_SYMLINK,
     .mode = 0777,
     .show = show_self,
     .meaning = "to the directory of the one who asks"},
    PSEUDO_FILE("stat", 0444, procfs_show_system_stat,
                "time by CPU, interrupts, switches, boot time, forks"),
    PSEUDO_FILE("swaps", 0444, procfs_show_swaps, "a heading"),
    PSEUDO_DIRECTORY("sys", procfs_settings_rows),
    {.name = "thread-self",
     .type = VNODE_SYMLINK,
     .mode = 0777,
     .show = show_thread_self,
     .meaning = "to the directory of the thread that asks"},
    PSEUDO_FILE("uptime", 0444, procfs_show_uptime,
                "seconds since the start, and idle ones of all CPUs"),
    PSEUDO_FILE("version", 0444, procfs_show_version, "the kernel's version"),
    {.name = NULL},
};

const struct pseudo_entry procfs_root = {.name = "",
                                         .type = VNODE_DIRECTORY,
                                         .mode = 0555,
                                         .children = root_rows,
                                         .family = &procfs_processes};

static const struct pseudo_type proc_type = {
    .has_fixed_names = true,
    .magic = PROC_MAGIC,
    .root = &procfs_root,
    .check = procfs_check,
    .guard = procfs_guard,
    .attributes = procfs_attributes,
};

static hx_err mount(const char *source, const char *data, struct file_system **file_system)
{
    (void)source;
    return pseudo_mount(&proc_type, data, file_system);
}

hx_err procfs_init(void)
{
    static struct file_system_type type = {.name = "proc", .mount = mount};

    procfs_settings_init();
    file_system_type_register(&type);
    return load_average_init();
}
