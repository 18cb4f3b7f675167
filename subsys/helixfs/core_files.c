/* What core's services know: modules, resources, topics, subscribers, mailboxes, the log. */
#include <base/format.h>
#include <core/debug/log.h>
#include <core/ipc/channel.h>
#include <core/ipc/event_bus.h>
#include <core/ipc/message_router.h>
#include <core/panic/last_panic.h>
#include <core/resource/owner.h>
#include <core/resource/resource.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/modules/modules.h>
#include <subsys/process/process.h>

#define HEX_SIZE 20U

/* --- modules ---------------------------------------------------------------------------------- */

static const struct table_column module_columns[] = {
    {.name = "slot", .kind = TABLE_WORD, .width = 12},
    {.name = "module", .kind = TABLE_WORD, .width = 12},
    {.name = "version", .kind = TABLE_WORD, .width = 8},
    {.name = "gate", .kind = TABLE_WORD, .width = 4},
    {.name = "deaths", .kind = TABLE_NUMBER, .width = 6},
    {.name = "status", .kind = TABLE_WORD, .width = 9},
};

static void add_slot(struct table *table, struct slot *slot)
{
    struct modules_content content = modules_content_of(slot);

    table_text(table, slot->name);
    table_text(table, content.name);
    table_text(table, content.version);
    table_text(table, helixfs_gate_name(content.backend));
    table_number(table, content.deaths);
    table_text(table, slot_status_name(content.status));
}

static hx_err fill_modules(struct table *table)
{
    struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        add_slot(table, slot);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_modules = HELIXFS_TABLE(module_columns, fill_modules);

/* --- resources -------------------------------------------------------------------------------- */

static const struct table_column resource_columns[] = {
    {.name = "owner", .kind = TABLE_WORD, .width = 16},
    {.name = "class", .kind = TABLE_WORD, .width = 8},
    {.name = "used", .kind = TABLE_NUMBER, .width = 12},
    {.name = "soft", .kind = TABLE_NUMBER, .width = 12},
    {.name = "hard", .kind = TABLE_NUMBER, .width = 12},
    {.name = "refused", .kind = TABLE_NUMBER, .width = 7},
    {.name = "tag", .kind = TABLE_NUMBER, .width = 10},
    {.name = "process", .kind = TABLE_NUMBER, .width = 7},
};

/* Which process an owner is. */
struct owner_process {
    owner_tag owner;
    uint32_t process;
};

struct owner_processes {
    struct owner_process *rows;
    size_t room;
    size_t count;
};

#define PROCESSES_SLACK 16U /* that begin meanwhile */

static bool collect_process(struct process *process, void *argument)
{
    struct owner_processes *all = argument;

    if (all->count == all->room) {
        return false;
    }
    all->rows[all->count++] = (struct owner_process){process->owner, process->id};
    return true;
}

/* all->rows are then the caller's to free.  Errors: HX_ENOMEM. */
static hx_err collect_processes(struct owner_processes *all)
{
    *all = (struct owner_processes){.room = process_count() + PROCESSES_SLACK};
    all->rows = heap_allocate(all->room * sizeof(all->rows[0]), OWNER_CORE);
    if (all->rows == NULL) {
        return HX_ENOMEM;
    }
    process_for_each(collect_process, all);
    return HX_OK;
}

/* 0: none that there is. */
static uint32_t process_of(const struct owner_processes *all, owner_tag owner)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->rows[i].owner == owner) {
            return all->rows[i].process;
        }
    }
    return 0;
}

/* A limit that is none is an empty cell. */
static void add_limit(struct table *table, uint64_t limit)
{
    if (limit < RESOURCE_UNLIMITED) {
        table_number(table, limit);
    } else {
        table_text(table, "");
    }
}

/* A cell of the table: empty for 0. */
static void add_process(struct table *table, uint32_t process)
{
    if (process != 0) {
        table_number(table, process);
    } else {
        table_text(table, "");
    }
}

static void add_usage(struct table *table, owner_tag owner, enum resource_class class,
                      uint32_t process)
{
    char name[RESOURCE_OWNER_NAME_MAX];
    struct resource_usage usage;

    if (resource_get_usage(owner, class, &usage) != HX_OK ||
        (usage.used == 0 && usage.limits.hard >= RESOURCE_UNLIMITED) ||
        !resource_owner_name(owner, name)) {
        return;
    }
    table_text(table, name);
    table_text(table, resource_class_name(class));
    table_number(table, usage.used);
    add_limit(table, usage.limits.soft);
    add_limit(table, usage.limits.hard);
    table_number(table, usage.refused);
    table_number(table, owner);
    add_process(table, process);
}

static hx_err fill_resources(struct table *table)
{
    struct owner_processes all;
    hx_err error = collect_processes(&all);

    if (error != HX_OK) {
        return error;
    }
    for (owner_tag owner = resource_owner_next(OWNER_NONE); owner != OWNER_NONE;
         owner = resource_owner_next(owner)) {
        for (unsigned class = 0; class < RESOURCE_CLASS_COUNT; class ++) {
            add_usage(table, owner, (enum resource_class) class, process_of(&all, owner));
        }
    }
    heap_free(all.rows);
    return HX_OK;
}

const struct helixfs_table helixfs_resources = HELIXFS_TABLE(resource_columns, fill_resources);

/* --- events and messages ---------------------------------------------------------------------- */

static const struct table_column topic_columns[] = {
    {.name = "topic", .kind = TABLE_WORD, .width = 20},
    {.name = "subscribers", .kind = TABLE_NUMBER, .width = 11},
    {.name = "published", .kind = TABLE_NUMBER, .width = 12},
};

static hx_err fill_topics(struct table *table)
{
    struct event_topic_info topic;

    for (event_topic i = 0; event_topic_info(i, &topic); i++) {
        table_text(table, topic.name);
        table_number(table, topic.subscribers);
        table_number(table, topic.published);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_topics = HELIXFS_TABLE(topic_columns, fill_topics);

static const struct table_column subscriber_columns[] = {
    {.name = "id", .kind = TABLE_WORD, .width = 12},
    {.name = "topics", .kind = TABLE_WORD, .width = 16},
    {.name = "priority", .kind = TABLE_WORD, .width = 11},
    {.name = "owner", .kind = TABLE_WORD, .width = 12},
    {.name = "dropped", .kind = TABLE_NUMBER, .width = 8},
};

static void add_hex(struct table *table, uint64_t value)
{
    char text[HEX_SIZE];

    (void)format_text(text, sizeof(text), "%llx", (unsigned long long)value);
    table_text(table, text);
}

static hx_err fill_subscribers(struct table *table)
{
    struct event_subscription_info info;

    for (uint32_t i = 0; i < EVENT_SUBSCRIPTION_MAX; i++) {
        char text[RESOURCE_OWNER_NAME_MAX];

        if (!event_subscription_info(i, &info)) {
            continue;
        }
        add_hex(table, info.id);
        add_hex(table, info.topics);
        (void)format_text(text, sizeof(text), "%d", (int)info.priority);
        table_text(table, text);
        (void)resource_owner_name(info.owner, text);
        table_text(table, text);
        table_number(table, info.dropped);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_subscribers =
    HELIXFS_TABLE(subscriber_columns, fill_subscribers);

static const struct table_column mailbox_columns[] = {
    {.name = "name", .kind = TABLE_WORD, .width = 16},
    {.name = "kind", .kind = TABLE_WORD, .width = 8},
    {.name = "server", .kind = TABLE_WORD, .width = 6},
    {.name = "capacity", .kind = TABLE_NUMBER, .width = 8},
    {.name = "critical", .kind = TABLE_NUMBER, .width = 8},
    {.name = "high", .kind = TABLE_NUMBER, .width = 4},
    {.name = "normal", .kind = TABLE_NUMBER, .width = 6},
    {.name = "low", .kind = TABLE_NUMBER, .width = 4},
    {.name = "served", .kind = TABLE_NUMBER, .width = 10},
    {.name = "errors", .kind = TABLE_NUMBER, .width = 8},
    {.name = "owner", .kind = TABLE_WORD, .width = 12},
    {.name = "program", .kind = TABLE_WORD, .width = 7},
};

static void add_owner(struct table *table, owner_tag owner)
{
    char name[RESOURCE_OWNER_NAME_MAX];

    table_text(table, resource_owner_name(owner, name) ? name : "");
}

static void add_mailbox(struct table *table, const struct router_mailbox_info *info)
{
    table_text(table, info->name);
    table_text(table, info->threaded ? "threaded" : "direct");
    table_bool(table, info->has_server);
    table_number(table, info->capacity);
    table_number(table, info->queued[ROUTER_CRITICAL]);
    table_number(table, info->queued[ROUTER_HIGH]);
    table_number(table, info->queued[ROUTER_NORMAL]);
    table_number(table, info->queued[ROUTER_LOW]);
    table_number(table, info->served);
    table_number(table, info->errors);
    add_owner(table, info->owner);
    table_bool(table, info->is_served);
}

static hx_err fill_mailboxes(struct table *table)
{
    struct router_mailbox_info info;

    for (uint32_t i = 0; i < ROUTER_MAILBOX_MAX; i++) {
        if (router_mailbox_info(i, &info)) {
            add_mailbox(table, &info);
        }
    }
    return HX_OK;
}

const struct helixfs_table helixfs_mailboxes = HELIXFS_TABLE(mailbox_columns, fill_mailboxes);

static const struct table_column channel_columns[] = {
    {.name = "channel", .kind = TABLE_WORD, .width = 12},
    {.name = "owner", .kind = TABLE_WORD, .width = 12},
    {.name = "process", .kind = TABLE_NUMBER, .width = 7},
    {.name = "item_size", .kind = TABLE_NUMBER, .width = 9},
    {.name = "capacity", .kind = TABLE_NUMBER, .width = 8},
    {.name = "queued", .kind = TABLE_NUMBER, .width = 6},
    {.name = "senders", .kind = TABLE_NUMBER, .width = 7},
    {.name = "senders_waiting", .kind = TABLE_NUMBER, .width = 15},
    {.name = "receiver_waits", .kind = TABLE_WORD, .width = 14},
    {.name = "closed", .kind = TABLE_WORD, .width = 6},
    {.name = "memory", .kind = TABLE_NUMBER, .width = 8},
};

static void add_channel(struct table *table, const struct channel_info *info, uint32_t process)
{
    add_hex(table, info->handle);
    add_owner(table, info->made_for);
    add_process(table, process);
    table_number(table, info->item_size);
    table_number(table, info->capacity);
    table_number(table, info->queued);
    table_number(table, info->senders);
    table_number(table, info->blocked_senders);
    table_bool(table, info->is_receiver_waiting);
    table_bool(table, info->is_closed);
    table_number(table, info->memory_bytes);
}

static hx_err fill_channels(struct table *table)
{
    struct owner_processes all;
    struct channel_info info;
    uint32_t index = 0;
    hx_err error = collect_processes(&all);

    if (error != HX_OK) {
        return error;
    }
    while (channel_next_info(&index, &info)) {
        add_channel(table, &info, process_of(&all, info.made_for));
    }
    heap_free(all.rows);
    return HX_OK;
}

const struct helixfs_table helixfs_channels = HELIXFS_TABLE(channel_columns, fill_channels);

/* --- the log ---------------------------------------------------------------------------------- */

/* What of it is still there, oldest first: number, seconds, text. */
hx_err helixfs_show_log(const struct pseudo_node *node, struct text *text)
{
    uint64_t newest = log_statistics().written;
    struct log_entry *entry = heap_allocate(sizeof(*entry), OWNER_CORE);
    uint64_t next = 1;

    (void)node;
    if (entry == NULL) {
        return HX_ENOMEM;
    }
    while (next <= newest && log_read(next, true, entry) == LOG_READ_RECORD &&
           entry->number <= newest) {
        log_describe(entry, text);
        next = entry->number + 1;
    }
    heap_free(entry);
    return HX_OK;
}

/* --- the last panic --------------------------------------------------------------------------- */

hx_err helixfs_show_last_panic(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    last_panic_show(text);
    return HX_OK;
}

/* erase */
hx_err helixfs_change_last_panic(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count != 1 || !helixfs_is_word(&words[0], "erase")) {
        return HX_EINVAL;
    }
    return last_panic_erase();
}
