/* Self-healing's groups: who is restarted with whom, read and written. */
#include <base/memory.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/self_heal/healer.h>
#include <subsys/helixfs/helixfs_private.h>

static const struct table_column group_columns[] = {
    {.name = "group", .kind = TABLE_WORD, .width = 13},
    {.name = "strategy", .kind = TABLE_WORD, .width = 12},
    {.name = "above", .kind = TABLE_WORD, .width = 13},
    {.name = "deaths", .kind = TABLE_NUMBER, .width = 6},
    {.name = "members", .kind = TABLE_TEXT, .width = 7},
};

static hx_err fill_groups(struct table *table)
{
    struct heal_group_info info;

    for (uint32_t place = 0; healer_group_info(place, &info); place++) {
        table_text(table, info.name);
        table_text(table, supervision_strategy_name(info.strategy));
        table_text(table, info.above);
        table_number(table, info.deaths);
        table_text(table, info.children);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_heal_groups = HELIXFS_TABLE(group_columns, fill_groups);

static bool copy_word(const struct helixfs_word *word, char *to, size_t size)
{
    if (word->length >= size) {
        return false;
    }
    memcpy(to, word->start, word->length);
    to[word->length] = '\0';
    return true;
}

/* NAME STRATEGY:MEMBER,MEMBER… */
hx_err helixfs_change_heal_groups(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    char name[SUPERVISION_NAME_MAX];
    char what[HEAL_GROUP_TEXT_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count != 2 || !copy_word(&words[0], name, sizeof(name)) ||
        !copy_word(&words[1], what, sizeof(what))) {
        return HX_EINVAL;
    }
    error = healer_set_group(name, what);
    if (error != HX_OK) {
        kinfo("heal: a group is NAME STRATEGY:SLOT,@GROUP,... with one_for_one, one_for_all or "
              "rest_for_one, or NAME none: %s",
              hx_error_text(error));
    }
    return error;
}
