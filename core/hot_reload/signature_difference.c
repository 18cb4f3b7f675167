#include <base/memory.h>
#include <base/string.h>
#include <core/hot_reload/signature_difference.h>

#define KEY_SIZE "(size)" /* of the whole type */
#define KEY_USES "(uses)"
#define OPAQUE   "opaque"

static struct signature_part part_of(const char *text)
{
    return (struct signature_part){text, string_length(text)};
}

static bool is_equal(struct signature_part a, struct signature_part b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static bool has_prefix(struct signature_part part, struct signature_part prefix)
{
    return part.size >= prefix.size && memcmp(part.bytes, prefix.bytes, prefix.size) == 0;
}

static struct signature_part without_first(struct signature_part part, size_t size)
{
    return (struct signature_part){part.bytes + size, part.size - size};
}

/* Take what stands before the separator, or all, off the beginning. The rest begins behind it. */
static struct signature_part cut(struct signature_part *rest, const char *separator)
{
    size_t length = string_length(separator);
    struct signature_part first = *rest;

    for (size_t i = 0; i + length <= rest->size; i++) {
        if (memcmp(rest->bytes + i, separator, length) == 0) {
            first.size = i;
            *rest = without_first(*rest, i + length);
            return first;
        }
    }
    *rest = (struct signature_part){NULL, 0};
    return first;
}

/* --- lines ------------------------------------------------------------------------------------ */

static struct signature_part find_line(struct signature_part lines, struct signature_part name,
                                       const char *separator)
{
    const struct signature_part behind = part_of(separator);

    while (lines.size > 0) {
        struct signature_part line = cut(&lines, "\n");

        if (has_prefix(line, name) && has_prefix(without_first(line, name.size), behind) &&
            line.size <= SIGNATURE_LINE_MAX) {
            return without_first(line, name.size + behind.size);
        }
    }
    return (struct signature_part){NULL, 0};
}

struct signature_part signature_line(struct signature_part lines, const char *name,
                                     const char *separator)
{
    return find_line(lines, part_of(name), separator);
}

struct signature_part signature_type(const struct signatures *signatures,
                                     struct signature_part name)
{
    return find_line(signatures->descriptions, name, " | ");
}

struct signature_part signature_description(const struct signatures *signatures, const char *name)
{
    return signature_type(signatures, part_of(name));
}

/* --- entries ---------------------------------------------------------------------------------- */

struct entry {
    struct signature_part key;
    struct signature_part value;
};

static bool next_entry(struct signature_part *entries, struct entry *entry)
{
    if (entries->size == 0) {
        return false;
    }
    entry->value = cut(entries, "; ");
    entry->key = cut(&entry->value, ": ");
    return true;
}

/* Find a key; *from is where the search begins, and is left behind what was found: mostly next. */
static bool find_entry(struct signature_part entries, struct signature_part *from,
                       struct signature_part key, struct entry *entry)
{
    if (next_entry(from, entry) && is_equal(entry->key, key)) {
        return true;
    }
    *from = entries;
    while (next_entry(from, entry)) {
        if (is_equal(entry->key, key)) {
            return true;
        }
    }
    return false;
}

static struct signature_part value_of(struct signature_part entries, const char *key)
{
    struct signature_part from = entries;
    struct entry entry;

    return find_entry(entries, &from, part_of(key), &entry) ? entry.value
                                                            : (struct signature_part){NULL, 0};
}

struct signature_part signature_uses(struct signature_part entries)
{
    return value_of(entries, KEY_USES);
}

bool signature_next_use(struct signature_part *uses, struct signature_part *type)
{
    if (uses->size == 0) {
        return false;
    }
    *type = cut(uses, ", ");
    return true;
}

/* --- differences ------------------------------------------------------------------------------ */

/* What the kernel may have more than the module knows, without harm. */
enum growth {
    GROWTH_NONE,
    GROWTH_WITHIN, /* of the same size: enumerators */
    GROWTH_AT_END, /* members behind the others, so it is larger */
};

/* Two descriptions of one thing. */
struct comparison {
    const char *export;
    struct signature_part type; /* whose entries these are; empty: the export's own */
    struct signature_part theirs;
    struct signature_part ours;
    enum growth growth;
    struct text *why;
};

static void add_value(struct text *why, struct signature_part value)
{
    text_add(why, "%.*s", (int)value.size, value.bytes != NULL ? value.bytes : "");
}

static enum signature_verdict differs(const struct comparison *comparison,
                                      struct signature_part key, struct signature_part theirs,
                                      struct signature_part ours)
{
    struct text *why = comparison->why;

    text_add(why, "%s: ", comparison->export);
    add_value(why, comparison->type);
    if (!is_equal(key, part_of(KEY_SIZE))) {
        text_add(why, comparison->type.size > 0 ? "." : "");
        add_value(why, key);
    }
    text_add(why, ": ");
    add_value(why, theirs.bytes != NULL ? theirs : part_of("nothing"));
    text_add(why, ", here ");
    add_value(why, ours.bytes != NULL ? ours : part_of("nothing"));
    return SIGNATURE_DIFFERS;
}

/* Keys that the first has and the second has not: the first of them. */
static bool find_missing(struct signature_part first, struct signature_part second,
                         struct entry *missing)
{
    struct signature_part from = second;
    struct entry found;

    while (next_entry(&first, missing)) {
        if (!is_equal(missing->key, part_of(KEY_USES)) &&
            !find_entry(second, &from, missing->key, &found)) {
            return true;
        }
    }
    return false;
}

/* The values of the keys that both have, but for the size and the uses. */
static enum signature_verdict compare_values(const struct comparison *comparison)
{
    struct signature_part rest = comparison->theirs;
    struct signature_part from = comparison->ours;
    struct entry theirs;
    struct entry ours;

    while (next_entry(&rest, &theirs)) {
        if (!is_equal(theirs.key, part_of(KEY_SIZE)) && !is_equal(theirs.key, part_of(KEY_USES)) &&
            find_entry(comparison->ours, &from, theirs.key, &ours) &&
            !is_equal(theirs.value, ours.value)) {
            return differs(comparison, theirs.key, theirs.value, ours.value);
        }
    }
    return SIGNATURE_SAME;
}

static enum signature_verdict compare_sizes(const struct comparison *comparison)
{
    struct signature_part theirs = value_of(comparison->theirs, KEY_SIZE);
    struct signature_part ours = value_of(comparison->ours, KEY_SIZE);

    return is_equal(theirs, ours) ? SIGNATURE_SAME
                                  : differs(comparison, part_of(KEY_SIZE), theirs, ours);
}

static bool is_opaque(struct signature_part entries)
{
    return is_equal(value_of(entries, KEY_SIZE), part_of(OPAQUE));
}

/* What tells most comes first: a body that is there or not, members that are, then what they are.
 */
static enum signature_verdict compare_entries(const struct comparison *comparison)
{
    const struct signature_part nothing = {NULL, 0};
    enum signature_verdict verdict;
    struct entry missing;
    bool has_grown;

    if (is_opaque(comparison->theirs) != is_opaque(comparison->ours)) {
        return compare_sizes(comparison);
    }
    if (find_missing(comparison->theirs, comparison->ours, &missing)) {
        return differs(comparison, missing.key, missing.value, nothing);
    }
    has_grown = find_missing(comparison->ours, comparison->theirs, &missing);
    if (has_grown && comparison->growth == GROWTH_NONE) {
        return differs(comparison, missing.key, nothing, missing.value);
    }
    verdict = compare_values(comparison);
    if (verdict == SIGNATURE_SAME && !(has_grown && comparison->growth == GROWTH_AT_END)) {
        verdict = compare_sizes(comparison);
    }
    return verdict == SIGNATURE_SAME && has_grown ? SIGNATURE_GROWN : verdict;
}

/*
 * Operations are added at the end of the table that a category is about (helix/operation.h): the
 * others are where they were, and the table's own size says how many a module has.
 */
static enum growth growth_of(const struct comparison *export, struct signature_part type)
{
    if (has_prefix(type, part_of("enum "))) {
        return GROWTH_WITHIN;
    }
    return string_has_prefix(export->export, "category:") &&
                   is_equal(type, value_of(export->ours, "type"))
               ? GROWTH_AT_END
               : GROWTH_NONE;
}

static enum signature_verdict compare_types(const struct comparison *export,
                                            const struct signatures *module,
                                            const struct signatures *kernel)
{
    enum signature_verdict result = SIGNATURE_SAME;
    struct signature_part uses = signature_uses(export->theirs);
    struct signature_part type;

    while (signature_next_use(&uses, &type)) {
        struct comparison one = *export;
        enum signature_verdict verdict;

        one.type = type;
        one.theirs = signature_type(module, type);
        one.ours = signature_type(kernel, type);
        /* A type of its own: what refers to it is different too, and says more. */
        if (one.ours.bytes == NULL) {
            continue;
        }
        one.growth = growth_of(export, type);
        verdict = compare_entries(&one);
        if (verdict == SIGNATURE_DIFFERS) {
            return verdict;
        }
        result = verdict == SIGNATURE_GROWN ? verdict : result;
    }
    return result;
}

enum signature_verdict signature_find_difference(const struct signatures *module,
                                                 const struct signatures *kernel, const char *name,
                                                 struct text *why)
{
    struct comparison export = {.export = name,
                                .theirs = signature_description(module, name),
                                .ours = signature_description(kernel, name),
                                .why = why};
    enum signature_verdict verdict;

    if (export.theirs.bytes == NULL || export.ours.bytes == NULL) {
        text_add(why, "%s: its signature is not described", name);
        return SIGNATURE_UNREADABLE;
    }
    verdict = compare_entries(&export);
    return verdict == SIGNATURE_SAME ? compare_types(&export, module, kernel) : verdict;
}
