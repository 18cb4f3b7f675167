/* Hooks of system calls: which are on, the policy, what each call costs. */
#include <base/format.h>
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/syscall/syscall.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/hooks/hooks.h>
#include <subsys/hooks/metrics.h>

#define NUMBER_SIZE   16U
#define SENTENCE_SIZE 160U

/* --- which are on ----------------------------------------------------------------------------- */

static const struct table_column hook_columns[] = {
    {.name = "hook", .kind = TABLE_WORD, .width = 10},
    {.name = "on", .kind = TABLE_WORD, .width = 3},
    {.name = "order", .kind = TABLE_WORD, .width = 6},
    {.name = "calls", .kind = TABLE_NUMBER, .width = 6},
    {.name = "counts", .kind = TABLE_TEXT, .width = 6},
};

static hx_err fill_hooks(struct table *table)
{
    struct hooks_row row;
    char order[NUMBER_SIZE];

    for (size_t i = 0; hooks_row(i, &row); i++) {
        (void)format_text(order, sizeof(order), "%d", (int)row.order);
        table_text(table, row.name);
        table_bool(table, row.is_on);
        table_text(table, order);
        table_number(table, row.calls);
        table_text(table, row.counts);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_hooks = HELIXFS_TABLE(hook_columns, fill_hooks);

static bool copy_name(const struct helixfs_word *word, char name[HOOKS_NAME_MAX])
{
    if (word->length >= HOOKS_NAME_MAX) {
        return false;
    }
    memcpy(name, word->start, word->length);
    name[word->length] = '\0';
    return true;
}

/* A number with or without a minus sign. */
static hx_err parse_order(const struct helixfs_word *word, int32_t *order)
{
    bool is_negative = word->length > 0 && word->start[0] == '-';
    uint64_t value;
    hx_err error = string_to_u64(word->start + is_negative, word->length - is_negative, &value);

    if (error != HX_OK || value > INT32_MAX) {
        return HX_EINVAL;
    }
    *order = is_negative ? -(int32_t)value : (int32_t)value;
    return HX_OK;
}

/* on NAME, off NAME, order NAME NUMBER */
hx_err helixfs_change_hooks(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    char name[HOOKS_NAME_MAX];
    size_t count;
    int32_t order;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count < 2 || !copy_name(&words[1], name)) {
        return HX_EINVAL;
    }
    if (count == 2 && helixfs_is_word(&words[0], "on")) {
        return hooks_set(name, true);
    }
    if (count == 2 && helixfs_is_word(&words[0], "off")) {
        return hooks_set(name, false);
    }
    if (count != 3 || !helixfs_is_word(&words[0], "order")) {
        return HX_EINVAL;
    }
    error = parse_order(&words[2], &order);
    return error == HX_OK ? hooks_set_order(name, order) : error;
}

/* --- the policy ------------------------------------------------------------------------------- */

hx_err helixfs_show_policy(const struct pseudo_node *node, struct text *text)
{
    (void)node;
    hooks_policy_show(text);
    return HX_OK;
}

/* As a whole or not at all; what was wrong stands in the log. */
hx_err helixfs_change_policy(const struct pseudo_node *node, const char *text, size_t length)
{
    char sentence[SENTENCE_SIZE] = "";
    hx_err error = hooks_policy_replace(text, length, sentence, sizeof(sentence));

    (void)node;
    if (error == HX_OK) {
        kinfo("policy: replaced");
    } else {
        kinfo("policy: not replaced: %s", sentence);
    }
    return error == HX_EFORMAT ? HX_EINVAL : error;
}

/* --- what calls cost -------------------------------------------------------------------------- */

static const struct table_column call_columns[] = {
    {.name = "number", .kind = TABLE_NUMBER, .width = 6},
    {.name = "call", .kind = TABLE_WORD, .width = 18},
    {.name = "count", .kind = TABLE_NUMBER, .width = 10},
    {.name = "errors", .kind = TABLE_NUMBER, .width = 8},
    {.name = "mean_ns", .kind = TABLE_NUMBER, .width = 9},
    {.name = "p50_ns", .kind = TABLE_NUMBER, .width = 9},
    {.name = "p90_ns", .kind = TABLE_NUMBER, .width = 9},
    {.name = "p99_ns", .kind = TABLE_NUMBER, .width = 9},
    {.name = "p999_ns", .kind = TABLE_NUMBER, .width = 9},
    {.name = "max_ns", .kind = TABLE_NUMBER, .width = 10},
};

static void add_call(struct table *table, uint32_t number, const struct call_metrics *metrics)
{
    const struct syscall_entry *entry = syscall_lookup(number);

    table_number(table, number);
    table_text(table, entry != NULL ? entry->name : "");
    table_number(table, metrics->count);
    table_number(table, metrics->errors);
    table_number(table, metrics->count > 0 ? metrics->total_ns / metrics->count : 0);
    table_number(table, metrics->p500_ns);
    table_number(table, metrics->p900_ns);
    table_number(table, metrics->p990_ns);
    table_number(table, metrics->p999_ns);
    table_number(table, metrics->max_ns);
}

static hx_err fill_calls(struct table *table)
{
    struct call_metrics metrics;

    for (uint32_t number = 0; number < SYSCALL_MAX; number++) {
        if (metrics_read(number, &metrics) == HX_OK) {
            add_call(table, number, &metrics);
        }
    }
    return HX_OK;
}

const struct helixfs_table helixfs_calls = HELIXFS_TABLE(call_columns, fill_calls);

/* reset */
hx_err helixfs_change_calls(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count != 1 || !helixfs_is_word(&words[0], "reset")) {
        return HX_EINVAL;
    }
    metrics_reset();
    return HX_OK;
}
