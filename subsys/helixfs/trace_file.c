/* /helix/trace: the flight recorder as a table in the order of time, and switching it. */
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/recorder_control.h>
#include <core/debug/recorder_merge.h>
#include <hal/clock.h>
#include <kern/heap.h>
#include <kern/thread.h>
#include <subsys/helixfs/helixfs_private.h>

#define DETAILS_SIZE  256U
#define THREADS_SLACK 64U /* that begin meanwhile */

/* --- names of threads ------------------------------------------------------------------------- */

struct thread_name {
    uint32_t id;
    char name[RECORDER_NAME_MAX + 1];
};

struct thread_names {
    struct thread_name *rows;
    size_t room;
    size_t count;
};

static struct thread_name *find_thread(const struct thread_names *names, uint32_t id)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->rows[i].id == id) {
            return &names->rows[i];
        }
    }
    return NULL;
}

/* A word of the table: without blanks. */
static void set_name(struct thread_names *names, uint32_t id, const char *name)
{
    struct thread_name *row = find_thread(names, id);

    if (row == NULL) {
        if (names->count == names->room) {
            return;
        }
        row = &names->rows[names->count++];
        row->id = id;
    }
    memset(row->name, 0, sizeof(row->name));
    for (size_t i = 0; i < RECORDER_NAME_MAX && name[i] != '\0'; i++) {
        row->name[i] = '?';
        if (name[i] > ' ' && name[i] < '\x7f') {
            row->name[i] = name[i];
        }
    }
}

static bool add_living(struct thread *thread, void *argument)
{
    struct thread_names *names = argument;

    set_name(names, thread->id, thread->name);
    return names->count < names->room;
}

/* The names of all threads there are, and room for those that have only left their names. */
static hx_err begin_names(struct thread_names *names)
{
    size_t recorded = (size_t)hal_cpu_count() * RECORDER_RARE_RECORDS;

    *names = (struct thread_names){.room = thread_count() + recorded + THREADS_SLACK};
    names->rows = heap_allocate(names->room * sizeof(names->rows[0]), OWNER_CORE);
    if (names->rows == NULL) {
        return HX_ENOMEM;
    }
    thread_for_each(add_living, names);
    return HX_OK;
}

/* --- time ------------------------------------------------------------------------------------- */

/* A moment in both units, to tell others by. */
struct moment {
    uint64_t cycles;
    uint64_t ns;
};

static struct moment moment_now(void)
{
    return (struct moment){.cycles = hal_clock_cycles(), .ns = hal_clock_now()};
}

static uint64_t nanoseconds(uint64_t cycles)
{
    uint64_t rate = hal_clock_cycles_per_second();

    return cycles / rate * HAL_NS_PER_S + cycles % rate * HAL_NS_PER_S / rate;
}

/* Records are older than the moment, but for those of CPUs whose counters are a little ahead. */
static uint64_t time_of(const struct moment *now, uint64_t cycles)
{
    uint64_t age = cycles < now->cycles ? nanoseconds(now->cycles - cycles) : 0;

    return age < now->ns ? now->ns - age : 0;
}

/* --- the table -------------------------------------------------------------------------------- */

static const struct table_column trace_columns[] = {
    {.name = "time_ns", .kind = TABLE_NUMBER, .width = 14},
    {.name = "cpu", .kind = TABLE_NUMBER, .width = 3},
    {.name = "thread", .kind = TABLE_NUMBER, .width = 6},
    {.name = "name", .kind = TABLE_WORD, .width = 12},
    {.name = "kind", .kind = TABLE_WORD, .width = 10},
    {.name = "details", .kind = TABLE_TEXT, .width = 7},
};

static void add_record(struct table *table, struct thread_names *names, const struct moment *now,
                       const struct recorder_entry *entry)
{
    char details[DETAILS_SIZE];
    struct text text = text_into(details, sizeof(details));
    const struct thread_name *thread;

    if (entry->kind == RECORDER_NAME) {
        char name[RECORDER_NAME_MAX + 1];

        recorder_entry_name(entry, name);
        set_name(names, entry->thread, name);
    }
    thread = find_thread(names, entry->thread);
    recorder_describe(entry, &text);
    table_number(table, time_of(now, entry->cycles));
    table_number(table, entry->cpu);
    table_number(table, entry->thread);
    table_text(table, thread != NULL ? thread->name : "");
    table_text(table, recorder_kind_name(entry->kind));
    table_text(table, details);
}

static hx_err fill_trace(struct table *table)
{
    struct recorder_merge *merge = heap_allocate(sizeof(*merge), OWNER_CORE);
    struct moment now = moment_now();
    struct recorder_entry entry;
    struct thread_names names;
    hx_err error = merge != NULL ? begin_names(&names) : HX_ENOMEM;

    if (error == HX_OK) {
        recorder_merge_begin(merge, UINT64_MAX);
        while (recorder_merge_next(merge, &entry)) {
            add_record(table, &names, &now, &entry);
        }
        heap_free(names.rows);
    }
    heap_free(merge);
    return error;
}

const struct helixfs_table helixfs_trace = HELIXFS_TABLE(trace_columns, fill_trace);

/* --- what is recorded ------------------------------------------------------------------------- */

static const struct table_column kind_columns[] = {
    {.name = "group", .kind = TABLE_WORD, .width = 11},
    {.name = "on", .kind = TABLE_WORD, .width = 3},
    {.name = "kinds", .kind = TABLE_TEXT, .width = 5},
};

static hx_err fill_kinds(struct table *table)
{
    const char *group;

    for (unsigned i = 0; (group = recorder_group_name(i)) != NULL; i++) {
        uint32_t kinds = recorder_group_kinds(i);
        char names[DETAILS_SIZE];
        struct text text = text_into(names, sizeof(names));

        for (unsigned kind = 1; kind < RECORDER_KIND_COUNT; kind++) {
            if ((kinds & RECORDER_BIT(kind)) != 0) {
                text_add(&text, "%s%s", text.length > 0 ? " " : "",
                         recorder_kind_name((enum recorder_kind)kind));
            }
        }
        table_text(table, group);
        table_bool(table, (recorder_get_kinds() & kinds) != 0);
        table_text(table, names);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_trace_kinds = HELIXFS_TABLE(kind_columns, fill_kinds);

/* --- commands --------------------------------------------------------------------------------- */

/* The kinds of all groups that are named behind the command. */
static hx_err find_groups(const struct helixfs_word *words, size_t count, uint32_t *kinds)
{
    *kinds = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t found = recorder_group_find(words[i].start, words[i].length);

        if (found == 0) {
            return HX_ENOENT;
        }
        *kinds |= found;
    }
    return HX_OK;
}

/* "mark TEXT": the words, one blank between them, as far as they fit. */
static void mark(const struct helixfs_word *words, size_t count)
{
    char name[RECORDER_NAME_MAX + 1];
    struct text text = text_into(name, sizeof(name));

    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            text_add_bytes(&text, " ", 1);
        }
        text_add_bytes(&text, words[i].start, words[i].length);
    }
    recorder_write_name(RECORDER_MARK, name);
}

static hx_err switch_groups(const struct helixfs_word *command, size_t count, uint32_t kinds)
{
    if (helixfs_is_word(command, "on") && count > 0) {
        return recorder_switch_on(kinds);
    }
    if (helixfs_is_word(command, "off")) {
        return recorder_switch_off(count > 0 ? kinds : RECORDER_ALL);
    }
    return HX_EINVAL;
}

hx_err helixfs_change_trace(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    uint32_t kinds;
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count == 0) {
        return HX_EINVAL;
    }
    if (helixfs_is_word(&words[0], "clear") && count == 1) {
        recorder_clear();
        return HX_OK;
    }
    if (helixfs_is_word(&words[0], "mark") && count > 1) {
        mark(words + 1, count - 1);
        return HX_OK;
    }
    error = find_groups(words + 1, count - 1, &kinds);
    return error == HX_OK ? switch_groups(&words[0], count - 1, kinds) : error;
}
