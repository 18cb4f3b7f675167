/* The tree of /helix, and who may open what. */
#include <base/memory.h>
#include <base/string.h>
#include <subsys/access/access.h>
#include <subsys/helixfs/helixfs_private.h>

#define HELIXFS_MAGIC 0x48454c58U /* "HELX" */

/* --- names and rights ------------------------------------------------------------------------- */

struct file_row {
    const char *name;
    bool is_open;
};

#define FILE_ROW(enumerator, number, text, access, meaning)                                        \
    [number] = {.name = (text), .is_open = sizeof(access) > 1},
static const struct file_row file_rows[HELIXFS_FILE_END] = {HELIXFS_FILE_LIST(FILE_ROW)};
#undef FILE_ROW

static hx_err find_file(const char *name, uint64_t *number)
{
    for (unsigned i = 1; i < HELIXFS_FILE_END; i++) {
        if (string_equal(name, file_rows[i].name)) {
            *number = i;
            return HX_OK;
        }
    }
    return HX_ENOENT;
}

static bool name_file(uint64_t number, char name[RESOURCE_NAME_SIZE])
{
    return number > 0 && number < HELIXFS_FILE_END &&
           string_copy(name, RESOURCE_NAME_SIZE, file_rows[number].name);
}

static bool next_file(uint64_t from, uint64_t *number)
{
    *number = from > 0 ? from : 1;
    return *number < HELIXFS_FILE_END;
}

static const struct resource_names file_names = {
    .type = RESOURCE_TYPE_CONTROL, .find = find_file, .name = name_file, .next = next_file};

hx_err helixfs_admit(enum helixfs_file file, bool is_write)
{
    if (file_rows[file].is_open) {
        return HX_OK;
    }
    /* What is written to events chooses what its own reader hears. */
    is_write &= file != HELIXFS_EVENTS;
    return access_require(resource_make(RESOURCE_TYPE_CONTROL, file),
                          is_write ? PERMISSION_WRITE : PERMISSION_READ, HX_EACCES);
}

static hx_err admit(const struct pseudo_node *node, bool is_write)
{
    const struct helixfs_node *about = node->entry->context;

    return helixfs_admit(about->file, is_write);
}

/* --- tables ----------------------------------------------------------------------------------- */

static hx_err show_table(const struct pseudo_node *node, struct text *text)
{
    const struct helixfs_node *about = node->entry->context;
    struct table table = table_begin(text, &about->table->layout, about->is_json);
    hx_err error = about->table->fill(&table);

    if (error == HX_OK) {
        table_end(&table);
    }
    return error;
}

/* --- commands --------------------------------------------------------------------------------- */

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

hx_err helixfs_next_word(struct helixfs_word *rest, struct helixfs_word *word)
{
    const char *at = rest->start;
    const char *end = at + rest->length;

    while (end > at && end[-1] == '\n') {
        end--;
    }
    while (at < end && is_blank(*at)) {
        at++;
    }
    word->start = at;
    while (at < end && !is_blank(*at)) {
        if (*at++ == '\n') {
            return HX_EINVAL;
        }
    }
    word->length = (size_t)(at - word->start);
    *rest = (struct helixfs_word){at, (size_t)(end - at)};
    return word->length > 0 ? HX_OK : HX_ENOENT;
}

hx_err helixfs_split(const char *text, size_t length, struct helixfs_word words[HELIXFS_WORDS_MAX],
                     size_t *count)
{
    struct helixfs_word rest = {text, length};
    struct helixfs_word word;
    hx_err error;

    for (*count = 0; (error = helixfs_next_word(&rest, &word)) == HX_OK; (*count)++) {
        if (*count == HELIXFS_WORDS_MAX) {
            return HX_EINVAL;
        }
        words[*count] = word;
    }
    return error == HX_ENOENT ? HX_OK : error;
}

bool helixfs_is_word(const struct helixfs_word *word, const char *text)
{
    return string_length(text) == word->length && memcmp(text, word->start, word->length) == 0;
}

/* --- the tree --------------------------------------------------------------------------------- */

/* X(name, enumerator, table, what takes a write or NULL, mode) */
#define TABLE_FILE_LIST(X)                                                                         \
    X(state, HELIXFS_STATE, helixfs_state, NULL, 0444)                                             \
    X(subsystems, HELIXFS_SUBSYSTEMS, helixfs_subsystems, NULL, 0444)                              \
    X(components, HELIXFS_COMPONENTS, helixfs_components, NULL, 0444)                              \
    X(modules, HELIXFS_MODULES, helixfs_modules, NULL, 0444)                                       \
    X(devices, HELIXFS_DEVICES, helixfs_devices, NULL, 0444)                                       \
    X(caps, HELIXFS_CAPS, helixfs_caps, helixfs_change_caps, 0666)                                 \
    X(privileges, HELIXFS_PRIVILEGES, helixfs_privileges, NULL, 0444)                              \
    X(refused, HELIXFS_REFUSED, helixfs_refused, NULL, 0444)                                       \
    X(refusals, HELIXFS_REFUSALS, helixfs_refusals, NULL, 0444)                                    \
    X(self, HELIXFS_SELF, helixfs_self, NULL, 0444)                                                \
    X(resources, HELIXFS_RESOURCES, helixfs_resources, NULL, 0444)                                 \
    X(topics, HELIXFS_TOPICS, helixfs_topics, NULL, 0444)                                          \
    X(subscribers, HELIXFS_SUBSCRIBERS, helixfs_subscribers, NULL, 0444)                           \
    X(mailboxes, HELIXFS_MAILBOXES, helixfs_mailboxes, NULL, 0444)                                 \
    X(channels, HELIXFS_CHANNELS, helixfs_channels, NULL, 0444)                                    \
    X(threads, HELIXFS_THREADS, helixfs_threads, NULL, 0444)                                       \
    X(interrupts, HELIXFS_INTERRUPTS, helixfs_interrupts, NULL, 0444)                              \
    X(hooks, HELIXFS_HOOKS, helixfs_hooks, helixfs_change_hooks, 0666)                             \
    X(syscalls, HELIXFS_SYSCALLS, helixfs_calls, helixfs_change_calls, 0666)                       \
    X(trace, HELIXFS_TRACE, helixfs_trace, helixfs_change_trace, 0666)                             \
    X(trace_kinds, HELIXFS_TRACE_KINDS, helixfs_trace_kinds, NULL, 0444)                           \
    X(heal, HELIXFS_HEAL, helixfs_heal, NULL, 0444)                                                \
    X(heal_options, HELIXFS_HEAL_OPTIONS, helixfs_heal_options, helixfs_change_heal_options, 0666) \
    X(checkpoints, HELIXFS_CHECKPOINTS, helixfs_checkpoints, NULL, 0444)                           \
    X(inject, HELIXFS_INJECT, helixfs_inject, helixfs_change_inject, 0666)                         \
    X(fault_classes, HELIXFS_FAULT_CLASSES, helixfs_fault_classes, NULL, 0444)                     \
    X(heal_groups, HELIXFS_HEAL_GROUPS, helixfs_heal_groups, helixfs_change_heal_groups, 0666)     \
    X(screen, HELIXFS_SCREEN, helixfs_screen, helixfs_change_screen, 0666)                         \
    X(processors, HELIXFS_PROCESSORS, helixfs_processors, NULL, 0444)

#define TABLE_NODES(text_name, number, rows, command, file_mode)                                   \
    static const struct helixfs_node text_name##_text = {.file = (number), .table = &(rows)};      \
    static const struct helixfs_node text_name##_json = {                                          \
        .file = (number), .table = &(rows), .is_json = true};
TABLE_FILE_LIST(TABLE_NODES)
#undef TABLE_NODES

#define TABLE_TEXT_ROW(text_name, number, rows, command, file_mode)                                \
    {.name = #text_name,                                                                           \
     .type = VNODE_FILE,                                                                           \
     .mode = (file_mode),                                                                          \
     .show = show_table,                                                                           \
     .store = (command),                                                                           \
     .context = &text_name##_text},
#define TABLE_JSON_ROW(text_name, number, rows, command, file_mode)                                \
    {.name = #text_name,                                                                           \
     .type = VNODE_FILE,                                                                           \
     .mode = 0444,                                                                                 \
     .show = show_table,                                                                           \
     .context = &text_name##_json},

static const struct pseudo_entry json_rows[] = {TABLE_FILE_LIST(TABLE_JSON_ROW){.name = NULL}};

static const struct helixfs_node version_node = {.file = HELIXFS_VERSION};
static const struct helixfs_node graph_node = {.file = HELIXFS_SUBSYSTEMS_DOT};
static const struct helixfs_node confine_node = {.file = HELIXFS_CONFINE};
static const struct helixfs_node power_node = {.file = HELIXFS_POWER};
static const struct helixfs_node log_node = {.file = HELIXFS_LOG};
static const struct helixfs_node policy_node = {.file = HELIXFS_POLICY};
static const struct helixfs_node audit_node = {.file = HELIXFS_AUDIT};
static const struct helixfs_node messages_node = {.file = HELIXFS_MESSAGES};
static const struct helixfs_node last_panic_node = {.file = HELIXFS_LAST_PANIC};
static const struct helixfs_node counter_node = {.file = HELIXFS_COUNTER};
static const struct helixfs_node events_node = {.file = HELIXFS_EVENTS};

static const struct pseudo_entry root_rows[] = {
    {.name = "version",
     .type = VNODE_FILE,
     .mode = 0444,
     .show = helixfs_show_version,
     .context = &version_node},
    TABLE_FILE_LIST(TABLE_TEXT_ROW){.name = "subsystems.dot",
                                    .type = VNODE_FILE,
                                    .mode = 0444,
                                    .show = helixfs_show_graph,
                                    .context = &graph_node},
    {.name = "confine",
     .type = VNODE_FILE,
     .mode = 0222,
     .store = helixfs_confine,
     .context = &confine_node},
    {.name = "power",
     .type = VNODE_FILE,
     .mode = 0222,
     .store = helixfs_change_power,
     .context = &power_node},
    {.name = "counter",
     .type = VNODE_FILE,
     .mode = 0444,
     .show = helixfs_show_counter,
     .context = &counter_node},
    {.name = "log",
     .type = VNODE_FILE,
     .mode = 0444,
     .show = helixfs_show_log,
     .context = &log_node},
    {.name = "last_panic",
     .type = VNODE_FILE,
     .mode = 0666,
     .show = helixfs_show_last_panic,
     .store = helixfs_change_last_panic,
     .context = &last_panic_node},
    {.name = "events",
     .type = VNODE_FILE,
     .mode = 0666,
     .open = helixfs_open_events,
     .context = &events_node},
    {.name = "policy",
     .type = VNODE_FILE,
     .mode = 0666,
     .show = helixfs_show_policy,
     .store = helixfs_change_policy,
     .context = &policy_node},
    {.name = "audit",
     .type = VNODE_FILE,
     .mode = 0444,
     .open = helixfs_open_audit,
     .context = &audit_node},
    {.name = "messages",
     .type = VNODE_FILE,
     .mode = 0444,
     .open = helixfs_open_messages,
     .context = &messages_node},
    PSEUDO_DIRECTORY("json", json_rows),
    {.name = "slots", .type = VNODE_DIRECTORY, .mode = 0555, .family = &helixfs_slots},
    {.name = "cpus", .type = VNODE_DIRECTORY, .mode = 0555, .family = &helixfs_cpus},
    {.name = NULL},
};

const struct pseudo_entry helixfs_root = {
    .name = "", .type = VNODE_DIRECTORY, .mode = 0555, .children = root_rows};

static const struct pseudo_type type_of_helixfs = {
    .magic = HELIXFS_MAGIC, .root = &helixfs_root, .admit = admit, .has_fixed_names = true};

static hx_err mount(const char *source, const char *data, struct file_system **file_system)
{
    (void)source;
    return pseudo_mount(&type_of_helixfs, data, file_system);
}

hx_err helixfs_init(void)
{
    static struct file_system_type type = {.name = "helixfs", .mount = mount};

    file_system_type_register(&type);
    return resource_names_register(&file_names);
}
