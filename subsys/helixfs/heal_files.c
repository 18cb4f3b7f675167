/* Self-healing: how each slot's module is, what it goes by, and the states that are kept. */
#include <base/format.h>
#include <base/string.h>
#include <core/debug/log.h>
#include <core/gate/slot.h>
#include <core/self_heal/healer.h>
#include <hal/clock.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/modules/modules.h>

#define SECONDS_SIZE 32U

/* --- members ---------------------------------------------------------------------------------- */

static const struct table_column heal_columns[] = {
    {.name = "slot", .kind = TABLE_WORD, .width = 13},
    {.name = "module", .kind = TABLE_WORD, .width = 14},
    {.name = "health", .kind = TABLE_WORD, .width = 12},
    {.name = "attempts", .kind = TABLE_NUMBER, .width = 8},
    {.name = "deaths", .kind = TABLE_NUMBER, .width = 6},
    {.name = "recoveries", .kind = TABLE_NUMBER, .width = 10},
    {.name = "recovery_us", .kind = TABLE_NUMBER, .width = 11},
    {.name = "taken", .kind = TABLE_NUMBER, .width = 6},
    {.name = "kept", .kind = TABLE_NUMBER, .width = 4},
    {.name = "essential", .kind = TABLE_WORD, .width = 9},
    {.name = "action", .kind = TABLE_TEXT, .width = 6},
};

/* Checkpoints that can be given out. */
static uint32_t good_checkpoints(struct slot *slot)
{
    struct checkpoint_info info;
    uint32_t good = 0;

    for (uint32_t place = 0; healer_checkpoint_info(slot, place, &info); place++) {
        good += !info.is_poisoned;
    }
    return good;
}

/* A time that was never taken is an empty cell. */
static void add_microseconds(struct table *table, uint64_t ns)
{
    if (ns != 0) {
        table_number(table, ns / 1000);
    } else {
        table_text(table, "");
    }
}

static void add_member(struct table *table, struct slot *slot, const struct heal_member_info *info)
{
    struct modules_content content = modules_content_of(slot);

    table_text(table, slot->name);
    table_text(table, content.name);
    table_text(table, heal_health_name(info->health));
    table_number(table, info->ladder.attempts);
    table_number(table, info->deaths);
    table_number(table, info->recoveries);
    add_microseconds(table, info->recovered_after_ns);
    table_number(table, info->checkpoints_taken);
    table_number(table, good_checkpoints(slot));
    table_bool(table, info->is_essential);
    table_text(table, heal_rung_name(info->decision.rung));
}

static hx_err fill_heal(struct table *table)
{
    struct slot *slot;
    struct heal_member_info info;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        if (healer_member_info(slot, &info) == HX_OK) {
            add_member(table, slot, &info);
        }
    }
    return HX_OK;
}

const struct helixfs_table helixfs_heal = HELIXFS_TABLE(heal_columns, fill_heal);

/* --- checkpoints ------------------------------------------------------------------------------ */

static const struct table_column checkpoint_columns[] = {
    {.name = "slot", .kind = TABLE_WORD, .width = 13},
    {.name = "number", .kind = TABLE_NUMBER, .width = 6},
    {.name = "seconds", .kind = TABLE_NUMBER, .width = 12},
    {.name = "bytes", .kind = TABLE_NUMBER, .width = 8},
    {.name = "poisoned", .kind = TABLE_WORD, .width = 8},
};

static void add_checkpoint(struct table *table, const struct slot *slot,
                           const struct checkpoint_info *info)
{
    char seconds[SECONDS_SIZE];

    (void)format_text(seconds, sizeof(seconds), "%llu.%06llu",
                      (unsigned long long)(info->taken_ns / HAL_NS_PER_S),
                      (unsigned long long)(info->taken_ns % HAL_NS_PER_S / 1000));
    table_text(table, slot->name);
    table_number(table, info->number);
    table_text(table, seconds);
    table_number(table, info->size);
    table_bool(table, info->is_poisoned);
}

static hx_err fill_checkpoints(struct table *table)
{
    struct slot *slot;
    struct checkpoint_info info;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        for (uint32_t place = 0; healer_checkpoint_info(slot, place, &info); place++) {
            add_checkpoint(table, slot, &info);
        }
    }
    return HX_OK;
}

const struct helixfs_table helixfs_checkpoints =
    HELIXFS_TABLE(checkpoint_columns, fill_checkpoints);

/* --- options ---------------------------------------------------------------------------------- */

struct option_row {
    const char *name;
    size_t offset; /* of its member in struct heal_policy */
    uint64_t unit;
    uint64_t least;
    uint64_t most;
};

static const struct option_row option_rows[] = {
#define OPTION_ROW(member, option, unit, value, least, most, meaning)                              \
    {option, offsetof(struct heal_policy, member), unit, least, most},
    HEAL_POLICY_LIST(OPTION_ROW)
#undef OPTION_ROW
};

static const struct table_column option_columns[] = {
    {.name = "option", .kind = TABLE_WORD, .width = 13},
    {.name = "value", .kind = TABLE_WORD, .width = 8},
    {.name = "least", .kind = TABLE_NUMBER, .width = 5},
    {.name = "most", .kind = TABLE_NUMBER, .width = 8},
    {.name = "unit", .kind = TABLE_WORD, .width = 4},
};

static void add_switch(struct table *table)
{
    table_text(table, "heal");
    table_text(table, healer_is_on() ? "on" : "off");
    table_text(table, "");
    table_text(table, "");
    table_text(table, "");
}

static hx_err fill_options(struct table *table)
{
    const struct heal_policy policy = healer_policy();

    add_switch(table);
    for (size_t i = 0; i < HX_ARRAY_SIZE(option_rows); i++) {
        const struct option_row *row = &option_rows[i];

        table_text(table, row->name);
        table_number(table, *(const uint64_t *)((const char *)&policy + row->offset) / row->unit);
        table_number(table, row->least);
        table_number(table, row->most);
        table_text(table, row->unit == HEAL_TICK_NS ? "ms" : "");
    }
    return HX_OK;
}

const struct helixfs_table helixfs_heal_options = HELIXFS_TABLE(option_columns, fill_options);

/* heal on, heal off */
static hx_err change_switch(const struct helixfs_word *word)
{
    bool on = helixfs_is_word(word, "on");

    if (!on && !helixfs_is_word(word, "off")) {
        kinfo("heal: it is on or off");
        return HX_EINVAL;
    }
    healer_set_on(on);
    return HX_OK;
}

static void tell_names(void)
{
    static const char names[] = "heal"
#define OPTION_NAME(member, option, unit, value, least, most, meaning) ", " option
        HEAL_POLICY_LIST(OPTION_NAME);
#undef OPTION_NAME

    kinfo("heal: there is no such option; there are: %s", names);
}

static const struct option_row *find_option(const struct helixfs_word *word)
{
    for (size_t i = 0; i < HX_ARRAY_SIZE(option_rows); i++) {
        if (helixfs_is_word(word, option_rows[i].name)) {
            return &option_rows[i];
        }
    }
    return NULL;
}

/* NAME NUMBER */
static hx_err change_option(const struct helixfs_word words[2])
{
    const struct option_row *row = find_option(&words[0]);
    uint64_t value;
    hx_err error;

    if (row == NULL) {
        tell_names();
        return HX_EINVAL;
    }
    error = string_to_u64(words[1].start, words[1].length, &value);
    if (error == HX_OK) {
        error = healer_set_policy(row->name, value);
    }
    if (error != HX_OK) {
        kinfo("heal: %s is a number from %llu to %llu", row->name, (unsigned long long)row->least,
              (unsigned long long)row->most);
    }
    return error == HX_OK || error == HX_ERANGE ? error : HX_EINVAL;
}

hx_err helixfs_change_heal_options(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count != 2) {
        return HX_EINVAL;
    }
    return helixfs_is_word(&words[0], "heal") ? change_switch(&words[1]) : change_option(words);
}
