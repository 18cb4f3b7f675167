/* Who may do what: grants, privileges, what was refused. */
#include <core/syscall/syscall.h>
#include <hal/clock.h>
#include <subsys/access/access.h>
#include <subsys/helixfs/helixfs_private.h>
#include <subsys/process/authority.h>
#include <subsys/process/process.h>

#define RIGHTS_SIZE 64U

static void add_subject(struct table *table, subject_id subject)
{
    char name[SUBJECT_NAME_MAX];

    capability_subject_name(subject, name);
    table_text(table, name);
}

static void add_resource(struct table *table, resource_id resource)
{
    char text[RESOURCE_TEXT_SIZE];

    resource_text(resource, text);
    table_text(table, text);
}

static void add_rights(struct table *table, uint64_t rights)
{
    char text[RIGHTS_SIZE];

    capability_rights_text(rights, text, sizeof(text));
    table_text(table, text);
}

/* --- grants ----------------------------------------------------------------------------------- */

static const struct table_column cap_columns[] = {
    {.name = "holder", .kind = TABLE_WORD, .width = 14},
    {.name = "resource", .kind = TABLE_WORD, .width = 24},
    {.name = "through", .kind = TABLE_WORD, .width = 10},
    {.name = "depth", .kind = TABLE_NUMBER, .width = 5},
    {.name = "rights", .kind = TABLE_WORD, .width = 6},
};

static hx_err fill_caps(struct table *table)
{
    struct capability_record record;
    uint32_t position = 0;
    hx_err error;

    while ((error = capability_next(&position, 0, &record)) == HX_OK || error == HX_EAGAIN) {
        if (error == HX_OK) {
            add_subject(table, record.subject);
            add_resource(table, record.resource);
            add_subject(table, record.through);
            table_number(table, record.depth);
            add_rights(table, record.rights);
        }
    }
    return error == HX_ENOENT ? HX_OK : error;
}

const struct helixfs_table helixfs_caps = HELIXFS_TABLE(cap_columns, fill_caps);

static const struct table_column self_columns[] = {
    {.name = "resource", .kind = TABLE_WORD, .width = 24},
    {.name = "through", .kind = TABLE_WORD, .width = 10},
    {.name = "rights", .kind = TABLE_WORD, .width = 6},
};

static hx_err fill_self(struct table *table)
{
    subject_id self = syscall_caller().subject;
    struct capability_record record;
    uint32_t position = 0;
    hx_err error;

    while ((error = capability_next(&position, 0, &record)) == HX_OK || error == HX_EAGAIN) {
        if (error == HX_OK && record.subject == self) {
            add_resource(table, record.resource);
            add_subject(table, record.through);
            add_rights(table, record.rights);
        }
    }
    return error == HX_ENOENT ? HX_OK : error;
}

const struct helixfs_table helixfs_self = HELIXFS_TABLE(self_columns, fill_self);

/* --- changing them ---------------------------------------------------------------------------- */

/* grant SUBJECT RESOURCE RIGHTS: from what the caller holds. */
static hx_err grant(const struct helixfs_word *words)
{
    subject_id to = SUBJECT_NONE;
    resource_id resource = 0;
    uint64_t rights = 0;
    hx_err error = resource_parse(words[2].start, words[2].length, &resource);

    if (error == HX_OK) {
        error = capability_rights_parse(words[3].start, words[3].length, &rights);
    }
    if (error == HX_OK) {
        error = authority_parse(words[1].start, words[1].length, true, &to);
    }
    if (error != HX_OK) {
        return error;
    }
    error = capability_delegate(syscall_caller().subject, to, resource, rights, NULL);
    return error == HX_EPERM ? access_require(resource, rights | PERMISSION_DELEGATE, HX_EPERM)
                             : error;
}

/* Whether a grant came, however far, from one that the subject holds. */
static bool is_derived_from(const struct capability_record *record, subject_id subject)
{
    struct capability_record at = *record;

    while (at.origin != CAPABILITY_NONE) {
        if (at.through == subject) {
            return true;
        }
        if (capability_describe(at.origin, &at) != HX_OK) {
            return false;
        }
    }
    return false;
}

/* Take back what the subject got on a resource from the caller; with everything, from anybody. */
static hx_err take_back(subject_id from, resource_id resource, bool everything)
{
    subject_id self = syscall_caller().subject;
    struct capability_record record;
    uint32_t position = 0;
    unsigned taken = 0;
    hx_err error;

    while ((error = capability_next(&position, resource, &record)) == HX_OK || error == HX_EAGAIN) {
        if (error == HX_OK && record.subject == from &&
            (everything || is_derived_from(&record, self)) &&
            capability_revoke_handle(record.handle) == HX_OK) {
            taken++;
        }
    }
    return error != HX_ENOENT ? error : taken > 0 ? HX_OK : HX_ENOENT;
}

/* revoke SUBJECT RESOURCE: what the caller gave; with control over this file, what anybody gave. */
static hx_err revoke(const struct helixfs_word *words)
{
    const resource_id caps = resource_make(RESOURCE_TYPE_CONTROL, HELIXFS_CAPS);
    bool everything = capability_check(syscall_caller().subject, caps, PERMISSION_CONTROL);
    subject_id from = SUBJECT_NONE;
    resource_id resource = 0;
    hx_err error = resource_parse(words[2].start, words[2].length, &resource);

    if (error == HX_OK) {
        error = authority_parse(words[1].start, words[1].length, false, &from);
    }
    return error == HX_OK ? take_back(from, resource, everything) : error;
}

hx_err helixfs_change_caps(const struct pseudo_node *node, const char *text, size_t length)
{
    struct helixfs_word words[HELIXFS_WORDS_MAX];
    size_t count;
    hx_err error = helixfs_split(text, length, words, &count);

    (void)node;
    if (error != HX_OK || count == 0) {
        return HX_EINVAL;
    }
    if (helixfs_is_word(&words[0], "grant")) {
        return count == 4 ? grant(words) : HX_EINVAL;
    }
    return helixfs_is_word(&words[0], "revoke") && count == 3 ? revoke(words) : HX_EINVAL;
}

/* RESOURCE RIGHTS.  Errors: HX_ENOENT nothing is left. */
static hx_err next_right(struct helixfs_word *rest, struct authority_right *right)
{
    struct helixfs_word resource;
    struct helixfs_word rights;
    hx_err error = helixfs_next_word(rest, &resource);

    if (error != HX_OK) {
        return error;
    }
    error = helixfs_next_word(rest, &rights);
    if (error != HX_OK) {
        return HX_EINVAL;
    }
    error = capability_rights_parse(rights.start, rights.length, &right->rights);
    if (error == HX_OK) {
        /* That it does not exist is told apart from the end of the line. */
        error = resource_parse(resource.start, resource.length, &right->resource);
        error = error == HX_ENOENT ? HX_ESRCH : error;
    }
    return error;
}

static hx_err parse_rights(struct helixfs_word rest, struct authority_right *rights, size_t *count)
{
    struct authority_right right;
    hx_err error;

    for (*count = 0; (error = next_right(&rest, &right)) == HX_OK; (*count)++) {
        if (*count == AUTHORITY_RIGHTS_MAX) {
            return HX_EINVAL;
        }
        rights[*count] = right;
    }
    return error == HX_ESRCH ? HX_ENOENT : error == HX_ENOENT && *count > 0 ? HX_OK : HX_EINVAL;
}

/* RESOURCE RIGHTS [RESOURCE RIGHTS …], or "nothing". */
hx_err helixfs_confine(const struct pseudo_node *node, const char *text, size_t length)
{
    struct authority_right rights[AUTHORITY_RIGHTS_MAX];
    struct helixfs_word rest = {text, length};
    struct helixfs_word word;
    size_t count = 0;
    hx_err error = helixfs_next_word(&rest, &word);

    (void)node;
    if (process_current() == NULL) {
        return HX_EPERM;
    }
    if (error != HX_OK) {
        return HX_EINVAL;
    }
    if (helixfs_is_word(&word, "nothing")) {
        return rest.length == 0 ? authority_confine(NULL, 0) : HX_EINVAL;
    }
    error = parse_rights((struct helixfs_word){text, length}, rights, &count);
    return error == HX_OK ? authority_confine(rights, count) : error;
}

/* --- privileges ------------------------------------------------------------------------------- */

static const struct table_column privilege_columns[] = {
    {.name = "resource", .kind = TABLE_WORD, .width = 20},
    {.name = "held", .kind = TABLE_WORD, .width = 4},
    {.name = "meaning", .kind = TABLE_TEXT, .width = 7},
};

static hx_err fill_privileges(struct table *table)
{
    for (unsigned i = 1; i < PRIVILEGE_END; i++) {
        add_resource(table, privilege_resource((enum privilege)i));
        table_bool(table, access_has_privilege((enum privilege)i));
        table_text(table, privilege_meaning((enum privilege)i));
    }
    return HX_OK;
}

const struct helixfs_table helixfs_privileges = HELIXFS_TABLE(privilege_columns, fill_privileges);

/* --- refusals --------------------------------------------------------------------------------- */

static const struct table_column refused_columns[] = {
    {.name = "missing", .kind = TABLE_WORD},
    {.name = "on", .kind = TABLE_WORD},
    {.name = "subject", .kind = TABLE_WORD},
    {.name = "error", .kind = TABLE_WORD},
};

static hx_err fill_refused(struct table *table)
{
    struct access_refusal refusal;

    if (!access_last_refusal(&refusal)) {
        for (size_t i = 0; i < HX_ARRAY_SIZE(refused_columns); i++) {
            table_text(table, "");
        }
        return HX_OK;
    }
    add_rights(table, refusal.rights);
    add_resource(table, refusal.resource);
    table_text(table, refusal.subject_name);
    table_text(table, hx_error_name(refusal.error));
    return HX_OK;
}

const struct helixfs_table helixfs_refused = HELIXFS_RECORD(refused_columns, fill_refused);

static const struct table_column refusal_columns[] = {
    {.name = "time_ms", .kind = TABLE_NUMBER, .width = 10},
    {.name = "thread", .kind = TABLE_NUMBER, .width = 6},
    {.name = "subject", .kind = TABLE_WORD, .width = 14},
    {.name = "error", .kind = TABLE_WORD, .width = 9},
    {.name = "resource", .kind = TABLE_WORD, .width = 24},
    {.name = "rights", .kind = TABLE_WORD, .width = 6},
};

static hx_err fill_refusals(struct table *table)
{
    struct access_refusal refusal;

    for (uint32_t i = 0; access_refusal_at(i, &refusal); i++) {
        table_number(table, refusal.time_ns / 1000000);
        table_number(table, refusal.thread);
        table_text(table, refusal.subject_name);
        table_text(table, hx_error_name(refusal.error));
        add_resource(table, refusal.resource);
        add_rights(table, refusal.rights);
    }
    return HX_OK;
}

const struct helixfs_table helixfs_refusals = HELIXFS_TABLE(refusal_columns, fill_refusals);
