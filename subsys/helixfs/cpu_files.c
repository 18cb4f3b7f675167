/* CPUs: a table of them, and /helix/cpus/N, a directory for each. */
#include <core/interrupts/router.h>
#include <hal/cpu.h>
#include <kern/cpu.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/processors/processors.h>

static const struct table_column columns[] = {
    {.name = "cpu", .kind = TABLE_NUMBER, .width = 3},
    {.name = "online", .kind = TABLE_WORD, .width = 6},
    {.name = "busy_permille", .kind = TABLE_NUMBER, .width = 13},
    {.name = "ticks", .kind = TABLE_NUMBER, .width = 10},
};

static hx_err fill(struct table *table)
{
    for (uint32_t cpu = 0; cpu < hal_cpu_count(); cpu++) {
        table_number(table, cpu);
        table_bool(table, cpu_is_online(cpu));
        table_number(table, cpu_is_online(cpu) ? router_busy_permille(cpu) : 0);
        table_number(table, thread_tick_count(cpu));
    }
    return HX_OK;
}

const struct helixfs_table helixfs_processors = HELIXFS_TABLE(columns, fill);

/* --- one CPU ---------------------------------------------------------------------------------- */

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

static hx_err show_online(const struct pseudo_node *node, struct text *text)
{
    text_add(text, "%u\n", cpu_is_online(node->parent->number) ? 1U : 0U);
    return HX_OK;
}

static hx_err change_online(const struct pseudo_node *node, const char *text, size_t length)
{
    return processors_set_online(node->parent->number, text, length);
}

static const struct helixfs_node online_node = {.file = HELIXFS_CPUS};

static const struct pseudo_entry cpu_rows[] = {
    {.name = "online",
     .type = VNODE_FILE,
     .mode = 0666,
     .show = show_online,
     .store = change_online,
     .context = &online_node,
     .meaning = "whether it runs: 1 or 0; written: it shall"},
    {.name = NULL},
};

static const struct pseudo_entry cpu_directory = {
    .name = "N", .type = VNODE_DIRECTORY, .mode = 0555, .children = cpu_rows};

const struct pseudo_family helixfs_cpus = {
    .prefix = "", .member = &cpu_directory, .next = next_cpu, .find = find_cpu};
