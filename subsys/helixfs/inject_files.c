/* Faults that are put into modules: what there are, the last one, and putting one. */
#include <base/string.h>
#include <core/debug/log.h>
#include <core/fault_injection/fault_injection.h>
#include <core/syscall/syscall.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/modules/modules.h>

/* --- classes ---------------------------------------------------------------------------------- */

static const struct table_column class_columns[] = {
    {.name = "class", .kind = TABLE_WORD, .width = 17},
    {.name = "meaning", .kind = TABLE_TEXT, .width = 8},
};

static hx_err fill_classes(struct table *table)
{
    for (unsigned i = 0; i < FAULT_CLASS_COUNT; i++) {
        table_text(table, fault_class_name((enum fault_class)i));
        table_text(table, fault_class_meaning((enum fault_class)i));
    }
    return HX_OK;
}

const struct helixfs_table helixfs_fault_classes = HELIXFS_TABLE(class_columns, fill_classes);

/* --- the last one ----------------------------------------------------------------------------- */

static const struct table_column inject_columns[] = {
    {.name = "slot", .kind = TABLE_WORD, .width = 13},
    {.name = "module", .kind = TABLE_WORD, .width = 14},
    {.name = "class", .kind = TABLE_WORD, .width = 17},
    {.name = "seed", .kind = TABLE_NUMBER, .width = 20},
    {.name = "stage", .kind = TABLE_WORD, .width = 7},
    {.name = "where", .kind = TABLE_TEXT, .width = 5},
};

static hx_err fill_inject(struct table *table)
{
    struct fault_injection last = fault_injection_last();

    if (last.slot == NULL) {
        return HX_OK;
    }
    table_text(table, last.slot);
    table_text(table, last.module);
    table_text(table, fault_class_name(last.fault.class));
    table_number(table, last.seed);
    table_text(table, fault_stage_name(last.stage));
    table_text(table, last.where);
    return HX_OK;
}

const struct helixfs_table helixfs_inject = HELIXFS_TABLE(inject_columns, fill_inject);

/* --- putting one ------------------------------------------------------------------------------ */

static struct slot *find_slot(const struct helixfs_word *word)
{
    struct slot *slot;

    for (size_t i = 0; (slot = slot_at(i)) != NULL; i++) {
        if (helixfs_is_word(word, slot->name)) {
            return slot;
        }
    }
    kinfo("inject: there is no such slot; /helix/slots has them");
    return NULL;
}

/* renew SLOT */
static hx_err renew(const struct helixfs_word words[2])
{
    struct slot *slot = find_slot(&words[1]);

    return slot == NULL ? HX_EINVAL : modules_renew(syscall_caller().subject, slot);
}

/* SLOT CLASS SEED */
static hx_err put(const struct helixfs_word words[3])
{
    struct slot *slot = find_slot(&words[0]);
    enum fault_class class;
    uint64_t seed;

    if (slot == NULL) {
        return HX_EINVAL;
    }
    if (fault_class_find(words[1].start, words[1].length, &class) != HX_OK) {
        kinfo("inject: there is no such class of faults; /helix/fault_classes has them");
        return HX_EINVAL;
    }
    if (string_to_u64(words[2].start, words[2].length, &seed) != HX_OK) {
        kinfo("inject: SLOT CLASS SEED, the seed is a number");
        return HX_EINVAL;
    }
    return fault_inject(slot, class, seed);
}

hx_err helixfs_change_inject(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (!fault_injection_is_allowed()) {
        kinfo("inject: no faults without the option inject on the command line");
        return HX_EPERM;
    }
    if (error == HX_OK && count == 1 && helixfs_is_word(&words[0], "withdraw")) {
        fault_withdraw();
        return HX_OK;
    }
    if (error == HX_OK && count == 2 && helixfs_is_word(&words[0], "renew")) {
        return renew(words);
    }
    return error == HX_OK && count == 3 ? put(words) : HX_EINVAL;
}
