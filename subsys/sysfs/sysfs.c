#include <base/memory.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <subsys/helixfs/helixfs.h>
#include <subsys/power/power.h>
#include <subsys/processors/processors.h>
#include <subsys/pseudo/pseudo.h>
#include <subsys/sysfs/sysfs.h>

#define SYSFS_MAGIC 0x62656572U

/* --- lists of CPUs ---------------------------------------------------------------------------- */

/* "0-2,5": runs of numbers. */
static void add_mask(struct text *text, uint64_t mask)
{
    const char *separator = "";

    for (uint32_t first = 0; first < HAL_CPU_MAX; first++) {
        uint32_t last = first;

        if ((mask >> first & 1) == 0) {
            continue;
        }
        while (last + 1 < HAL_CPU_MAX && (mask >> (last + 1) & 1) != 0) {
            last++;
        }
        text_add(text, "%s%u", separator, (unsigned)first);
        if (last > first) {
            text_add(text, "-%u", (unsigned)last);
        }
        separator = ",";
        first = last;
    }
    text_add(text, "\n");
}

static hx_err show_online(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    add_mask(text, cpu_online_mask());
    return HX_OK;
}

static hx_err show_all(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    add_mask(text, UINT64_MAX >> (64 - hal_cpu_count()));
    return HX_OK;
}

static bool next_cpu(const struct pseudo_node *directory, uint32_t from, uint32_t *number)
{
    (void)directory;
    *number = from;
    return from < hal_cpu_count();
}

static hx_err find_cpu(const struct pseudo_node *directory, uint32_t number, void **subject)
{
    (void)directory;
    *subject = NULL;
    return number < hal_cpu_count() ? HX_OK : HX_ENOENT;
}

static hx_err show_is_online(const struct pseudo_node *node, struct text *text)
{
    text_add(text, "%u\n", cpu_is_online(node->parent->number) ? 1U : 0U);
    return HX_OK;
}

static hx_err change_is_online(const struct pseudo_node *node, const char *text, size_t length)
{
    hx_err error = helixfs_admit(HELIXFS_CPUS, true);

    return error != HX_OK ? error : processors_set_online(node->parent->number, text, length);
}

static hx_err show_sleep_states(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    text_add(text, "mem\n");
    return HX_OK;
}

/* Until a key is pressed. */
static hx_err change_sleep_state(const struct pseudo_node *node, const char *text, size_t length)
{
    struct subsystem_failure failure = {0};
    hx_err error = helixfs_admit(HELIXFS_POWER, true);

    (void)node;
    length -= length > 0 && text[length - 1] == '\n' ? 1 : 0;
    if (error != HX_OK) {
        return error;
    }
    return length == 3 && memcmp(text, "mem", length) == 0
               ? power_suspend(POWER_UNTIL_KEY, &failure)
               : HX_EINVAL;
}

/* --- the tables ------------------------------------------------------------------------------- */

static const struct pseudo_entry cpu_rows[] = {
    {.name = "online",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = show_is_online,
     .store = change_is_online,
     .meaning = "whether it runs: 1 or 0; written: it shall"},
    {.name = NULL},
};

static const struct pseudo_entry cpu_entry = {
    .name = "N", .type = VNODE_DIRECTORY, .mode = 0555, .children = cpu_rows};

static const struct pseudo_family cpus = {
    .prefix = "cpu", .member = &cpu_entry, .next = next_cpu, .find = find_cpu};

static const struct pseudo_entry cpu_list_rows[] = {
    PSEUDO_FILE("online", 0444, show_online, "CPUs that run"),
    PSEUDO_FILE("possible", 0444, show_all, "CPUs the machine has"),
    PSEUDO_FILE("present", 0444, show_all, "CPUs the machine has"),
    {.name = NULL},
};

static const struct pseudo_entry system_rows[] = {
    {.name = "cpu",
     .type = VNODE_DIRECTORY,
     .mode = 0555,
     .children = cpu_list_rows,
     .family = &cpus},
    {.name = NULL},
};

static const struct pseudo_entry devices_rows[] = {
    PSEUDO_DIRECTORY("system", system_rows),
    {.name = NULL},
};

/* Where mdev looks for devices by number. */
static const struct pseudo_entry dev_rows[] = {
    PSEUDO_DIRECTORY("block", NULL),
    PSEUDO_DIRECTORY("char", NULL),
    {.name = NULL},
};

static const struct pseudo_entry power_rows[] = {
    {.name = "state",
     .type = VNODE_FILE,
     .mode = 0644,
     .show = show_sleep_states,
     .store = change_sleep_state,
     .meaning = "how deep the machine can sleep; written: it shall, until a key is pressed"},
    {.name = NULL},
};

static const struct pseudo_entry root_rows[] = {
    PSEUDO_DIRECTORY("block", NULL),
    PSEUDO_DIRECTORY("class", NULL),
    PSEUDO_DIRECTORY("dev", dev_rows),
    PSEUDO_DIRECTORY("devices", devices_rows),
    PSEUDO_DIRECTORY("kernel", NULL),
    PSEUDO_DIRECTORY("power", power_rows),
    {.name = NULL},
};

const struct pseudo_entry sysfs_root = {
    .name = "", .type = VNODE_DIRECTORY, .mode = 0555, .children = root_rows};

static const struct pseudo_type sysfs_type = {.magic = SYSFS_MAGIC, .root = &sysfs_root};

static hx_err mount(const char *source, const char *data, struct file_system **file_system)
{
    (void)source;
    return pseudo_mount(&sysfs_type, data, file_system);
}

void sysfs_init(void)
{
    static struct file_system_type type = {.name = "sysfs", .mount = mount};

    file_system_type_register(&type);
}
