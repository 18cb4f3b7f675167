/* /proc/PID/stat, status, limits, comm. */
#include <base/memory.h>
#include <base/string.h>
#include <hal/clock.h>
#include <hal/memory.h>
#include <kern/cpu.h>
#include <subsys/procfs/procfs_private.h>

#define LIMIT_RESIDENT 5 /* RLIMIT_RSS */

static unsigned long long ticks(uint64_t nanoseconds)
{
    return nanoseconds / (HAL_NS_PER_S / PROCFS_TICKS_PER_SECOND);
}

/* As in struct stat: the low byte of the minor number, the major number, the rest. */
static unsigned long long terminal_number(uint64_t device)
{
    uint64_t major = device >> 32;
    uint64_t minor = device & UINT32_MAX;

    return (minor & 0xff) | major << 8 | (minor & ~0xffULL) << 12;
}

/* --- stat ------------------------------------------------------------------------------------- */

/* Fields 1 to 22 of proc(5). */
static void add_identity(struct text *text, const struct process_view *view, uint64_t faults)
{
    text_add(text, "%u (%s) %c %u %u %u %llu %lld 0 %llu 0 0 0 ", (unsigned)view->id, view->name,
             view->state, (unsigned)view->parent, (unsigned)view->group, (unsigned)view->session,
             terminal_number(view->terminal), (long long)view->foreground,
             (unsigned long long)faults);
    text_add(text, "%llu %llu %llu %llu %d %d %u 0 %llu ", ticks(view->usage.user_ns),
             ticks(view->usage.system_ns), ticks(view->children_usage.user_ns),
             ticks(view->children_usage.system_ns), 20 + view->nice, view->nice,
             (unsigned)view->thread_count, ticks(view->started_ns));
}

/* Fields 23 to 52. */
static void add_memory_and_signals(struct text *text, const struct process_view *view,
                                   const struct address_space_statistics *memory)
{
    text_add(text, "%llu %llu %llu 0 0 0 0 0 ", (unsigned long long)memory->mapped_bytes,
             (unsigned long long)memory->resident_pages,
             (unsigned long long)view->limits[LIMIT_RESIDENT].soft);
    text_add(text, "%llu %llu %llu %llu 0 0 0 %u %u 0 0 0 0 0 ",
             (unsigned long long)(view->pending | view->shared_pending),
             (unsigned long long)view->blocked, (unsigned long long)view->ignored,
             (unsigned long long)view->caught, (unsigned)view->exit_signal, (unsigned)view->cpu);
    text_add(text, "0 0 %llu %llu %llu %llu %llu %d\n", (unsigned long long)memory->break_start,
             (unsigned long long)view->arguments_start, (unsigned long long)view->arguments_end,
             (unsigned long long)view->environment_start, (unsigned long long)view->environment_end,
             view->exit_status);
}

hx_err procfs_show_stat(const struct pseudo_node *node, struct text *text)
{
    struct process_view view;
    struct memory_view memory;
    hx_err error = procfs_view(node, &view);

    if (error == HX_OK) {
        procfs_memory_view(procfs_process(node), &memory);
        add_identity(text, &view, memory.statistics.faults);
        add_memory_and_signals(text, &view, &memory.statistics);
    }
    return error;
}

/* --- status ----------------------------------------------------------------------------------- */

static const char *state_name(char letter)
{
    switch (letter) {
    case 'R':
        return "running";
    case 'T':
        return "stopped";
    case 'Z':
        return "zombie";
    default:
        return "sleeping";
    }
}

static void add_credentials(struct text *text, const struct credentials *who)
{
    text_add(text, "Uid:\t%u\t%u\t%u\t%u\n", (unsigned)who->user, (unsigned)who->effective_user,
             (unsigned)who->saved_user, (unsigned)who->effective_user);
    text_add(text, "Gid:\t%u\t%u\t%u\t%u\n", (unsigned)who->group, (unsigned)who->effective_group,
             (unsigned)who->saved_group, (unsigned)who->effective_group);
    text_add(text, "Groups:\t");
    for (uint32_t i = 0; i < who->group_count; i++) {
        text_add(text, "%u ", (unsigned)who->groups[i]);
    }
    text_add(text, "\n");
}

static void add_kilobytes(struct text *text, const char *name, uint64_t bytes)
{
    text_add(text, "%s:\t%8llu kB\n", name, (unsigned long long)(bytes >> 10));
}

static void add_memory(struct text *text, const struct memory_view *memory)
{
    const struct address_space_statistics *numbers = &memory->statistics;
    uint64_t own = numbers->resident_pages - numbers->shared_pages;

    add_kilobytes(text, "VmSize", numbers->mapped_bytes);
    add_kilobytes(text, "VmRSS", numbers->resident_pages << HAL_PAGE_SHIFT);
    add_kilobytes(text, "RssAnon", own << HAL_PAGE_SHIFT);
    add_kilobytes(text, "RssFile", numbers->shared_pages << HAL_PAGE_SHIFT);
    add_kilobytes(text, "VmData", memory->data);
    add_kilobytes(text, "VmStk", memory->stack);
    add_kilobytes(text, "VmExe", memory->code);
    add_kilobytes(text, "VmLib", memory->library);
}

static void add_signals(struct text *text, const struct process_view *view)
{
    text_add(text, "Threads:\t%u\n", (unsigned)view->thread_count);
    text_add(text, "SigPnd:\t%016llx\nShdPnd:\t%016llx\n", (unsigned long long)view->pending,
             (unsigned long long)view->shared_pending);
    text_add(text, "SigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n",
             (unsigned long long)view->blocked, (unsigned long long)view->ignored,
             (unsigned long long)view->caught);
}

static unsigned umask_of(struct process *process)
{
    struct path_context *paths = procfs_paths(process);
    unsigned umask = 0;

    if (paths != NULL) {
        umask = atomic_load_explicit(&paths->umask, memory_order_relaxed);
        path_context_put(paths);
    }
    return umask;
}

hx_err procfs_show_status(const struct pseudo_node *node, struct text *text)
{
    struct process_view view;
    struct memory_view memory;
    hx_err error = procfs_view(node, &view);

    if (error != HX_OK) {
        return error;
    }
    text_add(text, "Name:\t%s\nUmask:\t%04o\nState:\t%c (%s)\n", view.name,
             umask_of(procfs_process(node)), view.state, state_name(view.state));
    text_add(text, "Tgid:\t%u\nNgid:\t0\nPid:\t%u\nPPid:\t%u\nTracerPid:\t0\n",
             (unsigned)view.process_id, (unsigned)view.id, (unsigned)view.parent);
    add_credentials(text, &view.credentials);
    if (view.state != 'Z') {
        procfs_memory_view(procfs_process(node), &memory);
        add_memory(text, &memory);
    }
    add_signals(text, &view);
    text_add(text, "Cpus_allowed:\t%llx\nvoluntary_ctxt_switches:\t%llu\n",
             (unsigned long long)cpu_online_mask(), (unsigned long long)view.switches);
    return HX_OK;
}

/* --- limits ----------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const char *unit;
} limit_names[PROCESS_LIMITS] = {
    {"Max cpu time", "seconds"},     {"Max file size", "bytes"},
    {"Max data size", "bytes"},      {"Max stack size", "bytes"},
    {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
    {"Max processes", "processes"},  {"Max open files", "files"},
    {"Max locked memory", "bytes"},  {"Max address space", "bytes"},
    {"Max file locks", "locks"},     {"Max pending signals", "signals"},
    {"Max msgqueue size", "bytes"},  {"Max nice priority", ""},
    {"Max realtime priority", ""},   {"Max realtime timeout", "us"},
};

static void add_limit(struct text *text, uint64_t limit)
{
    if (limit == UINT64_MAX) {
        text_add(text, "%-20s ", "unlimited");
    } else {
        text_add(text, "%-20llu ", (unsigned long long)limit);
    }
}

hx_err procfs_show_limits(const struct pseudo_node *node, struct text *text)
{
    struct process_view view;
    hx_err error = procfs_view(node, &view);

    if (error != HX_OK) {
        return error;
    }
    text_add(text, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    for (unsigned i = 0; i < PROCESS_LIMITS; i++) {
        text_add(text, "%-25s ", limit_names[i].name);
        add_limit(text, view.limits[i].soft);
        add_limit(text, view.limits[i].hard);
        text_add(text, "%-10s\n", limit_names[i].unit);
    }
    return HX_OK;
}

/* --- the name --------------------------------------------------------------------------------- */

hx_err procfs_show_name(const struct pseudo_node *node, struct text *text)
{
    struct process_view view;
    hx_err error = procfs_view(node, &view);

    if (error == HX_OK) {
        text_add(text, "%s\n", view.name);
    }
    return error;
}

static hx_err rename_thread(struct process *process, uint32_t id, const char *name)
{
    hal_interrupt_state state = spinlock_acquire(&process->lock);
    hx_err error = HX_ESRCH;

    for (struct list *node = process->threads.next; node != &process->threads; node = node->next) {
        struct user_thread *thread = LIST_ENTRY(node, struct user_thread, link);

        if (thread->id == id) {
            (void)string_copy(thread->name, sizeof(thread->name), name);
            error = HX_OK;
        }
    }
    spinlock_release(&process->lock, state);
    return error;
}

/* A thread of the same process may, nobody else.  */
hx_err procfs_store_name(const struct pseudo_node *node, const char *bytes, size_t length)
{
    struct process *process = procfs_process(node);
    uint32_t id = procfs_thread(node) != 0 ? procfs_thread(node) : process->id;
    char name[PROCESS_NAME_MAX];
    hx_err error;

    if (process != process_current()) {
        return HX_EINVAL;
    }
    length -= length > 0 && bytes[length - 1] == '\n';
    length = length < sizeof(name) ? length : sizeof(name) - 1;
    memcpy(name, bytes, length);
    name[length] = '\0';
    mutex_lock(&process_mutex);
    error = rename_thread(process, id, name);
    if (error == HX_OK && id == process->id) {
        (void)string_copy(process->name, sizeof(process->name), name);
    }
    mutex_unlock(&process_mutex);
    return error;
}
