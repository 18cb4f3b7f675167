#include <subsys/access/access.h>
#include <subsys/hooks/hooks.h>

#include <base/string.h>
#include <core/component/component.h>
#include <core/config/initrd.h>
#include <core/config/kernel_configuration.h>
#include <core/debug/log.h>
#include <core/syscall/syscall.h>
#include <kern/mutex.h>
#include <subsys/hooks/audit.h>
#include <subsys/hooks/metrics.h>
#include <subsys/hooks/policy.h>
#include <subsys/hooks/security.h>

#define OPTION         "hooks"
#define OPTION_DEFAULT SECURITY_HOOK
#define POLICY_PATH    "etc/helix/policy"

/* Audit and metrics come first, so that they see what security refuses. Keys: M = mutex */
static struct builtin {
    const char *name;
    hx_err (*start)(int32_t order);
    int32_t order;   /* M */
    bool is_started; /* M */
} builtins[] = {
    {.name = AUDIT_HOOK, .start = audit_start, .order = -20},
    {.name = METRICS_HOOK, .start = metrics_start, .order = -10},
    {.name = SECURITY_HOOK, .start = security_start, .order = 0},
};

static struct mutex mutex = {.lock = SPINLOCK_INIT(LOCK_RANK_MUTEX, "hooks"),
                             .waiters = LIST_INIT(mutex.waiters)};

/* --- switching -------------------------------------------------------------------------------- */

/* One that has not been started; NULL. */
static struct builtin *find_unstarted_locked(const char *name)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(builtins); i++) {
        if (!builtins[i].is_started && string_equal(builtins[i].name, name)) {
            return &builtins[i];
        }
    }
    return NULL;
}

static hx_err set_locked(const char *name, bool is_on)
{
    struct builtin *builtin = find_unstarted_locked(name);
    hx_err error = HX_OK;

    if (builtin == NULL) {
        return syscall_hook_enable(name, is_on);
    }
    if (is_on) {
        error = builtin->start(builtin->order);
        builtin->is_started = error == HX_OK;
    }
    return error;
}

hx_err hooks_set(const char *name, bool is_on)
{
    hx_err error;

    mutex_lock(&mutex);
    error = set_locked(name, is_on);
    mutex_unlock(&mutex);
    return error;
}

static hx_err set_order_locked(const char *name, int32_t order)
{
    struct builtin *builtin = find_unstarted_locked(name);

    if (builtin == NULL) {
        return syscall_hook_set_order(name, order);
    }
    builtin->order = order;
    return HX_OK;
}

hx_err hooks_set_order(const char *name, int32_t order)
{
    hx_err error;

    mutex_lock(&mutex);
    error = set_order_locked(name, order);
    mutex_unlock(&mutex);
    return error;
}

/* --- looking ---------------------------------------------------------------------------------- */

struct rows {
    struct syscall_hook_info infos[SYSCALL_HOOKS_MAX + HX_ARRAY_SIZE(builtins)];
    size_t count;
};

/* Keep the rows in the hooks' order. */
static void insert(struct rows *rows, const struct syscall_hook_info *info)
{
    size_t at = rows->count++;

    for (; at > 0 && rows->infos[at - 1].order > info->order; at--) {
        rows->infos[at] = rows->infos[at - 1];
    }
    rows->infos[at] = *info;
}

static void collect_locked(struct rows *rows)
{
    struct syscall_hook_info info;

    for (uint32_t i = 0; i < SYSCALL_HOOKS_MAX; i++) {
        if (syscall_hook_info(i, &info)) {
            insert(rows, &info);
        }
    }
    for (size_t i = 0; i < HX_ARRAY_SIZE(builtins); i++) {
        if (!builtins[i].is_started) {
            info = (struct syscall_hook_info){.name = builtins[i].name, .order = builtins[i].order};
            insert(rows, &info);
        }
    }
}

/* With a class that has refused calls, " NAME=…". */
static void show_security(struct text *text)
{
    struct security_statistics numbers = security_statistics();

    text_add(text, "checked=%llu refused=%llu alone=%llu", (unsigned long long)numbers.checked,
             (unsigned long long)numbers.refused, (unsigned long long)numbers.alone);
    for (unsigned i = 0; i < SYSCALL_CLASS_COUNT; i++) {
        uint64_t refused = security_refused_of((enum syscall_class)i);

        if (refused != 0) {
            text_add(text, " %s=%llu", syscall_class_name((enum syscall_class)i),
                     (unsigned long long)refused);
        }
    }
}

static void show_counts(const char *name, struct text *text)
{
    if (string_equal(name, SECURITY_HOOK)) {
        show_security(text);
    } else if (string_equal(name, AUDIT_HOOK)) {
        struct audit_statistics numbers = audit_statistics();

        text_add(text, "written=%llu overwritten=%llu events=%llu events-dropped=%llu lost=%llu",
                 (unsigned long long)numbers.written, (unsigned long long)audit_overwritten(),
                 (unsigned long long)numbers.events, (unsigned long long)numbers.event_dropped,
                 (unsigned long long)numbers.lost);
    } else if (string_equal(name, METRICS_HOOK)) {
        text_add(text, "lost=%llu", (unsigned long long)metrics_lost());
    }
}

bool hooks_row(size_t index, struct hooks_row *row)
{
    struct rows rows = {.count = 0};
    struct text text = text_into(row->counts, sizeof(row->counts));

    mutex_lock(&mutex);
    collect_locked(&rows);
    mutex_unlock(&mutex);
    if (index >= rows.count) {
        return false;
    }
    (void)string_copy(row->name, sizeof(row->name), rows.infos[index].name);
    row->is_on = rows.infos[index].is_on;
    row->order = rows.infos[index].order;
    row->calls = rows.infos[index].calls;
    show_counts(row->name, &text);
    return true;
}

void hooks_policy_show(struct text *text)
{
    security_show(text);
}

hx_err hooks_policy_replace(const char *text, size_t length, char *error, size_t error_size)
{
    return security_replace(text, length, error, error_size);
}

/* --- the subsystem ---------------------------------------------------------------------------- */

/* The policy of the initial file system, if it has one. A wrong one is not used. */
static void read_policy(void)
{
    char error[POLICY_ERROR_MAX];
    struct cpio_entry file;
    const char *why;

    if (initrd_find(POLICY_PATH, &file, &why) != HX_OK) {
        kinfo("hooks: no policy: every call is everyone's");
    } else if (security_replace((const char *)file.data, file.size, error, sizeof(error)) !=
               HX_OK) {
        kwarn("hooks: /%s, %s: every call is everyone's", POLICY_PATH, error);
    }
}

/* Switch on what the command line says. */
static hx_err switch_on(void)
{
    const struct command_line *line = kernel_command_line();
    bool has_list = command_line_has(line, OPTION);
    hx_err error = HX_OK;

    for (size_t i = 0; i < HX_ARRAY_SIZE(builtins) && error == HX_OK; i++) {
        const char *name = builtins[i].name;
        bool is_on =
            has_list ? command_line_lists(line, OPTION, name) : string_equal(name, OPTION_DEFAULT);

        if (is_on) {
            error = hooks_set(name, true);
        }
    }
    return error;
}

static void stats(struct component_stats *numbers)
{
    const struct security_statistics security = security_statistics();
    const struct audit_statistics records = audit_statistics();
    uint64_t untold = metrics_untold() + records.lost;

    numbers->operations = security.checked + records.written;
    numbers->errors = security.refused + untold;
    numbers->memory_bytes = records.memory_bytes + metrics_memory();
    numbers->last_error = untold > 0 ? HX_ENOENT : security.refused > 0 ? HX_EPERM : HX_OK;
}

static const struct component hooks_component = {
    .name = "hooks",
    .version = "1.0.0",
    .stats = stats,
};

static hx_err find_class(const char *name, uint64_t *number)
{
    for (unsigned i = 0; i < SYSCALL_CLASS_COUNT; i++) {
        if (string_equal(name, syscall_class_name((enum syscall_class)i))) {
            *number = i;
            return HX_OK;
        }
    }
    return HX_ENOENT;
}

static bool name_class(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    return number < SYSCALL_CLASS_COUNT &&
           string_copy(name, RESOURCE_NAME_SIZE, syscall_class_name((enum syscall_class)number));
}

static bool next_class(uint64_t from, uint64_t *number)
{
    *number = from;
    return from < SYSCALL_CLASS_COUNT;
}

static const struct resource_names class_names = {
    .type = RESOURCE_TYPE_CALLS, .find = find_class, .name = name_class, .next = next_class};

static hx_err init(const struct boot_configuration *config)
{
    hx_err error = security_prepare();

    (void)config;
    if (error == HX_OK) {
        error = resource_names_register(&class_names);
    }
    if (error == HX_OK) {
        read_policy();
        error = switch_on();
    }
    return error == HX_OK ? component_register(&hooks_component) : error;
}

static hx_err shutdown(void)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(builtins); i++) {
        (void)!hooks_set(builtins[i].name, false);
    }
    return component_unregister(&hooks_component);
}

static const char *const dependencies[] = {"memory",  "capabilities", "ipc",
                                           "modules", "processes",    NULL};

const struct subsystem hooks_subsystem = {
    .name = "hooks",
    .version = "1.0.0",
    .dependencies = dependencies,
    .init = init,
    .shutdown = shutdown,
};
